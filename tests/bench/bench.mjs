// The benchmark: each row for each library, in rounds, every cell in a fresh process, medians of the rounds. Rounds are
// interleaved so that a slow minute of the machine falls on everybody. It fails when a result is wrong, never when slow: but for
// the row `growth`, which is measured only when it is named, and fails where twice the work costs more than 2.3 times the time.
//
//   npm run bench -- [--trace FILE] [--rounds N] [--row NAME]… [--json FILE] [--seed N] [--edits N]
//   npm run bench -- --row growth [--case PART-OF-A-NAME]…

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureBrowsers } from './browser-rows.mjs';
import { measureFiles } from './files-rows.mjs';
import { measureGrowth } from './growth/table.mjs';
import { libraryNames } from './libraries/library.mjs';

/**
 * A row of the table: what is measured, which figures it shows, and their limit where there is one.
 * @typedef {object} Row
 * @property {string} name
 * @property {readonly string[]} figures names of the measurements shown, as cell.mjs gives them
 */

/** @type {readonly Row[]} */
const coreRows = [
  { name: 'type', figures: ['cpu_ms', 'bytes'] },
  { name: 'remote', figures: ['cpu_ms'] },
  { name: 'load', figures: ['cpu_ms', 'bytes'] },
  { name: 'map set', figures: ['p50_us', 'p99_us', 'max_us'] },
  { name: 'insert in 100,000 characters', figures: ['p50_us', 'p99_us', 'max_us'] },
];

const browserRow = 'browser';
const spaceRow = 'space';
const filesRow = 'files';
const growthRow = 'growth';
/** Documents in the space, each of ten fields. */
const spaceDocuments = 10_000;
/** A round of it takes about a minute, and what it counts hardly varies. */
const spaceRounds = 3;
const here = fileURLToPath(new URL('.', import.meta.url));

const { values } = parseArgs({
  options: {
    trace: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    row: { type: 'string', multiple: true, default: [] },
    json: { type: 'string' },
    seed: { type: 'string', default: '1' },
    edits: { type: 'string', default: '250000' },
    case: { type: 'string', multiple: true, default: [] },
  },
});
const names = [...coreRows.map((row) => row.name), spaceRow, filesRow, browserRow, growthRow];
for (const name of values.row) {
  if (!names.includes(name)) throw new Error(`expected --row to be one of ${names.join(', ')}, got "${name}"`);
}
const wants = (/** @type {string} */ name) => values.row.length === 0 || values.row.includes(name);
const rounds = Number(values.rounds);
const traceFile = values.trace ?? findTrace();
const trace =
  traceFile === undefined ? { count: Number(values.edits), seed: Number(values.seed) } : { file: traceFile };
const traceName = 'file' in trace ? trace.file.replace(/^.*[\\/]/, '') : `synthetic, ${trace.count} edits`;
const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, Node ${process.versions.node}`;

console.log(`${machine}\ntrace: ${traceName}; ${rounds} rounds, medians; each cell in a fresh process\n`);
const results = measureCores();
print(results);
if (wants(spaceRow)) {
  const spaceResults = measureSpaces();
  print(spaceResults);
  results.push(...spaceResults);
}
const files = wants(filesRow) ? await measureFiles(rounds) : [];
printComparisons(files);
if (wants(browserRow)) {
  const browserResults = await measureInBrowsers();
  print(browserResults);
  results.push(...browserResults);
}
const growth = values.row.includes(growthRow) ? measureGrowth(rounds, values.case) : undefined;
if (growth !== undefined && growth.tooSteep.length > 0) {
  console.error(`Too steep: ${growth.tooSteep.join('; ')}`);
  process.exitCode = 1;
}
if (values.json !== undefined) {
  const report = { machine, trace: traceName, rounds, date: new Date().toISOString(), results, files, growth };
  writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

/**
 * One figure of one row.
 * @typedef {object} Result
 * @property {string} row
 * @property {string} figure with its unit last
 * @property {Record<string, number>} medians by library
 * @property {Record<string, readonly number[]>} samples by library, one a round
 */

/** @returns {Result[]} */
function measureCores() {
  const rows = coreRows.filter((row) => wants(row.name));
  if (rows.length === 0) return [];
  const folder = mkdtempSync(join(tmpdir(), 'joinery-bench-'));
  try {
    /** @type {Map<string, Record<string, number>[]>} */
    const measurements = new Map();
    if (wants('remote') || wants('load')) for (const library of libraryNames) runCell('prepare', library, folder);
    for (let round = 0; round < rounds; round++) {
      for (const { name } of rows) {
        for (const library of libraryNames) {
          const key = `${name}\n${library}`;
          measurements.set(key, [...(measurements.get(key) ?? []), runCell(name, library, folder)]);
        }
      }
    }
    return rows.flatMap((row) => row.figures.map((figure) => summarize(row.name, figure, measurements)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Ours alone: resume (under 1,000 ms, with one request beside the hello), the core with the documents stored and listed
 * (`core_MB`, under 10), and with every document open and subscribed the core and JavaScript, the SDK's own code included,
 * together (`open_MB`, under 30).
 * @returns {Result[]}
 */
function measureSpaces() {
  /** @type {Record<string, number>[]} */
  const samples = [];
  for (let round = 0; round < Math.min(rounds, spaceRounds); round++) {
    const options = JSON.stringify({ documents: spaceDocuments });
    const output = execFileSync(process.execPath, ['--expose-gc', join(here, 'space-cell.mjs'), options], {
      cwd: here,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 900_000,
    });
    samples.push(JSON.parse(output.trim().split('\n').at(-1) ?? '{}'));
  }
  const row = `${spaceDocuments.toLocaleString('en')} documents of a space`;
  const measurements = new Map([[`${row}\njoinery`, samples]]);
  return Object.keys(samples[0] ?? {}).map((figure) => summarize(row, figure, measurements));
}

/** Ours alone: in Chromium, with storage, worker and server. @returns {Promise<Result[]>} */
async function measureInBrowsers() {
  /** @type {Map<string, Record<string, number>[]>} */
  const measurements = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const [row, figures] of Object.entries(await measureBrowsers())) {
      const key = `${row}\njoinery`;
      measurements.set(key, [...(measurements.get(key) ?? []), figures]);
    }
  }
  return [...measurements].flatMap(([key, [first]]) =>
    Object.keys(first ?? {}).map((figure) => summarize(key.split('\n')[0] ?? '', figure, measurements)),
  );
}

/**
 * @param {string} row
 * @param {string} library
 * @param {string} folder
 * @returns {Record<string, number>}
 */
function runCell(row, library, folder) {
  const options = JSON.stringify({ row, library, trace, folder });
  const output = execFileSync(process.execPath, ['--expose-gc', join(here, 'cell.mjs'), options], {
    cwd: here,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 300_000,
  });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '{}');
}

/**
 * @param {string} row
 * @param {string} figure
 * @param {Map<string, Record<string, number>[]>} measurements
 * @returns {Result}
 */
function summarize(row, figure, measurements) {
  /** @type {Result} */
  const result = { row, figure, medians: {}, samples: {} };
  for (const library of libraryNames) {
    const samples = measurements.get(`${row}\n${library}`)?.map((measurement) => measurement[figure] ?? Number.NaN);
    if (samples === undefined) continue;
    result.samples[library] = samples;
    result.medians[library] = median(samples);
  }
  return result;
}

/** @param {readonly number[]} samples */
function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** @param {readonly Result[]} table */
function print(table) {
  if (table.length === 0) return;
  const [ours = '', ...all] = libraryNames;
  const others = all.filter((library) => table.some(({ medians }) => medians[library] !== undefined));
  const lines = table.map(({ row, figure, medians }) => [
    `${row}, ${figure.replace('_', ' ')}`,
    ...[ours, ...others].map((library) => format(medians[library] ?? Number.NaN)),
    ...others.map((library) => `${((medians[library] ?? Number.NaN) / (medians[ours] ?? Number.NaN)).toFixed(2)}×`),
  ]);
  const header = ['', ours, ...others, ...others.map((library) => `${library} / ${ours}`)];
  const widths = header.map((_, column) => Math.max(...[header, ...lines].map((line) => line[column]?.length ?? 0)));
  for (const line of [header, ...lines]) {
    const cells = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    console.log(cells.join('  '));
  }
  console.log('');
}

/** @param {readonly import('./files-rows.mjs').Comparison[]} comparisons */
function printComparisons(comparisons) {
  for (const { row, other, goal, ours, theirs, ratio } of comparisons) {
    const aim = goal === undefined ? '' : ` (goal ${goal.toFixed(2)}×)`;
    const speeds = `joinery ${format(ours)} MB/s, ${other} ${format(theirs)} MB/s`;
    console.log(`${row}: ${speeds}: ${ratio.toFixed(2)}×${aim}`);
  }
  if (comparisons.length > 0) console.log('');
}

/** @param {number} value */
function format(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** The recorded trace, where a checkout has the folder of shared traces beside it. */
function findTrace() {
  const path = fileURLToPath(new URL('../../../shared/traces/automerge-paper.json.gz', import.meta.url));
  return existsSync(path) ? path : undefined;
}
