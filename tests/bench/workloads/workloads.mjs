// All families of workloads.

import { editing } from './editing.mjs';
import { manyClients } from './many-clients.mjs';
import { maps } from './maps.mjs';
import { merging } from './merging.mjs';
import { randomEdits } from './random-edits.mjs';
import { singleCalls } from './single-calls.mjs';
import { twoTyping } from './two-typing.mjs';

/** @type {readonly import('./workload.mjs').Workload[]} */
export const workloads = [editing, merging, randomEdits, twoTyping, ...manyClients, maps, ...singleCalls];

/** The family of a cell. @param {string} cell */
export function workloadOf(cell) {
  const found = workloads.find(({ cells }) => cell in cells);
  if (found === undefined) throw new Error(`no workload has the cell "${cell}"`);
  return found;
}
