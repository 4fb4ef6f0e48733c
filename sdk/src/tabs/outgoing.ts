// What a tab has to tell the others, on its way to the channel: gathered for a moment when there is much of it, and replaced
// by "look into storage" when there is too much. So no flood of edits becomes a flood of messages.

import type { Cancel, Environment } from '../environment.ts';
import { messageLimit_bytes, messageLimit_count, type TabBody, type TabItem } from './tab-message.ts';

/** Two messages of news are at least so far apart; the first goes at once. */
const spacing_ms = 8;
/** Documents that are named while their news wait; beyond it everybody looks at everything. */
const documentLimit_count = 4_096;

export class Outgoing {
  readonly #environment: Environment;
  readonly #post: (body: TabBody) => void;
  #items: TabItem[] = [];
  #queued_bytes = 0;
  /** Documents of which there was too much to tell, with their incarnation and its epoch. */
  readonly #records = new Map<string, Pick<TabItem, 'incarnation' | 'epoch'>>();
  #overflow = false;
  #due = false;
  #postedAt = Number.NEGATIVE_INFINITY;
  #cancel: Cancel = () => {};
  #stopped = false;

  constructor(environment: Environment, post: (body: TabBody) => void) {
    this.#environment = environment;
    this.#post = post;
  }

  tell(item: TabItem): void {
    const isStored = item.type === 'envelopes' || item.type === 'records';
    if (this.#overflow && isStored) return;
    const bytes = item.type === 'envelopes' ? item.envelopes.reduce((sum, { length }) => sum + length, 0) : 0;
    const count = item.type === 'envelopes' ? item.envelopes.length : 1;
    const fits = this.#queued_bytes + bytes <= messageLimit_bytes && this.#items.length < messageLimit_count;
    if (fits && count <= messageLimit_count) {
      this.#items.push(item);
      this.#queued_bytes += bytes;
    } else if (isStored) {
      const { incarnation, epoch } = item;
      this.#records.set(item.document, { incarnation, epoch });
      this.#overflow = this.#records.size > documentLimit_count;
    } else {
      // Receipts wait for it: what is before it goes now.
      this.#flush();
      this.#items.push(item);
    }
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #schedule(): void {
    if (this.#due || this.#stopped) return;
    this.#due = true;
    const wait_ms = this.#postedAt + spacing_ms - this.#environment.monotonic();
    const run = (): void => {
      this.#due = false;
      if (!this.#stopped) this.#flush();
    };
    if (wait_ms <= 0) this.#environment.microtask(run);
    else this.#cancel = this.#environment.timer(run, wait_ms);
  }

  #flush(): void {
    this.#postedAt = this.#environment.monotonic();
    if (this.#items.length > 0) this.#post({ type: 'news', items: this.#items });
    this.#items = [];
    this.#queued_bytes = 0;
    if (this.#overflow) this.#post({ type: 'overflow' });
    else {
      const records = Array.from(
        this.#records,
        ([document, of]): TabItem => ({ type: 'records', document, ...of, version: undefined }),
      );
      for (let at = 0; at < records.length; at += messageLimit_count) {
        this.#post({ type: 'news', items: records.slice(at, at + messageLimit_count) });
      }
    }
    this.#records.clear();
    this.#overflow = false;
  }
}
