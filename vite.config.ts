// The vitest projects, and the aliases by which Node tests run the sources of the packages instead of what was built.
// The playground's own build is in examples/playground/vite.config.ts; browser tests are Playwright's (tests/browser).

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** One vitest project: a name to select it by (`vitest run --project sdk`) and the files it runs. */
const project = (name: string, include: string[], testTimeout = 10_000) => ({
  extends: true as const,
  test: { name, include, environment: 'node' as const, testTimeout },
});

export default defineConfig({
  resolve: {
    alias: [
      { find: /^joinery$/, replacement: from('./sdk/src/index.ts') },
      {
        find: /^joinery\/(core|lite|files|react|service-worker|storage|node|testing)$/,
        replacement: from('./sdk/src/$1/index.ts'),
      },
      { find: /^@joinery\/protocol$/, replacement: from('./protocol/src/index.ts') },
      { find: /^@joinery\/server$/, replacement: from('./server/src/index.ts') },
      { find: /^@joinery\/storage-sqlite\/node$/, replacement: from('./adapters/storage-sqlite/src/node.ts') },
    ],
  },
  test: {
    projects: [
      project('protocol', ['protocol/src/**/*.test.ts'], 60_000),
      project('sdk', ['sdk/src/**/*.test.{ts,tsx}'], 60_000),
      project('adapters', ['adapters/*/src/**/*.test.ts'], 60_000),
      project('server', ['server/src/**/*.test.ts'], 60_000),
      // Integration and chaos start the built server; `npm test` builds it first.
      project('integration', ['tests/integration/**/*.test.ts'], 60_000),
      project('playground', ['examples/*/src/**/*.test.{ts,tsx}']),
      project('chaos', ['tests/chaos/**/*.test.ts'], 300_000),
      // Bundles the simulation; every run of it takes about half a second.
      project('simulation', ['tests/simulation/**/*.test.ts'], 60_000),
      project('docs', ['tests/docs/**/*.test.ts'], 60_000),
      project('size', ['tests/size/**/*.test.ts'], 60_000),
      project('tidy', ['tests/tidy/**/*.test.ts'], 60_000),
    ],
    passWithNoTests: true,
  },
});
