// The files of SQLite's pool of access handles, looked after before the pool takes them: how they look is the pool's, and fixed (a
// head of 4,096 bytes, then a file of SQLite's). The pool itself is hard on them. It empties a file whose head it can't read, whatever
// lies in it; it takes one without a head for the one before; and when it can't have one of them at the start, it removes all. So
// each is tried first, and put right.

import { type Environment, fileError, patiently } from 'joinery/storage';

/** As the worker's scope has it; TypeScript's DOM library does not. */
export interface SyncAccessHandle {
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandle>;
}

/** The name that the database has in the pool. */
export const databasePath = '/records.sqlite';
export const head_bytes = 4096;
const path_bytes = 512;
const digestAt = path_bytes + 4;
/** SQLite's flags of a main database that may be written and made, and the pool's for the digest below. */
const databaseFlags = 0x100 | 0x2 | 0x4 | 0x80;
const sqliteMagic = new TextEncoder().encode('SQLite format 3\0');

/** The folder of a pool's files in a folder. */
export function poolFolder(folder: FileSystemDirectoryHandle): Promise<FileSystemDirectoryHandle> {
  return folder.getDirectoryHandle('.opaque', { create: true });
}

/**
 * Holds a file in a folder below the pool's: as long as it is held, nobody can remove the pool's folder, nor be where this is.
 *
 * @throws JoineryError `storage-locked`
 */
export async function holdGuard(environment: Environment, pool: FileSystemDirectoryHandle): Promise<SyncAccessHandle> {
  const folder = await pool.getDirectoryHandle('guard', { create: true });
  const file = (await folder.getFileHandle('guard', { create: true })) as SyncFileHandle;
  return await patiently(environment, () => file.createSyncAccessHandle());
}

/**
 * Has every file of the pool once, and leaves none that the pool would empty. A file that its maker hadn't begun is removed; a
 * database whose head is damaged gets it back.
 *
 * @returns how many files there are
 * @throws JoineryError `storage-locked`, `storage-failed`
 */
export async function prepareFiles(environment: Environment, pool: FileSystemDirectoryHandle): Promise<number> {
  const entries = pool as unknown as AsyncIterable<[string, FileSystemHandle]>;
  const files: [string, SyncFileHandle][] = [];
  for await (const [name, handle] of entries) if (handle.kind === 'file') files.push([name, handle as SyncFileHandle]);
  let count = 0;
  for (const [name, file] of files) {
    const handle = await patiently(environment, () => file.createSyncAccessHandle());
    let isBegun = false;
    try {
      isBegun = handle.getSize() >= head_bytes;
      if (isBegun) mendHead(handle);
    } catch (error) {
      throw fileError(error);
    } finally {
      handle.close();
    }
    if (isBegun) count += 1;
    else await pool.removeEntry(name);
  }
  return count;
}

function mendHead(handle: SyncAccessHandle): void {
  const bytes = new Uint8Array(head_bytes + sqliteMagic.length);
  const length = handle.read(bytes, { at: 0 });
  const isDatabase = length === bytes.length && sqliteMagic.every((byte, index) => bytes[head_bytes + index] === byte);
  // Of what is no database the head is written before anything that counts, and taken off after everything that did.
  if (!isDatabase || isWhole(bytes)) return;
  const head = databaseHead();
  if (handle.write(head, { at: 0 }) !== head.length) throw new Error("The database's head could not be written.");
  handle.flush();
}

/** Whether the pool will take the head as it is. */
function isWhole(head: Uint8Array): boolean {
  const view = new DataView(head.buffer);
  const flags = view.getUint32(path_bytes);
  const [first, second] = digest(head.subarray(0, digestAt), flags);
  return view.getUint32(digestAt, true) === first && view.getUint32(digestAt + 4, true) === second;
}

function databaseHead(): Uint8Array {
  const head = new Uint8Array(digestAt + 8);
  new TextEncoder().encodeInto(databasePath, head);
  const view = new DataView(head.buffer);
  view.setUint32(path_bytes, databaseFlags);
  const [first, second] = digest(head.subarray(0, digestAt), databaseFlags);
  view.setUint32(digestAt, first, true);
  view.setUint32(digestAt + 4, second, true);
  return head;
}

/** The pool's own checksum of a head. */
function digest(bytes: Uint8Array, flags: number): [number, number] {
  if ((flags & 0x80) === 0) return [0, 0];
  let [first, second] = [0xdeadbeef, 0x41c6ce57];
  for (const byte of bytes) {
    first = Math.imul(first ^ byte, 2654435761);
    second = Math.imul(second ^ byte, 104729);
  }
  return [first >>> 0, second >>> 0];
}
