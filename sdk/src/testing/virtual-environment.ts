// Time, chance and the network's state under a test's control. Nothing happens by itself: `advance` and `until` let
// virtual time pass, event by event, and what is due at one moment runs in the order in which it was asked for.
//
// Promises stay the engine's own: between two events everything that hangs on settled promises runs first.

import type { Cancel, Environment } from '../environment.ts';
import { seededRandom } from './random.ts';

interface Event {
  readonly at: number;
  readonly run: () => void;
}

export class VirtualEnvironment implements Environment {
  /** Added to what this device believes is the time, in milliseconds. */
  clockOffset_ms = 0;
  readonly #random: () => number;
  readonly #listeners = new Set<(online: boolean) => void>();
  /** Ascending by time; of one moment in the order of their making. */
  #events: Event[] = [];
  #now_ms = 0;
  #online = true;

  constructor(seed = 1) {
    this.#random = seededRandom(seed);
  }

  now(): number {
    return Math.floor(1_700_000_000_000 + this.#now_ms + this.clockOffset_ms);
  }

  monotonic(): number {
    return this.#now_ms;
  }

  random(): number {
    return this.#random();
  }

  randomBytes(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = Math.floor(this.#random() * 256);
  }

  timer(run: () => void, delay_ms: number): Cancel {
    const event = { at: this.#now_ms + Math.max(0, delay_ms), run };
    let place = this.#events.length;
    while (place > 0 && (this.#events[place - 1] as Event).at > event.at) place -= 1;
    this.#events.splice(place, 0, event);
    return () => {
      const index = this.#events.indexOf(event);
      if (index >= 0) this.#events.splice(index, 1);
    };
  }

  task(run: () => void): void {
    this.timer(run, 0);
  }

  microtask(run: () => void): void {
    queueMicrotask(run);
  }

  online(): boolean {
    return this.#online;
  }

  subscribeOnline(listener: (online: boolean) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells the device that it has a network, or has none any more. */
  setOnline(online: boolean): void {
    this.#online = online;
    for (const listener of [...this.#listeners]) listener(online);
  }

  /** Lets so much time pass. */
  async advance(ms: number): Promise<void> {
    const end = this.#now_ms + ms;
    await settle();
    for (let next = this.#events[0]; next !== undefined && next.at <= end; next = this.#events[0]) {
      await this.#step(next);
    }
    this.#now_ms = end;
  }

  /**
   * Lets time pass until the condition holds.
   *
   * @throws Error when it doesn't within `limit_ms` of virtual time
   */
  async until(condition: () => boolean, limit_ms = 60_000, what = condition.toString()): Promise<void> {
    const end = this.#now_ms + limit_ms;
    await settle();
    while (!condition()) {
      const next = this.#events[0];
      if (next === undefined || next.at > end) {
        throw new Error(`Expected within ${limit_ms} ms: ${what}. It did not come to that.`);
      }
      await this.#step(next);
    }
  }

  /** The same for a promise; gives what it resolves to. */
  async settled<Value>(promise: Promise<Value>, limit_ms = 60_000): Promise<Value> {
    let done = false;
    const end = (): void => {
      done = true;
    };
    promise.then(end, end);
    await this.until(() => done, limit_ms, 'a promise to settle');
    return await promise;
  }

  async #step(event: Event): Promise<void> {
    this.#events.shift();
    this.#now_ms = Math.max(this.#now_ms, event.at);
    event.run();
    await settle();
  }
}

/** Resolves when no promise is left that could go on by itself. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
