/** Decisions by the header alone, at their boundaries. */

import type { EnvelopeHeader } from '@joinery/protocol';
import { describe, expect, it } from 'vitest';
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
const heads = new Map([
  [1n, { seq: 5, position: 9 }],
  [2n, { seq: 3, position: 8 }],
]);
const outcome = (fields: Partial<EnvelopeHeader>) => decide(header(fields), heads, time_ms);

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
      last: { seq: 5, position: 9 },
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

  it('refuses sealed operations', () => {
    expect(outcome({ kind: 1 })).toMatchObject({ code: 'invalid-envelope' });
  });
});
