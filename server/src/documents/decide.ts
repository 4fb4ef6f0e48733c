/**
 * Whether an envelope may be put into a document's log, by its header alone: a pure decision, in the order that keeps a
 * repeated envelope harmless (duplicates are looked for before anything else). Whether its payload can be read is the
 * replica's to say.
 */

import type { Dot, EnvelopeHeader } from '@joinery/protocol';
import type { AgentHead } from '../storage/storage.ts';

/** A stamp may be ahead of the server's clock by so much. */
export const clockTolerance_ms = 5 * 60 * 1_000;

/** What is known when an envelope is decided on. */
export interface DecideContext {
  /** Agent → how far it is, in whatever epoch. */
  readonly heads: { get(agent: bigint): AgentHead | undefined };
  /** The document's epoch. */
  readonly epoch: number;
  /** Who brings the envelope. */
  readonly user: string;
  /** The server's wall clock. */
  readonly time_ms: number;
}

export type Decision =
  | { readonly type: 'take' }
  | { readonly type: 'duplicate'; readonly last: AgentHead }
  | { readonly type: 'refuse'; readonly code: string; readonly message: string; readonly missing: Dot | undefined };

/** The stamp's milliseconds: it holds 48 bits of them and a counter of 16. */
export const stampTime_ms = (stamp: bigint): number => Number(stamp >> 16n);

export function decide(header: EnvelopeHeader, { heads, epoch, user, time_ms }: DecideContext): Decision {
  const { agent, from, to, deps, stamp, kind } = header;
  const last = heads.get(agent);
  const lastSeq = last?.seq ?? 0;
  if (last !== undefined && to <= lastSeq) return { type: 'duplicate', last };
  if (last?.user !== undefined && last.user !== user) {
    return refuse('forbidden', 'an agent of the user who brings it', "another user's");
  }
  // What an agent wrote in an earlier epoch names ids that this one doesn't have.
  if (last !== undefined && (last.closed || last.epoch !== epoch)) {
    return refuse('closed-agent', 'an agent that is still open', `one that was closed at seq ${lastSeq}`);
  }
  if (from < lastSeq) {
    return refuse('invalid-envelope', `an envelope that starts at seq ${lastSeq}`, `one that starts at ${from}`);
  }
  if (from > lastSeq) {
    const missing = { agent, seq: from };
    return { ...refuse('gap', `the agent's envelope that starts at seq ${lastSeq}`, `one at ${from}`), missing };
  }
  const missing = deps.find((dep) => {
    const head = heads.get(dep.agent);
    return head === undefined || head.epoch !== epoch || head.seq < dep.seq;
  });
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

const remedies: Readonly<Record<string, string>> = {
  clock: 'Write it again with a corrected clock.',
  'closed-agent': 'Bring it again as what another agent wrote.',
};

function refuse(code: string, expected: string, got: string): Decision & { type: 'refuse' } {
  const remedy = remedies[code] ?? 'Nothing of it was stored.';
  return { type: 'refuse', missing: undefined, code, message: `Expected ${expected}, got ${got}. ${remedy}` };
}
