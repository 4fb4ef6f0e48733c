/**
 * The public names of `joinery/lite`: the merging core for documents of maps, lists, counters and sets alone. Updates, states and
 * versions are those of `joinery/core`, and so is what comes out of joining them; a text, a tree or a graph is refused.
 */

export { JoineryError } from '@joinery/protocol';
export { CounterHandle, SetHandle } from '../core/basic-handles.ts';
export type { CoreSource } from '../core/compile.ts';
export type { Plain } from '../core/value.ts';
export { compareVersions, decodeVersion, encodeVersion, type VersionOrder } from '../core/version.ts';
export { type Handle, type Kind, ListHandle, MapHandle } from './handles.ts';
export { init } from './load.ts';
export { Replica, type ReplicaOptions } from './replica.ts';
