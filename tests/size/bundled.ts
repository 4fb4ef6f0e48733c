// What a browser loads of an entry point, bundled and compressed as an app would have it.

import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export interface Bundled {
  /** The scripts' code. */
  readonly code: readonly string[];
  /** By file name, how many bytes each has, gzipped as far as gzip goes. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly scripts: readonly number[];
  readonly modules: readonly number[];
}

/** @param entry a file of the SDK, such as `files/index.ts` */
export async function bundled(entry: string): Promise<Bundled> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: from('../../sdk'),
    resolve: { alias: { '@joinery/protocol': from('../../protocol/src/index.ts') } },
    build: {
      write: false,
      assetsInlineLimit: 0,
      modulePreload: false,
      rollupOptions: { input: from(`../../sdk/src/${entry}`), preserveEntrySignatures: 'strict' },
    },
  });
  if (Array.isArray(result) || !('output' in result)) throw new Error('expected one build');
  const code: string[] = [];
  const sizes = new Map<string, number>();
  for (const item of result.output) {
    const content = item.type === 'chunk' ? item.code : item.source;
    sizes.set(item.fileName, gzipSync(content, { level: 9 }).length);
    if (item.type === 'chunk') code.push(item.code);
  }
  const named = (pattern: RegExp): number[] =>
    [...sizes].filter(([name]) => pattern.test(name)).map(([, size]) => size);
  return { code, sizes, scripts: named(/\.js$/), modules: named(/\.wasm$/) };
}
