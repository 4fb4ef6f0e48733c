// Storage in a folder, in Node: records in two files of each namespace (`log-file.ts`). One process has them, from the first open
// of a namespace to its last close; within it, stores of one namespace share them.

import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { JoineryError } from '@joinery/protocol';
import { type Environment, systemEnvironment } from '../environment.ts';
import { LogFile, type LogFolder } from '../storage/log-file.ts';
import { openRecordStore } from '../storage/record-store.ts';
import type { DocumentStore, Namespace, Storage } from '../storage/storage.ts';
import { lockFolder } from './folder-lock.ts';
import { makeFolder, OpenFiles } from './open-files.ts';

/** So long another process's files are waited for. */
const patience_ms = 5_000;

export interface FolderStorageOptions {
  /** Made where there is none, with what is missing above it, for this user's eyes alone. On a disk of this machine. */
  readonly folder: string;
}

/**
 * Documents in a folder: what is `durable` has reached the disk (each commit is synced). One process at a time has a user's data in
 * it: another one waits for five seconds, then gets `storage-locked`, and its client goes on trying.
 *
 * @example
 * import { createClient, FolderStorage } from 'joinery/node';
 * const client = createClient({ url: 'https://example.org', storage: new FolderStorage({ folder: './data' }) });
 */
export class FolderStorage implements Storage {
  readonly mode = 'folder';
  readonly #folder: string;
  readonly #environment: Environment;

  /**
   * @param environment time and chance of one's own, for tests
   * @throws JoineryError `invalid-option`
   */
  constructor({ folder }: FolderStorageOptions, environment: Environment = systemEnvironment()) {
    if (typeof folder !== 'string' || folder === '') {
      throw new JoineryError('invalid-option', {
        expected: 'the path of a folder as the option `folder`',
        got: JSON.stringify(folder) ?? String(folder),
        remedy: 'Name one; it is made where there is none.',
      });
    }
    this.#folder = resolve(folder);
    this.#environment = environment;
  }

  /**
   * @throws JoineryError `storage-locked` while another process has it, `storage-unavailable` where the folder can't be made or
   * may not be written to
   */
  async open(namespace: Namespace): Promise<DocumentStore> {
    const folder = await joinFolder(this.#environment, join(this.#folder, folderNameOf(namespace)));
    try {
      const salt = (): number => {
        const bytes = new Uint8Array(4);
        this.#environment.randomBytes(bytes);
        return new DataView(bytes.buffer).getUint32(0);
      };
      return await openRecordStore(new LogFile(folder, salt));
    } catch (error) {
      await folder.close();
      throw error;
    }
  }
}

/** A folder that this process has, and how many stores use it. */
interface Shared {
  readonly files: Promise<OpenFiles>;
  users: number;
}

/** By path: stores that use one folder have one lock and one pair of open files. */
const folders = new Map<string, Shared>();

/** The files of a folder, which nobody outside of this thread has until all who use them here have closed. */
async function joinFolder(environment: Environment, given: string): Promise<LogFolder> {
  makeFolder(given);
  const path = realpathSync(given);
  const shared = folders.get(path) ?? { files: takeFiles(environment, path), users: 0 };
  folders.set(path, shared);
  shared.users += 1;
  const leave = async (): Promise<void> => {
    shared.users -= 1;
    if (shared.users > 0) return;
    folders.delete(path);
    (await shared.files).close();
  };
  let files: OpenFiles;
  try {
    files = await shared.files;
  } catch (error) {
    leave().catch(() => {});
    throw error;
  }
  let isOpen = true;
  return {
    exclusive: async (body) => {
      if (!isOpen) throw new JoineryError('closed', 'The store is closed; open it again.');
      // Nothing else runs in this thread before it is done.
      return body(files.pair());
    },
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      await leave();
    },
  };
}

async function takeFiles(environment: Environment, path: string): Promise<OpenFiles> {
  const lock = await lockFolder(environment, path, patience_ms);
  try {
    return new OpenFiles(path, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A hash, for names may be long, and some file systems take two of them for one. */
function folderNameOf({ server, user, name }: Namespace): string {
  return createHash('sha256')
    .update(JSON.stringify([server, user, name]))
    .digest('hex');
}
