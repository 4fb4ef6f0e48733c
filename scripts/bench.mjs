// `npm run bench`: builds what is out of date, then runs the benchmark of tests/bench with the arguments given.

import { join } from 'node:path';
import { build } from './build.mjs';
import { buildTestPage } from './build-test-page.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { orFail, root, run } from './run.mjs';

ensureDependencies();
orFail(() => {
  build();
  buildTestPage();
});
process.exitCode = run(process.execPath, [join(root, 'tests', 'bench', 'bench.mjs'), ...process.argv.slice(2)]);
