// The server's process is killed again and again while clients write, some of their writes are refused and the document is
// trimmed. Each receipt tells the truth: what it calls synced is there once in the end, what it calls rejected is in its
// author's rejected list and nowhere else. The moments come from a seed and are counted in receipts, not in time.

import {
  type Client,
  type CounterDocument,
  createClient,
  type DocumentHandle,
  type WebSocketConstructor,
} from 'joinery';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { mulberry32 } from '../bench/trace.mjs';
import { ServerProcess } from '../harness/server-process.mjs';

const kills = 20;
const writers = 3;
const inFlight_max = 20;
const killsLeast = 2;
/** Beyond this nothing more is killed but the least: what is left is to be brought to an end within the test's time. */
const chaos_ms = 25_000;
const seed = Number(process.env.JOINERY_SEED ?? 1);
const document = 'chaos/refused';

type Notes = Record<string, number>;
type Fate = 'synced' | 'rejected';

const server = new ServerProcess({ hosted: true });
beforeAll(() => server.start());
afterAll(() => server.dispose());

/** One client that writes without a pause, and keeps what its receipts said. */
class Writer {
  readonly client: Client;
  readonly keys = new Map<string, Fate>();
  readonly increments: Fate[] = [];
  readonly #notes: DocumentHandle<Notes>;
  readonly #counter: CounterDocument;
  readonly #name: string;
  readonly #random: () => number;
  readonly #settled: () => void;
  readonly #waiting = new Set<Promise<void>>();

  constructor(name: string, random: () => number, settled: () => void) {
    this.client = open(name);
    this.#name = name;
    this.#random = random;
    this.#settled = settled;
    this.#notes = this.client.document<Notes>(document);
    this.#counter = this.client.counter(document);
  }

  async run(stopped: () => boolean): Promise<void> {
    await this.#notes.loaded;
    for (let written = 0; !stopped(); written += 1) {
      // The first one makes the counter with it: what rests on that is refused in part.
      const isForbidden = written === 0 || written === 3 || this.#random() < 0.05;
      const key = `${isForbidden ? 'forbidden-' : ''}${this.#name}-${written}`;
      this.#follow(this.#notes.update({ [key]: written }).synced, (fate) => this.keys.set(key, fate));
      this.#follow(this.#counter.increment().synced, (fate) => this.increments.push(fate));
      if (this.#waiting.size >= inFlight_max) await Promise.race(this.#waiting);
      else await new Promise(setImmediate);
    }
    await Promise.all(this.#waiting);
  }

  #follow(synced: Promise<void>, note: (fate: Fate) => void): void {
    const end = (fate: Fate): void => {
      note(fate);
      this.#waiting.delete(waiting);
      this.#settled();
    };
    const waiting: Promise<void> = synced.then(
      () => end('synced'),
      () => end('rejected'),
    );
    this.#waiting.add(waiting);
  }
}

function open(name: string): Client {
  const url = `${server.url.replace('http', 'ws')}/sync`;
  return createClient({ url, name, storage: 'memory', WebSocket: WebSocket as unknown as WebSocketConstructor });
}

function keysOf(writer: Writer, fate: Fate): string[] {
  return [...writer.keys].filter(([, its]) => its === fate).map(([key]) => key);
}

test(`receipts tell the truth over up to ${kills} kills with refusals and trims (seed ${seed})`, {
  timeout: 120_000,
}, async () => {
  const random = mulberry32(seed);
  const startedAt = performance.now();
  let settled = 0;
  let wake = (): void => {};
  const onSettled = (): void => {
    settled += 1;
    wake();
  };
  const receiptsLater = async (count: number): Promise<void> => {
    const goal = settled + count;
    while (settled < goal) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  let stopped = false;
  const all = Array.from({ length: writers }, (_, index) => new Writer(`writer-${index}`, random, onSettled));
  const running = Promise.all(all.map((writer) => writer.run(() => stopped)));
  running.catch(() => {});
  let [killed, trims] = [0, 0];
  while (killed < kills && (killed < killsLeast || performance.now() - startedAt < chaos_ms)) {
    await Promise.race([receiptsLater(1 + Math.floor(random() * 40)), running]);
    // Killed in the middle of it at times: then there is no answer.
    const trimming = async (): Promise<void> => {
      if (await server.trim(document)) trims += 1;
    };
    const trim = killed === 0 || random() < 0.4 ? trimming() : undefined;
    trim?.catch(() => {});
    if (killed === 0 || random() < 0.5) await trim?.catch(() => {});
    for (let turn = Math.floor(random() * 20); turn > 0; turn -= 1) await new Promise(setImmediate);
    const confirmed = all.flatMap((writer) => keysOf(writer, 'synced'));
    await server.kill();
    killed += 1;
    await server.start();
    for (const { client } of all) {
      client.disconnect();
      client.connect();
    }
    const stored = await readNotes();
    expect(confirmed.filter((key) => !(key in stored))).toEqual([]);
  }
  stopped = true;
  await running;

  const keys = all.flatMap((writer) => keysOf(writer, 'synced')).sort();
  const increments = all.flatMap((writer) => writer.increments).filter((fate) => fate === 'synced').length;
  const { counter, ...notes } = await readNotes();
  expect(Object.keys(notes).sort()).toEqual(keys);
  expect(counter).toBe(increments);
  expect(keys.filter((key) => key.startsWith('forbidden'))).toEqual([]);
  for (const writer of all) {
    await untilListed(writer);
    const changes = writer.client.rejected.entries.flatMap((entry) => entry.changes);
    const listed = changes.filter(({ kind }) => kind === 'set').map(({ path }) => String(path[0]));
    expect(listed.sort()).toEqual(keysOf(writer, 'rejected').sort());
    const lost = changes.filter(({ kind }) => kind === 'increment').reduce((sum, { value }) => sum + Number(value), 0);
    expect(lost).toBe(writer.increments.filter((fate) => fate === 'rejected').length);
    expect(writer.client.status.sync).toMatchObject({ state: 'idle', pending: 0 });
    await writer.client.close();
  }
  const refused = all.reduce((sum, writer) => sum + keysOf(writer, 'rejected').length, 0);
  console.log(`  ${killed} kills, ${trims} trims, ${keys.length} writes synced, ${refused} rejected`);
  expect(trims).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(0);
});

/** Resolves when the rejected list is as long as the receipts say; a list that stays shorter is found by what follows. */
function untilListed({ client, keys }: Writer): Promise<void> {
  return new Promise((resolve) => {
    const expected = [...keys.values()].filter((fate) => fate === 'rejected').length;
    const look = (): void => {
      const sets = client.rejected.entries.flatMap(({ changes }) => changes).filter(({ kind }) => kind === 'set');
      if (sets.length < expected) return;
      stop();
      resolve();
    };
    const stop = client.rejected.subscribe(look);
    queueMicrotask(look);
  });
}

/** What the server itself has, over HTTP. */
async function readNotes(): Promise<Notes> {
  const response = await fetch(`${server.url}/documents/${encodeURIComponent(document)}`);
  return response.status === 404 ? {} : ((await response.json()) as Notes);
}
