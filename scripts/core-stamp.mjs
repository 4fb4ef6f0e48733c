// The stamps of the built modules: which Rust sources each was built from, so that a stale one is noticed without Rust.
// It does not build anything (build-core.mjs does).

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.mjs';

/** Where the Rust workspace lies. */
export const coreSources = join(root, 'core-rs');

/**
 * WebAssembly that is built from Rust and committed.
 * @typedef {object} BuiltModule
 * @property {string} name for messages
 * @property {string} sources the folder of its Rust sources
 * @property {string} path where it is committed, from the root
 * @property {readonly string[]} files what it consists of, beside its stamp
 * @property {readonly string[]} [apart] folders of those sources that it isn't built from
 */

/** @type {BuiltModule} */
export const coreModule = {
  name: 'core',
  sources: coreSources,
  path: 'sdk/src/core/pkg',
  files: ['joinery_core.js', 'joinery_core.d.ts', 'joinery_core_bg.wasm', 'joinery_core_bg.wasm.d.ts'],
  apart: ['lite'],
};

/** @type {BuiltModule} */
export const liteModule = {
  name: 'lite core',
  sources: coreSources,
  path: 'sdk/src/lite/pkg',
  files: ['joinery_lite.wasm'],
  apart: ['wasm'],
};

/** @type {BuiltModule} */
export const filesModule = {
  name: 'files module',
  sources: join(coreSources, 'crates', 'files'),
  path: 'sdk/src/files/pkg',
  files: ['joinery_files.wasm', 'joinery_files_simd.wasm'],
};

/** Every one of them. */
export const builtModules = [coreModule, liteModule, filesModule];

// What never reaches the core (a workspace of its own, or only tests): a change there needs no new build.
const outside = new Set(['target', 'oracle', 'model', 'files', 'bench', 'fuzz', 'tests', 'benches', 'examples']);

/**
 * @typedef {object} CoreStamp
 * @property {string} sources SHA-256 over the Rust sources, manifests and Cargo.lock
 * @property {string} built SHA-256 over the built files
 * @property {string} rustc the compiler's version, for people who compare bytes
 */

/** Where a module is committed. @param {BuiltModule} module */
export function packageFolder(module) {
  return join(root, module.path);
}

/** The hash of everything that a module is built from. @param {BuiltModule} module */
export function hashSources(module) {
  const files = listSources(module.sources, '', new Set(module.apart));
  if (files.length === 0) throw new Error(`expected Rust sources in ${module.sources}, found none`);
  return hashFiles(module.sources, files);
}

/**
 * The hash of the built files.
 * @param {BuiltModule} module
 * @param {string} [folder] default: the committed ones
 */
export function hashBuilt(module, folder = packageFolder(module)) {
  return hashFiles(folder, module.files);
}

/**
 * The stamp that lies with a build, or undefined when there is none.
 * @param {string} folder
 * @returns {CoreStamp | undefined}
 */
export function readStamp(folder) {
  const path = join(folder, 'stamp.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** Why the committed modules are not what core-rs says, with the remedy; undefined when they are. */
export function findStaleness() {
  return builtModules.map(findModuleStaleness).find((staleness) => staleness !== undefined);
}

/** @param {BuiltModule} module */
export function findModuleStaleness(module) {
  const folder = packageFolder(module);
  const stamp = readStamp(folder);
  const missing = module.files.filter((file) => !existsSync(join(folder, file)));
  const remedy = `run: npm run build:core, and commit ${module.path}`;
  if (stamp === undefined || missing.length > 0) {
    return `The built ${module.name} is missing (${missing.join(', ') || 'stamp.json'}); ${remedy}`;
  }
  if (stamp.sources !== hashSources(module)) {
    return `The built ${module.name} is older than its Rust sources in core-rs; ${remedy}`;
  }
  if (stamp.built !== hashBuilt(module)) return `The built ${module.name} was changed after it was built; ${remedy}`;
  return undefined;
}

/**
 * Paths of the sources below a folder, with forward slashes, in code-unit order.
 * @param {string} folder
 * @param {string} prefix
 * @param {ReadonlySet<string>} apart names of folders that are left out, beside those that always are
 * @returns {string[]}
 */
function listSources(folder, prefix, apart) {
  if (!existsSync(folder)) return [];
  /** @type {string[]} */
  const files = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = prefix + entry.name;
    if (entry.isDirectory()) {
      if (!outside.has(entry.name) && !apart.has(entry.name)) {
        files.push(...listSources(join(folder, entry.name), `${path}/`, apart));
      }
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
