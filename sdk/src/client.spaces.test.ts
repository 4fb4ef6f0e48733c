// Spaces on virtual time: lists that are kept up and stored, what is fetched, several tabs, and deletions.

import { describe, expect, test } from 'vitest';
import type { Client } from './client.ts';
import type { Space } from './spaces/space.ts';
import { MemoryStorage } from './storage/memory.ts';
import type { DocumentStore, Storage } from './storage/storage.ts';
import { pause } from './sync/waiting.ts';
import { tabFormat } from './tabs/tab-message.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';
import type { Transport } from './transport/transport.ts';

async function all(world: World, documents: AsyncIterable<string>): Promise<string[]> {
  const ids: string[] = [];
  const read = async (): Promise<void> => {
    for await (const id of documents) ids.push(id);
  };
  await world.time.settled(read());
  return ids;
}

/** Writes counters into documents of a space, and waits until the server has them. */
async function fill(world: World, client: Client, ids: readonly string[]): Promise<void> {
  const counters = ids.map((id) => client.counter(id));
  await Promise.all(counters.map((counter) => world.time.settled(counter.increment().synced)));
  for (const counter of counters) counter.close();
  await world.time.advance(50);
}

/** Tells of each frame that a client sends. */
function counted(world: World, tell: () => void): Transport {
  const transport = world.network.transport();
  return {
    connect: (url, events) => {
      const link = transport.connect(url, events);
      return {
        send: (frame) => {
          tell();
          link.send(frame);
        },
        close: () => link.close(),
        get buffered_bytes() {
          return link.buffered_bytes;
        },
      };
    },
  };
}

const names = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => `todo/${String(from + index).padStart(3, '0')}`);

function until(world: World, space: Space, size: number): Promise<void> {
  return world.time.until(() => space.complete && space.size === size, 10_000, `a list of ${size}`);
}

describe('a space', () => {
  test('lists what others made, in order and by pages, and goes on doing so', async () => {
    const world = await World.create();
    await fill(world, world.client(), names(40));
    const reader = world.client();
    const space = reader.space('todo');
    await until(world, space, 40);
    expect(await all(world, space.documents())).toEqual(names(40));
    const first = await world.time.settled(space.page({ limit: 30 }));
    expect([first.documents.length, first.next]).toEqual([30, 'todo/029']);
    const second = await world.time.settled(space.page({ limit: 30, after: first.next ?? '' }));
    expect([second.documents.length, second.next]).toEqual([10, undefined]);
    await expect(space.page({ limit: 0 })).rejects.toMatchObject({ code: 'invalid-option' });
    const told: (readonly string[] | undefined)[] = [];
    space.subscribe((documents) => told.push(documents));
    await fill(world, world.client(), names(1, 40));
    await until(world, space, 41);
    expect(told.flat()).toContain('todo/040');
    expect(await all(world, reader.documents('other'))).toEqual([]);
  });

  test('lists offline what this device knows, and what it made itself', async () => {
    const world = await World.create();
    await fill(world, world.client(), names(20));
    const storage = new MemoryStorage();
    const online = world.client(storage);
    await until(world, online.space('todo'), 20);
    await world.time.advance(2_000);
    await world.time.settled(online.close());
    const offline = world.client(storage, { connect: false });
    const counter = offline.counter('todo/mine');
    counter.increment();
    await world.time.advance(100);
    const ids = await all(world, offline.documents('todo'));
    expect(ids).toEqual([...names(20), 'todo/mine']);
  });

  test('fetches each document once, and later only those that moved', async () => {
    const world = await World.create();
    const writer = world.client();
    await fill(world, writer, names(50));
    const storage = new MemoryStorage();
    const first = world.client(storage);
    await until(world, first.space('todo'), 50);
    await world.time.advance(3_000);
    await world.time.settled(first.close());
    await fill(world, writer, names(3));
    let sent = 0;
    const transport = counted(world, () => {
      sent += 1;
    });
    const second = world.client(storage, { transport });
    const space = second.space('todo');
    await until(world, space, 50);
    await world.time.advance(3_000);
    // Hello, the space, three subscriptions, and credit: not something for each of the fifty.
    expect(sent).toBeLessThan(12);
    await world.time.settled(second.close());
    const offline = world.client(storage, { connect: false });
    const counters = names(50).map((id) => offline.counter(id));
    await world.time.settled(Promise.all(counters.map(({ loaded }) => loaded)));
    expect(counters.map(({ value }) => value)).toEqual(names(50).map((_, index) => (index < 3 ? 2 : 1)));
  });

  test('fetches what moved of a document that is closed before it came', async () => {
    const world = await World.create();
    const writer = world.client();
    await fill(world, writer, names(8));
    const storage = new MemoryStorage();
    let hears = true;
    const network = world.network.transport();
    const connect: Transport['connect'] = (url, events) =>
      network.connect(url, { ...events, frame: (bytes) => hears && events.frame(bytes) });
    const reader = world.client(storage, { transport: { connect } });
    await until(world, reader.space('todo'), 8);
    await world.time.advance(3_000);
    const counters = names(8).map((id) => reader.counter(id));
    await Promise.all(counters.map(({ loaded }) => world.time.settled(loaded)));
    await world.time.advance(100);
    // The server has what it writes, and it doesn't know; it stays open for that alone.
    hears = false;
    for (const counter of counters) {
      counter.increment();
      counter.close();
    }
    await world.time.advance(100);
    await fill(world, writer, names(8));
    reader.disconnect();
    await world.time.advance(100);
    hears = true;
    reader.connect();
    await world.untilSynced(reader);
    await world.time.advance(3_000);
    await world.time.settled(reader.close());
    const offline = world.client(storage, { connect: false });
    const stored = names(8).map((id) => offline.counter(id));
    await world.time.settled(Promise.all(stored.map(({ loaded }) => loaded)));
    expect(stored.map(({ value }) => value)).toEqual(names(8).map(() => 3));
  });

  test('is shown alike by all tabs, one of which follows it', async () => {
    const world = await World.create();
    const writer = world.client();
    await fill(world, writer, names(10));
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const tabs = [0, 1, 2].map(() => {
      const environment = device.tab();
      return { environment, client: world.client(storage, {}, environment) };
    });
    const spaces = tabs.map(({ client }) => client.space('todo'));
    for (const space of spaces) await until(world, space, 10);
    await fill(world, writer, names(1, 10));
    for (const space of spaces) await until(world, space, 11);
    const [lock = ''] = device.locks;
    const leader = tabs.findIndex(({ environment }) => environment === device.holder(lock));
    tabs[leader]?.environment.crash();
    spaces.splice(leader, 1);
    await world.time.advance(1_000);
    await fill(world, writer, names(1, 11));
    for (const space of spaces) await until(world, space, 12);
  });

  test('is shown whole by a tab that opens it before the leader has stored what it knows', async () => {
    const world = await World.create();
    const writer = world.client();
    await fill(world, writer, names(3));
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const [leader, follower] = [0, 1].map(() => world.client(storage, {}, device.tab())) as [Client, Client];
    await until(world, leader.space('todo'), 3);
    await world.time.advance(2_000);
    await fill(world, writer, names(1, 3));
    const late = follower.space('todo');
    await until(world, late, 4);
  });

  test('keeps what a tab was told while it reads what the leader has stored', async () => {
    const world = await World.create();
    const writer = world.client();
    await fill(world, writer, names(3));
    const device = new VirtualDevice(world.time);
    const disk = new MemoryStorage({ shared: true });
    const slow = new ControlledStorage(disk);
    const open = async (...options: Parameters<Storage['open']>): Promise<DocumentStore> => {
      const store = await slow.open(...options);
      const changeValue: DocumentStore['changeValue'] = async (key, change) => {
        if (key.includes('space')) await pause(world.time, 100);
        return await store.changeValue(key, change);
      };
      // So that storage tells nothing of documents that were fetched.
      const append: DocumentStore['append'] = async (writes) => {
        await pause(world.time, 1_000);
        await store.append(writes);
      };
      return { ...store, append, changeValue };
    };
    const leader = world.client({ mode: 'memory', shared: true, open }, {}, device.tab());
    await until(world, leader.space('todo'), 3);
    await world.time.advance(2_000);
    const late = world.client(disk, {}, device.tab());
    await world.time.advance(2_000);
    await fill(world, writer, names(1, 3));
    const space = late.space('todo');
    // Told, and not among what is just being stored.
    await fill(world, writer, names(1, 4));
    await world.time.advance(300);
    expect(await all(world, space.documents())).toContain('todo/004');
    await world.time.advance(3_000);
    expect(await all(world, space.documents())).toEqual(names(5));
  });

  test('asked for by a tab that comes to lead while it reads the list is all there', async () => {
    const world = await World.create();
    const writer = world.client();
    await fill(world, writer, names(3));
    const device = new VirtualDevice(world.time);
    const disk = new MemoryStorage({ shared: true });
    const leading = device.tab();
    await until(world, world.client(disk, {}, leading).space('todo'), 3);
    await world.time.advance(2_000);
    // It reads for longer than it takes to choose another leader.
    const open = async (...options: Parameters<Storage['open']>): Promise<DocumentStore> => {
      const store = await new ControlledStorage(disk).open(...options);
      const documents: DocumentStore['documents'] = async () => {
        await pause(world.time, 3_000);
        return await store.documents();
      };
      return { ...store, documents };
    };
    const late = world.client({ mode: 'memory', shared: true, open }, { connect: false }, device.tab());
    await world.time.advance(500);
    const asked = all(world, late.documents('todo'));
    await world.time.advance(500);
    leading.crash();
    await world.time.advance(10_000);
    expect(await asked).toEqual(names(3));
  });

  test('is not read again at the word of a leader that was replaced', async () => {
    const world = await World.create();
    const writer = world.client();
    await fill(world, writer, names(3));
    const device = new VirtualDevice(world.time);
    const disk = new MemoryStorage({ shared: true });
    // Nothing of the list is stored, so that whoever reads it has nothing.
    const open = async (...options: Parameters<Storage['open']>): Promise<DocumentStore> => {
      const store = await new ControlledStorage(disk).open(...options);
      const append = (): Promise<void> => new Promise(() => {});
      const changeValue: DocumentStore['changeValue'] = async (key, change) => {
        return await (key.includes('space') ? new Promise<never>(() => {}) : store.changeValue(key, change));
      };
      return { ...store, append, changeValue };
    };
    world.client({ mode: 'memory', shared: true, open }, {}, device.tab()).space('todo');
    await world.time.advance(2_000);
    const space = world.client(disk, {}, device.tab()).space('todo');
    await world.time.advance(100);
    await fill(world, writer, names(2));
    expect(await all(world, space.documents())).toEqual(names(2));
    const [lock = ''] = device.locks;
    const replaced = device.tab().tabs?.channel(lock.replace(/ leader$/, ''), () => {});
    replaced?.post({
      joinery: tabFormat,
      tab: 'replaced',
      term: 0,
      type: 'space',
      space: 'todo',
      token: 1,
      complete: true,
    });
    await world.time.advance(100);
    expect(await all(world, space.documents())).toEqual(names(2));
  });

  test('lists what is written while the list is read', async () => {
    const world = await World.create();
    const memory = new ControlledStorage(new MemoryStorage());
    let read = (): void => {};
    const reading = new Promise<void>((resolve) => {
      read = resolve;
    });
    const open = async (...options: Parameters<Storage['open']>): Promise<DocumentStore> => {
      const store = await memory.open(...options);
      const readValue = async (key: string) => {
        if (key.includes('space')) await reading;
        return await store.readValue(key);
      };
      return { ...store, readValue };
    };
    const client = world.client({ mode: 'memory', open });
    await world.time.until(() => client.status.storage.state === 'ready', 5_000);
    client.disconnect();
    const space = client.space('todo');
    await world.time.advance(10);
    await world.time.settled(client.counter('todo/new').increment().durable);
    await world.time.advance(10);
    read();
    await world.time.settled(space.loaded);
    expect(await all(world, space.documents())).toEqual(['todo/new']);
  });

  test('is read again when storage could not be read', async () => {
    const world = await World.create();
    await fill(world, world.client(), names(3));
    const storage = new ControlledStorage(new MemoryStorage());
    const client = world.client(storage);
    await world.time.until(() => client.status.storage.state === 'ready', 5_000);
    storage.failure = new Error('unplugged');
    const space = client.space('todo');
    await world.time.until(() => space.lastError?.code === 'storage-failed', 5_000);
    storage.failure = undefined;
    await until(world, space, 3);
  });

  test('brings back what a restored backup lacks of documents that are open nowhere', async () => {
    const world = await World.create();
    const storage = await lostFromBackup(world);
    const again = world.client(storage);
    expect(world.server.value('todo/000')).toEqual({});
    await until(world, again.space('todo'), 1);
    await world.time.until(() => Object.keys(world.server.value('todo/000') ?? {}).length > 0, 5_000);
  });

  test('brings it back also where the tab ends before it has', async () => {
    const world = await World.create();
    const storage = await lostFromBackup(world);
    // So that there is a token to go on from.
    await fill(world, world.client(), names(1, 1));
    // Another tab is always quicker.
    const controlled = new ControlledStorage(storage);
    let swaps = 0;
    const swap: DocumentStore['swap'] = () => {
      swaps += 1;
      return Promise.resolve(false);
    };
    const open: Storage['open'] = async (...options) => ({ ...(await controlled.open(...options)), swap });
    const tab = new VirtualDevice(world.time).tab();
    const busy = world.client({ mode: 'memory', open }, {}, tab);
    await until(world, busy.space('todo'), 2);
    await world.time.advance(1_500);
    expect(swaps).toBeGreaterThan(0);
    tab.crash();
    expect(world.server.value('todo/000')).toEqual({});
    await until(world, world.client(storage).space('todo'), 2);
    await world.time.until(() => Object.keys(world.server.value('todo/000') ?? {}).length > 0, 5_000);
  });

  test('that is closed answers nothing any more', async () => {
    const world = await World.create();
    const client = world.client();
    expect(() => client.space('a/b')).toThrow(expect.objectContaining({ code: 'invalid-space' }));
    const space = client.space('todo');
    const question = space.page();
    space.close();
    await expect(question).rejects.toMatchObject({ code: 'closed' });
    await expect(space.page()).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('a deletion', () => {
  test('is kept offline, leaves the list at once, and is told to whoever has the document open', async () => {
    const world = await World.create();
    const writer = world.client();
    await fill(world, writer, names(3));
    const storage = new MemoryStorage();
    const first = world.client(storage);
    await until(world, first.space('todo'), 3);
    await world.time.advance(2_000);
    first.disconnect();
    const deletion = first.deleteDocument('todo/001');
    await world.time.settled(deletion.durable);
    expect(await all(world, first.documents('todo'))).toEqual(['todo/000', 'todo/002']);
    await world.time.settled(first.close());
    await expect(deletion.synced).rejects.toMatchObject({ code: 'closed' });

    const reader = world.client();
    const events: string[] = [];
    reader.subscribeEvents((event) => {
      if (event.type === 'document-deleted') events.push(event.document);
    });
    const space = reader.space('todo');
    const open = reader.counter('todo/001');
    await world.time.settled(open.loaded);
    await until(world, space, 3);
    await world.time.until(() => open.value === 1);
    reader.disconnect();
    const unsynced = open.increment();
    await world.time.settled(unsynced.durable);
    const again = world.client(storage);
    await world.time.settled(again.deleteDocument('todo/001').synced);
    reader.connect();
    await world.time.until(() => events.length === 1, 10_000);
    await until(world, space, 2);
    expect(events).toEqual(['todo/001']);
    expect(() => open.increment()).toThrow(expect.objectContaining({ code: 'document-deleted' }));
    await expect(world.time.settled(unsynced.synced)).rejects.toMatchObject({ code: 'document-deleted' });
    await world.time.until(() => reader.rejected.entries.length === 1, 5_000);
    expect(open.value).toBe(0);
  });

  test('asked for by a tab that doesn’t lead is kept by the one that does', async () => {
    const world = await World.create();
    await fill(world, world.client(), names(2));
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const tabs = [0, 1].map(() => world.client(storage, {}, device.tab()));
    await world.time.advance(500);
    for (const [index, tab] of tabs.entries()) {
      const deletion = tab.deleteDocument(`todo/00${index}`);
      await world.time.settled(deletion.durable, 1_000);
      await world.time.settled(deletion.synced, 1_000);
    }
  });
});

/** Storage in which the document `todo/000` is synced, with a server that was restored from a backup without it. */
async function lostFromBackup(world: World): Promise<MemoryStorage> {
  const backup = world.server.backup();
  const storage = new MemoryStorage();
  const author = world.client(storage);
  await fill(world, author, names(1));
  await world.time.advance(1_000);
  await world.time.settled(author.close());
  world.server.restore(backup);
  return storage;
}
