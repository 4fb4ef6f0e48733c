// `npm run bench -- --row growth`: what twice the work costs, case by case, each at a size, at twice and at four times that. A
// cell is a process of its own, and its figure the processor's time. A round measures a case's three sizes one after the other,
// so that a slow minute of the machine falls on all of them; what counts is the median of the rounds' ratios. A machine with
// other work on it makes single ratios high and never low for long: a case that is above the limit is measured anew, twice at
// most, and the best of its medians counts.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { growthCases } from './cases.mjs';

/** How many times as long twice the work may take. */
const limit = 2.3;
const attempts = 3;
const cell = fileURLToPath(new URL('cell.mjs', import.meta.url));
const patience_ms = 600_000;

/**
 * @typedef {object} Growth
 * @property {string} name
 * @property {number} size
 * @property {readonly number[]} cpu_ms medians of the three sizes
 * @property {readonly number[]} ratios medians of the rounds' ratios: of twice the size to once, of four times to twice
 */

/**
 * Measures and prints, case by case.
 * @param {number} rounds
 * @param {readonly string[]} only parts of the names of cases; all, where there are none
 * @returns {{ results: Growth[], tooSteep: string[] }}
 */
export function measureGrowth(rounds, only) {
  const cases = growthCases.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
  if (cases.length === 0) throw new Error(`no case of the growth table has ${only.join(' or ')} in its name`);
  const width = Math.max(...cases.map(({ name }) => name.length));
  console.log(`${'growth'.padEnd(width)}  ${'size'.padStart(10)}  ${' 1×, 2×, 4× ms'.padStart(24)}   2×/1×  4×/2×`);
  const results = [];
  const tooSteep = [];
  for (const found of cases) {
    let best = measure(found, rounds);
    for (let attempt = 1; attempt < attempts && steepness(best) > limit; attempt += 1) {
      const again = measure(found, rounds);
      if (steepness(again) < steepness(best)) best = again;
    }
    results.push(best);
    const isTooSteep = steepness(best) > limit;
    if (isTooSteep) tooSteep.push(best.name);
    const times = best.cpu_ms.map((time) => time.toFixed(0).padStart(7)).join(' ');
    const ratios = best.ratios.map((ratio) => ratio.toFixed(2).padStart(5)).join('  ');
    const size = best.size.toLocaleString('en').padStart(10);
    console.log(`${best.name.padEnd(width)}  ${size}  ${times}   ${ratios}${isTooSteep ? `  above ${limit}` : ''}`);
  }
  console.log('');
  return { results, tooSteep };
}

/** @param {Growth} growth */
function steepness(growth) {
  return Math.max(...growth.ratios);
}

/** @param {import('./case.mjs').GrowthCase} found @param {number} rounds @returns {Growth} */
function measure({ name, size }, rounds) {
  const sizes = [size, 2 * size, 4 * size];
  const samples = Array.from({ length: rounds }, () => sizes.map((at) => runCell(name, at)));
  const of = (/** @type {(sample: number[]) => number} */ figure) => median(samples.map(figure));
  return {
    name,
    size,
    cpu_ms: sizes.map((_, at) => of((sample) => sample[at] ?? Number.NaN)),
    ratios: [1, 2].map((at) => of((sample) => (sample[at] ?? Number.NaN) / (sample[at - 1] ?? Number.NaN))),
  };
}

/** @param {string} name @param {number} size @returns {number} milliseconds */
function runCell(name, size) {
  const output = execFileSync(process.execPath, ['--expose-gc', cell, JSON.stringify({ name, size })], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: patience_ms,
  });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '{}').cpu_ms;
}

/** @param {readonly number[]} samples */
function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
