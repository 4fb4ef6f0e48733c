// The main thread's part of a replaced incarnation: receipts follow their writes, and what only the old replica has is made
// again in the new one. It posts nothing and tells nobody before it is asked to.

import { JoineryError, readEnvelope } from '@joinery/protocol';
import type { Bridge, Replay } from '../core/replay.ts';
import { Replica } from '../core/replica.ts';
import { decodeVersion } from '../core/version.ts';
import { type RejectedWrite, type Replacement, rejectedId } from '../storage/storage.ts';

import { composeMappings } from './compose-mappings.ts';
import type { AgentSeq } from './messages.ts';
import type { Batch, OwnWrites, Write } from './own-writes.ts';
import { type ClockState, CorrectedReplay, packedChanges, rejectionOf, replayOne } from './replay-log.ts';
import { RejectedRanges, translateRange, WriteFates } from './write-fates.ts';

export interface FollowInput {
  /** What the writes were made in; undefined when it was lost. */
  readonly old: Replica | undefined;
  readonly next: Replica;
  readonly writes: Pick<OwnWrites, 'follow' | 'again' | 'reject'>;
  readonly replacements: readonly Replacement[];
  /** No swap is missing before the first of them; else it can't be told of what is left whether it was replayed. */
  readonly complete: boolean;
  readonly bridges: readonly Bridge[];
  /** What of the writes is in `next` by other names, though none of the swaps tells of it. */
  readonly carried: readonly AgentSeq[];
  /** Of these it isn't known: where no swap tells either, making them again could mean that they are there twice. */
  readonly unanswered: readonly AgentSeq[];
  readonly epochChanged: boolean;
  /** Everything was replayed: what hangs on the old replica comes along; without a replay it can't. */
  readonly carry?: (replay: Replay | undefined) => void;
  readonly clock: ClockState | undefined;
  readonly at_ms: number;
}

/** What became of a batch that was nowhere but here. */
interface Outcome {
  readonly rejected: readonly RejectedWrite[];
  /** As they are called now. */
  readonly kept: readonly Write[];
  readonly told: readonly (() => void)[];
}

/**
 * Returns what tells the receipts, to be called when the new replica is in its place. Where the core traps in it nothing has
 * happened to the writes.
 */
export function followReplacement(input: FollowInput): () => void {
  const { old, next, writes, replacements, complete } = input;
  const carried = new Map(input.carried);
  const isTold = (name: bigint): boolean =>
    replacements.some(({ agents }) => agents.some(({ agent }) => agent === name));
  const unanswered = new Map(input.unanswered.filter(([agent]) => !isTold(agent)));
  // For names alone anything does.
  const nothing = new Replica();
  const translator = (mapping: Uint8Array): Replay => next.beginReplay(nothing, { mapping });
  const fates = new WriteFates(replacements, translator);
  const present = decodeVersion(next.version());
  const followed = writes.follow((agent, from, to) => {
    const fate = fates.of(agent, from, to);
    // No swap knew of it, and it is there by its own name, or in a later epoch by others: stored by then, or sent from memory.
    if (fate.kind !== 'left') return fate;
    if (to <= (present.get(agent) ?? 0)) return { kind: 'moved', agent, from, to };
    return to <= (carried.get(agent) ?? 0) ? { kind: 'done' } : fate;
  });
  fates.free();
  nothing.free();
  const mapping = composeMappings(replacements.map((one) => one.mapping));
  const { bridges, epochChanged: epoch, clock, at_ms } = input;
  const isRestored = epoch && bridges.length === 0;
  const corrected = old && new CorrectedReplay(next, old, clock, { mapping, bridges, epoch }, isRestored);
  const outcomes = followed.left.map((batch) => {
    const { agent, from } = batch;
    const reached = carried.get(agent) ?? 0;
    const isKnown = complete && Math.max(from, reached) >= (unanswered.get(agent) ?? 0);
    if (old === undefined || corrected === undefined || !isKnown) return lost(batch, old, at_ms, reached);
    const rejected = replayBatch(batch, corrected, old, reached, at_ms);
    return outcomeOf(batch, rejected, (write) => renamed(write, batch, corrected));
  });
  input.carry?.(complete ? corrected?.replay : undefined);
  corrected?.free();
  return settle(writes, followed.commit(), outcomes);
}

/** The core has trapped in it: what is known of the swaps can't be read, nor anything replayed. The same, with nothing known. */
export function followUnknown({ writes, at_ms }: Pick<FollowInput, 'writes' | 'at_ms'>): () => void {
  const { left, commit } = writes.follow(() => ({ kind: 'left' }));
  const outcomes = left.map((batch) => lost(batch, undefined, at_ms));
  return settle(writes, commit(), outcomes);
}

function settle(writes: FollowInput['writes'], tell: () => void, outcomes: readonly Outcome[]): () => void {
  for (const { kept, rejected } of outcomes) {
    writes.again(kept);
    if (rejected.length > 0) writes.reject(rejected);
  }
  return () => {
    tell();
    for (const { told } of outcomes) for (const run of told) run();
  };
}

function outcomeOf(batch: Batch, rejected: readonly RejectedWrite[], nameOf: (write: Write) => Write): Outcome {
  const kept: Write[] = [];
  const told: (() => void)[] = [];
  const parts = rejected.flatMap((one) => one.parts.map((part) => ({ agent: one.agent, ...part })));
  const ranges = new RejectedRanges(parts);
  // After an earlier swap the names say nothing: then each may be meant.
  const other = parts.find(({ agent }) => agent !== batch.agent);
  for (const write of batch.writes) {
    const hit = other ?? ranges.hit(batch.agent, write.from, write.to);
    if (hit === undefined) kept.push(nameOf(write));
    else told.push(() => write.receipt.markRejected(new JoineryError(hit.code, hit.message)));
  }
  return { rejected, kept, told };
}

/** What has no envelope here was written by the engine: whether it is there, only that can tell. */
function lost(batch: Batch, old: Replica | undefined, at_ms: number, reached = 0): Outcome {
  return outcomeOf(batch, lostWrites(batch, old, at_ms, reached), ({ receipt }) => ({ from: 0, to: 0, receipt }));
}

/** A replayed write as it is called in the new replica; of one that had nothing left to do there is nothing to name. */
function renamed({ from, to, receipt }: Write, { agent }: Batch, corrected: CorrectedReplay): Write {
  const now = translateRange(corrected.replay, { agent, from, to });
  return { from: now?.from ?? 0, to: now?.to ?? 0, receipt };
}

/** Makes a batch's operations again, but for those that are there up to `carried`; returns what came to nothing. */
function replayBatch(
  batch: Batch,
  corrected: CorrectedReplay,
  old: Replica,
  carried: number,
  at_ms: number,
): RejectedWrite[] {
  const replay = corrected.at(batch);
  return batch.envelopes.flatMap((bytes) => {
    const { agent, from, to } = readEnvelope(bytes);
    if (to <= carried) return [];
    const outcome = replayOne(replay, { from, to, bytes }, undefined);
    return rejectionOf(old, { agent, bytes }, outcome, undefined, at_ms) ?? [];
  });
}

/** It can't be told whether they are there, or there is nothing left to replay them from; those up to `reached` are. */
function lostWrites(batch: Batch, old: Replica | undefined, at_ms: number, reached: number): RejectedWrite[] {
  const lost = batch.envelopes.filter((envelope) => readEnvelope(envelope).to > reached);
  return lost.map((envelope) => {
    const { agent, from, to } = readEnvelope(envelope);
    const { code, message } = new JoineryError('stale-incarnation', {
      expected: 'this tab to be awake, and its storage to work, when its document was replaced',
      got: 'a write that was not yet stored then',
      remedy: 'Look whether the document has it; if not, try it again from the rejected list.',
    });
    const parts = [{ from, to, code, message, reason: 'unknown' }];
    const changes = packedChanges(old, envelope, parts);
    return { id: rejectedId({ agent, from, to }), agent, parts, at_ms, changes, envelope };
  });
}
