// What a browser loads for joinery/lite: the JavaScript, and the one WebAssembly module. It measures no speed.

import { expect, it } from 'vitest';
import { bundled } from './bundled.ts';

/** As much as the module takes, rounded up; the goal is 15,000 (see docs/performance.md). */
const moduleBytesMax = 78_000;
const scriptBytesMax = 7_000;

it('joinery/lite is within its budget, and loads nothing of the full core', async () => {
  const { code, sizes, scripts, modules } = await bundled('lite/index.ts');
  for (const script of code) expect(script).not.toContain('joinery_core');
  expect(modules).toHaveLength(1);
  console.log(`joinery/lite: gzipped ${JSON.stringify(Object.fromEntries(sizes))}`);
  expect(Math.max(...modules)).toBeLessThanOrEqual(moduleBytesMax);
  expect(scripts.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(scriptBytesMax);
});
