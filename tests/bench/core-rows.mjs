// Measures the rows of all libraries: every cell in a fresh process, round after round, the libraries of a cell one after the
// other, so that a slow minute of the machine falls on everybody.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { coreRows } from './rows.mjs';
import { workloadOf } from './workloads/workloads.mjs';

const cellPath = fileURLToPath(new URL('cell.mjs', import.meta.url));
const patience_ms = 1_200_000;

/**
 * @typedef {object} CoreOptions
 * @property {number} rounds
 * @property {readonly import('./libraries/library.mjs').Library[]} libraries
 * @property {(cell: string) => boolean} wants
 * @property {import('./trace.mjs').TraceSource} trace
 * @property {import('./trace.mjs').TraceSource} concurrent
 * @property {number} seed
 */

/**
 * Every figure of every cell, by cell and library, one measurement a round.
 * @typedef {Record<string, Record<string, readonly import('./measure.mjs').Measurement[]>>} Measurements
 */

/** @param {CoreOptions} options @returns {Measurements} */
export function measureCores({ rounds, libraries, wants, ...told }) {
  const cells = [...new Set(coreRows.map(({ cell }) => cell))].filter(wants);
  const folder = mkdtempSync(join(tmpdir(), 'joinery-bench-'));
  const run = (/** @type {string} */ cell, /** @type {string} */ library, prepares = false) => {
    const options = JSON.stringify({ cell, library, prepares, folder, ...told });
    const output = execFileSync(process.execPath, ['--expose-gc', cellPath, options], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: patience_ms,
    });
    return prepares ? {} : JSON.parse(output.trim().split('\n').at(-1) ?? '{}');
  };
  try {
    /** @type {Record<string, Record<string, import('./measure.mjs').Measurement[]>>} */
    const measured = {};
    const prepared = new Set();
    for (let round = 0; round < rounds; round++) {
      for (const cell of cells) {
        const workload = workloadOf(cell);
        for (const { name, lacks } of libraries) {
          if (lacks[workload.needs] !== undefined) continue;
          const key = `${name} ${workload.name}`;
          if (workload.prepare !== undefined && !prepared.has(key)) run(cell, name, true);
          prepared.add(key);
          measured[cell] ??= {};
          const list = measured[cell][name] ?? [];
          measured[cell][name] = list;
          list.push(run(cell, name));
        }
        process.stderr.write(`round ${round + 1} of ${rounds}: ${cell}\n`);
      }
    }
    return measured;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
