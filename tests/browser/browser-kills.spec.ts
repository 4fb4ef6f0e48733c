// The browser is killed 30 times while a page writes offline; whatever a receipt called `durable` is there when the same
// profile is opened again. The moments come from a seed and are counted in receipts, not in time.

import { expect, type Page } from '@playwright/test';
import { mulberry32 } from '../bench/trace.mjs';
import { ChromiumProcess } from '../harness/chromium-process.mjs';
import { openShared, test } from './shared-page.ts';

const kills = 30;
const seed = Number(process.env.JOINERY_SEED ?? 1);

for (const storage of ['indexeddb', 'opfs', 'sqlite'] as const) {
  test(`${storage}: no durable write is missing after ${kills} kills (seed ${seed})`, async ({ pageUrl }) => {
    test.setTimeout(300_000);
    const random = mulberry32(seed);
    const browser = new ChromiumProcess();
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
        expect(browser.droppedDatabase).toBe(false);
        const keys = new Set(found.keys);
        expect([...durable].filter((key) => !keys.has(key))).toEqual([]);
        expect(found.counter).toBeGreaterThanOrEqual(durable.size);
        if (kill === kills) break;

        let left = 1 + Math.floor(random() * 80);
        let reached = (): void => {};
        const enough = new Promise<void>((resolve) => {
          reached = resolve;
        });
        await page.exposeFunction('reportDurable', (key: string) => {
          durable.add(key);
          left -= 1;
          if (left === 0) reached();
        });
        await page.evaluate(writeForEver, kill);
        await enough;
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

async function openKilled(
  browser: ChromiumProcess,
  pageUrl: string,
  storage: 'indexeddb' | 'opfs' | 'sqlite' = 'indexeddb',
): Promise<Page> {
  const page = await browser.start();
  // Nobody listens there: everything stays on this device.
  const options = { url: 'ws://localhost:9/sync', name: 'killed', prefix: 'kills', connect: false, storage };
  await openShared(page, pageUrl, options);
  return page;
}

/** Runs in the page: starts writing, and tells of each write when it is durable. It ends with the browser. */
function writeForEver(round: number): void {
  const { list, counter } = window.shared;
  const { reportDurable } = window as unknown as { reportDurable(key: string): Promise<void> };
  let next = 0;
  const write = (): void => {
    const key = `write-${round}-${next++}`;
    const receipts = [counter.increment(), list.update({ [key]: next } as object)];
    Promise.all(receipts.map((receipt) => receipt.durable)).then(() => reportDurable(key));
    setTimeout(write, next % 5);
  };
  write();
}
