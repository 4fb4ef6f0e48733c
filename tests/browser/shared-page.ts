// What the browser specs share: a real server, the test page on an address of its own, and what a test reads and writes in a
// page. Assertions stay in the specs.
//
// Tests with the tag `@engines` also run in Firefox and WebKitGTK, those with `@firefox` in Firefox: what they use of a browser, a context and a page is what
// `../harness/engine-page.mjs` has.

import { type Browser, type BrowserContext, test as base, type Page } from '@playwright/test';
import { findFirefox, findWebkit } from '../../scripts/find-engines.mjs';
import { startFirefox } from '../harness/firefox-engine.mjs';
import { servePage } from '../harness/page-server.mjs';
import { ServerProcess } from '../harness/server-process.mjs';
import { startWebkit } from '../harness/webkit-engine.mjs';
import { engine } from './engine.ts';

interface Fixtures {
  /** A running server with an empty data folder; it goes with the test. */
  readonly server: ServerProcess;
  /** The address of the test page, which stays up when the server doesn't. */
  readonly pageUrl: string;
}

/** For Playwright's own Chromium; for another engine in place of its browser, context and page. */
const others: object =
  engine === 'chromium'
    ? {}
    : {
        browser: [
          // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures a function needs from its pattern
          async ({}, use: (browser: Browser) => Promise<void>) => {
            const browser = await startEngine(engine);
            // It has as much of it as tests for all engines use.
            await use(browser as unknown as Browser);
            await browser.close();
          },
          { scope: 'worker' },
        ],
        context: async ({ browser }: { browser: Browser }, use: (context: BrowserContext) => Promise<void>) => {
          const context = await browser.newContext();
          await use(context);
          await context.close();
        },
        page: async ({ context }: { context: BrowserContext }, use: (page: Page) => Promise<void>) =>
          use(await context.newPage()),
      };

async function startEngine(name: typeof engine) {
  const found = name === 'firefox' ? findFirefox() : findWebkit();
  if ('missing' in found) throw new Error(found.missing);
  return 'driver' in found ? startWebkit(found) : startFirefox(found.path);
}

export const test = base.extend(others).extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures a function needs from its pattern
  server: async ({}, use) => {
    const server = new ServerProcess();
    await server.start();
    await use(server);
    await server.dispose();
  },
  // biome-ignore lint/correctness/noEmptyPattern: as above
  pageUrl: async ({}, use) => {
    const page = await servePage();
    await use(page.url);
    await page.close();
  },
});

/** Everything that two clients have to agree on. */
export interface Content {
  readonly items: readonly string[];
  readonly text: string;
  readonly counter: number;
}

/** Opens the test page and its client. */
export async function openShared(
  page: Page,
  pageUrl: string,
  options: {
    url: string;
    name: string;
    prefix: string;
    connect: boolean;
    storage?: 'auto' | 'indexeddb' | 'opfs' | 'sqlite';
  },
): Promise<void> {
  await page.goto(pageUrl);
  await page.waitForFunction(() => 'openShared' in window);
  await page.evaluate((given) => window.openShared(given), options);
}

export function readContent(page: Page): Promise<Content> {
  return page.evaluate(() => ({
    items: (window.shared.list.value?.items ?? []).map(({ id }) => id),
    text: window.shared.text.value,
    counter: window.shared.counter.value,
  }));
}

/** Adds `count` items, words and counts, each with a name that says who wrote it; resolves when all are durable. */
export function edit(page: Page, author: string, count: number): Promise<void> {
  return page.evaluate(
    async ([name, times]) => {
      const { list, text, counter } = window.shared;
      const receipts = [];
      for (let index = 0; index < times; index++) {
        receipts.push(
          list.update((draft) => {
            draft.items ??= [];
            draft.items.push({ id: `${name}-${index}` });
          }),
          text.insert(text.length, `[${name}-${index}]`),
          counter.increment(),
        );
      }
      await Promise.all(receipts.map((receipt) => receipt.durable));
    },
    [author, count] as const,
  );
}

/** Resolves when the server has everything that this page wrote. */
export async function waitUntilSynced(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const { connection, sync } = window.shared.client.status;
    return connection.state === 'online' && sync.pending === 0;
  });
}

/** The address of a server's sync socket. */
export function syncUrl(server: ServerProcess): string {
  return `${server.url.replace('http', 'ws')}/sync`;
}
