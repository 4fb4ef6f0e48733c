// What a browser loads for joinery/files, bundled and compressed as an app would have it: the JavaScript, and one of the two
// WebAssembly modules. It measures no speed.

import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, it } from 'vitest';

const gzipBytesMax = 40_000;
const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

it('joinery/files is at most 40 kB', async () => {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: from('../../sdk'),
    resolve: { alias: { '@joinery/protocol': from('../../protocol/src/index.ts') } },
    build: {
      write: false,
      assetsInlineLimit: 0,
      modulePreload: false,
      rollupOptions: { input: from('../../sdk/src/files/index.ts'), preserveEntrySignatures: 'strict' },
    },
  });
  if (Array.isArray(result) || !('output' in result)) throw new Error('expected one build');
  const sizes = new Map<string, number>();
  for (const item of result.output) {
    const content = item.type === 'chunk' ? item.code : item.source;
    sizes.set(item.fileName, gzipSync(content, { level: 9 }).length);
    // Who hashes files doesn't load what merges documents.
    if (item.type === 'chunk') expect(content).not.toContain('joinery_core');
  }
  const named = (pattern: RegExp): number[] =>
    [...sizes].filter(([name]) => pattern.test(name)).map(([, size]) => size);
  const scripts = named(/\.js$/);
  const modules = named(/\.wasm$/);
  expect(scripts.length).toBeGreaterThan(0);
  expect(modules).toHaveLength(2);
  const loaded = scripts.reduce((sum, size) => sum + size, Math.max(...modules));
  console.log(`joinery/files: ${loaded} bytes gzipped (${JSON.stringify(Object.fromEntries(sizes))})`);
  expect(loaded).toBeLessThanOrEqual(gzipBytesMax);
});
