// Trees and graphs of a client: handles, receipts, and two people at once. The merge rules have their own tests in core-rs.

import { beforeAll, expect, test } from 'vitest';
import { init } from './core/index.ts';
import { World } from './testing/world.ts';

beforeAll(() => init());

interface Section {
  title: string;
  tags?: string[];
}

test('a tree is written by ids, and read as nodes within each other that are shared as long as they are equal', async () => {
  const world = await World.create();
  const client = world.client();
  const outline = client.tree<Section>('notes', 'outline');
  expect(outline.value).toEqual([]);
  expect(() => outline.create(null)).toThrow(expect.objectContaining({ code: 'document-not-loaded' }));
  expect(() => outline.children()).toThrow(expect.objectContaining({ code: 'document-not-loaded' }));
  await world.time.settled(outline.loaded);
  const one = outline.create(null, undefined, { title: 'One' });
  const two = outline.create(null, undefined, { title: 'Two', tags: ['a'] });
  const inner = outline.create(one.id, 0, { title: 'Inner' });
  const before = outline.value;
  outline.update(two.id, (draft) => {
    draft.tags?.push('b');
  });
  expect(outline.value[0]).toBe(before[0]);
  expect(outline.value[1]?.data).toEqual({ title: 'Two', tags: ['a', 'b'] });
  expect([outline.children(one.id), outline.parent(inner.id), outline.parent(one.id)]).toEqual([
    [inner.id],
    one.id,
    null,
  ]);
  const receipt = outline.move(inner.id, two.id);
  await world.time.settled(receipt.synced);
  const node = (id: string, data: unknown, children: unknown[] = []) => ({ id, data, children });
  const shown = [
    node(one.id, { title: 'One' }),
    node(two.id, { title: 'Two', tags: ['a', 'b'] }, [node(inner.id, { title: 'Inner' })]),
  ];
  expect(outline.value).toEqual(shown);
  expect(Object.isFrozen(outline.value[0])).toBe(true);
  expect(world.server.value('notes')).toEqual({ outline: shown });
  expect(() => outline.move(two.id, inner.id)).toThrow(expect.objectContaining({ code: 'move-into-itself' }));
  expect(() => outline.create(null, 0, { title: Number.NaN as unknown as string })).toThrow(
    expect.objectContaining({ code: 'invalid-value' }),
  );
  expect(outline.value).toEqual(shown);
  await world.time.settled(outline.delete(two.id).synced);
  expect(outline.value).toEqual([shown[0]]);
  // What was assigned to a document as it was shown changes nothing; nor does a draft of it.
  const notes = client.document<{ outline: unknown }>('notes');
  const stored = world.server.value('notes');
  notes.update({ outline: outline.value });
  expect(outline.children()).toEqual([one.id]);
  expect(world.server.value('notes')).toEqual(stored);
  expect(() => client.graph('notes', 'outline').addNode()).toThrow(expect.objectContaining({ code: 'wrong-type' }));
  outline.close();
  expect(() => outline.create(null)).toThrow(expect.objectContaining({ code: 'closed' }));
});

test('two people indent one outline at the same time, and each node is there once', async () => {
  const world = await World.create();
  const [left, right] = [world.client(), world.client()].map((client) => client.tree<Section>('notes'));
  if (left === undefined || right === undefined) throw new Error('two clients');
  await world.time.settled(Promise.all([left.loaded, right.loaded]));
  const ids = ['a', 'b', 'c'].map((title) => left.create(null, undefined, { title }));
  const [a = '', b = '', c = ''] = ids.map(({ id }) => id);
  await world.time.settled(Promise.all(ids.map(({ receipt }) => receipt.synced)));
  await world.time.settled(
    new Promise<void>((resolve) => {
      const look = () => right.value.length === 3 && resolve();
      right.subscribe(look);
      look();
    }),
  );
  const receipts = [left.move(b, a), right.move(c, b), right.move(a, c)];
  await world.time.settled(Promise.all(receipts.map((receipt) => receipt.synced)));
  await world.time.settled(left.update(a, { title: 'A' }).synced);
  const all = JSON.stringify(left.value);
  for (const id of [a, b, c]) expect(all.split(`"id":"${id}"`)).toHaveLength(2);
  expect(world.server.value('notes')).toEqual({ tree: left.value });
});

test('a graph has nodes and edges with data, and an edge ends with its nodes', async () => {
  const world = await World.create();
  const graph = world.client().graph<{ label?: string }>('board');
  await world.time.settled(graph.loaded);
  const from = graph.addNode({ label: 'from' }).id;
  const to = graph.addNode().id;
  const edge = graph.addEdge(from, to, { label: 'leads to' }).id;
  await world.time.settled(graph.update(to, { label: 'to' }).synced);
  const value = {
    nodes: [
      { id: from, data: { label: 'from' } },
      { id: to, data: { label: 'to' } },
    ],
    edges: [{ id: edge, from, to, data: { label: 'leads to' } }],
  };
  expect(graph.value).toEqual(value);
  expect(world.server.value('board')).toEqual({ graph: value });
  await world.time.settled(graph.delete(from).synced);
  expect(graph.value).toEqual({ nodes: [value.nodes[1]], edges: [] });
  expect(() => graph.addEdge(from, to)).toThrow(expect.objectContaining({ code: 'no-such-node' }));
});
