// The rows about coming back: how long it takes from the network's return until the server has all that was written without it,
// for one edit and for a thousand that wait, each an envelope of its own that was durable. Through the real server, in Node with a
// folder and in Chromium with IndexedDB. Goals: under 1,000 ms each.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { createClient } from 'joinery/node';
import { chromiumArguments, findChromium } from '../../scripts/find-chromium.mjs';
import { servePage } from '../harness/page-server.mjs';
import { ServerProcess } from '../harness/server-process.mjs';

const queued = [1, 1_000];

/**
 * One round: by row its figures, all in ms.
 * @returns {Promise<Record<string, Record<string, number>>>}
 */
export async function measureReconnects() {
  const server = new ServerProcess();
  try {
    await server.start();
    /** @type {Record<string, Record<string, number>>} */
    const rows = {};
    for (const edits of queued) {
      const title = `back online with ${edits.toLocaleString('en')} edit${edits === 1 ? '' : 's'}`;
      rows[title] = {
        Node_ms: await measureInNode(server, edits),
        Chromium_ms: await measureInChromium(server, edits),
      };
    }
    return rows;
  } finally {
    await server.dispose();
  }
}

/** The network's return is the server's: it is told by `connect()`, for Node has no event for it. @param {ServerProcess} server @param {number} edits */
async function measureInNode(server, edits) {
  const folder = mkdtempSync(join(tmpdir(), 'joinery-bench-'));
  const client = createClient({ url: server.url, storage: { folder } });
  try {
    const document = client.document(`node-${edits}`);
    await document.update({ first: true }).synced;
    await server.kill();
    /** @type {Promise<void>[]} */
    const synced = [];
    for (let edit = 0; edit < edits; edit += 1) {
      const receipt = document.update({ [`key ${edit % 100}`]: edit });
      synced.push(receipt.synced);
      await receipt.durable;
    }
    const { pending } = client.status.sync;
    if (pending < edits) throw new Error(`expected ${edits} edits that wait, got ${pending}`);
    await server.start();
    const start = performance.now();
    client.connect();
    await Promise.all(synced);
    return performance.now() - start;
  } finally {
    await client.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The network goes and comes as the browser sees it. @param {ServerProcess} server @param {number} edits */
async function measureInChromium(server, edits) {
  const served = await servePage();
  const browser = await chromium.launch({ executablePath: findChromium(), args: chromiumArguments() });
  try {
    const page = await browser.newPage();
    await page.goto(served.url);
    await page.waitForFunction(() => 'joinery' in window);
    const url = `${server.url.replace('http', 'ws')}/sync`;
    await page.evaluate(
      async (given) => {
        const client = window.joinery.createClient({ url: given.url, name: `reconnect-${given.edits}` });
        const document = client.document(`chromium-${given.edits}`);
        await document.update({ first: true }).synced;
        Object.assign(window, { client, notes: document });
      },
      { url, edits },
    );
    await page.context().setOffline(true);
    await page.evaluate(async (count) => {
      const { client, notes } = /** @type {any} */ (window);
      /** @type {Promise<void>[]} */
      const synced = [];
      for (let edit = 0; edit < count; edit += 1) {
        const receipt = notes.update({ [`key ${edit % 100}`]: edit });
        synced.push(receipt.synced);
        await receipt.durable;
      }
      const drained = new Promise((resolve, reject) => {
        const back = async () => {
          const start = performance.now();
          const { pending } = client.status.sync;
          if (pending < count) throw new Error(`expected ${count} edits that wait, got ${pending}`);
          await Promise.all(synced);
          resolve(performance.now() - start);
          await client.close();
        };
        window.addEventListener('online', () => back().catch(reject), { once: true });
      });
      Object.assign(window, { drained });
    }, edits);
    await page.context().setOffline(false);
    return await page.evaluate(
      () => /** @type {{ drained: Promise<number> }} */ (/** @type {unknown} */ (window)).drained,
    );
  } finally {
    await browser.close();
    await served.close();
  }
}
