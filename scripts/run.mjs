// How the scripts start other programs, on every platform. It decides nothing about what is started.

import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

const windows = process.platform === 'win32';

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd] the folder to run in (default: the repository's root)
 * @property {NodeJS.ProcessEnv} [env] the whole environment (default: this process's)
 * @property {number} [timeout] milliseconds until the program is killed
 */

/**
 * Runs a program to its end, with its output passed through.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {number} its exit status; 127 when it can't be started, 1 when a signal ended it
 */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: needsShell(command), ...options });
  return result.error ? 127 : (result.status ?? 1);
}

/**
 * Runs a program to its end and returns what it printed, or undefined when it failed or can't be started.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {string | undefined}
 */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    shell: needsShell(command),
    ...options,
  });
  return result.error || result.status !== 0 ? undefined : result.stdout.trim();
}

/**
 * Runs a program to its end with its output passed through and also returned, for a caller that counts in it.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{ status: number, output: string }>}
 */
export function tee(command, args, options = {}) {
  const { timeout, ...rest } = options;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: needsShell(command),
      ...rest,
    });
    let output = '';
    const timer = timeout === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), timeout);
    child.stdout.on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
      process.stderr.write(chunk);
    });
    const finish = (/** @type {number} */ status) => {
      clearTimeout(timer);
      resolve({ status, output });
    };
    child.once('error', () => finish(127));
    child.once('close', (status) => finish(status ?? 1));
  });
}

/**
 * The JavaScript file behind a package's command, so that it runs under this Node without a shell or npx.
 * @param {string} packageName such as `vitest`
 * @param {string} [command] its name in the package's `bin` (default: the package's own name)
 */
export function bin(packageName, command = packageName) {
  const require = createRequire(join(root, 'package.json'));
  const manifestPath = findManifest(packageName, require);
  const manifest = require(manifestPath);
  const path = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin?.[command];
  if (path === undefined) throw new Error(`expected a command "${command}" in ${manifestPath}, found none`);
  return join(dirname(manifestPath), path);
}

/**
 * Prints what went wrong and what to do, and ends this process with status 1.
 * @param {string} message
 * @returns {never}
 */
export function fail(message) {
  console.error(`\n${message}`);
  process.exit(1);
}

/**
 * Does it, or says what went wrong without a stack and ends this process with status 1.
 * @param {() => void} action
 */
export function orFail(action) {
  try {
    action();
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

/** npm is a batch file on Windows, which only a shell can start. @param {string} command */
function needsShell(command) {
  return windows && (command === 'npm' || command === 'npx');
}

/** @param {string} packageName @param {NodeJS.Require} require */
function findManifest(packageName, require) {
  for (const folder of require.resolve.paths(packageName) ?? []) {
    const path = join(folder, packageName, 'package.json');
    try {
      require(path);
      return path;
    } catch {
      // Not in this node_modules: the next folder up may have it.
    }
  }
  throw new Error(`expected the package "${packageName}" in node_modules, found none; run: npm ci`);
}
