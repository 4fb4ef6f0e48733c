// Edits of a text's marks, of a tree and of a graph, chosen from what a tab shows: what each changes, and how it is made.

import type { GraphDocument } from '../../../sdk/src/documents/graph.ts';
import type { Receipt } from '../../../sdk/src/documents/receipt.ts';
import type { TextDocument } from '../../../sdk/src/documents/text.ts';
import type { TreeDocument } from '../../../sdk/src/documents/tree.ts';
import type { Change } from '../changes.ts';
import type { GraphKind, MarkKind, TreeKind } from '../choices.ts';
import { roll } from '../random.ts';
import { tokensOf } from '../rules.ts';
import { labelKey, labelOf, nodesOf, tagKey } from '../trees.ts';

export interface Plan {
  readonly changes: readonly Change[];
  run(): Receipt;
}

/** Bold grows at its end, a link doesn't. */
const markKeys = ['bold', 'link'];

type Data = { [labelKey]?: string; [tagKey]?: string };
export type Tree = TreeDocument<Data>;
export type Graph = GraphDocument<Data>;

/** @param token one that was never used */
export function planMark(text: TextDocument, kind: MarkKind, thrown: number, token: string): Plan | undefined {
  const words = text.toDelta().flatMap(({ insert, attributes = {} }) => {
    const tokens = typeof insert === 'string' ? tokensOf(insert) : undefined;
    return (tokens ?? []).map((word) => ({ word, attributes: attributes as Readonly<Record<string, unknown>> }));
  });
  const marked = words.flatMap(({ attributes }, first) => Object.keys(attributes).map((key) => ({ key, first })));
  const place =
    kind === 'unmark'
      ? marked[roll(thrown, marked.length)]
      : { key: markKeys[roll(thrown, markKeys.length)] as string, first: roll(thrown, words.length, 1) };
  if (place === undefined || words.length === 0) return undefined;
  const { key, first } = place;
  const over = words.slice(first, first + 1 + roll(thrown, 5, 2));
  const tokens = over.map(({ word }) => word);
  const start = lengthOf(words.slice(0, first));
  const end = start + lengthOf(over);
  if (kind === 'unmark') {
    return {
      changes: [{ type: 'mark', key, token: undefined, over: tokens }],
      run: () => text.unmark(start, end, key),
    };
  }
  return { changes: [{ type: 'mark', key, token, over: tokens }], run: () => text.mark(start, end, key, token) };
}

const lengthOf = (words: readonly { readonly word: string }[]): number => words.map(({ word }) => word).join('').length;

/** @param token one that was never used */
export function planTree(tree: Tree, kind: TreeKind, thrown: number, token: string): Plan | undefined {
  const shown = [...nodesOf(tree.value)].flatMap(({ node, above }) => {
    const label = labelOf(node);
    return label === undefined ? [] : [{ node, label, above }];
  });
  const labels = new Map(shown.map(({ node, label }) => [node.id, label]));
  const between = (siblings: readonly string[], index: number) => neighbours(siblings, index, labels);
  const place = shown[roll(thrown, shown.length)];
  const isAtTop = roll(thrown, 3, 1) === 0 || place === undefined;
  const under = isAtTop ? {} : { under: place.label };
  const parent = isAtTop ? null : place.node.id;
  if (kind === 'plant') {
    const siblings = tree.children(parent);
    const index = roll(thrown, siblings.length + 1, 2);
    return {
      changes: [{ type: 'plant', node: token, ...under, ...between(siblings, index) }],
      run: () => tree.create(parent, index, { [labelKey]: token }).receipt,
    };
  }
  const one = shown[roll(thrown, shown.length, 3)];
  if (one === undefined) return undefined;
  const { node, label } = one;
  if (kind === 'fell') return { changes: [{ type: 'fell', node: label }], run: () => tree.delete(node.id) };
  if (kind === 'tag') {
    return {
      changes: [{ type: 'tag', item: label, token }],
      run: () => tree.update(node.id, { [tagKey]: token }),
    };
  }
  if (kind === 'shift') {
    const { above } = one;
    const all = tree.children(above?.id ?? null);
    const others = all.filter((id) => id !== node.id);
    const isKnown = above === undefined || labels.has(above.id);
    if (others.length === 0 || !isKnown) return undefined;
    // Anywhere but where it stands.
    const index = (all.indexOf(node.id) + 1 + roll(thrown, others.length, 2)) % all.length;
    const where = above === undefined ? {} : { under: labels.get(above.id) as string };
    return {
      changes: [{ type: 'hang', node: label, ...where, ...between(others, index) }],
      run: () => tree.move(node.id, above?.id ?? null, index),
    };
  }
  const within = new Set(Array.from(nodesOf([node]), (below) => below.node.id));
  const siblings = tree.children(parent).filter((id) => id !== node.id);
  // Where it stands already there is nothing to be written.
  if (parent === (one.above?.id ?? null) || (parent !== null && within.has(parent))) return undefined;
  const index = roll(thrown, siblings.length + 1, 2);
  return {
    changes: [{ type: 'hang', node: label, ...under, ...between(siblings, index) }],
    run: () => tree.move(node.id, parent, index),
  };
}

/** The nodes beside the place at `index`; one whose data isn't there is no neighbour. */
function neighbours(
  siblings: readonly string[],
  index: number,
  labels: ReadonlyMap<string, string>,
): { readonly left?: string; readonly right?: string } {
  const [left, right] = [siblings[index - 1], siblings[index]].map((id) => labels.get(id ?? ''));
  return { ...(left === undefined ? {} : { left }), ...(right === undefined ? {} : { right }) };
}

/** @param token one that was never used */
export function planGraph(graph: Graph, kind: GraphKind, thrown: number, token: string): Plan | undefined {
  const named = (items: readonly { readonly id: string; readonly data: Readonly<Record<string, unknown>> }[]) =>
    items.flatMap((item) => {
      const label = labelOf(item);
      return label === undefined ? [] : [{ id: item.id, label }];
    });
  const nodes = named(graph.value.nodes);
  const data = { [labelKey]: token };
  if (kind === 'vertex') {
    return { changes: [{ type: 'join', item: token }], run: () => graph.addNode(data).receipt };
  }
  if (kind === 'edge') {
    const [from, to] = [nodes[roll(thrown, nodes.length)], nodes[roll(thrown, nodes.length, 1)]];
    if (from === undefined || to === undefined) return undefined;
    return {
      changes: [{ type: 'join', item: token, ends: [from.label, to.label] }],
      run: () => graph.addEdge(from.id, to.id, data).receipt,
    };
  }
  const items = [...nodes, ...named(graph.value.edges)];
  const item = items[roll(thrown, items.length, 2)];
  if (item === undefined) return undefined;
  if (kind === 'cut') return { changes: [{ type: 'cut', item: item.label }], run: () => graph.delete(item.id) };
  return {
    changes: [{ type: 'tag', item: item.label, token }],
    run: () => graph.update(item.id, { [tagKey]: token }),
  };
}
