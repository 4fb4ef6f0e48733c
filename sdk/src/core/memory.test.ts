// A million operations over all types, then `free`, and the same again: linear memory, which never shrinks, is as large after
// the third time as after the first. So whatever a document has had is given back to whoever comes next. (That natively every byte
// is given back is shown in core-rs/crates/types/tests/allocations.rs.)

import { beforeAll, expect, it } from 'vitest';
import { init, Replica } from './index.ts';
import { coreMemory } from './load.ts';

beforeAll(() => init());

const operations = 1_000_000;
const sentence = 'Of what was typed here, most is deleted later, and its place stays.';

/** A document's whole life. How many operations were written. */
function live(): number {
  let now = 1_700_000_000_000;
  const options = { now: () => now, trustStamps: true };
  const author = new Replica({ ...options, agent: 1n, random: (bytes) => bytes.fill(7) });
  let reader = new Replica(options);
  const [text, list, map] = [author.text('text'), author.list('list'), author.map('map')];
  const [counter, set, tree, graph] = [
    author.counter('counter'),
    author.set('set'),
    author.tree('tree'),
    author.graph('graph'),
  ];
  let [node, vertex] = [tree.create(null), graph.addNode()];
  list.push(0);
  for (let round = 0; author.seq < operations; round += 1) {
    now += 1;
    // A character is an operation. Most of them are typed, in words and one by one.
    for (let words = 0; words < 4; words += 1) text.insert((round * 7919) % (text.length + 1), sentence);
    for (let typed = 0; typed < 10; typed += 1) text.insert(text.length >> 1, 'x');
    if (text.length > 4_000) text.delete(500, 3_000);
    text.mark(0, 1 + (round % 30), 'color', round % 5);
    list.insert(round % list.length, round);
    list.set(0, round);
    list.move(list.length - 1, 0);
    if (round % 50 === 0) list.insertContainer(0, 'text').insert(0, 'in a list');
    if (list.length > 300) list.delete(100, 150);
    for (let key = 0; key < 10; key += 1) map.set(`key ${(round + key) % 200}`, 'a value that overwrites another one');
    author.root.create('fresh', 'list').push(round);
    counter.increment(round % 9);
    set.add(round % 500);
    set.delete((round * 7) % 500);
    const next = tree.create(round % 3 === 0 ? null : node, 0);
    tree.move(next, null, 0);
    tree.data(next).set('title', 'a node');
    if (round % 2 === 1) tree.delete(node);
    node = next;
    const another = graph.addNode();
    graph.data(graph.addEdge(vertex, another)).set('weight', round);
    if (round % 3 > 0) graph.delete(vertex);
    vertex = another;
    if (round % 1_000 === 500) {
      const updates = [];
      for (let update = author.takeUpdate(); update !== undefined; update = author.takeUpdate()) updates.push(update);
      reader.applyUpdates(updates);
    }
    if (round % 1_000 === 999) {
      const again = Replica.load(reader.encodeSnapshot(), options);
      reader.free();
      reader = again;
    }
  }
  const written = author.seq;
  reader.applyUpdate(author.exportUpdate(reader.version()));
  expect(reader.toJSON()).toEqual(author.toJSON());
  reader.free();
  author.free();
  return written;
}

it('takes no more memory for the same again, after a million operations', { timeout: 120_000 }, () => {
  const bytes = () => coreMemory().buffer.byteLength;
  const before = bytes();
  expect(live()).toBeGreaterThanOrEqual(operations);
  const after = bytes();
  // It did take some, or nothing would be shown.
  expect(after).toBeGreaterThan(before);
  live();
  const again = bytes();
  live();
  expect(bytes()).toBe(again);
  expect(again).toBe(after);
});
