// The vectors of concurrent operations that are about maps, lists, counters and sets alone, through joinery/lite, and between it and
// joinery/core: whoever wrote what, all come to the same, byte by byte.

import { beforeAll, describe, expect, it } from 'vitest';
import * as core from '../core/index.ts';
import { meet, type OpenReplica, readVectors, type Vector, type VectorParties } from '../testing/meet-vectors.ts';
import { init, Replica } from './index.ts';

const full: OpenReplica = (options) => new core.Replica(options);
const lite: OpenReplica = (options) => new Replica(options) as unknown as core.Replica;

const parties: Readonly<Record<string, VectorParties>> = {
  'lite alone': { base: lite, left: lite, right: lite, reader: lite },
  'lite and full': { base: full, left: lite, right: full, reader: lite },
  'full and lite': { base: lite, left: full, right: lite, reader: full },
};

beforeAll(() => Promise.all([init(), core.init()]));

/** Whether the lite core has everything that it names. */
function isLite({ base, left, right }: Vector): boolean {
  const names = JSON.stringify([base, left, right]);
  return !/"(text|tree|graph)["./]/.test(names);
}

const vectors = readVectors('deletion.json').filter(isLite);

it('has all its vectors', () => {
  expect(vectors.length).toBeGreaterThanOrEqual(134);
});

describe.each(Object.entries(parties))('%s', (_, these) => {
  it.each(vectors.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => meet(vector, these));
});
