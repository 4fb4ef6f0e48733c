// Storage in the browser's origin private file system: records in a file of each namespace (`log-file.ts`), by sync access
// handles, which there are in workers alone. Only one tab can have them: whoever has a file gives it back when another tab asks,
// and when it has had nothing to do for a while.

import { JoineryError } from '@joinery/protocol';
import type { Cancel, Channel, Environment } from '../environment.ts';
import { fileError, LogFile, type LogFolder, type SyncFile } from './log-file.ts';
import { openRecordStore } from './record-store.ts';
import type { DocumentStore, Namespace, Storage } from './storage.ts';

const folderName = 'joinery';
const fileNames = ['a.log', 'b.log'] as const;
/** After so long without use a file is given back: a tab that is frozen could not. */
const idle_ms = 200;
/** So long another tab's files are waited for. It gives them back when it is asked, unless it is frozen. */
const patience_ms = 5_000;
/** Whoever waits asks again after so long: who has the files by then may not have heard. */
const askAgain_ms = 250;
const handleRetry_ms = 20;

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
  const folder = new OpfsFolder(environment, name);
  try {
    // What can't be had is told now.
    await folder.exclusive(() => {});
    return folder;
  } catch (error) {
    await folder.close();
    throw error;
  }
}

/** The files, as long as they are had. */
interface Held {
  readonly files: readonly [SyncFile, SyncFile];
  release(): void;
}

class OpfsFolder implements LogFolder {
  readonly #environment: Environment;
  readonly #name: string;
  readonly #channel: Channel | undefined;
  #handles: readonly SyncFileHandle[] | undefined;
  #held: Held | undefined;
  /** Another tab has asked for the files. */
  #isWanted = false;
  #idle: Cancel | undefined;
  #isClosed = false;
  /** What was asked for goes one behind the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(environment: Environment, name: string) {
    this.#environment = environment;
    this.#name = name;
    this.#channel = environment.tabs?.channel(this.#lock, () => {
      this.#isWanted = true;
      this.#giveBack();
    });
  }

  get #lock(): string {
    return `joinery-opfs-${this.#name}`;
  }

  exclusive<Result>(body: (files: readonly [SyncFile, SyncFile]) => Result): Promise<Result> {
    const done = this.#last.then(async () => {
      this.#idle?.();
      this.#held ??= await this.#take();
      let result: Result;
      try {
        result = body(this.#held.files);
      } catch (error) {
        // Handles may have died; others can be had.
        this.#giveBack();
        throw error;
      }
      if (this.#isWanted) this.#giveBack();
      else this.#idle = this.#environment.timer(() => this.#giveBack(), idle_ms);
      return result;
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
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
    const unlock = await this.#locked();
    // Who has asked by now has waited behind this one, and asks again.
    this.#isWanted = false;
    const open: SyncAccessHandle[] = [];
    const release = (): void => {
      for (const handle of open) handle.close();
      unlock();
    };
    try {
      this.#handles ??= await fileHandles(this.#name);
      for (const handle of this.#handles) open.push(await this.#opened(handle));
      const [first, second] = open.map(syncFile);
      return { files: [first as SyncFile, second as SyncFile], release };
    } catch (error) {
      // The folder may have been removed: the next time it is looked for anew.
      this.#handles = undefined;
      release();
      throw error;
    }
  }

  #locked(): Promise<Cancel> {
    const { locks } = this.#environment.tabs ?? {};
    // Without locks the handles themselves keep the others out.
    if (locks === undefined) return Promise.resolve(() => {});
    return new Promise((resolve, reject) => {
      let askAgain = (): void => {};
      const ask = (): void => {
        this.#channel?.post('wanted');
        askAgain = this.#environment.timer(ask, askAgain_ms);
      };
      const end = (): void => {
        askAgain();
        giveUp();
      };
      const failed = (): void => {
        end();
        reject(new JoineryError('storage-failed', 'A lock for the files could not be had.'));
      };
      const giveUp = this.#environment.timer(() => {
        end();
        unlock();
        reject(taken());
      }, patience_ms);
      const granted = (): void => {
        end();
        resolve(unlock);
      };
      const unlock = locks.request(this.#lock, false, { granted, lost: failed, failed });
      ask();
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
        // A tab that has just ended may still have its handles. (WebKit calls it an invalid state.)
        const isTaken = error instanceof Error && /^(NoModificationAllowed|InvalidState)Error$/.test(error.name);
        if (!isTaken) throw fileError(error);
        if (environment.monotonic() - start > patience_ms) throw taken(error);
        await new Promise<void>((resolve) => environment.timer(resolve, handleRetry_ms));
      }
    }
  }
}

function fileHandles(name: string): Promise<SyncFileHandle[]> {
  return available(async () => {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(folderName, { create: true });
    const own = await all.getDirectoryHandle(name, { create: true });
    return await Promise.all(fileNames.map((file) => own.getFileHandle(file, { create: true })));
  });
}

function taken(cause?: unknown): JoineryError {
  return new JoineryError(
    'storage-locked',
    {
      expected: "this origin's files within five seconds",
      got: 'another tab that holds them',
      remedy: 'It is tried again; where that does not help, close the other tabs of this app.',
    },
    { cause },
  );
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

/** A name for a folder: a hash, for names may be long, and some file systems take two of them for one. */
async function folderNameOf({ server, user, name }: Namespace): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify([server, user, name]));
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
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
    throw fileError(error);
  }
}

function unavailable(expected: string, got: string, cause?: unknown): JoineryError {
  const remedy = "Use storage: 'indexeddb'.";
  return new JoineryError('storage-unavailable', { expected, got, remedy }, { cause });
}
