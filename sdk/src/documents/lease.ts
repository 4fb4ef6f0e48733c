// A handle's hold on what it was opened on: released once, and not to be written through afterwards.

import { JoineryError } from '@joinery/protocol';

/** What is held: told once by each lease that it is not any more. */
export interface Leased {
  release(): void;
}

export class Lease {
  readonly #of: Leased;
  #ended = false;

  constructor(of: Leased) {
    this.#of = of;
  }

  /** @throws JoineryError `closed` */
  check(): void {
    if (!this.#ended) return;
    throw new JoineryError('closed', {
      expected: 'an open handle',
      got: 'one that was closed',
      remedy: 'Get a new one from the client.',
    });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#of.release();
  }
}
