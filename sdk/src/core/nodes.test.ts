import { beforeAll, describe, expect, it } from 'vitest';
import { init, JoineryError, Replica } from './index.ts';

beforeAll(() => init());

const code = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof JoineryError) return error.code;
    throw error;
  }
  return 'nothing thrown';
};

/** Two replicas that have the same. */
function two(write: (replica: Replica) => void): [Replica, Replica] {
  const one = new Replica({ agent: 1n, now: () => 1000 });
  write(one);
  const other = new Replica({ agent: 2n, now: () => 2000 });
  other.applyUpdate(one.exportUpdate());
  return [one, other];
}

function meet(one: Replica, other: Replica): void {
  one.applyUpdate(other.exportUpdate());
  other.applyUpdate(one.exportUpdate());
  expect(one.toJSON()).toEqual(other.toJSON());
}

describe('a tree', () => {
  it('has nodes in order, each with a map, and reads as nodes within each other', () => {
    const replica = new Replica({ agent: 0xabcn });
    const tree = replica.tree('outline');
    expect([tree.children(), tree.toJSON()]).toEqual([[], []]);
    const one = tree.create(null);
    const two = tree.create(null);
    const first = tree.create(null, 0);
    const inner = tree.create(two);
    tree.data(inner).set('title', 'Inner');
    expect(one).toBe('abc:2');
    expect(tree.children()).toEqual([first, one, two]);
    expect([tree.parent(inner), tree.parent(two)]).toEqual([two, null]);
    expect(tree.move(one, inner)).toBe(true);
    expect(tree.move(one, inner, 0)).toBe(false);
    const node = (id: string, children: unknown[] = [], data = {}) => ({ id, data, children });
    const shown = [node(first), node(two, [node(inner, [node(one)], { title: 'Inner' })])];
    expect(tree.toJSON()).toEqual(shown);
    expect(Replica.load(replica.encodeSnapshot()).toJSON()).toEqual({ outline: shown });
    expect(tree.delete(two)).toBe(true);
    expect(tree.delete(two)).toBe(false);
    expect([tree.children(), tree.parent(one), tree.children(inner)]).toEqual([[first], undefined, []]);
    expect(tree.data(inner).get('title')).toBe('Inner');
    expect(tree.move(one, null)).toBe(true);
    expect(tree.children()).toEqual([first, one]);
    expect(code(() => tree.data(two).get('title'))).toBe('no-such-node');
  });

  it('that two people indent at the same time has each node once', () => {
    const [one, other] = two((replica) => {
      for (const title of ['a', 'b', 'c']) replica.tree('t').data(replica.tree('t').create(null)).set('title', title);
    });
    const [a, b, c] = one.tree('t').children() as [string, string, string];
    one.tree('t').move(b, a);
    other.tree('t').move(c, b);
    meet(one, other);
    expect([a, b, c].map((node) => one.tree('t').parent(node))).toEqual([null, a, b]);
    // Each into the other: one of them stays at the top.
    const [left, right] = two((replica) => {
      replica.tree('t').create(null);
      replica.tree('t').create(null);
    });
    const [x, y] = left.tree('t').children() as [string, string];
    left.tree('t').move(x, y);
    right.tree('t').move(y, x);
    meet(left, right);
    expect([x, y].map((node) => right.tree('t').parent(node))).toEqual([y, null]);
  });

  it('keeps the upper one of two nodes that were moved into each other when the lower one is deleted', () => {
    const [one, other] = two((replica) => {
      for (let i = 0; i < 3; i += 1) replica.tree('t').create(null);
    });
    const tree = one.tree('t');
    const [left, right, beside] = tree.children() as [string, string, string];
    tree.move(left, right);
    other.tree('t').move(right, left);
    meet(one, other);
    const upper = tree.parent(left) === null ? left : right;
    tree.delete(upper === left ? right : left);
    expect(tree.children().sort()).toEqual([upper, beside].sort());
    meet(one, other);
  });

  it('that two people put nodes into at one place has room between them', () => {
    const [one, other] = two((replica) => replica.tree('t').create(null));
    for (const replica of [one, other]) replica.tree('t').create(null, 0);
    meet(one, other);
    const before = one.tree('t').children();
    const between = one.tree('t').create(null, 1);
    expect(one.tree('t').children()).toEqual([before[0], between, ...before.slice(1)]);
  });

  it('refuses what it cannot do, and changes nothing', () => {
    const replica = new Replica({ agent: 1n });
    const empty = replica.tree('t');
    expect(code(() => empty.create('1:1'))).toBe('no-such-node');
    expect(code(() => empty.create(null, 1))).toBe('index-out-of-range');
    expect(replica.toJSON()).toEqual({});
    const node = empty.create(null);
    const inner = empty.create(node);
    const before = replica.encodeSnapshot();
    const refused = [
      [() => empty.move(node, inner), 'move-into-itself'],
      [() => empty.move(node, node), 'move-into-itself'],
      [() => empty.move(inner, node, 1), 'index-out-of-range'],
      [() => empty.create(node, -1), 'index-out-of-range'],
      [() => empty.create('1:99'), 'no-such-node'],
      [() => empty.create(''), 'no-such-node'],
      [() => empty.delete('1:1'), 'no-such-node'],
      [() => empty.data('x'.repeat(1000)), 'no-such-node'],
      [() => empty.parent(7 as unknown as string), 'no-such-node'],
      [() => empty.children('01:2'), 'no-such-node'],
    ] as const;
    expect(refused.map(([act]) => code(act))).toEqual(refused.map(([, expected]) => expected));
    expect(replica.encodeSnapshot()).toEqual(before);
  });
});

describe('a graph', () => {
  it('has nodes, edges and a map for each; a deleted node takes its edges along, those made meanwhile too', () => {
    const [one, other] = two((replica) => {
      const graph = replica.graph('g');
      const [from, to] = [graph.addNode(), graph.addNode()];
      graph.data(graph.addEdge(from, to)).set('weight', 3);
      graph.data(from).set('name', 'start');
    });
    const graph = one.graph('g');
    const [from = '', to = ''] = graph.nodes;
    const [edge] = graph.edges;
    expect(edge).toEqual({ id: '1:4', from, to });
    expect(graph.toJSON()).toEqual({
      nodes: [
        { id: from, data: { name: 'start' } },
        { id: to, data: {} },
      ],
      edges: [{ id: '1:4', from, to, data: { weight: 3 } }],
    });
    expect(graph.delete(from)).toBe(true);
    other.graph('g').addEdge(to, from);
    const loop = other.graph('g').addEdge(to, to);
    meet(one, other);
    expect(graph.nodes).toEqual([to]);
    expect(graph.edges).toEqual([{ id: loop, from: to, to }]);
    expect(graph.delete(loop)).toBe(true);
    expect([graph.delete(loop), graph.edges]).toEqual([false, []]);
    expect(code(() => graph.addEdge(from, to))).toBe('no-such-node');
    expect(code(() => one.graph('none').addEdge(from, to))).toBe('no-such-node');
    expect(one.map('x').toJSON()).toEqual({});
  });
});

describe('what an envelope does to a tree or a graph', () => {
  it('is told by ids', () => {
    const replica = new Replica({ agent: 1n });
    const node = replica.tree('t').create(null);
    replica.tree('t').data(node).set('title', 'x');
    replica.tree('t').move(replica.tree('t').create(null), node);
    replica.tree('t').delete(node);
    const [start, end] = [replica.graph('g').addNode(), replica.graph('g').addNode()];
    const edge = replica.graph('g').addEdge(start, end);
    const changes = new Replica().describe(replica.takeUpdate() as Uint8Array);
    const index = expect.any(String);
    expect(changes.slice(1)).toEqual([
      { container: 'tree', kind: 'create', path: ['t', node], value: { index, parent: null } },
      { container: 'map', kind: 'set', path: ['t', node, 'title'], value: 'x' },
      { container: 'tree', kind: 'create', path: ['t', '1:4'], value: { index, parent: null } },
      { container: 'tree', kind: 'move', path: ['t', '1:4'], value: { index, parent: node } },
      { container: 'tree', kind: 'delete', path: ['t', node] },
      { container: 'map', kind: 'create', path: ['g'], value: 'graph' },
      { container: 'graph', kind: 'create', path: ['g', start], value: null },
      { container: 'graph', kind: 'create', path: ['g', end], value: null },
      { container: 'graph', kind: 'create', path: ['g', edge], value: { from: start, to: end } },
    ]);
  });
});
