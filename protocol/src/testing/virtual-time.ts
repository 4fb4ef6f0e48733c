/** A clock that jumps from event to event. For tests. */

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualTime {
  now = 0;
  #order = 0;
  #events: Event[] = [];

  after(delay_ms: number, run: () => void): void {
    this.#order += 1;
    this.#events.push({ at: this.now + delay_ms, order: this.#order, run });
  }

  /** Runs everything that is due until then. */
  runUntil(end: number): void {
    for (;;) {
      let next: Event | undefined;
      for (const event of this.#events) {
        if (next === undefined || event.at < next.at || (event.at === next.at && event.order < next.order))
          next = event;
      }
      if (next === undefined || next.at > end) break;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
  }
}
