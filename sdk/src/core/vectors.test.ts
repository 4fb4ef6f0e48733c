// The vectors of concurrent operations (tests/vectors/deletion.json and marks.json), through the public names of joinery/core and
// the built module. The core's own tests read the same files and hold them against the oracle (deletion.rs); here is shown that
// what an app calls comes to the same, whichever way two replicas meet.

import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Handle, init, type Kind, ListHandle, MapHandle, type Plain, Replica } from './index.ts';

/** [name, path, arguments…]: see `about` in the files. */
type Operation = readonly [string, readonly (string | number)[], ...Plain[]];

interface Vector {
  readonly name: string;
  readonly base: readonly Operation[];
  readonly left: readonly Operation[];
  readonly right: readonly Operation[];
  readonly reads: Plain;
  readonly deltas?: Plain;
}

beforeAll(() => init());

function readVectors(file: string): readonly Vector[] {
  const path = new URL(`../../../tests/vectors/${file}`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')).vectors;
}

function open(agent: bigint, at_ms: number): Replica {
  // No jitter, as the files say.
  return new Replica({ agent, now: () => at_ms, trustStamps: true, random: (bytes) => bytes.fill(0) });
}

function child(map: MapHandle, key: string, kind: Kind): Handle {
  return kind === 'set' ? map.setOf(key) : map[kind](key);
}

function existing(found: Plain | Handle | undefined): Handle {
  if (found instanceof Object && 'kind' in found && typeof found.kind === 'string') return found as Handle;
  throw new Error(`expected a container, found ${JSON.stringify(found)}`);
}

/** The container at a path; a missing one at a key is created by the first write. */
function find(replica: Replica, path: Operation[1], last: Kind): Handle {
  let at: Handle = replica.root;
  for (const [depth, step] of path.entries()) {
    const next = path[depth + 1];
    if (at.kind === 'tree' || at.kind === 'graph') at = at.data(String(step));
    else if (at instanceof ListHandle) at = existing(at.get(Number(step)));
    else if (!(at instanceof MapHandle)) throw new Error(`nothing is below a ${at.kind}`);
    // A node's id leads on from a tree or a graph that is there.
    else if (typeof next === 'string' && next.includes(':')) at = existing(at.get(String(step)));
    else at = child(at, String(step), next === undefined ? last : typeof next === 'number' ? 'list' : 'map');
  }
  if (at.kind !== last) throw new Error(`expected a ${last} at ${path.join('/')}, found a ${at.kind}`);
  return at;
}

function perform(replica: Replica, [name, path, ...rest]: Operation): void {
  const [kind, verb] = name.split('.') as [Kind, string];
  const at = find(replica, path, kind) as unknown as Record<string, (...given: unknown[]) => unknown>;
  const [first, second, ...more] = rest;
  switch (name) {
    case 'list.insert':
      for (const [offset, value] of [second, ...more].entries()) at.insert?.(Number(first) + offset, value);
      break;
    case 'graph.addNode':
      at.addNode?.();
      break;
    default:
      if (typeof at[verb] !== 'function') throw new Error(`${name} is no operation`);
      at[verb](...rest);
  }
}

function taken(replica: Replica): Uint8Array[] {
  const updates: Uint8Array[] = [];
  for (let update = replica.takeUpdate(); update !== undefined; update = replica.takeUpdate()) updates.push(update);
  return updates;
}

function write(agent: bigint, at_ms: number, base: readonly Uint8Array[], operations: readonly Operation[]) {
  const replica = open(agent, at_ms);
  replica.applyUpdates(base);
  for (const operation of operations) perform(replica, operation);
  return { replica, envelopes: taken(replica), state: replica.encodeSnapshot() };
}

/** The texts of a container and of all below it, in document order. */
function deltas(at: Handle): Plain[] {
  if (at.kind === 'text') return [at.toDelta() as unknown as Plain];
  const entries =
    at instanceof MapHandle
      ? at.keys().map((key) => at.get(key))
      : at instanceof ListHandle
        ? Array.from({ length: at.length }, (_, index) => at.get(index))
        : [];
  return entries.flatMap((entry) => (entry instanceof Object && 'kind' in entry ? deltas(entry as Handle) : []));
}

function meet(vector: Vector): void {
  const base = write(1n, 1000, [], vector.base);
  const left = write(2n, 2000, base.envelopes, vector.left);
  const right = write(3n, 3000, base.envelopes, vector.right);
  const since = base.replica.version();
  const ways: Record<string, readonly Uint8Array[]> = {
    'base, left, right': [...base.envelopes, ...left.envelopes, ...right.envelopes],
    'base, right, left': [...base.envelopes, ...right.envelopes, ...left.envelopes],
    'everything backwards': [...base.envelopes, ...left.envelopes, ...right.envelopes].reverse(),
    'both states': [left.state, right.state],
    'right, then what left has since': [right.state, left.replica.exportUpdate(since)],
    'left, then what right has since': [left.state, right.replica.exportUpdate(since)],
  };
  const snapshots: Uint8Array[] = [];
  const check = (way: string, replica: Replica): void => {
    expect(replica.pendingCount, way).toBe(0);
    expect(replica.toJSON(), way).toEqual(vector.reads);
    if (vector.deltas !== undefined) expect(deltas(replica.root), way).toEqual(vector.deltas);
    snapshots.push(replica.encodeSnapshot());
    replica.free();
  };
  for (const [way, updates] of Object.entries(ways)) {
    const reader = open(4n, 4000);
    reader.applyUpdates(updates);
    check(way, reader);
  }
  left.replica.applyUpdates(right.envelopes);
  right.replica.applyUpdates(left.envelopes);
  check('left hears of right', left.replica);
  check('right hears of left', right.replica);
  base.replica.free();
  expect(snapshots.every((snapshot) => Buffer.compare(snapshot, snapshots[0] ?? snapshot) === 0)).toBe(true);
}

describe.each([
  ['deletion.json', 287],
  ['marks.json', 22],
])('%s', (file, atLeast) => {
  const vectors = readVectors(file);

  it('has all its vectors', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(atLeast);
  });

  it.each(vectors.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => meet(vector));
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
