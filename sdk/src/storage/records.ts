// What a storage of raw records has to bring along, for `RecordStore` to make a document store of it: records by name, read in
// one moment, written in whole commits. It knows nothing of documents' rules; `record-store.ts` does. IndexedDB has its own
// store, for its transactions can't be read synchronously.

import type { DamagedRecord } from './storage.ts';

/**
 * Where a record lies:
 *
 * - `log`: an envelope, named by {@link logName}
 * - `snapshot`, `state`: one a document, without a name
 * - `rejected`: an entry of the rejected list, by its id
 * - `replacement`: what a swap left, by the incarnation that it began, in decimal
 * - `value`: of no document (its id is empty), by its key
 */
export type RecordArea = 'log' | 'snapshot' | 'state' | 'rejected' | 'replacement' | 'value';

export interface RecordName {
  readonly area: RecordArea;
  readonly document: string;
  readonly name: string;
}

/** The records of one namespace as they are in one moment. */
export interface RecordReader {
  get(area: RecordArea, document: string, name: string): Uint8Array | undefined;
  /** In no particular order. Nobody writes while it goes on. */
  list(area: RecordArea, document: string): Iterable<readonly [name: string, record: Uint8Array]>;
  /** Where every record lies, of whatever area, in no particular order. */
  names(): Iterable<RecordName>;
  /** The ids of documents that have a state record, in no particular order. */
  documents(): Iterable<string>;
  /** All log records that don't say that they came from the server (see `looksRemote`). */
  localLog(): Iterable<readonly [document: string, record: Uint8Array]>;
  /** Ids of documents with entries of the rejected list. */
  rejecting(): Iterable<string>;
  damaged(): DamagedRecord[];
}

/** The same within a commit: what was written before is read. */
export interface RecordWriter extends RecordReader {
  put(area: RecordArea, document: string, name: string, record: Uint8Array): void;
  delete(area: RecordArea, document: string, name: string): void;
  setAside(record: DamagedRecord): void;
  /** Removes all records and what was set aside. */
  clear(): void;
}

/** One namespace's records. */
export interface RecordFile {
  /** All that `body` reads is of one moment. */
  view<Result>(body: (records: RecordReader) => Result): Promise<Result>;
  /**
   * Resolves when all that `body` has written is durable, together. Where `body` throws, or writing fails, nothing has changed.
   * `body` may be called again.
   */
  commit<Result>(body: (records: RecordWriter) => Result): Promise<Result>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}
