// Builds the page of the browser tests and benchmarks (tests/browser/page) from the built packages. Build those first.

import { join } from 'node:path';
import { bin, root, run } from './run.mjs';

/** Throws when it can't be built, after Vite has said why. */
export function buildTestPage() {
  const folder = join(root, 'tests', 'browser', 'page');
  if (run(process.execPath, [bin('vite'), 'build', '--logLevel', 'warn'], { cwd: folder }) !== 0) {
    throw new Error('The test page could not be built; Vite says why above.');
  }
}
