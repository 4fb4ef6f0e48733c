// `npm run simulate`: runs seeds of the simulation, with two processes when there are many, and says what failed.
//
//   npm run simulate -- --seed 7                 one seed; prints its hash, and shrinks it when it fails
//   npm run simulate -- --seeds 1000             the seeds from 1 (or --from N) on
//   npm run simulate -- --planted NAME           with a planted bug in the sources: succeeds when a checker finds it
//   npm run simulate -- --planted all            every planted bug at the seed that tests/simulation/planted.json names for it;
//                                                one that is not found there is looked for, and the table is written
//                                                anew (with --check: that is a failure)
//   npm run simulate -- --features a,b …         with these features (tests/simulation/features.ts), not those that a seed draws
//   npm run simulate -- --replay FILE            a run that was kept (tests/simulation/regressions), entry by entry with --log
//
// A failing seed is shrunk and written to node_modules/.cache/joinery/simulation/; it becomes a regression test when it is
// moved to tests/simulation/regressions.

import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { planted } from '../tests/simulation/transforms.mjs';
import { fail, root } from './run.mjs';
import { bundleSimulation, loadSimulation } from './simulation-bundle.mjs';

const tablePath = join(root, 'tests', 'simulation', 'planted.json');

/**
 * @typedef {import('../tests/simulation/entry.ts').Outcome} Outcome
 * @typedef {{ seed: number, outcome: Outcome }} Result
 */

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    planted: { type: 'string' },
    replay: { type: 'string' },
    log: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    features: { type: 'string' },
    worker: { type: 'string' },
  },
});

/** What `--features` names; undefined: what each seed draws. */
const given = /** @type {import('../tests/simulation/entry.ts').Feature[] | undefined} */ (
  values.features?.split(',').filter((name) => name !== '')
);

if (values.worker !== undefined) await work(values.worker);
else await main();

async function main() {
  if (values.planted === 'all') return await allPlanted(values.check ? 0 : whole('seeds', values.seeds ?? '1000'));
  const bundle = await bundleSimulation(values.planted);
  if (values.replay !== undefined) await replay(bundle, values.replay);
  else if (values.seed !== undefined) await one(bundle, whole('seed', values.seed));
  else await many(bundle, whole('from', values.from), whole('seeds', values.seeds ?? (values.planted ? '200' : '100')));
}

/** @param {string} bundle @param {number} seed */
async function one(bundle, seed) {
  const simulation = await loadSimulation(bundle);
  const outcome = await simulation.replay(simulation.planRun(seed, given), values.log ? print(simulation) : undefined);
  tell(seed, outcome);
  if (outcome.failure !== undefined) await keepShrunk(simulation, seed, outcome.failure);
  conclude(outcome.failure !== undefined);
}

/** @param {string} bundle @param {string} file */
async function replay(bundle, file) {
  const simulation = await loadSimulation(bundle);
  const { run } = JSON.parse(readFileSync(file, 'utf8'));
  const outcome = await simulation.replay(run, values.log ? print(simulation) : undefined);
  tell(run.seed, outcome);
  conclude(outcome.failure !== undefined);
}

/** @param {string} bundle @param {number} first @param {number} count */
async function many(bundle, first, count) {
  const started = Date.now();
  /** @type {Result[]} */
  const failures = [];
  let [next, done, events, operations, least] = [first, 0, 0, 0, Number.POSITIVE_INFINITY];
  const stopEarly = values.planted !== undefined;
  /** @param {Result} result */
  const finished = ({ seed, outcome }) => {
    done += 1;
    events += outcome.events;
    operations += outcome.operations;
    if (outcome.failure === undefined) least = Math.min(least, outcome.events);
    else {
      failures.push({ seed, outcome });
      tell(seed, outcome);
    }
    if (done % 100 === 0) console.log(`${done} seeds, ${Math.round((Date.now() - started) / 1000)} s`);
  };
  const take = () => (next < first + count && !(stopEarly && failures.length > 0) ? next++ : undefined);
  await Promise.all(
    Array.from({ length: Math.min(2, availableParallelism(), count) }, () => drive(bundle, take, finished)),
  );
  const seconds = (Date.now() - started) / 1000;
  console.log(
    `${done} seeds from ${first}, ${failures.length} failed; ${Math.round(events / done)} events and ` +
      `${Math.round(operations / done)} writes a seed (least ${least} events); ` +
      `${seconds.toFixed(1)} s, ${(done / seconds).toFixed(1)} seeds/s`,
  );
  const [worst] = failures.sort((a, b) => a.seed - b.seed);
  if (worst?.outcome.failure !== undefined) {
    const simulation = await loadSimulation(bundle);
    await keepShrunk(simulation, worst.seed, worst.outcome.failure);
  }
  conclude(failures.length > 0);
}

/**
 * Finds every planted bug, each in a process of its own: a core that has trapped is of no more use.
 * @param {number} most seeds to look at for one that the table's seed doesn't show
 */
async function allPlanted(most) {
  /** @type {{ name: string, why: string, seed: number, property: string }[]} */
  const known = JSON.parse(readFileSync(tablePath, 'utf8'));
  const waiting = [...planted];
  const plain = await bundleSimulation();
  /** Whether it is the bug that fails, and not the seed. @param {number} seed */
  const passesPlain = async (seed) => {
    const seeds = [seed];
    let passes = false;
    await drive(
      plain,
      () => seeds.shift(),
      ({ outcome }) => {
        passes = outcome.failure === undefined;
      },
    );
    return passes;
  };
  /** @type {Map<string, { seed: number, property: string }>} */
  const found = new Map();
  const next = async () => {
    for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
      const { name } = bug;
      const bundle = await bundleSimulation(name);
      const entry = known.find((candidate) => candidate.name === name);
      const seeds = [
        ...(entry === undefined ? [] : [entry.seed]),
        ...Array.from({ length: most }, (_, index) => index + 1),
      ];
      while (!found.has(name) && seeds.length > 0) {
        const take = () => (found.has(name) ? undefined : seeds.shift());
        await drive(bundle, take, ({ seed, outcome: { failure } }) => {
          if (failure !== undefined) found.set(name, { seed, property: failure.property });
        });
        const seed = found.get(name)?.seed;
        if (seed !== undefined && !(await passesPlain(seed))) found.delete(name);
      }
      const hit = found.get(name);
      console.log(hit === undefined ? `NOT FOUND ${name}` : `${name}: seed ${hit.seed}, ${hit.property}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, next));
  const table = planted.flatMap(({ name, why }) => {
    const hit = found.get(name);
    return hit === undefined ? [] : [{ name, why, ...hit }];
  });
  const text = `${JSON.stringify(table, undefined, 2)}\n`;
  if (!values.check && text !== readFileSync(tablePath, 'utf8')) {
    writeFileSync(tablePath, text);
    console.log('The table was written anew: tests/simulation/planted.json');
  }
  console.log(`${table.length} of ${planted.length} planted bugs found`);
  process.exitCode = table.length === planted.length ? 0 : 1;
}

/**
 * One process that runs what it is given.
 * @param {string} bundle @param {() => number | undefined} take @param {(result: Result) => void} finished
 */
function drive(bundle, take, finished) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [
      ...['--worker', bundle],
      ...(values.features === undefined ? [] : ['--features', values.features]),
    ]);
    const give = () => {
      const seed = take();
      child.send(seed ?? 'end');
    };
    child.on('message', (/** @type {Result | 'ready'} */ message) => {
      if (message !== 'ready') finished(message);
      give();
    });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve(undefined) : reject(new Error(`A worker ended with ${code}.`))));
  });
}

/** @param {string} bundle */
async function work(bundle) {
  const simulation = await loadSimulation(bundle);
  process.on('message', async (seed) => {
    if (typeof seed !== 'number') process.exit(0);
    const outcome = await simulation.simulate(seed, given);
    process.send?.({ seed, outcome });
  });
  process.send?.('ready');
}

/**
 * @param {import('./simulation-bundle.mjs').Simulation} simulation @param {number} seed
 * @param {NonNullable<Outcome['failure']>} failure
 */
async function keepShrunk(simulation, seed, { property }) {
  const run = await simulation.shrink(simulation.planRun(seed, given), property);
  const { failure } = await simulation.replay(run);
  const folder = join(root, 'node_modules', '.cache', 'joinery', 'simulation');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${values.planted ?? 'plain'}-${seed}.json`);
  writeFileSync(file, `${JSON.stringify({ property, message: failure?.message, run }, undefined, 2)}\n`);
  console.log(`shrunk to ${run.choices.length} choices: ${file}`);
  console.log(`${failure?.property}: ${failure?.message}`);
  for (const choice of run.choices) console.log(`  ${JSON.stringify(choice)}`);
}

/** @param {number} seed @param {Outcome} outcome */
function tell(seed, { hash, events, operations, simulated_ms, failure }) {
  const figures = `${events} events, ${operations} writes, ${Math.round(simulated_ms / 1000)} s of virtual time`;
  console.log(`seed ${seed}  hash ${hash}  ${figures}`);
  if (failure !== undefined) {
    console.log(
      `  FAILED ${failure.property} at ${failure.at_ms.toFixed(3)} ms, event ${failure.event}: ${failure.message}`,
    );
  }
}

/** @param {import('./simulation-bundle.mjs').Simulation} simulation */
function print(simulation) {
  return (/** @type {import('../tests/simulation/entry.ts').LogEntry} */ { at_ms, event, record }) =>
    console.log(`${at_ms.toFixed(3).padStart(12)} ${String(event).padStart(6)} ${simulation.describe(record)}`);
}

/** A planted bug has to be found; otherwise nothing may fail. @param {boolean} failed */
function conclude(failed) {
  process.exitCode = failed === (values.planted !== undefined) ? 0 : 1;
}

/** @param {string} name @param {string} text */
function whole(name, text) {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) fail(`--${name} takes a whole number, not "${text}".`);
  return number;
}
