import { beforeAll, describe, expect, test } from 'vitest';
import type { Change } from '../core/change.ts';
import { init, Replica } from '../core/index.ts';
import { seededRandom } from '../testing/random.ts';
import { applyChanges } from './apply-changes.ts';

beforeAll(() => init());

/** How many times as much as usual is to be done. */
const rounds = Number(process.env.JOINERY_ROUNDS ?? 1);

function replicaOf(agent: bigint): Replica {
  const replica = new Replica({ agent, now: () => 1_700_000_000_000 });
  replica.map('map').set('a', 1);
  replica.list('list').insert(0, 'x');
  replica.text('text').insert(0, 'abc');
  replica.counter('counter').increment(1);
  replica.set('set').add('x');
  replica.tree('tree').create(null);
  replica.graph('graph').addNode();
  // What looks like a handle, and is a value that somebody has put there.
  replica.root.set('like a map', { resolve: 1, kind: 'map' });
  replica.root.set('like a text', { resolve: 1, kind: 'text', length: 9 });
  replica.takeUpdate();
  return replica;
}

describe('changes that are made again', () => {
  test('pass over a value that looks like a container', () => {
    const replica = replicaOf(1n);
    const before = replica.toJSON();
    const changes: Change[] = [
      { container: 'map', kind: 'set', path: ['like a map', 'a'], value: 1 },
      { container: 'text', kind: 'insert', path: ['like a text', 0], value: 'x' },
      { container: 'map', kind: 'set', path: ['like a map', 'b', 'c'], value: 1 },
    ];
    // Where none is found, the last one is made in the place of what was there, as a write to the key would.
    expect(applyChanges(replica, changes.filter(({ container }) => container === 'map').slice(1))).toBe(0);
    expect(replica.toJSON()).toEqual(before);
    expect(applyChanges(replica, changes)).toBe(3);
    expect(replica.toJSON()).toMatchObject({ 'like a map': { a: 1, b: { c: 1 } }, 'like a text': 'x' });
  });

  test('move an element that is there, as far as the list goes', () => {
    const replica = replicaOf(1n);
    for (const value of ['y', 'z']) replica.list('list').push(value);
    const move = (from: number, to: number): Change => ({
      container: 'list',
      kind: 'move',
      path: ['list', from],
      value: to,
    });
    expect(applyChanges(replica, [move(0, 2), move(1, 9), move(7, 0), move(-1, 0), move(0, -1)])).toBe(2);
    expect(replica.list('list').toJSON()).toEqual(['y', 'x', 'z']);
  });

  test('mark again what a rejected envelope had marked, with embedded objects', () => {
    const replica = replicaOf(1n);
    const before = replica.encodeSnapshot();
    const text = replica.text('text');
    text.mark(0, 2, 'bold', true);
    text.mark(1, 3, 'link', 'u');
    text.applyDelta([
      { retain: 1, attributes: { bold: null } },
      { insert: { image: 'x' }, attributes: { link: 'v' } },
      { insert: 'plain' },
    ]);
    const again = Replica.load(before);
    for (let update = replica.takeUpdate(); update !== undefined; update = replica.takeUpdate()) {
      const changes = again.describe(update);
      expect(changes.map(({ kind }) => kind)).toContain('mark');
      expect(applyChanges(again, changes)).toBe(changes.length);
    }
    expect(again.text('text').toDelta()).toEqual(text.toDelta());
    // What grew goes on growing, and a link doesn't.
    for (const { length } of [text, again.text('text')]) expect(length).toBe(9);
    text.insert(9, '!');
    again.text('text').insert(9, '!');
    expect(again.text('text').toDelta()).toEqual(text.toDelta());
    // Shorter by now, the text is marked as far as it goes; behind its end nothing is.
    const told = { grows: true, key: 'em', length: 5, value: true };
    expect(applyChanges(again, [{ container: 'text', kind: 'mark', path: ['text', 8], value: told }])).toBe(1);
    expect(applyChanges(again, [{ container: 'text', kind: 'mark', path: ['text', 10], value: told }])).toBe(0);
    expect(again.text('text').toDelta().at(-1)).toMatchObject({ attributes: { em: true } });
  });

  test('name nodes and edges by the ids that these got when they were made again', () => {
    const author = replicaOf(1n);
    const tree = author.tree('tree');
    const known = tree.children()[0] as string;
    const outer = tree.create(known);
    tree.data(tree.create(outer)).set('title', 'inner');
    const gone = tree.create(null);
    tree.delete(gone);
    const graph = author.graph('graph');
    const node = graph.addNode();
    graph.data(graph.addEdge(graph.nodes[0] as string, node)).set('weight', 1);
    const changes = author.describe(author.takeUpdate() as Uint8Array);
    // The node that was there is another one here, so what is below it is left out.
    const other = replicaOf(2n);
    expect(applyChanges(other, changes)).toBe(3);
    expect(other.graph('graph').nodes).toHaveLength(2);
    const same = replicaOf(1n);
    expect(applyChanges(Replica.load(same.encodeSnapshot()), changes)).toBe(changes.length);
    const again = Replica.load(same.encodeSnapshot());
    applyChanges(again, changes);
    const shown = JSON.stringify(again.toJSON()).replaceAll(/"[0-9a-f]+:[0-9]+"/gu, 'id');
    expect(shown).toBe(JSON.stringify(author.toJSON()).replaceAll(/"[0-9a-f]+:[0-9]+"/gu, 'id'));
  });

  test('are made or left out, whatever they say: 10,000 of them', { timeout: 60_000 * rounds }, () => {
    const random = seededRandom(1);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const parts = [
      'map',
      'list',
      'text',
      'counter',
      'set',
      'tree',
      'graph',
      '1:9',
      'like a map',
      'like a text',
      'new',
      '__proto__',
      '',
      'k'.repeat(2_000),
    ];
    const numbers = [0, 1, -1, 1.5, Number.NaN, 2 ** 31, 2 ** 53, Number.NEGATIVE_INFINITY];
    const values = [
      undefined,
      null,
      'x',
      [],
      ['x'],
      [[['x']]],
      { resolve: 1 },
      { grows: true, key: 'bold', length: 2, value: true },
      { grows: 1, key: '\ufffc', length: 1, value: { image: 'x' } },
      { key: 'k', length: Number.NaN, value: 1 },
      'map',
      'text',
      '\ud800',
      new Uint8Array(2),
      ...numbers,
    ];
    const containers = ['map', 'list', 'text', 'counter', 'set', 'tree', 'graph', 'constructor'];
    const kinds = ['set', 'create', 'delete', 'insert', 'remove', 'increment', 'add', 'mark', 'move'];
    let replica = replicaOf(1n);
    let made = 0;
    for (let count = 0; count < 10_000 * rounds; count += 1) {
      if (count % 100 === 0) {
        replica.free();
        replica = replicaOf(BigInt(count + 2));
      }
      const path = Array.from({ length: Math.floor(random() * 4) }, () =>
        random() < 0.7 ? pick(parts) : pick(numbers),
      );
      const change = { container: pick(containers), kind: pick(kinds), path, value: pick(values) };
      const { revision } = replica;
      const done = applyChanges(replica, [change as unknown as Change]);
      made += done;
      if (done === 0 && replica.revision !== revision) {
        throw new Error(`changed by what was left out: ${JSON.stringify(change)}`);
      }
      JSON.stringify(replica.toJSON());
    }
    expect(made).toBeGreaterThan(100);
    replica.free();
  });
});
