// What the client does about the storage itself: emptied by the browser while a tab has it open or while none has, kept by
// the browser or not, nearly full; and what it gives out for a backup. On virtual time.

import { JoineryError } from '@joinery/protocol';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Replica } from './core/index.ts';
import type { Receipt } from './documents/receipt.ts';
import type { Environment } from './environment.ts';
import { MemoryStorage } from './storage/memory.ts';
import type { Namespace, Storage } from './storage/storage.ts';
import type { ClientEvent } from './sync/status.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';

const namespace: Namespace = { server: 'ws://server/sync', user: '', name: 'default' };

let world: World;
let storage: MemoryStorage;

beforeEach(async () => {
  world = await World.create();
  storage = new MemoryStorage({ shared: true });
});

/** As a browser does it: everything at once, and nobody is told. */
function evict(): void {
  const area = storage.area(namespace);
  area.documents.clear();
  area.values.clear();
  area.damaged.length = 0;
}

function eventsOf(client: { subscribeEvents(listener: (event: ClientEvent) => void): () => void }): ClientEvent[] {
  const events: ClientEvent[] = [];
  client.subscribeEvents((event) => events.push(event));
  return events;
}

const evictions = (events: readonly ClientEvent[]) =>
  events.flatMap((event) => (event.type === 'storage-evicted' ? event.unsynced : []));

describe('storage that is emptied while a client has it open', () => {
  test('is filled again with what is here, and a reload finds all of it', async () => {
    const client = world.client(storage);
    const events = eventsOf(client);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    await world.time.settled(text.insert(0, 'one ').synced);
    evict();
    const receipt = text.insert(4, 'two');
    await world.time.settled(receipt.durable);
    await world.time.settled(receipt.synced);
    expect(evictions(events)).toEqual([0]);
    expect([text.value, world.server.value('notes')]).toEqual(['one two', { text: 'one two' }]);
    await world.time.settled(client.close());
    const again = world.client(storage, { connect: false });
    const reloaded = again.text('notes');
    await world.time.settled(reloaded.loaded);
    expect([reloaded.value, evictions(eventsOf(again))]).toEqual(['one two', []]);
  });

  test('loses nothing that was written offline in this session', async () => {
    const client = world.client(storage);
    const events = eventsOf(client);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    await world.time.settled(text.insert(0, 'server ').synced);
    client.disconnect();
    const receipts = ['a', 'b', 'c'].map((letter) => text.insert(text.length, letter));
    for (const { durable } of receipts) await world.time.settled(durable);
    evict();
    const later = text.insert(text.length, 'd');
    await world.time.settled(later.durable);
    expect([evictions(events), text.value, client.status.sync.state]).toEqual([[0], 'server abcd', 'pending']);
    client.connect();
    for (const { synced } of [...receipts, later]) await world.time.settled(synced);
    expect(world.server.value('notes')).toEqual({ text: 'server abcd' });
    await world.time.settled(client.close());
    const reloaded = world.client(storage, { connect: false }).text('notes');
    await world.time.settled(reloaded.loaded);
    expect(reloaded.value).toBe('server abcd');
  });

  test('loses nothing of a write that is too large for one batch', async () => {
    const client = world.client(storage);
    const events = eventsOf(client);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    client.disconnect();
    const large = text.insert(0, Array.from({ length: 200_000 }, (_, index) => index).join(' '));
    await world.time.settled(large.durable);
    const whole = text.value ?? '';
    evict();
    const later = text.insert(text.length, '.');
    await world.time.settled(later.durable);
    expect(evictions(events)).toEqual([0]);
    client.connect();
    for (const { synced } of [large, later]) await world.time.settled(synced);
    expect(world.server.value('notes')).toEqual({ text: `${whole}.` });
    expect(client.rejected.entries).toEqual([]);
  });

  test('says how much is lost of what an earlier session left, and what rests on that doesn’t hang', async () => {
    const first = world.client(storage, { connect: false });
    const old = first.text('notes');
    await world.time.settled(old.loaded);
    await world.time.settled(old.insert(0, 'lost').durable);
    await world.time.settled(first.close());
    const client = world.client(storage, { connect: false });
    const events = eventsOf(client);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    expect(text.value).toBe('lost');
    evict();
    await world.time.settled(text.insert(4, ' kept').durable);
    expect(evictions(events)).toEqual([1]);
    client.connect();
    await world.untilSynced(client);
    await world.time.until(() => client.rejected.entries.length === 1);
    // What was typed behind a text that is gone has no place: it is kept for the user to see.
    expect([text.value, world.server.value('notes')]).toEqual(['', {}]);
    expect(JSON.stringify(client.rejected.entries[0])).toContain(' kept');
    const receipt = text.insert(0, 'on');
    await world.time.settled(receipt.synced);
    expect([world.server.value('notes'), text.value]).toEqual([{ text: 'on' }, 'on']);
  });

  test.each(['open', 'export'])('is told to who only reads (%s), and not shown as empty documents', async (look) => {
    const first = world.client(storage);
    const old = first.text('notes');
    await world.time.settled(old.loaded);
    await world.time.settled(old.insert(0, 'kept').synced);
    await world.time.settled(first.close());
    const client = world.client(storage, { connect: false });
    const events = eventsOf(client);
    await world.time.settled(client.text('other').loaded);
    evict();
    const read = async (): Promise<unknown> => {
      if (look === 'open') return await client.text('notes').loaded;
      const ids: string[] = [];
      for await (const { id } of client.exportAll()) ids.push(id);
      return ids;
    };
    await world.time.settled(read());
    expect(evictions(events)).toEqual([0]);
    client.connect();
    await world.time.until(() => client.text('notes').value === 'kept');
  });

  test.each([true, false])('loses nothing of the rejected list (a document of it is open: %s)', async (isOpen) => {
    world = await World.create({ server: { accept: () => 'no' } });
    const client = world.client(storage);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    text.insert(0, 'refused');
    await world.time.until(() => client.rejected.entries.length === 1);
    const { id } = client.rejected.entries[0] ?? { id: '' };
    client.disconnect();
    if (!isOpen) text.close();
    const other = client.text('other');
    await world.time.settled(other.loaded);
    const ids = (from: typeof client): string[] => from.rejected.entries.map((entry) => entry.id);
    for (let time = 0; time < 2; time += 1) {
      evict();
      await world.time.settled(other.insert(0, 'x').durable);
      await world.time.until(() => ids(client).includes(id));
    }
    await world.time.settled(client.close());
    const reloaded = world.client(storage, { connect: false });
    await world.time.until(() => ids(reloaded).includes(id));
    expect(ids(reloaded)).toEqual([id]);
    const again = reloaded.text('notes');
    await world.time.settled(again.loaded);
    await world.time.settled(reloaded.rejected.retry(id));
    expect(again.value).toBe('refused');
  });

  test('hinders nobody from signing out', async () => {
    for (const connect of [true, false]) {
      const client = world.client(storage, { connect });
      const text = client.text('notes');
      await world.time.settled(text.loaded);
      const receipt = text.insert(0, 'x');
      await world.time.settled(connect ? receipt.synced : receipt.durable);
      evict();
      await world.time.settled(client.signOut({ wipe: true, force: true }));
      expect([...storage.area(namespace).documents.keys()]).toEqual([]);
    }
  });

  test('that two tabs have open: both go on, and each that had stored something is told', async () => {
    const device = new VirtualDevice(world.time);
    const clients = [0, 1].map(() => world.client(storage, {}, device.tab()));
    const events = clients.map(eventsOf);
    const texts = clients.map((client) => client.text('notes'));
    for (const text of texts) await world.time.settled(text.loaded);
    for (const text of texts) await world.time.settled(text.insert(0, 'x').synced);
    await world.time.until(() => texts.every(({ value }) => value === 'xx'));
    evict();
    for (const [index, text] of texts.entries()) await world.time.settled(text.insert(0, String(index)).synced);
    await world.time.until(() => new Set(texts.map(({ value }) => value)).size === 1);
    expect(texts[0]?.value).toHaveLength(4);
    expect(events.map((told) => evictions(told).length)).toEqual([1, 1]);
    const shown = texts[0]?.value;
    for (const client of clients) await world.time.settled(client.close());
    const reloaded = world.client(storage, { connect: false }).text('notes');
    await world.time.settled(reloaded.loaded);
    expect(reloaded.value).toBe(shown);
  });

  test('before anything was ever stored is no loss', async () => {
    const client = world.client(storage, { connect: false });
    const events = eventsOf(client);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    evict();
    await world.time.settled(text.insert(0, 'first').durable);
    expect([evictions(events), text.value]).toEqual([[], 'first']);
  });

  test('at any moment of a session: what is told durable afterwards is there, and all of it gets to the server', async () => {
    for (let moment = 0; moment < 24; moment += 1) {
      world = await World.create({ seed: moment + 1 });
      storage = new MemoryStorage({ shared: true });
      const client = world.client(storage);
      const [text, counter] = [client.text('notes'), client.counter('visits')];
      const steps: (() => Promise<unknown> | undefined)[] = [];
      for (let step = 0; step < 8; step += 1) {
        steps.push(() => world.time.settled(text.loaded).then(() => void text.insert(text.length, String(step))));
        steps.push(() => (step % 3 === 0 ? void client.disconnect() : void client.connect()));
        steps.push(() => void counter.increment());
      }
      for (const [index, step] of steps.entries()) {
        await step();
        if (index === moment) evict();
        await world.time.advance((index * 7) % 13);
      }
      client.connect();
      await world.untilSynced(client);
      expect(world.server.value('notes'), `moment ${moment}`).toEqual({ text: '01234567' });
      expect(world.server.value('visits'), `moment ${moment}`).toEqual({ counter: 8 });
      await world.time.settled(client.close());
      const again = world.client(storage, { connect: false });
      const reloaded = again.text('notes');
      await world.time.settled(reloaded.loaded);
      expect(reloaded.value, `moment ${moment}`).toBe('01234567');
    }
  });
});

describe('storage that is emptied again and again under three tabs', () => {
  const seeds = Number(process.env.JOINERY_RUNS ?? 16);

  test('no write is told to be synced that the server lacks, and none is gone that was not told', async () => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      world = await World.create({ seed });
      storage = new MemoryStorage({ shared: true });
      const device = new VirtualDevice(world.time);
      const clients = [0, 1, 2].map(() => world.client(storage, { connect: false }, device.tab()));
      const texts = clients.map((client) => client.text('notes'));
      for (const text of texts) await world.time.settled(text.loaded);
      for (const client of clients) client.connect();
      const first = texts[0]?.insert(0, '.');
      await world.time.settled(first?.synced ?? Promise.reject(new Error('expected a text')));
      await world.time.until(() => texts.every(({ value }) => value === '.'));
      const written: { letter: string; receipt: Receipt }[] = [];
      for (let step = 0; step < 14; step += 1) {
        const dice = world.time.random();
        const text = texts[Math.floor(world.time.random() * 3)];
        const letter = String.fromCharCode(97 + step);
        if (dice < 0.5 && text !== undefined) written.push({ letter, receipt: text.insert(0, letter) });
        else if (dice < 0.65) for (const client of clients) client.disconnect();
        else if (dice < 0.8) for (const client of clients) client.connect();
        else if (dice < 0.9) evict();
        await world.time.advance(Math.floor(world.time.random() * 60));
      }
      for (const client of clients) client.connect();
      await world.time.advance(90_000);
      const { text: synced } = world.server.value('notes') as { text: string };
      const rejected = JSON.stringify(clients.map((client) => client.rejected.entries));
      for (const { letter, receipt } of written) {
        const isThere = synced.includes(letter);
        expect([letter, receipt.state, isThere], `seed ${seed}`).toEqual([
          letter,
          isThere ? 'synced' : 'rejected',
          isThere,
        ]);
        if (!isThere) expect(rejected, `seed ${seed}`).toContain(letter);
      }
      for (const text of texts) expect(text.value, `seed ${seed}`).toBe(synced);
      for (const client of clients) await world.time.settled(client.close());
    }
  });
});

/** The environment of a page: notes that outlive it, and a quota. */
function page(notes: Map<string, string>, quota?: Environment['quota']): Environment {
  return {
    ...world.clock(0),
    notes: {
      read: (key) => notes.get(key),
      write: (key, text) => {
        if (text === undefined) notes.delete(key);
        else notes.set(key, text);
      },
    },
    ...(quota === undefined ? {} : { quota }),
  };
}

describe('storage that was emptied between two sessions', () => {
  async function session(notes: Map<string, string>, connect: boolean): Promise<ClientEvent[]> {
    const client = world.client(storage, { connect }, page(notes));
    const events = eventsOf(client);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    if (connect) await world.untilSynced(client);
    const receipt = text.insert(text.length, 'x');
    await world.time.settled(connect ? receipt.synced : receipt.durable);
    await world.time.advance(2_000);
    await world.time.settled(client.close());
    return events;
  }

  test('is told, with what was never synced; and once', async () => {
    const notes = new Map<string, string>();
    expect(evictions(await session(notes, true))).toEqual([]);
    evict();
    expect(evictions(await session(notes, true))).toEqual([0]);
    expect(world.server.value('notes')).toEqual({ text: 'xx' });
    expect(evictions(await session(notes, false))).toEqual([]);
    evict();
    expect(evictions(await session(notes, true))).toEqual([1]);
    expect(evictions(await session(notes, true))).toEqual([]);
  });

  test('by signing out is no loss, and leaves no note', async () => {
    const notes = new Map<string, string>();
    await session(notes, true);
    expect(notes.size).toBe(1);
    const client = world.client(storage, {}, page(notes));
    await world.time.until(() => client.status.storage.state === 'ready');
    await world.time.settled(client.signOut({ wipe: true }));
    expect(notes.size).toBe(0);
    expect(evictions(await session(notes, true))).toEqual([]);
  });
});

describe('the browser’s word on storage', () => {
  test('is asked for, shown, and told when there is little room: once until there was more', async () => {
    let [usage_bytes, persisted] = [10, false];
    const quota = {
      estimate: async () => ({ usage_bytes, quota_bytes: 100 }),
      persisted: async () => persisted,
      persist: async () => {
        persisted = true;
        return persisted;
      },
    };
    const client = world.client(storage, { connect: false }, page(new Map(), quota));
    const events = eventsOf(client);
    await world.time.until(() => client.status.sync.state === 'idle');
    const low = () => events.filter(({ type }) => type === 'storage-low').length;
    expect(client.status.storage.persisted).toBeUndefined();
    expect(await world.time.settled(client.storageEstimate())).toEqual({
      ...{ usage_bytes: 10, quota_bytes: 100, persisted: false },
    });
    expect(client.status.storage.persisted).toBe(false);
    const told = vi.fn();
    client.subscribeStatus(told);
    expect(await world.time.settled(client.persist())).toBe(true);
    await world.time.advance(0);
    expect([client.status.storage.persisted, told.mock.calls.length]).toEqual([true, 1]);
    await world.time.advance(600_000);
    expect(low()).toBe(0);
    usage_bytes = 95;
    await world.time.advance(900_000);
    expect(low()).toBe(1);
    usage_bytes = 88;
    await world.time.advance(300_000);
    usage_bytes = 95;
    await world.time.advance(300_000);
    expect(low()).toBe(1);
    usage_bytes = 50;
    await world.time.advance(300_000);
    usage_bytes = 95;
    await world.time.advance(300_000);
    expect(low()).toBe(2);
  });

  test('is looked at when storage is full, not with each attempt', async () => {
    let asked = 0;
    const quota = {
      estimate: async () => {
        asked += 1;
        return { usage_bytes: 100, quota_bytes: 100 };
      },
      persisted: async () => false,
      persist: async () => false,
    };
    const controlled = new ControlledStorage(storage);
    const client = world.client(controlled, { connect: false }, page(new Map(), quota));
    const events = eventsOf(client);
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    controlled.failure = new JoineryError('storage-full', 'no room');
    const receipt = text.insert(0, 'x');
    await world.time.advance(4_000);
    expect([receipt.state, asked]).toEqual(['local', 1]);
    expect(events.filter(({ type }) => type === 'storage-low')).toEqual([
      { type: 'storage-low', usage_bytes: 100, quota_bytes: 100 },
    ]);
    controlled.failure = undefined;
    await world.time.settled(receipt.durable);
  });

  test('where there is none: nothing is known, and nobody is asked', async () => {
    const client = world.client(storage, { connect: false });
    expect(await world.time.settled(client.persist())).toBe(false);
    expect(await world.time.settled(client.storageEstimate())).toBeUndefined();
    await world.time.settled(client.close());
    await expect(client.persist()).rejects.toMatchObject({ code: 'closed' });
  });

  test('that can’t be had is a typed error', async () => {
    const no = () => Promise.reject(new TypeError('no'));
    const quota = { estimate: no, persisted: no, persist: no };
    const client = world.client(storage, { connect: false }, page(new Map(), quota));
    await expect(world.time.settled(client.persist())).rejects.toMatchObject({ code: 'storage-failed' });
    await expect(world.time.settled(client.storageEstimate())).rejects.toMatchObject({ code: 'storage-failed' });
    await world.time.advance(600_000);
    expect(client.status.storage.state).toBe('ready');
  });
});

describe('an export of everything', () => {
  function failingToList(): Storage {
    return {
      mode: 'memory',
      open: async (namespace) => {
        const store = await storage.open(namespace);
        store.documents = () => Promise.reject(new JoineryError('storage-failed', 'busy'));
        return store;
      },
    };
  }

  async function exported(client: ReturnType<World['client']>) {
    const all: { id: string; value: unknown; again: unknown; error: string | undefined }[] = [];
    const walk = (async () => {
      for await (const { id, value, state, error } of client.exportAll()) {
        const replica = state && Replica.load(state, { trustStamps: true });
        all.push({ id, value, again: replica?.toJSON(), error: error?.code });
        replica?.free();
      }
      return all;
    })();
    return await world.time.settled(walk);
  }

  test('has each document once: open, closed, unsynced, and what storage doesn’t have yet', async () => {
    const first = world.client(storage, { connect: false });
    for (const [id, value] of [
      ['b', 1],
      ['a', 2],
    ] as const) {
      const handle = first.document(id);
      await world.time.settled(handle.update({ value }).durable);
      handle.close();
    }
    await world.time.settled(first.close());
    const controlled = new ControlledStorage(storage);
    const client = world.client(controlled, { connect: false });
    const [open, fresh] = [client.document('b'), client.document('c')];
    for (const handle of [open, fresh]) await world.time.settled(handle.loaded);
    controlled.hold();
    open.update({ value: 3 });
    fresh.update({ value: 4 });
    expect(await exported(client)).toEqual([
      { id: 'a', value: { value: 2 }, again: { value: 2 }, error: undefined },
      { id: 'b', value: { value: 3 }, again: { value: 3 }, error: undefined },
      { id: 'c', value: { value: 4 }, again: { value: 4 }, error: undefined },
    ]);
    controlled.release();
  });

  test('goes on past a document that can’t be read, and says which', async () => {
    const first = world.client(storage, { connect: false });
    for (const id of ['a', 'b', 'c']) await world.time.settled(first.document(id).update({ id }).durable);
    await world.time.settled(first.close());
    const controlled = new ControlledStorage(storage);
    const open = controlled.open.bind(controlled);
    controlled.open = async (...given) => {
      const store = await open(...given);
      const load = store.load.bind(store);
      store.load = async (id) => {
        if (id === 'b') throw new JoineryError('storage-failed', 'unreadable sector');
        return await load(id);
      };
      return store;
    };
    const all = await exported(world.client(controlled, { connect: false }));
    expect(all.map(({ id, value, error }) => [id, value, error])).toEqual([
      ['a', { id: 'a' }, undefined],
      ['b', undefined, 'storage-failed'],
      ['c', { id: 'c' }, undefined],
    ]);
  });

  test('has what is open when its turn comes, whatever was open before', async () => {
    const client = world.client(storage, { connect: false });
    for (const id of ['a', 'b', 'c']) await world.time.settled(client.document(id).update({ id }).durable);
    await world.time.settled(client.close());
    const next = world.client(storage, { connect: false });
    const handles = ['b', 'c'].map((id) => next.document(id));
    for (const { loaded } of handles) await world.time.settled(loaded);
    const walk = next.exportAll()[Symbol.asyncIterator]();
    expect((await world.time.settled(walk.next())).value).toMatchObject({ id: 'a' });
    handles[0]?.close();
    handles[1]?.close();
    const again = next.document<{ now: number }>('c');
    again.update({ now: 1 });
    expect((await world.time.settled(walk.next())).value).toMatchObject({ id: 'b', value: { id: 'b' } });
    expect((await world.time.settled(walk.next())).value).toMatchObject({ id: 'c', value: { id: 'c', now: 1 } });
  });

  test('waits for nothing that was closed before it was read', async () => {
    const first = world.client(storage, { connect: false });
    for (const id of ['a', 'b']) await world.time.settled(first.document(id).update({ id }).durable);
    await world.time.settled(first.close());
    const client = world.client(storage, { connect: false });
    const walk = client.exportAll()[Symbol.asyncIterator]();
    expect((await world.time.settled(walk.next())).value).toMatchObject({ id: 'a' });
    const [b, history] = [client.document('b'), client.undo('c')];
    const loads = [b.loaded, history.loaded].map((loaded) => loaded.catch((error: JoineryError) => error.code));
    const next = walk.next();
    b.close();
    history.close();
    expect((await world.time.settled(next)).value).toEqual(expect.objectContaining({ id: 'b', value: { id: 'b' } }));
    expect(await world.time.settled(Promise.all(loads))).toEqual(['closed', 'closed']);
  });

  test('ends with an error where the list can’t be read, and where the client is closed in the middle', async () => {
    const client = world.client(storage, { connect: false });
    for (const id of ['a', 'b']) await world.time.settled(client.document(id).update({ id }).durable);
    const walk = client.exportAll()[Symbol.asyncIterator]();
    expect((await world.time.settled(walk.next())).value).toMatchObject({ id: 'a' });
    await world.time.settled(client.close());
    await expect(world.time.settled(walk.next())).rejects.toMatchObject({ code: 'closed' });
    expect(() => client.exportAll()).toThrow(expect.objectContaining({ code: 'closed' }));
    const failing = world.client(failingToList(), { connect: false });
    await expect(exported(failing)).rejects.toMatchObject({ code: 'storage-failed' });
  });
});
