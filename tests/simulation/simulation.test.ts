// The share of the simulation that `npm test` runs: that one seed is one run, a few seeds, a few planted bugs, and every run
// that once failed. All seeds are .ci/run's.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundleSimulation, loadSimulation, type Simulation } from '../../scripts/simulation-bundle.mjs';
import type { Choice, Run } from './choices.ts';
import { planted } from './transforms.mjs';

const folder = join(import.meta.dirname, 'regressions');
/** Written by `npm run simulate -- --planted all`. */
const table = JSON.parse(readFileSync(join(import.meta.dirname, 'planted.json'), 'utf8')) as {
  readonly name: string;
  readonly seed: number;
  readonly property: string;
}[];
const seeds = Array.from({ length: 12 }, (_, index) => index + 1);

let simulation: Simulation;
beforeAll(async () => {
  simulation = await loadSimulation(await bundleSimulation());
}, 60_000);

describe('a run', () => {
  test('is decided by its seed alone', async () => {
    const hashes: string[] = [];
    for (const seed of [3, 4, 3, 4]) hashes.push((await simulation.simulate(seed)).hash);
    expect(hashes[0]).toBe(hashes[2]);
    expect(hashes[1]).toBe(hashes[3]);
    expect(hashes[0]).not.toBe(hashes[1]);
  });

  test('is the same when it is read back from a file', async () => {
    const run = simulation.planRun(5);
    const again = JSON.parse(JSON.stringify(run)) as Run;
    expect((await simulation.replay(again)).hash).toBe((await simulation.simulate(5)).hash);
  });

  test.each(seeds)('of seed %i breaks no property', async (seed) => {
    const { failure, events, operations } = await simulation.simulate(seed);
    expect(failure).toBeUndefined();
    expect(events).toBeGreaterThan(500);
    expect(operations).toBeGreaterThan(10);
  });
});

describe('a run that once failed', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  test.each(files)('%s fails no more', async (name) => {
    const { run } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { run: Run };
    expect((await simulation.replay(run)).failure).toBeUndefined();
  });
});

describe('planted bugs', () => {
  test('are all in the table, with the seed and the checker that find each', () => {
    expect(table.map(({ name }) => name)).toEqual(planted.map(({ name }) => name));
    for (const { property } of table) expect(Object.keys(simulation.checkers)).toContain(property);
  });

  test('are found, and a failing run is shrunk to few choices that still fail', async () => {
    const name = 'acknowledge-before-commit';
    const { seed, property } = table.find((entry) => entry.name === name) ?? { seed: 0, property: '' };
    const broken = await loadSimulation(await bundleSimulation(name));
    const run = broken.planRun(seed);
    const { failure } = await broken.replay(run);
    expect(failure?.property).toBe(property);
    if (failure === undefined) return;
    const small = await broken.shrink(run, failure.property);
    expect(small.choices.length).toBeLessThan(10);
    expect(small.choices.every((choice: Choice) => run.choices.includes(choice))).toBe(true);
    expect((await broken.replay(small)).failure?.property).toBe(property);
    expect((await simulation.replay(small)).failure).toBeUndefined();
  });
});
