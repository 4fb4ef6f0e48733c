// Real input: every edit of a recorded editing trace is typed through one browser's client and arrives at another's through
// the real server; a third that joins later has it too. Without a recorded trace beside the checkout, a synthetic one.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from '@playwright/test';
import { readTrace, synthesizeTrace, type Trace } from '../bench/trace.mjs';
import { openShared, syncUrl, test } from './shared-page.ts';

const recorded = fileURLToPath(new URL('../../../shared/traces/automerge-paper.json.gz', import.meta.url));
const trace: Trace = existsSync(recorded) ? readTrace(recorded) : synthesizeTrace(100_000, 1);

/** As many edits as a page makes in one task, so that it stays alive. */
const batch = 1_000;

test(`all ${trace.edits.length} edits of ${trace.name} arrive`, async ({ browser, server, pageUrl }) => {
  test.setTimeout(240_000);
  const url = syncUrl(server);
  const prefix = 'trace';
  const [writer, reader] = await Promise.all([
    browser.newContext().then((context) => context.newPage()),
    browser.newContext().then((context) => context.newPage()),
  ]);
  await openShared(writer, pageUrl, { url, name: 'writer', prefix, connect: true });
  await openShared(reader, pageUrl, { url, name: 'reader', prefix, connect: true });

  await writer.evaluate(
    async ({ edits, size }) => {
      const { text } = window.shared;
      let last: ReturnType<typeof text.insert> | undefined;
      for (let start = 0; start < edits.length; start += size) {
        for (const [position, deleted, inserted] of edits.slice(start, start + size)) {
          if (deleted > 0) last = text.delete(position, deleted);
          if (inserted !== '') last = text.insert(position, inserted);
        }
        await new Promise((resolve) => setTimeout(resolve));
      }
      await last?.synced;
    },
    {
      edits: trace.edits.map(({ position, deleted, inserted }) => [position, deleted, inserted] as const),
      size: batch,
    },
  );

  const arrived = async (page: typeof writer): Promise<void> => {
    await page.waitForFunction((length) => window.shared.text.length === length, trace.endContent.length, {
      timeout: 60_000,
    });
    expect((await page.evaluate(() => window.shared.text.value)) === trace.endContent).toBe(true);
  };
  await arrived(writer);
  await arrived(reader);
  const late = await (await browser.newContext()).newPage();
  await openShared(late, pageUrl, { url, name: 'late', prefix, connect: true });
  await arrived(late);
});
