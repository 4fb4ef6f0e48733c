/**
 * Full-jitter back-off: the wait before attempt n is uniform in [0, min(cap, base · 2^n)), so that clients that lost the
 * same server don't come back together. After "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. It has no
 * timer: it only says how long.
 */
export class Backoff {
  readonly #base_ms: number;
  readonly #cap_ms: number;
  readonly #random: () => number;
  #attempts = 0;

  constructor(base_ms: number, cap_ms: number, random: () => number) {
    this.#base_ms = base_ms;
    this.#cap_ms = cap_ms;
    this.#random = random;
  }

  /** Waits asked for since the last success. */
  get attempts(): number {
    return this.#attempts;
  }

  /** How long to wait now, in milliseconds; each call doubles the bound of the next. */
  next(): number {
    // 2^31 is far above any cap; the exponent must not grow for ever.
    const bound = Math.min(this.#cap_ms, this.#base_ms * 2 ** Math.min(this.#attempts, 31));
    this.#attempts += 1;
    return this.#random() * bound;
  }

  /** It worked: the next wait is short again. */
  reset(): void {
    this.#attempts = 0;
  }
}
