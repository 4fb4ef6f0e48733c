// Virtual time: what is due runs in the order of its time, and at one moment in the order in which it was asked for. Between
// two events every promise that can go on by itself does. It holds no chance and knows nothing of what the events are.

import type { Cancel } from '../../sdk/src/environment.ts';
import { drain } from './drain.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  /** Undefined once it ran or was cancelled. */
  run: (() => void) | undefined;
}

export class Timeline {
  /** A binary heap by time and order. */
  readonly #heap: Event[] = [];
  #now_ms = 0;
  #order = 0;
  #events = 0;

  /** Milliseconds since the beginning. */
  get now_ms(): number {
    return this.#now_ms;
  }

  /** How many events have run. */
  get events(): number {
    return this.#events;
  }

  after(delay_ms: number, run: () => void): Cancel {
    const event: Event = { at: this.#now_ms + Math.max(0, delay_ms), order: this.#order, run };
    this.#order += 1;
    this.#push(event);
    return () => {
      event.run = undefined;
    };
  }

  /** Runs the next event that is due by `limit_ms`, and what follows from it at once; false when there is none. */
  async step(limit_ms = Number.POSITIVE_INFINITY): Promise<boolean> {
    for (let next = this.#heap[0]; next !== undefined && next.at <= limit_ms; next = this.#heap[0]) {
      this.#pop();
      const { run } = next;
      if (run === undefined) continue;
      next.run = undefined;
      this.#now_ms = Math.max(this.#now_ms, next.at);
      this.#events += 1;
      run();
      await drain();
      return true;
    }
    if (Number.isFinite(limit_ms)) this.#now_ms = Math.max(this.#now_ms, limit_ms);
    return false;
  }

  #before(a: Event, b: Event): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Event;
      if (!this.#before(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!this.#before(heap[child] as Event, last)) break;
      heap[index] = heap[child] as Event;
      index = child;
    }
    heap[index] = last;
  }
}
