// Storage in the browser's origin private file system: records in a file of each namespace (`log-file.ts`), by sync access
// handles, which there are in workers alone. Only one tab can have them: tabs take turns (`turns.ts`).

import { JoineryError } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import { fileError, LogFile, type LogFolder, type SyncFile } from './log-file.ts';
import { openRecordStore } from './record-store.ts';
import type { DocumentStore, Namespace, Storage, StoreEvents } from './storage.ts';
import { type Held, patiently, Turns } from './turns.ts';

const folderName = 'joinery';
const fileNames = ['a.log', 'b.log'] as const;

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

  async has(namespace: Namespace): Promise<boolean> {
    return await hasFolder(folderName, namespace);
  }

  /** @throws JoineryError `storage-unavailable` outside of workers, and where the browser has none or gives none to this page */
  async open(namespace: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    const folder = await openFolder(this.#environment, namespace);
    const salt = (): number => {
      const bytes = new Uint8Array(4);
      this.#environment.randomBytes(bytes);
      return new DataView(bytes.buffer).getUint32(0);
    };
    try {
      return await openRecordStore(new LogFile(folder, salt), events);
    } catch (error) {
      await folder.close();
      throw error;
    }
  }
}

/** Whether this origin has a folder for this namespace in another one; it makes none. Where there can't be any, there is none. */
export async function hasFolder(outer: string, namespace: Namespace): Promise<boolean> {
  if (typeof navigator === 'undefined' || navigator.storage?.getDirectory === undefined) return false;
  try {
    const all = await (await navigator.storage.getDirectory()).getDirectoryHandle(outer);
    await all.getDirectoryHandle(await namespaceHash(namespace));
    return true;
  } catch (error) {
    if (error instanceof Error && /^(NotFound|Security|NotAllowed)Error$/.test(error.name)) return false;
    throw fileError(error);
  }
}

/** The files of a namespace, for one tab after the other. */
export async function openFolder(environment: Environment, namespace: Namespace): Promise<LogFolder> {
  const name = await namespaceHash(namespace);
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

class OpfsFolder implements LogFolder {
  readonly #environment: Environment;
  readonly #name: string;
  readonly #turns: Turns<readonly [SyncFile, SyncFile]>;
  #handles: readonly SyncFileHandle[] | undefined;

  constructor(environment: Environment, name: string) {
    this.#environment = environment;
    this.#name = name;
    this.#turns = new Turns(environment, `joinery-opfs-${name}`, () => this.#take());
  }

  exclusive<Result>(body: (files: readonly [SyncFile, SyncFile]) => Result): Promise<Result> {
    return this.#turns.exclusive(body);
  }

  close(): Promise<void> {
    return this.#turns.close();
  }

  async #take(): Promise<Held<readonly [SyncFile, SyncFile]>> {
    const open: SyncAccessHandle[] = [];
    const release = (): void => {
      for (const handle of open) handle.close();
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
      throw fileError(error);
    }
  }

  #opened(handle: SyncFileHandle): Promise<SyncAccessHandle> {
    return patiently(this.#environment, () => {
      if (handle.createSyncAccessHandle === undefined) throw noOriginFiles('a worker with sync access handles', 'none');
      return handle.createSyncAccessHandle();
    });
  }
}

function fileHandles(name: string): Promise<SyncFileHandle[]> {
  return withOriginFiles(async () => {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(folderName, { create: true });
    const own = await all.getDirectoryHandle(name, { create: true });
    return await Promise.all(fileNames.map((file) => own.getFileHandle(file, { create: true })));
  });
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
export async function namespaceHash({ server, user, name }: Namespace): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify([server, user, name]));
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Runs what uses the origin private file system; what it throws is one of a storage's errors. */
export async function withOriginFiles<Result>(run: () => Promise<Result>): Promise<Result> {
  if (typeof navigator === 'undefined' || navigator.storage?.getDirectory === undefined) {
    throw noOriginFiles('an origin private file system', 'none in this environment');
  }
  try {
    return await run();
  } catch (error) {
    // The browser gives this page no storage (it is in a sandbox, in a private window, or the user has turned storage off).
    if (error instanceof Error && /^(Security|NotAllowed)Error$/.test(error.name)) {
      throw noOriginFiles('the origin private file system to be allowed', `${error.name}: ${error.message}`, error);
    }
    throw fileError(error);
  }
}

export function noOriginFiles(expected: string, got: string, cause?: unknown): JoineryError {
  const remedy = "Use storage: 'indexeddb'.";
  return new JoineryError('storage-unavailable', { expected, got, remedy }, { cause });
}
