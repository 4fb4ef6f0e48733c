// The engine's part of the rejected list: reads it from storage when it has changed, tells the main thread, and knows whether
// there is room for more. The list itself is storage's, and the same for all tabs.

import { JoineryError } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import type { DocumentStore, StoredRejection } from '../storage/storage.ts';

/**
 * With so many entries, or so many bytes in them, the list is full. A document of which something would have to go there then
 * stays as it is: it is not synced (`rejected-list-full`), and all that was written to it lies in its log, until entries are
 * written again or discarded. So nothing is ever dropped to make room.
 *
 * What one document brings to a list that is not full goes there as a whole, and so does what a tab that slept through a swap
 * has nowhere else: the list may be longer by that.
 */
export const rejectedLimit_count = 1_000;
export const rejectedLimit_bytes = 8 * 1024 * 1024;

export interface RejectionsContext {
  readonly environment: Environment;
  readonly store: DocumentStore;
  tell(entries: readonly StoredRejection[]): void;
  /** The list was full, and isn't any more. */
  roomMade(): void;
  failed(error: unknown): void;
}

/** The list as it was when it was read. */
export interface RejectedList {
  readonly entries: readonly StoredRejection[];
  /** Counts the readings: of two, the one that began later knows more, whichever ends first. */
  readonly reading: number;
}

export class Rejections {
  readonly #context: RejectionsContext;
  #readings = 0;
  /** That of the list that was told last. */
  #toldReading = 0;
  #due = false;
  #stopped = false;
  #isFull = false;
  /** The ids that the main thread knows; undefined before it was told any, when it may have those of an earlier engine. */
  #told: readonly string[] | undefined;

  constructor(context: RejectionsContext) {
    this.#context = context;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** It may be another one now: it is read, and told if so. */
  changed(): void {
    if (this.#due || this.#stopped) return;
    this.#due = true;
    this.#context.environment.microtask(() => {
      this.#due = false;
      if (this.#stopped) return;
      this.#read().then(
        (list) => {
          if (list.reading > this.#toldReading) this.tell(list);
        },
        (error: unknown) => this.#context.failed(error),
      );
    });
  }

  /** The list as it is now, for a message that tells it (see `told`); undefined when it can't be read. */
  async read(): Promise<RejectedList | undefined> {
    try {
      return await this.#read();
    } catch (error) {
      this.#context.failed(error);
      return undefined;
    }
  }

  async #read(): Promise<RejectedList> {
    this.#readings += 1;
    const reading = this.#readings;
    return { entries: await this.#context.store.rejected(), reading };
  }

  /** Tells this list, if it isn't the one that the main thread knows. */
  tell(list: RejectedList): void {
    if (this.#stopped || !this.told(list)) return;
    this.#context.tell(list.entries);
  }

  /** The main thread is told of this list. False when it knows it already. */
  told({ entries, reading }: RejectedList): boolean {
    if (reading < this.#toldReading) {
      // It knew a newer one, which it is to be told again.
      this.#told = undefined;
      this.changed();
      return false;
    }
    this.#toldReading = reading;
    const wasFull = this.#isFull;
    this.#isFull = isFull(entries);
    const ids = entries.map(({ id }) => id);
    const known = this.#told;
    this.#told = ids;
    if (wasFull && !this.#isFull) this.#context.roomMade();
    return known === undefined || known.length !== ids.length || ids.some((id, index) => id !== known[index]);
  }

  stop(): void {
    this.#stopped = true;
  }
}

function isFull(entries: readonly StoredRejection[]): boolean {
  const bytes = entries.reduce((sum, { changes, envelope }) => sum + changes.length + envelope.length, 0);
  return entries.length >= rejectedLimit_count || bytes >= rejectedLimit_bytes;
}

export function rejectedListFull(): JoineryError {
  return new JoineryError('rejected-list-full', {
    expected: 'room in the rejected list for what was refused of this document',
    got: `a list of ${rejectedLimit_count} entries, or of ${rejectedLimit_bytes} bytes`,
    remedy: 'Retry or discard entries of `rejected`: until then the document is kept here and not synced.',
  });
}
