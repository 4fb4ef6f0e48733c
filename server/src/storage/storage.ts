/**
 * What the server needs of a database: the contract that every storage implements, and its guarantees. It orders and
 * keeps bytes; whether an envelope may be taken is decided before it gets here. The suite is storage-suite.ts.
 *
 * Guarantees:
 * 1. When `append` resolves, what it reports as committed survives the death of the process and of the machine; so does
 *    what `closeAgents`, `trim` and `delete` did.
 * 2. Positions of a document are dense from 1 within an epoch, and no reader sees one before all lower ones.
 * 3. An append takes effect as a whole or not at all, and only if the document is still as its author knew it: the same
 *    epoch, the head still `after`, each agent's last seq still where the envelope begins, none of the agents closed or
 *    another user's. Else it is told `stale`, and its author reads the document again. One document's staleness doesn't
 *    touch the others of the call.
 * 4. `agents` always matches the log: both change in one transaction. An agent's row stays for ever, across epochs: its
 *    last seq never falls, its user never changes once known, and a closed one stays closed.
 * 5. A snapshot only saves reading, but for a document whose log begins behind position `base`: its first state is the
 *    snapshot. `read` gives nothing where the log doesn't reach back to.
 *    `compact` drops from the log only what a stored snapshot of the epoch stands for, in one transaction, and moves nothing
 *    but `base`: no head, no agent, no change number.
 * 6. A trim swaps the whole of a document's log for one state in another epoch, in one transaction, if epoch and head are
 *    still what its author knew. The last states of the {@link bridgesKept} epochs before stay as bridges.
 * 7. A deletion is permanent: nothing of the document is kept but the marker, and nothing is taken any more.
 * 8. Every append, trim and deletion gives its document a change number above all that were ever told, and no reader
 *    sees one before all lower ones: who follows `changes` from its last token misses nothing.
 * 9. A storage that was restored from a backup has every document in an epoch, and all change numbers in a range, that no
 *    client can have seen; what the backup held is safe.
 * 10. Every failure is a JoineryError with one of the codes `storage-failed`, `storage-full`, `storage-locked`,
 *    `storage-corrupt`, or where it is said so `forbidden` or `document-deleted`; after it the storage is as it was before.
 */

import { type Bridge, JoineryError } from '@joinery/protocol';

/** So many of a document's earlier epochs keep their last state. */
export const bridgesKept = 4;

/** Where a document's log stands. A document that was never written to has the storage's own epoch and head 0. */
export interface DocumentHead {
  readonly epoch: number;
  readonly head: number;
  /** The log begins behind this position. */
  readonly base: number;
  /** The stored snapshot of this epoch, without its bytes. */
  readonly snapshot: { readonly position: number; readonly size_bytes: number } | undefined;
  /** The position up to which the last backup holds it; `everythingSafe` when there was never one. */
  readonly safe: number;
  readonly deleted: boolean;
}

/** How far an agent's operations are in a document. */
export interface AgentHead {
  /** The last seq; 0 for an agent that was closed before it wrote. */
  readonly seq: number;
  /** The epoch in which that came. */
  readonly epoch: number;
  /** Where the envelope that ends there stands in that epoch. */
  readonly position: number;
  /** Whose agent it is; undefined when that was never recorded. */
  readonly user: string | undefined;
  readonly closed: boolean;
}

export interface StoredEnvelope {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
  /** Who brings it: the agent's user from here on, where it has none. */
  readonly user: string;
}

/** Envelopes to put behind position `after`, in their order, if that is still the head. */
export interface Append {
  readonly document: string;
  readonly epoch: number;
  readonly after: number;
  readonly envelopes: readonly StoredEnvelope[];
}

export interface StoredSnapshot {
  readonly epoch: number;
  /** The state stands for the log up to here. */
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** What leads a document from one epoch into the next. */
export interface Trim {
  readonly document: string;
  /** The epoch that ends, and the head that it ends at. */
  readonly epoch: number;
  readonly head: number;
  /** The epoch that begins, above all that the document was in. */
  readonly next: number;
  /** Whose ids the new state has: closed, with this last seq, at position 1 of the new epoch. */
  readonly agent: bigint;
  readonly seq: number;
  /** The last state of the epoch that ends. */
  readonly bridge: Uint8Array;
  /** The first of the one that begins: its position 1, and its base. */
  readonly state: Uint8Array;
}

/** What closing agents answers. */
export interface ClosedAgents {
  readonly epoch: number;
  /** Each of them → its last seq. */
  readonly last: ReadonlyMap<bigint, number>;
}

/** A document that was written to, trimmed or deleted. */
export interface DocumentChange {
  readonly document: string;
  readonly epoch: number;
  readonly head: number;
  readonly deleted: boolean;
}

export interface ChangesQuery {
  /** Only documents of this space. */
  readonly space?: string;
  /** A token that was given before; 0 for everything. */
  readonly after: number;
  readonly limit: number;
}

export interface ChangesPage {
  /** Everything up to here is told. */
  readonly token: number;
  /** By their last change, each document once. */
  readonly entries: readonly DocumentChange[];
  readonly more: boolean;
  /** The given token is unknown here: this is the first page of everything. */
  readonly restarted: boolean;
}

/** What tells whether something has happened, for little. */
export interface Pulse {
  /** Grows with every change of any document. */
  readonly change: number;
  /** Grows with every backup. */
  readonly backups: number;
}

export interface Storage {
  head(document: string): Promise<DocumentHead>;
  /** All agents that ever wrote to the document or were closed. */
  agents(document: string): Promise<Map<bigint, AgentHead>>;
  /** Both of one moment. */
  load(document: string): Promise<{ readonly head: DocumentHead; readonly agents: Map<bigint, AgentHead> }>;
  /** All in one transaction; the answers are in the order of the appends. */
  append(appends: readonly Append[]): Promise<readonly ('committed' | 'stale')[]>;
  /** Envelopes behind `after`, dense from there: as many as fit both limits, but one at least if there is one. */
  read(document: string, epoch: number, after: number, limit: ReadLimit): Promise<Uint8Array[]>;
  snapshot(document: string): Promise<StoredSnapshot | undefined>;
  /** Replaces the document's snapshot unless that is a later one, or the document is in another epoch. */
  putSnapshot(document: string, snapshot: StoredSnapshot): Promise<void>;
  /**
   * Drops the envelopes up to and including this position, if the stored snapshot of this epoch stands at it or behind. Else,
   * or when they are gone already, nothing happens.
   *
   * @returns where the log begins now
   */
  compact(document: string, epoch: number, upTo: number): Promise<number>;
  /**
   * Closes these agents for ever, those that never wrote included.
   *
   * @throws JoineryError `forbidden` when one is another user's, `document-deleted`; then none is closed
   */
  closeAgents(document: string, agents: readonly bigint[], user: string): Promise<ClosedAgents>;
  trim(trim: Trim): Promise<'committed' | 'stale'>;
  /** The last states of the epochs from this one on, oldest first, without the document's present one. */
  bridges(document: string, from: number): Promise<Bridge[]>;
  /** Writes the permanent marker; false when it is there already. */
  delete(document: string): Promise<boolean>;
  changes(query: ChangesQuery): Promise<ChangesPage>;
  pulse(): Promise<Pulse>;
  /** Whether it can write: for the health check. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface ReadLimit {
  readonly bytes: number;
  readonly count: number;
}

/** The rule of guarantee 3 for one envelope: whether its agent is still as whoever decided on it knew. */
export function agentIsAsKnown(known: AgentHead | undefined, envelope: StoredEnvelope, epoch: number): boolean {
  if (known === undefined) return envelope.from === 0;
  if (known.closed || known.seq !== envelope.from) return false;
  if (known.user !== undefined && known.user !== envelope.user) return false;
  return known.epoch === epoch || known.seq === 0;
}

/** The answer to whoever still wants something of a document that is deleted. */
export function documentDeleted(document: string): JoineryError {
  return new JoineryError('document-deleted', `The document ${JSON.stringify(document)} is deleted, for ever.`);
}

export function anotherUsersAgent(): JoineryError {
  return new JoineryError('forbidden', {
    expected: 'an agent of the user who brings it',
    got: "another user's",
    remedy: 'Sign in as the user who wrote it.',
  });
}
