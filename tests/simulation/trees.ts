// What trees and graphs should show, from the list of all writes: each node and edge once, unless it was deleted or hangs on what
// was; a node of a tree where it was put last; an edge between its nodes. Nodes have other ids after a replay or a trim, so they
// are known by a token in their data.
//
// A node stands between the siblings between which it was put, as far as its author knew where those stand. Left open is, of a node
// that moves may have put into itself, the parent: any that it ever had, or none. That all replicas choose the same is for the checker that compares states of one version.

import type { Moment } from './history.ts';
import type { Content, TreeNode } from './log.ts';
import {
  append,
  type Covered,
  checkRegister,
  type Follows,
  type Misses,
  type Removals,
  type Violation,
  type Write,
} from './rules.ts';

/** The key of a node's or an edge's token, and of what is written there later. */
export const labelKey = 'label';
export const tagKey = 'tag';

/** A node or an edge that is shown. */
interface Shown {
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A node's making, or a move of it; without `under` at the top. */
interface Put {
  readonly one: Covered;
  readonly under: string | undefined;
  readonly left: string | undefined;
  readonly right: string | undefined;
  readonly isMove: boolean;
}

export function labelOf({ data }: Shown): string | undefined {
  const label = data[labelKey];
  return typeof label === 'string' ? label : undefined;
}

/** The nodes of a tree, each with the one above it. */
export function* nodesOf(tree: readonly TreeNode[]): Generator<{ readonly node: TreeNode; readonly above?: TreeNode }> {
  const left: { readonly node: TreeNode; readonly above?: TreeNode }[] = tree.map((node) => ({ node }));
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    yield next;
    const above = next.node;
    for (const node of above.children) left.push({ node, above });
  }
}

export function checkTree(moment: Moment, removed: Removals, tree: Content['tree']): Violation | undefined {
  const { covered, follows, misses } = moment;
  const makers = new Map<string, Covered>();
  const puts = new Map<string, Put[]>();
  for (const one of covered) {
    for (const change of one.operation.changes) {
      if (change.type !== 'plant' && change.type !== 'hang') continue;
      const isMove = change.type === 'hang';
      append(puts, change.node, { one, under: change.under, left: change.left, right: change.right, isMove });
      if (!isMove) makers.set(change.node, one);
    }
  }
  const found = [...nodesOf(tree)];
  const places = placesOf(puts, makers, follows, misses);
  const hidden = hiddenIn(places, makers, removed);
  const shown = found.map(({ node }) => node);
  const wrong = checkItems('the tree', shown, makers, moment, removed, (label) => hidden.has(label));
  if (wrong !== undefined) return wrong;
  for (const { node, above } of found) {
    const label = labelOf(node);
    const parent = above === undefined ? undefined : labelOf(above);
    if (label === undefined || (above !== undefined && parent === undefined)) continue;
    const allowed = places.get(label);
    if (allowed === undefined || allowed.has(parent)) continue;
    const named = Array.from(allowed, (place) => place ?? 'the top').join(', ');
    const message = `the tree has ${label} below ${parent ?? 'the top'}, expected ${named}`;
    return { property: 'effectExactlyOnce', message };
  }
  return checkOrder(tree, found, puts, follows);
}

/** Each is between the siblings between which it was put last, where nobody has moved those since. */
function checkOrder(
  tree: Content['tree'],
  found: readonly { readonly node: TreeNode }[],
  puts: ReadonlyMap<string, readonly Put[]>,
  follows: Follows,
): Violation | undefined {
  // Where something was put that was made anew, its new author's neighbours are.
  const isSure = ({ one }: Put): boolean => one.isOriginal && !one.isPart;
  const lists = [tree, ...found.map(({ node }) => node.children)];
  for (const list of lists) {
    const indices = new Map(list.map((node, index) => [labelOf(node), index]));
    for (const [label = '', index] of indices) {
      const own = puts.get(label) ?? [];
      const last = lastOf(own, follows);
      const [put] = last;
      if (put === undefined || last.length > 1 || !own.every(isSure) || isWithinItself(label, puts)) continue;
      const indexOf = (neighbour: string | undefined): number | undefined => {
        if (neighbour === undefined || isWithinItself(neighbour, puts)) return undefined;
        const isKnown = (other: Put): boolean => isSure(other) && follows(put.one.operation, other.one.operation);
        return puts.get(neighbour)?.every(isKnown) === true ? indices.get(neighbour) : undefined;
      };
      const [before, after] = [indexOf(put.left), indexOf(put.right)];
      if ((before === undefined || before < index) && (after === undefined || after > index)) continue;
      const message = `the tree has ${label} outside of ${put.left} and ${put.right}`;
      return { property: 'effectExactlyOnce', message };
    }
  }
  return undefined;
}

export function checkGraph(
  moment: Moment,
  removed: Removals,
  { nodes, edges }: Content['graph'],
): Violation | undefined {
  const [vertices, lines] = [new Map<string, Covered>(), new Map<string, Covered>()];
  const endsOf = new Map<string, readonly string[]>();
  for (const one of moment.covered) {
    for (const change of one.operation.changes) {
      if (change.type !== 'join') continue;
      (change.ends === undefined ? vertices : lines).set(change.item, one);
      if (change.ends !== undefined) endsOf.set(change.item, change.ends);
    }
  }
  const labels = new Map(nodes.map((node) => [node.id, labelOf(node)] as const));
  const present = new Set(labels.values());
  const isGone = (label: string): boolean => {
    const isSure = (end: string): boolean =>
      present.has(end) && !removed.possible.has(end) && isSingle(vertices.get(end));
    return endsOf.get(label)?.every(isSure) === false;
  };
  const wrong =
    checkItems('the graph', nodes, vertices, moment, removed, () => false) ??
    checkItems('the graph', edges, lines, moment, removed, isGone);
  if (wrong !== undefined) return wrong;
  for (const edge of edges) {
    const expected = endsOf.get(labelOf(edge) ?? '');
    for (const [index, end] of [edge.from, edge.to].entries()) {
      if (!labels.has(end)) {
        const message = `the graph shows ${labelOf(edge)} without the node ${end}`;
        return { property: 'deletedStaysDeleted', message };
      }
      const label = labels.get(end);
      if (label === undefined || expected === undefined || label === expected[index]) continue;
      const message = `the edge ${labelOf(edge)} of the graph ends at ${label}, expected ${expected[index]}`;
      return { property: 'effectExactlyOnce', message };
    }
  }
  return undefined;
}

const isSingle = (one: Covered | undefined): boolean => one === undefined || one.copies === 1;

/** Each is there once unless it was deleted or is hidden, no other is, and its data is what was written there. */
function checkItems(
  what: string,
  shown: readonly Shown[],
  makers: ReadonlyMap<string, Covered>,
  { covered, follows, misses }: Moment,
  removed: Removals,
  mayBeHidden: (label: string) => boolean,
): Violation | undefined {
  const ids = new Set<string>();
  const times = new Map<string, number>();
  const tags = tagsOf(covered, makers, misses);
  for (const item of shown) {
    if (ids.has(item.id)) return { property: 'effectExactlyOnce', message: `${what} shows the id ${item.id} twice` };
    ids.add(item.id);
    const label = labelOf(item);
    if (label === undefined) {
      // Of what did not come through as a whole there may be the node without its data.
      if (covered.some(({ isPart }) => isPart)) continue;
      return { property: 'effectExactlyOnce', message: `${what} shows ${item.id} without its data` };
    }
    const maker = makers.get(label);
    if (maker === undefined) {
      return { property: 'causeBeforeEffect', message: `${what} shows ${label}, whose write isn't there` };
    }
    const count = (times.get(label) ?? 0) + 1;
    times.set(label, count);
    if (count > maker.copies) {
      return { property: 'effectExactlyOnce', message: `${what} shows ${label} ${count} times` };
    }
    if (maker.copies > 1) continue;
    if (removed.sure.has(label)) {
      return { property: 'deletedStaysDeleted', message: `${what} shows ${label}, which was deleted` };
    }
    const wrong = checkRegister(`the tag of ${label}`, item.data[tagKey], tags.get(label) ?? [], follows);
    if (wrong !== undefined) return wrong;
  }
  for (const [label, { isPart }] of makers) {
    if (times.has(label) || isPart || removed.possible.has(label) || mayBeHidden(label)) continue;
    return { property: 'effectExactlyOnce', message: `${what} lacks ${label}` };
  }
  return undefined;
}

function tagsOf(
  covered: readonly Covered[],
  makers: ReadonlyMap<string, Covered>,
  misses: Misses,
): ReadonlyMap<string, readonly Write[]> {
  const tags = new Map<string, Write[]>();
  for (const one of covered) {
    const { operation, restoredBy, copies } = one;
    for (const change of operation.changes) {
      if (change.type !== 'tag') continue;
      const isPart = one.isPart || misses(one, makers.get(change.item));
      append(tags, change.item, { operation, token: change.token, isPart, restoredBy, isCopied: copies > 1 });
    }
  }
  return tags;
}

/** Where each node may stand: below one of these, undefined being the top. */
function placesOf(
  puts: ReadonlyMap<string, readonly Put[]>,
  makers: ReadonlyMap<string, Covered>,
  follows: Follows,
  misses: Misses,
): ReadonlyMap<string, ReadonlySet<string | undefined>> {
  const places = new Map<string, ReadonlySet<string | undefined>>();
  for (const [label, own] of puts) {
    // What is brought back after a restored backup meets what its author had never seen, or not what it had.
    const isSure = ({ one }: Put): boolean =>
      !one.isPart && one.copies === 1 && one.restoredBy === undefined && !misses(one, makers.get(label));
    if (!own.every(isSure) || isWithinItself(label, puts)) {
      places.set(label, new Set([undefined, ...own.map(({ under }) => under)]));
      continue;
    }
    places.set(label, new Set(lastOf(own, follows).map(({ under }) => under)));
  }
  return places;
}

/** Those that no other was made on. */
function lastOf(own: readonly Put[], follows: Follows): Put[] {
  const isOver = (other: Put, put: Put): boolean =>
    other !== put && other.isMove && (!put.isMove || follows(other.one.operation, put.one.operation));
  return own.filter((put) => !own.some((other) => isOver(other, put)));
}

/** Whether moves, were all of them made, could have put a node below itself. */
function isWithinItself(label: string, puts: ReadonlyMap<string, readonly Put[]>): boolean {
  const seen = new Set<string>();
  const left = [label];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    for (const { under } of puts.get(next) ?? []) {
      if (under === label) return true;
      if (under === undefined || seen.has(under)) continue;
      seen.add(under);
      left.push(under);
    }
  }
  return false;
}

/** Nodes that may hang below one that was deleted, or that isn't there. */
function hiddenIn(
  places: ReadonlyMap<string, ReadonlySet<string | undefined>>,
  makers: ReadonlyMap<string, Covered>,
  removed: Removals,
): ReadonlySet<string> {
  const hidden = new Set<string>();
  const isNoPlace = (place: string | undefined): boolean =>
    place !== undefined && (hidden.has(place) || removed.possible.has(place) || (makers.get(place)?.isPart ?? true));
  for (let before = -1; before < hidden.size; ) {
    before = hidden.size;
    for (const [label, allowed] of places) if ([...allowed].some(isNoPlace)) hidden.add(label);
  }
  return hidden;
}
