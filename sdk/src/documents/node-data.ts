// Writes to the map of a tree's or a graph's node, the way a whole document is written to.

import type { MapHandle } from '../core/index.ts';
import { copyPartial, type Draft, type Partially } from './document.ts';
import { runRecipe } from './draft.ts';
import { mergeKeys } from './write-value.ts';

/** What changes a node's data: a partial value, merged key by key, or a recipe that edits a draft. */
export type NodeChange<D extends object> = Partially<D> | ((draft: Draft<D>) => void);

/** The write, checked before anything is written. */
export function nodeWrite<D extends object>(change: NodeChange<D>): (map: MapHandle) => void {
  if (typeof change === 'function') return (map) => runRecipe(map, change as (draft: never) => void);
  const partial = copyPartial(change, []);
  return (map) => mergeKeys(map, partial);
}
