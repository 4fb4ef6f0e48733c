// Browser tests: real Chromium, the built packages, the real server. `npm test -- --only browser` builds and runs them.

import { defineConfig } from '@playwright/test';
import { chromiumArguments, findChromium } from '../../scripts/find-chromium.mjs';

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
  use: {
    browserName: 'chromium',
    headless: true,
    launchOptions: { executablePath: findChromium(), args: chromiumArguments() },
    trace: 'off',
  },
});
