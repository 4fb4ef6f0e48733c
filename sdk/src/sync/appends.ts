// What the main thread has appended to one document and storage has not yet taken: own envelopes between their arrival in
// the engine and their commit. It stores and sends nothing itself.

import { readEnvelope } from '@joinery/protocol';
import type { EnvelopeBatch } from './messages.ts';
import type { Outbox, OutboxEntry } from './outbox.ts';

/** One batch that is not durable. */
export interface Append {
  readonly channel: number;
  readonly batch: number;
  /** Those of the batch that are not in storage already. */
  readonly envelopes: readonly Uint8Array[];
  readonly entries: readonly OutboxEntry[];
  readonly asks: boolean;
  readonly clockOffset_ms: number;
  readonly rejected: EnvelopeBatch['rejected'];
  /** It is in the engine's replica: sent from memory, because storage fails. */
  joined: boolean;
}

export class Appends {
  readonly #outbox: Outbox;
  readonly #waiting = new Set<Append>();
  /** Agents that wrote in this tab. */
  readonly #own = new Set<bigint>();
  /** Agent → highest seq that was in storage when the document was loaded, or was appended since. */
  #known = new Map<bigint, number>();

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  /** The document is loaded; storage has this version. */
  loaded(version: Map<bigint, number>): void {
    this.#known = version;
  }

  /** Another incarnation began: what waits is brought into it by the main thread. */
  clear(): void {
    this.#waiting.clear();
    this.#own.clear();
  }

  has(append: Append): boolean {
    return this.#waiting.has(append);
  }

  /** Agents that wrote in this tab. */
  get agents(): Iterable<bigint> {
    return this.#own;
  }

  /** Whether anybody wrote in this tab. */
  get hasOwn(): boolean {
    return this.#own.size > 0;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Envelopes that only the main thread counts as pending. */
  get uncounted(): number {
    let count = 0;
    for (const { entries, joined } of this.#waiting) if (!joined) count += entries.length;
    return count;
  }

  /** Whether the replica has own envelopes that are in no log. */
  get holdsJoined(): boolean {
    for (const { joined } of this.#waiting) if (joined) return true;
    return false;
  }

  [Symbol.iterator](): Iterator<Append> {
    return this.#waiting[Symbol.iterator]();
  }

  isOwn(agent: bigint): boolean {
    return this.#own.has(agent);
  }

  /** A batch arrived. What was handed over again and had reached storage before is left out of it. */
  add(channel: number, given: EnvelopeBatch, at_ms: number): Append {
    const { batch, envelopes, asks, clockOffset_ms, rejected } = given;
    const fresh: Uint8Array[] = [];
    const entries: OutboxEntry[] = [];
    for (const bytes of envelopes) {
      const header = readEnvelope(bytes);
      this.#own.add(header.agent);
      if (header.to <= (this.#known.get(header.agent) ?? 0)) continue;
      this.#known.set(header.agent, header.to);
      fresh.push(bytes);
      entries.push(this.#outbox.add({ ...header, clockOffset_ms }, bytes, at_ms, false));
    }
    const append = {
      ...{ channel, batch, asks, clockOffset_ms, rejected },
      ...{ envelopes: fresh, entries, joined: false },
    };
    this.#waiting.add(append);
    return append;
  }

  stored(append: Append): void {
    this.#waiting.delete(append);
    for (const entry of append.entries) this.#outbox.stored(entry);
  }
}
