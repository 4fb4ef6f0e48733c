// Rust crates depend one way too: tables, codec ← history ← types ← wasm; the oracle only in tests; wasm-bindgen in one crate.

import { describe, expect, test } from 'vitest';
import { isRust, listFiles, readText } from './repository.ts';

/** For each crate the crates of the workspace it may depend on, and in tests too. */
const table: Readonly<Record<string, readonly string[]>> = {
  tables: [],
  codec: [],
  history: ['tables', 'codec'],
  types: ['tables', 'codec', 'history'],
  oracle: [],
  // Workspaces of their own, which nothing depends on.
  files: [],
  model: ['codec', 'history', 'types', 'oracle'],
  bench: ['codec', 'history', 'types'],
  wasm: ['codec', 'history', 'types'],
  lite: ['codec', 'types'],
};

/** What only crates/wasm may name: the boundary to JavaScript. */
const boundary = ['wasm-bindgen', 'js-sys', 'web-sys', 'wasm_bindgen', 'js_sys', 'web_sys'];

interface Dependency {
  /** `dependencies`, `dev-dependencies` or `build-dependencies`. */
  readonly section: string;
  readonly name: string;
  /** The folder of the crate in the workspace, or undefined for a crate from elsewhere. */
  readonly folder: string | undefined;
}

/** The dependencies a manifest lists, one a line or one a table. */
function readDependencies(manifest: string): Dependency[] {
  const dependencies: Dependency[] = [];
  let section = '';
  for (const line of manifest.split('\n')) {
    const header = /^\[(?:target\..*\.)?([\w-]*dependencies)(?:\.([\w-]+))?\]/.exec(line);
    if (/^\[/.test(line)) section = header?.[1] ?? '';
    if (header?.[2] !== undefined) dependencies.push({ section, name: header[2], folder: folderOf(header[2], line) });
    const entry = /^([\w-]+)(?:\.workspace)?\s*=/.exec(line);
    if (section === '' || entry?.[1] === undefined || header !== null) continue;
    dependencies.push({ section, name: entry[1], folder: folderOf(entry[1], line) });
  }
  return dependencies;
}

function folderOf(name: string, line: string): string | undefined {
  const path = /path\s*=\s*"(?:.*\/)?([\w-]+)"/.exec(line)?.[1];
  const byName = /^joinery-([\w-]+)$/.exec(name)?.[1];
  return path ?? (byName === 'core' ? 'wasm' : byName);
}

/** Says what is wrong with a crate's manifest. */
function judgeManifest(crate: string, manifest: string): string[] {
  const allowed = table[crate];
  if (allowed === undefined) {
    return [
      `crates/${crate} is not in the table of tests/tidy/rust-crates.test.ts; add it where dependencies flow one way`,
    ];
  }
  const complaints: string[] = [];
  for (const { section, name, folder } of readDependencies(manifest)) {
    if (boundary.includes(name) && crate !== 'wasm')
      complaints.push(`crates/${crate} names ${name}; only crates/wasm may`);
    if (folder === undefined || allowed.includes(folder)) continue;
    if (folder === 'oracle' && section === 'dev-dependencies') continue;
    const list = allowed.length === 0 ? 'no crate of the workspace' : allowed.join(', ');
    const remedy = folder === 'oracle' ? 'the oracle is a dev-dependency only' : `it may depend on: ${list}`;
    complaints.push(`crates/${crate} may not depend on ${folder} (${section}); ${remedy}`);
  }
  return complaints;
}

describe('crates depend one way', () => {
  const manifests = listFiles().filter((path) => /^core-rs\/crates\/[^/]+\/Cargo\.toml$/.test(path));

  test('in every manifest', () => {
    expect(manifests.length).toBeGreaterThan(0);
    expect(manifests.flatMap((path) => judgeManifest(path.split('/')[2] ?? '', readText(path)))).toEqual([]);
  });

  test('and only crates/wasm names the boundary to JavaScript', () => {
    const named = listFiles()
      .filter((path) => isRust(path) && !path.startsWith('core-rs/crates/wasm/'))
      .filter((path) => boundary.some((name) => readText(path).includes(name)));
    expect(named).toEqual([]);
  });

  test.each([
    ['codec', '[dependencies]\njoinery-history = { path = "../history" }', 'may not depend on history'],
    ['history', '[dependencies.joinery-types]\npath = "../types"', 'may not depend on types'],
    ['types', '[dependencies]\njoinery-oracle = { path = "../oracle" }', 'dev-dependency only'],
    ['types', '[dependencies]\njoinery-core.workspace = true', 'may not depend on wasm'],
    ['types', '[dependencies]\nwasm-bindgen = "0.2"', 'only crates/wasm may'],
    ['novelty', '', 'is not in the table'],
  ])('%s may not: %s', (crate, manifest, expected) => {
    expect(judgeManifest(crate, manifest).join()).toContain(expected);
  });

  test('types may use the oracle in its tests', () => {
    expect(judgeManifest('types', '[dev-dependencies]\njoinery-oracle = { path = "../oracle" }')).toEqual([]);
  });
});
