// Undo across a real reload: a tab goes on with its own steps, also in the middle of an edit, and another tab has none of them.

import { expect } from '@playwright/test';
import { openShared, syncUrl, test, waitUntilSynced } from './shared-page.ts';

const inAllEngines = { tag: '@engines' };

test(
  'a reloaded tab goes on with its undo steps, and other tabs have their own',
  inAllEngines,
  async ({ page, context, pageUrl, server }) => {
    const options = { url: syncUrl(server), name: 'ada', prefix: 'undo', connect: true };
    await openShared(page, pageUrl, options);
    await page.evaluate(async () => {
      const { client, text } = window.shared;
      const history = client.undo('undo-text', { groupMs: 0 });
      await history.loaded;
      text.insert(0, 'one');
      text.transact('second', () => text.insert(3, ' two'));
      text.transact('third', () => text.delete(0, 1));
      history.undo();
      await text.insert(text.length, '!').durable;
      history.undo();
      // Nobody waits for this one: the page is gone before.
      text.transact('last', () => text.insert(0, '>'));
    });
    const other = await context.newPage();
    await openShared(other, pageUrl, options);

    await openShared(page, pageUrl, options);
    const found = await page.evaluate(async () => {
      const { client, text } = window.shared;
      const history = client.undo('undo-text', { groupMs: 0 });
      await history.loaded;
      const labels: string[] = [];
      const values = [text.value];
      while (history.canUndo) {
        labels.push(history.undoLabel ?? 'unnamed');
        history.undo();
        values.push(text.value);
      }
      const redone = history.redo() !== undefined;
      return { labels, values, redone, value: text.value };
    });
    // What was written last may not have come to storage; then neither it nor its step is there.
    if (found.values[0]?.startsWith('>')) expect(found.labels.shift()).toBe('last');
    expect(found.labels).toEqual(['second', 'unnamed']);
    expect(found.values.slice(-3)).toEqual(['one two', 'one', '']);
    expect([found.redone, found.value]).toEqual([true, 'one']);
    await waitUntilSynced(page);
    const theirs = await other.evaluate(async () => {
      const { client, text } = window.shared;
      const history = client.undo('undo-text', { groupMs: 0 });
      await history.loaded;
      return { canUndo: history.canUndo, canRedo: history.canRedo, value: text.value };
    });
    expect(theirs).toMatchObject({ canUndo: false, canRedo: false });
    await expect.poll(() => other.evaluate(() => window.shared.text.value)).toBe('one');
  },
);
