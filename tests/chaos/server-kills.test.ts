// The server's process is killed 100 times while clients write; whatever a receipt called `synced` is there afterwards, and
// whatever was written is there once in the end. The moments come from a seed and are counted in receipts, not in time.

import type { Client, CounterDocument, DocumentHandle, Receipt, WebSocketConstructor } from 'joinery';
import { createClient } from 'joinery';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { mulberry32 } from '../bench/trace.mjs';
import { ServerProcess } from '../harness/server-process.mjs';

const kills = 100;
const writers = 3;
/** Writes of one writer that are on their way at once. */
const inFlight_max = 40;
const seed = Number(process.env.JOINERY_SEED ?? 1);

type Notes = Record<string, number>;

/** One client that writes without a pause, and knows what was confirmed. */
class Writer {
  readonly confirmed = new Set<string>();
  written = 0;
  readonly #client: Client;
  readonly #notes: DocumentHandle<Notes>;
  readonly #counter: CounterDocument;
  readonly #name: string;
  readonly #receipts = new Set<Promise<void>>();
  readonly #onConfirmed: () => void;
  #failure: unknown;

  constructor(url: string, name: string, onConfirmed: () => void) {
    this.#name = name;
    this.#onConfirmed = onConfirmed;
    this.#client = openClient(url, name);
    this.#notes = this.#client.document<Notes>('chaos-notes');
    this.#counter = this.#client.counter('chaos-counter');
  }

  /** Writes until `stopped` says so; resolves when all of it is synced. */
  async run(stopped: () => boolean): Promise<void> {
    await Promise.all([this.#notes.loaded, this.#counter.loaded]);
    while (!stopped()) {
      const key = `${this.#name}-${this.written}`;
      this.#follow(this.#notes.update({ [key]: this.written }), key);
      this.#follow(this.#counter.increment(), undefined);
      this.written += 1;
      if (this.#receipts.size >= inFlight_max) await Promise.race(this.#receipts);
      else await new Promise(setImmediate);
      if (this.#failure !== undefined) throw this.#failure;
    }
    await Promise.all(this.#receipts);
    await this.#client.close();
  }

  /** Tries to connect at once, as on a network's return, instead of after the back-off that a dead server calls for. */
  reconnect(): void {
    this.#client.disconnect();
    this.#client.connect();
  }

  #follow(receipt: Receipt, key: string | undefined): void {
    const synced = receipt.synced.then(
      () => {
        if (key !== undefined) this.confirmed.add(key);
        this.#receipts.delete(synced);
        this.#onConfirmed();
      },
      (error: unknown) => {
        this.#failure = error;
        this.#receipts.delete(synced);
      },
    );
    this.#receipts.add(synced);
  }
}

function openClient(url: string, name: string): Client {
  return createClient({ url, name, storage: 'memory', WebSocket: WebSocket as unknown as WebSocketConstructor });
}

const server = new ServerProcess();
beforeAll(() => server.start());
afterAll(() => server.dispose());

test(`no synced write is missing after ${kills} kills (seed ${seed})`, { timeout: 300_000 }, async () => {
  const random = mulberry32(seed);
  const url = `${server.url.replace('http', 'ws')}/sync`;
  let confirmations = 0;
  let wake = (): void => {};
  const onConfirmed = (): void => {
    confirmations += 1;
    wake();
  };
  /** Resolves after so many more receipts. */
  const confirmationsLater = async (count: number): Promise<void> => {
    const goal = confirmations + count;
    while (confirmations < goal) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };

  let stopped = false;
  const all = Array.from({ length: writers }, (_, index) => new Writer(url, `writer-${index}`, onConfirmed));
  const running = Promise.all(all.map((writer) => writer.run(() => stopped)));
  running.catch(() => {});
  for (let kill = 0; kill < kills; kill++) {
    await Promise.race([confirmationsLater(Math.floor(random() * 60)), running]);
    for (let turn = Math.floor(random() * 20); turn > 0; turn--) await new Promise(setImmediate);
    const confirmed = all.flatMap((writer) => [...writer.confirmed]);
    await server.kill();
    await server.start();
    for (const writer of all) writer.reconnect();
    const stored = (await readNotes()) ?? {};
    expect(confirmed.filter((key) => !(key in stored))).toEqual([]);
  }
  stopped = true;
  await running;

  const reader = openClient(url, 'reader');
  const notes = reader.document<Notes>('chaos-notes');
  const counter = reader.counter('chaos-counter');
  const written = all.reduce((sum, writer) => sum + writer.written, 0);
  await changed(notes, () => Object.keys(notes.value ?? {}).length >= written);
  await changed(counter, () => counter.value >= written);
  expect(Object.keys(notes.value ?? {}).length).toBe(written);
  expect(counter.value).toBe(written);
  await reader.close();
});

/** What the server itself has, over HTTP. */
async function readNotes(): Promise<Notes | undefined> {
  const response = await fetch(`${server.url}/documents/chaos-notes`);
  return response.status === 404 ? undefined : ((await response.json()) as Notes);
}

/** Resolves when it is so, now or after a change. The test's own time limit bounds it. */
function changed(handle: { subscribe(listener: () => void): () => void }, isSo: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = handle.subscribe(check);
    function check(): void {
      if (!isSo()) return;
      stop();
      resolve();
    }
    queueMicrotask(check);
  });
}
