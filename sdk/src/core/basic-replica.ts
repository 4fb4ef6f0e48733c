/**
 * What a replica of a document is in each build of the core: its root, its updates, its version and its state. It stores nothing and
 * talks to nobody; the SDK does both around it.
 */

import type { BasicHandles } from './basic-handles.ts';
import { type Bridge, reshapes } from './bridge.ts';
import type { BasicCore } from './module.ts';
import type { Plain } from './value.ts';

/** The root map's number in the core. */
const rootContainer = 0;

/** A root map, as far as this file names it. */
interface Root<T extends BasicHandles> {
  map(key: string): T['map'];
  list(key: string): T['list'];
  counter(key: string): T['counter'];
  setOf(key: string): T['set'];
  toJSON(): Record<string, Plain>;
}

export abstract class BasicReplica<C extends BasicCore, T extends BasicHandles & { map: Root<T> }> {
  protected readonly bridge: Bridge<C>;
  #root: T['map'] | undefined;

  constructor(bridge: Bridge<C>) {
    this.bridge = bridge;
  }

  /** The root map; `map`, `list` and so on below are its children by name. */
  get root(): T['map'] {
    this.#root ??= this.bridge.open<T['map']>('map', rootContainer);
    return this.#root;
  }

  map(key: string): T['map'] {
    return this.root.map(key);
  }
  list(key: string): T['list'] {
    return this.root.list(key);
  }
  counter(key: string): T['counter'] {
    return this.root.counter(key);
  }
  set(key: string): T['set'] {
    return this.root.setOf(key);
  }

  /** The agent, from the first write on. */
  get agent(): bigint | undefined {
    return this.bridge.agent;
  }

  /** The seq of the last operation that was written here; 0 before the first. */
  get seq(): number {
    return this.bridge.core.own_seq();
  }

  /** Grows with every change, from here or elsewhere. */
  get revision(): number {
    return this.bridge.core.revision();
  }

  /** How many updates wait for what they rest on, or for their time; at most 4,096 and 16 MiB. */
  get pendingCount(): number {
    return this.bridge.core.pending_count();
  }

  /**
   * The content: maps as objects, lists and sets as arrays, counters as numbers; in the full core texts as strings, trees as arrays of
   * nodes within each other, graphs as objects of nodes and edges.
   */
  toJSON(): Record<string, Plain> {
    return this.root.toJSON();
  }

  /**
   * What was written here since the last take, as one envelope (about 256 KiB at most), or undefined. Call it until it gives
   * undefined; what it has given, it never gives again.
   */
  takeUpdate(): Uint8Array | undefined {
    return this.bridge.takeUpdate();
  }

  /**
   * What has changed since a version (all, without one), merged: to bring up a replica that has reached that version.
   *
   * @param since bytes of `version()` of the receiver
   * @throws JoineryError `invalid-version`
   */
  exportUpdate(since?: Uint8Array): Uint8Array {
    this.bridge.input(since ?? new Uint8Array(0));
    this.bridge.check(this.bridge.core.export_update());
    return this.bridge.output();
  }

  /**
   * Joins an envelope, an exported update or a snapshot, in any order and however often.
   *
   * @returns true if it joined; false if it was known, or waits for what it rests on (see `pendingCount`).
   * @throws JoineryError `invalid-update`, `invalid-snapshot`, `pending-full`, `limit-exceeded`; then nothing has changed
   */
  applyUpdate(bytes: Uint8Array): boolean {
    const answer = this.bridge.apply(bytes);
    if (answer >= reshapes) this.bridge.structure += 1;
    return answer % reshapes === 0;
  }

  /** Joins several. Stops at the first that is refused; those before it have joined. An empty list tries again what waits. */
  applyUpdates(list: readonly Uint8Array[]): void {
    for (const bytes of list) this.applyUpdate(bytes);
    this.retryPending();
  }

  /** Tries again what waits. */
  protected retryPending(): void {
    const { core } = this.bridge;
    if (core.pending_count() === 0) return;
    core.retry_pending(this.bridge.arrival());
    this.bridge.structure += 1;
  }

  /** The version: what this replica has seen, as bytes (see `decodeVersion`). */
  version(): Uint8Array {
    this.bridge.core.version();
    return this.bridge.output();
  }

  /**
   * Has this replica seen everything that the version has?
   *
   * @throws JoineryError `invalid-version`
   */
  covers(version: Uint8Array): boolean {
    this.bridge.input(version);
    return this.bridge.check(this.bridge.core.covers()) === 1;
  }

  /** The whole state, for storage: magic, format version, length, checksum, content. Equal states give equal bytes. */
  encodeSnapshot(): Uint8Array {
    this.bridge.core.encode_snapshot();
    return this.bridge.output();
  }

  /** Gives the memory back. Whatever is called afterwards throws `freed`. */
  free(): void {
    this.bridge.free();
  }
}

/** A new replica with a state; where that is refused, nothing is left of it. */
export function loaded<R extends { applyUpdate(bytes: Uint8Array): boolean; free(): void }>(
  replica: R,
  state: Uint8Array,
): R {
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
