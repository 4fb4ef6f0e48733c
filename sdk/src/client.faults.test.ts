// What goes wrong, and what an app is told of it: storage that fails, engines that die, writes that are refused, records
// that are damaged, tabs that share a storage, floods from the server. On virtual time.

import { JoineryError } from '@joinery/protocol';
import { describe, expect, test, vi } from 'vitest';
import { Replica } from './core/index.ts';
import { MemoryStorage } from './storage/memory.ts';
import type { Namespace, Storage } from './storage/storage.ts';
import type { ClientEvent } from './sync/status.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { World } from './testing/world.ts';

const full = new JoineryError('storage-full', 'no room');
const namespace: Namespace = { server: 'ws://server/sync', user: '', name: 'default' };

describe('storage', () => {
  test('is shown; a receipt says nothing before a commit; writes gather behind one', async () => {
    const world = await World.create();
    const storage = new ControlledStorage(new MemoryStorage());
    const client = world.client(storage, { connect: false });
    expect(client.status.storage).toEqual({ mode: 'memory', state: 'opening' });
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    expect(client.status.storage).toEqual({ mode: 'memory', state: 'ready' });
    storage.hold();
    const receipt = text.insert(0, 'a');
    await world.time.advance(10);
    for (const letter of 'bcdefghij') {
      text.insert(text.length, letter);
      await world.time.advance(10);
    }
    expect([receipt.state, client.status.sync.pending]).toEqual(['local', 2]);
    storage.release();
    await world.time.settled(receipt.durable);
    await world.time.until(() => storage.commits.length === 2);
    expect(client.status.sync.pending).toBe(2);
    await world.time.advance(1_000);
    expect(storage.commits).toEqual([1, 1]);
  });

  test('that is full: the app goes on, the server gets what is written, and later storage does too', async () => {
    const world = await World.create();
    const memory = new MemoryStorage();
    const storage = new ControlledStorage(memory);
    const client = world.client(storage);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    storage.failure = full;
    const first = text.insert(0, 'kept ');
    await world.time.settled(first.synced);
    expect(world.server.value('notes')).toEqual({ text: 'kept ' });
    expect(client.status.storage).toMatchObject({
      state: 'failed',
      lastError: expect.objectContaining({ code: 'storage-full' }),
    });
    const second = text.insert(5, 'too');
    await world.time.settled(second.synced);
    expect(memory.area(namespace).documents.get('notes')?.log.size ?? 0).toBe(0);
    storage.failure = undefined;
    await world.time.until(() => client.status.storage.state === 'ready');
    await world.time.settled(first.durable);
    expect(memory.area(namespace).documents.get('notes')?.log.size).toBe(2);
    expect(client.status.sync).toMatchObject({ state: 'idle', pending: 0 });
  });

  test('that is full when the client closes: closing says so', async () => {
    const world = await World.create();
    const storage = new ControlledStorage(new MemoryStorage());
    const client = world.client(storage, { connect: false });
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    storage.failure = full;
    text.insert(0, 'x');
    await expect(world.time.settled(client.close())).rejects.toMatchObject({ code: 'storage-full' });
  });

  test('that can’t be read for a while only delays loading', async () => {
    const world = await World.create();
    const storage = new ControlledStorage(new MemoryStorage());
    storage.failure = new JoineryError('storage-failed', 'busy');
    const client = world.client(storage);
    const counter = client.counter('visits');
    counter.increment(3);
    await world.time.advance(5_000);
    expect(client.status.storage.state).toBe('failed');
    storage.failure = undefined;
    await world.time.settled(counter.loaded);
    await world.untilSynced();
    expect(counter.value).toBe(3);
    expect(client.status.storage.state).toBe('ready');
  });

  test('that can’t be read for a while is ready again, also when nobody has anything more to read', async () => {
    const world = await World.create();
    const storage = new ControlledStorage(new MemoryStorage());
    const early = world.client(storage, { connect: false });
    await world.time.settled(early.counter('visits').increment().durable);
    await world.time.settled(early.close());
    const client = world.client(storage, { connect: false });
    const counter = client.counter('visits');
    await world.time.settled(counter.loaded);
    client.connect();
    await world.time.until(() => client.status.connection.state === 'online');
    // What it has to send is in storage alone.
    storage.failure = new JoineryError('storage-failed', 'busy');
    await world.time.until(() => client.status.storage.state === 'failed');
    client.disconnect();
    storage.failure = undefined;
    await world.time.until(() => client.status.storage.state === 'ready');
  });

  test('that can’t be opened at all is tried again, and closing meanwhile says so', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const open = vi.spyOn(storage, 'open').mockRejectedValue(new TypeError('not today'));
    const [stays, closes] = [world.client(storage), world.client(storage)];
    const counters = [stays, closes].map((client) => client.counter('visits'));
    for (const counter of counters) counter.increment();
    await world.time.advance(100_000);
    expect(stays.status.storage).toMatchObject({ state: 'failed', lastError: { code: 'storage-failed' } });
    // What waits for a document that can't be opened is lost with the client, and it is told.
    const closing = closes.close();
    closing.catch(() => {});
    open.mockRestore();
    await world.time.settled(counters[0]?.loaded ?? Promise.resolve());
    await world.untilSynced(stays);
    await world.time.settled(closing);
    expect(world.server.value('visits')).toEqual({ counter: 2 });
  });

  test('that can’t be opened is replaced by memory, and the status says so', async () => {
    const world = await World.create();
    vi.stubGlobal('indexedDB', {
      open: () => {
        throw new DOMException('no', 'SecurityError');
      },
    });
    const client = world.client(undefined, { storage: 'auto' });
    expect(client.status.storage).toEqual({ mode: 'indexeddb', state: 'opening' });
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    expect(client.status.storage).toMatchObject({ mode: 'memory', lastError: expect.any(JoineryError) });
    vi.unstubAllGlobals();
  });

  test('is compacted as it grows, and holds the same afterwards', async () => {
    const world = await World.create();
    const memory = new MemoryStorage();
    const storage = new ControlledStorage(memory);
    const client = world.client(storage);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    const chunk = 'The quick brown fox jumps over the lazy dog. '.repeat(200);
    for (let count = 0; count < 200; count += 1) {
      text.insert(text.length, chunk.slice(0, 3_000));
      await world.time.advance(20);
    }
    await world.untilSynced();
    await world.time.advance(1_000);
    const document = memory.area(namespace).documents.get('notes');
    expect(storage.compactions).toBeGreaterThan(0);
    expect(storage.compactions).toBeLessThan(20);
    expect(document?.log.size).toBeLessThan(200);
    const { value } = text;
    await world.time.settled(client.close());
    const again = world.client(memory, { connect: false }).text('notes');
    await world.time.settled(again.loaded);
    expect(again.value).toBe(value);
  });

  test('while offline is compacted without losing what is to be sent', async () => {
    const world = await World.create();
    const storage = new ControlledStorage(new MemoryStorage());
    let client = world.client(storage, { connect: false });
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    for (let count = 0; count < 150; count += 1) {
      text.insert(text.length, 'x'.repeat(5_000));
      await world.time.advance(5);
    }
    const { value } = text;
    expect(storage.compactions).toBeGreaterThan(0);
    await world.time.settled(client.close());
    client = world.client(storage);
    await world.time.until(() => world.server.value('notes').text === value);
    await world.untilSynced(client);
  });

  test.each(['log', 'snapshot', 'state'] as const)(
    'with a damaged record (%s): the app is told, and what the server has comes back',
    async (area) => {
      const world = await World.create();
      const storage = new MemoryStorage();
      const first = world.client(storage);
      const text = first.text('notes');
      await world.time.settled(text.loaded);
      text.insert(0, 'precious');
      await world.untilSynced();
      if (area === 'snapshot') {
        // Enough to be compacted.
        for (let count = 0; count < 100; count += 1) {
          text.insert(0, 'y'.repeat(5_000));
          await world.time.advance(10);
        }
        await world.untilSynced();
        await world.time.advance(1_000);
      }
      const { value } = text;
      await world.time.settled(first.close());
      const document = storage.area(namespace).documents.get('notes');
      const record = area === 'log' ? document?.log.values().next().value : document?.[area];
      if (record === undefined) throw new Error(`Expected a ${area} record, found none.`);
      record[record.length >> 1] = (record[record.length >> 1] ?? 0) ^ 1;
      const second = world.client(storage);
      const events: ClientEvent[] = [];
      second.subscribeEvents((event) => events.push(event));
      const again = second.text('notes');
      await world.time.until(() => again.value === value);
      expect(events).toEqual([
        expect.objectContaining({
          type: 'record-damaged',
          document: 'notes',
          error: expect.objectContaining({ code: 'storage-corrupt' }),
        }),
      ]);
      await world.time.settled(second.close());
      const third = world.client(storage, { connect: false }).text('notes');
      await world.time.settled(third.loaded);
      expect(third.value).toBe(value);
    },
  );
});

describe('an engine', () => {
  test('whose core traps is replaced: nothing is lost, and the app is told', async () => {
    const world = await World.create();
    const storage = new ControlledStorage(new MemoryStorage());
    const client = world.client(storage);
    const events: ClientEvent[] = [];
    client.subscribeEvents((event) => events.push(event));
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    await world.time.settled(text.insert(0, 'stored ').synced);
    storage.hold();
    const receipt = text.insert(7, 'on its way ');
    await world.time.advance(10);
    // The next thing that the engine's replica does fails: joining what is stored by now.
    const join = vi.spyOn(Replica.prototype, 'applyUpdates').mockImplementationOnce(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
    const last = text.insert(18, 'and more');
    storage.release();
    await world.time.until(() => events.length === 1);
    join.mockRestore();
    expect(events[0]).toMatchObject({ type: 'engine-restarted', error: { code: 'internal' } });
    await world.time.settled(Promise.all([receipt.synced, last.synced]));
    expect(text.value).toBe('stored on its way and more');
    expect(world.server.value('notes')).toEqual({ text: text.value });
    expect(world.server.log('notes')).toHaveLength(3);
    await world.untilSynced();
  });

  test.each([true, false])(
    'that dies again and again is given up, and closing says what is not stored (stored: %s)',
    async (isStored) => {
      const world = await World.create();
      const memory = new MemoryStorage();
      const storage = new ControlledStorage(memory);
      const client = world.client(storage, { connect: false });
      const text = client.text('notes');
      await world.time.settled(text.loaded);
      if (isStored) await world.time.settled(text.insert(0, 'x').durable);
      else storage.hold();
      const events: ClientEvent[] = [];
      client.subscribeEvents((event) => events.push(event));
      const broken = vi.spyOn(Replica.prototype, 'version').mockImplementation(() => {
        throw new WebAssembly.RuntimeError('unreachable');
      });
      if (!isStored) text.insert(0, 'x');
      client.text('other');
      await world.time.until(() => client.status.storage.state === 'failed');
      broken.mockRestore();
      expect(events).toHaveLength(5);
      expect(text.value).toBe('x');
      expect(memory.area(namespace).documents.get('notes')?.log.size ?? 0).toBe(isStored ? 1 : 0);
      // The server has it in neither case, and no engine is left that would know of it.
      expect(client.status.sync.state).toBe('pending');
      const closing = world.time.settled(client.close());
      if (isStored) await closing;
      else await expect(closing).rejects.toMatchObject({ code: 'internal' });
    },
  );

  test('a trap under a main replica costs what was not yet taken from it, and no more', async () => {
    const world = await World.create();
    const client = world.client();
    const events: ClientEvent[] = [];
    client.subscribeEvents((event) => events.push(event));
    const counter = client.counter('visits');
    const notes = client.document<{ title: string }>('visits');
    await world.time.settled(counter.loaded);
    await world.time.settled(counter.increment(5).durable);
    const trap = vi.spyOn(Replica.prototype, 'counter').mockImplementationOnce(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
    const lost = notes.update({ title: 'lost' });
    expect(() => counter.increment()).toThrow(expect.objectContaining({ code: 'internal' }));
    trap.mockRestore();
    expect(lost.state).toBe('rejected');
    expect(notes.value).toBeUndefined();
    await world.time.until(() => counter.value === 5);
    expect(notes.value).toEqual({ counter: 5 });
    await world.time.settled(counter.increment(2).synced);
    expect(world.server.value('visits')).toEqual({ counter: 7 });
    expect(events).toHaveLength(1);
  });
});

describe('a write that the server refuses', () => {
  test('is told by its receipt and the rejected list, is not sent again and again, and blocks nothing else', async () => {
    let brought = 0;
    const world = await World.create({
      server: {
        accept: (_, document) => {
          if (document !== 'forbidden') return undefined;
          brought += 1;
          return 'forbidden';
        },
      },
    });
    const client = world.client();
    const [bad, good] = [client.text('forbidden'), client.text('allowed')];
    await world.time.settled(Promise.all([bad.loaded, good.loaded]));
    const refused = bad.insert(0, 'no');
    await expect(world.time.settled(refused.synced)).rejects.toMatchObject({ code: 'forbidden' });
    expect([refused.state, bad.value]).toEqual(['rejected', '']);
    await world.time.settled(refused.durable);
    await world.time.settled(good.insert(0, 'yes').synced);
    expect(client.status.sync).toEqual({ state: 'idle', pending: 0 });
    world.network.cut();
    await world.time.advance(120_000);
    expect(brought).toBe(1);
    expect(client.rejected.entries.map(({ error }) => error.code)).toEqual(['forbidden']);
  });
});

describe('tokens', () => {
  test('are asked for at each connection; one that is refused is asked for again, ever more seldom', async () => {
    const world = await World.create({ server: { user: (token) => (token === 'good' ? 'ada' : undefined) } });
    let asked = 0;
    const client = world.client(undefined, {
      token: async () => {
        asked += 1;
        return asked < 3 ? 'bad' : 'good';
      },
    });
    await world.time.until(() => client.status.connection.state === 'online');
    expect(asked).toBe(3);
    const bad = world.client(undefined, { token: 'bad' });
    await world.time.advance(600_000);
    expect(bad.status.connection.state).not.toBe('online');
    expect(bad.status.connection.lastError?.code).toBe('unauthorised');
  });

  test('that can’t be had are told, and asked for again', async () => {
    const world = await World.create({ server: { user: () => 'ada' } });
    let asked = 0;
    const client = world.client(undefined, {
      token: async () => {
        asked += 1;
        if (asked === 1) throw new Error('the login server is down');
        return 'good';
      },
    });
    await world.time.until(() => client.status.connection.lastError !== undefined);
    expect(client.status.connection.lastError?.message).toContain('the login server is down');
    await world.time.until(() => client.status.connection.state === 'online');
  });
});

describe('tabs on one storage', () => {
  test('write at the same time and both lose nothing, in storage and at the server', async () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const world = await World.create({ seed, delay_ms: [0, 60] });
      const storage = new MemoryStorage();
      const tabs = [world.client(storage), world.client(storage)];
      const other = world.client();
      const texts = [...tabs, other].map((client) => client.text('shared'));
      await world.time.settled(Promise.all(texts.map(({ loaded }) => loaded)));
      for (let step = 0; step < 60; step += 1) {
        const text = texts[step % 3];
        text?.insert(Math.floor(world.time.random() * (text.length + 1)), 'x'.repeat(step % 7 === 0 ? 20_000 : 1));
        if (step === 20) tabs[0]?.disconnect();
        if (step === 40) tabs[0]?.connect();
        await world.time.advance(world.time.random() * 30);
      }
      let length = 0;
      for (let step = 0; step < 60; step += 1) length += step % 7 === 0 ? 20_000 : 1;
      await world.time.until(() => texts.every((text) => text.length === length), 120_000, `convergence, seed ${seed}`);
      await world.untilSynced();
      await world.time.settled(Promise.all(tabs.map((tab) => tab.close())));
      const again = world.client(storage, { connect: false }).text('shared');
      await world.time.settled(again.loaded);
      expect(again.value === texts[2]?.value).toBe(true);
    }
  });

  test('that is left open sends what a crashed one has stored, and shows it', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const [stays, crashes] = [world.client(storage), world.client(storage, { connect: false })];
    const [text, other] = [stays.text('notes'), crashes.text('notes')];
    await world.time.settled(Promise.all([text.loaded, other.loaded]));
    await world.time.until(() => stays.status.connection.state === 'online');
    await world.time.settled(other.insert(0, 'left behind').durable);
    stays.disconnect();
    await world.time.advance(100);
    stays.connect();
    await world.time.until(() => text.value === 'left behind' && world.server.log('notes').length === 1);
    await world.untilSynced(stays);
    expect(world.server.value('notes')).toEqual({ text: 'left behind' });
  });

  test('and compact away what one of them was about to send: it goes on with what is left', async () => {
    const world = await World.create();
    const memory = new MemoryStorage();
    const early = world.client(memory, { connect: false });
    await world.time.settled(early.counter('visits').increment(1).durable);
    await world.time.settled(early.close());
    let [looks, look] = [false, (): void => {}];
    const looked = new Promise<void>((resolve) => {
      look = resolve;
    });
    const compacted: Storage = {
      mode: memory.mode,
      open: async (given) => {
        const store = await memory.open(given);
        const load = store.load.bind(store);
        vi.spyOn(store, 'read').mockImplementationOnce(async (_, keys) => {
          vi.spyOn(store, 'load').mockImplementationOnce(async (document) => {
            looks = true;
            await looked;
            return await load(document);
          });
          return keys.map(() => undefined);
        });
        return store;
      },
    };
    const client = world.client(compacted);
    const counter = client.counter('visits');
    await world.time.until(() => looks);
    // Meanwhile it hears that the server has it.
    const other = world.client(memory);
    await world.time.settled(other.counter('visits').loaded);
    await world.untilSynced(client, other);
    const receipt = counter.increment(2);
    await world.time.settled(receipt.durable);
    look();
    await world.time.settled(receipt.synced);
    expect(world.server.value('visits')).toEqual({ counter: 3 });
  });
});

describe('a flood from the server', () => {
  test('reaches the main thread in bounded pieces or as one state, with own writes kept', async () => {
    for (const snapshotBehind of [1_000_000, 10]) {
      const world = await World.create({ server: { snapshotBehind } });
      const author = world.client();
      const text = author.text('notes');
      await world.time.settled(text.loaded);
      for (let count = 0; count < 25; count += 1) {
        text.insert(text.length, String.fromCharCode(97 + count).repeat(60_000));
        await world.time.advance(50);
      }
      await world.untilSynced();
      const reader = world.client(undefined, { connect: false });
      const copy = reader.text('notes');
      const counter = reader.counter('notes');
      await world.time.settled(copy.loaded);
      reader.connect();
      let increments = 0;
      while (copy.length < text.length) {
        counter.increment();
        increments += 1;
        await world.time.advance(3);
      }
      await world.untilSynced();
      expect(copy.value === text.value).toBe(true);
      expect(counter.value).toBe(increments);
      await world.time.until(() => author.counter('notes').value === increments);
    }
  });
});
