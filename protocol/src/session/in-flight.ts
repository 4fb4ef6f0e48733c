/**
 * Which envelopes of one document are on their way to the server: their names and sizes, never their bytes. What was
 * sent and not answered when a link ends is simply asked for again from the log.
 */

interface Entry {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

export class InFlight {
  /** Per agent in the order of sending, which is the order of seqs. */
  readonly #entries = new Map<bigint, Entry[]>();
  #count = 0;
  #bytes = 0;
  readonly #sent = new Map<bigint, number>();

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Agent → the highest seq sent over this link. */
  get sent(): ReadonlyMap<bigint, number> {
    return this.#sent;
  }

  /** Whether an envelope of the agent that ends there was sent already. */
  covers(agent: bigint, to: number): boolean {
    return to <= (this.#sent.get(agent) ?? 0);
  }

  /** Whether exactly this envelope is on its way. */
  has(agent: bigint, from: number, to: number): boolean {
    return this.#entries.get(agent)?.some((entry) => entry.from === from && entry.to === to) ?? false;
  }

  add(agent: bigint, from: number, to: number, bytes: number): void {
    const entries = this.#entries.get(agent);
    if (entries === undefined) this.#entries.set(agent, [{ from, to, bytes }]);
    else entries.push({ from, to, bytes });
    this.#count += 1;
    this.#bytes += bytes;
    this.#sent.set(agent, to);
  }

  /** The server has everything of the agent up to `to`. */
  acknowledge(agent: bigint, to: number): void {
    this.#drop(agent, (entry) => entry.to <= to);
    if (to > (this.#sent.get(agent) ?? 0)) this.#sent.set(agent, to);
  }

  /** The server answered that it did not take the envelope. */
  remove(agent: bigint, from: number, to: number): void {
    this.#drop(agent, (entry) => entry.from === from && entry.to === to);
  }

  /**
   * The server answered an envelope of the agent that begins at `from`, and answers in the order of sending: what was
   * sent before and is not answered was lost on the way.
   */
  forgetBefore(agent: bigint, from: number): void {
    this.#drop(agent, (entry) => entry.to <= from);
  }

  /** Nothing of this agent is to be asked for any more. */
  stop(agent: bigint, lastSeq: number): void {
    this.#sent.set(agent, lastSeq);
  }

  /** Nothing is on its way any more; of the stopped agents nothing is to be asked for either. */
  reset(stopped: ReadonlySet<bigint>, lastSeq: number): void {
    this.#entries.clear();
    this.#count = 0;
    this.#bytes = 0;
    this.#sent.clear();
    for (const agent of stopped) this.#sent.set(agent, lastSeq);
  }

  #drop(agent: bigint, answered: (entry: Entry) => boolean): void {
    const entries = this.#entries.get(agent);
    if (entries === undefined) return;
    // Answers come in the order of sending, so this nearly always takes from the front.
    const kept = entries.filter((entry) => {
      if (!answered(entry)) return true;
      this.#count -= 1;
      this.#bytes -= entry.bytes;
      return false;
    });
    if (kept.length === 0) this.#entries.delete(agent);
    else this.#entries.set(agent, kept);
  }
}
