// Which documents of the engine have their replica at hand: those that were used last. Others rest, and wake when something
// comes for them. It has no timer: whoever uses a document sends another one to rest.

/** What can be sent to rest. */
export interface Sleeper {
  /** False when it can't rest now. */
  rest(): boolean;
}

/** So many are awake, and those besides that can't rest. */
const awakeLimit = 64;
/** Each use sends so many to rest at most: more than it wakes, so that they get fewer. */
const restsAtOnce = 2;

export class AwakeDocuments {
  /** The one that was used longest ago first. */
  readonly #awake = new Set<Sleeper>();

  used(document: Sleeper): void {
    this.#awake.delete(document);
    this.#awake.add(document);
    for (let attempt = 0; attempt < restsAtOnce && this.#awake.size > awakeLimit; attempt += 1) {
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
