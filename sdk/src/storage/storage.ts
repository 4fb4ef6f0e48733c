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
// 7. A document's local writes belong to an *incarnation*, counted from 0. `swap` ends one and begins the next in one
//    commit, or does nothing at all: when another tab has swapped before, or has appended something that the swap doesn't
//    know of. From then on an `append` for an older incarnation fails with `stale-incarnation` and stores nothing.
//    An incarnation is in one epoch: the first that was told of it. Every envelope of its log says so, also those that were
//    written before: damage to one record leaves no other in doubt. What is appended to it or compacted of it from another
//    epoch is stale as well: two tabs may have heard of different epochs while storage could tell neither of the other.
// 8. An envelope that was written here stays in the log until the server has it *and* the server's `safe` position has
//    passed it: through `compact`, and through swaps within an epoch.
//
// 9. An undo stack is stored in the commit of the writes that it names. A swap ends all that a document has.
//
// A storage moves bytes and reads envelope headers; it neither merges nor decides what is sent. What is "unsynced" is
// not a list of its own: it is the log's local records above what was acknowledged.

import { JoineryError, type ResumePoint } from '@joinery/protocol';
import type { RecordName } from './records.ts';

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
   * Whether all tabs of an origin that open a namespace have the same data in it (true of storage on disk). They then leave
   * the network to one of them. False when left out.
   */
  readonly shared?: boolean;
  /**
   * Whether there may be something of this namespace. It makes nothing. Left out, it isn't looked for here,
   * unless a move has led here.
   */
  has?(namespace: Namespace): Promise<boolean>;
  /**
   * @throws JoineryError `storage-unavailable` where there is no such storage and won't be: the only error after which
   * another kind of storage may be used. Else `storage-failed`, `storage-locked` or `storage-full`: it is tried again.
   */
  open(namespace: Namespace, events?: StoreEvents): Promise<DocumentStore>;
}

export interface StoreEvents {
  /**
   * The store can't be used any more by this tab: a newer version took it over (`storage-too-new`), everything was moved to another
   * storage (`storage-moved`), or removed (`storage-evicted`). Every operation will fail.
   */
  lost?(error: Error): void;
  /** Something that an app should know, though the store can be used. */
  noted?(error: Error): void;
  /**
   * Whatever the store rests on was taken away, and is to be had again: what is stored is worth a look, for it may be gone.
   * (`pending` finds out.)
   */
  interrupted?(error: Error): void;
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
  /** The one that whoever writes has loaded; an older one than the stored one fails with `stale-incarnation`. */
  readonly incarnation: number;
  /** The epoch that all of it belongs to; 0 while none is known. Another one than the stored one fails in the same way. */
  readonly epoch: number;
  /** The time of the write, in milliseconds since 1970. */
  readonly at_ms: number;
  /** Envelopes that were written on this device. */
  readonly local?: readonly Uint8Array[];
  /** What this device added to its clock to get the server's when they were written. */
  readonly clockOffset_ms?: number | undefined;
  /** Envelopes that came from the server, in dense positions. */
  readonly remote?: { readonly firstPosition: number; readonly envelopes: readonly Uint8Array[] };
  readonly acknowledged?: readonly Acknowledgement[];
  readonly resume?: ResumeMark;
  /** The server's backup holds the log up to here, as it was told last; one of a lower epoch than the stored one is left. */
  readonly safe?: ResumePoint;
  /** Writes that came to nothing, for the rejected list. */
  readonly rejected?: readonly RejectedWrite[];
  /**
   * Ids of the rejected list that are dealt with by this write: where one of them is not there (any more), nothing is stored,
   * and the append fails with `not-found`.
   */
  readonly settled?: readonly string[];
  /** Undo stacks as they are with this write. */
  readonly undo?: UndoWrite | undefined;
}

/** Undo stacks of one document, in one commit with the writes that they name. */
export interface UndoWrite {
  /** Whose they are: of stacks with one name each owner has its own. */
  readonly owner: string;
  /** Without bytes (or with more than 1 MiB) the stack is not kept. At most 16 are kept of a document, those written last. */
  readonly stacks: readonly { readonly name: string; readonly bytes: Uint8Array | undefined }[];
  /** Others of this owner that can be about the same as one of these go; one whose name isn't JSON of paths can be about anything. */
  readonly only: boolean;
}

/** An undo stack, and the incarnation and epoch whose operations it names. */
export interface StoredUndo extends IncarnationMark {
  readonly bytes: Uint8Array;
}

/** Seqs that were rejected, `from` exclusive, `to` inclusive, and why. */
export interface RejectedPart {
  readonly from: number;
  readonly to: number;
  readonly code: string;
  readonly message: string;
  /** What became of them in the replay: see the core's `RejectReason`. */
  readonly reason: string;
}

/** Seqs of one agent that were rejected. */
export interface RejectedRange extends Omit<RejectedPart, 'reason'> {
  readonly agent: bigint;
}

/** What will never be synced of one envelope as it is: kept until somebody writes it again or discards it. */
export interface RejectedWrite {
  /** See `rejectedId`. */
  readonly id: string;
  readonly agent: bigint;
  /** Ascending; at least one. */
  readonly parts: readonly RejectedPart[];
  /** When it was rejected, in milliseconds since 1970. */
  readonly at_ms: number;
  /** What these parts would have changed, as whoever wrote it here wants to read it again. */
  readonly changes: Uint8Array;
  /** The whole envelope that they were in, as it was made; empty where it is lost. */
  readonly envelope: Uint8Array;
}

/**
 * A rejected write's name, by its first and last seq: the same wherever and whenever it is rejected. Agents are never used
 * twice.
 */
export function rejectedId({ agent, from, to }: Pick<RejectedRange, 'agent' | 'from' | 'to'>): string {
  return `${agent.toString(16).padStart(16, '0')}-${from}-${to}`;
}

/** What a swap made of the incarnation before: so that whoever still has that one can follow. */
export interface Replacement {
  /** The incarnation that it began. */
  readonly incarnation: number;
  /**
   * The agents that it closed, and those that a trim before it had ended. `covered`: the highest seq that was in the log, or
   * that the server had; `last`: the highest seq that the server had.
   */
  readonly agents: readonly { readonly agent: bigint; readonly covered: number; readonly last: number }[];
  readonly rejected: readonly RejectedRange[];
  /** Old dots → new dots, in the core's encoding. */
  readonly mapping: Uint8Array;
  /** Where it came into another epoch: the last states of those before, oldest first, as far as there is room for them. */
  readonly bridges: readonly EpochEnd[];
}

/** The last state of an epoch, and the agent of the trim that ended it. */
export interface EpochEnd {
  readonly agent: bigint;
  readonly bytes: Uint8Array;
}

export interface Swap {
  /** The incarnation that it ends. */
  readonly incarnation: number;
  /** Of each own agent in the log its highest seq, as it was read: with any other in the log the swap is void. */
  readonly expectAgents: ReadonlyMap<bigint, number>;
  /** The server's state and where in the log it stands. */
  readonly snapshot: Uint8Array;
  readonly resume: ResumePoint;
  readonly safe: ResumePoint | undefined;
  readonly at_ms: number;
  /** The unsynced envelopes, made again on the server's state. */
  readonly local: readonly Uint8Array[];
  readonly clockOffset_ms: number | undefined;
  readonly rejected: readonly RejectedWrite[];
  readonly agents: Replacement['agents'];
  readonly mapping: Uint8Array;
  /** None when left out. */
  readonly bridges?: readonly EpochEnd[];
}

/** An incarnation of a document with the epoch that it is in; 0 while none is known. */
export interface IncarnationMark {
  readonly incarnation: number;
  readonly epoch: number;
}

/** Whether both speak of the same content. Who knows of no epoch has nothing that the other one could not have. */
export function isSameIncarnation(a: IncarnationMark, b: IncarnationMark): boolean {
  return a.incarnation === b.incarnation && (a.epoch === b.epoch || a.epoch === 0 || b.epoch === 0);
}

/** An append came too late: another tab, or this one, has begun the document's next incarnation, or this one elsewhere. */
export class StaleIncarnation extends JoineryError {
  readonly document: string;
  /** What is stored. */
  readonly expected: IncarnationMark;

  constructor(document: string, expected: IncarnationMark, got: IncarnationMark) {
    super('stale-incarnation', {
      expected: `a write of incarnation ${expected.incarnation} of ${JSON.stringify(document)}, epoch ${expected.epoch}`,
      got: `one of ${got.incarnation}, epoch ${got.epoch}`,
      remedy: 'Load the document again and write what it lacks on top of it.',
    });
    this.document = document;
    this.expected = { incarnation: expected.incarnation, epoch: expected.epoch };
  }
}

/** How many replacements are kept of a document: a tab that slept through more can't move its receipts. */
export const keptReplacements = 8;

/** So much of bridges is kept of one replacement: without them, what a tab had not stored may be placed less well. */
export const keptBridges_bytes = 4 * 1024 * 1024;

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
  /** What this device added to its clock to get the server's when it wrote it. */
  readonly clockOffset_ms: number | undefined;
  /** It was written on this device. */
  readonly own: boolean;
  /** The server has it: it came from there, or was acknowledged. */
  readonly acknowledged: boolean;
  /** So does the server's backup, or nobody here has to care for it: compaction may remove it. */
  readonly safe: boolean;
}

/** A record that could not be read, as it was found. */
export interface DamagedRecord {
  readonly document: string;
  readonly area: 'log' | 'snapshot' | 'state' | 'rejected' | 'replacement' | 'value';
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
  readonly incarnation: number;
  /** That of the incarnation; 0: nothing of it has ever been at the server, or damage has left no trace of that. */
  readonly epoch: number;
  readonly safe: ResumePoint | undefined;
  /** What this load has set aside. */
  readonly damaged: readonly DamagedRecord[];
}

export interface Compaction {
  readonly incarnation: number;
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

export interface StoredRejection extends RejectedWrite {
  readonly document: string;
}

/**
 * How far a move from one storage to another is, as each of the two says it. The source: `leaving` (nothing is written there any more),
 * `left` (nothing is there any more). The target: `arriving` (what is there is not whole), `arrived`. None: it was never moved.
 */
export type MoveMark =
  | { readonly state: 'leaving' | 'left'; readonly id: string; readonly to: string }
  /** Of several that move the same at once each has an attempt of its own. */
  | { readonly state: 'arriving'; readonly id: string; readonly attempt: string; readonly from: string }
  | { readonly state: 'arrived'; readonly id: string };

/** A record as it lies there. */
export interface RawRecord extends RecordName {
  readonly bytes: Uint8Array;
}

/** All of one moment. What a store keeps for itself (the mark, how often it was wiped) is no record of these. */
export interface Survey {
  readonly mark: MoveMark | undefined;
  readonly names: readonly RecordName[];
  readonly damaged: readonly DamagedRecord[];
}

export interface RawChange {
  /** What the mark is to be before: else nothing is done. */
  readonly expect: MoveMark | undefined;
  readonly mark: MoveMark | undefined;
  /** Removes all records and all that was set aside, before anything is put. */
  readonly clear?: boolean;
  /** There is to be no record and nothing set aside before: else nothing is done. */
  readonly vacant?: boolean;
  readonly put?: readonly RawRecord[];
  readonly setAside?: readonly DamagedRecord[];
}

/** A store's records without their meaning. While a mark says that a move has begun, nothing else of the store can be used. */
export interface RawRecords {
  survey(): Promise<Survey>;
  read(names: readonly RecordName[]): Promise<(Uint8Array | undefined)[]>;
  /** One durable commit. False: things were not as it says, and nothing has changed. */
  change(change: RawChange): Promise<boolean>;
}

/**
 * One namespace's documents. Every method may reject with `storage-failed`, `storage-full`, `storage-locked` or `closed`,
 * and with `storage-evicted` where everything was removed that this store has seen: it can't be used any more.
 */
export interface DocumentStore {
  /** Nothing was ever written to it, as far as this store has seen. Absent: it can't tell. */
  readonly isNew?: boolean;
  append(writes: readonly DocumentWrite[]): Promise<void>;
  /** An unknown document is an empty one. */
  load(document: string): Promise<StoredDocument>;
  /** The bytes of envelopes of the log, in the order asked for; undefined where there is none (or a damaged one). */
  read(document: string, keys: readonly EnvelopeKey[]): Promise<(Uint8Array | undefined)[]>;
  /** The new snapshot's tag, or undefined when `replaces`, the incarnation or its epoch isn't the stored one: load again. */
  compact(document: string, compaction: Compaction): Promise<string | undefined>;
  /** Ends an incarnation and begins the next one. False when it is void: load again, and see whether another is needed. */
  swap(document: string, swap: Swap): Promise<boolean>;
  /** What the swaps after this incarnation did, in order; the oldest may be missing. */
  replacements(document: string, after: number): Promise<Replacement[]>;
  /** The rejected list: oldest first, of one document or of all. */
  rejected(document?: string): Promise<StoredRejection[]>;
  /** Removes entries of the rejected list; unknown ids are none. */
  removeRejected(document: string, ids: readonly string[]): Promise<void>;
  /** An undo stack, if it is kept. A damaged one is set aside, and told by the call that met it. */
  undo(
    document: string,
    owner: string,
    name: string,
  ): Promise<{ readonly stack?: StoredUndo | undefined; readonly damaged?: DamagedRecord }>;
  /** The ids of all documents that were ever appended to or compacted, sorted. */
  documents(): Promise<string[]>;
  /** Rejects also with `wiped`, as a write would. */
  pending(): Promise<PendingDocument[]>;
  damaged(): Promise<DamagedRecord[]>;
  /** A small area beside the documents. A damaged value reads as absent. */
  readValue(key: string): Promise<Uint8Array | undefined>;
  /** Durable when it resolves; undefined deletes. */
  writeValue(key: string, value: Uint8Array | undefined): Promise<void>;
  /**
   * Durable when it resolves: in one commit, writes what `change` makes of the value that is there (undefined: of none), and
   * gives that. `change` may be called again.
   */
  changeValue(key: string, change: (known: Uint8Array | undefined) => Uint8Array): Promise<Uint8Array>;
  /**
   * Removes everything in the namespace, in one commit. From then on every other store that was open writes nothing any more:
   * its writes fail with `wiped`. So a tab that was asleep meanwhile can't bring anything back.
   */
  wipe(): Promise<void>;
  /** What lies there as it lies there, for `migrateStorage`. Who has none can be moved neither from nor to. */
  readonly raw?: RawRecords;
  /** Waits for what is under way. Later calls reject with `closed`. */
  close(): Promise<void>;
}
