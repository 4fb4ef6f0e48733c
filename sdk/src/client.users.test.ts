// Whose data is opened: namespaces by (server, user), a device that remembers its last user, another user's token, signing
// out. Through the real session, on virtual time.

import { describe, expect, test } from 'vitest';
import type { Client } from './client.ts';
import { MemoryStorage } from './storage/memory.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';

type Fields = Record<string, string>;

/** A server that knows the users behind opaque tokens. */
function worldOfUsers(): Promise<World> {
  return World.create({ server: { user: (token) => (token.startsWith('token-') ? token.slice(6) : undefined) } });
}

const tokenOf = (user: string) => ({ token: () => Promise.resolve(`token-${user}`) });

describe('users of one device', () => {
  test('have their own data, and the last one opens it without a network', async () => {
    const world = await worldOfUsers();
    const storage = new MemoryStorage();
    const ada = world.client(storage, tokenOf('ada'));
    const adas = ada.document<Fields>('notes');
    await world.time.settled(adas.update({ by: 'ada' }).synced);
    await world.time.settled(ada.signOut());
    const bob = world.client(storage, tokenOf('bob'));
    const bobs = bob.document<Fields>('private');
    await world.time.settled(bobs.loaded);
    await world.time.settled(bobs.update({ by: 'bob' }).synced);
    await world.time.settled(bob.close());

    world.time.setOnline(false);
    const offline = world.client(storage, { ...tokenOf('bob'), connect: false });
    const again = offline.document<Fields>('private');
    await world.time.settled(again.loaded);
    expect(again.value).toEqual({ by: 'bob' });
    const none = offline.document<Fields>('notes');
    await world.time.settled(none.loaded);
    expect(none.value).toEqual({});
  });

  test('what was written before anybody had signed in is the first one’s', async () => {
    const world = await worldOfUsers();
    const storage = new MemoryStorage();
    const early = world.client(storage, { ...tokenOf('ada'), connect: false });
    const notes = early.document<Fields>('notes');
    await world.time.settled(notes.loaded);
    await world.time.settled(notes.update({ by: 'nobody yet' }).durable);
    early.connect();
    await world.untilSynced(early);
    await world.time.settled(early.close());
    const again = world.client(storage, { ...tokenOf('ada'), connect: false });
    const reopened = again.document<Fields>('notes');
    await world.time.settled(reopened.loaded);
    expect(reopened.value).toEqual({ by: 'nobody yet' });
  });

  test('another user’s token closes the client, deletes nothing, and the next client is the other’s', async () => {
    const world = await worldOfUsers();
    const storage = new MemoryStorage();
    let user = 'ada';
    const token = () => Promise.resolve(`token-${user}`);
    const client = world.client(storage, { token });
    const notes = client.document<Fields>('notes');
    await world.time.settled(notes.update({ by: 'ada' }).synced);
    client.disconnect();
    await world.time.advance(100);
    await world.time.settled(notes.update({ more: 'unsynced' }).durable);
    const events: string[] = [];
    client.subscribeEvents(({ type }) => events.push(type));
    user = 'bob';
    const before = world.server.log('notes').length;
    client.connect();
    await world.time.until(() => events.includes('user-changed'));
    await world.time.settled(client.close());
    expect(() => notes.update({ late: 'x' })).toThrow(expect.objectContaining({ code: 'closed' }));
    expect(world.server.log('notes')).toHaveLength(before);

    const bob = world.client(storage, { token });
    const bobs = bob.document<Fields>('private');
    await world.time.settled(bobs.loaded);
    expect(bobs.value).toEqual({});
    await world.time.settled(bobs.update({ by: 'bob' }).synced);
    await world.time.settled(bob.signOut());
    user = 'ada';
    const ada = world.client(storage, { token });
    const adas = ada.document<Fields>('notes');
    await world.time.settled(adas.loaded);
    expect(adas.value).toEqual({ by: 'ada', more: 'unsynced' });
    await world.untilSynced(ada);
    expect(world.server.value('notes')).toEqual({ by: 'ada', more: 'unsynced' });
  });

  test('a token that is refused pauses syncing and asks again, and what is unsynced stays', async () => {
    const world = await worldOfUsers();
    const storage = new MemoryStorage();
    let works = true;
    let asked = 0;
    const token = () => {
      asked += 1;
      return Promise.resolve(works ? 'token-ada' : 'expired');
    };
    const client = world.client(storage, { token });
    const notes = client.document<Fields>('notes');
    await world.time.settled(notes.update({ a: '1' }).synced);
    works = false;
    world.network.cut();
    const receipt = notes.update({ b: '2' });
    await world.time.advance(60_000);
    expect(client.status.connection.lastError?.code).toBe('unauthorised');
    expect([receipt.state, client.status.sync.pending, notes.value]).toEqual(['durable', 1, { a: '1', b: '2' }]);
    expect(asked).toBeGreaterThan(2);
    works = true;
    await world.time.settled(receipt.synced, 120_000);
  });
});

describe('signing out', () => {
  test('reports unsynced work and changes nothing, unless it is forced', async () => {
    const world = await worldOfUsers();
    const storage = new MemoryStorage();
    const client = world.client(storage, { ...tokenOf('ada'), connect: false });
    const notes = client.document<Fields>('notes');
    await world.time.settled(notes.loaded);
    await world.time.settled(notes.update({ a: '1' }).durable);
    const refused = client.signOut({ wipe: true });
    await expect(world.time.settled(refused)).rejects.toMatchObject({ code: 'unsynced-work', pending: 1, rejected: 0 });
    notes.update({ b: '2' });
    client.connect();
    await world.untilSynced(client);
    expect(world.server.value('notes')).toEqual({ a: '1', b: '2' });
    client.disconnect();
    await world.time.advance(100);
    notes.update({ c: '3' });
    await world.time.settled(client.signOut({ wipe: true, force: true }));
    const left = storage.area({ server: 'ws://server/sync', user: '', name: 'default' });
    expect([left.documents.size, [...left.values.keys()]]).toEqual([0, ['wipes']]);
  });

  test('with `wipe` ends the other tabs too: what they write then is nowhere on the device', async () => {
    const world = await worldOfUsers();
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const [here, there] = [0, 1].map(() => world.client(storage, tokenOf('ada'), device.tab())) as [Client, Client];
    const [mine, theirs] = [here.document<Fields>('notes'), there.document<Fields>('notes')];
    await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
    await world.time.settled(mine.update({ a: '1' }).synced);
    await world.untilSynced();
    const events: string[] = [];
    there.subscribeEvents(({ type }) => events.push(type));
    const signedOut = here.signOut({ wipe: true, force: true });
    for (let step = 0; step < 40 && !events.includes('user-changed'); step += 1) {
      theirs.update({ step: String(step) });
      await world.time.advance(10);
    }
    await world.time.settled(signedOut);
    await world.time.advance(15_000);
    expect(events).toEqual(['user-changed']);
    expect(() => theirs.update({ late: 'x' })).toThrow(expect.objectContaining({ code: 'closed' }));
    const left = storage.area({ server: 'ws://server/sync', user: '', name: 'default' });
    expect([[...left.documents.keys()], [...left.values.keys()]]).toEqual([[], ['wipes']]);
  });

  test('with `wipe` takes nothing of a tab that slept through it: what it stores when it thaws is nowhere', async () => {
    const world = await worldOfUsers();
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const tabs = [device.tab(), device.tab()] as const;
    const [here, there] = tabs.map((tab) => world.client(storage, tokenOf('ada'), tab)) as [Client, Client];
    const [mine, theirs] = [here.document<Fields>('notes'), there.document<Fields>('notes')];
    await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
    await world.time.settled(mine.update({ a: '1' }).synced);
    await world.untilSynced();
    const events: string[] = [];
    there.subscribeEvents(({ type }) => events.push(type));
    tabs[1].freeze();
    // Its being told may be lost, or come after what it had begun.
    tabs[1].deaf = true;
    theirs.update({ b: '2' });
    await world.time.settled(here.signOut({ wipe: true, force: true }));
    tabs[1].thaw();
    await world.time.until(() => events.includes('user-changed'));
    await world.time.advance(15_000);
    expect(() => theirs.update({ late: 'x' })).toThrow(expect.objectContaining({ code: 'closed' }));
    const left = storage.area({ server: 'ws://server/sync', user: '', name: 'default' });
    expect([[...left.documents.keys()], [...left.values.keys()]]).toEqual([[], ['wipes']]);
    // Whoever signs in next begins with nothing, and works.
    const next = world.client(storage, tokenOf('bob'), device.tab());
    const nexts = next.document<Fields>('notes');
    await world.time.settled(nexts.update({ c: '3' }).synced);
  });

  test.each([true, false])(
    'that is refused for what only storage knew of leaves a client that works (wipe: %s)',
    async (wipe) => {
      const world = await worldOfUsers();
      const storage = new MemoryStorage();
      const client = world.client(storage, tokenOf('ada'));
      const notes = client.document<Fields>('notes');
      await world.time.settled(notes.update({ a: '1' }).synced);
      await world.untilSynced();
      // Another tab has written, and this one has not heard of it.
      const other = world.client(storage, { ...tokenOf('ada'), connect: false });
      await world.time.settled(other.document<Fields>('others').update({ b: '2' }).durable);
      expect(client.status.sync.pending).toBe(0);
      const refused = client.signOut({ wipe });
      await expect(world.time.settled(refused)).rejects.toMatchObject({
        code: 'unsynced-work',
        pending: 1,
        rejected: 0,
      });
      await world.time.settled(notes.update({ c: '3' }).synced);
      expect(world.server.value('notes')).toEqual({ a: '1', c: '3' });
      other.connect();
      await world.untilSynced(other);
      await world.time.advance(1_000);
      await world.time.settled(client.signOut({ wipe }));
      expect(() => notes.update({ late: 'x' })).toThrow(expect.objectContaining({ code: 'closed' }));
    },
  );

  test('that is refused while the client is being closed does not keep it open', async () => {
    const world = await worldOfUsers();
    const storage = new MemoryStorage();
    const client = world.client(storage, tokenOf('ada'));
    const notes = client.document<Fields>('notes');
    await world.time.settled(notes.update({ a: '1' }).synced);
    await world.untilSynced();
    const other = world.client(storage, { ...tokenOf('ada'), connect: false });
    await world.time.settled(other.document<Fields>('others').update({ b: '2' }).durable);
    const refused = client.signOut({ wipe: true });
    await Promise.resolve();
    await Promise.resolve();
    const closed = client.close();
    await expect(world.time.settled(refused)).rejects.toMatchObject({ code: 'unsynced-work' });
    await world.time.settled(closed);
    expect(() => notes.update({ late: 'x' })).toThrow(expect.objectContaining({ code: 'closed' }));
  });

  test('without wiping the data stays for the user, and nobody else sees it', async () => {
    const world = await worldOfUsers();
    const storage = new MemoryStorage();
    const ada = world.client(storage, tokenOf('ada'));
    const notes = ada.document<Fields>('notes');
    await world.time.settled(notes.update({ a: '1' }).synced);
    await world.time.settled(ada.signOut());
    const nobody = world.client(storage, { ...tokenOf('bob'), connect: false });
    const closed = nobody.document<Fields>('notes');
    await world.time.advance(5_000);
    expect(closed.value).toBeUndefined();
    nobody.connect();
    await world.time.settled(closed.loaded);
    expect(closed.value).toEqual({});
    await world.untilSynced(nobody);
  });
});

describe('tabs of one device with tokens of two users', () => {
  async function twoTabs(connect: boolean) {
    const world = await worldOfUsers();
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const events: string[][] = [[], []];
    const clients = ['ada', 'bob'].map((user, index) => {
      const client = world.client(storage, { ...tokenOf(user), connect }, device.tab());
      client.subscribeEvents(({ type }) => events[index]?.push(type));
      return client;
    }) as [Client, Client];
    const documents = clients.map((client, index) => client.document<Fields>(`notes-${index}`));
    return { world, device, storage, events, clients, documents };
  }

  test('that nobody was signed in on before: each has its own data and its own connection', async () => {
    const { world, device, events, clients, documents, storage } = await twoTabs(true);
    const receipts = documents.map((document, index) => document.update({ by: String(index) }));
    await world.time.settled(Promise.all(receipts.map(({ synced }) => synced)));
    await world.untilSynced(...clients);
    await world.time.advance(5_000);
    expect([world.server.connections, device.locks.length, events]).toEqual([2, 2, [[], []]]);
    const areas = ['', 'ada', 'bob'].map((user) => storage.area({ server: 'ws://server/sync', user, name: 'default' }));
    const held = areas.map((area) => [...area.documents.keys()]).filter(({ length }) => length > 0);
    expect(held.sort()).toEqual([['notes-0'], ['notes-1']]);
  });

  test('that were opened before the server could be asked: the second one is told, and follows the first no more', async () => {
    const { world, clients, documents, events } = await twoTabs(false);
    await world.time.settled(Promise.all(documents.map(({ loaded }) => loaded)));
    for (const client of clients) client.connect();
    await world.time.until(() => events.some((list) => list.includes('user-changed')));
    await world.time.advance(5_000);
    expect(events.flat()).toEqual(['user-changed']);
    const [stays, goes] = events[0]?.length === 0 ? [0, 1] : [1, 0];
    expect(() => documents[goes]?.update({ late: 'x' })).toThrow(expect.objectContaining({ code: 'closed' }));
    await world.time.settled(documents[stays]?.update({ by: 'me' }).synced ?? Promise.reject());
    expect(world.server.connections).toBe(1);
  });

  test('a follower whose token is not the last user’s is told as a leader would be', async () => {
    const world = await worldOfUsers();
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const ada = world.client(storage, tokenOf('ada'), device.tab());
    const notes = ada.document<Fields>('notes');
    await world.time.settled(notes.update({ by: 'ada' }).synced);
    await world.time.advance(100);
    const bob = world.client(storage, tokenOf('bob'), device.tab());
    const events: string[] = [];
    bob.subscribeEvents(({ type }) => events.push(type));
    await world.time.until(() => events.includes('user-changed'));
    await world.time.settled(notes.update({ still: 'ada' }).synced);
  });
});

test('the user is remembered as soon as storage lets it be', async () => {
  const world = await worldOfUsers();
  const memory = new MemoryStorage();
  const storage = new ControlledStorage(memory);
  const client = world.client(storage, { ...tokenOf('ada'), connect: false });
  const notes = client.document<Fields>('notes');
  await world.time.settled(notes.loaded);
  storage.failure = Object.assign(new Error('no room'), { name: 'QuotaExceededError' });
  client.connect();
  await world.time.until(() => client.status.connection.state === 'online');
  await world.time.advance(3_000);
  storage.failure = undefined;
  await world.time.settled(notes.update({ a: '1' }).synced);
  await world.time.advance(20_000);
  await world.time.settled(client.close());
  const store = await memory.open({ server: 'ws://server/sync', user: '', name: 'default' });
  const text = new TextDecoder();
  const values = await Promise.all(['owner', 'last-user'].map((key) => store.readValue(key)));
  expect(values.map((value) => text.decode(value))).toEqual(['ada', 'ada']);
});
