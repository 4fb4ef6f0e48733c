/**
 * Tells a dead or half-open link from a quiet one: after a quiet interval a ping is due, and when nothing at all follows
 * it in time, the link is dead. Any frame is a sign of life; only the matching pong measures the round trip. It sends
 * nothing and has no timer: it says what is due.
 */
export class Heartbeat {
  readonly #interval_ms: number;
  readonly #timeout_ms: number;
  #lastReceived: number;
  #nonce = 0;
  #pingedAt = 0;
  /** When the link counts as dead; set while a ping waits for any sign of life. */
  #deadAt: number | undefined;

  constructor(interval_ms: number, timeout_ms: number, now: number) {
    this.#interval_ms = interval_ms;
    this.#timeout_ms = timeout_ms;
    this.#lastReceived = now;
  }

  /** When the next thing is due. */
  get nextTimeout(): number {
    return this.#deadAt ?? this.#lastReceived + this.#interval_ms;
  }

  /** Something arrived. */
  received(now: number): void {
    this.#lastReceived = now;
    this.#deadAt = undefined;
  }

  /** What is due now: nothing, a ping (its nonce), or the link's end. */
  due(now: number): 'nothing' | 'dead' | { readonly ping: number } {
    if (this.#deadAt !== undefined) return now >= this.#deadAt ? 'dead' : 'nothing';
    if (now < this.#lastReceived + this.#interval_ms) return 'nothing';
    return { ping: this.ping(now, this.#timeout_ms) };
  }

  /** A ping is sent now, whatever is due; the nonce it carries. */
  ping(now: number, timeout_ms: number): number {
    this.#nonce += 1;
    this.#pingedAt = now;
    this.#deadAt = now + timeout_ms;
    return this.#nonce;
  }

  /** The round trip in milliseconds, if this pong answers the last ping. */
  roundTrip(nonce: number, now: number): number | undefined {
    return nonce === this.#nonce ? now - this.#pingedAt : undefined;
  }
}
