/**
 * Does patches to plain data: what was plain data before a change becomes what it is after it, and what hasn't changed stays the same
 * objects. For stores, databases and other mirrors of a document; it needs no core.
 */

import { JoineryError } from '@joinery/protocol';
import type { DeltaStep } from './marks.ts';
import type { Patch, PatchPath } from './patches.ts';
import { compareBytes, type Plain, packValue } from './value.ts';

type Value = unknown;
type Members = Record<string, Value>;

/**
 * The value after patches. The one that is given stays as it is; what no patch is about is shared with it.
 *
 * @throws JoineryError `invalid-value` where the patches don't follow on this value
 * @example
 * let mirror = replica.toJSON();
 * replica.recordPatches(true);
 * // … after each change:
 * for (const { patches } of replica.takePatches()) mirror = applyPatches(mirror, patches);
 */
export function applyPatches<T>(value: T, patches: readonly Patch[]): T {
  const draft = new Draft(value);
  for (const patch of patches) draft.apply(patch);
  return draft.root as T;
}

class Draft {
  root: Value;
  /** Copies that were made here: they need not be copied again. */
  readonly #own = new Set<object>();

  constructor(root: Value) {
    this.root = root;
  }

  apply(patch: Patch): void {
    const { path } = patch;
    const above = path.slice(0, -1);
    switch (patch.container) {
      case 'map':
        if (patch.kind === 'set') put(record(this.#open(above), path), keyOf(path), patch.value);
        else delete record(this.#open(above), path)[keyOf(path)];
        break;
      case 'list':
        changeList(array(this.#open(above), path), patch);
        break;
      case 'text':
        this.#change(path, (before) => editText(before, patch.delta, path));
        break;
      case 'counter':
        this.#change(path, () => patch.value);
        break;
      case 'set':
        changeSet(array(this.#open(path), path), patch.added, patch.deleted);
        break;
      case 'tree':
        this.#changeTree(patch);
        break;
      case 'graph':
        this.#changeGraph(patch);
        break;
    }
  }

  /** A copy of a container that may be changed. */
  #copy(container: Value, path: PatchPath): Members | Value[] {
    if (typeof container !== 'object' || container === null) throw misfit(path);
    if (this.#own.has(container)) return container as Members | Value[];
    const copy = Array.isArray(container) ? container.slice() : { ...container };
    this.#own.add(copy);
    return copy as Members | Value[];
  }

  /** The same of what is at a key or an index of one that was copied. */
  #copyIn(holder: Members | Value[], key: string | number, path: PatchPath): Members | Value[] {
    const members = holder as Members;
    const copy = this.#copy(Object.hasOwn(members, key) ? members[key] : undefined, path);
    put(members, String(key), copy);
    return copy;
  }

  /** What is at a path, to be changed: all on the way is copied. */
  #open(path: PatchPath): Members | Value[] {
    let at = this.#copy(this.root, path);
    this.root = at;
    for (const step of path) at = this.#step(at, step, path);
    return at;
  }

  #step(at: Members | Value[], step: string | number, path: PatchPath): Members | Value[] {
    if (Array.isArray(at)) {
      if (typeof step === 'number') return this.#copyIn(at, step, path);
      const { siblings, index } = this.#node(at, step, path);
      return this.#copyIn(this.#copyIn(siblings, index, path), 'data', path);
    }
    if (Object.hasOwn(at, step)) return this.#copyIn(at, step, path);
    // A graph: ids are no keys of it.
    for (const name of ['nodes', 'edges']) {
      const items = at[name];
      const index = Array.isArray(items) ? items.findIndex((item) => idOf(item) === step) : -1;
      if (index < 0) continue;
      const item = this.#copyIn(this.#copyIn(at, name, path), index, path);
      return this.#copyIn(item, 'data', path);
    }
    throw misfit(path);
  }

  #change(path: PatchPath, change: (before: Value) => Value): void {
    const holder = this.#open(path.slice(0, -1)) as Members;
    const key = path.at(-1) ?? '';
    if (!Object.hasOwn(holder, key)) throw misfit(path);
    put(holder, String(key), change(holder[key]));
  }

  /** Where a tree's node is: its siblings, to be changed, and its index among them. */
  #node(tree: Value[], id: string, path: PatchPath): { siblings: Value[]; index: number } {
    const way = findNode(tree, id);
    if (way === undefined) throw misfit(path);
    let siblings = tree;
    const index = way.pop() ?? 0;
    for (const at of way) siblings = this.#children(this.#copyIn(siblings, at, path), path);
    return { siblings, index };
  }

  #children(node: Members | Value[], path: PatchPath): Value[] {
    return array(this.#copyIn(node, 'children', path), path);
  }

  #changeTree(patch: Extract<Patch, { readonly container: 'tree' | 'graph' }>): void {
    const { path } = patch;
    const tree = array(this.#open(path.slice(0, -1)), path);
    let node: Value;
    if (patch.kind === 'create') node = patch.value;
    else {
      const { siblings, index } = this.#node(tree, keyOf(path), path);
      [node] = siblings.splice(index, 1);
    }
    if (!('index' in patch)) return;
    let siblings = tree;
    if (patch.parent !== null) {
      const above = this.#node(tree, patch.parent, path);
      siblings = this.#children(this.#copyIn(above.siblings, above.index, path), path);
    }
    if (patch.index > siblings.length) throw misfit(path);
    siblings.splice(patch.index, 0, node);
  }

  #changeGraph(patch: Extract<Patch, { readonly container: 'graph' | 'tree' }>): void {
    const { path } = patch;
    const graph = record(this.#open(path.slice(0, -1)), path);
    if (patch.kind === 'create') {
      const items = array(this.#copyIn(graph, 'from' in patch.value ? 'edges' : 'nodes', path), path);
      items.splice(placeOf(keyOf(path), items), 0, patch.value);
      return;
    }
    for (const name of ['edges', 'nodes']) {
      const index = array(graph[name], path).findIndex((item) => idOf(item) === keyOf(path));
      if (index < 0) continue;
      array(this.#copyIn(graph, name, path), path).splice(index, 1);
      return;
    }
    throw misfit(path);
  }
}

function changeList(list: Value[], patch: Extract<Patch, { readonly container: 'map' | 'list' }>): void {
  const index = Number(patch.path.at(-1));
  const last = patch.kind === 'remove' ? index + patch.count : patch.kind === 'insert' ? index : index + 1;
  if (!(index >= 0 && last <= list.length)) throw misfit(patch.path);
  switch (patch.kind) {
    case 'set':
      list[index] = patch.value;
      break;
    case 'remove':
      list.splice(index, patch.count);
      break;
    case 'move':
      list.splice(patch.to, 0, ...list.splice(index, 1));
      break;
    case 'insert': {
      // Not spread: a call takes only so many arguments.
      const tail = list.splice(index);
      for (const value of patch.values) list.push(value);
      for (const value of tail) list.push(value);
      break;
    }
  }
}

/** A text after a delta; an embedded object is U+FFFC. */
function editText(before: Value, delta: readonly DeltaStep[], path: PatchPath): string {
  if (typeof before !== 'string') throw misfit(path);
  let at = 0;
  const parts: string[] = [];
  for (const step of delta) {
    if ('retain' in step) {
      parts.push(before.slice(at, at + step.retain));
      at += step.retain;
    } else if ('delete' in step) at += step.delete;
    else parts.push(typeof step.insert === 'string' ? step.insert : '\ufffc');
  }
  if (at > before.length) throw misfit(path);
  return parts.join('') + before.slice(at);
}

function changeSet(set: Value[], added: readonly Plain[], deleted: readonly Plain[]): void {
  const gone = new Set(deleted.map(nameOf));
  const all = set.filter((value) => !gone.has(nameOf(value))).concat(added);
  all.sort(compareValues);
  set.splice(0);
  for (const value of all) set.push(value);
}

/** Equal values have equal names. */
function nameOf(value: Value): string {
  return packValue(value).join();
}

/** The order in which a set's values are shown; see `compare_values` in `core-rs/crates/codec/src/value.rs`. */
function compareValues(a: Value, b: Value): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareBytes(encoder.encode(a), encoder.encode(b));
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  const [first, second] = [classOf(a), classOf(b)];
  if (first !== second) return first - second;
  return compareBytes(packValue(a).slice(), packValue(b));
}

const encoder = new TextEncoder();

function classOf(value: Value): number {
  if (typeof value === 'number') return 3;
  return packValue(value)[0] ?? 0;
}

/** The indices that lead to a node, from the top on. */
function findNode(tree: readonly Value[], id: string): number[] | undefined {
  const open: { readonly siblings: readonly Value[]; next: number }[] = [{ siblings: tree, next: 0 }];
  for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
    const node = last.siblings[last.next] as { readonly children?: readonly Value[] } | undefined;
    if (node === undefined) {
      open.pop();
      continue;
    }
    if (idOf(node) === id) return open.map(({ next }, depth) => (depth === open.length - 1 ? next : next - 1));
    last.next += 1;
    if (Array.isArray(node.children)) open.push({ siblings: node.children, next: 0 });
  }
  return undefined;
}

/** Where something with this id belongs among items, which are in the order of their ids. */
function placeOf(id: string, items: readonly Value[]): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareIds(idOf(items[middle]) ?? '', id) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Ids are ordered by agent, then by seq: as numbers. */
function compareIds(a: string, b: string): number {
  const [first = '', second = ''] = a.split(':');
  const [third = '', fourth = ''] = b.split(':');
  if (first === third) return Number(second) - Number(fourth);
  const [one, other] = [first.padStart(16, '0'), third.padStart(16, '0')];
  return one < other ? -1 : 1;
}

function idOf(item: Value): string | undefined {
  return (item as { readonly id?: string } | undefined)?.id;
}

function keyOf(path: PatchPath): string {
  return String(path.at(-1));
}

/** Keys are data: `__proto__` is a key like any other. */
function put(members: object, key: string, value: Value): void {
  if (key !== '__proto__') (members as Members)[key] = value;
  else Object.defineProperty(members, key, { value, enumerable: true, configurable: true, writable: true });
}

function array(value: Value, path: PatchPath): Value[] {
  if (Array.isArray(value)) return value;
  throw misfit(path);
}

function record(value: Value, path: PatchPath): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  throw misfit(path);
}

function misfit(path: PatchPath): JoineryError {
  return new JoineryError('invalid-value', {
    expected: `plain data with what is patched at ${JSON.stringify(path)}`,
    got: 'other data',
    remedy: 'Take the whole value again, and the patches that come after it.',
  });
}
