/**
 * The spaces that a client follows: asked for over each link from the last token on, so that nothing that changes is
 * missed, and something may be told twice. It stores nothing: the token goes with the effect, for the owner to keep.
 */

import { JoineryError } from '../error.ts';
import type { Message, SpaceHeads } from '../messages.ts';
import { Backoff } from './backoff.ts';
import type { ClientEffect } from './client-effects.ts';

/** What spaces need of their session. */
export interface SpacesOptions {
  readonly emit: (effect: ClientEffect) => void;
  readonly send: (message: Message) => void;
  readonly online: () => boolean;
  readonly random: () => number;
}

interface FollowedSpace {
  token: number;
  /** Pages of what changed before are to come. */
  reading: boolean;
  /** It failed, and is asked for again then; infinite: not over this link. */
  retryAt: number | undefined;
  readonly backoff: Backoff;
}

/** So many may be followed at once. */
const spacesLimit = 64;
const backoffBase_ms = 500;
const backoffCap_ms = 30_000;

export class ClientSpaces {
  readonly #options: SpacesOptions;
  readonly #spaces = new Map<string, FollowedSpace>();

  constructor(options: SpacesOptions) {
    this.#options = options;
  }

  get awaitsServer(): boolean {
    for (const { reading } of this.#spaces.values()) if (reading) return true;
    return false;
  }

  get nextTimeout(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { retryAt } of this.#spaces.values()) next = Math.min(next, retryAt ?? next);
    return next;
  }

  follow(space: string, token: number): void {
    if (!this.#spaces.has(space) && this.#spaces.size >= spacesLimit) {
      throw new JoineryError('too-many-spaces', {
        expected: `at most ${spacesLimit} spaces`,
        got: 'one more',
        remedy: 'Unfollow spaces that are not in use.',
      });
    }
    const backoff = new Backoff(backoffBase_ms, backoffCap_ms, this.#options.random);
    this.#spaces.set(space, { token, reading: false, retryAt: undefined, backoff });
    if (this.#options.online()) this.#ask(space);
  }

  unfollow(space: string): void {
    if (this.#spaces.delete(space) && this.#options.online()) this.#options.send({ type: 'unfollow-space', space });
  }

  online(): void {
    for (const space of this.#spaces.keys()) this.#ask(space);
  }

  offline(): void {
    for (const entry of this.#spaces.values()) {
      entry.reading = false;
      entry.retryAt = undefined;
    }
  }

  handleTimeout(now: number): void {
    for (const [space, { retryAt }] of this.#spaces) if (retryAt !== undefined && now >= retryAt) this.#ask(space);
  }

  handleHeads(message: SpaceHeads, now: number): void {
    const { space, token, entries, more, restarted, code } = message;
    const entry = this.#spaces.get(space);
    if (entry === undefined) return;
    if (code !== '') {
      const error = new JoineryError(code, message.message);
      entry.reading = false;
      entry.retryAt = error.retryable ? now + entry.backoff.next() : Number.POSITIVE_INFINITY;
      this.#options.emit({ type: 'space-failed', space, error });
      return;
    }
    entry.token = token;
    entry.reading = more;
    entry.backoff.reset();
    this.#options.emit({ type: 'space', space, token, entries, more, restarted });
  }

  #ask(space: string): void {
    const entry = this.#spaces.get(space);
    if (entry === undefined) return;
    entry.reading = true;
    entry.retryAt = undefined;
    this.#options.send({ type: 'follow-space', space, token: entry.token });
  }
}
