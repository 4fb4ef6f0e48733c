// `npm test`: everything a change has to pass, with its own set-up. It ends with one line `N passed, N failed`, and with
// status 0 only when nothing failed. It does not build the core from Rust (.ci/run does).
//
//   npm test                            everything but other engines than Chromium
//   npm test -- --only rust             a part: lint, rust, unit, browser, firefox or webkit (may be given more than once)
//   npm test -- --only unit sync        what follows is passed on to vitest, or to Playwright

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { buildTestPage } from './build-test-page.mjs';
import { coreSources, findStaleness } from './core-stamp.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { findChromium } from './find-chromium.mjs';
import { engineNames, findEngine } from './find-engines.mjs';
import { bin, capture, fail, root, run, tee } from './run.mjs';

const parts = ['lint', 'rust', 'unit', 'browser', ...engineNames];
const started = Date.now();
let passed = 0;
let failed = 0;

const { values, positionals } = parseArgs({
  options: { only: { type: 'string', multiple: true, default: [] } },
  allowPositionals: true,
});
for (const part of values.only) {
  if (!parts.includes(part)) fail(`--only takes one of ${parts.join(', ')}, not "${part}".`);
}
const wants = (/** @type {string} */ part) => values.only.length === 0 || values.only.includes(part);

ensureDependencies();
const reports = join(root, 'node_modules', '.cache', 'joinery');
mkdirSync(reports, { recursive: true });

if (wants('lint')) lint();
if (wants('rust')) await testRust();
if (wants('unit')) testUnits();
if (wants('browser')) testChromium();
// They take as long again as all else together.
for (const name of engineNames) if (values.only.includes(name)) testEngine(name);
if (values.only.length === 0) console.log('\nOther engines: npm test -- --only firefox --only webkit');

console.log(`\nTook ${Math.round((Date.now() - started) / 1000)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** Format, lint, types, and the stamp of the built core. */
function lint() {
  check('Biome', run(process.execPath, [bin('@biomejs/biome', 'biome'), 'ci', '.']) === 0);
  check('TypeScript', run(process.execPath, [bin('typescript', 'tsc'), '-b']) === 0);
  const staleness = findStaleness();
  if (staleness !== undefined) console.error(staleness);
  check('built core is up to date', staleness === undefined);
}

async function testRust() {
  heading('Rust');
  if (capture('cargo', ['--version'], { cwd: coreSources }) === undefined) {
    console.log('cargo is not installed: the Rust tests were not run (they matter only to changes in core-rs)');
    return;
  }
  // Files are a workspace of their own, and so is the exploration of the merge rules, of which the bounded share runs here.
  const apart = ['files', 'model'].map((crate) => join(coreSources, 'crates', crate));
  for (const cwd of [coreSources, ...apart]) await testWorkspace(cwd);
  // The lite core is what the crates are without their features. In the workspace's own build they have all of them.
  const lite = ['--package', 'joinery-types', '--package', 'joinery-lite', '--no-default-features'];
  if (capture('cargo', ['clippy', '--version'], { cwd: coreSources }) !== undefined) {
    check(
      'cargo clippy (lite)',
      run('cargo', ['clippy', ...lite, '--quiet', '--', '--deny', 'warnings'], { cwd: coreSources }) === 0,
    );
  }
  await countTests(['--package', 'joinery-lite'], coreSources);
}

/** Format, lint and tests of one Rust workspace. @param {string} cwd */
async function testWorkspace(cwd) {
  for (const [component, args] of Object.entries({
    fmt: ['fmt', '--all', '--check'],
    clippy: ['clippy', '--workspace', '--all-targets', '--quiet', '--', '--deny', 'warnings'],
  })) {
    if (capture('cargo', [component, '--version'], { cwd }) === undefined) {
      console.log(`cargo ${component} is not installed: not checked (rustup component add ${component})`);
    } else {
      check(`cargo ${component}`, run('cargo', args, { cwd }) === 0);
    }
  }
  await countTests(cwd === coreSources ? ['--workspace', '--exclude', 'joinery-lite'] : ['--workspace'], cwd);
}

/** Runs tests of Rust, and counts them. @param {readonly string[]} which @param {string} cwd */
async function countTests(which, cwd) {
  const { status, output } = await tee('cargo', ['test', ...which, '--quiet', '--no-fail-fast'], { cwd });
  let counted = 0;
  for (const match of output.matchAll(/test result: \w+\. (\d+) passed; (\d+) failed/g)) {
    passed += Number(match[1]);
    failed += Number(match[2]);
    counted += Number(match[2]);
  }
  if (status !== 0 && counted === 0) check('cargo test', false);
}

/** vitest: the unit tests beside the code, and what crosses packages without a browser. */
function testUnits() {
  heading('Unit tests');
  checkBuild();
  const report = join(reports, 'vitest.json');
  rmSync(report, { force: true });
  const arguments_ = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const status = run(process.execPath, [bin('vitest'), ...arguments_, ...positionals]);
  const result = readReport(report);
  passed += result?.numPassedTests ?? 0;
  const failures = result?.numFailedTests ?? 0;
  failed += failures;
  // A file that can't be loaded, or an error outside any test, has no test to count.
  if (status !== 0 && failures === 0) check('vitest', false);
}

/** In a real Chromium, against what was built. */
function testChromium() {
  heading('Browser tests');
  if (!checkBuild(buildTestPage)) return;
  /** @type {string} */
  let chromium;
  try {
    chromium = findChromium();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return check('Chromium is there', false);
  }
  console.log(`Chromium: ${chromium}`);
  const { unexpected, skipped } = playwright({ JOINERY_CHROMIUM: chromium, JOINERY_ENGINE: '' });
  failed += unexpected + skipped;
}

/** The tests that are for all engines, in one of the others. @param {import('./find-engines.mjs').EngineName} name */
function testEngine(name) {
  heading(`Browser tests in ${name === 'firefox' ? 'Firefox' : 'WebKitGTK'}`);
  const found = findEngine(name);
  if ('missing' in found) {
    console.log(`${found.missing}: its tests were not run`);
    return;
  }
  if (!checkBuild(buildTestPage)) return;
  const { unexpected, skipped } = playwright({ JOINERY_ENGINE: name });
  failed += unexpected;
  // Not all have everything: each says above why it was left out.
  if (skipped > 0) console.log(`${skipped} left out: ${name} has not what they are about`);
}

/** Runs Playwright, and counts what passed; what it can't count is one failure. @param {NodeJS.ProcessEnv} env */
function playwright(env) {
  const report = join(reports, 'playwright.json');
  rmSync(report, { force: true });
  const config = join('tests', 'browser', 'playwright.config.ts');
  const status = run(
    process.execPath,
    [bin('@playwright/test', 'playwright'), 'test', '--config', config, '--reporter=list,json', ...positionals],
    { env: { ...process.env, ...env, PLAYWRIGHT_JSON_OUTPUT_NAME: report } },
  );
  const { expected = 0, flaky = 0, unexpected = 0, skipped = 0 } = readReport(report)?.stats ?? {};
  passed += expected + flaky;
  if (status !== 0 && unexpected + skipped === 0) check('Playwright', false);
  return { unexpected, skipped };
}

/** Builds what the tests start as processes or open in a browser; counts only a failure. @param {() => void} also */
function checkBuild(also = () => {}) {
  try {
    build();
    also();
    return true;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    check('the build', false);
    return false;
  }
}

/** Counts a check that is one thing. @param {string} name @param {boolean} ok */
function check(name, ok) {
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name}`);
  if (ok) passed += 1;
  else failed += 1;
}

/** @param {string} text */
function heading(text) {
  console.log(`\n── ${text}`);
}

/** @param {string} path */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // The run ended before it wrote one; its status is counted instead.
    return undefined;
  }
}
