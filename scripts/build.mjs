// Builds what runs: the packages to their dist folders (tsc), the core's module beside them, and the playground (Vite).
// It does nothing when nothing changed since the last build. It does not build the core from Rust (build-core.mjs does).

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { builtModules, packageFolder } from './core-stamp.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { bin, orFail, root, run } from './run.mjs';

const playground = join(root, 'examples', 'playground');
const recordPath = join(root, 'node_modules', '.cache', 'joinery', 'build.json');

/** What the build reads. Tests are no part of it. */
const inputs = [
  'package-lock.json',
  'tsconfig.base.json',
  'protocol',
  'sdk',
  'server',
  'adapters',
  join('examples', 'playground'),
];

/** What the build must leave. */
const outputs = [
  join('protocol', 'dist', 'index.js'),
  join('sdk', 'dist', 'index.js'),
  join('sdk', 'dist', 'node', 'index.js'),
  join('sdk', 'dist', 'core', 'pkg', 'joinery_core_bg.wasm'),
  join('sdk', 'dist', 'lite', 'pkg', 'joinery_lite.wasm'),
  join('sdk', 'dist', 'files', 'pkg', 'joinery_files_simd.wasm'),
  join('server', 'dist', 'bin.js'),
  join('adapters', 'storage-sqlite', 'dist', 'browser.js'),
  join('adapters', 'storage-sqlite', 'dist', 'node.js'),
  join('examples', 'playground', 'dist', 'index.html'),
];

/**
 * Builds if something changed. Throws when the build fails, after the tool in question has said why.
 * @returns {boolean} whether anything was built
 */
export function build() {
  const inputHash = hashInputs();
  if (readRecord() === inputHash && outputs.every((path) => existsSync(join(root, path)))) return false;
  for (const module of builtModules) {
    if (existsSync(packageFolder(module))) continue;
    throw new Error(`The built ${module.name} is missing (${module.path}); run: npm run build:core`);
  }
  console.log('Building …');
  if (run(process.execPath, [bin('typescript', 'tsc'), '-b', 'server', 'adapters/storage-sqlite']) !== 0) {
    throw new Error('The TypeScript packages could not be built; the compiler says why above.');
  }
  copyModules();
  if (run(process.execPath, [bin('vite'), 'build', '--logLevel', 'warn'], { cwd: playground }) !== 0) {
    throw new Error('The playground could not be built; Vite says why above.');
  }
  const missing = outputs.filter((path) => !existsSync(join(root, path)));
  if (missing.length > 0)
    throw new Error(`The build left out: ${missing.join(', ')}. Run: npx tsc -b --clean, and build again.`);
  mkdirSync(join(recordPath, '..'), { recursive: true });
  writeFileSync(recordPath, JSON.stringify({ inputs: inputHash }));
  return true;
}

/** tsc copies no JavaScript and no WebAssembly. */
function copyModules() {
  for (const module of builtModules) {
    const target = join(root, module.path.replace('sdk/src', 'sdk/dist'));
    mkdirSync(target, { recursive: true });
    for (const file of module.files) cpSync(join(packageFolder(module), file), join(target, file));
  }
}

/** @returns {string | undefined} */
function readRecord() {
  try {
    return JSON.parse(readFileSync(recordPath, 'utf8')).inputs;
  } catch {
    // No record, or half of one: build.
    return undefined;
  }
}

function hashInputs() {
  const hash = createHash('sha256').update(process.version);
  const visit = (/** @type {string} */ path) => {
    hash.update(`${path}\0`).update(readFileSync(join(root, path)));
  };
  const walk = (/** @type {string} */ folder) => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== 'dist' && entry.name !== 'node_modules' && !entry.name.startsWith('.')) walk(path);
      } else if (!/\.test\.tsx?$/.test(entry.name)) {
        visit(path);
      }
    }
  };
  for (const input of inputs) {
    if (/\.json$/.test(input)) visit(input);
    else walk(input);
  }
  return hash.digest('hex');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  ensureDependencies();
  orFail(() => {
    if (!build()) console.log('Everything is built already.');
  });
}
