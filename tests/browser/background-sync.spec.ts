// What is left when a page goes: the browser asks while something isn't safe, and wakes the service worker, which sends what a tab that
// is closed by then had written offline. The real server shows it.

import { expect, type Page } from '@playwright/test';
import { openShared, readContent, syncUrl, test } from './shared-page.ts';

/** Registers the service worker, and resolves when it runs. */
function register(page: Page, options: { url: string; name: string }): Promise<void> {
  return page.evaluate(async ({ url, name }) => {
    const query = new URLSearchParams({ url, name });
    await navigator.serviceWorker.register(`/sync-worker.js?${query}`, { type: 'module' });
    await navigator.serviceWorker.ready;
  }, options);
}

test('a service worker sends what a closed tab has left', async ({ context, pageUrl, server }) => {
  const options = { url: syncUrl(server), name: 'ada', prefix: 'left', connect: true };
  await context.grantPermissions(['background-sync']);
  const [tab, keeper] = [await context.newPage(), await context.newPage()];
  const devTools = await context.newCDPSession(keeper);
  const registrations: string[] = [];
  devTools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations: all }) => {
    for (const { registrationId, scopeURL } of all)
      if (scopeURL.startsWith(pageUrl)) registrations.push(registrationId);
  });
  // No page of the app, only one of its origin, for the tools to look from.
  await keeper.goto(new URL('/sync-worker.js', pageUrl).href);
  await devTools.send('ServiceWorker.enable');

  await openShared(tab, pageUrl, options);
  await register(tab, options);
  await server.kill();
  await tab.waitForFunction(() => window.shared.client.status.connection.state !== 'online');
  await tab.evaluate(async () => {
    await window.shared.text.insert(0, 'written offline').durable;
  });
  // The client has asked for it.
  await tab.waitForFunction(async () => {
    const registration = await navigator.serviceWorker.ready;
    const { sync } = registration as unknown as { sync: { getTags(): Promise<string[]> } };
    return (await sync.getTags()).includes('joinery-sync');
  });
  await tab.close();
  await server.start();

  await expect.poll(() => registrations.length).toBeGreaterThan(0);
  const registrationId = registrations.at(-1) ?? '';
  await devTools.send('ServiceWorker.dispatchSyncEvent', {
    origin: new URL(pageUrl).origin,
    registrationId,
    tag: 'joinery-sync',
    lastChance: false,
  });
  const other = await (await context.browser()?.newContext())?.newPage();
  if (other === undefined) throw new Error('Expected a browser with contexts.');
  await openShared(other, pageUrl, { ...options, name: 'bob' });
  await expect.poll(async () => (await readContent(other)).text).toBe('written offline');
  await other.context().close();
});

test('a page is asked about while something is not synced, and only then', async ({ page, pageUrl, server }) => {
  await openShared(page, pageUrl, { url: syncUrl(server), name: 'ada', prefix: 'asked', connect: true });
  await page.mouse.click(5, 5);
  const dialogs: string[] = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.type());
    // Stays at first, and goes then.
    void (dialogs.length === 1 ? dialog.dismiss() : dialog.accept());
  });
  await page.evaluate(async () => {
    const { client, text } = window.shared;
    client.preventUnload({ until: 'synced' });
    client.disconnect();
    await text.insert(0, 'unsynced').durable;
  });
  await page.close({ runBeforeUnload: true });
  await expect.poll(() => dialogs).toEqual(['beforeunload']);
  await page.evaluate(() => window.shared.client.connect());
  await page.waitForFunction(() => window.shared.client.status.sync.pending === 0);
  const closed = page.waitForEvent('close');
  await page.close({ runBeforeUnload: true });
  await closed;
  expect(dialogs).toHaveLength(1);
});
