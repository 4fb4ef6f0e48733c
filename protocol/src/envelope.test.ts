/** The reader of envelope headers: what it reads, its limits, and damaged bytes. */

import { describe, expect, it } from 'vitest';
import { type EnvelopeFields, isTimeless, maxEnvelopeBytes, maxSeq, readEnvelope, writeEnvelope } from './envelope.ts';
import { JoineryError } from './error.ts';
import { damage, seededRandom } from './testing/damage.ts';

const payload = Uint8Array.of(1, 2, 3);
const agent = 0xfedc_ba98_7654_3210n;
const samples: readonly EnvelopeFields[] = [
  { agent, from: 0, to: 1, payload },
  { agent: 0n, from: 0, to: 2, payload: new Uint8Array(0) },
  { agent: 2n ** 64n - 1n, from: maxSeq - 1, to: maxSeq, payload },
  { agent, from: 127, to: 16_512, deps: [{ agent: 1n, seq: 1 }], payload },
  { agent, from: 5, to: 6, deps: [1n, 2n, 3n].map((other) => ({ agent: other, seq: maxSeq })), payload },
  { agent, from: 5, to: 6, stamp: 0n, payload },
  { agent, from: 5, to: 9, stamp: 2n ** 64n - 2n, deps: [{ agent: 1n, seq: 300 }], kind: 1, payload },
];

const codeOf = (bytes: Uint8Array): string => {
  try {
    readEnvelope(bytes);
  } catch (error) {
    if (error instanceof JoineryError) return error.code;
    throw error;
  }
  return 'no error';
};

describe('readEnvelope', () => {
  it('reads what was written', () => {
    for (const { kind = 0, deps = [], stamp, payload: content, ...fields } of samples) {
      const bytes = writeEnvelope({ kind, deps, stamp, payload: content, ...fields });
      const header = readEnvelope(bytes);
      expect(header).toEqual({ kind, deps, stamp, ...fields, payloadOffset: bytes.length - content.length });
    }
  });

  it('tells by the first byte what names no stamp', () => {
    for (const fields of samples) expect(isTimeless(writeEnvelope(fields))).toBe(fields.stamp === undefined);
    for (const bytes of [[], [0], [0x22], [0x20], [0xf0]]) expect(isTimeless(Uint8Array.from(bytes))).toBe(false);
  });

  it('reads bytes that lie within others', () => {
    const bytes = writeEnvelope({ agent, from: 3, to: 4, payload });
    const around = Uint8Array.of(9, 9, 9, ...bytes, 9);
    expect(readEnvelope(around.subarray(3, 3 + bytes.length)).from).toBe(3);
  });

  it.each([
    ['nothing', []],
    ['another format version', [0x20, 1, 2, 3, 4, 5, 6, 7, 8, 0]],
    ['a cut agent', [0x10, 1, 2, 3]],
    ['no seq', [0x10, 1, 2, 3, 4, 5, 6, 7, 8]],
    ['a number that isn’t in its shortest form', [0x10, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0]],
    ['a seq beyond the highest', [0x10, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a number that never ends', [0x10, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['a count that needs no saying', [0x12, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1]],
    ['more deps than there is room for', [0x14, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0xff, 0xff, 3]],
    ['a dep on itself', [0x14, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 1]],
    ['a dep on nothing', [0x14, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 9, 2, 3, 4, 5, 6, 7, 8, 0]],
    ['a stamp of more than 64 bits', [0x18, 1, 2, 3, 4, 5, 6, 7, 8, 0, ...new Array(9).fill(0xff), 2]],
  ])('refuses %s', (_, bytes) => {
    expect(codeOf(Uint8Array.from(bytes))).toBe('invalid-envelope');
  });

  it('refuses one that is too large', () => {
    const size = maxEnvelopeBytes - 10;
    expect(codeOf(writeEnvelope({ agent, from: 0, to: 1, payload: new Uint8Array(size) }))).toBe('no error');
    expect(codeOf(writeEnvelope({ agent, from: 0, to: 1, payload: new Uint8Array(size + 1) }))).toBe(
      'invalid-envelope',
    );
  });

  it('gives a header or a typed error for 100,000 damaged ones', () => {
    const outcomes = new Set<string>();
    const bytes = samples.map(writeEnvelope);
    damage(bytes, 100_000, seededRandom(3), (input) => {
      const code = codeOf(input);
      outcomes.add(code);
      if (code !== 'no error') return;
      const header = readEnvelope(input);
      // There is one way to write a header.
      const again = writeEnvelope({ ...header, payload: input.subarray(header.payloadOffset) });
      if (Buffer.compare(again, input) !== 0) throw new Error(Buffer.from(input).toString('hex'));
    });
    expect([...outcomes].sort()).toEqual(['invalid-envelope', 'no error']);
  });
});
