// Asks before a page is left with writes that are not safe yet: while somebody wants that and there are such. A page with a listener
// for that is not kept for going back to it, so there is none otherwise.

import type { Cancel, PageEnvironment } from '../environment.ts';

/** How far a write has to have come. */
export type UnloadUntil = 'durable' | 'synced';

export class UnloadGuard {
  readonly #page: PageEnvironment | undefined;
  readonly #isPending: (until: UnloadUntil) => boolean;
  readonly #wanted = new Map<object, UnloadUntil>();
  #release: Cancel | undefined;

  /** @param isPending whether something has not come so far */
  constructor(page: PageEnvironment | undefined, isPending: (until: UnloadUntil) => boolean) {
    this.#page = page;
    this.#isPending = isPending;
  }

  hold(until: UnloadUntil): Cancel {
    const name = {};
    this.#wanted.set(name, until);
    this.look();
    return () => {
      this.#wanted.delete(name);
      this.look();
    };
  }

  get isWanted(): boolean {
    return this.#wanted.size > 0;
  }

  /** Something may have been written, or have come further. */
  look(): void {
    const isPending = [...new Set(this.#wanted.values())].some((until) => this.#isPending(until));
    if (isPending) this.#release ??= this.#page?.holdUnload();
    else {
      this.#release?.();
      this.#release = undefined;
    }
  }

  /** The client has ended. */
  end(): void {
    this.#wanted.clear();
    this.look();
  }
}
