/**
 * A replica of one document: the core's public face in TypeScript, synchronous, in Node and browsers alike. It stores
 * nothing and talks to nobody; the SDK does both around it.
 */

import { JoineryError } from '@joinery/protocol';
import { Bridge, type BridgeOptions, checkAgent, reshapes } from './bridge.ts';
import type { Change } from './change.ts';
import {
  type CounterHandle,
  type GraphHandle,
  type ListHandle,
  MapHandle,
  type SetHandle,
  type TextHandle,
  type TreeHandle,
} from './handles.ts';
import type { Patch, PatchOrigin, PatchSet } from './patches.ts';
import { Replay, type ReplayOptions } from './replay.ts';
import { UndoStack, type UndoStackOptions } from './undo-stack.ts';
import type { Plain } from './value.ts';

/** The root map's number in the core. */
const rootContainer = 0;

/** So many changes are kept apart until they are taken; more are told together. */
const maxPatchSets = 256;

/** After so many bytes, updates that come together make another call: linear memory holds them all. */
const maxTogetherBytes = 256 * 1024;

const highestSeq = 0xffff_ffff;
const everySeq = { from: 0, to: highestSeq };

/** Operations with `from < seq <= to`. */
type DescribedPart = { readonly from: number; readonly to: number };

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
  readonly #bridge: Bridge;
  #root: MapHandle | undefined;
  /** What was noted and not yet taken; undefined while nothing is noted. */
  #patchSets: PatchSet[] | undefined;

  /** @throws JoineryError `not-initialised` before `init()` has resolved */
  constructor(options: ReplicaOptions = {}) {
    this.#bridge = new Bridge(options);
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

  /** The root map; `text`, `map` and so on below are its children by name. */
  get root(): MapHandle {
    this.#root ??= new MapHandle(this.#bridge, rootContainer);
    return this.#root;
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
  tree(key: string): TreeHandle {
    return this.root.tree(key);
  }
  graph(key: string): GraphHandle {
    return this.root.graph(key);
  }

  /** The agent, from the first write on. */
  get agent(): bigint | undefined {
    return this.#bridge.agent;
  }

  /** The seq of the last operation that was written here; 0 before the first. */
  get seq(): number {
    return this.#bridge.core.own_seq();
  }

  /** Grows with every change, from here or elsewhere. */
  get revision(): number {
    return this.#bridge.core.revision();
  }

  /** How many updates wait for what they rest on, or for their time; at most 4,096 and 16 MiB. */
  get pendingCount(): number {
    return this.#bridge.core.pending_count();
  }

  /**
   * The content: maps as objects, lists and sets as arrays, texts as strings, counters as numbers, trees as arrays of nodes within
   * each other, graphs as objects of nodes and edges.
   */
  toJSON(): Record<string, Plain> {
    return this.root.toJSON();
  }

  /**
   * What was written here since the last take, as one envelope (about 256 KiB at most), or undefined. Call it until it gives
   * undefined; what it has given, it never gives again.
   */
  takeUpdate(): Uint8Array | undefined {
    return this.#bridge.takeUpdate();
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
    this.#collectPatches('local');
    const answer = this.#bridge.apply(bytes);
    if (answer >= reshapes) this.#bridge.structure += 1;
    this.#collectPatches('remote');
    return answer % reshapes === 0;
  }

  /**
   * Notes from now on what changes, for {@link Replica.takePatches}; or no more. It is off at first: then it costs nothing.
   */
  recordPatches(on: boolean): void {
    const { core } = this.#bridge;
    if (on === (this.#patchSets !== undefined)) return;
    core.record_patches(on);
    this.#patchSets = on ? [] : undefined;
  }

  /**
   * What has changed since the recording was begun, or since the last take: a set of patches for what was written here in between,
   * and one for each update that joined. A change that no reader sees has none.
   *
   * @example
   * replica.recordPatches(true);
   * replica.text('body').insert(0, 'Hello');
   * replica.takePatches();
   * // [{ origin: 'local', patches: [{ container: 'map', kind: 'set', path: ['body'], type: 'text', value: 'Hello' }] }]
   */
  takePatches(): PatchSet[] {
    this.#collectPatches('local');
    const taken = this.#patchSets?.splice(0) ?? [];
    // What had no place any more.
    if (taken.length === maxPatchSets) this.#collectPatches('remote');
    return taken.concat(this.#patchSets?.splice(0) ?? []);
  }

  #collectPatches(origin: PatchOrigin): void {
    const { core } = this.#bridge;
    const sets = this.#patchSets;
    if (sets === undefined || sets.length >= maxPatchSets) return;
    if (core.take_patches() === 0) return;
    sets.push({ origin, patches: this.#bridge.outputValue() as unknown as Patch[] });
  }

  /** Joins several. Stops at the first that is refused; those before it have joined. An empty list tries again what waits. */
  applyUpdates(list: readonly Uint8Array[]): void {
    // What is recorded is told update by update.
    if (this.#patchSets === undefined) this.#applyTogether(list);
    else for (const bytes of list) this.applyUpdate(bytes);
    const { core } = this.#bridge;
    if (core.pending_count() > 0) {
      this.#collectPatches('local');
      core.retry_pending(this.#bridge.arrival());
      this.#bridge.structure += 1;
      this.#collectPatches('remote');
    }
  }

  #applyTogether(list: readonly Uint8Array[]): void {
    const bridge = this.#bridge;
    for (let from = 0; from < list.length; ) {
      let to = from;
      let bytes = 0;
      for (; to < list.length && bytes < maxTogetherBytes; to += 1) bytes += list[to]?.length ?? 0;
      bridge.structure += 1;
      bridge.applyAll(list.slice(from, to));
      from = to;
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

  /**
   * A snapshot with the same content, fresh ids (all of `agent`, in document order) and no record of what was removed: the
   * first state of a new epoch. Equal states and agents give equal bytes. This replica stays as it is; nothing of it joins
   * with the trimmed one, see {@link Replica.beginReplay}.
   *
   * @param agent 64 bits that nobody has used
   * @throws JoineryError `limit-exceeded` where a counter is beyond 2^53 − 1; `invalid-option`
   */
  trim(agent: bigint): Uint8Array {
    checkAgent(agent);
    this.#bridge.check(this.#bridge.core.trim(agent));
    return this.#bridge.output();
  }

  /**
   * What an envelope does, change by change, resolved against this replica, which has what the envelope rests on; it may have
   * joined the envelope or not. For rules about who may write what.
   *
   * @param parts only the operations with `from < seq <= to` of one of these, of a run of characters those; all when left
   *   out. They ascend, and there are at most 1,048,576; the envelope is passed over once for all of them.
   * @throws JoineryError `invalid-update`; `limit-exceeded` where the description is longer than 16 MiB; `invalid-option`
   * @example replica.describe(envelope) // [{ container: 'map', kind: 'set', path: ['title'], value: 'Hello' }]
   */
  describe(envelope: Uint8Array, parts: readonly DescribedPart[] = [everySeq]): Change[] {
    const words = new DataView(new ArrayBuffer(8 * parts.length));
    let before = 0;
    for (const [index, { from, to }] of parts.entries()) {
      checkPart(from, to, before);
      words.setUint32(8 * index, from, true);
      words.setUint32(8 * index + 4, to, true);
      before = to;
    }
    this.#bridge.input(new Uint8Array(words.buffer), envelope);
    this.#bridge.check(this.#bridge.core.describe(parts.length));
    return this.#bridge.outputValue() as unknown as Change[];
  }

  /**
   * Begins to bring operations that the server has not taken into this replica, as new ones of its own: this replica is the
   * server's state, `from` the replica as its author had it, with the operations in it.
   *
   * @throws JoineryError `invalid-update` (a mapping that isn't one), `invalid-snapshot` (a bridge that isn't one),
   *   `limit-exceeded`, `invalid-option`
   */
  beginReplay(from: Replica, options: ReplayOptions = {}): Replay {
    return new Replay(from.#bridge, this.#bridge, options);
  }

  /**
   * Records from now on what is written here, to be undone and redone. A replica may have several stacks (64), each with a scope of
   * its own.
   *
   * @throws JoineryError `invalid-undo` (a state that isn't one, or not of this document), `container-gone`, `limit-exceeded`,
   *   `invalid-option`
   */
  undoStack(options: UndoStackOptions = {}): UndoStack {
    return new UndoStack(this.#bridge, options);
  }

  /** Gives the memory back. Whatever is called afterwards throws `freed`. */
  free(): void {
    this.#bridge.free();
  }
}

function checkPart(from: number, to: number, before: number): void {
  const areSeqs = [from, to].every((seq) => Number.isInteger(seq) && seq >= 0 && seq <= highestSeq);
  if (areSeqs && before <= from && from < to) return;
  throw new JoineryError('invalid-option', {
    expected: `parts of seqs from 0 to ${highestSeq}, in ascending order`,
    got: `one from ${from} to ${to}, behind ${before}`,
    remedy: 'Take them from what an envelope or an outcome states.',
  });
}
