// Finds a Chromium for the browser tests and benchmarks, and installs one when there is none. It never gives up in
// silence. It starts nothing.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bin, capture, orFail, root, run } from './run.mjs';

const variable = 'JOINERY_CHROMIUM';

/** How Chromium is started: no traffic of its own, and no sandbox where it can't have one. */
export function chromiumArguments() {
  const args = [
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  // Chromium refuses to run as root inside its sandbox.
  return process.getuid?.() === 0 ? [...args, '--no-sandbox'] : args;
}

/**
 * The path of a Chromium: the one JOINERY_CHROMIUM names, the system's, Playwright's own, or one that is installed now.
 * Throws with the command to run when there is none.
 * @returns {string}
 */
export function findChromium() {
  const named = process.env[variable];
  if (named !== undefined && named !== '') {
    if (!existsSync(named)) throw new Error(`${variable} names ${named}, which does not exist.`);
    return named;
  }
  return findOnSystem() ?? findPlaywrights() ?? install();
}

/** @returns {string | undefined} */
function findOnSystem() {
  if (process.platform === 'win32') {
    const folders = [process.env.PROGRAMFILES, process.env['PROGRAMFILES(X86)'], process.env.LOCALAPPDATA];
    return first(
      folders.flatMap((folder) =>
        folder === undefined
          ? []
          : [
              join(folder, 'Google', 'Chrome', 'Application', 'chrome.exe'),
              join(folder, 'Chromium', 'Application', 'chrome.exe'),
            ],
      ),
    );
  }
  if (process.platform === 'darwin') {
    return first([
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
    ]);
  }
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return first(names.flatMap((name) => folders.map((folder) => join(folder, name))));
}

/** @returns {string | undefined} */
function findPlaywrights() {
  const require = createRequire(join(root, 'package.json'));
  /** @type {typeof import('@playwright/test')} */
  const playwright = require('@playwright/test');
  return first([playwright.chromium.executablePath()]);
}

/** @returns {string} */
function install() {
  console.log('No Chromium found; installing one …');
  const downloaded = run(process.execPath, [bin('@playwright/test', 'playwright'), 'install', 'chromium'], {
    timeout: 240_000,
  });
  if (downloaded === 0) {
    const path = findPlaywrights();
    if (path !== undefined) return path;
  }
  if (isDebian() && process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], { env, timeout: 120_000 });
    run('apt-get', ['install', '-y', '-qq', 'chromium'], { env, timeout: 240_000 });
    const path = findOnSystem();
    if (path !== undefined) return path;
  }
  throw new Error(
    'The browser tests need Chromium and none could be installed. Run one of these, and then this again:\n' +
      '  npx playwright install --with-deps chromium\n' +
      `${isDebian() ? '  sudo apt-get update && sudo apt-get install -y chromium\n' : ''}` +
      `  or set ${variable} to the path of a Chromium or Chrome`,
  );
}

function isDebian() {
  if (process.platform !== 'linux' || capture('apt-get', ['--version']) === undefined) return false;
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^ID=debian$/m.test(release);
}

/** @param {readonly string[]} paths */
function first(paths) {
  return paths.find((path) => existsSync(path));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) orFail(() => console.log(findChromium()));
