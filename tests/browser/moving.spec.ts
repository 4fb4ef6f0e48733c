// A device's data moves from one kind of storage to another, with tabs open on the old one, and `auto` goes where it is.

import { expect, type Page } from '@playwright/test';
import { edit, openShared, readContent, test } from './shared-page.ts';

type Kind = 'auto' | 'indexeddb' | 'opfs' | 'sqlite';

// WebKitGTK has no origin private file system, so nothing to move to.
const whereFilesAre = { tag: '@firefox' };

test(
  'everything moves to the storage that is named, and the tabs on the old one follow',
  whereFilesAre,
  async ({ page, context, pageUrl }) => {
    test.setTimeout(120_000);
    const open = async (one: Page, storage: Kind): Promise<void> => {
      const options = { url: 'ws://localhost:9/sync', name: 'moving', prefix: 'moving', connect: false, storage };
      await openShared(one, pageUrl, options);
    };
    const mode = (one: Page): Promise<string> => one.evaluate(() => window.shared.client.status.storage.mode);
    const items = async (one: Page): Promise<number> => (await readContent(one)).items.length;
    await open(page, 'auto');
    expect(await mode(page)).toBe('indexeddb');
    await edit(page, 'first', 20);
    await page.evaluate(() => {
      Object.assign(window, { seen: [] as string[] });
      window.shared.client.subscribeEvents((event) => {
        const told = 'error' in event ? event.error.code : event.type;
        (window as unknown as { seen: string[] }).seen.push(told);
      });
    });

    const second = await context.newPage();
    // The first tab writes all the while.
    const [written] = await Promise.all([edit(page, 'meanwhile', 20), open(second, 'opfs')]);
    expect(written).toBeUndefined();
    expect(await mode(second)).toBe('opfs');
    await edit(page, 'late', 20);
    await expect.poll(() => mode(page)).toBe('opfs');
    expect(await page.evaluate(() => (window as unknown as { seen: string[] }).seen)).toEqual(['storage-moved']);
    await expect.poll(() => items(second)).toBe(60);
    await edit(second, 'second', 20);
    await expect.poll(() => items(page)).toBe(80);
    expect((await readContent(page)).counter).toBe(80);

    await second.close();
    // Nobody else is there: what is open anew finds it, and what names a third kind gets it there.
    for (const [storage, expected] of [
      ['auto', 'opfs'],
      ['sqlite', 'sqlite'],
    ] as const) {
      await open(page, storage);
      expect(await mode(page)).toBe(expected);
      const content = await readContent(page);
      expect([content.items.length, new Set(content.items).size, content.counter]).toEqual([80, 80, 80]);
    }
  },
);
