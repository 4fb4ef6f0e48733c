// Browser tests: real Chromium, the built packages, the real server. `npm test -- --only browser` builds and runs them, and
// `--only firefox` or `--only webkit` those with the tag `@engines` in these.

import { defineConfig } from '@playwright/test';
import { chromiumArguments, findChromium } from '../../scripts/find-chromium.mjs';
import { engine } from './engine.ts';

export default defineConfig({
  testDir: '.',
  testMatch: '**/*.spec.ts',
  outputDir: '../../test-results',
  // Each test starts servers and browsers of its own; two at once would time each other.
  workers: 1,
  retries: 0,
  forbidOnly: process.env.CI !== undefined,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  // Another engine is driven by harnesses of our own (shared-page.ts).
  ...(engine === 'chromium'
    ? {
        use: {
          browserName: 'chromium',
          headless: true,
          launchOptions: { executablePath: findChromium(), args: chromiumArguments() },
          trace: 'off',
        },
      }
    : { grep: new RegExp(`@engines|@${engine}`), timeout: 120_000, globalTimeout: 900_000 }),
});
