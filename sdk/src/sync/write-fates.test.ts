// What was rejected of some operations, found among many ranges.

import { expect, test } from 'vitest';
import { type NamedRange, RejectedRanges } from './write-fates.ts';

test('a write is found in the first range that has something of it, and in no other', () => {
  const ranges: NamedRange[] = [
    { agent: 1n, from: 6, to: 8 },
    { agent: 2n, from: 0, to: 9 },
    { agent: 1n, from: 1, to: 3 },
    { agent: 1n, from: 3, to: 4 },
  ];
  const rejected = new RejectedRanges(ranges);
  const ascending = [...ranges].sort((a, b) => a.from - b.from);
  for (const agent of [1n, 2n, 3n]) {
    for (let from = 0; from < 10; from += 1) {
      for (let to = from + 1; to <= 11; to += 1) {
        const expected = ascending.find((one) => one.agent === agent && one.to > from && one.from < to);
        expect(rejected.hit(agent, from, to), `${agent}: ${from} to ${to}`).toBe(expected);
      }
    }
  }
});

test('two hundred thousand writes, every other one rejected, are told apart in no time', () => {
  const ranges = Array.from({ length: 100_000 }, (_, index) => ({ agent: 1n, from: 2 * index, to: 2 * index + 1 }));
  const rejected = new RejectedRanges(ranges);
  let hits = 0;
  for (let seq = 1; seq <= 200_000; seq += 1) if (rejected.hit(1n, seq - 1, seq) !== undefined) hits += 1;
  expect(hits).toBe(100_000);
});
