// What an app loads of each library before it can merge anything: its JavaScript, bundled and minified by Vite, and its
// WebAssembly, each gzipped as far as gzip goes.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const require = createRequire(import.meta.url);

/** The folder of an installed package. @param {string} name @param {string} exported something that it exports */
function folderOf(name, exported = name) {
  let folder = dirname(require.resolve(exported));
  while (!existsSync(join(folder, 'package.json')) || !folder.replaceAll('\\', '/').endsWith(`/${lastPart(name)}`)) {
    folder = dirname(folder);
  }
  return folder;
}

/** Ours is linked by the name of its folder. @param {string} name */
function lastPart(name) {
  return name === 'joinery' ? 'sdk' : name;
}

/**
 * What the JavaScript of an app names, and the WebAssembly file beside it.
 * @typedef {{ code: string, wasm?: string }} Module
 */

/** @returns {Record<string, Module>} */
function modules() {
  return {
    joinery: {
      code: "export { init, Replica } from 'joinery/core';",
      wasm: join(folderOf('joinery', 'joinery/core'), 'dist/core/pkg/joinery_core_bg.wasm'),
    },
    yjs: { code: "export { applyUpdate, Doc, encodeStateAsUpdate, encodeStateVector } from 'yjs';" },
    loro: {
      code: "export { default, LoroDoc } from 'loro-crdt/web';",
      wasm: join(folderOf('loro-crdt'), 'web/loro_wasm_bg.wasm'),
    },
    automerge: {
      code: "export * from '@automerge/automerge/slim';",
      wasm: join(folderOf('@automerge/automerge'), 'dist/automerge.wasm'),
    },
    'json-joy': { code: "export { Model, Patch, s } from 'json-joy/lib/json-crdt/index.js';" },
    'diamond-types': {
      code: "export { Doc } from 'diamond-types-node';",
      wasm: join(folderOf('diamond-types-node'), 'dt_bg.wasm'),
    },
  };
}

const gzipped = (/** @type {string | Uint8Array} */ content) => gzipSync(content, { level: 9 }).length;

/** @param {string} code */
async function bundled(code) {
  const entry = '\0entry';
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    root: import.meta.dirname,
    build: {
      write: false,
      // WebAssembly is counted apart.
      assetsInlineLimit: 0,
      modulePreload: false,
      rollupOptions: { input: 'entry', preserveEntrySignatures: 'strict' },
    },
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === 'entry' ? entry : undefined),
        load: (id) => (id === entry ? code : undefined),
      },
    ],
  });
  if (Array.isArray(result) || !('output' in result)) throw new Error('expected one build');
  return result.output.reduce((sum, item) => (item.type === 'chunk' ? sum + gzipped(item.code) : sum), 0);
}

/** By library. @returns {Promise<Record<string, import('./measure.mjs').Measurement[]>>} */
export async function measureModules() {
  /** @type {Record<string, import('./measure.mjs').Measurement[]>} */
  const measured = {};
  for (const [name, { code, wasm }] of Object.entries(modules())) {
    const script_bytes = await bundled(code);
    const wasm_bytes = wasm === undefined ? 0 : gzipped(readFileSync(wasm));
    measured[name] = [
      {
        module_bytes: script_bytes + wasm_bytes,
        script_bytes,
        ...(wasm !== undefined && { wasm_bytes }),
        ...(name === 'joinery' && { lite_bytes: await measureLite() }),
      },
    ];
  }
  return measured;
}

/** The build of ours that has maps, lists, counters and sets alone: its JavaScript and its WebAssembly. */
async function measureLite() {
  const wasm = join(folderOf('joinery', 'joinery/core'), 'dist/lite/pkg/joinery_lite.wasm');
  return (await bundled("export { init, Replica } from 'joinery/lite';")) + gzipped(readFileSync(wasm));
}
