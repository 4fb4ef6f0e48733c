/**
 * Replay: brings operations that the server has not taken into a newer state of their document, as new operations of
 * another agent. It is the one path for refusals, wrong clocks, new epochs and corrupt own records. It decides nothing about
 * who is refused, stores nothing and sends nothing; and it is no merge: two replicas that replay the same operations make
 * them twice, so whoever replays does it once and keeps the mapping.
 */

import { JoineryError } from '@joinery/protocol';
import { absent, type Bridge as CoreBridge, checkAgent } from './bridge.ts';
import type { Replaying } from './pkg/joinery_core.js';
import { UndoStack } from './undo-stack.ts';

/**
 * Why an operation did not come through.
 *
 * - `refused`: it stands in an envelope that was refused.
 * - `rests-on-refused`: the container, element or value that it is about was made by an operation that did not come through.
 * - `parent-missing`: the container or element that it is about is not in the new state.
 * - `key-removed`: it writes to a key that the author's synced state had and the new epoch lacks.
 */
export type RejectReason = 'refused' | 'rests-on-refused' | 'parent-missing' | 'key-removed';

/** Operations of one agent that did not come through: those with `from < seq <= to`. */
export interface RejectedRange {
  /** The seq before the first of them. */
  readonly from: number;
  /** The seq of the last of them. */
  readonly to: number;
  readonly reason: RejectReason;
}

/** What became of one envelope. Every operation is counted once: `applied` plus the rejected ranges' lengths is all of it. */
export interface ReplayOutcome {
  /** How many of its operations are in the new state, were brought there before, or have nothing left to do there. */
  readonly applied: number;
  /** The others, ascending by seq; neighbours with one reason stand in one range. */
  readonly rejected: readonly RejectedRange[];
}

/** The final snapshot of an epoch that was trimmed. */
export interface Bridge {
  /** The agent of the trim that ended the epoch: what `Replica.trim` was given. */
  readonly agent: bigint;
  /** The last snapshot before the trim: what `Replica.encodeSnapshot` gave there. */
  readonly bytes: Uint8Array;
}

/** Options of `Replica.beginReplay`. */
export interface ReplayOptions {
  /** What `Replay.mapping()` of an earlier replay into the same document gave: this one goes on where that one ended. */
  readonly mapping?: Uint8Array | undefined;
  /** The epochs that were trimmed since `from`'s, oldest first; without them nothing that a trim renamed is found. */
  readonly bridges?: readonly Bridge[] | undefined;
  /**
   * The author's clock was wrong: stamps become min(server's time, stamp − correction), kept in order and above what they
   * overwrite. Without it stamps are kept. Milliseconds; the correction is how much further ahead the clock is now than when
   * it wrote, or 86,400,000 where it was a day ahead then and is right now.
   */
  readonly clock?: { readonly serverTime_ms: number; readonly correction_ms: number } | undefined;
  /** `into` is in another epoch than `from`: a write to a key that `from`'s synced state had and `into` lacks is rejected. */
  readonly epoch?: boolean | undefined;
}

/** An operation's name outside of its document. */
export interface DotName {
  readonly agent: bigint;
  readonly seq: number;
}

const reasons: readonly RejectReason[] = ['refused', 'rests-on-refused', 'parent-missing', 'key-removed'];

/**
 * A replay under way: made by `into.beginReplay(from, options)`, freed by {@link Replay.free}. Give it the envelopes that the
 * server has not taken, each exactly as it was made, those that others rest on first. Neither replica may be freed before it,
 * and `from` takes nothing new meanwhile.
 *
 * Each envelope becomes envelopes of its own in `into`, so that a later refusal hits no more than it has to.
 *
 * @example
 * const replay = into.beginReplay(from);
 * replay.refuse(forbidden);
 * const { rejected } = replay.add(next);
 * for (let update = into.takeUpdate(); update; update = into.takeUpdate()) store(update);
 * replay.free();
 */
export class Replay {
  readonly #from: CoreBridge;
  readonly #into: CoreBridge;
  #replaying: Replaying | undefined;
  readonly #hasClock: boolean;

  /** Use `into.beginReplay(from, options)`. */
  constructor(from: CoreBridge, into: CoreBridge, options: ReplayOptions) {
    if (from === into) {
      throw new JoineryError('invalid-option', {
        expected: 'two replicas',
        got: 'one twice',
        remedy: 'Load the state to replay into as a replica of its own.',
      });
    }
    this.#from = from;
    this.#into = into;
    const { clock, epoch = false } = options;
    this.#hasClock = clock !== undefined;
    const core = into.writer;
    into.input(packParts(options));
    this.#replaying = core.begin_replay(
      from.core,
      epoch,
      clock !== undefined,
      clock === undefined ? 0 : checkTime(clock.serverTime_ms, 0),
      clock === undefined ? 0 : checkTime(clock.correction_ms, Number.MIN_SAFE_INTEGER),
    );
    if (this.#replaying === undefined) throw into.refusal();
  }

  /**
   * Puts the stamps of what comes next right in another way: it was written when the clock was off by something else. What won
   * over what for its author does so still.
   *
   * @throws JoineryError `invalid-option` for a time that is none, and where the replay was begun without a clock
   */
  correct({ serverTime_ms, correction_ms }: NonNullable<ReplayOptions['clock']>): void {
    if (!this.#hasClock) {
      throw new JoineryError('invalid-option', {
        expected: 'a replay that was begun with a clock',
        got: 'one without',
        remedy: 'Begin it with the option `clock`.',
      });
    }
    const [time_ms, by_ms] = [checkTime(serverTime_ms, 0), checkTime(correction_ms, Number.MIN_SAFE_INTEGER)];
    this.#into.core.replay_correct(this.#open, time_ms, by_ms);
  }

  /**
   * Makes the envelope's operations anew in `into`. Those that were brought there before (by this replay or in the
   * mapping, or because the server had taken them) are not made again.
   *
   * An envelope that `from` could not join, because a record of its agent was lost, is placed by what it names itself.
   *
   * @throws JoineryError `invalid-update` (not an envelope), `limit-exceeded`; then nothing has changed
   */
  add(envelope: Uint8Array): ReplayOutcome {
    return this.#replay(envelope, false);
  }

  /**
   * This envelope was refused: nothing of it is made, and what rests on it is rejected when it comes.
   *
   * @returns the whole envelope as one rejected range, without what an earlier replay had brought
   * @throws JoineryError as {@link Replay.add}
   */
  refuse(envelope: Uint8Array): ReplayOutcome {
    return this.#replay(envelope, true);
  }

  #replay(envelope: Uint8Array, refused: boolean): ReplayOutcome {
    const replaying = this.#open;
    const into = this.#into;
    const from = this.#from.core;
    const core = into.core;
    into.input(envelope);
    into.check(core.replay(replaying, from, refused));
    into.structure += 1;
    const bytes = into.output();
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const rejected: RejectedRange[] = [];
    for (let at = 4; at < bytes.length; at += 12) {
      const reason = reasons[words.getUint32(at + 8, true)] ?? 'refused';
      rejected.push({ from: words.getUint32(at, true), to: words.getUint32(at + 4, true), reason });
    }
    return { applied: words.getUint32(0, true), rejected };
  }

  /**
   * The new name of an operation: the last new operation that it became. For receipts.
   *
   * @returns undefined where nothing of it is left (it was rejected, or had nothing left to do) or it was never replayed
   * @throws JoineryError `invalid-option` for an agent that is none
   */
  translate(agent: bigint, seq: number): DotName | undefined {
    checkAgent(agent);
    // The core takes 32 bits, and would make another number of what isn't one.
    if (!Number.isInteger(seq) || seq < 1 || seq >= 2 ** 32) return undefined;
    const into = this.#into;
    const found = into.core.replay_translate(this.#open, agent, seq);
    if (found === absent) return undefined;
    const bytes = into.output();
    return { agent: new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true), seq: found };
  }

  /**
   * Takes an undo stack of `from` along into `into`: its steps name what the operations there have become. Call it when everything
   * was replayed. What can't be found again goes from its step, and a step of which nothing is left goes. Across a trim that is
   * more: whatever the trim has renamed is not known to be the author's any more where an undo asks that (elements, marks, sets, what
   * is in a container or at a node).
   *
   * @throws JoineryError `invalid-option` for a stack of another replica, `freed`, `limit-exceeded` (64 stacks)
   */
  carryUndo(stack: UndoStack): UndoStack {
    const into = this.#into;
    const number = into.check(into.core.replay_carry_undo(this.#open, this.#from.core, stack.numberIn(this.#from)));
    return new UndoStack(into, { number });
  }

  /** Which operations became which, and which were rejected, as bytes: for a later replay's `mapping`. */
  mapping(): Uint8Array {
    this.#into.core.replay_mapping(this.#open);
    return this.#into.output();
  }

  /** Gives the memory back; `from` and `into` stay. Whatever is called afterwards throws `freed`. */
  free(): void {
    this.#replaying?.free();
    this.#replaying = undefined;
  }

  get #open(): Replaying {
    if (this.#replaying === undefined) {
      throw new JoineryError('freed', { expected: 'a replay', got: 'a freed one', remedy: 'Begin another one.' });
    }
    return this.#replaying;
  }
}

/** Mapping and bridges as `begin_replay` in crates/wasm reads them: lengths and agents in 8 bytes, little endian. */
function packParts({ mapping = new Uint8Array(0), bridges = [] }: ReplayOptions): Uint8Array {
  const length = bridges.reduce((sum, { bytes }) => sum + 16 + bytes.length, 8 + mapping.length);
  const packed = new Uint8Array(length);
  const view = new DataView(packed.buffer);
  view.setBigUint64(0, BigInt(mapping.length), true);
  packed.set(mapping, 8);
  let at = 8 + mapping.length;
  for (const { agent, bytes } of bridges) {
    checkAgent(agent);
    view.setBigUint64(at, agent, true);
    view.setBigUint64(at + 8, BigInt(bytes.length), true);
    packed.set(bytes, at + 16);
    at += 16 + bytes.length;
  }
  return packed;
}

function checkTime(time_ms: number, lowest: number): number {
  if (Number.isFinite(time_ms) && time_ms >= lowest && time_ms <= Number.MAX_SAFE_INTEGER) return Math.trunc(time_ms);
  throw new JoineryError('invalid-option', {
    expected: 'a time in milliseconds',
    got: String(time_ms),
    remedy: 'Pass what the server told.',
  });
}
