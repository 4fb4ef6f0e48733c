// Who wants patches of one open document, and what they have not yet been told. Of its replica it only turns the recording on and
// off, and takes what was noted.

import { diffRoots, Replica } from '../core/index.ts';
import type { ObservedOrigin, PatchListener } from '../documents/access.ts';

interface News {
  readonly origin: ObservedOrigin;
  readonly patches: Parameters<PatchListener>[0];
  /** Who was listening when it came. */
  readonly listeners: readonly PatchListener[];
}

const nobody: readonly PatchListener[] = [];

export class PatchNews {
  readonly #microtask: (task: () => void) => void;
  /** Replaced, never changed: what has come is for the ones of that moment. */
  #listeners = nobody;
  #untold: News[] = [];
  #isTelling = false;

  constructor(microtask: (task: () => void) => void) {
    this.#microtask = microtask;
  }

  /** Returns the function that ends it, which takes the replica of that moment. */
  observe(listener: PatchListener, replica: Replica | undefined): (replica: Replica | undefined) => void {
    if (replica !== undefined) {
      // What has happened until now is not for the new one.
      if (this.#listeners.length > 0) {
        this.collect(replica);
        this.tell();
      }
      replica.recordPatches(true);
    }
    const own: PatchListener = (patches, origin) => listener(patches, origin);
    this.#listeners = [...this.#listeners, own];
    return (last) => {
      this.#listeners = this.#listeners.filter((other) => other !== own);
      if (this.#listeners.length === 0) this.end(last);
    };
  }

  /** The same state in another replica. */
  begin(replica: Replica): void {
    if (this.#listeners.length > 0) replica.recordPatches(true);
  }

  end(replica: Replica | undefined): void {
    this.#listeners = nobody;
    this.#untold = [];
    replica?.recordPatches(false);
  }

  /** A replica has taken the place of another one (that is still there), or of none. */
  replaced(old: Replica | undefined, next: Replica | undefined): void {
    if (next === undefined || this.#listeners.length === 0) return;
    if (old !== undefined) {
      this.collect(old);
      this.#push('replaced', diffRoots(old.root, next.root));
    } else {
      const empty = new Replica();
      const patches = diffRoots(empty.root, next.root);
      this.#untold = [{ origin: 'loaded', patches, listeners: this.#listeners }];
      empty.free();
    }
    next.recordPatches(true);
  }

  /** The replica is gone, and what it had noted: what comes next is told from the start on. */
  lose(): void {
    this.#untold = [];
  }

  /** Takes what a replica has noted. */
  collect(replica: Replica): void {
    if (this.#listeners.length === 0) return;
    for (const { origin, patches } of replica.takePatches()) this.#push(origin, patches);
  }

  /** Everybody hears everything in the order in which it came: what a listener writes comes behind what is being told. */
  tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let news = this.#untold.shift(); news !== undefined; news = this.#untold.shift()) {
      for (const listener of news.listeners) {
        // One that another listener has ended hears no more.
        if (!this.#listeners.includes(listener)) continue;
        try {
          listener(news.patches, news.origin);
        } catch (error) {
          // The change is done, and the other listeners have a right to hear of it.
          this.#microtask(() => {
            throw error;
          });
        }
      }
    }
    this.#isTelling = false;
  }

  #push(origin: ObservedOrigin, patches: News['patches']): void {
    if (patches.length > 0) this.#untold.push({ origin, patches, listeners: this.#listeners });
  }
}
