// A handle's hold on what it was opened on: released once, and not to be written through afterwards.

import { JoineryError } from '@joinery/protocol';

export class Lease {
  readonly #release: () => void;
  #ended = false;

  constructor(release: () => void) {
    this.#release = release;
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
    this.#release();
  }
}
