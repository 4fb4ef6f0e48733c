// What a real browser may do to the storage: remove all of it, while a page has it open or while none has, and refuse more
// than so much of it. Only Chromium lets a test do so (by its own protocol): what doesn't need that runs in the other engines too.

import { type BrowserContext, expect, type Page } from '@playwright/test';
import { openShared, readContent, syncUrl, test, waitUntilSynced } from './shared-page.ts';

type Told = Window & { told: { type: string; unsynced?: number }[] };

/** Keeps what the client tells from now on. */
async function listen(page: Page): Promise<void> {
  await page.evaluate(() => {
    const told: Told['told'] = [];
    Object.assign(window, { told });
    window.shared.client.subscribeEvents((event) => told.push(event));
  });
}

function told(page: Page): Promise<Told['told']> {
  return page.evaluate(() =>
    (window as unknown as Told).told.map(({ type, unsynced }) =>
      unsynced === undefined ? { type } : { type, unsynced },
    ),
  );
}

/** As the browser does it for want of room, and as a user does who clears the site's data: but for localStorage. */
async function clearStorage(context: BrowserContext, page: Page): Promise<void> {
  const session = await context.newCDPSession(page);
  const storageTypes = 'indexeddb,cache_storage,file_systems';
  await session.send('Storage.clearDataForOrigin', { origin: new URL(page.url()).origin, storageTypes });
}

test('storage that is emptied under a page is noticed and filled again', async ({ page, context, pageUrl, server }) => {
  const options = { url: syncUrl(server), name: 'guard', prefix: 'guard', connect: true };
  await openShared(page, pageUrl, options);
  await listen(page);
  await page.evaluate(() => window.shared.text.insert(0, 'server ').synced);
  await page.evaluate(async () => {
    window.shared.client.disconnect();
    await window.shared.text.insert(7, 'offline').durable;
  });
  await clearStorage(context, page);
  await page.waitForFunction(() => (window as unknown as Told).told.some(({ type }) => type === 'storage-evicted'));
  expect(await told(page)).toEqual([{ type: 'storage-evicted', unsynced: 0 }]);
  expect((await readContent(page)).text).toBe('server offline');
  await page.evaluate(() => window.shared.client.connect());
  await waitUntilSynced(page);
  await page.reload();
  await openShared(page, pageUrl, { ...options, connect: false });
  expect((await readContent(page)).text).toBe('server offline');
});

test('storage that was emptied while no page was there is told at the next start', async ({
  page,
  context,
  pageUrl,
  server,
}) => {
  const options = { url: syncUrl(server), name: 'gone', prefix: 'gone', connect: true };
  await openShared(page, pageUrl, options);
  await page.evaluate(() => window.shared.text.insert(0, 'kept').synced);
  await page.evaluate(() => window.shared.client.close());
  await page.goto('about:blank');
  const other = await context.newPage();
  await other.goto(pageUrl);
  await clearStorage(context, other);
  await other.close();
  await page.goto(pageUrl);
  await page.waitForFunction(() => 'joinery' in window);
  const event = await page.evaluate(
    ({ url, name, prefix }) =>
      new Promise<unknown>((resolve) => {
        const client = window.joinery.createClient({ url, name });
        client.subscribeEvents(({ type, ...more }) => resolve({ type, unsynced: 'unsynced' in more && more.unsynced }));
        client.text(`${prefix}-text`);
      }),
    options,
  );
  expect(event).toEqual({ type: 'storage-evicted', unsynced: 0 });
});

test('a full storage is told with its class and code; the write stays in memory, is synced, and stored when there is room', async ({
  page,
  context,
  pageUrl,
  server,
}) => {
  // Before the browser asks itself for the first time how much room there is: it remembers that for a while.
  await page.goto(pageUrl);
  const session = await context.newCDPSession(page);
  const { origin } = new URL(page.url());
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 400_000 });
  await openShared(page, pageUrl, { url: syncUrl(server), name: 'full', prefix: 'full', connect: true });
  await page.evaluate(() => window.shared.text.insert(0, 'first ').synced);
  const written = await page.evaluate(async () => {
    const { client, text } = window.shared;
    const receipt = text.insert(6, 'x'.repeat(500_000));
    Object.assign(window, { receipt });
    await receipt.synced;
    const { state, lastError } = client.status.storage;
    const isTyped = lastError instanceof window.joinery.JoineryError;
    return { state, code: lastError?.code, isTyped, length: text.length };
  });
  expect(written).toEqual({ state: 'failed', code: 'storage-full', isTyped: true, length: 500_006 });
  await session.send('Storage.overrideQuotaForOrigin', { origin });
  await page.waitForFunction(() => window.shared.client.status.storage.state === 'ready');
  await page.evaluate(() => (window as unknown as { receipt: { durable: Promise<void> } }).receipt.durable);
  const estimate = await page.evaluate(() => window.shared.client.storageEstimate());
  expect(estimate?.usage_bytes).toBeGreaterThan(0);
  expect(estimate?.quota_bytes).toBeGreaterThan(estimate?.usage_bytes ?? 0);
  expect(await page.evaluate(() => window.shared.client.status.storage.persisted)).toBe(estimate?.persisted);
  expect(typeof (await page.evaluate(() => window.shared.client.persist()))).toBe('boolean');
});

test('everything can be exported, also what only storage has', { tag: '@engines' }, async ({
  page,
  pageUrl,
  server,
}) => {
  const options = { url: syncUrl(server), name: 'export', connect: false };
  await openShared(page, pageUrl, { ...options, prefix: 'one' });
  await page.evaluate(() => window.shared.text.insert(0, 'stored').durable);
  await page.evaluate(() => window.shared.client.close());
  await openShared(page, pageUrl, { ...options, prefix: 'two' });
  await page.evaluate(() => window.shared.text.insert(0, 'open').durable);
  const exported = await page.evaluate(async () => {
    const all: [string, unknown, number][] = [];
    for await (const { id, value, state } of window.shared.client.exportAll())
      all.push([id, value, state?.length ?? 0]);
    return all;
  });
  const texts = exported.filter(([id]) => id.endsWith('-text')).map(([id, value]) => [id, value]);
  expect(texts).toEqual([
    ['one-text', { text: 'stored' }],
    ['two-text', { text: 'open' }],
  ]);
  expect(exported.every(([, , length]) => length > 0)).toBe(true);
});
