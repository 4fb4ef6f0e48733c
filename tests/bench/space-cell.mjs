// One measurement of a space of many small documents, in this process, against the real server: what a client costs that has
// them all stored and listed, and one that has them all open. It prints one line of JSON. Run with --expose-gc.
//
// The client runs in Node with its storage in memory: a storage on disk would not be in these figures, so what the stored
// records take is measured before and subtracted.

import { createClient } from 'joinery';
import { MemoryStorage } from 'joinery/testing';
import WebSocket from 'ws';
import { ServerProcess } from '../harness/server-process.mjs';

const { documents } = JSON.parse(process.argv[2] ?? '{"documents":10000}');
const ids = Array.from({ length: documents }, (_, index) => `bench/${String(index).padStart(6, '0')}`);
/** So many are written or opened before the next ones. */
const batch = 100;
const patience_ms = 240_000;

/** The core's linear memory, which the SDK keeps to itself. @type {WebAssembly.Memory[]} */
const memories = [];
const Instance = WebAssembly.Instance;
WebAssembly.Instance = /** @type {typeof Instance} */ (
  new Proxy(Instance, {
    construct(target, args) {
      const instance = Reflect.construct(target, args);
      if (instance.exports.memory instanceof WebAssembly.Memory) memories.push(instance.exports.memory);
      return instance;
    },
  })
);

let frames = 0;
class CountingSocket extends WebSocket {
  /**
   * @override
   * @param {...unknown} args
   */
  send(...args) {
    frames += 1;
    // @ts-expect-error passed on as it came
    super.send(...args);
  }
}

const server = new ServerProcess();
await server.start();
try {
  const url = `${server.url.replace('http', 'ws')}/sync`;
  const open = (/** @type {MemoryStorage} */ storage) =>
    createClient({ url, storage, WebSocket: /** @type {any} */ (CountingSocket) });

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

  // Stored: fetched once, by the space alone.
  const storage = new MemoryStorage();
  const first = open(storage);
  const space = first.space('bench');
  await until(() => space.complete && space.size === documents, 'the list');
  const area = storage.area({ server: url, user: '', name: 'default' });
  await until(() => area.documents.size >= documents, 'every document to be stored');
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await first.close();
  const stored_bytes = used();

  frames = 0;
  const started = performance.now();
  const second = open(storage);
  const resumed = second.space('bench');
  await until(() => resumed.complete && resumed.size === documents, 'the list once more');
  const resume_ms = performance.now() - started;
  const resume_frames = frames;
  const core_MB = coreBytes() / 2 ** 20;

  for (let at = 0; at < ids.length; at += batch) {
    await Promise.all(ids.slice(at, at + batch).map((id) => second.document(id).loaded));
  }
  await until(() => second.status.connection.state === 'online', 'a connection');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const open_MB = (used() - stored_bytes + coreBytes()) / 2 ** 20;
  await second.close();
  console.log(JSON.stringify({ resume_ms, resume_frames, core_MB, open_MB }));
} finally {
  await server.dispose();
}

/** What JavaScript holds now, in bytes, without the core's memory. */
function used() {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function coreBytes() {
  return memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
}

/** @param {() => boolean} condition @param {string} what */
async function until(condition, what) {
  const end = performance.now() + patience_ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`expected ${what} within ${patience_ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
