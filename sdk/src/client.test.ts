// Clients through the real session, core and storage contract, over a network and a server in memory, on virtual time.

import { JoineryError } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { MemoryStorage } from './storage/memory.ts';
import { World } from './testing/world.ts';

interface Todo {
  title?: string;
  items?: { title: string; done: boolean }[];
}

describe('one client', () => {
  test('reads what it writes at once, and says what each write has reached', async () => {
    const world = await World.create();
    const client = world.client();
    const notes = client.document<{ title: string }>('notes');
    expect(notes.value).toBeUndefined();
    await world.time.settled(notes.loaded);
    expect(notes.value).toEqual({});
    const receipt = notes.update({ title: 'Trip' });
    expect(notes.value).toEqual({ title: 'Trip' });
    expect(receipt.state).toBe('local');
    expect(client.status.sync).toMatchObject({ state: 'pending', pending: 1 });
    await world.time.settled(receipt.durable);
    expect(receipt.state).toBe('durable');
    await world.time.settled(receipt.synced);
    expect(receipt.state).toBe('synced');
    expect(world.server.value('notes')).toEqual({ title: 'Trip' });
    expect(client.status).toMatchObject({
      connection: { state: 'online', paused: false },
      sync: { state: 'idle', pending: 0 },
      storage: { mode: 'memory', state: 'ready' },
    });
    await world.time.settled(client.close());
  });

  test('writes keys before the document is loaded, and nothing that has to be read first', async () => {
    const world = await World.create();
    const client = world.client();
    const notes = client.document<Todo>('notes');
    const counter = client.counter('notes');
    const text = client.text('notes');
    const receipt = notes.update({ title: 'early', items: [{ title: 'a', done: false }] });
    counter.increment(2);
    expect(() => text.insert(0, 'x')).toThrow(expect.objectContaining({ code: 'document-not-loaded' }));
    const recipe = (draft: Todo): void => {
      draft.title = 'x';
    };
    expect(() => notes.update(recipe)).toThrow(JoineryError);
    expect(client.status.sync.state).toBe('pending');
    await world.time.settled(receipt.synced);
    expect(world.server.value('notes')).toEqual({ title: 'early', items: [{ title: 'a', done: false }], counter: 2 });
    expect(notes.value).toEqual({ title: 'early', items: [{ title: 'a', done: false }], counter: 2 });
  });

  test('finds a place in a text again after what others and this client have written', async () => {
    const world = await World.create();
    const [mine, theirs] = [world.client().text('notes'), world.client().text('notes')];
    expect(() => mine.position(0)).toThrow(expect.objectContaining({ code: 'document-not-loaded' }));
    await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
    mine.insert(0, 'Hello world');
    await world.untilSynced();
    await world.time.until(() => theirs.value === mine.value);
    const [cursor, word] = [mine.position(5), theirs.position(6, 'right')];
    theirs.insert(5, ', big');
    mine.insert(0, 'Oh: ');
    await world.time.until(() => mine.value === 'Oh: Hello, big world' && theirs.value === mine.value);
    expect([mine, theirs].map((text) => [text.indexAt(cursor), text.indexAt(word)])).toEqual(Array(2).fill([9, 15]));
    expect(() => mine.position(99)).toThrow(expect.objectContaining({ code: 'index-out-of-range' }));
  });

  test('notifies a listener at once for the first write of a task and once for all others', async () => {
    const world = await World.create();
    const text = world.client().text('notes');
    await world.time.settled(text.loaded);
    const seen: string[] = [];
    const stop = text.subscribe(() => seen.push(text.value));
    text.insert(0, 'a');
    expect(seen).toEqual(['a']);
    for (const letter of 'bcdef') text.insert(text.length, letter);
    expect(seen).toEqual(['a']);
    await Promise.resolve();
    expect(seen).toEqual(['a', 'abcdef']);
    stop();
    text.insert(0, 'x');
    expect(seen).toHaveLength(2);
  });

  test('writes of what is there already share a receipt, which says no more than is so', async () => {
    const world = await World.create();
    const client = world.client();
    const notes = client.document<{ title: string }>('notes');
    await world.time.settled(notes.loaded);
    notes.update({ title: 'same' });
    expect(notes.update({ title: 'same' })).toBe(notes.update({ title: 'same' }));
    const early = notes.update({ title: 'same' });
    expect(early.state).toBe('local');
    await world.untilSynced();
    await world.time.settled(early.synced);
    const late = notes.update({ title: 'same' });
    expect(late.state).toBe('local');
    await world.time.settled(late.synced);
    expect(client.status.sync).toMatchObject({ state: 'idle', pending: 0 });
  });

  test('handles of one document share it, and a closed one can’t write', async () => {
    const world = await World.create();
    const client = world.client();
    const [first, second] = [client.text('notes'), client.text('notes')];
    await world.time.settled(first.loaded);
    first.insert(0, 'hello');
    expect(second.value).toBe('hello');
    first.close();
    first.close();
    expect(() => first.insert(0, 'x')).toThrow(expect.objectContaining({ code: 'closed' }));
    second.insert(5, '!');
    const receipt = second.insert(6, '?');
    second.close();
    await world.time.settled(receipt.synced);
    expect(world.server.value('notes')).toEqual({ text: 'hello!?' });
    const again = client.text('notes');
    await world.time.settled(again.loaded);
    expect(again.value).toBe('hello!?');
  });

  test('closing stores what was written, and ends everything', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const client = world.client(storage, { connect: false });
    const text = client.text('notes');
    await world.time.settled(text.loaded);
    text.insert(0, 'last words');
    await world.time.settled(client.close());
    expect(() => client.text('notes')).toThrow(expect.objectContaining({ code: 'closed' }));
    expect(() => text.insert(0, 'too late')).toThrow(expect.objectContaining({ code: 'closed' }));
    expect(world.server.connections).toBe(0);
    const again = world.client(storage, { connect: false }).text('notes');
    await world.time.settled(again.loaded);
    expect(again.value).toBe('last words');
  });

  test('rejects options that can’t work', async () => {
    const world = await World.create();
    expect(() => world.client(undefined, { url: 'http://user:pass@server' })).toThrow(/token/);
    expect(() => world.client().document('')).toThrow(expect.objectContaining({ code: 'invalid-document-id' }));
  });
});

describe('two clients', () => {
  test('see each other’s writes', async () => {
    const world = await World.create();
    const [ada, bob] = [world.client().document<Todo>('list'), world.client().document<Todo>('list')];
    await world.time.settled(Promise.all([ada.loaded, bob.loaded]));
    ada.update({ items: [{ title: 'Milk', done: false }] });
    await world.time.until(() => bob.value?.items?.length === 1);
    bob.update((draft) => {
      const first = draft.items?.[0];
      if (first) first.done = true;
    });
    await world.time.until(() => ada.value?.items?.[0]?.done === true);
    expect(ada.value).toEqual(bob.value);
  });

  test('edit offline on both sides, one reloads offline, the server crashes: they agree, each edit once', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    let ada = world.client(storage);
    const bob = world.client();
    const bobs = { list: bob.document<Todo>('doc'), text: bob.text('doc'), counter: bob.counter('doc') };
    let adas = { list: ada.document<Todo>('doc'), text: ada.text('doc'), counter: ada.counter('doc') };
    await world.time.settled(Promise.all([adas.list.loaded, bobs.list.loaded]));
    adas.list.update({ items: [{ title: 'common', done: false }] });
    await world.time.until(() => bobs.list.value?.items?.length === 1);
    await world.untilSynced();
    ada.disconnect();
    bob.disconnect();
    await world.time.until(() => [ada, bob].every(({ status }) => status.connection.state === 'offline'));

    adas.list.update((draft) => void draft.items?.push({ title: 'ada', done: false }));
    adas.text.insert(0, 'Ada. ');
    adas.counter.increment(3);
    bobs.list.update((draft) => void draft.items?.push({ title: 'bob', done: true }));
    bobs.text.insert(0, 'Bob. ');
    bobs.counter.increment(4);
    await world.time.until(() => ada.status.sync.pending === 1);

    await world.time.settled(ada.close());
    ada = world.client(storage, { connect: false });
    adas = { list: ada.document<Todo>('doc'), text: ada.text('doc'), counter: ada.counter('doc') };
    await world.time.settled(adas.list.loaded);
    expect(adas.text.value).toBe('Ada. ');
    expect(adas.counter.value).toBe(3);
    expect(adas.list.value?.items?.map(({ title }) => title)).toEqual(['common', 'ada']);
    expect(ada.status.sync).toMatchObject({ state: 'pending', pending: 1 });

    world.server.crash();
    world.server.start();
    ada.connect();
    bob.connect();
    await world.time.until(() => adas.counter.value === 7 && bobs.counter.value === 7);
    await world.untilSynced(ada, bob);
    expect(adas.list.value).toEqual(bobs.list.value);
    expect(adas.list.value).toEqual(world.server.value('doc'));
    expect([...adas.text.value].sort().join('')).toBe([...'Ada. Bob. '].sort().join(''));
    expect(adas.list.value?.items?.map(({ title }) => title).sort()).toEqual(['ada', 'bob', 'common']);
  });

  test('a crash loses nothing that was durable, and what it left is sent without opening the document', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const ada = world.client(storage, { connect: false });
    const text = ada.text('notes');
    await world.time.settled(text.loaded);
    await world.time.settled(text.insert(0, 'durable').durable);
    // The process is gone: nothing of it runs any more, and nothing was said.
    const next = world.client(storage);
    await world.time.until(() => world.server.log('notes').length === 1);
    await world.untilSynced(next);
    expect(world.server.value('notes')).toEqual({ text: 'durable' });
  });

  test('duplicate delivery, lost links and delays change nothing', async () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const world = await World.create({
        seed,
        loss: 0.05,
        delay_ms: [0, 80],
        server: { snapshotBehind: seed % 2 ? 3 : 1_000 },
      });
      const clients = Array.from({ length: 3 }, () => world.client());
      const texts = clients.map((client) => client.text('shared'));
      const counters = clients.map((client) => client.counter('shared'));
      await world.time.settled(Promise.all(texts.map((text) => text.loaded)));
      let sum = 0;
      for (let step = 0; step < 40; step += 1) {
        const who = Math.floor(world.time.random() * clients.length);
        const text = texts[who];
        if (text === undefined) continue;
        text.insert(Math.floor(world.time.random() * (text.length + 1)), `${who}`);
        counters[who]?.increment(step);
        sum += step;
        if (step % 13 === 5) world.network.cut();
        if (step === 20) world.server.crash();
        if (step === 23) world.server.start();
        await world.time.advance(world.time.random() * 50);
      }
      await world.time.until(() => counters.every(({ value }) => value === sum), 300_000, `convergence, seed ${seed}`);
      await world.untilSynced();
      const [first] = texts;
      expect(texts.every(({ value }) => value === first?.value)).toBe(true);
      expect(first?.length).toBe(40);
      expect(world.server.value('shared')).toEqual({ text: first?.value, counter: sum });
    }
  });
});
