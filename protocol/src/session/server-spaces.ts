/**
 * The spaces that one client follows, at the server: for each, up to which token it was told. There is no queue here either: news
 * only says that there is something to read, and what is read comes from the database when there is room.
 */

import { JoineryError } from '../error.ts';
import { maxEntriesPerSpaceHeads, maxErrorMessageBytes } from '../limits.ts';
import type { FollowSpace } from '../messages.ts';
import type { DeliveryContext } from './server-document.ts';
import type { SpacePage } from './server-effects.ts';
import { spaceCost_bytes } from './space-cost.ts';

export class ServerSpaces {
  readonly #context: DeliveryContext;
  readonly #limit: number;
  readonly #spaces = new Map<string, ServerSpace>();
  #requests = 0;

  constructor(context: DeliveryContext, limit: number) {
    this.#context = context;
    this.#limit = limit;
  }

  follow({ space, token }: FollowSpace): void {
    this.unfollow(space);
    if (this.#spaces.size >= this.#limit) {
      const error = new JoineryError('too-many-spaces', {
        expected: `at most ${this.#limit} spaces at once`,
        got: 'one more',
        remedy: 'Unfollow spaces that are not in use.',
      });
      this.#fail(space, error);
      return;
    }
    const nextRequest = (): number => {
      this.#requests += 1;
      return this.#requests;
    };
    const entry = new ServerSpace(space, token, this.#context, nextRequest);
    this.#spaces.set(space, entry);
    this.#context.emit({ type: 'follow-space', space });
    entry.deliver();
  }

  unfollow(space: string): void {
    if (this.#spaces.delete(space)) this.#context.emit({ type: 'unfollow-space', space });
  }

  handlePage(space: string, request: number, page: SpacePage): void {
    this.#spaces.get(space)?.handlePage(request, page);
  }

  handleFailed(space: string, request: number, error: JoineryError): void {
    if (this.#spaces.get(space)?.isReading(request) === true) this.#fail(space, error);
  }

  changed(space: string): void {
    this.#spaces.get(space)?.changed();
  }

  /** There is room again. */
  deliver(): void {
    for (const space of this.#spaces.values()) space.deliver();
  }

  end(): void {
    for (const space of [...this.#spaces.keys()]) this.unfollow(space);
  }

  #fail(space: string, error: JoineryError): void {
    this.unfollow(space);
    const message = error.message.slice(0, maxErrorMessageBytes / 4);
    const nothing = { token: 0, entries: [], more: false, restarted: false };
    this.#context.send({ type: 'space-heads', space, ...nothing, code: error.code, message });
  }
}

class ServerSpace {
  readonly #space: string;
  readonly #context: DeliveryContext;
  readonly #nextRequest: () => number;
  /** Up to here it was told. */
  #token: number;
  #reading: number | undefined;
  /** There is something to tell that no page has told yet. The first answer is due in any case. */
  #news = true;
  /** The client waits for a page: the last one promised another, or there was none yet. */
  #awaited = true;

  constructor(space: string, token: number, context: DeliveryContext, nextRequest: () => number) {
    this.#space = space;
    this.#token = token;
    this.#context = context;
    this.#nextRequest = nextRequest;
  }

  changed(): void {
    this.#news = true;
    this.deliver();
  }

  /** Reads on if there is news and room for it. */
  deliver(): void {
    if (!this.#news || this.#reading !== undefined || this.#context.room() <= 0) return;
    this.#news = false;
    this.#reading = this.#nextRequest();
    this.#context.emit({
      type: 'read-space',
      space: this.#space,
      request: this.#reading,
      after: this.#token,
      limit_count: maxEntriesPerSpaceHeads,
    });
  }

  handlePage(request: number, page: SpacePage): void {
    if (request !== this.#reading) return;
    this.#reading = undefined;
    this.#token = page.token;
    if (page.more) this.#news = true;
    // There may be nothing new in it: another page has told already what the news was about.
    if (page.entries.length > 0 || page.restarted || this.#awaited) {
      this.#awaited = page.more;
      this.#context.spend(spaceCost_bytes(page.entries));
      this.#context.send({ type: 'space-heads', space: this.#space, ...page, code: '', message: '' });
    }
    this.deliver();
  }

  isReading(request: number): boolean {
    return request === this.#reading;
  }
}
