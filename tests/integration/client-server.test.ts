// The SDK and the server together in Node: real sockets, real SQLite, IndexedDB as fake-indexeddb does it. What either
// does alone is tested beside it; real browsers are in tests/browser.

import 'fake-indexeddb/auto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from '@joinery/server';
import { SqliteStorage } from '@joinery/storage-sqlite/node';
import { type Client, type ClientOptions, createClient, type WebSocketConstructor } from 'joinery';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';

interface Todos {
  items?: { title: string; done: boolean }[];
}

const folders: string[] = [];
const clients = new Set<Client>();
let server: Server | undefined;

afterEach(async () => {
  await Promise.all([...clients].map((client) => client.close()));
  clients.clear();
  await server?.close();
  server = undefined;
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'joinery-integration-'));
  folders.push(folder);
  return folder;
}

function open(options: Partial<ClientOptions> = {}): Client {
  const url = `${server?.url}/sync`;
  const client = createClient({
    url,
    storage: 'memory',
    WebSocket: WebSocket as unknown as WebSocketConstructor,
    ...options,
  });
  clients.add(client);
  return client;
}

/** Resolves when the condition holds; asks after each change that `subscribe` tells of. */
async function until(subscribe: (listener: () => void) => () => void, condition: () => boolean): Promise<void> {
  if (condition()) return;
  await new Promise<void>((resolve) => {
    const stop = subscribe(() => {
      if (!condition()) return;
      stop();
      resolve();
    });
  });
}

const untilSynced = (client: Client): Promise<void> =>
  until(
    (listener) => client.subscribeStatus(listener),
    () => client.status.sync.pending === 0,
  );

test('two clients edit offline, one reloads, the server restarts: all agree, and a third that comes later too', {
  retry: 2,
  timeout: 30_000,
}, async () => {
  const data = dataFolder();
  server = await createServer({ data });
  const { port } = server;
  const names = { storage: 'indexeddb', name: 'ada' } as const;
  let ada = open(names);
  const bob = open();
  const bobs = { list: bob.document<Todos>('doc'), text: bob.text('doc'), counter: bob.counter('doc') };
  let adas = { list: ada.document<Todos>('doc'), text: ada.text('doc'), counter: ada.counter('doc') };
  await Promise.all([adas.list.loaded, bobs.list.loaded]);
  await adas.list.update({ items: [{ title: 'common', done: false }] }).synced;
  await until(
    (listener) => bobs.list.subscribe(listener),
    () => bobs.list.value?.items?.length === 1,
  );

  ada.disconnect();
  bob.disconnect();
  adas.list.update((draft) => {
    draft.items?.push({ title: 'ada', done: false });
  });
  adas.counter.increment(3);
  await adas.text.insert(0, 'Ada. ').durable;
  bobs.list.update((draft) => {
    draft.items?.unshift({ title: 'bob', done: true });
  });
  bobs.text.insert(0, 'Bob. ');
  bobs.counter.decrement();

  await ada.close();
  clients.delete(ada);
  await server.close();
  ada = open({ ...names, connect: false, url: `http://localhost:${port}/sync` });
  adas = { list: ada.document<Todos>('doc'), text: ada.text('doc'), counter: ada.counter('doc') };
  await adas.list.loaded;
  expect(adas.list.value).toEqual({
    items: [
      { title: 'common', done: false },
      { title: 'ada', done: false },
    ],
    text: 'Ada. ',
    counter: 3,
  });
  expect(ada.status).toMatchObject({ storage: { mode: 'indexeddb', state: 'ready' }, sync: { state: 'pending' } });

  server = await createServer({ data, port });
  ada.connect();
  bob.connect();
  const agree = (): boolean => adas.counter.value === 2 && bobs.counter.value === 2 && adas.text.length === 10;
  const complete = (list: typeof adas.list): boolean => list.value?.items?.length === 3;
  // Both are listened to: either may be the last to change.
  await until(
    (listener) => {
      const stops = [adas.list.subscribe(listener), bobs.list.subscribe(listener)];
      return () => {
        for (const stop of stops) stop();
      };
    },
    () => agree() && complete(adas.list) && complete(bobs.list),
  );
  await Promise.all([untilSynced(ada), untilSynced(bob)]);
  expect(adas.list.value).toEqual(bobs.list.value);

  const late = open().document<Todos>('doc');
  await until(
    (listener) => late.subscribe(listener),
    () => late.value?.items?.length === 3,
  );
  expect(late.value).toEqual(adas.list.value);
  const answer = await fetch(`${server.url}/documents/doc`);
  expect(await answer.json()).toEqual(adas.list.value);
});

test('10,000 edits made offline arrive, and a late client has them', async () => {
  server = await createServer({ data: dataFolder() });
  const writer = open({ connect: false });
  const text = writer.text('long');
  const counter = writer.counter('long');
  await text.loaded;
  for (let edit = 0; edit < 10_000; edit += 1) {
    text.insert(edit >> 1, String.fromCharCode(97 + (edit % 26)));
    counter.increment(edit);
    if (edit % 100 === 0) await new Promise(setImmediate);
  }
  writer.connect();
  await untilSynced(writer);
  const reader = open().text('long');
  await until(
    (listener) => reader.subscribe(listener),
    () => reader.length === 10_000,
  );
  expect(reader.value).toBe(text.value);
});

test('a client that names no server keeps working and says why it is offline', async () => {
  const client = open({ url: 'ws://127.0.0.1:9/sync' });
  const counter = client.counter('visits');
  await counter.increment().durable;
  await until(
    (listener) => client.subscribeStatus(listener),
    () => client.status.connection.lastError !== undefined,
  );
  expect(client.status.connection.lastError?.code).toBe('connection-failed');
  expect(client.status.sync).toMatchObject({ state: 'pending', pending: 1 });
  expect(counter.value).toBe(1);
});

test('a token that the server does not accept is told, and nothing is lost', async () => {
  server = await createServer({
    data: dataFolder(),
    authenticate: async (token) => {
      if (token !== 'good') throw Object.assign(new Error('no'), { code: 'unauthorised' });
      return { user: 'ada' };
    },
  });
  let token = 'bad';
  const client = open({ token: async () => token });
  const counter = client.counter('visits');
  const receipt = counter.increment();
  await until(
    (listener) => client.subscribeStatus(listener),
    () => client.status.connection.lastError?.code === 'unauthorised',
  );
  expect(receipt.state).not.toBe('synced');
  token = 'good';
  client.disconnect();
  client.connect();
  await receipt.synced;
});

test('a client in Node keeps its documents in a SQLite file, and what was written offline is sent at the next start', async () => {
  server = await createServer({ data: dataFolder() });
  const path = join(dataFolder(), 'client.sqlite');
  const storage = (): SqliteStorage => new SqliteStorage({ path });
  const first = open({ storage: storage() });
  const todos = first.document<Todos>('todos');
  await todos.update({ items: [{ title: 'tea', done: false }] }).synced;
  first.disconnect();
  const receipt = todos.update({ items: [{ title: 'tea', done: true }] });
  await receipt.durable;
  expect([first.status.storage.mode, first.status.sync.pending]).toEqual(['sqlite', 1]);
  await first.close();

  const second = open({ storage: storage() });
  const again = second.document<Todos>('todos');
  await again.loaded;
  expect(again.value).toEqual({ items: [{ title: 'tea', done: true }] });
  await untilSynced(second);
  const reader = open();
  const read = reader.document<Todos>('todos');
  await until(read.subscribe.bind(read), () => read.value?.items?.[0]?.done === true);
});
