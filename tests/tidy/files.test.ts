// Rules over single files that no linter knows. Each failure names the file and what to do instead.

import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isBarrel, readImports } from './imports.ts';
import { isGenerated, isRust, isScript, listFiles, readText, root } from './repository.ts';

const files = listFiles();
const scripts = files.filter(isScript);
const rust = files.filter(isRust);

/** The `index.ts` that an app can import; every other file is imported by its own name. */
const publicEntries = [
  'protocol/src/index.ts',
  'sdk/src/index.ts',
  'sdk/src/core/index.ts',
  'sdk/src/files/index.ts',
  'sdk/src/lite/index.ts',
  'sdk/src/node/index.ts',
  'sdk/src/react/index.ts',
  'sdk/src/service-worker/index.ts',
  'sdk/src/storage/index.ts',
  'sdk/src/worker/index.ts',
  'sdk/src/testing/index.ts',
  'server/src/index.ts',
];

/** Says which of the given files break a rule. */
function complaints(paths: readonly string[], rule: (path: string) => string | false | undefined): string[] {
  return paths.flatMap((path) => {
    const complaint = rule(path);
    return complaint ? [`${path}: ${complaint}`] : [];
  });
}

describe('every file', () => {
  test('opens with what it is and what it is not', () => {
    const all = new Set(files);
    const opens = (path: string): string | false => {
      // The file that a test stands beside says what both are about.
      if (all.has(path.replace(/\.test\.(tsx?)$/, '.$1')) && /\.test\.tsx?$/.test(path)) return false;
      const text = readText(path).replace(/^#!.*\n/, '');
      return !/^(\/\/|\/\*)/.test(text) && 'open it with a comment that says what it is and what it is not';
    };
    expect(complaints([...scripts, ...rust], opens)).toEqual([]);
  });

  test('has a name that says what is in it', () => {
    const vague = /(^|[-_])(util|utils|utility|utilities|helper|helpers|common|manager|managers|misc)([-_.]|$)/;
    const named = (path: string): string | false =>
      path.split('/').some((part) => vague.test(part)) && 'name it after the noun it holds, not "utils" or "helpers"';
    expect(complaints(files, named)).toEqual([]);
  });

  test('has a kebab-case name', () => {
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;
    const named = (path: string): string | false => !kebab.test(basename(path)) && 'use kebab-case';
    expect(complaints(scripts, named)).toEqual([]);
  });

  test('is at most 1 MiB', () => {
    const small = (path: string): string | false =>
      !path.endsWith('.wasm') &&
      statSync(join(root, path)).size > 1024 * 1024 &&
      'it is larger than 1 MiB; generate it, or fetch it where it is used';
    expect(complaints(files, small)).toEqual([]);
  });

  test('is finished', () => {
    // Put together here, so that this file passes its own rule.
    const unfinished = new RegExp(
      `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|')})\\b|\\b(todo|unimplemented)!\\(`,
    );
    const finished = (path: string): string | false =>
      unfinished.test(readText(path)) && 'do it now, or leave it out and say so in the docs';
    const text = /\.(ts|tsx|mjs|js|rs|css|html|proto|toml|json|md|ya?ml)$/;
    expect(
      complaints(
        files.filter((path) => text.test(path) && !isGenerated(path)),
        finished,
      ),
    ).toEqual([]);
  });
});

describe('public names', () => {
  test('are listed one by one', () => {
    const listed = (path: string): string | false =>
      readImports(path, readText(path)).some(({ exportsAll }) => exportsAll) && 'list the names instead of `export *`';
    expect(complaints(scripts, listed)).toEqual([]);
  });

  test('are passed on by public entries only', () => {
    const inner = scripts.filter((path) => !publicEntries.includes(path));
    const direct = (path: string): string | false =>
      ((/\/index\.tsx?$/.test(path) && !path.startsWith('examples/')) || isBarrel(path, readText(path))) &&
      'no barrel inside: import the file that has the name';
    expect(complaints(inner, direct)).toEqual([]);
  });
});
