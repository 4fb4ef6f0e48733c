/**
 * Which of a client's subscriptions are read from storage, and when: so many at once, and none while too much of what was
 * read waits for the client's credit. A subscription that waits costs its resume point; one that was read, its whole state.
 */

import type { OpenDocument } from './server-effects.ts';
import type { ServerSessionLimits } from './server-options.ts';

export class ServerOpenings {
  readonly #limits: Pick<ServerSessionLimits, 'opening' | 'held_bytes'>;
  readonly #waiting = new Map<number, OpenDocument>();
  readonly #opening = new Set<number>();
  #held_bytes = 0;

  constructor(limits: Pick<ServerSessionLimits, 'opening' | 'held_bytes'>) {
    this.#limits = limits;
  }

  add(opening: OpenDocument): void {
    this.#waiting.set(opening.request, opening);
  }

  /** It was read, or is of no interest any more. */
  done(request: number): void {
    this.#waiting.delete(request);
    this.#opening.delete(request);
  }

  /** So many bytes more (or less) wait for the client. */
  hold(bytes: number): void {
    this.#held_bytes += bytes;
  }

  /** Those whose turn it is. */
  *next(): Generator<OpenDocument> {
    for (const [request, opening] of this.#waiting) {
      if (this.#opening.size >= this.#limits.opening || this.#held_bytes >= this.#limits.held_bytes) return;
      this.#waiting.delete(request);
      this.#opening.add(request);
      yield opening;
    }
  }
}
