/**
 * A replica of one document: the core's public face in TypeScript, synchronous, in Node and browsers alike. It stores
 * nothing and talks to nobody; the SDK does both around it.
 */

import { Bridge, type BridgeOptions } from './bridge.ts';
import { type CounterHandle, type ListHandle, MapHandle, type SetHandle, type TextHandle } from './handles.ts';
import type { Plain } from './value.ts';

/** The root map's number in the core. */
const rootContainer = 0;

/** Options of {@link Replica}. */
export type ReplicaOptions = BridgeOptions;

/**
 * One document's replica. Free it when it is no longer needed: its memory is the core's, not the garbage collector's.
 *
 * @example
 * await init();
 * const a = new Replica();
 * const b = new Replica();
 * a.text('body').insert(0, 'Hello');
 * b.applyUpdate(a.exportUpdate());
 * b.text('body').toString(); // 'Hello'
 */
export class Replica {
  /** The root map; `text`, `map`, `list`, `counter` and `set` below are its children by name. */
  readonly root: MapHandle;
  readonly #bridge: Bridge;

  /** @throws JoineryError `not-initialised` before `init()` has resolved */
  constructor(options: ReplicaOptions = {}) {
    this.#bridge = new Bridge(options);
    this.root = new MapHandle(this.#bridge, rootContainer);
  }

  /**
   * A replica from a snapshot. Its first write takes a new agent: an agent is never used by two replicas.
   *
   * @throws JoineryError `invalid-snapshot`, `invalid-update`
   */
  static load(state: Uint8Array, options: ReplicaOptions = {}): Replica {
    const replica = new Replica(options);
    try {
      replica.applyUpdate(state);
    } catch (error) {
      try {
        replica.free();
      } catch {
        // After a trap freeing fails as well; the first error is the one to tell.
      }
      throw error;
    }
    return replica;
  }

  text(key: string): TextHandle {
    return this.root.text(key);
  }
  map(key: string): MapHandle {
    return this.root.map(key);
  }
  list(key: string): ListHandle {
    return this.root.list(key);
  }
  counter(key: string): CounterHandle {
    return this.root.counter(key);
  }
  set(key: string): SetHandle {
    return this.root.setOf(key);
  }

  /** The agent, from the first write on. */
  get agent(): bigint | undefined {
    return this.#bridge.agent;
  }

  /** Grows with every change, from here or elsewhere. */
  get revision(): number {
    return this.#bridge.core.revision();
  }

  /** How many updates wait for what they rest on, or for their time; at most 4,096 and 16 MiB. */
  get pendingCount(): number {
    return this.#bridge.core.pending_count();
  }

  /** The content: maps as objects, lists and sets as arrays, texts as strings, counters as numbers. */
  toJSON(): Record<string, Plain> {
    return this.root.toJSON();
  }

  /**
   * What was written here since the last take, as one envelope (about 256 KiB at most), or undefined. Call it until it gives
   * undefined; what it has given, it never gives again.
   */
  takeUpdate(): Uint8Array | undefined {
    return this.#bridge.core.take_update() < 0 ? undefined : this.#bridge.output();
  }

  /**
   * What has changed since a version (all, without one), merged: to bring up a replica that has reached that version.
   *
   * @param since bytes of `version()` of the receiver
   * @throws JoineryError `invalid-version`
   */
  exportUpdate(since?: Uint8Array): Uint8Array {
    this.#bridge.input(since ?? new Uint8Array(0));
    this.#bridge.check(this.#bridge.core.export_update());
    return this.#bridge.output();
  }

  /**
   * Joins an envelope, an exported update or a snapshot, in any order and however often.
   *
   * @returns true if it joined; false if it was known, or waits for what it rests on (see `pendingCount`).
   * @throws JoineryError `invalid-update`, `invalid-snapshot`, `pending-full`, `limit-exceeded`; then nothing has changed
   */
  applyUpdate(bytes: Uint8Array): boolean {
    const { core, arrival } = this.#bridge;
    this.#bridge.input(bytes);
    const answer = this.#bridge.check(core.apply(arrival()));
    this.#bridge.structure += 1;
    return answer === 0;
  }

  /** Joins several. Stops at the first that is refused; those before it have joined. An empty list tries again what waits. */
  applyUpdates(list: readonly Uint8Array[]): void {
    for (const bytes of list) this.applyUpdate(bytes);
    const { core, arrival } = this.#bridge;
    if (core.pending_count() > 0) {
      core.retry_pending(arrival());
      this.#bridge.structure += 1;
    }
  }

  /** The version: what this replica has seen, as bytes (see `decodeVersion`). */
  version(): Uint8Array {
    this.#bridge.core.version();
    return this.#bridge.output();
  }

  /**
   * Has this replica seen everything that the version has?
   *
   * @throws JoineryError `invalid-version`
   */
  covers(version: Uint8Array): boolean {
    this.#bridge.input(version);
    return this.#bridge.check(this.#bridge.core.covers()) === 1;
  }

  /** The whole state, for storage: magic, format version, length, checksum, content. Equal states give equal bytes. */
  encodeSnapshot(): Uint8Array {
    this.#bridge.core.encode_snapshot();
    return this.#bridge.output();
  }

  /** Gives the memory back. Whatever is called afterwards throws `freed`. */
  free(): void {
    this.#bridge.free();
  }
}
