// Patches through the boundary, done to plain data; how they are made is tested in Rust.

import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../testing/random.ts';
import { applyPatches, diffStates, init, MapHandle, type Patch, Replica } from './index.ts';

beforeAll(() => init());

/** A number below another one. */
type Random = (below: number) => number;

/** One edit of any kind, also inside of what is nested. */
function edit(replica: Replica, random: Random): void {
  const list = replica.list('list');
  const text = replica.text('text');
  const graph = replica.graph('graph');
  const index = random(list.length + 1);
  const element = index < list.length ? list.get(index) : undefined;
  const edits: (() => unknown)[] = [
    () => replica.root.set(pick(['a', '__proto__', 'é'], random), random(3)),
    () => replica.root.delete(pick(['a', 'map', 'text', 'é'], random)),
    () => replica.map('map').map('inner').set('k', random(4)),
    () => list.insert(index, { n: random(9) }),
    () => list.insertContainer(index, 'map').set('k', random(9)),
    () => element !== undefined && list.delete(index),
    () => element !== undefined && list.move(index, random(list.length)),
    () => element instanceof MapHandle && element.text('t').insert(0, 'x'),
    () => element !== undefined && list.set(index, random(9)),
    () => text.insert(text.length, pick(['hi', '😀', 'a😀b'], random)),
    () => text.length > 0 && text.delete(random(text.length), 1),
    () => text.length > 0 && text.mark(0, 1 + random(text.length), 'bold', pick([true, null], random)),
    () => text.applyDelta([{ insert: { image: 'x' } }]),
    () => replica.set('set').add(pick([1, 'b', [2], null, 0.5, 'a', -1], random)),
    () => replica.set('set').delete(pick([1, 'b', [2], null, 0.5, 'a', -1], random)),
    () => replica.counter('counter').increment(random(9) - 4),
    () => editTree(replica, random),
    () => editTree(replica, random),
    () => graph.addNode(),
    () => {
      const id = graph.nodes[random(Math.max(1, graph.nodes.length))];
      if (id === undefined) return;
      graph.data(id).set('n', random(3));
      if (random(4) === 0) graph.delete(id);
      else graph.addEdge(id, graph.nodes[0] ?? id);
    },
  ];
  pick(edits, random)();
}

function editTree(replica: Replica, random: Random): void {
  const tree = replica.tree('tree');
  const nodes: string[] = [];
  const open: (string | null)[] = [null];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const children = tree.children(at);
    nodes.push(...children);
    open.push(...children);
  }
  const node = nodes[random(Math.max(1, nodes.length))];
  if (node === undefined || random(3) === 0) tree.create(node ?? null);
  else if (random(4) === 0) tree.delete(node);
  else {
    tree.data(node).set('title', random(5));
    try {
      tree.move(node, nodes[random(nodes.length + 1)] ?? null);
    } catch {
      // Into itself.
    }
  }
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[random(from.length)] as T;
}

describe('patches', () => {
  it('lead from the plain value before to the one after, and share what has not changed', { timeout: 30_000 }, () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const next = seededRandom(seed);
      const random: Random = (below) => Math.floor(next() * below);
      const replicas = [new Replica(), new Replica()] as const;
      const mirrors = replicas.map((replica): unknown => {
        replica.recordPatches(true);
        return replica.toJSON();
      });
      for (let step = 0; step < 60; step += 1) {
        const at = random(2);
        const [replica, other] = [replicas[at] as Replica, replicas[1 - at] as Replica];
        if (random(5) === 0) replica.applyUpdate(other.exportUpdate(replica.version()));
        else edit(replica, random);
        const before = mirrors[at];
        const copy = structuredClone(before);
        for (const { patches } of replica.takePatches()) mirrors[at] = applyPatches(mirrors[at], patches);
        expect(mirrors[at]).toEqual(replica.toJSON());
        expect(before).toEqual(copy);
      }
      const [first, second] = replicas;
      const diff = diffStates(first.encodeSnapshot(), second.encodeSnapshot());
      expect(applyPatches(first.toJSON(), diff)).toEqual(second.toJSON());
      // Across an epoch too.
      const trimmed = Replica.load(second.trim(7n));
      const across = diffStates(first.encodeSnapshot(), trimmed.encodeSnapshot());
      expect(applyPatches(first.toJSON(), across)).toEqual(trimmed.toJSON());
      for (const one of [first, second, trimmed]) one.free();
    }
  });

  it('tell between states of a key that came with null, and bytes from what looks like them', () => {
    const [before, after] = [new Replica(), new Replica()];
    after.root.set('new', null);
    after.map('map').set('new', null);
    before.root.set('bytes', ['bytes 1', null, 0]);
    before.root.set('text', 'bytes 1');
    before.map('map').set('other', null);
    for (const key of ['bytes', 'text']) after.root.set(key, Uint8Array.of(1));
    const diff = diffStates(before.encodeSnapshot(), after.encodeSnapshot());
    expect(applyPatches(before.toJSON(), diff)).toEqual(after.toJSON());
    for (const replica of [before, after]) replica.free();
  });

  it('are told apart by who wrote, and not at all to who has not asked', () => {
    const [mine, theirs] = [new Replica(), new Replica()];
    mine.text('body').insert(0, 'Hello');
    expect(mine.takePatches()).toEqual([]);
    theirs.applyUpdate(mine.exportUpdate());
    mine.recordPatches(true);
    mine.text('body').insert(5, '!');
    // Bold grows over what was typed at its end.
    theirs.text('body').mark(0, 5, 'bold', true);
    theirs.map('settings').set('theme', 'dark');
    mine.applyUpdate(theirs.exportUpdate(mine.version()));
    const value = { theme: 'dark' };
    expect(mine.takePatches()).toEqual([
      {
        origin: 'local',
        patches: [{ container: 'text', kind: 'edit', path: ['body'], delta: [{ retain: 5 }, { insert: '!' }] }],
      },
      {
        origin: 'remote',
        patches: [
          { container: 'map', kind: 'set', path: ['settings'], type: 'map', value },
          { container: 'text', kind: 'edit', path: ['body'], delta: [{ retain: 6, attributes: { bold: true } }] },
        ],
      },
    ]);
    // A refused update has changed nothing.
    expect(() => mine.applyUpdate(Uint8Array.of(0x10, 1, 2))).toThrow();
    expect(mine.takePatches()).toEqual([]);
    mine.recordPatches(false);
    mine.text('body').insert(0, 'x');
    expect(mine.takePatches()).toEqual([]);
    mine.recordPatches(true);
    for (const replica of [mine, theirs]) replica.free();
    const freed = expect.objectContaining({ code: 'freed' });
    for (const replica of [mine, theirs]) {
      expect(() => replica.takePatches()).toThrow(freed);
      expect(() => replica.recordPatches(replica === mine)).toThrow(freed);
    }
  });

  it('of thousands of nodes are done each at its place', { timeout: 30_000 }, () => {
    const [mine, theirs] = [new Replica({ agent: 0x20n }), new Replica({ agent: 0x9n })];
    mine.graph('graph').addNode();
    theirs.applyUpdate(mine.exportUpdate());
    for (const { graph } of [mine, theirs].map((replica) => ({ graph: replica.graph('graph') }))) {
      for (let count = 0; count < 10_000; count += 1) graph.addNode();
    }
    const before = mine.toJSON();
    mine.recordPatches(true);
    mine.applyUpdate(theirs.exportUpdate(mine.version()));
    const patches = mine.takePatches().flatMap((set) => set.patches);
    expect(patches).toHaveLength(10_000);
    expect(applyPatches(before, patches)).toEqual(mine.toJSON());
    for (const replica of [mine, theirs]) replica.free();
  });

  it('keep what they are not about, and refuse a value that they do not follow on', () => {
    const value = { list: [{ n: 1 }, { n: 2 }], other: { deep: [1] } };
    const set: Patch = { container: 'map', kind: 'set', path: ['list', 1, 'n'], value: 3 };
    const next = applyPatches(value, [set]);
    expect(next).toEqual({ list: [{ n: 1 }, { n: 3 }], other: { deep: [1] } });
    expect(next.other).toBe(value.other);
    expect(next.list[0]).toBe(value.list[0]);
    expect(value.list[1]).toEqual({ n: 2 });
    const misfits: Patch[] = [
      { container: 'map', kind: 'set', path: ['list', 7, 'n'], value: 3 },
      { container: 'list', kind: 'remove', path: ['list', 1], count: 2 },
      { container: 'text', kind: 'edit', path: ['list'], delta: [] },
      { container: 'tree', kind: 'delete', path: ['list', '1:1'] },
      { container: 'graph', kind: 'delete', path: ['other', '1:1'] },
    ];
    for (const patch of misfits) expect(() => applyPatches(value, [patch])).toThrow();
  });
});
