// Replays the own envelopes of a log that the server doesn't have into the server's state, and says what came of each. It
// reads no storage and sends nothing; what it made is stored by a swap, or it never happened.

import { JoineryError } from '@joinery/protocol';
import type { Bridge, RejectReason, Replay, ReplayOptions, ReplayOutcome } from '../core/replay.ts';
import type { Replica } from '../core/replica.ts';
import { packValue } from '../core/value.ts';
import { type RejectedPart, type RejectedWrite, rejectedId, type StoredEnvelope } from '../storage/storage.ts';
import { causalOrder } from './causal-order.ts';
import type { ClockReading } from './corrected-clock.ts';

/** A clock may be off by so much before what it wrote is corrected: the same as the server allows. */
export const clockTolerance_ms = 5 * 60 * 1000;
/** Offsets are measured over a network: within this they are one. */
const sameOffset_ms = 1_000;

/** What of a clock's error is known: see `correctionOf`. */
export interface ClockState extends ClockReading {
  /** The server has refused a stamp: whatever is known of the clock, no stamp may be ahead of the server's time. */
  readonly refused: boolean;
}

type LoggedEnvelope = Pick<StoredEnvelope, 'agent' | 'from' | 'to' | 'bytes' | 'acknowledged' | 'clockOffset_ms'>;

export interface ReplayLogInput {
  /** The document as its author had it, with everything that is replayed in it. */
  readonly from: Replica;
  /** The server's state; what is made is taken out of it here. */
  readonly into: Replica;
  /** Own envelopes, in any order. */
  readonly log: readonly LoggedEnvelope[];
  /** What the server has of each agent: what is above is replayed. */
  readonly last: ReadonlyMap<bigint, number>;
  /** Own envelopes that are known to be lost; holes in the log are found without. */
  readonly damaged: readonly { readonly agent: bigint; readonly from: number; readonly to: number }[];
  readonly refused: (envelope: { readonly agent: bigint; readonly from: number }) => JoineryError | undefined;
  readonly bridges: readonly Bridge[];
  readonly epochChanged: boolean;
  readonly clock: ClockState | undefined;
  readonly at_ms: number;
}

export interface ReplayedLog {
  /** One for each old one of which something is left, so that each is refused alone. */
  readonly local: readonly Uint8Array[];
  readonly rejected: readonly RejectedWrite[];
  readonly mapping: Uint8Array;
}

export function replayLog(input: ReplayLogInput): ReplayedLog {
  const { from, into, last, bridges, epochChanged: epoch, clock, at_ms } = input;
  const local: Uint8Array[] = [];
  const rejected: RejectedWrite[] = [];
  const unsynced = input.log.filter(({ agent, to }) => to > (last.get(agent) ?? 0));
  // What the server took once is only lost in a backup; and a restored one has another epoch that no trim leads to.
  const isRestored = unsynced.some(({ acknowledged }) => acknowledged) || (epoch && bridges.length === 0);
  const corrected = new CorrectedReplay(into, from, clock, { bridges, epoch }, isRestored);
  try {
    for (const envelope of causalOrder(unsynced)) {
      const error = input.refused(envelope);
      const outcome = replayOne(corrected.at(envelope), envelope, error);
      const came = rejectionOf(from, envelope, outcome, error, at_ms);
      if (came !== undefined) rejected.push(came);
      for (let made = into.takeUpdate(); made !== undefined; made = into.takeUpdate()) local.push(made);
    }
    for (const range of holesOf(unsynced, input.damaged, last)) {
      const { agent } = range;
      const parts = [partOf({ ...range, reason: 'damaged' }, undefined)];
      const empty = { changes: packedChanges(undefined, new Uint8Array(), parts), envelope: new Uint8Array() };
      rejected.push({ id: rejectedId(range), agent, parts, at_ms, ...empty });
    }
    return { local, rejected, mapping: corrected.replay.mapping() };
  } finally {
    corrected.free();
  }
}

type Range = Pick<StoredEnvelope, 'agent' | 'from' | 'to'>;

/** What of each agent is above what the server has and in no envelope: it was there once, and is lost. */
function holesOf(log: readonly Range[], damaged: readonly Range[], last: ReadonlyMap<bigint, number>): Range[] {
  const present = new Set(log.map(({ agent, from }) => `${agent}:${from}`));
  const lost = damaged.filter(({ agent, from }) => !present.has(`${agent}:${from}`));
  const isLost = new Set<Range>(lost);
  const reached = new Map(last);
  const holes: Range[] = [];
  for (const range of [...log, ...lost].sort((a, b) => a.from - b.from)) {
    const { agent, from, to } = range;
    const before = reached.get(agent) ?? 0;
    if (to <= before) continue;
    if (from > before) holes.push({ agent, from: before, to: from });
    if (isLost.has(range)) holes.push({ agent, from: Math.max(from, before), to });
    reached.set(agent, to);
  }
  return holes;
}

/** A replay in which the correction of the clock changes from envelope to envelope. */
export class CorrectedReplay {
  readonly replay: Replay;
  readonly #clock: ClockState | undefined;
  readonly #isRestored: boolean;
  #correction_ms = 0;

  /**
   * @param isRestored the server's state may lack what it once had. Others have seen that, and written on it, with the stamps
   * that it had, perhaps also what is not acknowledged here; so stamps are kept as far as the server takes them.
   */
  constructor(
    into: Replica,
    from: Replica,
    clock: ClockState | undefined,
    options: Omit<ReplayOptions, 'clock'>,
    isRestored: boolean,
  ) {
    this.#clock = clock;
    this.#isRestored = isRestored;
    // What needs no correction must still come above what it overwrote: that may have been put right, also by an earlier replay.
    this.replay = into.beginReplay(from, { ...options, clock: this.#rule });
  }

  /** For an envelope that was written when so much was added to the clock. */
  at({ clockOffset_ms }: Pick<StoredEnvelope, 'clockOffset_ms'>): Replay {
    const correction_ms = (this.#isRestored ? undefined : correctionOf(clockOffset_ms, this.#clock)) ?? 0;
    if (Math.abs(correction_ms - this.#correction_ms) < sameOffset_ms) return this.replay;
    this.#correction_ms = correction_ms;
    if (this.#rule !== undefined) this.replay.correct(this.#rule);
    return this.replay;
  }

  get #rule(): ReplayOptions['clock'] {
    const [clock, correction_ms] = [this.#clock, this.#correction_ms];
    if (clock === undefined) return undefined;
    const ahead_ms = this.#isRestored && !clock.refused ? clockTolerance_ms : 0;
    return { serverTime_ms: clock.serverTime_ms + ahead_ms, correction_ms };
  }

  free(): void {
    this.replay.free();
  }
}

/** A reason of our own: the operations can't be read, or rest on some that can't. */
export type Reason = RejectReason | 'damaged';

export interface OutcomePart {
  readonly from: number;
  readonly to: number;
  readonly reason: Reason;
}

export interface Outcome {
  readonly rejected: readonly OutcomePart[];
}

/** Replays one envelope; one that the author's own replica could not join is lost, and said to be. */
export function replayOne(
  replay: Replay,
  { from, to, bytes }: Pick<StoredEnvelope, 'from' | 'to' | 'bytes'>,
  refused: JoineryError | undefined,
): Outcome {
  try {
    const outcome: ReplayOutcome = refused === undefined ? replay.add(bytes) : replay.refuse(bytes);
    return outcome;
  } catch (error) {
    if (!(error instanceof JoineryError)) throw error;
    return { rejected: [{ from, to, reason: refused === undefined ? 'damaged' : 'refused' }] };
  }
}

/** What came to nothing of an envelope, for the rejected list; undefined where all of it came through. */
export function rejectionOf(
  from: Replica,
  { agent, bytes }: Pick<StoredEnvelope, 'agent' | 'bytes'>,
  { rejected }: Outcome,
  refused: JoineryError | undefined,
  at_ms: number,
): RejectedWrite | undefined {
  const [first, last] = [rejected[0], rejected.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const parts = rejected.map((part) => partOf(part, refused));
  const id = rejectedId({ agent, from: first.from, to: last.to });
  return { id, agent, parts, at_ms, changes: packedChanges(from, bytes, parts), envelope: bytes };
}

function partOf({ from, to, reason }: OutcomePart, refused: JoineryError | undefined): RejectedPart {
  const { code, message } = reason === 'refused' && refused !== undefined ? refused : rejection(reason);
  return { from, to, code, message, reason };
}

/**
 * How much further ahead the clock is now than when it wrote an envelope, where that is more than the server allows.
 * Undefined: its stamps are kept.
 */
export function correctionOf(written_ms: number | undefined, clock: ClockState | undefined): number | undefined {
  if (clock === undefined) return undefined;
  // Both are what to add to the device's clock: the more had to be added then, the less far ahead it was.
  const measured_ms = Math.round((written_ms ?? 0) - clock.offset_ms);
  // Setting the device's clock afterwards makes nothing wrong that was written by the corrected one.
  const possible_ms = [0, ...clock.sets_ms].map((set_ms) => measured_ms - set_ms);
  const least_ms = possible_ms.reduce((least, one) => (Math.abs(one) < Math.abs(least) ? one : least));
  // A corrected clock is behind where the device has slept, and never ahead: where less is added now, its clock was set since.
  const correction_ms = written_ms ? Math.min(0, least_ms) : least_ms;
  return clock.refused || Math.abs(correction_ms) > clockTolerance_ms ? correction_ms : undefined;
}

/** What parts of an envelope would have changed, as far as it can be read: nothing says more than the envelope itself. */
export function packedChanges(
  from: Replica | undefined,
  envelope: Uint8Array,
  parts: readonly Pick<RejectedPart, 'from' | 'to'>[],
): Uint8Array {
  try {
    return packValue(from?.describe(envelope, parts) ?? []).slice();
  } catch (error) {
    // It can't be read, or is too long to be told.
    if (error instanceof JoineryError) return packValue([]).slice();
    throw error;
  }
}

function rejection(reason: Reason): JoineryError {
  switch (reason) {
    case 'refused':
      return new JoineryError('forbidden', 'The server has refused this write.');
    case 'rests-on-refused':
      return new JoineryError('rests-on-refused', {
        expected: 'everything that this write is about to be at the server',
        got: 'a write before it that was refused',
        remedy: 'Look at the rejected list: try the earlier one again first.',
      });
    case 'parent-missing':
      return new JoineryError('parent-missing', {
        expected: 'what this write is about to be in the document',
        got: 'a document in which somebody has removed it',
        remedy: 'It is kept in the rejected list.',
      });
    case 'key-removed':
      return new JoineryError('key-removed', {
        expected: 'the key that this write changes to be in the document',
        got: 'a document in which somebody has removed it',
        remedy: 'Try it again from the rejected list, if it is to be there.',
      });
    case 'damaged':
      return new JoineryError('storage-corrupt', {
        expected: 'everything that this write rests on to be in storage',
        got: 'a damaged record that was set aside',
        remedy: 'It is kept in the rejected list.',
      });
  }
}
