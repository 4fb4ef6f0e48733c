// How much of many documents is not yet synced, and since when: told at once, however many they are, for it is told with every write.
// It knows what it was told last of each, and nothing of documents.

export interface Pending {
  readonly count: number;
  readonly oldestAt_ms: number;
}

export class PendingTally<Key> {
  readonly #known = new Map<Key, Pending>();
  #count = 0;
  /**
   * A binary heap by time, the oldest first. What was told anew of a key stays in it until it comes to the top or they are too
   * many: what counts is in `#known`.
   */
  #heap: { readonly key: Key; readonly pending: Pending }[] = [];

  /** Of all together. */
  get count(): number {
    return this.#count;
  }

  /** Of all together; undefined while there is nothing. */
  get oldestAt_ms(): number | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#known.get(top.key) === top.pending) return top.pending.oldestAt_ms;
      this.#removeTop();
    }
    return undefined;
  }

  get size(): number {
    return this.#known.size;
  }

  [Symbol.iterator](): Iterator<[Key, Pending]> {
    return this.#known[Symbol.iterator]();
  }

  keys(): Iterable<Key> {
    return this.#known.keys();
  }

  /** So much of it is pending now; a count of 0: nothing. */
  note(key: Key, count: number, oldestAt_ms: number): void {
    if (count === 0) {
      this.delete(key);
      return;
    }
    const known = this.#known.get(key);
    if (known?.count === count && known.oldestAt_ms === oldestAt_ms) return;
    this.#count += count - (known?.count ?? 0);
    const pending = { count, oldestAt_ms };
    this.#known.set(key, pending);
    this.#push({ key, pending });
    if (this.#heap.length > 2 * this.#known.size + 16) this.#rebuild();
  }

  /** False when nothing of it was pending. */
  delete(key: Key): boolean {
    const known = this.#known.get(key);
    if (known === undefined) return false;
    this.#count -= known.count;
    this.#known.delete(key);
    if (this.#heap.length > 2 * this.#known.size + 16) this.#rebuild();
    return true;
  }

  clear(): void {
    this.#known.clear();
    this.#heap = [];
    this.#count = 0;
  }

  /** What is sorted is a heap. */
  #rebuild(): void {
    this.#heap = Array.from(this.#known, ([key, pending]) => ({ key, pending }));
    this.#heap.sort((a, b) => a.pending.oldestAt_ms - b.pending.oldestAt_ms);
  }

  #at(index: number): number {
    return this.#heap[index]?.pending.oldestAt_ms ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    if (first === undefined || second === undefined) return;
    this.#heap[a] = second;
    this.#heap[b] = first;
  }

  #push(entry: { readonly key: Key; readonly pending: Pending }): void {
    let at = this.#heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#at(parent) <= this.#at(at)) return;
      this.#swap(parent, at);
      at = parent;
    }
  }

  #removeTop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [at * 2 + 1, at * 2 + 2];
      const least = this.#at(right) < this.#at(left) ? right : left;
      if (this.#at(at) <= this.#at(least)) return;
      this.#swap(at, least);
      at = least;
    }
  }
}
