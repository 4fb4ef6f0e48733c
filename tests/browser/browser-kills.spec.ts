// The browser is killed again and again while a page writes offline; whatever a receipt called `durable` is there when the same
// profile is opened again. The moments come from a seed and are counted in receipts, not in time.

import { expect, type Page } from '@playwright/test';
import { findFirefox } from '../../scripts/find-engines.mjs';
import { mulberry32 } from '../bench/trace.mjs';
import { ChromiumProcess } from '../harness/chromium-process.mjs';
import { FirefoxProcess } from '../harness/firefox-engine.mjs';
import { engine } from './engine.ts';
import { openShared, test } from './shared-page.ts';

/** Firefox takes longer to start. */
const most = engine === 'firefox' ? 6 : 30;
const seed = Number(process.env.JOINERY_SEED ?? 1);

for (const storage of ['indexeddb', 'opfs', 'sqlite'] as const) {
  // SQLite's own part was killed by many; here it is the pool of files below it.
  const kills = storage === 'sqlite' ? Math.min(most, 10) : most;
  test(`${storage}: no durable write is missing after ${kills} kills (seed ${seed})`, { tag: '@firefox' }, async ({
    pageUrl,
  }) => {
    test.setTimeout(300_000);
    const random = mulberry32(seed);
    const browser = newProcess();
    const durable = new Set<string>();
    try {
      for (let kill = 0; kill <= kills; kill++) {
        const page = await openKilled(browser, pageUrl, storage);
        const found = await page.evaluate(() => ({
          mode: window.shared.client.status.storage.mode,
          keys: Object.keys(window.shared.list.value ?? {}),
          counter: window.shared.counter.value,
        }));
        expect(found.mode).toBe(storage);
        if (browser instanceof ChromiumProcess) expect(browser.droppedDatabase).toBe(false);
        const keys = new Set(found.keys);
        expect([...durable].filter((key) => !keys.has(key))).toEqual([]);
        expect(found.counter).toBeGreaterThanOrEqual(durable.size);
        if (kill === kills) break;

        const wanted = 1 + Math.floor(random() * 80);
        await page.evaluate(writeForEver, kill);
        await page.waitForFunction((count) => window.durable.length >= count, wanted);
        for (const key of await page.evaluate(() => window.durable)) durable.add(key);
        await browser.kill();
      }
    } finally {
      await browser.dispose();
    }
  });
}

test('a record that a kill cut in two costs nothing but itself', async ({ pageUrl }) => {
  const browser = new ChromiumProcess();
  const durable: string[] = [];
  try {
    for (let kill = 0; kill < 4; kill++) {
      const page = await openKilled(browser, pageUrl);
      const keys = await page.evaluate(() => Object.keys(window.shared.list.value ?? {}));
      expect(browser.droppedDatabase).toBe(false);
      expect(durable.filter((key) => !keys.includes(key))).toEqual([]);
      const key = `write-${kill}`;
      await page.evaluate((name) => window.shared.list.update({ [name]: 1 } as object).durable, key);
      durable.push(key);
      await browser.kill();
      browser.cutLog();
    }
  } finally {
    await browser.dispose();
  }
});

function newProcess(): ChromiumProcess | FirefoxProcess {
  if (engine !== 'firefox') return new ChromiumProcess();
  const found = findFirefox();
  if ('missing' in found) throw new Error(found.missing);
  return new FirefoxProcess(found.path);
}

async function openKilled(
  browser: ChromiumProcess | FirefoxProcess,
  pageUrl: string,
  storage: 'indexeddb' | 'opfs' | 'sqlite' = 'indexeddb',
): Promise<Page> {
  // Of Firefox's it has as much as is used here.
  const page = (await browser.start()) as Page;
  // Nobody listens there: everything stays on this device.
  const options = { url: 'ws://localhost:9/sync', name: 'killed', prefix: 'kills', connect: false, storage };
  await openShared(page, pageUrl, options);
  return page;
}

declare global {
  interface Window {
    /** The writes of this page that were told to be durable. */
    durable: string[];
  }
}

/** Runs in the page: starts writing, and notes each write when it is durable. It ends with the browser. */
function writeForEver(round: number): void {
  const { list, counter } = window.shared;
  window.durable = [];
  let next = 0;
  const write = (): void => {
    const key = `write-${round}-${next++}`;
    const receipts = [counter.increment(), list.update({ [key]: next } as object)];
    Promise.all(receipts.map((receipt) => receipt.durable)).then(() => window.durable.push(key));
    setTimeout(write, next % 5);
  };
  write();
}
