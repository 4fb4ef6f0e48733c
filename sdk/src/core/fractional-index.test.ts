// Fractional indices through the built module: the vectors that the Rust tests read too. What holds of any index is tested there.

import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { fractionalIndex, init, JoineryError } from './index.ts';

type Pair = [low: string | null, high: string | null];
interface Vectors {
  readonly cases: readonly [...Pair, index: string][];
  readonly invalid: readonly Pair[];
  readonly disordered: readonly Pair[];
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../tests/vectors/fractional-index.json', import.meta.url), 'utf8'),
);

beforeAll(() => init());

const without = { jitter_bits: 0 };
const between = (low: string | null, high: string | null): string =>
  fractionalIndex(low ?? undefined, high ?? undefined, without);

describe('fractionalIndex', () => {
  it('gives what the vectors say', () => {
    expect(vectors.cases.length).toBeGreaterThan(100);
    for (const [low, high, index] of vectors.cases) expect([low, high, between(low, high)]).toEqual([low, high, index]);
  });

  it.each([...vectors.invalid, ...vectors.disordered])('refuses %j and %j', (low, high) => {
    expect(() => between(low, high)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('picks one of many by the bits that are drawn', () => {
    const drawn = (byte: number): string =>
      fractionalIndex('a0', 'a1', { jitter_bits: 8, random: (bytes) => bytes.fill(byte) });
    const all = Array.from({ length: 256 }, (_, byte) => drawn(byte));
    expect(new Set(all).size).toBe(256);
    expect(all.every((index) => 'a0' < index && index < 'a1')).toBe(true);
    expect(drawn(7)).toBe(drawn(7));
    // Without a source of its own it takes the platform's.
    expect(new Set(Array.from({ length: 20 }, () => fractionalIndex(undefined, undefined))).size).toBeGreaterThan(10);
  });

  it.each([-1, 33, 1.5, Number.NaN])('refuses %d bits of jitter', (jitter_bits) => {
    expect(() => fractionalIndex(undefined, undefined, { jitter_bits })).toThrow(JoineryError);
  });
});
