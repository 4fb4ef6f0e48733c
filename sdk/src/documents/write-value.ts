// Writes plain values into containers by the fewest operations: what is there and equal stays, objects become maps,
// arrays become lists, and a text, counter or set that is there already takes the new value as a change of its own.

import { JoineryError } from '@joinery/protocol';
import {
  CounterHandle,
  GraphHandle,
  type Handle,
  type Kind,
  ListHandle,
  MapHandle,
  type Plain,
  SetHandle,
  TextHandle,
  TreeHandle,
} from '../core/index.ts';
import { keepOrder, valueKey } from './keep-order.ts';
import { setOwn } from './plain.ts';
import { equalValues } from './shared-value.ts';
import { textChange } from './text-change.ts';

type PlainObject = { [key: string]: Plain };

/** Makes the key's value equal to `value`. */
export function writeKey(map: MapHandle, key: string, value: Plain): void {
  const found = map.get(key);
  if (isHandle(found) ? changeInPlace(found, value) : equalValues(found, value)) return;
  if (isObject(value)) fillMap(map.create(key, 'map') as MapHandle, value);
  else if (Array.isArray(value)) insertAll(map.create(key, 'list'), 0, value);
  else map.set(key, value);
}

/** Makes the element's value equal to `value`. */
export function writeElement(list: ListHandle, index: number, value: Plain): void {
  const found = list.get(index);
  if (isHandle(found) ? changeInPlace(found, value) : equalValues(found, value)) return;
  if (isObject(value)) fillMap(list.setContainer(index, 'map') as MapHandle, value);
  else if (Array.isArray(value)) insertAll(list.setContainer(index, 'list'), 0, value);
  else list.set(index, value);
}

/** Inserts elements, the first one at `index`. */
export function insertAll(list: ListHandle, index: number, values: readonly Plain[]): void {
  values.forEach((value, offset) => {
    const at = index + offset;
    if (isObject(value)) fillMap(list.insertContainer(at, 'map') as MapHandle, value);
    else if (Array.isArray(value)) insertAll(list.insertContainer(at, 'list'), 0, value);
    else list.insert(at, value);
  });
}

/** Writes the given keys; objects merge with maps that are there. `undefined` deletes. */
export function mergeKeys(map: MapHandle, partial: { readonly [key: string]: Mergeable }): void {
  for (const key of Object.keys(partial)) {
    const value = partial[key];
    if (value === undefined) {
      map.delete(key);
      continue;
    }
    if (!isMergeableObject(value)) {
      writeKey(map, key, value);
      continue;
    }
    const found = map.get(key);
    mergeKeys(isHandle(found) && found.kind === 'map' ? found : map.create(key, 'map'), value);
  }
}

/** What the map will show once `mergeKeys` has written `partial`, where it shows `current` now. */
export function previewMerge(
  map: MapHandle | undefined,
  current: object,
  partial: { readonly [key: string]: Mergeable },
): { readonly [key: string]: Plain } {
  const next: { [key: string]: Plain } = {};
  for (const [key, value] of Object.entries(current)) {
    if (!Object.hasOwn(partial, key)) setOwn(next, key, value as Plain);
  }
  for (const key of Object.keys(partial)) {
    const value = partial[key];
    if (value === undefined) continue;
    if (!isMergeableObject(value)) {
      setOwn(next, key, value);
      continue;
    }
    const found = map?.get(key);
    // Another kind of container gives way to a map, whatever it shows.
    const inner = isHandle(found) && found.kind === 'map' ? found : undefined;
    const shown = inner === undefined ? {} : ((current as { readonly [key: string]: unknown })[key] as object);
    setOwn<Plain>(next, key, previewMerge(inner, shown, value));
  }
  return next;
}

/** A partial value: as plain data, with `undefined` for keys that go. */
export type Mergeable = Plain | undefined | { readonly [key: string]: Mergeable };

const handleClasses = [MapHandle, ListHandle, TextHandle, CounterHandle, SetHandle, TreeHandle, GraphHandle];

export function isHandle(value: Plain | Handle | undefined): value is Handle {
  return typeof value === 'object' && handleClasses.some((handle) => value instanceof handle);
}

/** @throws JoineryError `wrong-type` when there is something at the key that is not of this kind. */
export function checkKind(map: MapHandle, key: string, kind: Kind): void {
  const found = map.get(key);
  if (found === undefined || (isHandle(found) && found.kind === kind)) return;
  throw new JoineryError('wrong-type', {
    expected: `a ${kind} at the key ${JSON.stringify(key)}`,
    got: isHandle(found) ? `a ${found.kind}` : 'a plain value',
    remedy: 'Nothing was written. Use another key, or delete this one first.',
  });
}

/** Changes a container to hold `value`, where its kind can; else false. */
function changeInPlace(found: Handle, value: Plain): boolean {
  switch (found.kind) {
    case 'map':
      if (!isObject(value)) return false;
      for (const key of found.keys()) if (!Object.hasOwn(value, key)) found.delete(key);
      for (const key of Object.keys(value)) writeKey(found, key, value[key] as Plain);
      return true;
    case 'list':
      if (!Array.isArray(value)) return false;
      changeList(found, value);
      return true;
    case 'text':
      if (typeof value !== 'string') return false;
      changeText(found, value);
      return true;
    case 'counter': {
      const difference = Number.isSafeInteger(value) ? (value as number) - found.value : Number.NaN;
      if (!Number.isSafeInteger(difference)) return false;
      if (difference !== 0) found.increment(difference);
      return true;
    }
    case 'set':
      if (!Array.isArray(value)) return false;
      for (const member of found.values()) if (!value.some((given) => equalValues(given, member))) found.delete(member);
      for (const member of value) if (!found.has(member)) found.add(member);
      return true;
    case 'tree':
    case 'graph':
      // They are changed by ids; what holds the same is the same.
      return equalValues(found.toJSON(), value);
  }
}

export function changeText(text: TextHandle, value: string): void {
  const change = textChange(text.toString(), value);
  if (change === undefined) return;
  if (change.deleted > 0) text.delete(change.index, change.deleted);
  if (change.inserted !== '') text.insert(change.index, change.inserted);
}

function changeList(list: ListHandle, values: readonly Plain[]): void {
  const before = list.toJSON();
  const kept = keepOrder(before.map(valueKey), values.map(valueKey));
  // Places between kept elements that are on both sides are changed, the rest is deleted and inserted. From the back, so
  // that indices in front stay what they were.
  let [beforeEnd, afterEnd] = [before.length, values.length];
  for (const [beforeAt, afterAt] of [[-1, -1] as const, ...kept].reverse()) {
    const [first, firstAfter] = [beforeAt + 1, afterAt + 1];
    const shared = Math.min(beforeEnd - first, afterEnd - firstAfter);
    if (beforeEnd - first > shared) list.delete(first + shared, beforeEnd - first - shared);
    insertAll(list, first + shared, values.slice(firstAfter + shared, afterEnd));
    for (let offset = 0; offset < shared; offset += 1) {
      writeElement(list, first + offset, values[firstAfter + offset] as Plain);
    }
    [beforeEnd, afterEnd] = [beforeAt, afterAt];
  }
}

function fillMap(map: MapHandle, value: PlainObject): void {
  for (const key of Object.keys(value)) writeKey(map, key, value[key] as Plain);
}

function isObject(value: Plain): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function isMergeableObject(value: Mergeable): value is { readonly [key: string]: Mergeable } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
