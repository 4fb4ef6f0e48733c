// This device's clock, corrected by what the server said of its own. Between two samples it follows the clock that never
// goes back, so that setting the device's clock changes nothing. Where that one stood still (a device that slept) it is
// behind until the next sample; what was written meanwhile says by how much (see `offset_ms`) and is corrected later.

import type { Environment } from '../environment.ts';

/** The device's clock was set, or the device has slept, when the two clocks have moved apart by more than this. */
const jump_ms = 500;
/** Clocks drift: after so long a worse sample is better than an old one. */
const stale_ms = 10 * 60 * 1000;
/** Between two samples: by less than this nothing has to be told of, and the clock that never goes back has gone on. */
const told_ms = 60_000;
/** So often is remembered that the device's clock was set. */
const maxSets = 16;

/** What of a clock's error is known. */
export interface ClockReading {
  /** The server's time. */
  readonly serverTime_ms: number;
  /** What to add to this device's clock to get the server's, now. */
  readonly offset_ms: number;
  /**
   * How far forward the device's clock was set while it was watched, where samples show that it was set and the device didn't
   * sleep: the last time, the last two times together, and so on. What was written before seems to be off by one of them.
   */
  readonly sets_ms: readonly number[];
}

interface Sample {
  /** The server's time minus the clock that never goes back. */
  readonly base_ms: number;
  /** The device's clock minus the other, then. */
  readonly skew_ms: number;
  readonly roundTrip_ms: number;
  readonly takenAt: number;
}

export class CorrectedClock {
  readonly #environment: Environment;
  #sample: Sample | undefined;
  #sets_ms: readonly number[] = [];

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  get isKnown(): boolean {
    return this.#sample !== undefined;
  }

  /** Milliseconds since 1970, by the server's clock as far as it is known. */
  now(): number {
    if (this.#sample === undefined) return this.#environment.now();
    return Math.round(this.#environment.monotonic() + this.#sample.base_ms);
  }

  /** What is added to the device's clock to get the server's; 0 as long as nothing is known, though time goes on between two looks. */
  get offset_ms(): number {
    return this.#sample === undefined ? 0 : this.now() - this.#environment.now();
  }

  /** What a replay has to know of it. */
  get reading(): ClockReading {
    return { serverTime_ms: this.now(), offset_ms: this.offset_ms, sets_ms: this.#sets_ms };
  }

  /** The next sample is of another connection: it is taken, whatever its round trip. */
  forgetRoundTrip(): void {
    if (this.#sample !== undefined) this.#sample = { ...this.#sample, roundTrip_ms: Number.POSITIVE_INFINITY };
  }

  /** Takes a sample; false when there is a better one. */
  take(offset_ms: number, roundTrip_ms = 0): boolean {
    const now = this.#environment.now();
    const monotonic = this.#environment.monotonic();
    const skew_ms = now - monotonic;
    const known = this.#sample;
    if (known !== undefined && roundTrip_ms >= known.roundTrip_ms) {
      const hasJumped = Math.abs(skew_ms - known.skew_ms) > jump_ms;
      if (!hasJumped && monotonic - known.takenAt < stale_ms) return false;
    }
    const base_ms = skew_ms + offset_ms;
    if (known !== undefined) this.#noteSet(skew_ms - known.skew_ms, base_ms - known.base_ms);
    this.#sample = { base_ms, skew_ms, roundTrip_ms, takenAt: monotonic };
    return true;
  }

  #noteSet(set_ms: number, slept_ms: number): void {
    if (Math.abs(set_ms) < told_ms || Math.abs(slept_ms) > told_ms) return;
    this.#sets_ms = [set_ms, ...this.#sets_ms.map((later_ms) => later_ms + set_ms)].slice(0, maxSets);
  }
}
