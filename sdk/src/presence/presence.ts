// Presence: what a tab shows of itself to the others of a document (a cursor, a name), for as long as it is there. It is never
// stored, and nothing of it merges: each peer says its own, and the last that it said holds. Here is what an app sees.

import { Lease, type Leased } from '../documents/lease.ts';
import type { Peer } from './peers.ts';
import type { Room } from './room.ts';

/** The presence of one document. All handles that a client gives of it show the same. */
export interface Presence<T extends object = Record<string, unknown>> {
  /** The document's. */
  readonly id: string;
  /** What this client shows to the others: a frozen copy of what was set, or undefined for nothing. */
  readonly self: T | undefined;
  /**
   * The others who show something, each with its state: frozen, in the order in which they came, and the same array as long as
   * nothing changes. Tabs of this browser are peers too, also offline. States come from others: they are plain data, but
   * whether they are of the type `T` only the app can know.
   */
  readonly peers: readonly Peer<T>[];
  /**
   * Shows another state to the others in place of the one before; undefined: none. It reaches them at once, or where there was
   * another one in the last 50 ms, when these are over: the last one always does.
   *
   * @throws JoineryError `invalid-value` (plain data as JSON has it), `limit-exceeded` (about 4 kB as JSON), `closed`; then
   *   nothing has changed
   *
   * @example
   * const presence = client.presence<{ name: string; cursor?: number }>('notes');
   * presence.set({ name: 'Ada' });
   * presence.subscribe(() => console.log(presence.peers.map(({ state }) => state.name)));
   */
  set(state: T | undefined): void;
  /**
   * The same with some keys of the state changed; a key that is given as undefined goes.
   *
   * @throws JoineryError as `set` does
   *
   * @example
   * addEventListener('pointermove', ({ clientX, clientY }) => presence.update({ pointer: [clientX, clientY] }));
   */
  update(partial: Partial<{ [K in keyof T]: T[K] | undefined }>): void;
  /** Calls `listener` after `peers` or `self` has changed. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  /** Releases this handle. With the last one of the document's presence this client is there no more. */
  close(): void;
}

/** The handle over a room. */
export class OpenPresence<T extends object> implements Presence<T> {
  readonly #room: Room;
  readonly #lease: Lease;

  constructor(room: Room, leased: Leased) {
    this.#room = room;
    this.#lease = new Lease(leased);
  }

  get id(): string {
    return this.#room.document;
  }

  get self(): T | undefined {
    return this.#room.self as T | undefined;
  }

  get peers(): readonly Peer<T>[] {
    return this.#room.peers as readonly Peer<object>[] as readonly Peer<T>[];
  }

  set(state: T | undefined): void {
    this.#lease.check();
    this.#room.set(state);
  }

  update(partial: Partial<{ [K in keyof T]: T[K] | undefined }>): void {
    this.#lease.check();
    this.#room.set({ ...this.#room.self, ...partial });
  }

  subscribe(listener: () => void): () => void {
    this.#lease.check();
    return this.#room.subscribe(listener);
  }

  close(): void {
    this.#lease.end();
  }
}
