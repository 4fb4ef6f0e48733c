// The vectors of concurrent operations (tests/vectors/deletion.json and marks.json), through the public names of joinery/core and
// the built module. The core's own tests read the same files and hold them against the oracle (deletion.rs); here is shown that
// what an app calls comes to the same, whichever way two replicas meet.

import { beforeAll, describe, expect, it } from 'vitest';
import { meet, type OpenReplica, readVectors } from '../testing/meet-vectors.ts';
import { init, Replica } from './index.ts';

const full: OpenReplica = (options) => new Replica(options);

beforeAll(() => init());

describe.each([
  ['deletion.json', 287],
  ['marks.json', 22],
])('%s', (file, atLeast) => {
  const vectors = readVectors(file);

  it('has all its vectors', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(atLeast);
  });

  it.each(vectors.map((vector) => [vector.name, vector] as const))('%s', (_, vector) =>
    meet(vector, { base: full, left: full, right: full, reader: full }),
  );
});

it('deletes each container against each operation in it', () => {
  const operations = [
    ...['map.set', 'map.delete', 'map.create', 'list.insert', 'list.insertContainer', 'list.set', 'list.setContainer'],
    ...[
      'list.move',
      'list.delete',
      'text.insert',
      'text.delete',
      'text.mark',
      'counter.increment',
      'set.add',
      'set.delete',
    ],
    ...['tree.create', 'tree.move', 'tree.delete', 'graph.addNode', 'graph.addEdge', 'graph.delete'],
  ];
  const deletions = ['map.delete', 'list.delete'];
  const met = new Set<string>();
  for (const { left, right } of [...readVectors('deletion.json'), ...readVectors('marks.json')]) {
    for (const [one, other] of [
      [left, right],
      [right, left],
    ]) {
      const deletion = one?.find(([name]) => deletions.includes(name))?.[0];
      for (const [name] of other ?? []) met.add(`${deletion} ∥ ${name}`);
    }
  }
  const missing = deletions.flatMap((deletion) => operations.map((name) => `${deletion} ∥ ${name}`));
  expect(missing.filter((pair) => !met.has(pair))).toEqual([]);
});
