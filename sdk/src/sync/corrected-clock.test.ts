import { beforeEach, describe, expect, it } from 'vitest';
import type { Environment } from '../environment.ts';
import { CorrectedClock } from './corrected-clock.ts';
import { correctionOf } from './replay-log.ts';

const hour_ms = 3_600_000;
const server_ms = 1_700_000_000_000;

/** What has passed of the true time; what the device's clock is set to and how long the device has slept. */
let passed_ms = 0;
let ahead_ms = 0;
let slept_ms = 0;
let clock: CorrectedClock;

beforeEach(() => {
  [passed_ms, ahead_ms, slept_ms] = [0, 0, 0];
  const now = () => server_ms + passed_ms + ahead_ms;
  clock = new CorrectedClock({ now, monotonic: () => passed_ms - slept_ms } as unknown as Environment);
});

const sample = () => {
  clock.forgetRoundTrip();
  clock.take(-ahead_ms, 10);
};
/** What the stamp of a write was off by that said this, as far as is known now. */
const errorOf = (written_ms: number) => correctionOf(written_ms, { ...clock.reading, refused: false });

describe("a device's clock", () => {
  it('that is set between two samples makes nothing wrong of what was written, before, between or after', () => {
    sample();
    const written = [clock.offset_ms];
    for (const set_ms of [3 * hour_ms, -7 * hour_ms, 5 * hour_ms]) {
      ahead_ms += set_ms;
      expect(clock.now()).toBe(server_ms + passed_ms);
      written.push(clock.offset_ms);
      sample();
      passed_ms += 1_000;
    }
    expect(written.map(errorOf)).toEqual(written.map(() => undefined));
  });

  it('that was wrong before it was ever known is corrected', () => {
    ahead_ms = 3 * hour_ms;
    const written_ms = clock.offset_ms;
    sample();
    expect(errorOf(written_ms)).toBe(3 * hour_ms);
  });

  it('that goes on while the device sleeps tells how far behind the next writes were', () => {
    sample();
    const before_ms = clock.offset_ms;
    passed_ms += 2 * hour_ms;
    slept_ms += 2 * hour_ms;
    expect(clock.now()).toBe(server_ms);
    const after_ms = clock.offset_ms;
    sample();
    expect([errorOf(before_ms), errorOf(after_ms)]).toEqual([undefined, -2 * hour_ms]);
  });

  it('that is set again and again is remembered within a bound', () => {
    sample();
    for (let index = 0; index < 100; index += 1) {
      ahead_ms += hour_ms;
      sample();
    }
    expect(clock.reading.sets_ms).toHaveLength(16);
  });
});

it('of which nothing is known adds nothing, though its time goes on between two looks', () => {
  let now_ms = server_ms + 24 * hour_ms;
  const environment = { now: () => ++now_ms, monotonic: () => 0 } as unknown as Environment;
  const unknown = new CorrectedClock(environment);
  const written_ms = unknown.offset_ms;
  expect([written_ms, unknown.reading.offset_ms]).toEqual([0, 0]);
  unknown.take(-24 * hour_ms, 10);
  // So what it wrote is put right: less than nothing would be said by a clock that was known then.
  expect(correctionOf(written_ms, { ...unknown.reading, refused: false })).toBeCloseTo(24 * hour_ms, -1);
});
