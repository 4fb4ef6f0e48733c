// What became of writes whose incarnation was replaced: read from what the swaps have left behind. It moves no receipt and
// writes nothing; the main thread asks it for each of its batches.

import { JoineryError } from '@joinery/protocol';
import type { Replay } from '../core/replay.ts';
import type { Replacement } from '../storage/storage.ts';

/** Operations of one agent, `from` exclusive, `to` inclusive. */
export interface NamedRange {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
}

export type Fate =
  /** The server has it. */
  | { readonly kind: 'done' }
  /** Nothing of it was left to do. */
  | { readonly kind: 'void' }
  | { readonly kind: 'rejected'; readonly error: JoineryError }
  /** Its operations have these dots now, and are in storage. */
  | ({ readonly kind: 'moved' } & NamedRange)
  /** It was not yet in storage, as far as these swaps tell: whoever has it replays it. */
  | { readonly kind: 'left' };

/** Finds what was rejected of some operations among as many ranges as there may be, of which no two of one agent overlap. */
export class RejectedRanges<Range extends NamedRange> {
  /** Agent → its ranges, in ascending order. */
  readonly #ranges = new Map<bigint, Range[]>();

  constructor(ranges: readonly Range[]) {
    for (const range of ranges) {
      const ofAgent = this.#ranges.get(range.agent);
      if (ofAgent === undefined) this.#ranges.set(range.agent, [range]);
      else ofAgent.push(range);
    }
    for (const ofAgent of this.#ranges.values()) ofAgent.sort((a, b) => a.from - b.from);
  }

  /** The first that has any of these operations. */
  hit(agent: bigint, from: number, to: number): Range | undefined {
    const ranges = this.#ranges.get(agent) ?? [];
    let [low, high] = [0, ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ranges[middle] as Range).to > from) high = middle;
      else low = middle + 1;
    }
    const found = ranges[low];
    return found !== undefined && found.from < to ? found : undefined;
  }
}

export class WriteFates {
  readonly #chain: readonly Replacement[];
  readonly #rejected: readonly RejectedRanges<Replacement['rejected'][number]>[];
  readonly #translators: (Replay | undefined)[];
  readonly #translator: (mapping: Uint8Array) => Replay;

  /**
   * @param chain the swaps since the writes' incarnation, oldest first
   * @param translator a replay with this mapping, for its `translate`
   */
  constructor(chain: readonly Replacement[], translator: (mapping: Uint8Array) => Replay) {
    this.#chain = chain;
    this.#rejected = chain.map(({ rejected }) => new RejectedRanges(rejected));
    this.#translators = chain.map(() => undefined);
    this.#translator = translator;
  }

  /** Of operations that were stored together. */
  of(agent: bigint, from: number, to: number): Fate {
    let [name, low, high] = [agent, from, to];
    let isMoved = false;
    for (const [index, { agents }] of this.#chain.entries()) {
      const closed = agents.find((one) => one.agent === name);
      if (closed === undefined) continue;
      if (high > closed.covered) break;
      const hit = this.#rejected[index]?.hit(name, low, high);
      if (hit !== undefined) return { kind: 'rejected', error: new JoineryError(hit.code, hit.message) };
      if (high <= closed.last) return { kind: 'done' };
      const next = this.#translated(index, name, low, high);
      if (next === undefined) return { kind: 'void' };
      [name, low, high, isMoved] = [next.agent, next.from, next.to, true];
    }
    if (isMoved) return { kind: 'moved', agent: name, from: low, to: high };
    return { kind: 'left' };
  }

  free(): void {
    for (const replay of this.#translators) replay?.free();
  }

  #translated(index: number, agent: bigint, from: number, to: number): NamedRange | undefined {
    this.#translators[index] ??= this.#translator((this.#chain[index] as Replacement).mapping);
    return translateRange(this.#translators[index] as Replay, { agent, from, to });
  }
}

/** What these operations are called now; undefined where nothing of them is left. */
export function translateRange(replay: Replay, { agent, from, to }: NamedRange): NamedRange | undefined {
  let last: ReturnType<Replay['translate']>;
  let high = to;
  for (; last === undefined && high > from; high -= 1) last = replay.translate(agent, high);
  if (last === undefined) return undefined;
  for (let low = from + 1; low <= high; low += 1) {
    const first = replay.translate(agent, low);
    if (first !== undefined) return { agent: last.agent, from: first.seq - 1, to: last.seq };
  }
  return { agent: last.agent, from: last.seq - 1, to: last.seq };
}
