/**
 * A replica of one document: the core's public face in TypeScript, synchronous, in Node and browsers alike. It stores
 * nothing and talks to nobody; the SDK does both around it.
 */

import { JoineryError } from '@joinery/protocol';
import { BasicReplica, loaded } from './basic-replica.ts';
import { Bridge, type BridgeOptions, checkAgent } from './bridge.ts';
import type { Change } from './change.ts';
import type { GraphHandle, Handles, TextHandle, TreeHandle } from './handles.ts';
import { coreModule } from './load.ts';
import type { Patch, PatchOrigin, PatchSet } from './patches.ts';
import type { Core } from './pkg/joinery_core.js';
import { Replay, type ReplayOptions } from './replay.ts';
import { UndoStack, type UndoStackOptions } from './undo-stack.ts';

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
export class Replica extends BasicReplica<Core, Handles> {
  /** What was noted and not yet taken; undefined while nothing is noted. */
  #patchSets: PatchSet[] | undefined;

  /** @throws JoineryError `not-initialised` before `init()` has resolved */
  constructor(options: ReplicaOptions = {}) {
    super(new Bridge(coreModule(), options));
  }

  /**
   * A replica from a snapshot. Its first write takes a new agent: an agent is never used by two replicas.
   *
   * @throws JoineryError `invalid-snapshot`, `invalid-update`
   */
  static load(state: Uint8Array, options: ReplicaOptions = {}): Replica {
    return loaded(new Replica(options), state);
  }

  text(key: string): TextHandle {
    return this.root.text(key);
  }
  tree(key: string): TreeHandle {
    return this.root.tree(key);
  }
  graph(key: string): GraphHandle {
    return this.root.graph(key);
  }

  override applyUpdate(bytes: Uint8Array): boolean {
    this.#collectPatches('local');
    const joined = super.applyUpdate(bytes);
    this.#collectPatches('remote');
    return joined;
  }

  /**
   * Notes from now on what changes, for {@link Replica.takePatches}; or no more. It is off at first: then it costs nothing.
   */
  recordPatches(on: boolean): void {
    const { core } = this.bridge;
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
    const { core } = this.bridge;
    const sets = this.#patchSets;
    if (sets === undefined || sets.length >= maxPatchSets) return;
    if (core.take_patches() === 0) return;
    sets.push({ origin, patches: this.bridge.outputValue() as unknown as Patch[] });
  }

  override applyUpdates(list: readonly Uint8Array[]): void {
    // What is recorded is told update by update.
    if (this.#patchSets !== undefined) {
      super.applyUpdates(list);
      return;
    }
    this.#applyTogether(list);
    this.retryPending();
  }

  protected override retryPending(): void {
    if (this.bridge.core.pending_count() === 0) return;
    this.#collectPatches('local');
    super.retryPending();
    this.#collectPatches('remote');
  }

  #applyTogether(list: readonly Uint8Array[]): void {
    const bridge = this.bridge;
    for (let from = 0; from < list.length; ) {
      let to = from;
      let bytes = 0;
      for (; to < list.length && bytes < maxTogetherBytes; to += 1) bytes += list[to]?.length ?? 0;
      bridge.inputList(list.slice(from, to));
      bridge.structure += 1;
      const answer = bridge.core.apply_all(bridge.arrival());
      bridge.noteWaiting();
      bridge.check(answer);
      from = to;
    }
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
    this.bridge.check(this.bridge.core.trim(agent));
    return this.bridge.output();
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
    this.bridge.input(new Uint8Array(words.buffer), envelope);
    this.bridge.check(this.bridge.core.describe(parts.length));
    return this.bridge.outputValue() as unknown as Change[];
  }

  /**
   * Begins to bring operations that the server has not taken into this replica, as new ones of its own: this replica is the
   * server's state, `from` the replica as its author had it, with the operations in it.
   *
   * @throws JoineryError `invalid-update` (a mapping that isn't one), `invalid-snapshot` (a bridge that isn't one),
   *   `limit-exceeded`, `invalid-option`
   */
  beginReplay(from: Replica, options: ReplayOptions = {}): Replay {
    return new Replay(from.bridge, this.bridge, options);
  }

  /**
   * Records from now on what is written here, to be undone and redone. A replica may have several stacks (64), each with a scope of
   * its own.
   *
   * @throws JoineryError `invalid-undo` (a state that isn't one, or not of this document), `container-gone`, `limit-exceeded`,
   *   `invalid-option`
   */
  undoStack(options: UndoStackOptions = {}): UndoStack {
    return new UndoStack(this.bridge, options);
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
