/**
 * What to do when the server lacks what an envelope rests on: what is missing, when to try again, and with how much.
 * Closed at once when the missing operation turns up; else tried again with a back-off, for it may come from elsewhere.
 */

import { readEnvelope } from '../envelope.ts';
import { Backoff } from './backoff.ts';

interface Missing {
  readonly agent: bigint;
  readonly seq: number;
}

const base_ms = 100;
const cap_ms = 30_000;

export class GapRetry {
  readonly #backoff: Backoff;
  #missing: Missing | undefined;
  #retryAt: number | undefined;
  #cautious = false;

  constructor(random: () => number) {
    this.#backoff = new Backoff(base_ms, cap_ms, random);
  }

  /** When to try again. */
  get retryAt(): number | undefined {
    return this.#retryAt;
  }

  /** The server lacks something; the envelopes behind it are not to be tried before that is settled. */
  get open(): boolean {
    return this.#missing !== undefined;
  }

  /** Nothing was taken since the last gap: few are to be tried, for each may be answered with a gap. */
  get cautious(): boolean {
    return this.#cautious;
  }

  /**
   * An envelope was refused for want of another. Returns whether this is worth telling: the first retry is quick and
   * usually enough.
   */
  refused(missing: Missing, now: number): boolean {
    // The first refusal of a row names the cause; those behind it only miss their predecessor.
    if (this.#missing !== undefined) return false;
    this.#missing = missing;
    this.#cautious = true;
    this.#retryAt = now + this.#backoff.next();
    return this.#backoff.attempts > 1;
  }

  /** Something may pass by itself: try again later. */
  later(now: number): void {
    this.#retryAt = now + this.#backoff.next();
  }

  /** The server has the agent's operations up to `seq`: this may be what was missing. */
  covered(agent: bigint, seq: number): void {
    if (this.#missing?.agent === agent && seq >= this.#missing.seq) this.#retryAt = undefined;
  }

  /** The server has this envelope. */
  coveredBy(envelope: Uint8Array): void {
    if (this.#missing === undefined) return;
    try {
      const { agent, to } = readEnvelope(envelope);
      this.covered(agent, to);
    } catch {
      // The owner finds out when it joins the envelope; here it is only a hint.
    }
  }

  /** Whether the time has come. */
  due(now: number): boolean {
    if (this.#retryAt === undefined || now < this.#retryAt) return false;
    this.#retryAt = undefined;
    return true;
  }

  /** A new try begins. */
  tryAgain(): void {
    this.#missing = undefined;
  }

  /** Something was taken. */
  succeeded(): void {
    this.#cautious = false;
    this.#backoff.reset();
  }

  /** The link is gone, and the server's answers with it. */
  forget(): void {
    this.#missing = undefined;
    this.#retryAt = undefined;
  }
}
