// Imports flow one way: this table says which. It is read by people too, so it lists every part and what it may use.

import { describe, expect, test } from 'vitest';
import { readImports, resolveRelative } from './imports.ts';
import { isScript, listFiles, readText } from './repository.ts';

/** The parts of the SDK from the bottom up. A part may import its own files and those of the lines above it, no others. */
const sdkLines: readonly (readonly string[])[] = [
  ['core', 'environment'],
  ['documents', 'storage', 'transport', 'lite'],
  ['presence'],
  ['tabs', 'spaces'],
  ['sync', 'undo', 'files'],
  ['tabs', 'spaces', 'undo'],
  ['sync', 'presence', 'files'],
  ['worker'],
  ['client'],
  ['observe'],
  ['react', 'vue', 'svelte', 'node'],
  ['observe', 'service-worker'],
  ['react', 'vue', 'svelte'],
];

const sdkParts = sdkLines.flat().map((name) => `sdk/${name}`);

/** For each part the parts it may import, besides itself. */
const table: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  ...Object.fromEntries(
    sdkLines.flatMap((line, index) => {
      const below = sdkLines.slice(0, index).flat();
      return line.map((name) => [`sdk/${name}`, ['protocol', ...below.map((part) => `sdk/${part}`)]] as const);
    }),
  ),
  // The public names of `joinery`. Bindings have a subpath of their own, for the framework is optional, and Node is not a browser.
  'sdk/index': ['protocol', ...sdkParts.filter((part) => !/\/(react|vue|svelte|node)$/.test(part))],
  // Published as `joinery/testing`: the suites of every contract. No part but tests may import it.
  'sdk/testing': ['protocol', ...sdkParts],
  server: ['protocol', 'sdk/core'],
  'adapters/storage-sqlite': ['protocol', 'sdk/storage'],
  examples: ['sdk/index', 'sdk/core', 'sdk/lite', 'sdk/files', 'sdk/node', 'sdk/react', 'sdk/vue', 'sdk/svelte'],
};

/** The third-party packages each part may import when it is published, in files that are not tests. */
const packages: Readonly<Record<string, readonly string[]>> = {
  protocol: ['pbf'],
  'sdk/core': ['node:*'],
  'sdk/storage': ['idb'],
  'sdk/worker': ['comlink'],
  'sdk/client': ['comlink'],
  // The socket of Node 20, an optional peer dependency.
  'sdk/node': ['ws', 'node:*'],
  'sdk/react': ['react'],
  'sdk/vue': ['vue'],
  'sdk/svelte': ['svelte'],
  'sdk/testing': ['vitest', 'fast-check', 'node:*'],
  server: ['hono', '@hono/node-server', 'libsql', 'protobufjs', 'ws', 'node:*'],
  'adapters/storage-sqlite': ['@sqlite.org/sqlite-wasm', 'libsql', 'node:*'],
};

/** The part that each package's name leads to. */
const partsByPackage: Readonly<Record<string, string>> = {
  '@joinery/protocol': 'protocol',
  '@joinery/server': 'server',
  joinery: 'sdk/index',
  'joinery/core': 'sdk/core',
  'joinery/files': 'sdk/files',
  'joinery/lite': 'sdk/lite',
  'joinery/node': 'sdk/node',
  'joinery/react': 'sdk/react',
  'joinery/vue': 'sdk/vue',
  'joinery/svelte': 'sdk/svelte',
  'joinery/service-worker': 'sdk/service-worker',
  'joinery/storage': 'sdk/storage',
  'joinery/testing': 'sdk/testing',
  'joinery/worker': 'sdk/worker',
};

/** Tests, and the suites and models that only tests import. They keep the direction too, but may use test tools. */
const isTest = (path: string): boolean =>
  /\.test\.tsx?$/.test(path) || /^(protocol|server)\/src\/(.*\/)?testing\//.test(path);

/** The part a file belongs to, or undefined when no rule is held over it (scripts, tests across packages). */
function partOf(path: string): string | undefined {
  if (path.startsWith('protocol/')) return 'protocol';
  if (path.startsWith('server/')) return 'server';
  if (path.startsWith('examples/')) return 'examples';
  if (path.startsWith('adapters/')) return path.split('/').slice(0, 2).join('/');
  const match = /^sdk\/src\/([^/.]+)(\/|\.)/.exec(path);
  return match ? `sdk/${match[1]}` : undefined;
}

/** Says what is wrong with an import, or undefined. */
function judge(path: string, specifier: string): string | undefined {
  const part = partOf(path);
  if (part === undefined) return undefined;
  const allowed = table[part];
  if (allowed === undefined) {
    return `"${part}" is not in the table of tests/tidy/import-table.test.ts; add it where its imports flow one way`;
  }
  const relative = resolveRelative(path, specifier);
  const target = relative === undefined ? partsByPackage[specifier] : partOf(relative);
  if (relative !== undefined && target === undefined) {
    if (path.startsWith('examples/') || isTest(path)) return undefined;
    return `${specifier} leaves the package; import what is published instead`;
  }
  if (target === undefined) return judgePackage(path, part, specifier);
  if (part === 'examples' && relative !== undefined) {
    return relative.startsWith(path.split('/').slice(0, 2).join('/')) ? undefined : 'an example stands alone';
  }
  if (target === part || allowed.includes(target)) return undefined;
  if (isTest(path) && target === 'sdk/testing') return undefined;
  const list = allowed.length === 0 ? 'nothing but itself' : allowed.join(', ');
  return `${part} may not import ${target}; it may import: ${list}`;
}

function judgePackage(path: string, part: string, specifier: string): string | undefined {
  // Examples and tests use whatever they install.
  if (part === 'examples' || isTest(path) || !/\/src\//.test(path)) return undefined;
  const name = specifier.startsWith('node:') ? 'node:*' : packageName(specifier);
  const allowed = packages[part] ?? [];
  if (allowed.includes(name)) return undefined;
  const list = allowed.length === 0 ? 'none' : allowed.join(', ');
  return `${part} may not import the package ${specifier}; it may import: ${list} (adapters hold what needs others)`;
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

describe('imports flow one way', () => {
  test('in every file', () => {
    const complaints: string[] = [];
    for (const path of listFiles().filter(isScript)) {
      for (const { specifier, line } of readImports(path, readText(path))) {
        const complaint = judge(path, specifier);
        if (complaint !== undefined) complaints.push(`${path}:${line}: ${complaint}`);
      }
    }
    expect(complaints).toEqual([]);
  });

  test.each([
    ['protocol/src/envelope.ts', "import type { Replica } from 'joinery/core'", 'protocol may not import sdk/core'],
    ['sdk/src/core/replica.ts', "import '../sync/sync.ts'", 'sdk/core may not import sdk/sync'],
    ['sdk/src/storage/memory.ts', "export type { A } from '../transport/memory.ts'", 'may not import sdk/transport'],
    ['sdk/src/sync/sync.ts', "type A = import('../client.ts').Client", 'sdk/sync may not import sdk/client'],
    ['sdk/src/client.ts', "await import('./react/index.ts')", 'sdk/client may not import sdk/react'],
    ['sdk/src/sync/sync.ts', "import 'lodash'", 'may not import the package lodash'],
    ['sdk/src/sync/sync.ts', "import 'node:fs'", 'may not import the package node:fs'],
    ['sdk/src/novelty/novelty.ts', "import '../core/index.ts'", 'is not in the table'],
    ['server/src/server.ts', "import { createClient } from 'joinery'", 'server may not import sdk/index'],
    ['server/src/server.ts', "import '../../sdk/src/storage/memory.ts'", 'server may not import sdk/storage'],
    ['examples/a/src/main.ts', "import '../../../sdk/src/index.ts'", 'an example stands alone'],
    ['examples/a/src/main.ts', "import '@joinery/server'", 'examples may not import server'],
  ])('%s may not: %s', (path, text, expected) => {
    const complaints = readImports(path, text).map(({ specifier }) => judge(path, specifier));
    expect(complaints.join()).toContain(expected);
  });

  test.each([
    ['sdk/src/sync/sync.ts', "import '../storage/storage.ts'; import '@joinery/protocol'"],
    ['sdk/src/react/index.ts', "import '../observe.ts'; import 'react'"],
    ['sdk/src/sync/sync.test.ts', "import '../testing/index.ts'; import 'vitest'; import './sync.ts'"],
    ['server/src/bin.ts', "import 'joinery/core'; import '@joinery/protocol'; import 'node:fs'; import './server.ts'"],
    ['examples/a/src/main.tsx', "import 'joinery/react'; import 'react'; import './app.tsx'; import '../style.css'"],
  ])('%s may: %s', (path, text) => {
    const complaints = readImports(path, text).map(({ specifier }) => judge(path, specifier));
    expect(complaints.filter((complaint) => complaint !== undefined)).toEqual([]);
  });
});
