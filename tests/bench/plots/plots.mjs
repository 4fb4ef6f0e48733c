// `npm run bench -- --row plots`: how time, memory and bytes grow with the size of a document, the number of people and the length of
// the history, drawn into docs/ as SVG. Medians of the rounds; every point of every round is a process of its own.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median } from '../measure.mjs';
import { axes } from './axes.mjs';
import { drawCharts } from './line-chart.mjs';

const cell = fileURLToPath(new URL('cell.mjs', import.meta.url));
const patience_ms = 1_200_000;

/** What is drawn, a panel each. @type {Readonly<Record<string, string>>} */
const panels = {
  join_ms: 'join all updates in one call, CPU ms',
  load_ms: 'load to text, CPU ms',
  held_bytes: 'memory, loaded and edited, bytes',
  state_bytes: 'stored state, bytes',
};

/**
 * @typedef {object} Point
 * @property {string} axis
 * @property {string} library
 * @property {number} amount
 * @property {readonly import('../measure.mjs').Measurement[]} samples one a round
 */

/**
 * Measures and draws.
 * @param {number} rounds
 * @param {readonly string[]} libraries
 * @returns {Point[]}
 */
export function plotGrowth(rounds, libraries) {
  /** @type {Point[]} */
  const points = [];
  for (const [name, axis] of Object.entries(axes)) {
    const found = libraries.flatMap((library) =>
      axis.amounts.map((amount) => ({ axis: name, library, amount, samples: [] })),
    );
    for (let round = 0; round < rounds; round += 1) for (const point of found) measure(point);
    points.push(...found);
    const path = fileURLToPath(new URL(`../../../docs/growth-${name}.svg`, import.meta.url));
    writeFileSync(path, draw(axis.title, found));
    console.log(`drawn: docs/growth-${name}.svg`);
  }
  return points;
}

/** @param {Point & { samples: import('../measure.mjs').Measurement[] }} point */
function measure({ axis, library, amount, samples }) {
  const output = execFileSync(process.execPath, ['--expose-gc', cell, JSON.stringify({ axis, library, amount })], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: patience_ms,
  });
  samples.push(JSON.parse(output.trim().split('\n').at(-1) ?? '{}'));
}

/** @param {string} title @param {readonly Point[]} points */
function draw(title, points) {
  const lineOf = (/** @type {string} */ library, /** @type {string} */ figure) =>
    points
      .filter((point) => point.library === library)
      .map(
        ({ amount, samples }) => /** @type {const} */ ([amount, median(samples.map((sample) => sample[figure] ?? 0))]),
      );
  const libraries = [...new Set(points.map(({ library }) => library))];
  return drawCharts(
    title,
    Object.entries(panels).map(([figure, panel]) => ({
      title: panel,
      lines: Object.fromEntries(libraries.map((library) => [library, lineOf(library, figure)])),
    })),
  );
}
