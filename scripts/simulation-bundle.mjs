// Bundles the simulation (tests/simulation/entry.ts) with the sources it runs, and with the transforms that only it has. A
// bundle lies in node_modules/.cache, by the name of its planted bug, and is made anew each time: that takes a second.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'vite';
import { transformsOf } from '../tests/simulation/transforms.mjs';
import { root } from './run.mjs';

/** @typedef {typeof import('../tests/simulation/entry.ts')} Simulation */

/** @param {string} path */
const from = (path) => join(root, path);

/**
 * @param {string} [planted] the name of a planted bug
 * @returns {Promise<string>} the bundle's path
 */
export async function bundleSimulation(planted) {
  const outDir = from(join('node_modules', '.cache', 'joinery', 'simulation', planted ?? 'plain'));
  await build({
    configFile: false,
    root,
    logLevel: 'warn',
    resolve: {
      alias: [
        { find: /^joinery\/core$/, replacement: from('sdk/src/core/index.ts') },
        { find: /^@joinery\/protocol$/, replacement: from('protocol/src/index.ts') },
      ],
    },
    plugins: [transformSources(planted)],
    ssr: { noExternal: true },
    build: {
      ssr: from('tests/simulation/entry.ts'),
      outDir,
      emptyOutDir: true,
      copyPublicDir: false,
      target: 'node20',
      minify: false,
      rollupOptions: { output: { entryFileNames: 'simulation.mjs' } },
    },
  });
  return join(outDir, 'simulation.mjs');
}

/**
 * The simulation, ready to run.
 * @param {string} path of a bundle
 * @returns {Promise<Simulation>}
 */
export async function loadSimulation(path) {
  /** @type {Simulation} */
  const simulation = await import(pathToFileURL(path).href);
  await simulation.load(readFileSync(from('sdk/src/core/pkg/joinery_core_bg.wasm')));
  return simulation;
}

/**
 * @param {string | undefined} planted
 * @returns {import('vite').Plugin}
 */
function transformSources(planted) {
  const transforms = transformsOf(planted);
  const unused = new Set(transforms);
  return {
    name: 'simulation',
    enforce: 'pre',
    transform(code, id) {
      let text = code;
      for (const transform of transforms) {
        if (id !== from(transform.file)) continue;
        const [before, after, ...more] = text.split(transform.find);
        if (before === undefined || after === undefined || more.length > 0) {
          throw new Error(`${transform.file} has to have this text exactly once: ${transform.find}`);
        }
        text = before + transform.replace + after;
        unused.delete(transform);
      }
      return text === code ? null : { code: text, map: null };
    },
    buildEnd(error) {
      const [left] = unused;
      if (error === undefined && left !== undefined) throw new Error(`${left.file} is no part of the simulation.`);
    },
  };
}
