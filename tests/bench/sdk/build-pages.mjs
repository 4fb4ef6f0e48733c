// Builds a page for each SDK, with Vite, as an app would: each with its own code alone, in a folder of its own.

import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Where the pages lie, one folder each. */
export const pagesFolder = fileURLToPath(new URL('../../../node_modules/.cache/joinery/sdk-pages/', import.meta.url));

/** Builds one. @param {string} folder its folder @param {string} subject the file in subjects/ @param {boolean} [isRelaxed] of raw IndexedDB alone */
export async function buildPage(folder, subject, isRelaxed = false) {
  await build({
    root: `${here}page`,
    base: './',
    define: { IS_RELAXED: String(isRelaxed) },
    configFile: false,
    logLevel: 'error',
    worker: { format: 'es' },
    resolve: { alias: { subject: `${here}subjects/${subject}.mjs` } },
    build: { target: 'es2022', outDir: `${pagesFolder}${folder}`, emptyOutDir: true, assetsInlineLimit: 0 },
  });
}
