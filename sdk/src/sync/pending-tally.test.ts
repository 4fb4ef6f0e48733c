import { expect, test } from 'vitest';
import { seededRandom } from '../testing/random.ts';
import { PendingTally } from './pending-tally.ts';

test('tells what a look at each of them would', () => {
  const random = seededRandom(11);
  const tally = new PendingTally<number>();
  const naive = new Map<number, { count: number; at: number }>();
  for (let step = 0; step < 20_000; step += 1) {
    const key = Math.floor(random() * 200);
    const count = Math.floor(random() * 4);
    const at = Math.floor(random() * 1_000);
    if (random() < 0.3) {
      expect(tally.delete(key)).toBe(naive.delete(key));
    } else {
      tally.note(key, count, at);
      if (count === 0) naive.delete(key);
      else naive.set(key, { count, at });
    }
    const all = [...naive.values()];
    expect(tally.count).toBe(all.reduce((sum, one) => sum + one.count, 0));
    expect(tally.oldestAt_ms).toBe(all.length === 0 ? undefined : Math.min(...all.map((one) => one.at)));
    expect(tally.size).toBe(naive.size);
  }
  tally.clear();
  expect([tally.count, tally.oldestAt_ms, tally.size]).toEqual([0, undefined, 0]);
});
