// Finds the browsers other than Chromium that the browser tests also run in: Firefox and WebKitGTK. Nobody needs to have them:
// where one is missing, whoever asks gets the line to print. It starts nothing.
//
//   node scripts/find-engines.mjs --install    installs on Debian and Ubuntu what is missing, where that needs no password (.ci/run)

import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { capture, run } from './run.mjs';

/**
 * The engines by the names that tests know them by.
 * @typedef {'firefox' | 'webkit'} EngineName
 */

/** @type {readonly EngineName[]} */
export const engineNames = ['firefox', 'webkit'];

/** The first whose own protocol has all that is used of it. */
const oldestFirefox = 128;

/** What Debian calls what an engine needs. */
const packages = { firefox: ['firefox-esr'], webkit: ['webkit2gtk-driver', 'xvfb'] };

/**
 * Where Firefox is, or what to say where it isn't.
 * @returns {{ path: string } | { missing: string }}
 */
export function findFirefox() {
  const named = process.env.JOINERY_FIREFOX;
  if (named !== undefined && named !== '') {
    return existsSync(named) ? { path: named } : { missing: `JOINERY_FIREFOX names ${named}, which does not exist` };
  }
  // Elsewhere than on Linux nobody has tried it: who wants to names one.
  const path = process.platform === 'linux' ? (inPath('firefox-esr') ?? inPath('firefox')) : undefined;
  if (path === undefined) {
    return {
      missing: 'Firefox is not installed (on Debian: apt-get install firefox-esr; JOINERY_FIREFOX names another one)',
    };
  }
  if (isSnap(path))
    return {
      missing: `${path} is a snap, which can't use a profile of a test's own (JOINERY_FIREFOX names another one)`,
    };
  const version = capture(path, ['--version'], { timeout: 30_000 });
  if (Number(/ (\d+)\./.exec(version ?? '')?.[1] ?? 0) >= oldestFirefox) return { path };
  return { missing: `Firefox is older than ${oldestFirefox} (it says: ${version})` };
}

/** What Ubuntu installs by its name is a link to snap, or a script that starts one. @param {string} path */
function isSnap(path) {
  const real = realpathSync(path);
  return real.includes('snap') || (statSync(real).size < 100_000 && readFileSync(real, 'utf8').includes('snap'));
}

/**
 * Where the parts of WebKitGTK are: its driver, its browser, and the display that is drawn to; or what to say where they aren't.
 * @returns {{ driver: string, browser: string, display: string } | { missing: string }}
 */
export function findWebkit() {
  const driver = inPath('WebKitWebDriver');
  const display = inPath('Xvfb');
  const browser = libraries().find((path) => existsSync(path));
  if (driver === undefined || browser === undefined || display === undefined) {
    return { missing: 'WebKitGTK is not installed (on Debian: apt-get install webkit2gtk-driver xvfb)' };
  }
  return { driver, browser, display };
}

/** @param {EngineName} name */
export function findEngine(name) {
  return name === 'firefox' ? findFirefox() : findWebkit();
}

/** Where distributions put MiniBrowser, newest library first. */
function libraries() {
  const roots = ['/usr/lib', '/usr/libexec', '/usr/lib64'];
  const folders = roots.flatMap((root) => [root, ...list(root).map((name) => join(root, name))]);
  return ['webkitgtk-6.0', 'webkit2gtk-4.1', 'webkit2gtk-4.0'].flatMap((library) =>
    folders.map((folder) => join(folder, library, 'MiniBrowser')),
  );
}

/** @param {string} folder */
function list(folder) {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('-linux-gnu')) : [];
}

/** @param {string} program */
function inPath(program) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** Says what it could not install; it never fails for it. */
function install() {
  const missing = engineNames.filter((name) => 'missing' in findEngine(name));
  if (missing.length === 0) return;
  const root = process.getuid?.() === 0 ? [] : ['sudo', '--non-interactive'];
  const [command = '', ...before] = [...root, 'apt-get'];
  if (process.platform === 'linux' && capture(command, [...before, '--version']) !== undefined) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run(command, [...before, 'update', '-qq'], { env, timeout: 120_000 });
    for (const name of missing) {
      run(command, [...before, 'install', '-y', '-qq', '--no-install-recommends', ...packages[name]], {
        env,
        timeout: 240_000,
      });
    }
  }
  for (const name of missing) {
    const found = findEngine(name);
    if ('missing' in found) console.log(`${found.missing}; it could not be installed here`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv.includes('--install')) install();
  else for (const name of engineNames) console.log(name, findEngine(name));
}
