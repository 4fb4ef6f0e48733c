/**
 * Whole states as bytes: what lies between two states, and joining without keeping a replica. For servers, scripts and tools that
 * hold snapshots and updates; an app that has a document open uses `Replica`.
 */

import { JoineryError } from '@joinery/protocol';
import { diffRoots } from './diff.ts';
import type { Patch } from './patches.ts';
import { Replica, type ReplicaOptions } from './replica.ts';

/** Against which time foreign stamps are held; see {@link ReplicaOptions}. */
export type StateOptions = Pick<ReplicaOptions, 'now' | 'trustStamps'>;

/**
 * The update that brings whoever has `from` up to `to`, as small as there is.
 *
 * @param from a snapshot
 * @param to a snapshot of the same document; what it lacks of `from` is no part of the update
 * @throws JoineryError `invalid-snapshot`, `invalid-update`
 * @example applyUpdate(old, computeUpdate(old, recent)) // as `recent`, where nothing was written to `old` alone
 */
export function computeUpdate(from: Uint8Array, to: Uint8Array): Uint8Array {
  const since = using(from, trusting, (replica) => replica.version());
  return using(to, trusting, (replica) => replica.exportUpdate(since));
}

/**
 * A snapshot with an update (an envelope, an exported update or another snapshot) joined to it.
 *
 * @throws JoineryError `invalid-snapshot`, `invalid-update`; `update-waits` where it rests on what the snapshot lacks, or its stamp is
 *   ahead of the time; `limit-exceeded`
 */
export function applyUpdate(state: Uint8Array, update: Uint8Array, options: StateOptions = {}): Uint8Array {
  return using(state, options, (replica) => {
    joinAll(replica, [update]);
    return replica.encodeSnapshot();
  });
}

/**
 * One update that does what several do: what a later one of them overwrites or removes is not in it.
 *
 * @param updates in any order; each rests on nothing but the others and `onto`
 * @param onto the snapshot they begin at; left out where they begin at nothing
 * @throws JoineryError `update-waits` where one rests on what is not given; `invalid-snapshot`, `invalid-update`, `limit-exceeded`
 * @example mergeUpdates([first, second, third])
 */
export function mergeUpdates(
  updates: readonly Uint8Array[],
  onto?: Uint8Array,
  options: StateOptions = {},
): Uint8Array {
  return using(onto, options, (replica) => {
    const since = replica.version();
    joinAll(replica, updates);
    return replica.exportUpdate(since);
  });
}

/**
 * What lies between two states of a document for a reader, of one epoch or of two: done to what `from` shows, the patches give what `to`
 * shows. Nothing is known of how it came about, so where a list or a text differs in several places they are told as one.
 *
 * @param from a snapshot
 * @param to another one
 * @throws JoineryError `invalid-snapshot`, `invalid-update`
 * @example applyPatches(before.toJSON(), diffStates(before.encodeSnapshot(), after.encodeSnapshot())) // after.toJSON()
 */
export function diffStates(from: Uint8Array, to: Uint8Array): Patch[] {
  return using(from, trusting, (before) => using(to, trusting, (after) => diffRoots(before.root, after.root)));
}

const trusting: StateOptions = { trustStamps: true };

function using<T>(state: Uint8Array | undefined, options: StateOptions, use: (replica: Replica) => T): T {
  const replica = state === undefined ? new Replica(options) : Replica.load(state, options);
  try {
    return use(replica);
  } finally {
    replica.free();
  }
}

function joinAll(replica: Replica, updates: readonly Uint8Array[]): void {
  replica.applyUpdates(updates);
  if (replica.pendingCount === 0) return;
  throw new JoineryError('update-waits', {
    expected: 'updates that rest on the state and each other alone, with stamps up to now',
    got: `${replica.pendingCount} that wait`,
    remedy: 'Fetch what is missing, and give it as well.',
  });
}
