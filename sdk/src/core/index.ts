/** The public names of `joinery/core`: the merging core alone, without storage, network or threads. */

export { JoineryError } from '@joinery/protocol';
export { applyPatches } from './apply-patches.ts';

export type { Change } from './change.ts';
export type { CoreSource } from './compile.ts';
export { diffRoots } from './diff.ts';
export { type FractionalIndexOptions, fractionalIndex } from './fractional-index.ts';
export {
  CounterHandle,
  GraphHandle,
  type Handle,
  type HandleOfKind,
  ListHandle,
  MapHandle,
  SetHandle,
  type Stick,
  TextHandle,
  TreeHandle,
} from './handles.ts';
export { init } from './load.ts';
export {
  type Attributes,
  type DeltaStep,
  defaultExpand,
  type Embed,
  type Expand,
  type ExpandTable,
  expandOf,
  type TextRun,
} from './marks.ts';
export type { Kind } from './module.ts';
export type { GraphEdge, GraphValue, TreeNode } from './nodes.ts';
export type { GraphItem, Patch, PatchOrigin, PatchPath, PatchSet } from './patches.ts';
export type {
  Bridge,
  DotName,
  RejectedRange,
  RejectReason,
  ReplayOptions,
  ReplayOutcome,
} from './replay.ts';
export { Replay } from './replay.ts';
export { Replica, type ReplicaOptions } from './replica.ts';
export {
  applyUpdate,
  computeUpdate,
  diffStates,
  mergeUpdates,
  type StateOptions,
} from './states.ts';
export { UndoStack, type UndoStackOptions } from './undo-stack.ts';
export type { Plain } from './value.ts';
export { compareVersions, decodeVersion, encodeVersion, type VersionOrder } from './version.ts';
