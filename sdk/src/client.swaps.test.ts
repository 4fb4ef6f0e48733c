// What can go wrong around the replacing of a document's incarnation, hit on purpose: a crash after each single operation of
// storage, storage that fails in the middle of it, tabs that are behind, a client that closes. On virtual time.

import type { BroughtEnvelope } from '@joinery/protocol';
import { describe, expect, test, vi } from 'vitest';
import type { Client } from './client.ts';
import { Replica } from './core/index.ts';
import type { DocumentHandle } from './documents/document.ts';
import type { Receipt } from './documents/receipt.ts';
import { MemoryStorage } from './storage/memory.ts';
import type { DocumentStore, Storage } from './storage/storage.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';

type Fields = Record<string, number | string>;

/** Refuses every envelope whose bytes have this word in them. */
function refusing(word: string): (envelope: BroughtEnvelope) => string | undefined {
  const latin = new TextDecoder('latin1');
  return ({ bytes }) => (latin.decode(bytes).includes(word) ? 'forbidden' : undefined);
}

function codes(client: Client): string[] {
  return client.rejected.entries.map(({ error }) => error.code);
}

/** A storage of which each operation is counted; the one with this number, and all behind it, never come back. */
function dyingStorage(storage: Storage, dies: { at: number; afterwards: boolean; count: number }): Storage {
  return {
    mode: storage.mode,
    shared: storage.shared ?? false,
    open: async (namespace, events) => {
      const store = await storage.open(namespace, events);
      return new Proxy(store, {
        get: (target, name) => {
          const method = target[name as keyof DocumentStore];
          if (typeof method !== 'function') return method;
          return async (...given: unknown[]) => {
            dies.count += 1;
            const number = dies.count;
            // A crash before its commit, or between the commit and whoever waits for it.
            if (number > dies.at || (number === dies.at && !dies.afterwards)) return await new Promise(() => {});
            const result: unknown = await Reflect.apply(method, target, given);
            return number === dies.at ? await new Promise(() => {}) : result;
          };
        },
      });
    },
  };
}

/** A storage that says which operation is about to begin. */
function hookedStorage(storage: Storage, before: (operation: string) => void): Storage {
  return {
    mode: storage.mode,
    open: async (namespace, events) => {
      const store = await storage.open(namespace, events);
      return new Proxy(store, {
        get: (target, name) => {
          const method = target[name as keyof DocumentStore];
          if (typeof method !== 'function') return method;
          return async (...given: unknown[]): Promise<unknown> => {
            before(String(name));
            return await Reflect.apply(method, target, given);
          };
        },
      });
    },
  };
}

describe('a crash around one operation of storage', () => {
  test.each([
    ['refusal', false],
    ['refusal', true],
    ['trim', false],
    ['trim', true],
    ['backup', false],
    ['backup', true],
  ] as const)(
    'while a %s is dealt with (after its commit: %s): nothing doubled, nothing lost, all of it told',
    async (why, afterwards) => {
      for (let at = 3, over = false; !over; at += 1) {
        const world = await World.create({ seed: at, server: { accept: refusing('bad') } });
        const memory = new MemoryStorage();
        const dies = { at: Number.POSITIVE_INFINITY, afterwards, count: 0 };
        const client = world.client(dyingStorage(memory, dies));
        const counter = client.counter('notes');
        const fields = client.document<Fields>('notes');
        const text = client.text('notes');
        await world.time.settled(counter.loaded);
        counter.increment(100);
        await world.untilSynced(client);
        const backup = why === 'backup' ? world.server.backup() : undefined;
        counter.increment(1_000);
        await world.untilSynced(client);
        client.disconnect();
        await world.time.advance(100);
        for (let step = 1; step <= 4; step += 1) {
          if (step === 3 && why === 'refusal') fields.update({ bad: 1 });
          await world.time.advance(1);
          counter.increment(step);
          text.insert(text.length, String(step));
          await world.time.advance(1);
        }
        if (why === 'trim') world.server.trim('notes');
        if (backup !== undefined) world.server.restore(backup);
        dies.at = dies.count + at - 2;
        client.connect();
        await world.time.advance(600);
        over = dies.count < dies.at;
        client.disconnect();
        await world.time.advance(1);
        const next = world.client(memory);
        const again = next.counter('notes');
        await world.time.settled(again.loaded);
        await world.untilSynced(next);
        if (why === 'refusal')
          await world.time.until(() => codes(next).length === 1, 60_000, `the refusal, crash ${at}`);
        const expected = { counter: 1_110, text: '1234' };
        await world.time.until(
          () => again.value === 1_110,
          60_000,
          `all of it, crash ${at}, ${why}, got ${again.value}`,
        );
        expect(world.server.value('notes'), `crash ${at}`).toEqual(expected);
        expect(codes(next), `crash ${at}`).toEqual(why === 'refusal' ? ['forbidden'] : []);
      }
    },
  );
});

test('an incarnation that is no more in storage (all was wiped) ends its client, and nothing comes back', async () => {
  const world = await World.create({ server: { accept: refusing('bad') } });
  const storage = new MemoryStorage();
  const client = world.client(storage);
  const fields = client.document<Fields>('notes');
  await world.time.settled(fields.loaded);
  fields.update({ bad: 1 });
  await world.time.until(() => codes(client).length === 1);
  await world.untilSynced(client);
  const events: string[] = [];
  client.subscribeEvents(({ type }) => events.push(type));
  const other = world.client(storage, { connect: false });
  await world.time.settled(other.signOut({ wipe: true, force: true }));
  const receipt = fields.update({ later: 1 });
  const before = world.time.monotonic();
  await expect(world.time.settled(receipt.durable)).rejects.toMatchObject({ code: 'closed' });
  expect(world.time.monotonic() - before).toBeLessThan(1_000);
  expect(events).toEqual(['user-changed']);
  expect(storage.area({ server: 'ws://server/sync', user: '', name: 'default' }).documents.size).toBe(0);
});

test('closing while a swap is under way stores what was typed meanwhile', async () => {
  for (let after_ms = 0; after_ms <= 60; after_ms += 2) {
    const world = await World.create({ seed: after_ms + 1, server: { accept: refusing('bad') } });
    const memory = new MemoryStorage();
    const client = world.client(memory, { connect: false });
    const counter = client.counter('notes');
    const fields = client.document<Fields>('notes');
    await world.time.settled(counter.loaded);
    fields.update({ bad: 1 });
    await world.time.advance(1);
    client.connect();
    await world.time.advance(after_ms);
    counter.increment(5);
    await world.time.settled(client.close());
    const next = world.client(memory);
    const again = next.counter('notes');
    await world.time.settled(again.loaded);
    expect(again.value, `after ${after_ms} ms`).toBe(5);
    await world.untilSynced(next);
    await world.time.until(() => world.server.value('notes').counter === 5, 60_000, `all of it, after ${after_ms} ms`);
  }
});

test('closing while a swap is being stored stores what was typed meanwhile', async () => {
  for (let after_ms = 0; after_ms <= 60; after_ms += 2) {
    const world = await World.create({ seed: after_ms + 1, server: { accept: refusing('bad') } });
    const memory = new MemoryStorage();
    const storage = new ControlledStorage(memory);
    const client = world.client(storage, { connect: false });
    const counter = client.counter('notes');
    const fields = client.document<Fields>('notes');
    await world.time.settled(counter.loaded);
    fields.update({ bad: 1 });
    await world.time.advance(1);
    client.connect();
    await world.time.advance(after_ms);
    storage.hold();
    await world.time.advance(60);
    const receipt = counter.increment(5);
    await world.time.advance(5);
    const closed = client.close();
    await world.time.advance(5);
    storage.release();
    await world.time.settled(closed);
    expect(['durable', 'synced'], `after ${after_ms} ms`).toContain(receipt.state);
    const next = world.client(memory);
    const again = next.counter('notes');
    await world.time.settled(again.loaded);
    expect(again.value, `after ${after_ms} ms`).toBe(5);
    await world.untilSynced(next);
    expect(world.server.value('notes').counter).toBe(5);
  }
});

describe('a document that was closed before its swap', () => {
  /** Two tabs with the document, the server lost to both, and what one of them writes to it before the first one closes it. */
  async function closed(writes: readonly Fields[], writer = 0) {
    const world = await World.create({ server: { accept: refusing('bad') } });
    const storage = new MemoryStorage({ shared: true });
    const device = new VirtualDevice(world.time);
    const [client, other] = [1, 2].map(() => world.client(storage, {}, device.tab())) as [Client, Client];
    const [fields, others] = [client.document<Fields>('notes'), other.document<Fields>('notes')];
    await world.time.settled(Promise.all([fields.loaded, others.loaded]));
    fields.update({ first: 1 });
    await world.untilSynced();
    for (const one of [client, other]) one.disconnect();
    await world.time.advance(100);
    const receipts: Receipt[] = [];
    for (const write of writes) {
      receipts.push((writer === 0 ? fields : others).update(write));
      await world.time.advance(10);
    }
    fields.close();
    await world.time.advance(100);
    return { world, client, receipts };
  }

  test.each(['refusal', 'trim'])('lets receipts follow their writes through a %s', async (why) => {
    const { world, client, receipts } = await closed(why === 'refusal' ? [{ bad: 1 }, { good: 1 }] : [{ good: 1 }]);
    if (why === 'trim') world.server.trim('notes');
    client.connect();
    await world.time.until(() => receipts.at(-1)?.state === 'synced', 5_000);
    expect(world.server.value('notes')).toEqual({ first: 1, good: 1 });
    if (why === 'refusal') expect(receipts[0]?.state).toBe('rejected');
  });

  test.each([
    ['this', 0],
    ['another', 1],
  ])('by a write of %s tab keeps nobody from closing the client', async (_, writer) => {
    const { world, client, receipts } = await closed([{ bad: 1 }], writer);
    client.connect();
    await world.time.until(() => receipts[0]?.state === 'rejected', 5_000);
    const before = world.time.monotonic();
    await world.time.settled(client.close());
    expect(world.time.monotonic() - before).toBeLessThan(1_000);
  });
});

test('a storage that fails in the middle of a swap delays it, and nothing more', async () => {
  for (let after_ms = 0; after_ms <= 60; after_ms += 3) {
    const world = await World.create({ seed: after_ms + 1, server: { accept: refusing('bad') } });
    const storage = new ControlledStorage(new MemoryStorage());
    const client = world.client(storage, { connect: false });
    const restarts: string[] = [];
    client.subscribeEvents(({ type }) => restarts.push(type));
    const counter = client.counter('notes');
    const fields = client.document<Fields>('notes');
    await world.time.settled(counter.loaded);
    counter.increment(1);
    await world.time.advance(1);
    fields.update({ bad: 1 });
    await world.time.advance(1);
    client.connect();
    await world.time.advance(after_ms);
    storage.failure = Object.assign(new Error('no room'), { name: 'QuotaExceededError' });
    for (let step = 0; step < 10; step += 1) {
      counter.increment(1);
      await world.time.advance(300);
    }
    expect(counter.value).toBe(11);
    storage.failure = undefined;
    await world.untilSynced(client);
    await world.time.until(() => codes(client).length === 1, 60_000, `the refusal, after ${after_ms} ms`);
    expect([world.server.value('notes'), counter.value], `after ${after_ms} ms`).toEqual([{ counter: 11 }, 11]);
    expect(restarts, `after ${after_ms} ms`).toEqual([]);
  }
});

test('an engine that starts while storage can’t be read brings the main thread along as soon as it can', async () => {
  const world = await World.create({ server: { accept: refusing('bad') } });
  const memory = new MemoryStorage();
  const failures = new Map<string, Error>();
  const asked: string[] = [];
  const client = world.client(
    hookedStorage(memory, (operation) => {
      asked.push(operation);
      const failure = failures.get(operation);
      if (failure !== undefined) throw failure;
    }),
    { connect: false },
  );
  let restarts = 0;
  client.subscribeEvents(({ type }) => {
    if (type === 'engine-restarted') restarts += 1;
  });
  const counter = client.counter('notes');
  const fields = client.document<Fields>('notes');
  await world.time.settled(counter.loaded);
  counter.increment(1);
  await world.time.advance(1);
  fields.update({ bad: 1 });
  await world.time.advance(10);
  const other = world.client(memory);
  await world.time.until(() => codes(other).length === 1);
  await world.untilSynced(other);
  // Its engine dies with the next write, and the one after it finds another incarnation than the main thread has.
  failures.set('replacements', new Error('a disk that sleeps'));
  failures.set('append', new WebAssembly.RuntimeError('a trap'));
  const receipt = counter.increment(1);
  await world.time.until(() => restarts === 1);
  failures.delete('append');
  await world.time.advance(5_000);
  expect(asked.filter((operation) => operation === 'replacements').length).toBeGreaterThan(2);
  expect([restarts, client.status.storage.state]).toEqual([1, 'failed']);
  failures.delete('replacements');
  await world.time.settled(receipt.durable);
  expect(fields.value).toEqual({ counter: 2 });
  await world.time.until(() => client.status.storage.state === 'ready');
});

test.each([
  ['envelopes', 50, 0],
  ['a state', 1, 0],
  ['envelopes, and storage fails', 50, 3],
])(
  'a tab that comes back to what another one made of its write (%s) shows it once, at every moment',
  async (_, snapshotBehind, failures) => {
    const world = await World.create({ server: { accept: refusing('bad'), snapshotBehind } });
    const memory = new MemoryStorage();
    let left = 0;
    const failing = hookedStorage(memory, (operation) => {
      if (operation !== 'replacements' || left === 0) return;
      left -= 1;
      throw new Error('a disk that sleeps');
    });
    // They have nothing but the storage between them: each has a session of its own.
    const [stays, comes] = [world.client(memory), world.client(failing)];
    const [fields, counter] = [stays.document<Fields>('notes'), comes.counter('notes')];
    const other = stays.counter('notes', 'other');
    await world.time.settled(Promise.all([fields.loaded, counter.loaded]));
    await world.time.settled(other.increment(1).synced);
    await world.time.until(() => comes.document<Fields>('notes').value?.other === 1);
    comes.disconnect();
    await world.time.settled(counter.increment(5).durable);
    fields.update({ bad: 1 });
    await world.time.until(() => codes(stays).length === 1);
    await world.untilSynced(stays);
    expect(world.server.value('notes')).toEqual({ counter: 5, other: 1 });
    await world.time.settled(other.increment(1).synced);
    const shown = new Set<number>();
    counter.subscribe(() => shown.add(counter.value));
    left = failures;
    comes.connect();
    await world.untilSynced();
    await world.time.until(() => comes.document<Fields>('notes').value?.other === 2);
    expect([left, ...shown]).toEqual([0, 5]);
    expect(world.server.value('notes')).toEqual({ counter: 5, other: 2 });
  },
);

describe('the rejected list', () => {
  test('writes an entry again once, however often that is asked for at once', async () => {
    let word = 'bad';
    const world = await World.create({ server: { accept: (envelope) => refusing(word)(envelope) } });
    const client = world.client();
    const fields = client.document<Fields & { bad: number }>('notes');
    const counter = client.counter('notes', 'bad-count');
    await world.time.settled(fields.loaded);
    counter.increment(1);
    await world.time.until(() => client.rejected.entries.length === 1);
    word = 'nothing at all';
    const { id } = client.rejected.entries[0] ?? { id: '' };
    const results = await world.time.settled(
      Promise.allSettled([client.rejected.retry(id), client.rejected.retry(id)]),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await world.untilSynced(client);
    expect(world.server.value('notes')).toEqual({ 'bad-count': 1 });
  });

  test('does not write again what was just discarded', async () => {
    const world = await World.create({ server: { accept: refusing('bad') } });
    const client = world.client();
    const counter = client.counter('notes', 'bad-count');
    await world.time.settled(counter.loaded);
    counter.increment(1);
    await world.time.until(() => client.rejected.entries.length === 1);
    const { id } = client.rejected.entries[0] ?? { id: '' };
    client.rejected.discard(id);
    await expect(world.time.settled(client.rejected.retry(id))).rejects.toMatchObject({ code: 'not-found' });
    await world.untilSynced(client);
    await world.time.until(() => client.rejected.entries.length === 0);
    expect(counter.value).toBe(0);
  });

  test('writes on a counter that somebody else has made meanwhile: nothing of theirs is lost', async () => {
    let word = 'visits';
    const world = await World.create({ server: { accept: (envelope) => refusing(word)(envelope) } });
    const [ada, bob] = [world.client(), world.client()];
    const [mine, theirs] = [ada.counter('notes', 'visits'), bob.counter('notes', 'visits')];
    await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
    mine.increment(1);
    await world.time.until(() => ada.rejected.entries.length === 1);
    word = 'nothing at all';
    await world.time.settled(theirs.increment(10).synced);
    await world.time.until(() => mine.value === 10);
    const again = await world.time.settled(ada.rejected.retry(ada.rejected.entries[0]?.id ?? ''));
    await world.time.settled(again.synced);
    await world.time.until(() => theirs.value === 11);
    expect([world.server.value('notes'), mine.value]).toEqual([{ visits: 11 }, 11]);
  });
});

describe('another tab', () => {
  async function twoTabs(options: Parameters<typeof World.create>[0] = {}) {
    const world = await World.create(options);
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const environments = [device.tab(), device.tab()] as const;
    const leader = world.client(storage, {}, environments[0]);
    await world.time.advance(50);
    const follower = world.client(storage, {}, environments[1]);
    return { world, device, storage, leader, follower, environments };
  }

  test('brings what it had not stored when a trim came into the place where it was typed', async () => {
    const { world, storage, leader, follower, environments } = await twoTabs();
    const [lead, text] = [leader.text('notes'), follower.text('notes')];
    const list = follower.document<{ items: { title: string }[] }>('notes');
    await world.time.settled(Promise.all([lead.loaded, text.loaded]));
    lead.insert(0, 'Hello world');
    list.update((draft) => {
      draft.items = [{ title: 'a' }, { title: 'b' }];
    });
    await world.time.until(() => text.value === 'Hello world');
    await world.untilSynced();
    environments[1].freeze();
    text.insert(5, ', dear');
    list.update((draft) => {
      const [, second] = draft.items;
      if (second) second.title = 'changed';
    });
    world.server.trim('notes');
    await world.time.advance(500);
    environments[1].thaw();
    await world.untilSynced();
    await world.time.until(() => lead.value === text.value);
    expect(codes(leader)).toEqual([]);
    expect(world.server.value('notes')).toEqual({
      text: 'Hello, dear world',
      items: [{ title: 'a' }, { title: 'changed' }],
    });
    expect(storage.mode).toBe('memory');
  });

  test('that slept through two swaps brings what it had not stored into its place', async () => {
    const { world, leader, follower, environments } = await twoTabs({ server: { accept: refusing('bad') } });
    const [lead, text] = [leader.text('notes'), follower.text('notes')];
    const fields = leader.document<Fields>('notes');
    const list = follower.document<{ bad0?: number; items: { title: string }[] }>('notes');
    await world.time.settled(Promise.all([lead.loaded, text.loaded]));
    leader.disconnect();
    follower.disconnect();
    await world.time.advance(200);
    list.update({ bad0: 1 });
    await world.time.advance(50);
    // Behind what will be refused: the first swap gives it other names, and so does the second.
    text.insert(0, 'Hello world');
    list.update((draft) => {
      draft.items = [{ title: 'a' }];
    });
    await world.time.until(() => lead.value === 'Hello world');
    await world.time.advance(50);
    environments[1].freeze();
    // In storage are its first writes; these are not.
    text.insert(5, ', dear');
    list.update((draft) => {
      const [first] = draft.items;
      if (first) first.title = 'changed';
    });
    fields.update({ bad1: 1 });
    await world.time.advance(50);
    lead.insert(11, '!');
    leader.connect();
    await world.time.until(() => codes(leader).length === 2);
    await world.untilSynced(leader);
    environments[1].thaw();
    await world.time.advance(1_000);
    await world.untilSynced();
    expect(codes(leader)).toEqual(['forbidden', 'forbidden']);
    expect(world.server.value('notes')).toEqual({ text: 'Hello, dear world!', items: [{ title: 'changed' }] });
  });

  test.each([1, 2, 3])(
    'that slept through %i more trims with writes between brings its edits to their places',
    async (more) => {
      const { world, leader, follower, environments } = await twoTabs();
      const [lead, text] = [leader.text('notes'), follower.text('notes')];
      const list = follower.document<{ items: { title: string }[] }>('notes');
      await world.time.settled(Promise.all([lead.loaded, text.loaded]));
      lead.insert(0, 'Once upon a time.');
      await world.time.until(() => text.value === 'Once upon a time.');
      await world.untilSynced();
      leader.disconnect();
      follower.disconnect();
      await world.time.advance(200);
      // Stored and not synced: the first swap gives it other names, and the trim after it others again.
      text.insert(16, ' in the west');
      list.update((draft) => {
        draft.items = [{ title: 'a' }, { title: 'b' }];
      });
      await world.time.until(() => lead.value === 'Once upon a time in the west.');
      await world.time.advance(50);
      environments[1].freeze();
      // Not stored.
      text.insert(23, ' wild');
      text.insert(4, ',');
      list.update((draft) => {
        const [, second] = draft.items;
        if (second) second.title = 'changed';
      });
      world.server.trim('notes');
      leader.connect();
      await world.time.until(() => world.server.value('notes').text === 'Once upon a time in the west.');
      await world.untilSynced(leader);
      for (let round = 0; round < more; round += 1) {
        lead.insert(lead.length, String(round));
        lead.insert(0, '*');
        await world.untilSynced(leader);
        world.server.trim('notes');
        await world.time.advance(1_000);
        await world.untilSynced(leader);
      }
      environments[1].thaw();
      await world.time.advance(1_000);
      await world.untilSynced();
      const stars = '*'.repeat(more);
      expect(codes(leader)).toEqual([]);
      expect(world.server.value('notes')).toEqual({
        text: `${stars}Once, upon a time in the wild west.${['0', '01', '012'][more - 1]}`,
        items: [{ title: 'a' }, { title: 'changed' }],
      });
      expect(text.value).toBe(world.server.value('notes').text);
    },
  );

  test('that slept through a compaction and a trim does not write again what the server has', async () => {
    const { world, leader, follower, environments, storage } = await twoTabs({ server: { snapshotBehind: 1 } });
    const [lead, counter] = [leader.counter('notes'), follower.counter('notes')];
    await world.time.settled(Promise.all([lead.loaded, counter.loaded]));
    follower.disconnect();
    const receipt = counter.increment(5);
    await world.time.settled(receipt.durable);
    environments[1].deaf = true;
    await world.time.until(() => world.server.log('notes').length === 1);
    await world.untilSynced(leader);
    environments[1].freeze();
    // A state of the server's takes the place of the log.
    leader.disconnect();
    await world.time.advance(100);
    const other = world.client();
    const others = other.counter('notes');
    await world.time.settled(others.loaded);
    for (let step = 0; step < 4; step += 1) {
      others.increment(1);
      await world.untilSynced(other);
    }
    leader.connect();
    await world.time.until(() => lead.value === 9);
    await world.time.advance(500);
    const area = storage.area({ server: 'ws://server/sync', user: '', name: 'default' });
    expect(area.documents.get('notes')?.log.size).toBe(0);
    world.server.trim('notes');
    await world.time.advance(2_000);
    environments[1].deaf = false;
    environments[1].thaw();
    await world.time.settled(receipt.synced);
    await world.time.advance(2_000);
    await world.untilSynced();
    expect([world.server.value('notes').counter, counter.value, lead.value]).toEqual([9, 9, 9]);
  });
});

describe('a document that was closed before its incarnation ended', () => {
  type Items = { a?: number; b: number; items: { x: number }[] };
  const removing = (draft: Items): void => {
    draft.items.splice(1, 1);
  };
  const writes: Record<string, (document: DocumentHandle<Items>) => Receipt> = {
    'that is made again': (document) => document.update({ a: 1 }),
    'of which nothing is left': (document) => document.update(removing),
    'that changed nothing, behind one that is made again': (document) => {
      document.update({ a: 1 });
      return document.update({ a: 1 });
    },
    'that changed nothing, behind one of which nothing is left': (document) => {
      document.update(removing);
      return document.update({ b: 1 });
    },
  };

  test.each(
    Object.keys(writes).flatMap((name) => [
      [name, 'closed'],
      [name, 'opened again'],
    ]),
  )('tells what becomes of a write %s (%s)', async (name, now) => {
    const world = await World.create();
    const [ada, bob] = [world.client(), world.client()];
    const [mine, theirs] = [ada.document<Items>('notes'), bob.document<Items>('notes')];
    await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
    mine.update({ b: 1, items: [{ x: 0 }, { x: 0 }] });
    await world.untilSynced();
    await world.time.until(() => theirs.value?.items?.length === 2);
    ada.disconnect();
    await world.time.advance(100);
    const receipt = writes[name]?.(mine);
    await world.time.settled(receipt?.durable ?? Promise.reject());
    mine.close();
    await world.time.advance(100);
    theirs.update(removing);
    await world.untilSynced(bob);
    world.server.trim('notes');
    if (now === 'opened again') ada.document('notes');
    ada.connect();
    await world.time.settled(receipt?.synced ?? Promise.reject());
    await world.untilSynced();
    expect(codes(ada)).toEqual([]);
    expect(world.server.value('notes')).toEqual({
      ...(name.includes('again') ? { a: 1 } : {}),
      b: 1,
      items: [{ x: 0 }],
    });
  });

  test('is sent nothing any more where it waits for nothing, however often it was opened', async () => {
    const world = await World.create();
    const ada = world.client();
    const first = ada.counter('notes');
    await world.time.settled(first.loaded);
    first.increment(1);
    await world.untilSynced();
    ada.disconnect();
    await world.time.advance(100);
    const receipt = first.increment(1);
    await world.time.settled(receipt.durable);
    first.close();
    for (let opening = 0; opening < 20; opening += 1) {
      const again = ada.counter('notes');
      await world.time.settled(again.loaded);
      again.close();
      await world.time.advance(10);
    }
    const bob = world.client();
    const theirs = bob.counter('notes');
    theirs.increment(1);
    await world.untilSynced(bob);
    world.server.trim('notes');
    theirs.close();
    await world.time.settled(bob.close());
    const encoded = vi.spyOn(Replica.prototype, 'encodeSnapshot');
    ada.connect();
    await world.time.settled(receipt.synced);
    await world.untilSynced(ada);
    expect(encoded.mock.calls.length).toBeLessThan(10);
    encoded.mockRestore();
    expect(world.server.value('notes')).toEqual({ counter: 3 });
  });
});
