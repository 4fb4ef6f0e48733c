/** Patches: what a change has changed for a reader, path by path. The shapes; what makes them is in `core-rs/crates/types/src/patches`. */

import type { DeltaStep } from './marks.ts';
import type { Kind } from './module.ts';
import type { GraphEdge, TreeNode } from './nodes.ts';
import type { Plain } from './value.ts';

/** Keys of maps, indices of lists, ids of nodes and edges, from the root map on. */
export type PatchPath = readonly (string | number)[];

interface At {
  readonly path: PatchPath;
}

/**
 * One change that a reader sees. Patches are done one after the other: a path is as it reads when the patches before it are done, and
 * what is in a container is told after what has happened to the container itself.
 *
 * | container | kind | path ends with | beside it |
 * |---|---|---|---|
 * | map, list | `set` | key or index | `value`; of a container its `type` |
 * | map | `delete` | key | |
 * | list | `remove` | index | `count` |
 * | list | `move` | index | `to`: an index in the list without it |
 * | list | `insert` | index | `values`; where one of them is a container `types`, of plain values null |
 * | text | `edit` | the text | `delta`: what is kept, inserted and deleted, with attributes (null: taken off) |
 * | counter | `increment` | the counter | `by`, and the new `value` |
 * | set | `change` | the set | `added` and `deleted` values |
 * | tree | `create` | the node | `parent` (null: the top), `index`, and the node with what is new below it |
 * | tree | `move` | the node | `parent`, `index` among the children without it |
 * | tree, graph | `delete` | the node, with all below it, or the edge | |
 * | graph | `create` | the node or edge | `value`; of an edge with `from` and `to` |
 */
export type Patch = At &
  (
    | { readonly container: 'map' | 'list'; readonly kind: 'set'; readonly value: Plain; readonly type?: Kind }
    | { readonly container: 'map'; readonly kind: 'delete' }
    | { readonly container: 'list'; readonly kind: 'remove'; readonly count: number }
    | { readonly container: 'list'; readonly kind: 'move'; readonly to: number }
    | {
        readonly container: 'list';
        readonly kind: 'insert';
        readonly values: readonly Plain[];
        readonly types?: readonly (Kind | null)[];
      }
    | { readonly container: 'text'; readonly kind: 'edit'; readonly delta: readonly DeltaStep[] }
    | { readonly container: 'counter'; readonly kind: 'increment'; readonly by: number; readonly value: number }
    | {
        readonly container: 'set';
        readonly kind: 'change';
        readonly added: readonly Plain[];
        readonly deleted: readonly Plain[];
      }
    | {
        readonly container: 'tree';
        readonly kind: 'create';
        readonly parent: string | null;
        readonly index: number;
        readonly value: TreeNode;
      }
    | { readonly container: 'tree'; readonly kind: 'move'; readonly parent: string | null; readonly index: number }
    | { readonly container: 'tree' | 'graph'; readonly kind: 'delete' }
    | { readonly container: 'graph'; readonly kind: 'create'; readonly value: GraphItem }
  );

/** A node or an edge of a graph as plain data. */
export type GraphItem = (Pick<GraphEdge, 'id'> | GraphEdge) & { readonly data: { readonly [key: string]: Plain } };

/** Whether a change was written here, or came from elsewhere. */
export type PatchOrigin = 'local' | 'remote';

/** What one change, or several of one origin, have changed. */
export interface PatchSet {
  readonly origin: PatchOrigin;
  readonly patches: readonly Patch[];
}
