// What the simulation's bundle gives to those who run it (scripts/simulate.mjs, simulation.test.ts).

import { init } from 'joinery/core';
import type { Run } from './choices.ts';
import type { Feature } from './features.ts';
import type { LogEntry } from './log.ts';
import { planRun } from './plan.ts';
import { carryOut, type Outcome } from './run.ts';

export { type CheckerName, checkers } from './checkers/all.ts';
export type { Run } from './choices.ts';
export { type Feature, features } from './features.ts';
export { describe, type LogEntry } from './log.ts';
export { planRun } from './plan.ts';
export type { Outcome } from './run.ts';
export { shrink } from './shrink.ts';

/** To be called first, with the bytes of the core's module. */
export async function load(core: BufferSource): Promise<void> {
  await init(core);
}

export function replay(run: Run, listen?: (entry: LogEntry) => void): Promise<Outcome> {
  return carryOut(run, listen);
}

export function simulate(seed: number, features?: readonly Feature[]): Promise<Outcome> {
  return carryOut(planRun(seed, features));
}
