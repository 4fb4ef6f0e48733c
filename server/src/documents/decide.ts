/**
 * Whether an envelope may be put into a document's log, by its header alone: a pure decision, in the order that keeps a
 * repeated envelope harmless (duplicates are looked for before anything else). Whether its payload can be read is the
 * replica's to say.
 */

import type { Dot, EnvelopeHeader } from '@joinery/protocol';
import type { AgentHead } from '../storage/storage.ts';

/** A stamp may be ahead of the server's clock by so much. */
export const clockTolerance_ms = 5 * 60 * 1_000;

export type Decision =
  | { readonly type: 'take' }
  | { readonly type: 'duplicate'; readonly last: AgentHead }
  | { readonly type: 'refuse'; readonly code: string; readonly message: string; readonly missing: Dot | undefined };

/** The stamp's milliseconds: it holds 48 bits of them and a counter of 16. */
export const stampTime_ms = (stamp: bigint): number => Number(stamp >> 16n);

/** `heads`: agent → its last envelope in the log. `time_ms`: the server's wall clock. */
export function decide(
  header: EnvelopeHeader,
  heads: { get(agent: bigint): AgentHead | undefined },
  time_ms: number,
): Decision {
  const { agent, from, to, deps, stamp, kind } = header;
  const last = heads.get(agent);
  const lastSeq = last?.seq ?? 0;
  if (last !== undefined && to <= lastSeq) return { type: 'duplicate', last };
  if (from < lastSeq) {
    return refuse('invalid-envelope', `an envelope that starts at seq ${lastSeq}`, `one that starts at ${from}`);
  }
  if (from > lastSeq) {
    const missing = { agent, seq: from };
    return { ...refuse('gap', `the agent's envelope that starts at seq ${lastSeq}`, `one at ${from}`), missing };
  }
  const missing = deps.find((dep) => (heads.get(dep.agent)?.seq ?? 0) < dep.seq);
  if (missing !== undefined) {
    return { ...refuse('gap', 'what the envelope was written on to be here', 'an operation that isn’t'), missing };
  }
  if (kind !== 0) return refuse('invalid-envelope', 'plain operations (kind 0)', `kind ${kind}`);
  if (stamp !== undefined && stampTime_ms(stamp) > time_ms + clockTolerance_ms) {
    const ahead_s = Math.round((stampTime_ms(stamp) - time_ms) / 1_000);
    return refuse('clock', 'a stamp at most 5 minutes ahead of the server', `one ${ahead_s} s ahead`);
  }
  return { type: 'take' };
}

function refuse(code: string, expected: string, got: string): Decision & { type: 'refuse' } {
  const remedy = code === 'clock' ? 'Write it again with a corrected clock.' : 'Nothing of it was stored.';
  return { type: 'refuse', missing: undefined, code, message: `Expected ${expected}, got ${got}. ${remedy}` };
}
