// One measurement of a space of many small documents, in this process, against the real server: what a client costs that has
// them all stored and listed, and one that has them all open and subscribed, each with its handle. It prints one line of JSON.
// Run with --expose-gc.
//
// The client runs in Node, both halves of it in one heap and on one core, with its storage in memory. What is counted is all
// that this process holds more than it did before it loaded the SDK (JavaScript's heap after a collection, array buffers, the
// core's linear memory), less the stored records: on a disk they would not be in memory. How much these are is measured at
// the end, by letting go of them. Nor is the code of the test kit counted, from which that storage comes: no app has it.

import WebSocket from 'ws';
import { ServerProcess } from '../harness/server-process.mjs';
import { linearMemory, watchMemories } from './measure.mjs';

const { documents } = JSON.parse(process.argv[2] ?? '{"documents":10000}');
/** As flat strings, like any that an app reads somewhere: a joined one is kept with its parts. @type {string[]} */
const ids = JSON.parse(
  JSON.stringify(Array.from({ length: documents }, (_, index) => `bench/${String(index).padStart(6, '0')}`)),
);
/** So many are written or opened before the next ones. */
const batch = 100;
const patience_ms = 240_000;

watchMemories();
let [sent, received] = [0, 0];
/** A socket that is not yet closed holds its client. @type {Set<WebSocket>} */
const sockets = new Set();
class CountingSocket extends WebSocket {
  /** @param {ConstructorParameters<typeof WebSocket>} args */
  constructor(...args) {
    super(...args);
    sockets.add(this);
    this.once('close', () => sockets.delete(this));
    this.on('message', () => {
      received += 1;
    });
  }

  /**
   * @override
   * @param {...unknown} args
   */
  send(...args) {
    sent += 1;
    // @ts-expect-error passed on as it came
    super.send(...args);
  }
}

const server = new ServerProcess();
await server.start();
try {
  const before_bytes = await used();
  const { createClient } = await import('joinery');
  const withSdk_bytes = await used();
  const { MemoryStorage } = await import('joinery/testing');
  const kit_bytes = (await used()) - withSdk_bytes;
  const url = `${server.url.replace('http', 'ws')}/sync`;
  const open = (/** @type {import('joinery/testing').MemoryStorage} */ storage) =>
    createClient({ url, storage, WebSocket: /** @type {any} */ (CountingSocket) });
  const held = { storage: new MemoryStorage() };
  await write();
  await store();
  const measured = await measure();
  await until(() => sockets.size === 0, 'every socket to be closed');
  const withStored_bytes = await used();
  held.storage = new MemoryStorage();
  const stored_bytes = withStored_bytes - (await used());
  const core_MB = megabytes(measured.core_bytes);
  const open_core_MB = megabytes(measured.openCore_bytes);
  const open_js_MB = megabytes(measured.open_bytes - before_bytes - stored_bytes - kit_bytes);
  const open_MB = open_core_MB + open_js_MB;
  const open_bytes_per_document = (open_MB * 2 ** 20) / documents;
  const { resume_ms, resume_frames, open_ms } = measured;
  console.log(
    JSON.stringify({
      ...{ resume_ms, resume_frames, core_MB },
      ...{ open_ms, open_core_MB, open_js_MB, open_MB, open_bytes_per_document },
    }),
  );

  /** Every document, with ten fields, to the server. */
  async function write() {
    const writer = open(new MemoryStorage());
    for (let at = 0; at < ids.length; at += batch) {
      await Promise.all(
        ids.slice(at, at + batch).map(async (id, index) => {
          const document = writer.document(id);
          const fields = Object.fromEntries(Array.from({ length: 10 }, (_, field) => [`field ${field}`, `${index}`]));
          await document.update(fields).synced;
          document.close();
        }),
      );
    }
    await writer.close();
  }

  /** Every document to this device, fetched once, by the space alone. */
  async function store() {
    const client = open(held.storage);
    const space = client.space('bench');
    await until(() => space.complete && space.size === documents, 'the list');
    const area = held.storage.area({ server: url, user: '', name: 'default' });
    await until(() => area.documents.size >= documents, 'every document to be stored');
    await quiet();
    await client.close();
  }

  /** Resume, then open everything. */
  async function measure() {
    sent = 0;
    const started = performance.now();
    const client = open(held.storage);
    const space = client.space('bench');
    await until(() => space.complete && space.size === documents, 'the list once more');
    const resume_ms = performance.now() - started;
    const resume_frames = sent;
    const core_bytes = linearMemory();

    /** @type {import('joinery').DocumentHandle<Record<string, unknown>>[]} */
    const handles = [];
    const opening = performance.now();
    for (let at = 0; at < ids.length; at += batch) {
      const opened = ids.slice(at, at + batch).map((id) => client.document(id));
      handles.push(...opened);
      await Promise.all(opened.map((document) => document.loaded));
    }
    const open_ms = performance.now() - opening;
    await quiet();
    const open_bytes = await used();
    const openCore_bytes = linearMemory();
    await subscribed(handles);
    await client.close();
    return { resume_ms, resume_frames, core_bytes, open_ms, open_bytes, openCore_bytes };
  }

  /**
   * Every hundredth document shows what somebody else writes.
   * @param {readonly import('joinery').DocumentHandle<Record<string, unknown>>[]} handles
   */
  async function subscribed(handles) {
    const other = open(new MemoryStorage());
    const some = handles.filter((_, index) => index % 100 === 0);
    for (const { id } of some) other.document(id).update({ told: true });
    await until(() => some.every(({ value }) => value?.told === true), 'what another client wrote');
    await other.close();
  }
} finally {
  await server.dispose();
}

/** Until nothing was said for a second, to the server or by it. */
async function quiet() {
  for (let before = -1; before !== sent + received; ) {
    before = sent + received;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

/** What JavaScript holds now, in bytes, without the core's memory: collected until no more comes free. */
async function used() {
  let least = Number.POSITIVE_INFINITY;
  for (let idle = 0; idle < 3; idle += 1) {
    globalThis.gc?.();
    // What was only weakly held goes when the task has ended.
    await new Promise((resolve) => setImmediate(resolve));
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    if (heapUsed + arrayBuffers < least - 16_384) idle = 0;
    least = Math.min(least, heapUsed + arrayBuffers);
  }
  return least;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return bytes / 2 ** 20;
}

/** @param {() => boolean} condition @param {string} what */
async function until(condition, what) {
  const end = performance.now() + patience_ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`expected ${what} within ${patience_ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
