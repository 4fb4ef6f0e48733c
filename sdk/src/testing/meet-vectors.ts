/**
 * The vectors of concurrent operations (tests/vectors/deletion.json and marks.json), done by replicas of any build of the core, which
 * meet in every way they can. It knows no build: who opens the replicas says which.
 */

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Handle, Kind, ListHandle, MapHandle, Plain, Replica, ReplicaOptions } from '../core/index.ts';

/** [name, path, arguments…]: see `about` in the files. */
export type VectorOperation = readonly [string, readonly (string | number)[], ...Plain[]];

export interface Vector {
  readonly name: string;
  readonly base: readonly VectorOperation[];
  readonly left: readonly VectorOperation[];
  readonly right: readonly VectorOperation[];
  readonly reads: Plain;
  readonly deltas?: Plain;
}

export function readVectors(file: string): readonly Vector[] {
  const path = new URL(`../../../tests/vectors/${file}`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')).vectors;
}

/** Opens a replica of some build for this agent. It has what its vectors do; a text in them needs the full core. */
export type OpenReplica = (options: ReplicaOptions) => Replica;

/** Who writes what in a vector, and who reads what they wrote. */
export interface VectorParties {
  readonly base: OpenReplica;
  readonly left: OpenReplica;
  readonly right: OpenReplica;
  readonly reader: OpenReplica;
}

function open(how: OpenReplica, agent: bigint, at_ms: number): Replica {
  // No jitter, as the files say.
  return how({ agent, now: () => at_ms, trustStamps: true, random: (bytes) => bytes.fill(0) });
}

function child(map: MapHandle, key: string, kind: Kind): Handle {
  return kind === 'set' ? map.setOf(key) : map[kind](key);
}

function isMap(at: Handle): at is MapHandle {
  return at.kind === 'map';
}

function isList(at: Handle): at is ListHandle {
  return at.kind === 'list';
}

function existing(found: Plain | Handle | undefined): Handle {
  if (found instanceof Object && 'kind' in found && typeof found.kind === 'string') return found as Handle;
  throw new Error(`expected a container, found ${JSON.stringify(found)}`);
}

/** The container at a path; a missing one at a key is created by the first write. */
function find(replica: Replica, path: VectorOperation[1], last: Kind): Handle {
  let at: Handle = replica.root;
  for (const [depth, step] of path.entries()) {
    const next = path[depth + 1];
    if (at.kind === 'tree' || at.kind === 'graph') at = at.data(String(step));
    else if (isList(at)) at = existing(at.get(Number(step)));
    else if (!isMap(at)) throw new Error(`nothing is below a ${at.kind}`);
    // A node's id leads on from a tree or a graph that is there.
    else if (typeof next === 'string' && next.includes(':')) at = existing(at.get(String(step)));
    else at = child(at, String(step), next === undefined ? last : typeof next === 'number' ? 'list' : 'map');
  }
  if (at.kind !== last) throw new Error(`expected a ${last} at ${path.join('/')}, found a ${at.kind}`);
  return at;
}

function perform(replica: Replica, [name, path, ...rest]: VectorOperation): void {
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

function write(
  how: OpenReplica,
  agent: bigint,
  at_ms: number,
  base: readonly Uint8Array[],
  operations: readonly VectorOperation[],
) {
  const replica = open(how, agent, at_ms);
  replica.applyUpdates(base);
  for (const operation of operations) perform(replica, operation);
  return { replica, envelopes: taken(replica), state: replica.encodeSnapshot() };
}

/** The texts of a container and of all below it, in document order. */
function deltas(at: Handle): Plain[] {
  if (at.kind === 'text') return [at.toDelta() as unknown as Plain];
  const entries = isMap(at)
    ? at.keys().map((key) => at.get(key))
    : isList(at)
      ? Array.from({ length: at.length }, (_, index) => at.get(index))
      : [];
  return entries.flatMap((entry) => (entry instanceof Object && 'kind' in entry ? deltas(entry as Handle) : []));
}

/** Has the two sides meet in every way, and holds what comes out against what the vector says. */
export function meet(vector: Vector, parties: VectorParties): void {
  const base = write(parties.base, 1n, 1000, [], vector.base);
  const left = write(parties.left, 2n, 2000, base.envelopes, vector.left);
  const right = write(parties.right, 3n, 3000, base.envelopes, vector.right);
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
    const reader = open(parties.reader, 4n, 4000);
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
