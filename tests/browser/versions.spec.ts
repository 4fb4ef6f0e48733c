// A newer version of the app takes storage over while a tab of this one is open.

import { expect } from '@playwright/test';
import { edit, openShared, readContent, test } from './shared-page.ts';

const inAllEngines = { tag: '@engines' };

test(
  'a tab of an older version lets go of storage, says so, and keeps what it writes',
  inAllEngines,
  async ({ page, context, pageUrl }) => {
    const options = { url: 'ws://localhost:9/sync', name: 'versions', prefix: 'versions', connect: false };
    await openShared(page, pageUrl, options);
    await edit(page, 'old', 5);
    await page.evaluate(() => {
      Object.assign(window, { seen: [] as string[] });
      window.shared.client.subscribeEvents(({ type }) => (window as unknown as { seen: string[] }).seen.push(type));
    });
    const newer = await context.newPage();
    await newer.goto(pageUrl);
    // It would be blocked for as long as the older one held on.
    const version = await newer.evaluate(async () => {
      const [{ name = '' } = {}] = (await indexedDB.databases()).filter((one) => one.name?.endsWith('/versions'));
      return await new Promise<number>((resolve, reject) => {
        const request = indexedDB.open(name, 99);
        request.onsuccess = () => resolve(request.result.version);
        request.onerror = () => reject(request.error);
      });
    });
    expect(version).toBe(99);
    await expect
      .poll(() => page.evaluate(() => (window as unknown as { seen: string[] }).seen))
      .toEqual(['storage-outdated']);
    await page.evaluate(() => void window.shared.text.insert(0, 'still here '));
    await expect.poll(() => page.evaluate(() => window.shared.client.status.storage.state)).toBe('failed');
    const error = await page.evaluate(() => window.shared.client.status.storage.lastError?.code);
    expect(error).toBe('storage-too-new');
    expect((await readContent(page)).text.startsWith('still here ')).toBe(true);
  },
);
