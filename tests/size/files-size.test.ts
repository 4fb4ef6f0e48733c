// What a browser loads for joinery/files: the JavaScript, and one of the two WebAssembly modules. It measures no speed.

import { expect, it } from 'vitest';
import { bundled } from './bundled.ts';

const gzipBytesMax = 40_000;

it('joinery/files is at most 40 kB', async () => {
  const { code, sizes, scripts, modules } = await bundled('files/index.ts');
  // Who hashes files doesn't load what merges documents.
  for (const script of code) expect(script).not.toContain('joinery_core');
  expect(scripts.length).toBeGreaterThan(0);
  expect(modules).toHaveLength(2);
  const loaded = scripts.reduce((sum, size) => sum + size, Math.max(...modules));
  console.log(`joinery/files: ${loaded} bytes gzipped (${JSON.stringify(Object.fromEntries(sizes))})`);
  expect(loaded).toBeLessThanOrEqual(gzipBytesMax);
});
