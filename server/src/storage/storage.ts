/**
 * What the server needs of a database: the contract that every storage implements, and its guarantees. It orders and
 * keeps bytes; whether an envelope may be taken is decided before it gets here. The suite is storage-suite.ts.
 *
 * Guarantees:
 * 1. When `append` resolves, what it reports as committed survives the death of the process and of the machine.
 * 2. Positions of a document are dense from 1 within an epoch, and no reader sees one before all lower ones.
 * 3. An append takes effect as a whole or not at all, and only if the document's head is still `after`: of two writers
 *    at the same head one is told `stale`. One document's staleness doesn't touch the others of the call.
 * 4. `agents` always matches the log: both change in one transaction, and an agent's last seq never falls.
 * 5. A snapshot only saves reading: the log stays, and a document without its snapshot is the same document.
 * 6. Every failure is a JoineryError with one of the codes `storage-failed`, `storage-full`, `storage-locked`,
 *    `storage-corrupt`; after it the storage is as it was before.
 */

/** Where a document's log stands. A document that was never written to has the storage's own epoch and head 0. */
export interface DocumentHead {
  readonly epoch: number;
  readonly head: number;
  /** The stored snapshot of this epoch, without its bytes. */
  readonly snapshot: { readonly position: number; readonly size_bytes: number } | undefined;
}

/** How far an agent's operations are in a document's log. */
export interface AgentHead {
  /** The last seq. */
  readonly seq: number;
  /** Where the envelope that ends there stands. */
  readonly position: number;
}

export interface StoredEnvelope {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
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

export interface Storage {
  head(document: string): Promise<DocumentHead>;
  agents(document: string): Promise<Map<bigint, AgentHead>>;
  /** All in one transaction; the answers are in the order of the appends. */
  append(appends: readonly Append[]): Promise<readonly ('committed' | 'stale')[]>;
  /** Envelopes behind `after`, in order: as many as fit both limits, but one at least if there is one. */
  read(document: string, epoch: number, after: number, limit: ReadLimit): Promise<Uint8Array[]>;
  snapshot(document: string): Promise<StoredSnapshot | undefined>;
  /** Replaces the document's snapshot unless that is a later one. */
  putSnapshot(document: string, snapshot: StoredSnapshot): Promise<void>;
  /** Whether it can write: for the health check. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface ReadLimit {
  readonly bytes: number;
  readonly count: number;
}
