// The benchmark: this core against every rival, and what is ours alone: spaces, files, browsers, coming back online, native code,
// growth. It fails when a result is wrong, never when slow: but for the row `growth`, which fails where twice the work costs more
// than 2.3 times the time.
// `growth`, `plots` (drawn into docs/) and `native` (which needs cargo) are measured only when they are named. docs/performance.md
// tells how to read it.
//
//   npm run bench -- [--trace FILE]… [--rounds N] [--row NAME]… [--library NAME]… [--json FILE] [--seed N] [--edits N]
//   npm run bench -- --row sdk [--library NAME]…
//   npm run bench -- --row native
//   npm run bench -- --row plots [--library NAME]…
//   npm run bench -- --row growth [--case PART-OF-A-NAME]…
//
// A `--trace` of one writer is for the text rows, one of several for the merge rows; `--trace synthetic` takes none of the recorded
// ones that lie in ../shared/traces beside a checkout. Rows of libraries go by the name of their cell (rows.mjs); `libraries` and
// `modules` name all of them. Rows of whole SDKs go by theirs too (sdk/sdk-rows.mjs); `sdk` names all of those.

import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureBrowsers } from './browser-rows.mjs';
import { measureCores } from './core-rows.mjs';
import { measureFiles } from './files-rows.mjs';
import { measureGrowth } from './growth/table.mjs';
import { libraryNames, openLibrary } from './libraries/library.mjs';
import { median } from './measure.mjs';
import { measureModules } from './module-sizes.mjs';
import { measureNative } from './native-rows.mjs';
import { plotGrowth } from './plots/plots.mjs';
import { measureReconnects } from './reconnect-rows.mjs';
import { coreRows, moduleRows, modulesCell } from './rows.mjs';
import { measureSdks, sdkRows, subjects } from './sdk/sdk-rows.mjs';
import { format, printLines, printResults, summarize } from './table.mjs';
import { openTrace, readTraceFile } from './trace.mjs';

const librariesRow = 'libraries';
const browserRow = 'browser';
const reconnectRow = 'reconnect';
const spaceRow = 'space';
const filesRow = 'files';
const sdkRow = 'sdk';
const growthRow = 'growth';
const nativeRow = 'native';
const plotsRow = 'plots';
/** What is compared with native code. */
const typeCell = 'type';
/** Documents in the space, each of ten fields. */
const spaceDocuments = 10_000;
/** A round of it takes about a minute, and what it counts hardly varies. */
const spaceRounds = 3;
/** Transactions of a synthetic trace of several writers. */
const concurrentCount = 26_000;
const here = fileURLToPath(new URL('.', import.meta.url));

const { values } = parseArgs({
  options: {
    trace: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '5' },
    row: { type: 'string', multiple: true, default: [] },
    library: { type: 'string', multiple: true, default: [] },
    json: { type: 'string' },
    seed: { type: 'string', default: '1' },
    edits: { type: 'string', default: '250000' },
    case: { type: 'string', multiple: true, default: [] },
  },
});
const cells = [...new Set(coreRows.map(({ cell }) => cell))];
const sdkCells = [...new Set(sdkRows.map(({ cell }) => cell))];
const others = [spaceRow, filesRow, browserRow, reconnectRow, sdkRow, growthRow, nativeRow, plotsRow];
const names = [librariesRow, ...cells, modulesCell, ...others, ...sdkCells];
for (const name of values.row) {
  if (!names.includes(name)) throw new Error(`expected --row to be one of ${names.join(', ')}, got "${name}"`);
}
const wants = (/** @type {string} */ name) => values.row.length === 0 || values.row.includes(name);
const rounds = Number(values.rounds);
const seed = Number(values.seed);
/** Only when it is named: it needs cargo. */
const isNative = values.row.includes(nativeRow);
const isSdk = (/** @type {string} */ name) => subjects.some(({ folder }) => folder === name);
const named = values.library.filter((name) => name !== 'joinery' && libraryNames.includes(name));
for (const name of values.library) {
  if (!libraryNames.includes(name) && !isSdk(name))
    throw new Error(`expected --library to be a known one, got "${name}"`);
}
const compared = values.library.length === 0 ? libraryNames : ['joinery', ...named];
const libraries = await Promise.all(compared.map(openLibrary));
const sources = findTraces();
const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, Node ${process.versions.node}`;
const load = loadavg()
  .map((average) => average.toFixed(1))
  .join(', ');

console.log(`${machine}; load before the run ${load}`);
console.log(`traces: ${nameOf(sources.trace)}; of several ${nameOf(sources.concurrent)}`);
console.log(`${rounds} rounds, medians; each cell in a fresh process; times are of the processor\n`);
const results = await measureLibraries();
printResults(results, compared);
/** @type {Own[]} */
const own = [];
if (wants(spaceRow)) own.push(...printOwn(measureSpaces()));
const files = wants(filesRow) ? await measureFiles(rounds) : [];
printComparisons(files);
if (wants(browserRow)) own.push(...printOwn(await measureRounds(measureBrowsers)));
if (wants(reconnectRow)) own.push(...printOwn(await measureRounds(measureReconnects)));
const native = isNative ? measureNative(openTrace(sources.trace), ownMedian(typeCell)) : undefined;
const wantsSdk = (/** @type {string} */ cell) => wants(cell) || wants(sdkRow);
const comparesSdk = (/** @type {string} */ name) => values.library.length === 0 || values.library.includes(name);
const sdks = sdkCells.some(wantsSdk) ? await measureSdks(rounds, wantsSdk, comparesSdk) : [];
const plots = values.row.includes(plotsRow) ? plotGrowth(rounds, compared) : undefined;
const growth = values.row.includes(growthRow) ? measureGrowth(rounds, values.case) : undefined;
if (growth !== undefined && growth.tooSteep.length > 0) {
  console.error(`Too steep: ${growth.tooSteep.join('; ')}`);
  process.exitCode = 1;
}
if (values.json !== undefined) {
  const traces = { trace: nameOf(sources.trace), concurrent: nameOf(sources.concurrent) };
  const date = new Date().toISOString();
  const report = { machine, load, ...traces, seed, rounds, date, results, own, files, sdks, native, plots, growth };
  writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

/** @returns {Promise<import('./table.mjs').Result[]>} */
async function measureLibraries() {
  const wantsCell = (/** @type {string} */ cell) =>
    wants(cell) || wants(librariesRow) || (cell === typeCell && isNative);
  const measured = measureCores({ ...sources, rounds, libraries, wants: wantsCell, seed });
  if (wantsCell(modulesCell)) measured[modulesCell] = await measureModules();
  return summarize([...coreRows, ...moduleRows], measured, libraries, nameOf(sources.trace));
}

/**
 * What is measured for ours alone: one figure of one row.
 * @typedef {object} Own
 * @property {string} row
 * @property {string} figure with its unit last
 * @property {number} median
 * @property {readonly number[]} samples one a round
 */

/** @param {string} row @param {readonly Record<string, number>[]} measurements @returns {Own[]} */
function summarizeOwn(row, measurements) {
  return Object.keys(measurements[0] ?? {}).map((figure) => {
    const samples = measurements.map((measurement) => measurement[figure] ?? Number.NaN);
    return { row, figure, median: median(samples), samples };
  });
}

/** @param {readonly Own[]} table */
function printOwn(table) {
  printLines(
    ['', 'joinery'],
    table.map(({ row, figure, median: value }) => [`${row}, ${figure.replace('_', ' ')}`, format(value)]),
    new Set([0]),
  );
  console.log('');
  return table;
}

/**
 * Ours alone: resume (under 1,000 ms, with one request beside the hello), the core with the documents stored and listed
 * (`core_MB`, under 10), and with every document open and subscribed the core and JavaScript, the SDK's own code included,
 * together (`open_MB`, under 30).
 * @returns {Own[]}
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
  return summarizeOwn(`${spaceDocuments.toLocaleString('en')} documents of a space`, samples);
}

/**
 * Ours alone, with storage and server.
 * @param {() => Promise<Record<string, Record<string, number>>>} measureRound by row its figures
 * @returns {Promise<Own[]>}
 */
async function measureRounds(measureRound) {
  /** @type {Map<string, Record<string, number>[]>} */
  const measurements = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const [row, figures] of Object.entries(await measureRound())) {
      measurements.set(row, [...(measurements.get(row) ?? []), figures]);
    }
  }
  return [...measurements].flatMap(([row, list]) => summarizeOwn(row, list));
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

/**
 * The traces given; else the recorded ones, where a checkout has the folder of shared traces beside it; else synthetic ones.
 * @returns {Record<'trace' | 'concurrent', import('./trace.mjs').TraceSource>}
 */
function findTraces() {
  const recorded = (/** @type {string} */ name) =>
    fileURLToPath(new URL(`../../../shared/traces/${name}.json.gz`, import.meta.url));
  const shared = ['automerge-paper', 'friendsforever'].map(recorded).filter((path) => existsSync(path));
  const isSynthetic = values.trace.includes('synthetic');
  const given = values.trace.filter((path) => path !== 'synthetic');
  /** @type {ReturnType<typeof findTraces>} */
  const found = { trace: { count: Number(values.edits), seed }, concurrent: { count: concurrentCount, seed } };
  for (const file of [...(isSynthetic ? [] : shared), ...given]) {
    found[readTraceFile(file).file.kind === 'concurrent' ? 'concurrent' : 'trace'] = { file };
  }
  return found;
}

/** @param {string} cell */
function ownMedian(cell) {
  return results.find((result) => result.cell === cell && result.figure === 'cpu_ms')?.medians.joinery;
}

/** @param {import('./trace.mjs').TraceSource} source */
function nameOf(source) {
  if ('file' in source) return source.file.replace(/^.*[\\/]/, '').replace(/\.json(\.gz)?$/, '');
  return `synthetic, ${source.count} edits`;
}
