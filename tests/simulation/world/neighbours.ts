// What the tabs of one device have between them beside its disk: exclusive locks and channels. A lock goes to the next in the
// queue when its holder dies, is stolen when somebody says so, and may be taken away without a word (`usurp`), so that two
// tabs believe that they have it.

import type { Channel, LockEvents, TabsEnvironment } from '../../../sdk/src/environment.ts';
import type { Timeline } from '../timeline.ts';

/** One of the tabs; see `TabEnvironment`. */
export interface Neighbour {
  readonly alive: boolean;
  effect(): boolean;
  enter(run: () => void): void;
}

interface Request {
  readonly tab: Neighbour;
  readonly events: LockEvents;
}

interface Member {
  readonly tab: Neighbour;
  readonly receive: (message: unknown) => void;
}

/** How long a message between tabs takes. */
const delay_ms = 1;

export class Neighbours {
  readonly #timeline: Timeline;
  /** The first one holds the lock, the others wait. */
  readonly #locks = new Map<string, Request[]>();
  readonly #channels = new Map<string, Set<Member>>();

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** The locks and channels as one tab has them. */
  of(tab: Neighbour): TabsEnvironment {
    return {
      locks: {
        request: (name, steal, events) => {
          if (!tab.effect()) return () => {};
          const request = { tab, events };
          const requests = this.#of(name);
          if (steal) {
            const holder = requests.shift();
            if (holder !== undefined) this.#later(holder.tab, () => holder.events.lost());
            requests.unshift(request);
          } else requests.push(request);
          if (requests[0] === request) this.#grant(name, request);
          return () => this.#leave(name, request);
        },
      },
      channel: (name, receive) => this.#join(name, { tab, receive }),
    };
  }

  /** A tab is gone. */
  forget(tab: Neighbour): void {
    for (const [name, requests] of this.#locks) {
      for (const request of requests.filter((one) => one.tab === tab)) this.#leave(name, request);
    }
    for (const members of this.#channels.values()) {
      for (const member of members) if (member.tab === tab) members.delete(member);
    }
  }

  /** Every lock that somebody waits for goes to the next one; whoever has it isn't told. */
  usurp(): void {
    for (const [name, requests] of this.#locks) {
      const [, next] = requests;
      if (next === undefined) continue;
      requests.shift();
      this.#grant(name, next);
    }
  }

  #of(name: string): Request[] {
    const requests = this.#locks.get(name) ?? [];
    this.#locks.set(name, requests);
    return requests;
  }

  #grant(name: string, request: Request): void {
    this.#later(request.tab, () => {
      if (this.#of(name)[0] === request) request.events.granted();
    });
  }

  #leave(name: string, request: Request): void {
    const requests = this.#of(name);
    const index = requests.indexOf(request);
    if (index < 0) return;
    requests.splice(index, 1);
    const [next] = requests;
    if (index === 0 && next !== undefined) this.#grant(name, next);
  }

  #join(name: string, member: Member): Channel {
    const members = this.#channels.get(name) ?? new Set();
    this.#channels.set(name, members.add(member));
    return {
      post: (message) => {
        if (!members.has(member) || !member.tab.effect()) return;
        for (const other of members) {
          if (other === member) continue;
          const copy: unknown = structuredClone(message);
          this.#timeline.after(delay_ms, () =>
            other.tab.enter(() => {
              if (members.has(other)) other.receive(copy);
            }),
          );
        }
      },
      close: () => {
        members.delete(member);
      },
    };
  }

  #later(tab: Neighbour, run: () => void): void {
    this.#timeline.after(0, () => tab.enter(run));
  }
}
