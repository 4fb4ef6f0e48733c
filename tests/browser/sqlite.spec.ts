// SQLite's files in the browser against what its pool of handles would not survive by itself.

import { expect } from '@playwright/test';
import { test } from './shared-page.ts';

for (const [what, spoil, error] of [
  ['heads of its files that are damaged', 'damage heads', ''],
  ['a file that its maker had not begun', 'add an empty file', ''],
  ['files that somebody holds', 'hold a file', 'storage-locked'],
] as const) {
  test(`SQLite loses nothing to ${what}`, async ({ page, pageUrl }) => {
    await page.goto(pageUrl);
    await page.waitForFunction(() => 'askStorageWorker' in window);
    const found = await page.evaluate(async (given) => {
      const ask = window.askStorageWorker<unknown>;
      const first = await ask({ storage: 'sqlite', countUp: 7 });
      return [first, await ask({ storage: 'sqlite', spoil: given }), await ask({ storage: 'sqlite', countUp: 1 })];
    }, spoil);
    expect(found).toEqual([7, { error, count: 8 }, 9]);
  });
}

test('SQLite says that its files were taken away under it, and begins anew when it is opened', async ({
  page,
  pageUrl,
}) => {
  await page.goto(pageUrl);
  await page.waitForFunction(() => 'askStorageWorker' in window);
  const found = await page.evaluate(async () => {
    const ask = window.askStorageWorker<unknown>;
    await ask({ storage: 'sqlite', countUp: 7 });
    return [
      await ask({ storage: 'sqlite', spoil: 'take everything away' }),
      await ask({ storage: 'sqlite', countUp: 1 }),
    ];
  });
  expect(found).toEqual([{ error: 'storage-evicted', count: 1 }, 2]);
});
