// The stamp of the built core: which Rust sources it was built from, so that a stale module is noticed without Rust.
// It does not build anything (build-core.mjs does).

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.mjs';

/** Where the Rust workspace lies, and where its built module is committed. */
export const coreSources = join(root, 'core-rs');
export const corePackage = join(root, 'sdk', 'src', 'core', 'pkg');

/** The files of the built core. */
export const coreFiles = ['joinery_core.js', 'joinery_core.d.ts', 'joinery_core_bg.wasm', 'joinery_core_bg.wasm.d.ts'];

// What never reaches the module: a change there needs no new build.
const outside = new Set(['target', 'oracle', 'model', 'files', 'fuzz', 'tests', 'benches', 'examples']);

/**
 * @typedef {object} CoreStamp
 * @property {string} sources SHA-256 over the Rust sources, manifests and Cargo.lock
 * @property {string} built SHA-256 over the built files
 * @property {string} rustc the compiler's version, for people who compare bytes
 */

/** The hash of everything in core-rs that the module is built from. */
export function hashSources() {
  const files = listSources(coreSources, '');
  if (files.length === 0) throw new Error(`expected Rust sources in ${coreSources}, found none`);
  return hashFiles(coreSources, files);
}

/**
 * The hash of the built files.
 * @param {string} [folder] default: the committed ones
 */
export function hashBuilt(folder = corePackage) {
  return hashFiles(folder, coreFiles);
}

/**
 * The stamp that lies with a build, or undefined when there is none.
 * @param {string} [folder] default: the committed build
 * @returns {CoreStamp | undefined}
 */
export function readStamp(folder = corePackage) {
  const path = join(folder, 'stamp.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** Why the committed module is not what core-rs says, with the remedy; undefined when it is. */
export function findStaleness() {
  const stamp = readStamp();
  const missing = coreFiles.filter((file) => !existsSync(join(corePackage, file)));
  const remedy = 'run: npm run build:core, and commit sdk/src/core/pkg';
  if (stamp === undefined || missing.length > 0) {
    return `The built core is missing (${missing.join(', ') || 'stamp.json'}); ${remedy}`;
  }
  if (stamp.sources !== hashSources()) return `The built core is older than the Rust sources in core-rs; ${remedy}`;
  if (stamp.built !== hashBuilt()) return `The built core was changed after it was built; ${remedy}`;
  return undefined;
}

/**
 * Paths of the sources below a folder, with forward slashes, in code-unit order.
 * @param {string} folder
 * @param {string} prefix
 * @returns {string[]}
 */
function listSources(folder, prefix) {
  if (!existsSync(folder)) return [];
  /** @type {string[]} */
  const files = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = prefix + entry.name;
    if (entry.isDirectory()) {
      if (!outside.has(entry.name)) files.push(...listSources(join(folder, entry.name), `${path}/`));
    } else if (entry.name.endsWith('.rs') || entry.name.endsWith('.toml') || entry.name === 'Cargo.lock') {
      files.push(path);
    }
  }
  return files.sort();
}

/** @param {string} folder @param {readonly string[]} files */
function hashFiles(folder, files) {
  const hash = createHash('sha256');
  for (const file of files) {
    const bytes = readFileSync(join(folder, file));
    // A checkout with CRLF line ends is the same source.
    const content = file.endsWith('.wasm') ? bytes : Buffer.from(bytes.toString('utf8').replaceAll('\r\n', '\n'));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}
