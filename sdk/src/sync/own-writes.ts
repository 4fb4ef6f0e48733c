// What was written to one open document, on its way from the main thread: batch by batch to the engine, and what each
// batch has reached. While the engine has a batch that it hasn't answered, everything written goes into the next one: so
// batches are as large as storage is slow, and never more than one waits.
//
// It has no replica and no listeners; it takes what the replica has to give and moves receipts.

import { type JoineryError, readEnvelope } from '@joinery/protocol';
import { WriteReceipt } from '../documents/receipt.ts';
import type { Environment } from '../environment.ts';
import type { AgentSeq, EnvelopeBatch } from './messages.ts';

export interface OwnWritesContext {
  readonly environment: Environment;
  /** What was written since the last time, as one envelope; undefined when there is nothing more. */
  takeUpdate(): Uint8Array | undefined;
  post(batch: EnvelopeBatch): void;
  pendingChanged(): void;
}

/** One batch carries about so much. */
const batch_bytes = 1024 * 1024;

/** Own envelopes of one agent that were posted, and the receipts that they move. */
interface Batch extends EnvelopeBatch {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly at_ms: number;
  readonly receipts: readonly WriteReceipt[];
  /** The engine counts it as pending; else it is counted here. */
  taken: boolean;
}

export class OwnWrites {
  readonly #context: OwnWritesContext;
  /** Of what is in the replica and not in a batch. */
  #receipts: WriteReceipt[] = [];
  /** The one of `#receipts` that all ordinary writes share until the next batch. */
  #shared: WriteReceipt | undefined;
  /** When the oldest write was made that is in no batch. */
  #dirtyAt_ms: number | undefined;
  /** Taken out of the replica, for the next batch. */
  #carry: Uint8Array | undefined;
  readonly #unstored = new Map<number, Batch>();
  /** Stored, and of interest to a receipt. */
  #unsynced: Batch[] = [];
  /** The last batch, while the engine has not answered it. */
  #inFlight: number | undefined;
  #batches = 0;
  #takeDue = false;

  constructor(context: OwnWritesContext) {
    this.#context = context;
  }

  /** Writes that the engine has not taken over, counted in envelopes (what is in none yet counts as one). */
  get pending(): { readonly count: number; readonly oldestAt_ms: number | undefined } {
    let count = this.#dirtyAt_ms === undefined ? 0 : 1;
    let oldestAt_ms = this.#dirtyAt_ms;
    for (const batch of this.#unstored.values()) {
      if (batch.taken) continue;
      count += batch.envelopes.length;
      oldestAt_ms = Math.min(oldestAt_ms ?? batch.at_ms, batch.at_ms);
    }
    return { count, oldestAt_ms };
  }

  /** Whether the engine has still something to tell of what was written. */
  get awaitsEngine(): boolean {
    return this.#unstored.size > 0 || this.#unsynced.length > 0;
  }

  /** Envelopes that may be nowhere but here. */
  get unstored(): Uint8Array[] {
    return [...this.#unstored.values()].flatMap(({ envelopes }) => envelopes);
  }

  /** What a new engine has to know. From now on it is the new one's answers that are waited for. */
  handOver(): { readonly unstored: readonly EnvelopeBatch[]; readonly awaited: readonly AgentSeq[] } {
    const awaited = new Map<bigint, number>();
    for (const { agent, to } of this.#unsynced) awaited.set(agent, Math.max(to, awaited.get(agent) ?? 0));
    // It answers all of them, in order.
    this.#inFlight = [...this.#unstored.keys()].at(-1);
    for (const batch of this.#unstored.values()) batch.taken = false;
    const unstored = Array.from(this.#unstored.values(), ({ batch, envelopes }) => ({ batch, envelopes }));
    return { unstored, awaited: [...awaited] };
  }

  /** Something was announced that is not in the replica yet: it is pending all the same. */
  announce(): void {
    if (this.#dirtyAt_ms !== undefined) return;
    this.#dirtyAt_ms = this.#context.environment.now();
    this.#context.pendingChanged();
  }

  /** Something was written to the replica: it is taken soon. With `receipt`, that one stands for it too. */
  written(receipt?: WriteReceipt): WriteReceipt {
    if (receipt !== undefined) this.#receipts.push(receipt);
    else if (this.#shared === undefined) {
      this.#shared = new WriteReceipt();
      this.#receipts.push(this.#shared);
    }
    this.announce();
    this.takeSoon();
    return receipt ?? (this.#shared as WriteReceipt);
  }

  /** The receipt of a write that changed nothing: what it wanted is as safe as the last write that did change something. */
  unchanged(): WriteReceipt {
    if (this.#shared !== undefined) return this.#shared;
    const last = [...this.#unstored.values()].at(-1) ?? this.#unsynced.at(-1);
    return last?.receipts.at(-1) ?? this.#receipts.at(-1) ?? new WriteReceipt().settle();
  }

  takeSoon(): void {
    if (this.#takeDue) return;
    this.#takeDue = true;
    this.#context.environment.microtask(() => {
      this.#takeDue = false;
      if (this.#inFlight === undefined) this.#take();
    });
  }

  /** Posts everything at once, without waiting for answers. */
  takeAll(): void {
    while (this.#take()) this.#inFlight = undefined;
    this.#inFlight = [...this.#unstored.keys()].at(-1);
  }

  /** What is in no batch is lost. */
  lose(error: JoineryError): void {
    for (const receipt of this.#receipts.splice(0)) receipt.markRejected(error);
    this.#shared = undefined;
    this.#clean();
  }

  stored(id: number): void {
    const batch = this.#unstored.get(id);
    if (batch === undefined) return;
    this.#unstored.delete(id);
    if (batch.receipts.some(({ state }) => state === 'local' || state === 'durable')) this.#unsynced.push(batch);
    for (const receipt of batch.receipts) receipt.markDurable();
    this.#answered(id);
  }

  /** The engine can't store the batch now, and has taken it over. */
  kept(id: number): void {
    const batch = this.#unstored.get(id);
    if (batch !== undefined) batch.taken = true;
    this.#answered(id);
  }

  synced(seqs: readonly AgentSeq[]): void {
    const reached = new Map(seqs);
    const done = this.#leave(({ agent, to }) => to <= (reached.get(agent) ?? 0));
    for (const { receipts } of done) for (const receipt of receipts) receipt.markSynced();
  }

  rejected(agent: bigint, from: number, to: number, error: JoineryError): void {
    const hit = this.#leave((batch) => batch.agent === agent && batch.to > from && batch.from < to);
    for (const { receipts } of hit) for (const receipt of receipts) receipt.markRejected(error);
  }

  /** The batches that this holds for; those that are stored are not waited for any more. */
  #leave(holds: (batch: Batch) => boolean): Batch[] {
    const found = [...this.#unsynced, ...this.#unstored.values()].filter(holds);
    if (found.length > 0) this.#unsynced = this.#unsynced.filter((batch) => !holds(batch));
    return found;
  }

  /** The next batch may go. */
  #answered(id: number): void {
    if (this.#inFlight !== id) return;
    this.#inFlight = undefined;
    this.#take();
  }

  /** Posts what was written since the last time, a batch of it; false when there was nothing. */
  #take(): boolean {
    const envelopes: Uint8Array[] = [];
    let bytes = 0;
    let next = this.#carry ?? this.#context.takeUpdate();
    while (next !== undefined && bytes < batch_bytes) {
      envelopes.push(next);
      bytes += next.length;
      next = this.#context.takeUpdate();
    }
    this.#carry = next;
    const [first, last] = [envelopes[0], envelopes.at(-1)];
    if (first === undefined || last === undefined) {
      // Nothing to store, so nothing that could be lost.
      for (const receipt of this.#receipts.splice(0)) receipt.settle();
      this.#shared = undefined;
      this.#clean();
      return false;
    }
    // The receipts go with the last part of what they stand for.
    const isLast = next === undefined;
    const receipts = isLast ? this.#receipts.splice(0) : [];
    const at_ms = this.#dirtyAt_ms ?? this.#context.environment.now();
    if (isLast) {
      this.#shared = undefined;
      this.#dirtyAt_ms = undefined;
    }
    const { agent, from } = readEnvelope(first);
    const { to } = readEnvelope(last);
    this.#batches += 1;
    const batch = this.#batches;
    this.#unstored.set(batch, { batch, envelopes, agent, from, to, at_ms, receipts, taken: false });
    this.#inFlight = batch;
    this.#context.post({ batch, envelopes });
    this.#context.pendingChanged();
    return true;
  }

  #clean(): void {
    if (this.#dirtyAt_ms === undefined) return;
    this.#dirtyAt_ms = undefined;
    this.#context.pendingChanged();
  }
}
