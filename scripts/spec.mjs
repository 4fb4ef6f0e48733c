// `npm run spec`: checks the specifications in docs/spec with `tla`, shows that each planted error in them is found, and
// explores the Rust merge rules (core-rs/crates/model). It prints the states of each. It needs cargo, once, to build the
// checker; where that isn't there it says in one line that nothing was checked, and fails only with --required.
//
//   npm run spec                 everything
//   npm run spec -- --quick      no more than some thousand states of each, for a change to a spec
//   npm run spec -- --required   not having checked is a failure (CI)

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { coreSources } from './core-stamp.mjs';
import { capture, fail, root, run } from './run.mjs';
import { floor, planted, shares } from './spec-shares.mjs';

/** The checker's version, which the subset of TLA+ that the specs stay in belongs to. */
const checkerVersion = '0.24.11';
/** How many states one share may have at most, so that a spec that has grown out of hand says so. */
const maxStates = 400_000;
const maxStatesQuick = 4_000;
/** Deeper than any trace here; the checker's own bound of 100 would cut one off. */
const maxDepth = 1_000;

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, required: { type: 'boolean', default: false } },
});
const started = Date.now();
const folder = join(root, 'docs', 'spec');
let failures = 0;
let unchecked = 0;

const checker = findChecker();
if (checker === undefined)
  notChecked('tla-checker is not installed and could not be built: the specs were not checked');
else await checkSpecs(checker);
exploreRust();

console.log(`\nTook ${Math.round((Date.now() - started) / 1000)} s`);
console.log(`spec: ${failures} failed${unchecked === 0 ? '' : `, ${unchecked} of 2 parts NOT CHECKED`}`);
process.exitCode = failures === 0 ? 0 : 1;

/**
 * @typedef {object} Verdict what the checker said, of its JSON line
 * @property {string} status `ok`, `invariant_violation`, `deadlock`, `max_states_exceeded`, or an error's name
 * @property {string} [invariant_name]
 * @property {string} [error]
 * @property {unknown[]} [trace]
 * @property {{ states_explored: number }} [stats]
 */

/** All shares and all planted errors, as many at once as there are processors. @param {string} program */
async function checkSpecs(program) {
  let states = 0;
  const jobs = [
    ...shares.map((share) => async () => {
      const began = Date.now();
      const verdict = await check(program, share, options.quick ? maxStatesQuick : maxStates);
      const explored = verdict.stats?.states_explored ?? 0;
      states += explored;
      const cut = options.quick && verdict.status === 'max_states_exceeded';
      if (verdict.status !== 'ok' && !cut) failures += 1;
      const outcome = verdict.status === 'ok' ? '' : `  ${cut ? 'cut off by --quick' : `FAILED: ${describe(verdict)}`}`;
      const took = `${((Date.now() - began) / 1000).toFixed(1)} s`;
      console.log(`  ${title(share).padEnd(58)} ${String(explored).padStart(7)} states, ${took}${outcome}`);
    }),
    ...planted.map((share) => async () => {
      const verdict = await check(program, share, maxStates);
      const found = verdict.invariant_name ?? verdict.status;
      const ok = found === share.finds;
      if (!ok) failures += 1;
      const after = `after ${Math.max(0, (verdict.trace?.length ?? 1) - 1)} steps`;
      const outcome = ok ? `found: ${found}, ${after}` : `FAILED: expected ${share.finds}, got ${describe(verdict)}`;
      console.log(`  ${`${share.spec}, planted "${share.bug}"`.padEnd(38)} ${outcome}`);
    }),
  ];
  console.log(`\n── TLA+ (${shares.length} shares, ${planted.length} planted errors)`);
  const workers = Array.from({ length: Math.min(availableParallelism(), jobs.length) }, async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await job();
  });
  await Promise.all(workers);
  console.log(`  TLA+: ${states} states`);
  if (!options.quick && states <= floor) {
    console.error(
      `  FAILED: expected more than ${floor} states in all; give a share in scripts/spec-shares.mjs more to do`,
    );
    failures += 1;
  }
}

/**
 * @param {string} program
 * @param {import('./spec-shares.mjs').Share} share
 * @param {number} limit
 * @returns {Promise<Verdict>}
 */
function check(program, share, limit) {
  const constants = { ...share.constants, ...(share.bug === undefined ? {} : { Bug: `"${share.bug}"` }) };
  const args = [
    join(folder, `${share.spec}.tla`),
    ...['--config', join(folder, `${share.spec}.cfg`), '--json'],
    ...['--max-states', String(limit), '--max-depth', String(maxDepth)],
    ...Object.entries(constants).flatMap(([name, value]) => ['--constant', `${name}=${value}`]),
  ];
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.once('error', (error) => resolve({ status: 'not-started', error: error.message }));
    child.once('close', () => resolve(readVerdict(output)));
  });
}

/** @param {string} output @returns {Verdict} */
function readVerdict(output) {
  const line = output.split('\n').find((text) => text.startsWith('{"status"'));
  try {
    return JSON.parse(line ?? '');
  } catch {
    return { status: 'no-verdict', error: `expected one line of JSON, got ${JSON.stringify(output.slice(0, 200))}` };
  }
}

/** What went wrong, with the last state of the trace. @param {Verdict} verdict */
function describe(verdict) {
  const last = verdict.trace?.at(-1);
  const where = last === undefined ? '' : `, in ${JSON.stringify(last)}`;
  return `${verdict.status} ${verdict.invariant_name ?? verdict.error ?? ''}${where}`;
}

/** @param {import('./spec-shares.mjs').Share} share */
function title(share) {
  const constants = Object.entries(share.constants).map(([name, value]) => `${name}=${value}`);
  return [share.spec, ...constants].join(' ');
}

/** The merge rules themselves, in a workspace of their own. */
function exploreRust() {
  console.log('\n── The Rust merge rules');
  if (capture('cargo', ['--version'], { cwd: coreSources }) === undefined) {
    return notChecked('cargo is not installed: the Rust merge rules were not explored');
  }
  const args = ['run', '--quiet', ...(options.quick ? ['--', '--bounded'] : [])];
  if (run('cargo', args, { cwd: join(coreSources, 'crates', 'model') }) !== 0) failures += 1;
}

/** The checker: on PATH, in the cache, or built into the cache now. @returns {string | undefined} */
function findChecker() {
  if (capture('tla', ['--version'])?.includes(checkerVersion)) return 'tla';
  const cache = join(userCache(), `tla-checker-${checkerVersion}`);
  const program = join(cache, 'bin', process.platform === 'win32' ? 'tla.exe' : 'tla');
  if (existsSync(program)) return program;
  if (capture('cargo', ['--version'], { cwd: coreSources }) === undefined) return undefined;
  console.log('Building tla-checker, once (about three minutes of a processor) …');
  mkdirSync(cache, { recursive: true });
  // Without --locked: its lock file may name versions that a mirror of the registry hasn't.
  const args = ['install', 'tla-checker', '--version', checkerVersion, '--bin', 'tla', '--root', cache, '--quiet'];
  const status = run('cargo', args, { env: { ...process.env, CARGO_PROFILE_RELEASE_LTO: 'off' } });
  return status === 0 && existsSync(program) ? program : undefined;
}

/** Outside of the checkout, for a fresh clone is tested for each change. */
function userCache() {
  const base = process.env.XDG_CACHE_HOME ?? process.env.LOCALAPPDATA ?? join(homedir(), '.cache');
  return join(base, 'joinery');
}

/** @param {string} message */
function notChecked(message) {
  unchecked += 1;
  console.log(message);
  if (options.required) fail(`${message}; --required was given`);
}
