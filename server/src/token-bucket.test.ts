/** The rate, the burst and the debt. */

import { expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

it('gives the burst at once and then the rate', () => {
  const bucket = new TokenBucket(10, 5, 0);
  expect([1, 2, 3, 4, 5].map(() => bucket.take(1, 0))).toEqual([0, 0, 0, 0, 0]);
  expect(bucket.take(1, 0)).toBe(100);
  expect(bucket.take(1, 100)).toBe(100);
  expect(bucket.take(1, 300)).toBe(0);
});

it('never saves up more than the burst', () => {
  const bucket = new TokenBucket(10, 5, 0);
  expect(bucket.take(5, 1_000_000)).toBe(0);
  expect(bucket.take(1, 1_000_000)).toBe(100);
});

it('lets a debt be paid', () => {
  const bucket = new TokenBucket(10, 5, 0);
  expect(bucket.take(25, 0)).toBe(2_000);
  expect(bucket.take(0, 2_000)).toBe(0);
});
