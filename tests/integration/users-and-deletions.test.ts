// Deletions, and whose data is whose: tokens, sign-outs and 401s, through a real server process that knows its users. What must
// never happen: that anything is deleted which nobody asked to be deleted, or shown to another user.

import type { DocumentHandle } from 'joinery';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ServerProcess } from '../harness/server-process.mjs';
import { closeAll, closeTab, device, type Fields, open, until, untilSynced } from './real-devices.ts';

const server = new ServerProcess({ users: true });
beforeAll(() => server.start());
afterEach(closeAll);
afterAll(() => server.dispose());

const token = (user: string) => ({ token: async () => `token-${user}` });

/** Resolves when it is synced; rejects however a write to a deleted document comes to nothing. */
async function written(notes: DocumentHandle<Fields>, fields: Fields): Promise<void> {
  await notes.loaded;
  await notes.update(fields).synced;
}

test('a deleted document goes from every client, also one that was offline with unsynced writes, and stays gone', async () => {
  const document = 'doomed/one';
  const devices = { ada: device(), ben: device() };
  const ada = open(server, { ...devices.ada, ...token('ada') });
  const ben = open(server, { ...devices.ben, ...token('ben') });
  const [adas, bens] = [ada, ben].map((client) => client.document<Fields>(document));
  if (!adas || !bens) throw new Error('no documents');
  await adas.update({ by: 'ada' }).synced;
  await ada.document<Fields>('doomed/two').update({ stays: 1 }).synced;
  await until(() => bens.value?.by === 'ada', bens);
  const space = ben.space('doomed');
  await until(() => space.size === 2, space);
  ben.disconnect();
  const unsynced = bens.update({ more: 'ben' });
  await unsynced.durable;
  const told = new Promise<string>((resolve) => {
    ben.subscribeEvents((event) => {
      if (event.type === 'document-deleted') resolve(event.document);
    });
  });
  const deletion = ada.deleteDocument(document);
  await deletion.synced;
  ben.connect();
  await expect(unsynced.synced).rejects.toMatchObject({ code: 'document-deleted' });
  await until(() => space.size === 1 && ben.rejected.entries.length === 1, space, ben.rejected);
  expect(await told).toBe(document);
  expect(ben.rejected.entries).toMatchObject([{ document, changes: [{ path: ['more'], kind: 'set', value: 'ben' }] }]);
  expect(bens.value).toEqual({});
  await expect(written(adas, { late: 1 })).rejects.toMatchObject({ code: 'document-deleted' });

  await server.kill();
  await server.start();
  await closeTab(ben);
  const reloaded = open(server, { ...devices.ben, ...token('ben') });
  const again = reloaded.document<Fields>(document);
  await expect(written(again, { again: 1 })).rejects.toMatchObject({ code: 'document-deleted' });
  const late = open(server, { ...device(), ...token('cleo') });
  const two = late.document<Fields>('doomed/two');
  await until(() => two.value?.stays === 1, two);
  const listed: string[] = [];
  const lates = late.space('doomed');
  await until(() => lates.size === 1, lates);
  for await (const id of late.documents('doomed')) listed.push(id);
  expect(listed).toEqual(['doomed/two']);
});

test('a deletion that is asked for offline is kept over a reload, and brought to the server', async () => {
  const phone = device();
  const first = open(server, { ...phone, ...token('ada') });
  await first.document<Fields>('bin/old').update({ by: 'ada' }).synced;
  first.disconnect();
  await first.deleteDocument('bin/old').durable;
  await closeTab(first);
  open(server, { ...phone, ...token('ada') });
  const other = open(server, { ...device(), ...token('ben') });
  const others = other.document<Fields>('bin/old');
  await others.loaded;
  await until(() => JSON.stringify(others.value) === '{}', others);
  await expect(written(others, { late: 1 })).rejects.toMatchObject({ code: 'document-deleted' });
});

test('a token of another user closes the client with user-changed; each finds their own data, and nothing is lost', async () => {
  const laptop = device();
  let user = 'ada';
  const changing = { ...laptop, token: async () => `token-${user}` };
  const ada = open(server, changing);
  const notes = ada.document<Fields>('mine/ada');
  await notes.update({ a: 1 }).synced;
  ada.disconnect();
  await until(() => ada.status.connection.state === 'offline', ada);
  await notes.update({ b: 'unsynced' }).durable;
  const changed = new Promise<void>((resolve) => {
    ada.subscribeEvents(({ type }) => {
      if (type === 'user-changed') resolve();
    });
  });
  user = 'ben';
  ada.connect();
  await changed;
  await closeTab(ada);
  expect(() => notes.update({ late: 1 })).toThrow(expect.objectContaining({ code: 'closed' }));
  const ben = open(server, changing);
  const bens = ben.document<Fields>('mine/ada');
  await bens.loaded;
  await untilSynced(ben);
  // What Ada hadn't synced is not Ben's to see or to send.
  await until(() => bens.value?.a === 1, bens);
  expect(bens.value).toEqual({ a: 1 });
  await bens.update({ by: 'ben' }).synced;
  await ben.signOut();
  user = 'ada';
  const again = open(server, changing);
  const adas = again.document<Fields>('mine/ada');
  await until(() => adas.value?.by === 'ben', adas);
  await untilSynced(again);
  expect(adas.value).toEqual({ a: 1, b: 'unsynced', by: 'ben' });
  expect(again.rejected.entries).toEqual([]);
});

test('signing out with wipe says what is unsynced and changes nothing; when all is synced, nothing stays on the device', async () => {
  const tablet = device();
  const client = open(server, { ...tablet, ...token('ada') });
  const notes = client.document<Fields>('wipe/notes');
  await notes.update({ a: 1 }).synced;
  client.disconnect();
  await until(() => client.status.connection.state === 'offline', client);
  await notes.update({ b: 2 }).durable;
  await expect(client.signOut({ wipe: true })).rejects.toMatchObject({
    code: 'unsynced-work',
    pending: 1,
    rejected: 0,
  });
  await notes.update({ c: 3 }).durable;
  client.connect();
  await untilSynced(client);
  await client.signOut({ wipe: true });
  const sync = `${server.url.replace('http', 'ws')}/sync`;
  for (const user of ['', 'ada']) {
    const { documents, values } = tablet.storage.area({ server: sync, user, name: tablet.name });
    // Nothing but how often it was wiped, so that a tab that slept meanwhile writes nothing.
    expect([documents.size, [...values.keys()]]).toEqual([0, user === '' ? ['wipes'] : []]);
  }
  const back = open(server, { ...tablet, ...token('ada') });
  const backs = back.document<Fields>('wipe/notes');
  await until(() => backs.value?.c === 3, backs);
  expect(backs.value).toEqual({ a: 1, b: 2, c: 3 });
});

test('a token that is refused pauses and asks for another, deletes nothing, and what was written goes on with it', async () => {
  const phone = device();
  let good = true;
  let asked = 0;
  const client = open(server, {
    ...phone,
    token: async () => {
      asked += 1;
      return good ? 'token-ada' : 'expired';
    },
  });
  const notes = client.document<Fields>('paused/notes');
  await notes.update({ a: 1 }).synced;
  good = false;
  await server.kill();
  const receipt = notes.update({ b: 2 });
  await receipt.durable;
  await server.start();
  client.disconnect();
  client.connect();
  await until(() => client.status.connection.lastError?.code === 'unauthorised', client);
  const before = asked;
  // By itself, again and again.
  await until(() => asked > before, client);
  expect(receipt.state).toBe('durable');
  expect(notes.value).toEqual({ a: 1, b: 2 });
  expect(client.status.sync.pending).toBe(1);
  good = true;
  await receipt.synced;
  const other = open(server, { ...device(), ...token('ben') });
  const others = other.document<Fields>('paused/notes');
  await until(() => others.value?.b === 2, others);
});
