// The SDK's own parts in a real browser: the storage contract on real IndexedDB, and the worker with all that can happen to it.

import { expect, type Page } from '@playwright/test';
import { engine } from './engine.ts';
import { openShared, readContent, test } from './shared-page.ts';

const inAllEngines = { tag: '@engines' };

for (const storage of ['memory', 'indexeddb'] as const) {
  test(`storage in ${storage} keeps the storage contract`, inAllEngines, async ({ page, pageUrl }) => {
    await page.goto(pageUrl);
    await page.waitForFunction(() => 'runStorageSuite' in window);
    const { failures, cases } = await page.evaluate((name) => window.runStorageSuite(name), storage);
    expect(failures).toEqual([]);
    expect(cases).toBeGreaterThan(15);
  });
}

test('workers that end at any moment leave IndexedDB usable', inAllEngines, async ({ page, pageUrl }) => {
  await page.goto(pageUrl);
  await page.waitForFunction(() => 'askStorageWorker' in window);
  const [ended, counted] = [40, 3];
  const count = await page.evaluate(
    async ([times, busy]) => {
      let last = 0;
      for (let time = 0; time < times; time += 1) {
        // The worker is ended while it goes on.
        await window.askStorageWorker({ storage: 'indexeddb', busy });
        last = await window.askStorageWorker<number>({ storage: 'indexeddb', countUp: 1 });
      }
      return last;
    },
    [ended, counted] as const,
  );
  expect(count).toBeGreaterThanOrEqual(ended * (counted + 1));
});

for (const [storage, name] of [
  ['opfs', 'the origin private file system'],
  ['sqlite', 'SQLite'],
] as const) {
  test(`${name} keeps the storage contract`, inAllEngines, async ({ page, pageUrl }) => {
    await page.goto(pageUrl);
    await page.waitForFunction(() => 'askStorageWorker' in window);
    await skipWithoutFiles(page);
    const { failures, cases } = await page.evaluate(
      (given) => window.askStorageWorker<{ failures: string[]; cases: number }>({ storage: given }),
      storage,
    );
    expect(failures).toEqual([]);
    expect(cases).toBeGreaterThan(15);
  });

  // In Firefox a turn at SQLite's files takes so long that of three busy tabs one waits for more than five seconds (`storage-locked`).
  const where = storage === 'sqlite' ? {} : inAllEngines;
  test(`tabs take turns at one file of ${name}, and none loses a commit`, where, async ({ page, context, pageUrl }) => {
    const pages = [page, await context.newPage(), await context.newPage()];
    for (const one of pages) {
      await one.goto(pageUrl);
      await one.waitForFunction(() => 'askStorageWorker' in window);
    }
    await skipWithoutFiles(page);
    const counted = await Promise.all(
      pages.map((one) =>
        one.evaluate((given) => window.askStorageWorker<number>({ storage: given, countUp: 100 }), storage),
      ),
    );
    expect(Math.max(...counted)).toBe(300);
  });
}

/** WebKitGTK has no origin private file system; Chromium and Firefox have to have one. */
async function skipWithoutFiles(page: Page): Promise<void> {
  if (engine !== 'webkit') return;
  const hasFiles = await page.evaluate(() => navigator.storage?.getDirectory !== undefined);
  if (!hasFiles) console.log('WebKitGTK has no origin private file system: nothing of it was tested');
  test.skip(!hasFiles);
}

test('storage and network are in a worker; when it ends, another one goes on', async ({ page, pageUrl, server }) => {
  await openShared(page, pageUrl, { url: server.url, name: 'worker', prefix: 'worker', connect: true });
  expect(page.workers()).toHaveLength(1);
  const write = (text: string) =>
    page.evaluate(async (given) => {
      const receipt = window.shared.text.insert(window.shared.text.length, given);
      await receipt.synced;
    }, text);
  await write('one ');
  await page.evaluate(() => {
    Object.assign(window, { seen: [] as string[] });
    window.shared.client.subscribeEvents(({ type }) => (window as unknown as { seen: string[] }).seen.push(type));
  });
  // Closed from within: nothing is said to the page.
  await page.workers()[0]?.evaluate(() => self.close());
  await write('two ');
  // An error that nobody catches.
  await page.workers()[0]?.evaluate(() => {
    setTimeout(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
  });
  await page.waitForFunction(() => (window as unknown as { seen: string[] }).seen.length === 2);
  await write('three');
  expect((await readContent(page)).text).toBe('one two three');
  expect(await page.evaluate(() => (window as unknown as { seen: string[] }).seen)).toEqual([
    'engine-restarted',
    'engine-restarted',
  ]);
  await page.reload();
  await openShared(page, pageUrl, { url: server.url, name: 'worker', prefix: 'worker', connect: false });
  expect((await readContent(page)).text).toBe('one two three');
});

test('where no worker can be had, the same runs on the page', async ({ page, pageUrl, server }) => {
  await page.addInitScript(() => {
    window.Worker = class {
      constructor() {
        throw new DOMException('blocked by policy', 'SecurityError');
      }
    } as unknown as typeof Worker;
  });
  await openShared(page, pageUrl, { url: server.url, name: 'inline', prefix: 'inline', connect: true });
  expect(page.workers()).toHaveLength(0);
  const state = await page.evaluate(async () => {
    await window.shared.text.insert(0, 'inline').synced;
    return window.shared.client.status.storage;
  });
  expect(state).toEqual({ mode: 'indexeddb', state: 'ready' });
});

test('a large document from the server leaves the page usable', inAllEngines, async ({ browser, pageUrl, server }) => {
  const contexts = [await browser.newContext(), await browser.newContext()];
  const [writer, reader] = await Promise.all(contexts.map((context) => context.newPage()));
  if (writer === undefined || reader === undefined) throw new Error('no pages');
  await openShared(writer, pageUrl, { url: server.url, name: 'a', prefix: 'large', connect: true });
  await writer.evaluate(async () => {
    const { text } = window.shared;
    let last: Promise<void> | undefined;
    for (let part = 0; part < 100; part += 1) {
      last = text.insert(text.length, `${part} `.padEnd(50_000, 'abcdefghij ')).synced;
      await new Promise((resolve) => setTimeout(resolve));
    }
    await last;
  });
  await openShared(reader, pageUrl, { url: server.url, name: 'b', prefix: 'large', connect: false });
  const longest_ms = await reader.evaluate(async () => {
    const { client, text } = window.shared;
    let longest = 0;
    let last = performance.now();
    const beat = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    });
    client.connect();
    await new Promise<void>((resolve) => {
      const stop = text.subscribe(() => {
        if (text.length < 5_000_000) return;
        stop();
        resolve();
      });
    });
    clearInterval(beat);
    return longest;
  });
  console.log(`  longest pause of the page while 5 MB arrived: ${Math.round(longest_ms)} ms`);
  expect(longest_ms).toBeLessThan(2_000);
  for (const context of contexts) await context.close();
});
