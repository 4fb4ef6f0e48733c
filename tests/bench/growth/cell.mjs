// One cell of the growth table: one case at one size, measured once, in a process of its own. It prints one line of JSON with
// the processor's time for what is measured, in milliseconds.
//
//   node --expose-gc cell.mjs '{"name": "text typed forwards", "size": 1000}'

import { ready } from './case.mjs';
import { growthCases } from './cases.mjs';

/** So small a run of the same before it that only compiling is left out of the figure. */
const warmUpShare = 100;

/** @type {{ name: string, size: number }} */
const { name, size } = JSON.parse(process.argv[2] ?? '{}');
const found = growthCases.find((candidate) => candidate.name === name);
if (found === undefined) throw new Error(`expected one of ${growthCases.map((known) => known.name).join('; ')}`);
await ready();
found.prepare(Math.max(20, 2 * Math.floor(size / warmUpShare / 2)))();
const run = found.prepare(size);
globalThis.gc?.();
const before = process.cpuUsage();
run();
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ cpu_ms: (user + system) / 1000 }));
