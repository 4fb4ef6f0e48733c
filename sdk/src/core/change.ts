/** What an envelope does, in an app's words: the shape that `Replica.describe` gives. */

import type { Kind } from './module.ts';
import type { Plain } from './value.ts';

/**
 * One change of an envelope.
 *
 * | container | kind | path ends with | value |
 * |---|---|---|---|
 * | map, list | `set` | key or index | the value |
 * | map, list | `create` | key or index | the kind of the new container |
 * | map | `delete` | key | |
 * | text | `insert` | index | the characters, as a string |
 * | list | `insert` | index | an array of one value |
 * | list | `move` | index | to which index, in the list without it |
 * | text, list | `remove` | index | how many units or elements |
 * | text | `mark` | index | an object: `grows`, `key`, `length` (in units), `value` (null: the key is taken off) |
 * | counter | `increment` | the counter | the difference |
 * | set | `add`, `remove` | the set | the value |
 * | tree | `create`, `move` | the node's id | `{ index, parent }`: a fractional index, an id (null: the top) |
 * | graph | `create` | the node's or edge's id | null, or `{ from, to }` |
 * | tree, graph | `delete` | the node's or edge's id | |
 *
 * Indices are told by what the replica shows now and by what the envelope itself inserted before; an element that is not to be
 * found (it was deleted, or hangs in a container that was) has the index −1.
 */
export interface Change {
  /** Keys, indices and ids of nodes from the root map on. */
  readonly path: readonly (string | number)[];
  /** What kind of container it is done to. */
  readonly container: Kind;
  readonly kind: 'set' | 'create' | 'delete' | 'insert' | 'move' | 'remove' | 'increment' | 'add' | 'mark';
  readonly value?: Plain;
}
