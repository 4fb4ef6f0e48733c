// The two files of a folder as `log-file.ts` needs them, over Node's file system: synchronous, at offsets, synced to the disk, with
// errors that tell what happened. It knows nothing of what is in them, nor who else may have them.

import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { JoineryError } from '@joinery/protocol';
import type { SyncFile } from '../storage/log-file.ts';
import { codeOf, fileError } from './file-error.ts';
import type { FolderLock } from './folder-lock.ts';

const fileNames = ['a.log', 'b.log'] as const;
/** For its owner alone: what is in them is a user's own. */
const fileMode = 0o600;
const folderMode = 0o700;

/** Makes a folder with what is missing above it. It lasts when this returns. */
export function makeFolder(path: string): void {
  folderErrors(path, () => {
    const first = mkdirSync(path, { recursive: true, mode: folderMode });
    // Its parent as well where it was there: who made it may have ended before this.
    const top = dirname(first ?? path);
    for (let folder = path; folder !== top; ) {
      folder = dirname(folder);
      syncFolder(folder);
    }
  });
}

/** Both files of a folder, as long as its lock is held. */
export class OpenFiles {
  readonly #path: string;
  readonly #lock: FolderLock;
  readonly #descriptors: number[] = [];
  readonly #pair: readonly [SyncFile, SyncFile];

  /** @throws JoineryError `storage-unavailable`, `storage-full`, `storage-failed` */
  constructor(path: string, lock: FolderLock) {
    this.#path = path;
    this.#lock = lock;
    try {
      this.#pair = folderErrors(path, () => {
        const [a, b] = fileNames.map((name) => this.#open(join(path, name)));
        // A file of which the folder knows nothing after a power cut would be durable for nobody.
        syncFolder(path);
        return [a as SyncFile, b as SyncFile] as const;
      });
    } catch (error) {
      this.#closeAll();
      throw error;
    }
  }

  /** @throws JoineryError `storage-failed` where somebody has removed them: what is written to them would be nowhere */
  pair(): readonly [SyncFile, SyncFile] {
    for (const descriptor of this.#descriptors) {
      if (fstatSync(descriptor).nlink > 0) continue;
      throw new JoineryError('storage-failed', {
        expected: `the files in ${this.#path}`,
        got: 'files that were removed while they were open',
        remedy: 'Close the client and open another one: it begins with what the server has.',
      });
    }
    return this.#pair;
  }

  close(): void {
    this.#closeAll();
    this.#lock.release();
  }

  #open(path: string): SyncFile {
    const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, fileMode);
    this.#descriptors.push(descriptor);
    const typed = <Result>(run: () => Result): Result => {
      try {
        return run();
      } catch (error) {
        throw fileError(path, error, 'storage-failed');
      }
    };
    return {
      size: () => typed(() => fstatSync(descriptor).size),
      read: (into, at) => typed(() => readSync(descriptor, into, 0, into.length, at)),
      write: (bytes, at) => typed(() => writeSync(descriptor, bytes, 0, bytes.length, at)),
      truncate: (size) => typed(() => ftruncateSync(descriptor, size)),
      // With the file's size, without which what was written couldn't be found; times are of no use.
      flush: () => typed(() => fdatasyncSync(descriptor)),
    };
  }

  #closeAll(): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor);
  }
}

function syncFolder(path: string): void {
  // Windows opens no folders, and needs none to be synced.
  if (process.platform === 'win32') return;
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Where a folder can't be had as it is, trying again won't help. */
function folderErrors<Result>(path: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    const isRefused = /^(EACCES|EPERM|EROFS|ENOTDIR|EEXIST|EISDIR|ELOOP|ENAMETOOLONG)$/.test(codeOf(error));
    throw fileError(path, error, isRefused ? 'storage-unavailable' : 'storage-failed');
  }
}
