// The rows that need real browsers: what a local edit costs on the main thread of a page, and how long a write takes from
// one browser's document to another's, through the real server and real storage. Two browsers are two processes.

import { chromium } from '@playwright/test';
import { chromiumArguments, findChromium } from '../../scripts/find-chromium.mjs';
import { servePage } from '../harness/page-server.mjs';
import { ServerProcess } from '../harness/server-process.mjs';

/** How many single calls and writes are measured in a round. */
const edits = 2_000;
const writes = 200;

/**
 * One round of all browser rows: by row its figures, all in ms.
 * @returns {Promise<Record<string, Record<string, number>>>}
 */
export async function measureBrowsers() {
  const server = new ServerProcess();
  const page = await servePage();
  const launched = [];
  try {
    await server.start();
    const options = { executablePath: findChromium(), args: chromiumArguments() };
    for (const _ of ['writer', 'reader']) launched.push(await chromium.launch(options));
    const [writer, reader] = await Promise.all(
      launched.map(async (browser) => {
        const opened = await browser.newPage();
        await opened.goto(page.url);
        await opened.waitForFunction(() => 'joinery' in window);
        return opened;
      }),
    );
    if (writer === undefined || reader === undefined) throw new Error('expected two browsers');
    const url = `${server.url.replace('http', 'ws')}/sync`;
    return {
      'map set on the main thread': summarize(await writer.evaluate(editDocument, { url, edits })),
      'insert in 100,000 characters on the main thread': summarize(await writer.evaluate(editText, { url, edits })),
      'write in one browser, value in another': summarize(await measureDelivery(writer, reader, url)),
    };
  } finally {
    await Promise.all(launched.map((browser) => browser.close()));
    await page.close();
    await server.dispose();
  }
}

/**
 * Writes in one browser and notes in both when the value is there.
 * @param {import('@playwright/test').Page} writer
 * @param {import('@playwright/test').Page} reader
 * @param {string} url
 */
async function measureDelivery(writer, reader, url) {
  const [sent, arrived] = await Promise.all([
    writer.evaluate(write, { url, writes }),
    reader.evaluate(noteArrivals, { url, writes }),
  ]);
  return sent.map((time, index) => (arrived[index] ?? Number.NaN) - time);
}

// The functions below run in a page, and can use nothing but their argument and what the page has.

/** @param {{ url: string, edits: number }} options @returns {Promise<number[]>} */
async function editDocument({ url, edits }) {
  const client = window.joinery.createClient({ url, name: 'bench-document' });
  const document = client.document('bench-document');
  await document.loaded;
  const times = [];
  for (let edit = 0; edit < edits; edit++) {
    const start = performance.now();
    document.update({ [`key ${edit % 1000}`]: edit });
    times.push(performance.now() - start);
    // A person's next edit comes in another task; without this, nothing but the edit would ever run.
    if (edit % 10 === 9) await new Promise((resolve) => setTimeout(resolve));
  }
  await client.close();
  return times;
}

/** @param {{ url: string, edits: number }} options @returns {Promise<number[]>} */
async function editText({ url, edits }) {
  const client = window.joinery.createClient({ url, name: 'bench-text' });
  const text = client.text('bench-text');
  await text.loaded;
  await text.insert(0, 'The quick brown fox jumps over it. '.repeat(3000).slice(0, 100_000)).synced;
  const times = [];
  for (let edit = 0; edit < edits; edit++) {
    const index = Math.floor(((edit * 7919) % edits) * (text.length / edits));
    const start = performance.now();
    text.insert(index, 'x');
    times.push(performance.now() - start);
    if (edit % 10 === 9) await new Promise((resolve) => setTimeout(resolve));
  }
  const length = text.length;
  await client.close();
  if (length !== 100_000 + edits) throw new Error(`expected ${100_000 + edits} characters, got ${length}`);
  return times;
}

/** @param {{ url: string, writes: number }} options @returns {Promise<number[]>} */
async function write({ url, writes }) {
  const client = window.joinery.createClient({ url, name: 'bench-writer' });
  /** @type {import('joinery').DocumentHandle<{ sequence: number, ready: boolean }>} */
  const document = client.document('bench-delivery');
  await document.loaded;
  const isReady = () => document.value?.ready === true;
  await new Promise((resolve) => {
    document.subscribe(() => isReady() && resolve(undefined));
    if (isReady()) resolve(undefined);
  });
  const times = [];
  for (let sequence = 0; sequence < writes; sequence++) {
    times.push(performance.timeOrigin + performance.now());
    document.update({ sequence });
    // As fast as a person types, and never in step with anything periodic.
    await new Promise((resolve) => setTimeout(resolve, 30 + ((sequence * 7) % 20)));
  }
  await client.close();
  return times;
}

/** @param {{ url: string, writes: number }} options @returns {Promise<number[]>} */
async function noteArrivals({ url, writes }) {
  const client = window.joinery.createClient({ url, name: 'bench-reader' });
  /** @type {import('joinery').DocumentHandle<{ sequence: number, ready: boolean }>} */
  const document = client.document('bench-delivery');
  await document.loaded;
  /** @type {number[]} */
  const times = new Array(writes).fill(0);
  let next = 0;
  const arrived = new Promise((resolve) => {
    document.subscribe(() => {
      const now = performance.timeOrigin + performance.now();
      // A value that was overwritten before it was seen counts from when a later one is there.
      for (const last = document.value?.sequence ?? -1; next <= last; next++) times[next] = now;
      if (next === writes) resolve(undefined);
    });
  });
  await document.update({ ready: true }).synced;
  await arrived;
  await client.close();
  return times;
}

/** @param {readonly number[]} times in ms */
function summarize(times) {
  if (times.some((time) => !Number.isFinite(time))) throw new Error('a write never arrived: the result is wrong');
  const sorted = [...times].sort((a, b) => a - b);
  const at = (/** @type {number} */ share) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99), max_ms: at(1) };
}
