// One document of the server in memory: its log, which agents may write and how far each is, its epochs. It decides and
// commits at once; when that happens, and who is told, is the server's part.

import { type Bridge, type BroughtEnvelope, everythingSafe, type Settlement } from '@joinery/protocol';
import { encodeVersion, Replica } from '../core/index.ts';

export interface ServerEnvelope {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

interface AgentState {
  readonly seq: number;
  readonly position: number;
  readonly user: string;
}

type Draft<Part> = { -readonly [Key in keyof Part]: Part[Key] extends readonly (infer Item)[] ? Item[] : Part[Key] };
export type SettlementDraft = Draft<Settlement>;

/** The same as the server: beyond it a stamp is refused. */
const clockTolerance_ms = 5 * 60 * 1000;

export class MemoryDocument {
  readonly id: string;
  epoch = 1;
  deleted = false;
  /** What the backup holds. */
  safe = everythingSafe;
  /** Counts changes over the whole server, for spaces. */
  changed = 0;
  readonly log: ServerEnvelope[] = [];
  readonly bridges: Bridge[] = [];
  /** The state that the epoch began with, at position 1 then. */
  #base: Uint8Array | undefined;
  /** Of every epoch, for ever. */
  readonly #agents = new Map<bigint, AgentState>();
  readonly #closed = new Set<bigint>();

  constructor(id: string) {
    this.id = id;
  }

  get head(): number {
    return this.#first + this.log.length;
  }

  /** The position before the log's first envelope. */
  get #first(): number {
    return this.#base === undefined ? 0 : 1;
  }

  /** The envelopes after a position. */
  after(position: number): readonly ServerEnvelope[] {
    return this.log.slice(Math.max(0, position - this.#first));
  }

  /** Whether a client at this position needs the epoch's first state. */
  lacksBase(position: number): boolean {
    return position < this.#first;
  }

  /** To be freed. */
  replica(now: () => number): Replica {
    const options = { now, trustStamps: true };
    const replica = this.#base === undefined ? new Replica(options) : Replica.load(this.#base, options);
    replica.applyUpdates(this.log.map(({ bytes }) => bytes));
    return replica;
  }

  version(now: () => number): Uint8Array {
    if (this.#base === undefined) {
      return encodeVersion(new Map(Array.from(this.#seqs, ([agent, seq]) => [agent, seq])));
    }
    const replica = this.replica(now);
    const version = replica.version();
    replica.free();
    return version;
  }

  /** The same content with fresh ids, in the next epoch. */
  trim(agent: bigint, now: () => number): void {
    const replica = this.replica(now);
    this.bridges.push({ epoch: this.epoch, agent, bytes: replica.encodeSnapshot() });
    this.#base = replica.trim(agent);
    replica.free();
    this.log.length = 0;
    this.epoch += 1;
  }

  /** As it is now, for `restored`. */
  backup(): MemoryDocument {
    const copy = new MemoryDocument(this.id);
    copy.epoch = this.epoch;
    copy.deleted = this.deleted;
    copy.safe = this.safe;
    copy.changed = this.changed;
    copy.log.push(...this.log);
    copy.bridges.push(...this.bridges);
    copy.#base = this.#base;
    for (const [agent, state] of this.#agents) copy.#agents.set(agent, state);
    for (const agent of this.#closed) copy.#closed.add(agent);
    return copy;
  }

  /** From now on these write nothing more; how far each is. */
  close(agents: readonly bigint[]): Map<bigint, number> {
    for (const agent of agents) this.#closed.add(agent);
    return new Map(agents.map((agent) => [agent, this.#agents.get(agent)?.seq ?? 0]));
  }

  /** Takes an envelope, or says why not. `accept` gives the code of a refusal. */
  decide(
    brought: BroughtEnvelope,
    user: string,
    time_ms: number,
    accept: () => string | undefined,
    settlement: SettlementDraft,
  ): void {
    const { agent, from, to, deps, stamp } = brought.header;
    const last = this.#agents.get(agent) ?? { seq: 0, position: 0, user };
    if (to <= last.seq) {
      settlement.duplicates.push({ agent, to: last.seq, position: last.position, count: 0 });
      return;
    }
    const lacking = deps.find((dep) => !this.#covers(dep.agent, dep.seq));
    const missing = from > last.seq ? { agent, seq: from } : lacking;
    const refusal = (): string | undefined => {
      if (this.deleted) return 'document-deleted';
      if (this.#closed.has(agent)) return 'closed-agent';
      if (last.user !== user) return 'forbidden';
      if (missing !== undefined) return 'gap';
      // Stamps are milliseconds with a counter of 16 bits.
      if (stamp !== undefined && Number(stamp >> 16n) > time_ms + clockTolerance_ms) return 'clock';
      return accept();
    };
    const code = refusal();
    if (code !== undefined) {
      settlement.refusals.push({ agent, from, to, code, message: `refused: ${code}`, last: last.seq, missing });
      return;
    }
    this.log.push({ agent, from, to, bytes: brought.bytes });
    this.#agents.set(agent, { seq: to, position: this.head, user });
  }

  get #seqs(): Map<bigint, number> {
    return new Map(Array.from(this.#agents, ([agent, { seq }]) => [agent, seq]));
  }

  /** In this epoch: what was accepted in an earlier one has no name any more. */
  #covers(agent: bigint, seq: number): boolean {
    if (this.#base === undefined) return seq <= (this.#agents.get(agent)?.seq ?? 0);
    const bridge = this.bridges.at(-1);
    if (agent === bridge?.agent) return true;
    return this.log.some((envelope) => envelope.agent === agent && envelope.to >= seq);
  }
}
