// A Chromium process with its profile on disk for one cell after another, and what the DevTools protocol and the system tell of its
// threads: processor time, tasks of the main thread, memory. It runs no workload.

import { readdirSync, readFileSync } from 'node:fs';
import { ChromiumProcess } from '../../harness/chromium-process.mjs';

/** @typedef {import('@playwright/test').Page} Page */
/** @typedef {import('@playwright/test').CDPSession} Session */
/** @typedef {(method: string, params?: object) => Promise<any>} Send */

export class BenchBrowser {
  #chromium = new ChromiumProcess();
  #url;
  /** @type {Page | undefined} */
  #page;
  /** @type {Session | undefined} */
  #session;

  /** @param {string} url of the page of an SDK */
  constructor(url) {
    this.#url = url;
  }

  /** A process with an empty page. @returns {Promise<Page>} */
  async start() {
    const page = await this.#chromium.start();
    this.#page = page;
    this.#session = await page.context().browser()?.newBrowserCDPSession();
    return page;
  }

  /** A process with the SDK's page. @param {string} [hash] @returns {Promise<Page>} */
  async open(hash) {
    const page = await this.start();
    await this.show(page, hash);
    return page;
  }

  /** @param {Page} page @param {string} [hash] */
  async show(page, hash = '') {
    await page.goto(`${this.#url}${hash}`);
    await page.waitForFunction(() => 'cells' in window);
  }

  /** A second tab. @returns {Promise<Page>} */
  async openAnother() {
    const page = await this.page.context().newPage();
    await this.show(page);
    return page;
  }

  get page() {
    if (this.#page === undefined) throw new Error('expected a page, found none: start first');
    return this.#page;
  }

  get #protocol() {
    if (this.#session === undefined) throw new Error('expected a browser that runs');
    return this.#session;
  }

  /** Ends the process as a user does. */
  async close() {
    await this.#chromium.close();
  }

  async kill() {
    await this.#chromium.kill();
  }

  /** Ends it, and removes its profile. */
  async dispose() {
    await this.#chromium.dispose();
  }

  /** Processor time of all threads of the pages' processes until now, in ms. */
  async rendererCpu_ms() {
    const { processInfo } = await this.#protocol.send('SystemInfo.getProcessInfo');
    let nanoseconds = 0;
    for (const { type, id } of processInfo) {
      if (type !== 'renderer') continue;
      for (const task of readdirSync(`/proc/${id}/task`)) {
        nanoseconds += Number(readFileSync(`/proc/${id}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
      }
    }
    return nanoseconds / 1e6;
  }

  /**
   * Traces while `run` runs; gives the tasks of the page's main thread, and its marks, in ms of one clock.
   * @template T
   * @param {() => Promise<T>} run
   */
  async trace(run) {
    const session = this.#protocol;
    /** @type {TraceEvent[]} */
    const events = [];
    const collect = (/** @type {{ value: unknown[] }} */ { value }) => {
      events.push(.../** @type {TraceEvent[]} */ (value));
    };
    session.on('Tracing.dataCollected', collect);
    const includedCategories = ['toplevel', 'blink.user_timing', '__metadata', 'disabled-by-default-devtools.timeline'];
    await session.send('Tracing.start', {
      transferMode: 'ReportEvents',
      traceConfig: { includedCategories, excludedCategories: ['*'], recordMode: 'recordAsMuchAsPossible' },
    });
    const result = await run();
    const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
    await session.send('Tracing.end');
    await complete;
    session.off('Tracing.dataCollected', collect);
    return { result, ...read(events) };
  }

  /** Bytes that the page and its workers hold after a collection: heaps of JavaScript, and memories of WebAssembly. @param {Page} page */
  async memory(page) {
    const session = await page.context().newCDPSession(page);
    const held = await this.#held((method, params) => session.send(/** @type {'Runtime.enable'} */ (method), params));
    /** @type {string[]} */
    const workers = [];
    session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
      if (targetInfo.type === 'worker') workers.push(sessionId);
    });
    await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    let last = 0;
    for (const sessionId of workers) {
      const inWorker = await this.#held(async (method, params) => {
        const id = ++last;
        const answer = new Promise((resolve, reject) => {
          session.on('Target.receivedMessageFromTarget', function listen({ sessionId: from, message }) {
            const parsed = JSON.parse(message);
            if (from !== sessionId || parsed.id !== id) return;
            session.off('Target.receivedMessageFromTarget', listen);
            if (parsed.error === undefined) resolve(parsed.result);
            else reject(new Error(parsed.error.message));
          });
        });
        await session.send('Target.sendMessageToTarget', {
          sessionId,
          message: JSON.stringify({ id, method, params }),
        });
        return await answer;
      });
      held.heap_bytes += inWorker.heap_bytes;
      held.wasm_bytes += inWorker.wasm_bytes;
    }
    return held;
  }

  /**
   * What one thread holds.
   * @param {Send} send
   */
  async #held(send) {
    await send('HeapProfiler.enable');
    for (let round = 0; round < 3; round++) await send('HeapProfiler.collectGarbage');
    const { usedSize } = await send('Runtime.getHeapUsage');
    const all = async (/** @type {string} */ type) => {
      const prototype = await send('Runtime.evaluate', { expression: `${type}.prototype` });
      const { objects } = await send('Runtime.queryObjects', { prototypeObjectId: prototype.result.objectId });
      return objects.objectId;
    };
    const [memories, buffers] = [await all('WebAssembly.Memory'), await all('ArrayBuffer')];
    // Buffers are outside of the heap; those of WebAssembly's memories are told apart.
    const { result } = await send('Runtime.callFunctionOn', {
      objectId: memories,
      functionDeclaration: `function (buffers) {
        const sum = (list) => list.reduce((total, { byteLength }) => total + byteLength, 0);
        const own = this.map(({ buffer }) => buffer);
        return { wasm: sum(own), other: sum(buffers.filter((buffer) => !own.includes(buffer))) };
      }`,
      arguments: [{ objectId: buffers }],
      returnByValue: true,
    });
    return { heap_bytes: usedSize + result.value.other, wasm_bytes: result.value.wasm };
  }
}

/** @typedef {{ name: string, ph: string, ts: number, dur?: number, tdur?: number, pid: number, tid: number, cat: string }} TraceEvent */

/** @param {readonly TraceEvent[]} events */
function read(events) {
  // The page's main thread is the one whose marks these are.
  const marks = events.filter(
    ({ cat, ph }) => cat.includes('blink.user_timing') && (ph === 'I' || ph === 'R' || ph === 'n'),
  );
  const own = marks.findLast(({ name }) => /^(edit|open|cells)-/.test(name));
  const isOwn = (/** @type {TraceEvent} */ { pid, tid }) => pid === own?.pid && tid === own?.tid;
  const tasks = events
    .filter((event) => isOwn(event) && event.ph === 'X' && event.name.endsWith('RunTask'))
    .map(({ ts, dur = 0, tdur = dur }) => ({ at_ms: ts / 1000, took_ms: dur / 1000, cpu_ms: tdur / 1000 }))
    .sort((a, b) => a.at_ms - b.at_ms);
  return { tasks, marks: new Map(marks.filter(isOwn).map(({ name, ts }) => [name, ts / 1000])) };
}
