/** Documents that the client has asked the server to delete: asked for again over each link until it answers. */

import { JoineryError } from '../error.ts';
import type { Deleted, Message } from '../messages.ts';
import { Backoff } from './backoff.ts';
import type { ClientEffect } from './client-effects.ts';

/** What deletions need of their session. */
export interface DeletionsOptions {
  readonly emit: (effect: ClientEffect) => void;
  readonly send: (message: Message) => void;
  readonly online: () => boolean;
  readonly random: () => number;
}

/** So many may wait for their answer. */
const deletionsLimit = 1_024;
const backoffBase_ms = 500;
const backoffCap_ms = 30_000;

export class ClientDeletions {
  readonly #options: DeletionsOptions;
  readonly #waiting = new Set<string>();
  readonly #backoff: Backoff;
  /** The server could not do some for now: they are asked for again then. */
  #retryAt: number | undefined;

  constructor(options: DeletionsOptions) {
    this.#options = options;
    this.#backoff = new Backoff(backoffBase_ms, backoffCap_ms, options.random);
  }

  get nextTimeout(): number {
    return this.#retryAt ?? Number.POSITIVE_INFINITY;
  }

  get awaitsServer(): boolean {
    return this.#waiting.size > 0 && this.#retryAt === undefined;
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
    this.#retryAt = undefined;
    for (const document of this.#waiting) this.#options.send({ type: 'delete-document', document });
  }

  offline(): void {
    this.#retryAt = undefined;
  }

  handleTimeout(now: number): void {
    if (this.#retryAt !== undefined && now >= this.#retryAt) this.online();
  }

  /** The owner hears from elsewhere that it is deleted. */
  told(document: string): void {
    this.#waiting.delete(document);
  }

  handleDeleted({ document, code, message }: Deleted, now: number): void {
    if (!this.#waiting.has(document)) return;
    const error = code === '' ? undefined : new JoineryError(code, message);
    if (error?.retryable) {
      this.#retryAt = now + this.#backoff.next();
      return;
    }
    this.#backoff.reset();
    this.#waiting.delete(document);
    if (error === undefined) this.#options.emit({ type: 'document-deleted', document });
    else this.#options.emit({ type: 'deletion-refused', document, error });
  }
}
