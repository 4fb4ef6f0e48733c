// Which open documents have their replica at hand, in the engine or on the main thread: those that were used last. Others
// rest, and wake when somebody needs them. It has no timer: whoever uses a document sends another one to rest.

/** What can be sent to rest. */
export interface Sleeper {
  /** False when it can't rest now, and is to be asked again. */
  rest(): boolean;
}

/** Each use sends so many to rest at most: more than it wakes, so that they get fewer. */
const restsAtOnce = 2;

export class AwakeDocuments {
  readonly #limit: number;
  /** The one that was used longest ago first. */
  readonly #awake = new Set<Sleeper>();

  /** @param limit so many are awake, and those besides that can't rest */
  constructor(limit: number) {
    this.#limit = limit;
  }

  used(document: Sleeper): void {
    this.#awake.delete(document);
    this.#awake.add(document);
    for (let attempt = 0; attempt < restsAtOnce && this.#awake.size > this.#limit; attempt += 1) {
      const [oldest] = this.#awake;
      if (oldest === undefined || oldest === document) return;
      this.#awake.delete(oldest);
      // Behind the others: its turn comes again.
      if (!oldest.rest()) this.#awake.add(oldest);
    }
  }

  released(document: Sleeper): void {
    this.#awake.delete(document);
  }
}
