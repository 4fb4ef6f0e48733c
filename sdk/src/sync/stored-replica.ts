// A document's replica in the engine together with its place in storage: loads it, takes over what other tabs have
// stored, and compacts snapshot and log. It knows nothing of the main thread and of the server.

import { JoineryError } from '@joinery/protocol';
import { decodeVersion, Replica } from '../core/index.ts';
import {
  type DocumentStore,
  isSameIncarnation,
  type ResumeMark,
  type StoredDocument,
  type StoredEnvelope,
} from '../storage/storage.ts';
import { causalOrder } from './causal-order.ts';
import type { Journal } from './journal.ts';
import { packState, restLimit_bytes, unpackState } from './resting-state.ts';

/** Below so many bytes compaction does not pay. */
const compactionLeast_bytes = 256 * 1024;
/** What a record costs beside its envelope. */
const recordOverhead_bytes = 128;
const compactionAttempts = 3;

export interface StoredReplicaContext {
  readonly document: string;
  readonly store: DocumentStore;
  readonly journal: Journal;
  /** The incarnation's; 0 while none is known. */
  readonly epoch: number;
  now(): number;
  /** Updates that came from storage, not from the owner: to be passed on. */
  news(updates: readonly Uint8Array[]): void;
  /** An own envelope that the server has, as storage says. */
  acknowledged(envelope: StoredEnvelope): void;
  /** An envelope of the log of which storage doesn't know that the server has it. True when it is known here. */
  unacknowledged(envelope: StoredEnvelope): boolean;
  /** Updates that waited for their causes have joined. */
  freed(): void;
  /** A record was set aside, or holds something that this core can't read. */
  damaged(error: JoineryError): void;
  /** The stored document was damaged since it was loaded: all of it is to be fetched again. */
  refetch(): void;
  /** Another incarnation is in storage: this one is of no more use. */
  overtaken(stored: StoredDocument): void;
  /** Whether a snapshot made now would hold own writes that are in no log. */
  holdsUnstored(): boolean;
}

/** A replica that nobody uses, as the bytes of its state, with what else has to be known of it. */
export interface RestingReplica {
  /** See `packState`. */
  readonly state: string;
  readonly tag: string | undefined;
  readonly repairs: number;
  readonly snapshot_bytes: number;
  readonly fresh_bytes: number;
  readonly removable_bytes: number;
  readonly unacknowledged_bytes: number;
}

export class StoredReplica {
  readonly replica: Replica;
  readonly #context: StoredReplicaContext;
  readonly #incarnation: number;
  #tag: string | undefined;
  #repairs: number;
  #freed = false;
  /** It holds something that this core can't read: kept as it is, never compacted. */
  #opaque = false;
  /** Its state was found to be too large to rest. */
  #large = false;
  #compacting = 0;
  /** A state from elsewhere that is all this replica has, while it has this revision: it need not be encoded anew. */
  #whole: { readonly bytes: Uint8Array; readonly revision: number } | undefined;
  /** Compactions whose turn came while the replica held own writes that are in no log. */
  #postponed: (() => void)[] | undefined;
  // For when compaction pays: the last snapshot, the log that isn't in it, the log that the server has, all in bytes.
  #snapshot_bytes: number;
  #fresh_bytes = 0;
  #removable_bytes = 0;
  #unacknowledged_bytes = 0;

  /**
   * @throws JoineryError `invalid-snapshot` when the core can't read the stored snapshot.
   */
  constructor(stored: Pick<StoredDocument, 'snapshot' | 'repairs' | 'incarnation'>, context: StoredReplicaContext) {
    this.#context = context;
    // What was stored or came from the server was checked; a clock that is behind must not hold it back.
    const options = { now: () => context.now(), trustStamps: true };
    this.replica = stored.snapshot ? Replica.load(stored.snapshot.bytes, options) : new Replica(options);
    this.#tag = stored.snapshot?.tag;
    this.#snapshot_bytes = stored.snapshot?.bytes.length ?? 0;
    this.#repairs = stored.repairs;
    this.#incarnation = stored.incarnation;
  }

  static wake(resting: RestingReplica, incarnation: number, context: StoredReplicaContext): StoredReplica {
    const { state, tag, repairs } = resting;
    const snapshot = { bytes: unpackState(state), tag: tag ?? '', epoch: 0 };
    const local = new StoredReplica({ snapshot, repairs, incarnation }, context);
    local.#tag = tag;
    local.#snapshot_bytes = resting.snapshot_bytes;
    local.#fresh_bytes = resting.fresh_bytes;
    local.#removable_bytes = resting.removable_bytes;
    local.#unacknowledged_bytes = resting.unacknowledged_bytes;
    return local;
  }

  /** Gives the replica up, for `wake` to make it again. Undefined, and nothing has changed, where that can't be. */
  rest(): RestingReplica | undefined {
    if (this.#freed || this.#opaque || this.busy || this.replica.pendingCount > 0) return undefined;
    // Encoded once to find out: it is asked often.
    if (this.#large || this.#snapshot_bytes > restLimit_bytes) return undefined;
    const state = packState(this.replica);
    this.#large = state === undefined;
    if (state === undefined) return undefined;
    this.free();
    return {
      state,
      tag: this.#tag,
      repairs: this.#repairs,
      snapshot_bytes: this.#snapshot_bytes,
      fresh_bytes: this.#fresh_bytes,
      removable_bytes: this.#removable_bytes,
      unacknowledged_bytes: this.#unacknowledged_bytes,
    };
  }

  /** Whether something of it is still to be done in storage. */
  get busy(): boolean {
    return this.#compacting > 0;
  }

  /** See `StoredDocument.repairs`. */
  get repairs(): number {
    return this.#repairs;
  }

  /** A resume point for storage. */
  mark(epoch: number, position: number): ResumeMark {
    return { epoch, position, repairs: this.#repairs };
  }

  /** Joins updates. False when there was one that the core can't read. */
  join(updates: readonly Uint8Array[]): boolean {
    const { pendingCount } = this.replica;
    const joined = this.#join(updates);
    if (this.replica.pendingCount < pendingCount) this.#context.freed();
    return joined;
  }

  /** Joins a whole state. False when the core can't read it. */
  joinState(bytes: Uint8Array): boolean {
    const isAll = this.replica.revision === 0 && this.replica.pendingCount === 0;
    const joined = this.join([bytes]);
    if (isAll && joined && this.replica.pendingCount === 0) this.#whole = { bytes, revision: this.replica.revision };
    return joined;
  }

  /** The replica's state, in a buffer of its own. */
  encode(): Uint8Array {
    const known = this.#known;
    return known === undefined ? this.replica.encodeSnapshot() : known.slice();
  }

  get #known(): Uint8Array | undefined {
    return this.#whole?.revision === this.replica.revision ? this.#whole.bytes : undefined;
  }

  /**
   * Joins what another tab has told of.
   *
   * @throws JoineryError where the core can't read one of them: then storage says which
   */
  take(updates: readonly Uint8Array[]): void {
    const { pendingCount } = this.replica;
    this.replica.applyUpdates(updates);
    if (this.replica.pendingCount < pendingCount) this.#context.freed();
  }

  #join(updates: readonly Uint8Array[]): boolean {
    try {
      this.replica.applyUpdates(updates);
      return true;
    } catch (error) {
      if (!(error instanceof JoineryError)) throw error;
    }
    // Find out which, and join the others.
    for (const update of updates) {
      try {
        this.replica.applyUpdate(update);
      } catch (error) {
        if (!(error instanceof JoineryError)) throw error;
        this.#opaque = true;
        this.#context.damaged(error);
      }
    }
    return false;
  }

  /** Joins what is stored and not yet here; returns the log in causal order. */
  merge(stored: StoredDocument): Uint8Array[] {
    for (const { area, reason } of stored.damaged) {
      const text = `A stored ${area} record is damaged and was set aside. ${reason}`;
      this.#context.damaged(new JoineryError('storage-corrupt', text));
    }
    if (stored.repairs !== this.#repairs) {
      this.#repairs = stored.repairs;
      this.#context.refetch();
    }
    let news: Uint8Array[] = [];
    if (stored.snapshot?.tag !== this.#tag) {
      if (stored.snapshot !== undefined && this.join([stored.snapshot.bytes])) news.push(stored.snapshot.bytes);
      // Also when it was set aside: the next one takes the place of none.
      this.#tag = stored.snapshot?.tag;
      this.#snapshot_bytes = stored.snapshot?.bytes.length ?? 0;
    }
    const version = decodeVersion(this.replica.version());
    const log = causalOrder(stored.log);
    const missing = log.filter(({ agent, to }) => to > (version.get(agent) ?? 0)).map(({ bytes }) => bytes);
    if (this.join(missing)) news = [...news, ...missing];
    this.#fresh_bytes = this.#removable_bytes = this.#unacknowledged_bytes = 0;
    for (const envelope of log) {
      if (envelope.own && envelope.acknowledged) this.#context.acknowledged(envelope);
      const acknowledged = envelope.acknowledged || this.#context.unacknowledged(envelope);
      // What the server has and its backup hasn't stays as well.
      this.appended(envelope.bytes.length, acknowledged && (envelope.safe || !envelope.own));
    }
    this.#context.news(news);
    return log.map(({ bytes }) => bytes);
  }

  /** An envelope went into the log. */
  appended(length: number, acknowledged: boolean): void {
    const bytes = length + recordOverhead_bytes;
    this.#fresh_bytes += bytes;
    if (acknowledged) this.#removable_bytes += bytes;
    else this.#unacknowledged_bytes += bytes;
  }

  /** So many of the log's envelopes, of so many bytes, turned out to be at the server. */
  acknowledged({ count, bytes }: { readonly count: number; readonly bytes: number }): void {
    const moved = bytes + count * recordOverhead_bytes;
    this.#unacknowledged_bytes = Math.max(0, this.#unacknowledged_bytes - moved);
    this.#removable_bytes += moved;
  }

  /**
   * Compacts when it pays. The threshold grows with what would be read and written, so that the work is in proportion to
   * what was appended, also while nothing can be removed.
   */
  compactIfDue(): void {
    const threshold = Math.max(compactionLeast_bytes, this.#snapshot_bytes, this.#unacknowledged_bytes);
    if (this.#compacting > 0 || Math.max(this.#fresh_bytes, this.#removable_bytes) < threshold) return;
    this.compact(undefined, () => {});
  }

  /** Stores the replica's whole state as the snapshot, in its turn; `resume` with it, where the state came from the server. */
  compact(resume: ResumeMark | undefined, done: () => void): void {
    if (this.#opaque && resume === undefined) return;
    this.#compacting += 1;
    this.#compactInTurn(resume, done);
  }

  /** Own writes that were in no log have been stored. */
  ownStored(): void {
    if (this.#postponed !== undefined && !this.#context.holdsUnstored()) this.#takeUpPostponed();
  }

  free(): void {
    this.#freed = true;
    this.replica.free();
    this.#takeUpPostponed();
  }

  #compactInTurn(resume: ResumeMark | undefined, done: () => void): void {
    this.#context.journal.step(async () => {
      if (!this.#freed && this.#context.holdsUnstored()) {
        // Not to be asked for again and again: they are in the journal, or were taken out of it and are brought into another
        // incarnation as soon as that is read.
        this.#postponed ??= [];
        this.#postponed.push(() => this.#compactInTurn(resume, done));
        return;
      }
      await this.#compactNow(resume);
      this.#compacting -= 1;
      done();
    });
  }

  #takeUpPostponed(): void {
    const postponed = this.#postponed ?? [];
    this.#postponed = undefined;
    for (const compact of postponed) compact();
  }

  async #compactNow(resume: ResumeMark | undefined): Promise<void> {
    const { store, document } = this.#context;
    for (let attempt = 0; attempt < compactionAttempts && !this.#freed; attempt += 1) {
      const bytes = this.#known ?? this.replica.encodeSnapshot();
      const [incarnation, { epoch }] = [this.#incarnation, this.#context];
      const covers = decodeVersion(this.replica.version());
      const compaction = { incarnation, replaces: this.#tag, epoch, bytes, covers };
      const tag = await store.compact(document, resume === undefined ? compaction : { ...compaction, resume });
      if (tag !== undefined) {
        this.#tag = tag;
        this.#whole = undefined;
        this.#snapshot_bytes = bytes.length;
        this.#fresh_bytes = 0;
        this.#removable_bytes = 0;
        return;
      }
      // Another tab was quicker: include what it stored.
      const stored = await store.load(document);
      if (this.#freed) return;
      if (!isSameIncarnation(stored, { incarnation, epoch: this.#context.epoch })) {
        this.#context.overtaken(stored);
        return;
      }
      this.merge(stored);
    }
    if (resume === undefined || this.#freed) return;
    // The position that the state stands for must not be stored without it: nothing behind this goes on before it is.
    throw new JoineryError('storage-failed', {
      expected: 'the state that the server sent to be stored',
      got: `${compactionAttempts} attempts that others were quicker than`,
      remedy: 'It is tried again.',
    });
  }
}
