// The main job, end to end: two browser contexts edit offline, one reloads, the server dies and comes back, and everybody
// agrees on everything once. Below the user's interface; the playground's own spec goes through it.

import { expect } from '@playwright/test';
import { type Content, edit, openShared, readContent, syncUrl, test, waitUntilSynced } from './shared-page.ts';

const rounds = 10;

test('two contexts edit offline, one reloads, the server is killed, and all agree within a second', {
  tag: '@engines',
}, async ({ browser, server, pageUrl }) => {
  const url = syncUrl(server);
  const prefix = 'offline';
  const [first, second] = await Promise.all([browser.newContext(), browser.newContext()]);
  const [anna, ben] = await Promise.all([first.newPage(), second.newPage()]);
  await openShared(anna, pageUrl, { url, name: 'anna', prefix, connect: true });
  await openShared(ben, pageUrl, { url, name: 'ben', prefix, connect: true });
  await edit(anna, 'together', 1);
  await expect.poll(async () => (await readContent(ben)).counter).toBe(1);

  await Promise.all([anna, ben].map((page) => page.evaluate(() => window.shared.client.disconnect())));
  await Promise.all([edit(anna, 'anna', rounds), edit(ben, 'ben', rounds)]);
  const before = await readContent(ben);
  await openShared(ben, pageUrl, { url, name: 'ben', prefix, connect: false });
  expect(await readContent(ben)).toEqual(before);
  expect(before.items).toHaveLength(1 + rounds);

  await server.kill();
  await server.start();
  const delays_ms = await Promise.all([anna, ben].map((page) => page.evaluate(reconnect, 1 + 2 * rounds)));
  expect(Math.max(...delays_ms)).toBeLessThan(1_000);

  const content = await readContent(anna);
  expect(await readContent(ben)).toEqual(content);
  expectOnce(content, ['together', 'anna', 'ben']);
  await Promise.all([waitUntilSynced(anna), waitUntilSynced(ben)]);

  const late = await (await browser.newContext()).newPage();
  await openShared(late, pageUrl, { url, name: 'late', prefix, connect: true });
  await expect.poll(() => readContent(late)).toEqual(content);
});

/**
 * Runs in the page: goes online, and resolves to how long it took from being online to having all edits, in ms. It looks at
 * the values after each change, so that no poll from outside is part of the time.
 */
function reconnect(edits: number): Promise<number> {
  const { client, list, text, counter } = window.shared;
  let online: number | undefined;
  return new Promise((resolve) => {
    const look = (): void => {
      if (client.status.connection.state === 'online') online ??= performance.now();
      const items = list.value?.items.length ?? 0;
      const words = text.value.split('[').length - 1;
      if (online === undefined || items < edits || words < edits || counter.value < edits) return;
      for (const stop of stops) stop();
      resolve(performance.now() - online);
    };
    const stops = [client.subscribeStatus(look), ...[list, text, counter].map((handle) => handle.subscribe(look))];
    client.connect();
  });
}

/** Every edit is there, and none of them twice. */
function expectOnce(content: Content, authors: readonly string[]): void {
  const expected = authors.flatMap((author) =>
    Array.from({ length: author === 'together' ? 1 : rounds }, (_, index) => `${author}-${index}`),
  );
  expect([...content.items].sort()).toEqual([...expected].sort());
  expect((content.text.match(/\[[^\]]*\]/g) ?? []).sort()).toEqual(expected.map((name) => `[${name}]`).sort());
  expect(content.text.length).toBe(expected.reduce((sum, name) => sum + name.length + 2, 0));
  expect(content.counter).toBe(expected.length);
}
