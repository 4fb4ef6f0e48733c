/** The handles that this build has, by kind. What they do stands in core/basic-handles.ts. */

import { BasicListHandle, BasicMapHandle, CounterHandle, SetHandle } from '../core/basic-handles.ts';
import type { HandleClasses } from '../core/module.ts';

/** By kind. */
export interface Handles {
  map: MapHandle;
  list: ListHandle;
  counter: CounterHandle;
  set: SetHandle;
}

/** What kind of container. */
export type Kind = keyof Handles;

/** Any handle. */
export type Handle = Handles[Kind];

/** Keyed values and containers; the last writer of a key wins. */
export class MapHandle extends BasicMapHandle<Handles> {}

/** Ordered elements; each is a value or a container. */
export class ListHandle extends BasicListHandle<Handles> {}

/** The classes by kind, for the module. */
export const handles = {
  map: MapHandle,
  list: ListHandle,
  counter: CounterHandle,
  set: SetHandle,
} satisfies HandleClasses;
