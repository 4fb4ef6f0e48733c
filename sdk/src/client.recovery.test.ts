// Races and refusals that once left a client waiting, asking or telling something wrong for ever: acknowledgements that
// overtake a look into storage, tokens that can't be had, storage that opens late. On virtual time.

import { JoineryError } from '@joinery/protocol';
import { describe, expect, test, vi } from 'vitest';
import { Replica } from './core/index.ts';
import { MemoryStorage } from './storage/memory.ts';
import type { DocumentStore, Storage } from './storage/storage.ts';
import { World } from './testing/world.ts';

/** `storage`, whose look for what is pending takes so long. */
function slowToFindPending(world: World, storage: MemoryStorage, delay_ms: number): Storage {
  return {
    mode: storage.mode,
    async open(namespace): Promise<DocumentStore> {
      const store = await storage.open(namespace);
      const pending = store.pending.bind(store);
      store.pending = async () => {
        const found = await pending();
        await new Promise<void>((resolve) => world.time.timer(resolve, delay_ms));
        return found;
      };
      return store;
    },
  };
}

describe('what is pending', () => {
  test('is nothing once all is synced, also when acknowledgements overtake the look into storage', async () => {
    for (const delay_ms of [0, 5, 10, 20, 40, 60, 200]) {
      const world = await World.create({ delay_ms: [1, 2], server: { commit_ms: [0, 1] } });
      const storage = new MemoryStorage();
      const client = world.client(slowToFindPending(world, storage, delay_ms), { connect: false });
      const text = client.text('notes');
      await world.time.settled(text.loaded);
      await world.time.advance(1_000);
      const receipt = text.insert(0, 'a');
      await world.time.settled(receipt.durable);
      client.connect();
      await world.time.settled(receipt.synced);
      await world.time.advance(1_000);
      expect(client.status.sync, `${delay_ms} ms`).toEqual({ state: 'idle', pending: 0 });
      const store = await storage.open({ server: 'ws://server/sync', user: '', name: 'default' });
      expect(await store.pending()).toEqual([]);
    }
  });
});

describe('a log of more envelopes than a call takes arguments', () => {
  test('is opened', { timeout: 60_000 }, async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const store = await storage.open({ server: 'ws://server/sync', user: '', name: 'default' });
    const replica = new Replica({ now: () => world.time.now(), random: (bytes) => world.time.randomBytes(bytes) });
    const local: Uint8Array[] = [];
    for (let count = 1; count <= 130_000; count += 1) {
      replica.counter('visits').increment(1);
      for (let made = replica.takeUpdate(); made !== undefined; made = replica.takeUpdate()) local.push(made);
    }
    replica.free();
    await store.append([{ document: 'notes', incarnation: 0, epoch: 0, at_ms: 0, local }]);
    await store.close();
    const visits = world.client(storage, { connect: false }).counter('notes', 'visits');
    await world.time.settled(visits.loaded);
    expect(visits.value).toBe(130_000);
  });
});

describe('tokens', () => {
  test('are asked for at once when the network is back', async () => {
    const world = await World.create();
    let works = true;
    const client = world.client(undefined, {
      token: async () => {
        if (!works) throw new Error('fetch failed');
        return 'good';
      },
    });
    await world.time.until(() => client.status.connection.state === 'online');
    works = false;
    world.time.setOnline(false);
    await world.time.advance(300_000);
    works = true;
    world.time.setOnline(true);
    await world.time.until(() => client.status.connection.state === 'online', 100);
  });

  test('are not asked for after closing, nor while disconnected, however late a failure comes', async () => {
    const world = await World.create();
    let asked = 0;
    const token = (): Promise<string> =>
      new Promise((_, reject) => {
        asked += 1;
        world.time.timer(() => reject(new Error('no')), 50);
      });
    const [closed, disconnected] = [world.client(undefined, { token }), world.client(undefined, { token })];
    await world.time.advance(20);
    expect(asked).toBe(2);
    disconnected.disconnect();
    await world.time.settled(closed.close());
    await world.time.advance(600_000);
    expect(asked).toBe(2);
    disconnected.connect();
    await world.time.advance(0);
    expect(asked).toBe(3);
  });

  test('that never come, or that throw at once, are asked for again', async () => {
    const world = await World.create();
    let asked = 0;
    const client = world.client(undefined, {
      token: () => {
        asked += 1;
        if (asked === 1) return new Promise(() => {});
        if (asked === 2) throw new Error('thrown');
        return Promise.resolve('good');
      },
    });
    await world.time.until(() => client.status.connection.lastError?.code === 'timeout', 40_000);
    await world.time.until(() => client.status.connection.lastError?.message.includes('thrown') ?? false);
    await world.time.until(() => client.status.connection.state === 'online');
    expect(asked).toBe(3);
  });
});

describe('storage that may hold data', () => {
  test('is not replaced by memory when it fails to open: it is tried again, and says so', async () => {
    const world = await World.create();
    for (const name of ['UnknownError', 'VersionError', 'InvalidStateError']) {
      const open = vi.fn(() => {
        throw new DOMException('Internal error opening backing store', name);
      });
      vi.stubGlobal('indexedDB', { open });
      const client = world.client(undefined, { storage: 'auto' });
      const text = client.text('notes');
      let isLoaded = false;
      text.loaded.then(
        () => {
          isLoaded = true;
        },
        () => {},
      );
      await world.time.advance(60_000);
      const code = name === 'VersionError' ? 'storage-too-new' : 'storage-failed';
      expect(client.status.storage).toMatchObject({ mode: 'indexeddb', state: 'failed', lastError: { code } });
      expect(client.status.storage.lastError).toBeInstanceOf(JoineryError);
      expect(isLoaded).toBe(false);
      expect(open.mock.calls.length).toBeGreaterThan(3);
      expect(open.mock.calls.length).toBeLessThan(20);
      vi.unstubAllGlobals();
    }
  });
});
