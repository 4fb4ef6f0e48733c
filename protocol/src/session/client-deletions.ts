/** Documents that the client has asked the server to delete: asked for again over each link until it answers. */

import { JoineryError } from '../error.ts';
import type { Deleted, Message } from '../messages.ts';
import type { ClientEffect } from './client-effects.ts';

/** What deletions need of their session. */
export interface DeletionsOptions {
  readonly emit: (effect: ClientEffect) => void;
  readonly send: (message: Message) => void;
  readonly online: () => boolean;
}

/** So many may wait for their answer. */
const deletionsLimit = 1_024;

export class ClientDeletions {
  readonly #options: DeletionsOptions;
  readonly #waiting = new Set<string>();

  constructor(options: DeletionsOptions) {
    this.#options = options;
  }

  get awaitsServer(): boolean {
    return this.#waiting.size > 0;
  }

  add(document: string): void {
    if (!this.#waiting.has(document) && this.#waiting.size >= deletionsLimit) {
      throw new JoineryError('limit-exceeded', {
        expected: `at most ${deletionsLimit} deletions that wait for the server`,
        got: 'one more',
        remedy: 'Wait for some to be answered.',
      });
    }
    this.#waiting.add(document);
    if (this.#options.online()) this.#options.send({ type: 'delete-document', document });
  }

  online(): void {
    for (const document of this.#waiting) this.#options.send({ type: 'delete-document', document });
  }

  /** The owner hears from elsewhere that it is deleted. */
  told(document: string): void {
    this.#waiting.delete(document);
  }

  handleDeleted({ document, code, message }: Deleted): void {
    if (!this.#waiting.delete(document)) return;
    if (code === '') this.#options.emit({ type: 'document-deleted', document });
    else this.#options.emit({ type: 'deletion-refused', document, error: new JoineryError(code, message) });
  }
}
