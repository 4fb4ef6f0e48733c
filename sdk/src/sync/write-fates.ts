// What became of writes whose incarnation was replaced: read from what the swaps have left behind. It moves no receipt and
// writes nothing; the main thread asks it for each of its batches.

import { JoineryError } from '@joinery/protocol';
import type { Replay } from '../core/replay.ts';
import type { Replacement } from '../storage/storage.ts';

export type Fate =
  /** The server has it, or nothing of it was left to do. */
  | { readonly kind: 'done' }
  | { readonly kind: 'rejected'; readonly error: JoineryError }
  /** Its operations have these dots now, and are in storage. */
  | { readonly kind: 'moved'; readonly agent: bigint; readonly seq: number }
  /** It was not yet in storage: whoever has it replays it. */
  | { readonly kind: 'left' }
  /** So many swaps have gone by that it can't be told whether it was replayed. */
  | { readonly kind: 'unknown' };

export class WriteFates {
  readonly #chain: readonly Replacement[];
  readonly #isComplete: boolean;
  readonly #translators: (Replay | undefined)[];
  readonly #translator: (mapping: Uint8Array) => Replay;

  /**
   * @param chain the swaps since the writes' incarnation, oldest first
   * @param isComplete whether none is missing before the first
   * @param translator a replay with this mapping, for its `translate`
   */
  constructor(chain: readonly Replacement[], isComplete: boolean, translator: (mapping: Uint8Array) => Replay) {
    this.#chain = chain;
    this.#isComplete = isComplete;
    this.#translators = chain.map(() => undefined);
    this.#translator = translator;
  }

  /** Of operations of one agent, `from` exclusive, `to` inclusive, that were stored together. */
  of(agent: bigint, from: number, to: number): Fate {
    let [name, low, high] = [agent, from, to];
    let isMoved = false;
    for (const [index, { agents, rejected }] of this.#chain.entries()) {
      const closed = agents.find((one) => one.agent === name);
      if (closed === undefined) continue;
      if (high > closed.covered) break;
      const hit = rejected.find((range) => range.agent === name && range.to > low && range.from < high);
      if (hit !== undefined) return { kind: 'rejected', error: new JoineryError(hit.code, hit.message) };
      if (high <= closed.last) return { kind: 'done' };
      const next = this.#translated(index, name, low, high);
      if (next === undefined) return { kind: 'done' };
      [name, low, high, isMoved] = [next.agent, next.seq - 1, next.seq, true];
    }
    if (isMoved) return { kind: 'moved', agent: name, seq: high };
    return { kind: this.#isComplete ? 'left' : 'unknown' };
  }

  free(): void {
    for (const replay of this.#translators) replay?.free();
  }

  /** The new dot of the last operation of which something is left. */
  #translated(index: number, agent: bigint, from: number, to: number) {
    this.#translators[index] ??= this.#translator((this.#chain[index] as Replacement).mapping);
    const replay = this.#translators[index] as Replay;
    for (let seq = to; seq > from; seq -= 1) {
      const dot = replay.translate(agent, seq);
      if (dot !== undefined) return dot;
    }
    return undefined;
  }
}
