/**
 * Flow control by credit, the receiver's side: how much the other may send in all over this link, so that what has
 * arrived and is not yet consumed stays under a bound. Totals, not differences, travel, so nothing can be counted twice.
 */
export class CreditGrant {
  readonly #window_bytes: number;
  #received = 0;
  /** Arrived over any link and not yet consumed: a new link must not grant it again. */
  #outstanding = 0;
  #granted = 0;

  constructor(window_bytes: number) {
    this.#window_bytes = window_bytes;
  }

  /** Whether there is room for more. */
  get open(): boolean {
    return this.#received < this.#granted;
  }

  /** A new link begins: what it grants at first. */
  start(): number {
    this.#received = 0;
    this.#granted = this.#room();
    return this.#granted;
  }

  /** So many bytes arrived; false when that is more than was granted (beyond one frame, which may overshoot). */
  receive(bytes: number, slack_bytes: number): boolean {
    this.#received += bytes;
    return this.#received <= this.#granted + slack_bytes;
  }

  /** Bytes were handed on and are to be consumed. */
  handOver(bytes: number): void {
    this.#outstanding += bytes;
  }

  /** Bytes were consumed. */
  consume(bytes: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - bytes);
  }

  /** The total to announce, when it has grown by enough to be worth a frame. */
  announcement(): number | undefined {
    const total = this.#received + this.#room();
    if (total - this.#granted < this.#window_bytes / 4) return undefined;
    this.#granted = total;
    return total;
  }

  #room(): number {
    return Math.max(0, this.#window_bytes - this.#outstanding);
  }
}
