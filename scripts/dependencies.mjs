// Brings node_modules to what package-lock.json names, when it isn't there already. It uses Node's own modules only, for it
// runs on a fresh clone before anything is installed. It does not change package-lock.json.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, root, run } from './run.mjs';

const minimumNode = [20, 19];

/** Installs the dependencies if they are missing or differ from package-lock.json, and ends the process when that fails. */
export function ensureDependencies() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [minimumMajor = 0, minimumMinor = 0] = minimumNode;
  if (major < minimumMajor || (major === minimumMajor && minor < minimumMinor)) {
    fail(
      `Joinery needs Node ${minimumNode.join('.')} or newer; this is ${process.versions.node}. Get it from https://nodejs.org`,
    );
  }
  const difference = findDifference();
  if (difference === undefined) return;
  console.log(`Installing dependencies (${difference}) …`);
  const status = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (status !== 0) fail('The dependencies could not be installed. Check the network, then run: npm ci');
}

/** Why node_modules isn't what package-lock.json names, or undefined when it is. */
function findDifference() {
  const installedPath = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedPath)) return 'none are installed';
  const wanted = readPackages(join(root, 'package-lock.json'));
  const installed = readPackages(installedPath);
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.includes('node_modules/')) continue;
    const present = installed[path];
    // npm leaves out optional packages that are for another platform.
    if (present === undefined && entry.optional) continue;
    if (present === undefined || !existsSync(join(root, path))) return `${path} is missing`;
    if (present.version !== entry.version) return `${path} is ${present.version}, not ${entry.version}`;
  }
  return undefined;
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function readPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
}
