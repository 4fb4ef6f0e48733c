// The storage contract. What a storage guarantees:
//
// 1. `append` resolves when everything it was given is durable, all of it or nothing: many documents are one commit.
// 2. `compact` replaces the snapshot and removes log records in one commit, and only records that the snapshot covers
//    and that the server has; it does nothing when the stored snapshot isn't the one that the new one was made from.
// 3. `load` sees one commit as a whole or not at all.
// 4. A resume point never gets ahead of the envelopes it stands for: both are in one commit, and of two points the
//    higher one stays, whichever tab wrote it.
// 5. Records carry checksums. A damaged one is set aside (`damaged()`), reported by the `load` that met it, never
//    returned as data; the document's resume point is dropped with it, so that what the server has is fetched again.
// 6. Several tabs may have one store open. Each operation is atomic against the others'.
//
// A storage moves bytes and reads envelope headers; it neither merges nor decides what is sent. What is "unsynced" is
// not a list of its own: it is the log's local records above what was acknowledged.

import type { ResumePoint } from '@joinery/protocol';

/** Whose data: nothing is shared between two namespaces. */
export interface Namespace {
  readonly server: string;
  readonly user: string;
  /** The client's `name` option. */
  readonly name: string;
}

/** A kind of storage; `open` may be called for several namespaces and several times for one. */
export interface Storage {
  /** Shown as the storage mode in use, e.g. `indexeddb`. */
  readonly mode: string;
  /**
   * @throws JoineryError `storage-unavailable` where there is no such storage and won't be: the only error after which
   * another kind of storage may be used. Else `storage-failed`, `storage-locked` or `storage-full`: it is tried again.
   */
  open(namespace: Namespace, events?: StoreEvents): Promise<DocumentStore>;
}

export interface StoreEvents {
  /** The store can't be used any more by this tab (a newer version took it over); every operation will fail. */
  lost?(error: Error): void;
  /** Opening waits for another tab to let go of the store. */
  blocked?(error: Error): void;
}

/** A resume point with the number of repairs (see `StoredDocument.repairs`) that its owner knows of. */
export interface ResumeMark extends ResumePoint {
  readonly repairs: number;
}

/** The server has committed every envelope of this agent up to `to`; the last one at or below `position`. */
export interface Acknowledgement {
  readonly agent: bigint;
  readonly to: number;
  readonly position: number;
}

/** What is appended to one document. */
export interface DocumentWrite {
  readonly document: string;
  /** The epoch that the envelopes belong to; 0 while none is known. */
  readonly epoch: number;
  /** The time of the write, in milliseconds since 1970. */
  readonly at_ms: number;
  /** Envelopes that were written on this device. */
  readonly local?: readonly Uint8Array[];
  /** Envelopes that came from the server, in dense positions. */
  readonly remote?: { readonly firstPosition: number; readonly envelopes: readonly Uint8Array[] };
  readonly acknowledged?: readonly Acknowledgement[];
  readonly resume?: ResumeMark;
}

export interface StoredSnapshot {
  /** Names the stored bytes; `compact` takes it as `replaces`. */
  readonly tag: string;
  readonly epoch: number;
  readonly bytes: Uint8Array;
}

/** Where an envelope stands: agent and the seq before its first one. */
export interface EnvelopeKey {
  readonly agent: bigint;
  readonly from: number;
}

export interface StoredEnvelope extends EnvelopeKey {
  readonly to: number;
  readonly bytes: Uint8Array;
  readonly epoch: number;
  readonly at_ms: number;
  /** The server has it: it came from there, or was acknowledged. */
  readonly acknowledged: boolean;
}

/** A record that could not be read, as it was found. */
export interface DamagedRecord {
  readonly document: string;
  readonly area: 'log' | 'snapshot' | 'state';
  readonly bytes: Uint8Array;
  readonly reason: string;
}

export interface StoredDocument {
  readonly snapshot: StoredSnapshot | undefined;
  /** In no particular order. */
  readonly log: readonly StoredEnvelope[];
  readonly resume: ResumePoint | undefined;
  /** How often records of this document were set aside: a resume point of an earlier count is not stored any more. */
  readonly repairs: number;
  /** What this load has set aside. */
  readonly damaged: readonly DamagedRecord[];
}

export interface Compaction {
  /** The tag of the stored snapshot that the new one includes; undefined when there was none. */
  readonly replaces: string | undefined;
  readonly epoch: number;
  readonly bytes: Uint8Array;
  /** The version of the snapshot: agent → highest seq. */
  readonly covers: ReadonlyMap<bigint, number>;
  /** Set with the snapshot, where the snapshot came from the server. */
  readonly resume?: ResumeMark;
}

/** A document with local envelopes that were not acknowledged. */
export interface PendingDocument {
  readonly document: string;
  readonly envelopes: number;
  readonly oldestAt_ms: number;
}

/** One namespace's documents. Every method may reject with `storage-failed`, `storage-full`, `storage-locked` or `closed`. */
export interface DocumentStore {
  append(writes: readonly DocumentWrite[]): Promise<void>;
  /** An unknown document is an empty one. */
  load(document: string): Promise<StoredDocument>;
  /** The bytes of envelopes of the log, in the order asked for; undefined where there is none (or a damaged one). */
  read(document: string, keys: readonly EnvelopeKey[]): Promise<(Uint8Array | undefined)[]>;
  /** The new snapshot's tag, or undefined when `replaces` isn't the stored one: load again, then compact again. */
  compact(document: string, compaction: Compaction): Promise<string | undefined>;
  /** The ids of all documents that were ever appended to or compacted, sorted. */
  documents(): Promise<string[]>;
  pending(): Promise<PendingDocument[]>;
  damaged(): Promise<DamagedRecord[]>;
  /** A small area beside the documents. A damaged value reads as absent. */
  readValue(key: string): Promise<Uint8Array | undefined>;
  /** Durable when it resolves; undefined deletes. */
  writeValue(key: string, value: Uint8Array | undefined): Promise<void>;
  /** Waits for what is under way. Later calls reject with `closed`. */
  close(): Promise<void>;
}
