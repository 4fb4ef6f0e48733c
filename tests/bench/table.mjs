// Turns measurements into the table: medians, the ratio to the best of the others, the goal, and whether it is met. It measures
// nothing.

import { median } from './measure.mjs';
import { bestOther } from './rows.mjs';

/**
 * A goal that was looked at.
 * @typedef {object} Verdict
 * @property {string} goal in words
 * @property {number} [ratio] the median of the rounds' ratios to the library that the goal names
 * @property {boolean} isMet
 */

/**
 * One row, measured.
 * @typedef {object} Result
 * @property {string} row
 * @property {string} cell
 * @property {string} figure its unit last
 * @property {Record<string, number>} medians by library
 * @property {Record<string, readonly number[]>} samples by library, one a round
 * @property {Record<string, string>} absent why a library has no figure
 * @property {{ library: string, ratio: number }} [best] the best of the others, and ours to it
 * @property {readonly Verdict[]} verdicts
 */

const ours = 'joinery';

/**
 * @param {readonly import('./rows.mjs').Row[]} rows
 * @param {import('./core-rows.mjs').Measurements} measured
 * @param {readonly import('./libraries/library.mjs').Library[]} libraries
 * @param {string} trace its name
 * @returns {Result[]}
 */
export function summarize(rows, measured, libraries, trace) {
  return rows
    .filter(({ cell }) => measured[cell] !== undefined)
    .map(({ title, cell, figure, goals, needs }) => {
      /** @type {Result} */
      const result = { row: title, cell, figure, medians: {}, samples: {}, absent: {}, verdicts: [] };
      for (const { name, lacks } of libraries) {
        const samples = measured[cell]?.[name]?.flatMap((measurement) => measurement[figure] ?? []) ?? [];
        if (samples.length === 0) {
          result.absent[name] = needs.flatMap((ability) => lacks[ability] ?? [])[0] ?? 'gives no such figure';
        } else {
          result.samples[name] = samples;
          result.medians[name] = median(samples);
        }
      }
      const best = bestOf(result);
      if (best !== undefined) result.best = { library: best, ratio: ratioTo(result, best) };
      const verdicts = goals.flatMap((goal) => judge(result, goal, trace) ?? []);
      return { ...result, verdicts };
    });
}

/** @param {Result} result */
function bestOf({ medians }) {
  const others = Object.entries(medians).filter(([name]) => name !== ours);
  return others.sort(([, a], [, b]) => a - b)[0]?.[0];
}

/** The median of the rounds' ratios. @param {Result} result @param {string} other */
function ratioTo({ samples }, other) {
  const theirs = samples[other] ?? [];
  return median((samples[ours] ?? []).map((sample, round) => sample / (theirs[round] ?? Number.NaN)));
}

/** @param {Result} result @param {import('./rows.mjs').Goal} goal @param {string} trace @returns {Verdict | undefined} */
function judge(result, goal, trace) {
  const mine = result.medians[ours];
  if (mine === undefined) return undefined;
  if ('atMost' in goal) {
    if (goal.trace !== undefined && goal.trace !== trace) return undefined;
    return { goal: `≤ ${format(goal.atMost)}`, isMet: mine <= goal.atMost };
  }
  const other = goal.than === bestOther ? result.best?.library : goal.than;
  if (other === undefined || result.medians[other] === undefined) return undefined;
  const ratio = ratioTo(result, other);
  return { goal: `≤ ${format(goal.factor)} × ${other}`, ratio, isMet: ratio <= goal.factor };
}

/** @param {readonly Result[]} results @param {readonly string[]} names of libraries, ours first */
export function printResults(results, names) {
  if (results.length === 0) return;
  /** Reasons by their words, so that each is told once. @type {Map<string, number>} */
  const reasons = new Map();
  const lines = results.map(({ row, figure, medians, absent, best, verdicts }) => [
    `${row}, ${unitOf(figure)}`,
    ...names.map((name) => {
      const value = medians[name];
      if (value !== undefined) return format(value);
      const reason = `${name} ${absent[name] ?? 'was not measured'}`;
      if (!reasons.has(reason)) reasons.set(reason, reasons.size + 1);
      return `– (${reasons.get(reason)})`;
    }),
    best === undefined || medians[ours] === undefined ? '' : `${best.ratio.toFixed(2)} × ${best.library}`,
    verdicts
      .map(({ goal, ratio, isMet }) => {
        const found = ratio === undefined || goal.endsWith(`× ${best?.library}`) ? '' : ` (${ratio.toFixed(3)})`;
        return `${goal}${found}: ${isMet ? 'met' : 'MISSED'}`;
      })
      .join('; '),
  ]);
  printLines(['', ...names, 'ours to the best', 'goal'], lines, new Set([0, names.length + 1, names.length + 2]));
  for (const [reason, number] of reasons) console.log(`(${number}) ${reason}`);
  const verdicts = results.flatMap((result) => result.verdicts);
  console.log(`\n${verdicts.filter(({ isMet }) => isMet).length} of ${verdicts.length} goals met\n`);
}

/** What a figure counts, and of single calls which one. @param {string} figure */
function unitOf(figure) {
  if (figure.includes('bytes')) return 'bytes';
  return figure.replace('cpu_', '').replace('_', ', ');
}

/** @param {readonly string[]} header @param {readonly (readonly string[])[]} lines @param {ReadonlySet<number>} texts columns of words */
export function printLines(header, lines, texts) {
  const widths = header.map((_, column) => Math.max(...[header, ...lines].map((line) => line[column]?.length ?? 0)));
  for (const line of [header, ...lines]) {
    const cells = line.map((cell, column) =>
      texts.has(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    console.log(cells.join('  ').trimEnd());
  }
}

/** @param {number} value */
export function format(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
