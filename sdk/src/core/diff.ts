/**
 * What lies between two states for a reader, as patches: between replicas that may be of different epochs, so it goes by content alone.
 * Keys are compared key by key; lists and texts by what they begin and end with; nodes and edges by their ids. Patches of a change
 * that is made here come from the core (`Replica.takePatches`), by what was done.
 */

import {
  CounterHandle,
  GraphHandle,
  type Handle,
  ListHandle,
  MapHandle,
  SetHandle,
  TextHandle,
  TreeHandle,
} from './handles.ts';
import type { DeltaStep, Embed, TextRun } from './marks.ts';
import type { TreeNode } from './nodes.ts';
import type { GraphItem, Patch, PatchPath } from './patches.ts';
import type { Plain } from './value.ts';

type Seen = Plain | Handle | undefined;

interface Pair {
  readonly from: Handle;
  readonly to: Handle;
  readonly path: PatchPath;
}

/** The patches that lead from what one root map shows to what another one shows. */
export function diffRoots(from: MapHandle, to: MapHandle): Patch[] {
  const diff = new Diff();
  diff.open.push({ from, to, path: [] });
  // Parents before what is in them; a stack, so nesting costs no call depth.
  for (let pair = diff.open.pop(); pair !== undefined; pair = diff.open.pop()) diff.compare(pair);
  return diff.patches;
}

class Diff {
  readonly patches: Patch[] = [];
  readonly open: Pair[] = [];

  compare({ from, to, path }: Pair): void {
    if (from instanceof MapHandle && to instanceof MapHandle) this.#maps(from, to, path);
    else if (from instanceof ListHandle && to instanceof ListHandle) this.#lists(from, to, path);
    else if (from instanceof TextHandle && to instanceof TextHandle) this.#texts(from, to, path);
    else if (from instanceof CounterHandle && to instanceof CounterHandle) this.#counters(from, to, path);
    else if (from instanceof SetHandle && to instanceof SetHandle) this.#sets(from, to, path);
    else if (from instanceof TreeHandle && to instanceof TreeHandle) this.#trees(from, to, path);
    else if (from instanceof GraphHandle && to instanceof GraphHandle) this.#graphs(from, to, path);
  }

  /** What stands at one place: gone into where both are containers of one kind, else set. */
  #place(container: 'map' | 'list', from: Seen, to: Seen, path: PatchPath): void {
    if (isHandle(from) && isHandle(to) && from.kind === to.kind) this.open.push({ from, to, path });
    else if (isHandle(to)) this.patches.push({ container, kind: 'set', path, type: to.kind, value: plain(to) });
    else if (isHandle(from) || (container === 'map' && from === undefined) || nameOf(from) !== nameOf(to)) {
      // (A key that has come is told also where its value is null.)
      this.patches.push({ container, kind: 'set', path, value: to ?? null });
    }
  }

  #maps(from: MapHandle, to: MapHandle, path: PatchPath): void {
    const keys = new Set(to.keys());
    for (const key of from.keys()) {
      if (!keys.has(key)) this.patches.push({ container: 'map', kind: 'delete', path: [...path, key] });
    }
    for (const key of keys) this.#place('map', from.get(key), to.get(key), [...path, key]);
  }

  #lists(from: ListHandle, to: ListHandle, path: PatchPath): void {
    const [before, after] = [elements(from), elements(to)];
    const { start, end } = common(before.map(nameOf), after.map(nameOf));
    const [old, new_] = [before.length - end, after.length - end];
    const paired = Math.min(old, new_);
    if (old > paired) {
      const count = old - paired;
      this.patches.push({ container: 'list', kind: 'remove', path: [...path, paired], count });
    } else if (new_ > paired) {
      const added = after.slice(paired, new_);
      const types = added.map((value) => (isHandle(value) ? value.kind : null));
      const nested = types.some((type) => type !== null) ? { types } : {};
      const values = added.map(plain);
      this.patches.push({ container: 'list', kind: 'insert', path: [...path, paired], values, ...nested });
    }
    for (let index = start; index < paired; index += 1) {
      this.#place('list', before[index], after[index], [...path, index]);
    }
  }

  #texts(from: TextHandle, to: TextHandle, path: PatchPath): void {
    const [before, after] = [units(from.toDelta()), units(to.toDelta())];
    const delta = textDelta(before, after);
    if (delta.length > 0) this.patches.push({ container: 'text', kind: 'edit', path, delta });
  }

  #counters(from: CounterHandle, to: CounterHandle, path: PatchPath): void {
    const { value } = to;
    if (value === from.value) return;
    this.patches.push({ container: 'counter', kind: 'increment', path, by: value - from.value, value });
  }

  #sets(from: SetHandle, to: SetHandle, path: PatchPath): void {
    const [before, after] = [from.values(), to.values()];
    const [old, new_] = [new Set(before.map(nameOf)), new Set(after.map(nameOf))];
    const added = after.filter((value) => !old.has(nameOf(value)));
    const deleted = before.filter((value) => !new_.has(nameOf(value)));
    if (added.length + deleted.length === 0) return;
    this.patches.push({ container: 'set', kind: 'change', path, added, deleted });
  }

  /** Where the shape is another one all nodes go and come; else their data is compared. */
  #trees(from: TreeHandle, to: TreeHandle, path: PatchPath): void {
    const [before, after] = [from.toJSON(), to.toJSON()];
    const [old, new_] = [shape(before), shape(after)];
    if (old.join() === new_.join()) {
      for (const [id] of new_) this.open.push({ from: from.data(id), to: to.data(id), path: [...path, id] });
      return;
    }
    for (const { id } of before) this.patches.push({ container: 'tree', kind: 'delete', path: [...path, id] });
    for (const [index, value] of after.entries()) {
      this.patches.push({ container: 'tree', kind: 'create', path: [...path, value.id], parent: null, index, value });
    }
  }

  #graphs(from: GraphHandle, to: GraphHandle, path: PatchPath): void {
    const [before, after] = [items(from), items(to)];
    const stays = (id: string): boolean => {
      const [old, new_] = [before.get(id), after.get(id)];
      return old !== undefined && new_ !== undefined && endsOf(old) === endsOf(new_);
    };
    for (const id of [...before.keys()].reverse()) {
      if (!stays(id)) this.patches.push({ container: 'graph', kind: 'delete', path: [...path, id] });
    }
    for (const [id, value] of after) {
      const at = [...path, id];
      if (stays(id)) this.open.push({ from: from.data(id), to: to.data(id), path: at });
      else this.patches.push({ container: 'graph', kind: 'create', path: at, value });
    }
  }
}

/** Nodes, then edges, by id. */
function items(graph: GraphHandle): Map<string, GraphItem> {
  const { nodes, edges } = graph.toJSON();
  return new Map([...nodes, ...edges].map((item) => [item.id, item]));
}

function endsOf(item: GraphItem): string {
  return 'from' in item ? `${item.from} ${item.to}` : '';
}

/** Every node with the one above it, from the top down. */
function shape(tree: readonly TreeNode[]): [string, string][] {
  const nodes: [string, string][] = [];
  const open: [TreeNode, string][] = tree.map((node): [TreeNode, string] => [node, '']).reverse();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [node, above] = next;
    nodes.push([node.id, above]);
    for (const child of [...node.children].reverse()) open.push([child, node.id]);
  }
  return nodes;
}

function elements(list: ListHandle): Seen[] {
  return Array.from({ length: list.length }, (_, index) => list.get(index));
}

function isHandle(value: Seen): value is Handle {
  return typeof value === 'object' && value !== null && 'resolve' in value && typeof value.resolve === 'function';
}

function plain(value: Seen): Plain {
  return isHandle(value) ? (value.toJSON() as unknown as Plain) : (value ?? null);
}

/** Equal for what a reader can't tell apart, marks of texts included. */
function nameOf(value: Seen): string {
  if (!isHandle(value)) return JSON.stringify(value ?? null, nameBytes);
  const inner = (of: readonly Seen[]): string => `${value.kind}[${of.map(nameOf).join()}]`;
  switch (value.kind) {
    case 'map':
      return inner(value.keys().flatMap((key) => [key, value.get(key)]));
    case 'list':
      return inner(elements(value));
    case 'text':
      return `text${JSON.stringify(value.toDelta(), nameBytes)}`;
    case 'tree': {
      const nodes = shape(value.toJSON());
      return inner(nodes.flatMap(([id, above]) => [id, above, value.data(id)]));
    }
    case 'graph':
      return inner([...items(value)].flatMap(([id, item]) => [id, endsOf(item), value.data(id)]));
    default:
      return `${value.kind}${JSON.stringify(value.toJSON(), nameBytes)}`;
  }
}

/** Bytes are told from strings, and from all else. */
function nameBytes(_: string, value: unknown): unknown {
  if (typeof value === 'string') return `text ${value}`;
  return value instanceof Uint8Array ? `bytes ${value.join()}` : value;
}

/** How many are equal at the start, and how many of the rest at the end. */
function common(before: readonly string[], after: readonly string[]): { start: number; end: number } {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  return { start, end };
}

/** A unit of a text, or an object in it, with what is said of it. */
interface Unit {
  readonly insert: string | Embed;
  readonly attributes: TextRun['attributes'];
  readonly name: string;
}

function units(runs: readonly TextRun[]): Unit[] {
  return runs.flatMap(({ insert, attributes }): Unit[] => {
    const said = JSON.stringify(attributes ?? {}, nameBytes);
    if (typeof insert !== 'string')
      return [{ insert, attributes, name: `${said} ${JSON.stringify(insert, nameBytes)}` }];
    return Array.from({ length: insert.length }, (_, at) => {
      const unit = insert.charAt(at);
      return { insert: unit, attributes, name: said + unit };
    });
  });
}

/** One stretch is replaced: what is between the common beginning and the common end. No pair of surrogates is cut. */
function textDelta(before: readonly Unit[], after: readonly Unit[]): DeltaStep[] {
  let { start, end } = common(names(before), names(after));
  if (start === before.length && start === after.length) return [];
  if (start > 0 && isSurrogate(before[start - 1], 0xd800)) start -= 1;
  if (end > 0 && isSurrogate(before[before.length - end], 0xdc00)) end -= 1;
  const delta: DeltaStep[] = start > 0 ? [{ retain: start }] : [];
  let run: { insert: string; attributes: Unit['attributes']; said: string } | undefined;
  const flush = (): void => {
    if (run !== undefined) delta.push(inserted(run.insert, run.attributes));
    run = undefined;
  };
  for (const { insert, attributes } of after.slice(start, after.length - end)) {
    const said = JSON.stringify(attributes ?? {}, nameBytes);
    if (typeof insert === 'string' && run?.said === said) run.insert += insert;
    else {
      flush();
      if (typeof insert === 'string') run = { insert, attributes, said };
      else delta.push(inserted(insert, attributes));
    }
  }
  flush();
  const deleted = before.length - end - start;
  if (deleted > 0) delta.push({ delete: deleted });
  return delta;
}

function inserted(insert: string | Embed, attributes: Unit['attributes']): DeltaStep {
  return attributes === undefined ? { insert } : { insert, attributes };
}

function names(of: readonly Unit[]): string[] {
  return of.map(({ name }) => name);
}

function isSurrogate(unit: Unit | undefined, from: number): boolean {
  const code = typeof unit?.insert === 'string' ? unit.insert.charCodeAt(0) : 0;
  return (code & 0xfc00) === from;
}
