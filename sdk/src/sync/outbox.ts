// Which envelopes of one document's log the server doesn't have: an index over the log, not a second list. It is rebuilt
// from storage whenever the document is opened. Payloads stay in storage, but for those that are not there yet and a
// few young ones that are about to be sent.

import type { Dot } from '@joinery/protocol';
import type { Acknowledgement } from '../storage/storage.ts';
import type { AgentSeq } from './messages.ts';

export interface OutboxEntry {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly length: number;
  readonly at_ms: number;
  /** What was added to this device's clock when it was written. */
  readonly clockOffset_ms: number | undefined;
  /** It is in storage. What isn't is only sent when storage fails. */
  durable: boolean;
  /** It was given to the session: whatever becomes of that, the server may have it. */
  sent: boolean;
  bytes: Uint8Array | undefined;
}

/** How many bytes of stored envelopes may be kept to save reading them back; shared by all documents. */
export class RetainedBytes {
  readonly #limit: number;
  #held = 0;

  constructor(limit = 4 * 1024 * 1024) {
    this.#limit = limit;
  }

  take(bytes: number): boolean {
    if (this.#held + bytes > this.#limit) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** What `need-envelopes` asks for. */
export interface OutboxRequest {
  readonly sent: ReadonlyMap<bigint, number>;
  readonly limit_bytes: number;
  readonly limit_count: number;
}

type Place = Pick<OutboxEntry, 'agent' | 'from'>;

export class Outbox {
  readonly #retained: RetainedBytes;
  /** Causal order; each agent's entries in the order of their seqs. */
  readonly #entries = new Map<string, OutboxEntry>();
  /** Agent → what the server is known to have of it. What storage says may be older. */
  readonly #acknowledged = new Map<bigint, Acknowledgement>();
  /** Also those that are not durable may be sent. */
  sendAll = false;

  constructor(retained: RetainedBytes) {
    this.#retained = retained;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What is known of what the server has, in few bytes: to be noted in the one that is made in place of this one. */
  get notes(): string | undefined {
    if (this.#acknowledged.size === 0) return undefined;
    const known = Array.from(this.#acknowledged.values(), ({ agent, to, position }) => [agent, to, position].join());
    return known.join(';');
  }

  get oldestAt_ms(): number | undefined {
    for (const { at_ms } of this.#entries.values()) return at_ms;
    return undefined;
  }

  has(place: Place): boolean {
    return this.#entries.has(keyOf(place));
  }

  /** Of each agent the highest seq here: with them the server has everything. */
  get heads(): AgentSeq[] {
    const heads = new Map<bigint, number>();
    for (const { agent, to } of this.#entries.values()) heads.set(agent, Math.max(to, heads.get(agent) ?? 0));
    return [...heads];
  }

  [Symbol.iterator](): Iterator<OutboxEntry> {
    return this.#entries.values();
  }

  /** Whether there is anything of this agent. */
  holds(agent: bigint): boolean {
    for (const entry of this.#entries.values()) if (entry.agent === agent) return true;
    return false;
  }

  /** Whether the server lacks something of this agent up to `to`. */
  lacks(agent: bigint, to: number): boolean {
    for (const entry of this.#entries.values()) if (entry.agent === agent && entry.from < to) return true;
    return false;
  }

  /** It isn't known any more whether these are in storage: they stay until the server has them, and are sent when they are told again. */
  doubt(entries: readonly OutboxEntry[]): void {
    for (const entry of entries) entry.durable = false;
  }

  /** What is in storage. */
  get durable(): OutboxEntry[] {
    return [...this.#entries.values()].filter(({ durable }) => durable);
  }

  /** The acknowledgement that covers an envelope, if there was one. */
  acknowledgementOf({ agent, to }: { readonly agent: bigint; readonly to: number }): Acknowledgement | undefined {
    const known = this.#acknowledged.get(agent);
    return known !== undefined && to <= known.to ? known : undefined;
  }

  /** Entries of an agent are added in the order of their seqs; what is there already stays. */
  add(
    range: Place & { readonly to: number; readonly clockOffset_ms: number | undefined },
    bytes: Uint8Array,
    at_ms: number,
    durable: boolean,
  ): OutboxEntry {
    const key = keyOf(range);
    const known = this.#entries.get(key);
    // Of one that was in doubt it is told again.
    if (known !== undefined && durable && known.bytes === undefined) known.durable = true;
    if (known !== undefined) return known;
    const { agent, from, to, clockOffset_ms } = range;
    const held = durable ? undefined : bytes;
    const entry = { agent, from, to, length: bytes.length, at_ms, clockOffset_ms, durable, sent: false, bytes: held };
    this.#entries.set(key, entry);
    return entry;
  }

  stored(entry: OutboxEntry): void {
    entry.durable = true;
    const kept = this.#entries.has(keyOf(entry)) && this.#retained.take(entry.length);
    if (!kept) entry.bytes = undefined;
  }

  /** Whether the envelope of this dot is here to be sent. */
  covers({ agent, seq }: Dot): boolean {
    for (const entry of this.#entries.values()) {
      if (entry.agent === agent && entry.from < seq && seq <= entry.to) return true;
    }
    return false;
  }

  /** Of each agent what the server has, and its backup as well: whatever epoch comes after, it has it too. */
  carriedOn(safe: number): AgentSeq[] {
    const known = [...this.#acknowledged.values()].filter(({ position }) => position > 0 && position <= safe);
    return known.map(({ agent, to }) => [agent, to]);
  }

  /** Of each agent how far it was sent from memory alone, and not answered: whether the server has it isn't known. */
  get unanswered(): AgentSeq[] {
    const unanswered = new Map<bigint, number>();
    for (const { agent, to, durable, sent } of this.#entries.values()) if (sent && !durable) unanswered.set(agent, to);
    return [...unanswered];
  }

  /** Whether a server of this version lacks something that it once had. */
  isLost(version: ReadonlyMap<bigint, number>): boolean {
    for (const { agent, to } of this.#acknowledged.values()) if (to > (version.get(agent) ?? 0)) return true;
    return false;
  }

  /** Whether something here rests on what a replica of this version, which has all that the server has, lacks. */
  isTorn(version: ReadonlyMap<bigint, number>): boolean {
    for (const { agent, to, durable } of this.#entries.values()) {
      if (durable && to > (version.get(agent) ?? 0)) return true;
    }
    return false;
  }

  /** The server has these, whether or not there is an entry yet. Position 0: it isn't known here where they stand. */
  note({ agent, to, position }: Acknowledgement): void {
    const known = this.#acknowledged.get(agent);
    const isNews = to > (known?.to ?? 0) || (to === known?.to && known.position === 0);
    if (isNews) this.#acknowledged.set(agent, { agent, to, position });
  }

  /** Notes what another one knew. */
  takeNotes(notes: string): void {
    for (const known of notes.split(';')) {
      const [agent = '', to, position] = known.split(',');
      this.note({ agent: BigInt(agent), to: Number(to), position: Number(position) });
    }
  }

  /** Takes out what the server has, of each agent all up to `to`; returns how many there were, and their bytes. */
  acknowledge(acknowledgements: readonly Acknowledgement[]): { count: number; bytes: number } {
    for (const given of acknowledgements) this.note(given);
    let [count, bytes] = [0, 0];
    for (const [key, entry] of this.#entries) {
      if (this.acknowledgementOf(entry) === undefined) continue;
      this.#entries.delete(key);
      this.#release(entry);
      count += 1;
      bytes += entry.length;
    }
    return { count, bytes };
  }

  /** What is to be sent next. */
  select({ sent, limit_bytes, limit_count }: OutboxRequest): OutboxEntry[] {
    const selected: OutboxEntry[] = [];
    /** Agents of which something had to be left out: nothing later of theirs may go. */
    const held = new Set<bigint>();
    let bytes = 0;
    for (const entry of this.#entries.values()) {
      if (selected.length >= limit_count) break;
      if (entry.to <= (sent.get(entry.agent) ?? 0) || held.has(entry.agent)) continue;
      if (!entry.durable && !this.sendAll) {
        held.add(entry.agent);
        continue;
      }
      if (selected.length > 0 && bytes + entry.length > limit_bytes) break;
      selected.push(entry);
      bytes += entry.length;
    }
    return selected;
  }

  /** The document is closed, or another incarnation begins. */
  clear(): void {
    for (const entry of this.#entries.values()) this.#release(entry);
    this.#entries.clear();
    this.#acknowledged.clear();
  }

  #release(entry: OutboxEntry): void {
    if (entry.durable && entry.bytes !== undefined) this.#retained.give(entry.length);
    entry.bytes = undefined;
  }
}

function keyOf({ agent, from }: Place): string {
  return `${agent}:${from}`;
}
