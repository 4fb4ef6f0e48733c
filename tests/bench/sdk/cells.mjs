// What each cell of the benchmark of SDKs does with a browser: which processes it starts, what it has the page do (page/main.mjs),
// and what it reads of them. A cell gives figures by name, their unit last.

import { BenchBrowser } from './browser.mjs';

/** A cell took longer than it is waited for. */
export class CellLate extends Error {}

/** @typedef {Record<string, number>} Figures */
/** @typedef {{ document: string, entries: number, last: string, url: string, update: string }} Large */
/** @typedef {{ url: string, large: () => Promise<Large> }} Place */

const edits = 100;
/** A person's next edit comes in another task, when the last one's are done. */
const spacing_ms = 15;
const manyEdits = 1_000;
const documents = 10_000;
const killAfter_ms = 20;
/** A cell that has not ended by then has no figure: automerge-repo's `flush` of ten thousand documents never resolves. */
const patience_ms = 90_000;
/** So long what an SDK still does after it has said that it is done may take. */
const rest_ms = 700;

const pause = (/** @type {number} */ delay_ms) => new Promise((resolve) => setTimeout(resolve, delay_ms));

/** @param {readonly number[]} times */
function shares(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (/** @type {number} */ share) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** @type {Record<string, (place: Place) => Promise<Figures>>} */
export const cells = {
  'cold start': (place) =>
    withBrowser(place, async (browser) => (await browser.open('#cold')).evaluate(() => window.cold)),

  'open text': (place) =>
    withBrowser(place, async (browser) => {
      await (await browser.open()).evaluate(() => window.cells.storeText());
      await pause(rest_ms);
      await browser.close();
      const page = await browser.open();
      await page.evaluate(() => window.cells.startText());
      await pause(rest_ms);
      const before = await browser.rendererCpu_ms();
      const { wall_ms } = await page.evaluate(() => window.cells.openText());
      await pause(100);
      const beyond_cpu_ms = (await browser.rendererCpu_ms()) - before;
      await browser.close();
      // Once more from nothing, for its tasks.
      const another = await browser.start();
      const { tasks } = await browser.trace(async () => {
        await browser.show(another);
        await another.evaluate(() => window.cells.openText());
      });
      return { beyond_cpu_ms, wall_ms, longest_ms: Math.max(...tasks.map(({ took_ms }) => took_ms)) };
    }),

  'set field': (place) => withBrowser(place, (browser) => perEdit(browser, 'setFields')),

  'insert letter': (place) =>
    withBrowser(place, async (browser) => {
      await (await browser.open()).evaluate(() => window.cells.storeText());
      await pause(rest_ms);
      await browser.close();
      return await perEdit(browser, 'insertLetters');
    }),

  'reach storage': (place) =>
    withBrowser(place, async (browser) => {
      const page = await browser.open();
      const { times, promised } = await page.evaluate((options) => window.cells.reachStorage(options), { edits: 100 });
      return { stored_ms: shares(times).p50, stored_p99_ms: shares(times).p99, promised_ms: shares(promised).p50 };
    }),

  '1,000 edits': (place) =>
    withBrowser(place, async (browser) =>
      (await browser.open()).evaluate((options) => window.cells.storeEdits(options), { edits: manyEdits }),
    ),

  documents: (place) =>
    withBrowser(place, async (browser) => {
      const { stored_ms } = await (await browser.open()).evaluate((options) => window.cells.storeDocuments(options), {
        documents,
      });
      await pause(rest_ms);
      await browser.close();
      const page = await browser.open();
      const { list_ms, open_ms } = await page.evaluate((options) => window.cells.openDocuments(options), { documents });
      await pause(rest_ms);
      const { heap_bytes, wasm_bytes } = await browser.memory(page);
      const [heap_MB, wasm_MB] = [heap_bytes / 1e6, wasm_bytes / 1e6];
      return { stored_ms, list_ms, open_ms, memory_MB: heap_MB + wasm_MB, heap_MB, wasm_MB };
    }),

  'tab to tab': (place) =>
    withBrowser(place, async (browser) => {
      const options = { edits: 100 };
      const speaker = await browser.open();
      const listener = await browser.openAnother();
      await listener.evaluate((given) => window.cells.listen(given), options);
      const sent = await speaker.evaluate((given) => window.cells.speak(given), options);
      const arrived = await listener.evaluate(() => window.arrivals);
      const times = arrived.map((time, index) => time - (sent[index] ?? Number.NaN));
      return { p50_ms: shares(times).p50, p99_ms: shares(times).p99 };
    }),

  'large update': (place) =>
    withBrowser(place, async (browser) => {
      const { document, entries, last, url, update } = await place.large();
      const options = { document, entries, last, url, update };
      const page = await browser.open();
      await page.evaluate((given) => window.cells.awaitLarge(given), options);
      await pause(rest_ms);
      const { result, tasks, marks } = await browser.trace(() =>
        page.evaluate((given) => window.cells.takeLarge(given), options),
      );
      const [begin = 0, end = 0] = [marks.get('open-begin'), marks.get('open-end')];
      const during = tasks.filter(({ at_ms, took_ms }) => at_ms + took_ms > begin && at_ms < end);
      return {
        longest_ms: Math.max(...during.map(({ took_ms }) => took_ms)),
        stored_ms: result.took_ms,
        applied_ms: result.applied_ms,
      };
    }),

  killed: (place) =>
    withBrowser(place, async (browser) => {
      const page = await browser.open();
      /** @type {(end_ms: number) => void} */
      let ended = () => {};
      /** @type {Promise<number>} */
      const edited = new Promise((resolve) => {
        ended = resolve;
      });
      await page.exposeFunction('edited', (/** @type {number} */ end_ms) => ended(end_ms));
      await page.evaluate((options) => window.cells.editAndDie(options), { edits: manyEdits });
      const end_ms = await edited;
      const wait_ms = end_ms + killAfter_ms - (performance.timeOrigin + performance.now());
      if (wait_ms > 0) await pause(wait_ms);
      const killed_ms = performance.timeOrigin + performance.now() - end_ms;
      await browser.kill();
      const again = await browser.open();
      const { kept } = await again.evaluate((options) => window.cells.countKept(options), { edits: manyEdits });
      return { kept_percent: (kept / manyEdits) * 100, killed_after_ms: killed_ms };
    }),
};

/** @param {BenchBrowser} browser @param {'setFields' | 'insertLetters'} cell @returns {Promise<Figures>} */
async function perEdit(browser, cell) {
  const given = { name: cell, options: { edits, spacing_ms } };
  const run = async () =>
    await (await browser.open()).evaluate(({ name, options }) => window.cells[name](options), given);
  // Tracing takes time of each call.
  const calls = await run();
  await browser.close();
  const page = await browser.open();
  const { tasks, marks } = await browser.trace(() =>
    page.evaluate(({ name, options }) => window.cells[name](options), given),
  );
  // All that the main thread does from one edit to the next is that edit's: the call, and what comes back of it later.
  const whole = Array.from({ length: edits }, (_, edit) => {
    const [begin = 0, end = 0] = [marks.get(`edit-${edit}`), marks.get(`edit-${edit + 1}`)];
    return tasks.reduce((sum, { at_ms, took_ms, cpu_ms }) => {
      // The task in which the mark stands began before it.
      const isOwn = at_ms + took_ms > begin && at_ms + took_ms <= end;
      return isOwn ? sum + cpu_ms * 1000 : sum;
    }, 0);
  });
  const [call, thread] = [shares(calls), shares(whole)];
  return { p50_us: call.p50, p99_us: call.p99, thread_p50_us: thread.p50, thread_p99_us: thread.p99 };
}

/** @template T @param {Place} place @param {(browser: BenchBrowser) => Promise<T>} run @returns {Promise<T>} */
async function withBrowser({ url }, run) {
  const browser = new BenchBrowser(url);
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  try {
    const running = run(browser);
    // Where its time is over, it fails with its browser.
    running.catch(() => {});
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new CellLate(`not done after ${patience_ms / 1000} s`)), patience_ms);
    });
    return await Promise.race([running, /** @type {Promise<never>} */ (late)]);
  } finally {
    clearTimeout(timer);
    await browser.dispose();
  }
}
