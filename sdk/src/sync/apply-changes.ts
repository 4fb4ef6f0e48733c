// Writes what an envelope had changed once more, as new operations: for a write that was rejected and is tried again. It
// goes by paths and indices, as far as the document still has what they name; what it hasn't is left out.

import { JoineryError } from '@joinery/protocol';
import type { Change } from '../core/change.ts';
import {
  CounterHandle,
  GraphHandle,
  type Handle,
  ListHandle,
  MapHandle,
  SetHandle,
  TextHandle,
  TreeHandle,
} from '../core/handles.ts';
import type { Attributes } from '../core/marks.ts';
import type { Kind } from '../core/module.ts';
import type { Replica } from '../core/replica.ts';
import type { Plain } from '../core/value.ts';

const handles = [MapHandle, ListHandle, TextHandle, CounterHandle, SetHandle, TreeHandle, GraphHandle];

/** What the ids of nodes and edges that are made once more are now. */
type Ids = Map<string, string>;

/** Returns how many of the changes could be made. */
export function applyChanges(replica: Replica, changes: readonly Change[]): number {
  let made = 0;
  const ids: Ids = new Map();
  for (const change of changes) {
    try {
      if (apply(replica, change, ids)) made += 1;
    } catch (error) {
      // A value of another type is in the way, say: the other changes are made all the same.
      if (!(error instanceof JoineryError)) throw error;
    }
  }
  return made;
}

function apply(replica: Replica, { path, container, kind, value = null }: Change, ids: Ids): boolean {
  const last = path.at(-1);
  // A counter and a set are named by the whole path, everything else by what stands before its key or index.
  const isWhole = container === 'counter' || container === 'set';
  const handle = find(replica, isWhole ? path : path.slice(0, -1), container, ids);
  if (handle === undefined) return false;
  switch (handle.kind) {
    case 'map':
      if (typeof last !== 'string') return false;
      if (kind === 'set') handle.set(last, value);
      else if (kind === 'create') create(handle, last, value as Kind);
      else handle.delete(last);
      return true;
    case 'list': {
      if (typeof last !== 'number' || last < 0) return false;
      const index = Math.min(last, handle.length);
      if (kind === 'insert') handle.insert(index, Array.isArray(value) ? (value[0] ?? null) : null);
      else if (kind === 'remove') handle.delete(index, Math.min(Number(value), handle.length - index));
      else if (index >= handle.length) return false;
      else if (kind === 'move') handle.move(index, Math.min(Number(value), handle.length - 1));
      else if (kind === 'create') handle.setContainer(index, value as Kind);
      else handle.set(index, value);
      return true;
    }
    case 'text': {
      if (typeof last !== 'number' || last < 0) return false;
      const index = Math.min(last, handle.length);
      if (kind === 'mark') return mark(handle, index, value);
      if (kind === 'insert') handle.insert(index, String(value));
      else handle.delete(index, Math.min(Number(value), handle.length - index));
      return true;
    }
    case 'counter':
      handle.increment(Number(value));
      return true;
    case 'set':
      if (kind === 'add') handle.add(value);
      else handle.delete(value);
      return true;
    case 'tree':
      return typeof last === 'string' && hang(handle, kind, last, value, ids);
    case 'graph':
      return typeof last === 'string' && changeGraph(handle, kind, last, value, ids);
  }
}

/** An embedded object is a mark as well, under a key that no other has: the character it was on is put in anew. */
const embedKey = '\ufffc';

function mark(text: TextHandle, index: number, told: Plain): boolean {
  const { key, length, value, grows } = Object(told) as { [member: string]: Plain | undefined };
  if (typeof key !== 'string' || typeof length !== 'number' || value === undefined) return false;
  const end = Math.min(index + length, text.length);
  if (!(end > index)) return false;
  if (key !== embedKey) text.mark(index, end, key, value, grows === true ? 'after' : 'none');
  else if (text.toString()[index] !== embedKey) return false;
  else
    text.applyDelta([
      { retain: index },
      { delete: 1 },
      { insert: Object(value), attributes: attributesAt(text, index) },
    ]);
  return true;
}

function attributesAt(text: TextHandle, index: number): Attributes {
  let left = index;
  for (const { insert, attributes = {} } of text.toDelta()) {
    left -= typeof insert === 'string' ? insert.length : 1;
    if (left < 0) return attributes;
  }
  return {};
}

/** A node goes behind the last of its siblings: between which it stood is not told by its index alone. */
function hang(tree: TreeHandle, kind: Change['kind'], id: string, value: Plain, ids: Ids): boolean {
  const node = ids.get(id) ?? id;
  if (kind === 'delete') return tree.delete(node);
  if (kind !== 'create' && kind !== 'move') return false;
  const told = (value as { readonly parent?: Plain } | null)?.parent ?? null;
  if (told !== null && typeof told !== 'string') return false;
  const parent = told === null ? null : (ids.get(told) ?? told);
  if (kind === 'create') ids.set(id, tree.create(parent));
  else tree.move(node, parent);
  return true;
}

function changeGraph(graph: GraphHandle, kind: Change['kind'], id: string, value: Plain, ids: Ids): boolean {
  if (kind === 'delete') return graph.delete(ids.get(id) ?? id);
  if (kind !== 'create') return false;
  if (value === null) {
    ids.set(id, graph.addNode());
    return true;
  }
  const { from, to } = value as { readonly from?: Plain; readonly to?: Plain };
  if (typeof from !== 'string' || typeof to !== 'string') return false;
  ids.set(id, graph.addEdge(ids.get(from) ?? from, ids.get(to) ?? to));
  return true;
}

/** A text, counter, set, tree or graph that others have made meanwhile is written on: a new one would take away what is in it. */
function create(map: MapHandle, key: string, kind: Kind): void {
  const present: unknown = map.get(key);
  const isShared = kind !== 'map' && kind !== 'list';
  if (isShared && isHandle(present) && present.kind === kind) return;
  map.create(key, kind);
}

/** The container at a path; the last one is made by its first write where a map has none. */
function find(replica: Replica, path: readonly (string | number)[], kind: Kind, ids: Ids): Handle | undefined {
  let handle: Handle = replica.root;
  for (const [depth, part] of path.entries()) {
    const isLast = depth === path.length - 1;
    if (handle instanceof MapHandle && typeof part === 'string') {
      const next: unknown = handle.get(part);
      const found: Handle | undefined = isHandle(next) ? next : isLast ? named(handle, part, kind) : undefined;
      if (found === undefined) return undefined;
      handle = found;
    } else if (handle instanceof ListHandle && typeof part === 'number') {
      const next: unknown = handle.get(part);
      if (!isHandle(next)) return undefined;
      handle = next;
    } else if ((handle.kind === 'tree' || handle.kind === 'graph') && typeof part === 'string') {
      handle = handle.data(ids.get(part) ?? part);
    } else return undefined;
  }
  return handle.kind === kind ? handle : undefined;
}

/** Undefined for a kind that this version doesn't know. */
function named(map: MapHandle, key: string, kind: Kind): Handle | undefined {
  switch (kind) {
    case 'map':
      return map.map(key);
    case 'list':
      return map.list(key);
    case 'text':
      return map.text(key);
    case 'counter':
      return map.counter(key);
    case 'set':
      return map.setOf(key);
    case 'tree':
      return map.tree(key);
    case 'graph':
      return map.graph(key);
    default:
      return undefined;
  }
}

function isHandle(value: unknown): value is Handle {
  // By what it is: a plain value may have whatever members a handle has.
  return handles.some((handle) => value instanceof handle);
}
