/** Decisions by the header alone, at their boundaries. */

import type { EnvelopeHeader } from '@joinery/protocol';
import { describe, expect, it } from 'vitest';
import type { AgentHead } from '../storage/storage.ts';
import { clockTolerance_ms, decide } from './decide.ts';

const time_ms = 1_767_225_600_000;
const header = (fields: Partial<EnvelopeHeader>): EnvelopeHeader => ({
  kind: 0,
  agent: 1n,
  from: 5,
  to: 6,
  deps: [],
  stamp: undefined,
  payloadOffset: 20,
  ...fields,
});
const epoch = 7;
const open = { epoch, user: 'ada', closed: false };
const heads = new Map<bigint, AgentHead>([
  [1n, { ...open, seq: 5, position: 9 }],
  [2n, { ...open, seq: 3, position: 8 }],
  [4n, { ...open, seq: 5, position: 7, closed: true }],
  [5n, { ...open, seq: 5, position: 6, epoch: 6 }],
  [6n, { ...open, seq: 5, position: 5, user: undefined }],
  [7n, { ...open, seq: 0, position: 0, closed: true }],
]);
const outcome = (fields: Partial<EnvelopeHeader>, user = 'ada') =>
  decide(header(fields), { heads, epoch, user, time_ms });

describe('decide', () => {
  it('takes what follows', () => {
    expect(outcome({})).toEqual({ type: 'take' });
    expect(outcome({ agent: 3n, from: 0, to: 1 })).toEqual({ type: 'take' });
    expect(outcome({ deps: [{ agent: 2n, seq: 3 }] })).toEqual({ type: 'take' });
  });

  it('looks for duplicates before anything else', () => {
    const deps = [{ agent: 9n, seq: 9 }];
    const stamp = BigInt(time_ms * 2) << 16n;
    expect(outcome({ from: 4, to: 5, deps, stamp, kind: 1 })).toEqual({
      type: 'duplicate',
      last: { ...open, seq: 5, position: 9 },
    });
  });

  it('refuses an envelope that was cut anew', () => {
    expect(outcome({ from: 4, to: 6 })).toMatchObject({ code: 'invalid-envelope' });
  });

  it('answers a gap with what is missing', () => {
    expect(outcome({ from: 6, to: 7 })).toMatchObject({ code: 'gap', missing: { agent: 1n, seq: 6 } });
    expect(outcome({ agent: 3n, from: 1, to: 2 })).toMatchObject({ code: 'gap', missing: { agent: 3n, seq: 1 } });
    expect(outcome({ deps: [{ agent: 2n, seq: 4 }] })).toMatchObject({ code: 'gap', missing: { agent: 2n, seq: 4 } });
    expect(outcome({ deps: [{ agent: 9n, seq: 1 }] })).toMatchObject({ code: 'gap', missing: { agent: 9n, seq: 1 } });
  });

  it('refuses a stamp that is more than the tolerance ahead', () => {
    const ahead = (milliseconds: number): bigint => (BigInt(time_ms + milliseconds) << 16n) | 0xffffn;
    expect(outcome({ stamp: ahead(clockTolerance_ms) })).toEqual({ type: 'take' });
    expect(outcome({ stamp: ahead(clockTolerance_ms + 1) })).toMatchObject({ code: 'clock' });
    expect(outcome({ stamp: 2n ** 64n - 1n })).toMatchObject({ code: 'clock' });
  });

  it('refuses what comes of a closed agent, or of one of an earlier epoch, but knows what it has of it', () => {
    for (const agent of [4n, 5n]) {
      expect(outcome({ agent })).toMatchObject({ code: 'closed-agent' });
      // Whatever else is wrong with it.
      expect(outcome({ agent, from: 9, to: 10 })).toMatchObject({ code: 'closed-agent' });
      expect(outcome({ agent, from: 4, to: 5 })).toMatchObject({ type: 'duplicate' });
    }
    expect(outcome({ agent: 7n, from: 0, to: 1 })).toMatchObject({ code: 'closed-agent' });
  });

  it('rests on nothing of an earlier epoch', () => {
    const deps = [{ agent: 5n, seq: 1 }];
    expect(outcome({ deps })).toMatchObject({ code: 'gap', missing: { agent: 5n, seq: 1 } });
    expect(outcome({ deps: [{ agent: 4n, seq: 5 }] })).toEqual({ type: 'take' });
  });

  it('takes an agent from its user alone', () => {
    expect(outcome({}, 'grace')).toMatchObject({ code: 'forbidden' });
    expect(outcome({ agent: 6n }, 'grace')).toEqual({ type: 'take' });
    expect(outcome({ agent: 9n, from: 0, to: 1 }, 'grace')).toEqual({ type: 'take' });
    expect(outcome({ from: 4, to: 5 }, 'grace')).toMatchObject({ type: 'duplicate' });
  });

  it('refuses sealed operations', () => {
    expect(outcome({ kind: 1 })).toMatchObject({ code: 'invalid-envelope' });
  });
});
