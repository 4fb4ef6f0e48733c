// This device's clock, corrected by what the server said of its own. Between two samples it follows the clock that never
// goes back, so that setting the device's clock changes nothing. Where that one stood still (a device that slept) it is
// behind until the next sample; what was written meanwhile says by how much (see `offset_ms`) and is corrected later.

import type { Environment } from '../environment.ts';

/** The device's clock was set, or the device has slept, when the two clocks have moved apart by more than this. */
const jump_ms = 500;
/** Clocks drift: after so long a worse sample is better than an old one. */
const stale_ms = 10 * 60 * 1000;

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

  /** What is added to the device's clock to get the server's. */
  get offset_ms(): number {
    return this.now() - this.#environment.now();
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
    this.#sample = { base_ms: skew_ms + offset_ms, skew_ms, roundTrip_ms, takenAt: monotonic };
    return true;
  }
}
