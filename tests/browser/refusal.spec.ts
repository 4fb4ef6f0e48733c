// The sync machine's hard cases in real Chromium, with IndexedDB, workers, Web Locks and tabs as they are, against a server
// with a host's hook: a forbidden field, a wrong clock, a restored backup, a trim.

import { type BrowserContext, expect, type Page } from '@playwright/test';
import { ServerProcess } from '../harness/server-process.mjs';
import { test as base, type Content, edit, openShared, readContent, syncUrl, waitUntilSynced } from './shared-page.ts';

const edits = 1_000;
const forbiddenEdit = 500;
const day_ms = 24 * 60 * 60 * 1_000;

/** With a server that refuses keys `forbidden…`. */
const test = base.extend<{ server: ServerProcess }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures a function needs from its pattern
  server: async ({}, use) => {
    const server = new ServerProcess({ hosted: true });
    await server.start();
    await use(server);
    await server.dispose();
  },
});

type Fields = Record<string, number | string>;

test('one forbidden field in 1,000 offline edits: 999 synced, one in rejected, and three tabs agree', async ({
  context,
  pageUrl,
  server,
}) => {
  test.setTimeout(120_000);
  const pages = await openTabs(context, pageUrl, server, 3);
  const [writer] = pages as [Page];
  const written_ms = await writer.evaluate(writeFields, { count: edits, forbidden: forbiddenEdit });
  for (const page of pages) await expect.poll(async () => Object.keys(await readFields(page)).length).toBe(edits);
  for (const page of pages) await page.evaluate(() => window.shared.client.connect());
  for (const page of pages) await waitUntilSynced(page);
  const states = await writer.evaluate(() => {
    const { receipts } = window as unknown as { receipts: { state: string; error?: { code: string } }[] };
    return receipts.map(({ state, error }) => (state === 'rejected' ? `rejected ${error?.code}` : state));
  });
  expect(states.filter((state) => state === 'synced')).toHaveLength(edits - 1);
  expect(states[forbiddenEdit]).toBe('rejected forbidden');
  const expected = Object.fromEntries(
    Array.from({ length: edits }, (_, index) => [`field-${index}`, index] as const).filter(
      ([, index]) => index !== forbiddenEdit,
    ),
  );
  for (const page of pages) {
    await expect.poll(() => readFields(page)).toEqual(expected);
    await expect.poll(() => readRejected(page)).toEqual([{ code: 'forbidden', path: ['forbidden'] }]);
  }
  expect(await (await fetch(`${server.url}/documents/fields`)).json()).toEqual(expected);
  console.log(`  ${edits} edits durable one by one in ${Math.round(written_ms)} ms`);

  // Dealt with in one tab, it is gone from all.
  const [, second] = pages as [Page, Page];
  await second.evaluate(() => {
    const { rejected } = window.shared.client;
    rejected.discard(rejected.entries[0]?.id ?? '');
  });
  for (const page of pages) await expect.poll(() => readRejected(page)).toEqual([]);
});

test('a browser whose clock is a day ahead keeps 1,000 offline edits, and none wins over a later one', async ({
  browser,
  pageUrl,
  server,
}) => {
  test.setTimeout(120_000);
  const [first, second] = [await browser.newContext(), await browser.newContext()];
  await first.addInitScript((ahead_ms) => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + ahead_ms;
    // On the page, where the clock is the one above.
    Object.assign(window, { Worker: undefined });
  }, day_ms);
  const [ahead] = await openTabs(first, pageUrl, server, 1);
  const [other] = await openTabs(second, pageUrl, server, 1);
  if (ahead === undefined || other === undefined) throw new Error('no pages');
  await ahead.evaluate(writeFields, { count: edits, forbidden: -1 });
  await other.evaluate(async () => {
    const { client } = window.shared;
    client.connect();
    const fields = client.document<Fields>('fields');
    await fields.update(Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`field-${2 * at}`, 'later'])))
      .synced;
  });
  await ahead.evaluate(() => window.shared.client.connect());
  await waitUntilSynced(ahead);
  const expected = Object.fromEntries(
    Array.from({ length: edits }, (_, index) => [`field-${index}`, index % 2 === 0 ? 'later' : index] as const),
  );
  for (const page of [ahead, other]) {
    await expect.poll(() => readFields(page)).toEqual(expected);
    expect(await readRejected(page)).toEqual([]);
  }
  for (const context of [first, second]) await context.close();
});

test('after a restored backup and a trim, with one tab offline and one reloaded, every edit is there once', async ({
  browser,
  pageUrl,
  server,
}) => {
  test.setTimeout(120_000);
  const contexts = [await browser.newContext(), await browser.newContext()];
  const [anna, ben] = await Promise.all(contexts.map((context) => context.newPage()));
  if (anna === undefined || ben === undefined) throw new Error('no pages');
  const shared = { url: syncUrl(server), prefix: 'kept', name: 'kept' };
  for (const page of [anna, ben]) await openShared(page, pageUrl, { ...shared, connect: true });
  const authors: string[] = [];
  const write = async (page: Page, author: string): Promise<void> => {
    await edit(page, author, 5);
    authors.push(author);
  };
  await write(anna, 'anna-first');
  await write(ben, 'ben-first');
  for (const page of [anna, ben]) await waitUntilSynced(page);
  await server.backup('backup.db');
  await write(anna, 'anna-second');
  await write(ben, 'ben-second');
  for (const page of [anna, ben]) await waitUntilSynced(page);
  await ben.evaluate(() => window.shared.client.disconnect());
  await write(ben, 'ben-offline');
  await server.kill();
  await server.restore('backup.db');
  await server.start();
  await openShared(ben, pageUrl, { ...shared, connect: false });
  await write(ben, 'ben-reloaded');
  await expectAgreement([anna, ben], authors);

  // A trim, while one of them is away with unsynced edits.
  await server.backup('second.db');
  await ben.evaluate(() => window.shared.client.disconnect());
  await write(ben, 'ben-away');
  for (const kind of ['list', 'text', 'counter']) expect(await server.trim(`kept-${kind}`)).toBe(true);
  await write(anna, 'anna-trimmed');
  await expectAgreement([anna, ben], authors);
  for (const context of contexts) await context.close();
});

/** Brings all online, and holds that everyone has what each author wrote, once. */
async function expectAgreement(pages: readonly Page[], authors: readonly string[]): Promise<void> {
  const names = authors.flatMap((author) => Array.from({ length: 5 }, (_, index) => `${author}-${index}`)).sort();
  for (const page of pages) {
    await page.evaluate(() => {
      window.shared.client.disconnect();
      window.shared.client.connect();
    });
  }
  const contents: Content[] = [];
  for (const page of pages) {
    await expect.poll(async () => [...(await readContent(page)).items].sort(), { timeout: 20_000 }).toEqual(names);
    await expect.poll(async () => wordsOf(await readContent(page)), { timeout: 20_000 }).toEqual(names);
    await expect.poll(async () => (await readContent(page)).counter, { timeout: 20_000 }).toBe(names.length);
    await waitUntilSynced(page);
    expect(await readRejected(page)).toEqual([]);
  }
  for (const page of pages) contents.push(await readContent(page));
  for (const content of contents) expect(content).toEqual(contents[0]);
}

function wordsOf({ text }: Content): string[] {
  return (text.match(/\[[^\]]*\]/g) ?? []).map((word) => word.slice(1, -1)).sort();
}

async function openTabs(
  context: BrowserContext,
  pageUrl: string,
  server: ServerProcess,
  count: number,
): Promise<Page[]> {
  const pages: Page[] = [];
  for (let index = 0; index < count; index += 1) {
    const page = await context.newPage();
    await openShared(page, pageUrl, { url: syncUrl(server), name: 'tabs', prefix: 'tabs', connect: false });
    await page.evaluate(async () => {
      const fields = window.shared.client.document('fields');
      await fields.loaded;
      Object.assign(window, { fields });
    });
    pages.push(page);
  }
  return pages;
}

/** Runs in the page: writes fields, each in an envelope of its own; leaves the receipts. Resolves to how long it took. */
async function writeFields({ count, forbidden }: { count: number; forbidden: number }): Promise<number> {
  const { fields } = window as unknown as { fields: ReturnType<typeof window.shared.client.document<Fields>> };
  const receipts = [];
  const startedAt = performance.now();
  for (let index = 0; index < count; index += 1) {
    const receipt = fields.update({ [index === forbidden ? 'forbidden' : `field-${index}`]: index });
    receipts.push(receipt);
    await receipt.durable;
  }
  Object.assign(window, { receipts });
  return performance.now() - startedAt;
}

function readFields(page: Page): Promise<Fields> {
  return page.evaluate(() => (window as unknown as { fields: { value: Fields } }).fields.value ?? {});
}

function readRejected(page: Page): Promise<{ code: string; path: readonly (string | number)[] | undefined }[]> {
  return page.evaluate(() =>
    window.shared.client.rejected.entries.map(({ error, changes }) => ({ code: error.code, path: changes[0]?.path })),
  );
}
