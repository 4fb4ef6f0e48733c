// joinery/files in a real browser: loaded when it is used, in the variant for what the browser can, and with the cuts and hashes
// of the vectors. What it does otherwise is tested beside the code.

import { readFileSync } from 'node:fs';
import { expect } from '@playwright/test';
import { hash, init } from 'joinery/files';
import { test } from './shared-page.ts';

const { cases } = JSON.parse(readFileSync(new URL('../vectors/chunking.json', import.meta.url), 'utf8'));
const vector: { seed: number; length: number; lengths: number[]; hashes: string } = cases.find(
  ({ name }: { name: string }) => name === 'default sizes',
);

for (const [name, hasVectors, file] of [
  ['with vector instructions', true, /\/joinery_files_simd-[^/]+\.wasm$/],
  ['without vector instructions', false, /\/joinery_files-[^/]+\.wasm$/],
] as const) {
  test(`a file is cut and hashed as anywhere else, ${name}`, {
    tag: hasVectors ? '@engines' : [],
  }, async ({ page, pageUrl }) => {
    if (!hasVectors) {
      await page.addInitScript(() => {
        WebAssembly.validate = () => false;
      });
    }
    await page.goto(pageUrl);
    await page.waitForFunction(() => 'hashFile' in window);
    expect(await page.evaluate(loadedModules)).toEqual([]);

    const hashes = await page.evaluate(({ seed, length }) => {
      let state = seed;
      const bytes = Uint8Array.from({ length }, () => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return state;
      });
      return window.hashFile(new Blob([bytes]));
    }, vector);
    await init();
    expect(hashes).toHaveLength(vector.lengths.length);
    expect(Buffer.from(hash(Buffer.from(hashes.join(''), 'hex'))).toString('hex')).toBe(vector.hashes);
    const loaded = await page.evaluate(loadedModules);
    expect(loaded).toHaveLength(1);
    expect(loaded[0]).toMatch(file);
  });
}

/** Runs in the page: the addresses of the files modules that it has fetched. */
function loadedModules(): string[] {
  const fetched = performance.getEntriesByType('resource').map(({ name }) => name);
  return fetched.filter((name) => /joinery_files.*\.wasm$/.test(name));
}
