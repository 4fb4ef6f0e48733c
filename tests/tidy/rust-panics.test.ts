// Nothing in the core's crates may end in a panic by what it is given: a trap takes the whole module with it, and every document
// that is open. Clippy refuses `unwrap`, `expect` and `panic!` (the lints of core-rs/Cargo.toml); here is what clippy doesn't see:
// that every crate has these lints and none switches them off, the other macros that panic, and an index that is read from input.

import { describe, expect, test } from 'vitest';
import { listFiles, readText } from './repository.ts';

/** What is shipped; the oracle and the model are tests. */
const crates = ['codec', 'history', 'types', 'wasm', 'lite', 'files'];
const lints = ['unwrap_used', 'expect_used', 'panic'];

const rules: readonly (readonly [RegExp, string])[] = [
  [
    /(?:allow|expect)\([^)]*clippy::(?:unwrap_used|expect_used|panic|indexing_slicing|restriction|all)\b/,
    'a lint that keeps panics out may not be switched off; give an error',
  ],
  [
    /\b(?:unreachable|to[d]o|unim[p]lemented)!/,
    'no macro that panics; give an error, or let the type say that it can’t be',
  ],
  [/(?<!debug_)\bassert(?:_eq|_ne)?!/, 'no assertion outside of tests; give an error'],
  [/\b(?:get_unchecked|unwrap_unchecked|unreachable_unchecked)\b/, 'nothing unchecked; `get` costs a comparison'],
  [
    /\[[^\][]*\b(?:r|reader)\.(?:u8|u32|u64_le|varint|zigzag|count)\(/,
    'what a reader gives is no index; ask with `get`, and refuse what isn’t there',
  ],
];

/** A file without its comments (and so without the examples in them) and without what only tests compile. */
function shipped(source: string): string {
  return source
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/^#\[cfg\(test\)\]\n(?:#\[.*\]\n)*.*(?:;|\{(?:\n(?!\}).*)*\n\})$/gm, '');
}

function judge(source: string): string[] {
  const code = shipped(source);
  return rules.filter(([pattern]) => pattern.test(code)).map(([, complaint]) => complaint);
}

describe('the core', () => {
  const sources = listFiles().filter((path) =>
    crates.some(
      (crate) => path.startsWith(`core-rs/crates/${crate}/src/`) && path.endsWith('.rs') && !/\/tests?\.rs$/.test(path),
    ),
  );

  test('has no panic by input that clippy would not see', () => {
    expect(sources.length).toBeGreaterThan(60);
    expect(sources.flatMap((path) => judge(readText(path)).map((complaint) => `${path}: ${complaint}`))).toEqual([]);
  });

  test('has the lints in every crate', () => {
    const workspace = readText('core-rs/Cargo.toml');
    for (const crate of crates) {
      const manifest = readText(`core-rs/crates/${crate}/Cargo.toml`);
      const own = /^\[lints\]\nworkspace = true$/m.test(manifest) ? workspace : manifest;
      for (const lint of lints)
        expect(own, `${crate}: ${lint}`).toMatch(new RegExp(`^${lint} = "(?:warn|deny)"$`, 'm'));
    }
  });

  test.each([
    ['fn f() { unreachable!() }', 'no macro that panics'],
    ['#[allow(clippy::unwrap_used)]\nfn f() {}', 'may not be switched off'],
    ['fn f() { assert_eq!(1, 2); }', 'no assertion'],
    ['fn f(r: Reader) { table[r.varint("n")? as usize] }', 'is no index'],
    ['#[cfg(test)]\nmod tests {\n    fn a() {}\n}\nfn f() { unreachable!() }', 'no macro that panics'],
  ])('may not: %s', (source, complaint) => {
    expect(judge(source).join()).toContain(complaint);
  });

  test.each([
    ['/// assert!(true)\nfn f() {}'],
    ['#[cfg(test)]\nmod tests {\n    fn a() {\n        assert!(true);\n    }\n}\n'],
    ['#[cfg(test)]\nmod tests;\nfn f() {}'],
  ])('may: %s', (source) => {
    expect(judge(source)).toEqual([]);
  });
});
