// The rows of whole SDKs in Chromium, with their storage: what an app's user waits for. Ours beside the others' and raw IndexedDB, each
// in a page of its own, each cell in a fresh process with its profile on disk, interleaved, round after round.

import { servePage } from '../../harness/page-server.mjs';
import { median } from '../measure.mjs';
import { format, printLines } from '../table.mjs';
import { buildPage, pagesFolder } from './build-pages.mjs';
import { CellLate, cells } from './cells.mjs';
import { prepareLarge } from './large-update.mjs';

const ours = 'joinery';
const floor = 'raw';

/**
 * @typedef {object} Subject
 * @property {string} folder of its page, and its name in the table
 * @property {string} subject its file in subjects/
 * @property {boolean} [isRelaxed] of raw IndexedDB: with the browser's default durability
 * @property {readonly string[]} [lacks] cells that it has no way to do
 */

/** @type {readonly Subject[]} */
export const subjects = [
  { folder: ours, subject: 'joinery' },
  // Of two durabilities the strict one is the floor, for that is what ours promises.
  { folder: floor, subject: 'raw', lacks: ['tab to tab'] },
  { folder: 'raw-relaxed', subject: 'raw', isRelaxed: true, lacks: ['tab to tab'] },
  { folder: 'yjs', subject: 'yjs' },
  { folder: 'tinybase', subject: 'tinybase', lacks: ['open text', 'insert letter'] },
  { folder: 'automerge-repo', subject: 'automerge-repo' },
  { folder: 'loro', subject: 'loro' },
];

/** At most so much; or at most so many times what the floor takes; or at least so much. @typedef {{ atMost?: number, timesFloor?: number, atLeast?: number }} Goal */
/** @typedef {{ title: string, cell: string, figure: string, goal?: Goal }} Row */

/** @type {(title: string, cell: string, figure: string, goal?: Goal) => Row} */
const row = (title, cell, figure, goal) => ({ title, cell, figure, ...(goal && { goal }) });

/** @type {readonly Row[]} */
export const sdkRows = [
  row('cold start to the first stored document', 'cold start', 'cold_ms', { timesFloor: 1.3 }),
  row('open a stored text of 100,000 characters', 'open text', 'beyond_cpu_ms', { atMost: 8 }),
  row('  longest task', 'open text', 'longest_ms', { atMost: 37 }),
  row('  until it is read', 'open text', 'wall_ms'),
  row('set a field, the call, p50', 'set field', 'p50_us', { atMost: 80 }),
  row('  p99', 'set field', 'p99_us', { atMost: 500 }),
  row('  the thread, p50', 'set field', 'thread_p50_us'),
  row('  the thread, p99', 'set field', 'thread_p99_us'),
  row('insert in the long text, the call, p50', 'insert letter', 'p50_us', { atMost: 80 }),
  row('  p99', 'insert letter', 'p99_us', { atMost: 500 }),
  row('  the thread, p50', 'insert letter', 'thread_p50_us'),
  row('  the thread, p99', 'insert letter', 'thread_p99_us'),
  row('edit to its being in IndexedDB', 'reach storage', 'stored_ms', { atMost: 5 }),
  row('  p99', 'reach storage', 'stored_p99_ms'),
  row('  to its promise', 'reach storage', 'promised_ms'),
  row('1,000 edits until durable', '1,000 edits', 'stored_ms', { atMost: 40 }),
  row('10,000 documents of 10 fields stored', 'documents', 'stored_ms', { atMost: 500 }),
  row('  ids listed', 'documents', 'list_ms', { atMost: 50 }),
  row('  all opened', 'documents', 'open_ms', { atMost: 400 }),
  row('  memory with all open', 'documents', 'memory_MB', { atMost: 18 }),
  row('    of JavaScript', 'documents', 'heap_MB'),
  row('    of WebAssembly', 'documents', 'wasm_MB'),
  row('tab to tab', 'tab to tab', 'p50_ms', { atMost: 3 }),
  row('  p99', 'tab to tab', 'p99_ms'),
  row('an update of 10 MB, longest task', 'large update', 'longest_ms', { atMost: 50 }),
  row('  applied and stored', 'large update', 'stored_ms', { atMost: 400 }),
  row('  applied', 'large update', 'applied_ms'),
  row('1,000 edits in a task, killed 20 ms later: kept', 'killed', 'kept_percent', { atLeast: 100 }),
  row('  killed after', 'killed', 'killed_after_ms'),
];

/**
 * One row, measured.
 * @typedef {object} SdkResult
 * @property {string} row
 * @property {string} cell
 * @property {string} figure its unit last
 * @property {Record<string, number>} medians
 * @property {Record<string, readonly number[]>} samples one a round
 * @property {{ goal: string, isMet: boolean } | undefined} verdict
 */

/**
 * @param {number} rounds
 * @param {(cell: string) => boolean} wants
 * @param {(folder: string) => boolean} compares
 * @returns {Promise<SdkResult[]>}
 */
export async function measureSdks(rounds, wants, compares) {
  const compared = subjects.filter(({ folder }) => folder === ours || folder === floor || compares(folder));
  const names = Object.keys(cells).filter(wants);
  for (const { folder, subject, isRelaxed } of compared) await buildPage(folder, subject, isRelaxed);
  const server = await servePage(pagesFolder);
  /** @type {ReturnType<typeof prepareLarge> | undefined} */
  let large;
  /** @type {Map<string, import('./cells.mjs').Figures[]>} */
  const measured = new Map();
  /** What had no end in one round isn't waited for in the next. @type {Set<string>} */
  const late = new Set();
  try {
    for (let round = 0; round < rounds; round++) {
      for (const cell of names) {
        for (const { folder, lacks = [] } of compared) {
          const key = `${cell} ${folder}`;
          if (lacks.includes(cell) || late.has(key)) continue;
          process.stderr.write(`round ${round + 1} of ${rounds}: ${key}\n`);
          const url = `${server.url}/${folder}/`;
          const given = { url, large: () => (large ??= prepareLarge(compared)) };
          const figures = await cells[cell]?.(given).catch((error) => {
            // What is wrong with another one is told, and leaves a dash.
            if (folder === ours || folder === floor) throw error;
            console.log(`${cell}: ${folder} gave none: ${String(error).split('\n')[0]}`);
            if (error instanceof CellLate) late.add(key);
            return undefined;
          });
          if (figures !== undefined) measured.set(key, [...(measured.get(key) ?? []), figures]);
        }
      }
    }
  } finally {
    await (await large)?.dispose();
    await server.close();
  }
  const results = sdkRows
    .filter(({ cell }) => names.includes(cell))
    .map((one) => summarize(one, compared, (folder) => measured.get(`${one.cell} ${folder}`) ?? []));
  print(
    results,
    compared.map(({ folder }) => folder),
  );
  return results;
}

/** @param {Row} row @param {readonly Subject[]} compared @param {(folder: string) => readonly import('./cells.mjs').Figures[]} of */
function summarize({ title, cell, figure, goal }, compared, of) {
  /** @type {SdkResult} */
  const result = { row: title, cell, figure, medians: {}, samples: {}, verdict: undefined };
  for (const { folder } of compared) {
    const samples = of(folder)
      .flatMap((figures) => figures[figure] ?? [])
      .filter(Number.isFinite);
    if (samples.length === 0) continue;
    result.samples[folder] = samples;
    result.medians[folder] = median(samples);
  }
  if (goal !== undefined) result.verdict = judge(result, goal);
  return result;
}

/** @param {SdkResult} result @param {Goal} goal */
function judge({ medians, samples }, { atMost, timesFloor, atLeast }) {
  const mine = medians[ours] ?? Number.NaN;
  if (atMost !== undefined) return { goal: `≤ ${format(atMost)}`, isMet: mine <= atMost };
  // All of them, in every round.
  if (atLeast !== undefined) {
    return { goal: `≥ ${format(atLeast)}`, isMet: (samples[ours] ?? [Number.NaN]).every((one) => one >= atLeast) };
  }
  const theirs = samples[floor] ?? [];
  const ratio = median((samples[ours] ?? []).map((sample, round) => sample / (theirs[round] ?? Number.NaN)));
  const factor = timesFloor ?? Number.NaN;
  return { goal: `≤ ${factor} × ${floor} (${ratio.toFixed(2)})`, isMet: ratio <= factor };
}

/** @param {readonly SdkResult[]} results @param {readonly string[]} folders */
function print(results, folders) {
  const lines = results.map(({ row: title, figure, medians, verdict }) => [
    `${title}, ${unitOf(figure)}`,
    ...folders.map((folder) => (medians[folder] === undefined ? '–' : format(medians[folder]))),
    verdict === undefined ? '' : `${verdict.goal}: ${verdict.isMet ? 'met' : 'MISSED'}`,
  ]);
  printLines(['', ...folders, 'goal'], lines, new Set([0, folders.length + 1]));
  const verdicts = results.flatMap(({ verdict }) => verdict ?? []);
  console.log(`\n${verdicts.filter(({ isMet }) => isMet).length} of ${verdicts.length} goals met\n`);
}

/** @param {string} figure */
function unitOf(figure) {
  const unit = figure.split('_').at(-1) ?? '';
  return figure.includes('cpu') ? `${unit} of the processor` : unit === 'percent' ? '%' : unit;
}
