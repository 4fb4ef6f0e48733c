/** A replica of one document of maps, lists, counters and sets. What it does stands in core/basic-replica.ts. */

import { BasicReplica, loaded } from '../core/basic-replica.ts';
import { Bridge, type BridgeOptions } from '../core/bridge.ts';
import type { BasicCore } from '../core/module.ts';
import type { Handles } from './handles.ts';
import { liteModule } from './load.ts';

/** Options of {@link Replica}. */
export type ReplicaOptions = BridgeOptions;

/**
 * One document's replica. Free it when it is no longer needed: its memory is the core's, not the garbage collector's.
 *
 * @example
 * await init();
 * const a = new Replica();
 * const b = new Replica();
 * a.map('settings').set('theme', 'dark');
 * b.applyUpdate(a.exportUpdate());
 * b.map('settings').get('theme'); // 'dark'
 */
export class Replica extends BasicReplica<BasicCore, Handles> {
  /** @throws JoineryError `not-initialised` before `init()` has resolved */
  constructor(options: ReplicaOptions = {}) {
    super(new Bridge(liteModule(), options));
  }

  /**
   * A replica from a snapshot. Its first write takes a new agent: an agent is never used by two replicas.
   *
   * @throws JoineryError `invalid-snapshot`, `invalid-update`; `unsupported-container` where there is a text, a tree or a graph in it
   */
  static load(state: Uint8Array, options: ReplicaOptions = {}): Replica {
    return loaded(new Replica(options), state);
  }
}
