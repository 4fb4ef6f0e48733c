// Storage in the browser's origin private file system: records in a file of each namespace (`log-file.ts`), by sync access
// handles, which there are in workers alone. Only one tab can have them: whoever has a file gives it back when another tab asks,
// and when it has had nothing to do for a while.

import { JoineryError } from '@joinery/protocol';
import type { Cancel, Channel, Environment } from '../environment.ts';
import { LogFile, type LogFolder, type SyncFile } from './log-file.ts';
import { openRecordStore } from './record-store.ts';
import type { DocumentStore, Namespace, Storage } from './storage.ts';

const folderName = 'joinery';
const fileNames = ['a.log', 'b.log'] as const;
/** After so long without use a file is given back: a tab that is frozen could not. */
const idle_ms = 200;
/** A tab that has just ended may still have its handles; so long they are waited for. */
const handlePatience_ms = 3_000;
const handleRetry_ms = 20;
/** A folder's name may be no longer. */
const maxName_bytes = 200;

/** As the worker's scope has it; TypeScript's DOM library does not. */
interface SyncAccessHandle {
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle?(): Promise<SyncAccessHandle>;
}

export class OpfsStorage implements Storage {
  readonly mode = 'opfs';
  readonly shared = true;
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** @throws JoineryError `storage-unavailable` outside of workers, and where the browser has none or gives none to this page */
  async open(namespace: Namespace): Promise<DocumentStore> {
    const folder = await openFolder(this.#environment, namespace);
    const salt = (): number => {
      const bytes = new Uint8Array(4);
      this.#environment.randomBytes(bytes);
      return new DataView(bytes.buffer).getUint32(0);
    };
    try {
      return await openRecordStore(new LogFile(folder, salt));
    } catch (error) {
      await folder.close();
      throw error;
    }
  }
}

/** The files of a namespace, for one tab after the other. */
export async function openFolder(environment: Environment, namespace: Namespace): Promise<LogFolder> {
  const name = await folderNameOf(namespace);
  const handles = await available(async () => {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(folderName, { create: true });
    const own = await all.getDirectoryHandle(name, { create: true });
    return await Promise.all(fileNames.map((file) => own.getFileHandle(file, { create: true })));
  });
  return new OpfsFolder(environment, `joinery-opfs-${name}`, handles);
}

/** What a folder that is had can be used for. */
interface Held {
  readonly files: readonly [SyncFile, SyncFile];
  release(): void;
}

class OpfsFolder implements LogFolder {
  readonly #environment: Environment;
  readonly #lock: string;
  readonly #handles: readonly SyncFileHandle[];
  readonly #channel: Channel | undefined;
  #held: Held | undefined;
  /** Another tab has asked for the files. */
  #isWanted = false;
  #idle: Cancel | undefined;
  #isClosed = false;
  /** What was asked for goes one behind the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(environment: Environment, lock: string, handles: readonly SyncFileHandle[]) {
    this.#environment = environment;
    this.#lock = lock;
    this.#handles = handles;
    this.#channel = environment.tabs?.channel(lock, () => {
      this.#isWanted = true;
      this.#giveBack();
    });
  }

  exclusive<Result>(body: (files: readonly [SyncFile, SyncFile]) => Result): Promise<Result> {
    const done = this.#last.then(async () => {
      this.#idle?.();
      this.#held ??= await this.#take();
      try {
        return body(this.#held.files);
      } finally {
        if (this.#isWanted) this.#giveBack();
        else this.#idle = this.#environment.timer(() => this.#giveBack(), idle_ms);
      }
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async close(): Promise<void> {
    await this.#last;
    this.#isClosed = true;
    this.#giveBack();
    this.#channel?.close();
  }

  #giveBack(): void {
    this.#idle?.();
    this.#idle = undefined;
    this.#held?.release();
    this.#held = undefined;
  }

  async #take(): Promise<Held> {
    if (this.#isClosed) throw new JoineryError('closed', 'The store is closed; open it again.');
    // Who asks from now on waits behind this one.
    this.#isWanted = false;
    this.#channel?.post('wanted');
    const unlock = await this.#locked();
    const open: SyncAccessHandle[] = [];
    const release = (): void => {
      for (const handle of open) handle.close();
      unlock();
    };
    try {
      for (const handle of this.#handles) open.push(await this.#opened(handle));
      const [first, second] = open.map(syncFile);
      return { files: [first as SyncFile, second as SyncFile], release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #locked(): Promise<Cancel> {
    const { locks } = this.#environment.tabs ?? {};
    // Without locks the handles themselves keep the others out.
    if (locks === undefined) return Promise.resolve(() => {});
    return new Promise((resolve, reject) => {
      const failed = (): void => reject(new JoineryError('storage-failed', 'A lock for the files could not be had.'));
      const unlock = locks.request(this.#lock, false, { granted: () => resolve(unlock), lost: failed, failed });
    });
  }

  async #opened(handle: SyncFileHandle): Promise<SyncAccessHandle> {
    if (handle.createSyncAccessHandle === undefined) throw unavailable('a worker with sync access handles', 'none');
    const environment = this.#environment;
    const start = environment.monotonic();
    for (;;) {
      try {
        return await handle.createSyncAccessHandle();
      } catch (error) {
        const isTaken = error instanceof Error && error.name === 'NoModificationAllowedError';
        if (!isTaken) throw failure(error);
        if (environment.monotonic() - start > handlePatience_ms) {
          throw new JoineryError('storage-locked', {
            expected: "this origin's files",
            got: 'another tab that holds them',
            remedy: 'Close the other tabs of this app.',
          });
        }
        await new Promise<void>((resolve) => environment.timer(resolve, handleRetry_ms));
      }
    }
  }
}

function syncFile(handle: SyncAccessHandle): SyncFile {
  return {
    size: () => handle.getSize(),
    read: (into, at) => handle.read(into, { at }),
    write: (bytes, at) => handle.write(bytes, { at }),
    truncate: (size) => handle.truncate(size),
    flush: () => handle.flush(),
  };
}

/** A name for a folder: readable, or a hash where that would be too long. */
async function folderNameOf({ server, user, name }: Namespace): Promise<string> {
  const readable = [server, user, name].map(encodeURIComponent).join('+');
  if (readable.length <= maxName_bytes) return `n-${readable}`;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(readable)));
  return `h-${Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

async function available<Result>(run: () => Promise<Result>): Promise<Result> {
  if (typeof navigator === 'undefined' || navigator.storage?.getDirectory === undefined) {
    throw unavailable('an origin private file system', 'none in this environment');
  }
  try {
    return await run();
  } catch (error) {
    // The browser gives this page no storage (it is in a sandbox, in a private window, or the user has turned storage off).
    if (error instanceof Error && /^(Security|NotAllowed)Error$/.test(error.name)) {
      throw unavailable('the origin private file system to be allowed', `${error.name}: ${error.message}`, error);
    }
    throw failure(error);
  }
}

function unavailable(expected: string, got: string, cause?: unknown): JoineryError {
  const remedy = "Use storage: 'indexeddb'.";
  return new JoineryError('storage-unavailable', { expected, got, remedy }, { cause });
}

function failure(error: unknown): JoineryError {
  if (error instanceof JoineryError) return error;
  const isFull = error instanceof Error && error.name === 'QuotaExceededError';
  const got = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new JoineryError(
    isFull ? 'storage-full' : 'storage-failed',
    { expected: "this origin's files to work", got, remedy: 'The operation is safe to try again.' },
    { cause: error },
  );
}
