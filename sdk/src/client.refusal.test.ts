// The one path out of a refusal, a wrong clock, another epoch, a restored backup and a damaged own record: through the real
// core, session and storage contract, against a server in memory, on virtual time.

import type { BroughtEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import type { Client } from './client.ts';
import type { Receipt } from './documents/receipt.ts';
import { MemoryStorage } from './storage/memory.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';

const day_ms = 24 * 60 * 60 * 1000;
type Fields = Record<string, number | string>;

/** Refuses every envelope whose bytes have this word in them. */
function refusing(word: string): (envelope: BroughtEnvelope) => string | undefined {
  const latin = new TextDecoder('latin1');
  return ({ bytes }) => (latin.decode(bytes).includes(word) ? 'forbidden' : undefined);
}

/** Writes one after another, each in an envelope of its own. */
async function writeMany(world: World, count: number, write: (index: number) => void): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    write(index);
    await world.time.advance(1);
  }
}

function codes(client: Client): string[] {
  return client.rejected.entries.map(({ error }) => error.code);
}

describe('a refusal', () => {
  test('of one field in 1,000 offline edits: 999 are synced, one is in `rejected`, and all tabs agree', async () => {
    const world = await World.create({ server: { accept: refusing('salary') } });
    const storage = new MemoryStorage();
    const client = world.client(storage, { connect: false });
    const notes = client.document<Fields>('notes');
    await world.time.settled(notes.loaded);
    const receipts: { state: string }[] = [];
    await writeMany(world, 1_000, (index) => {
      receipts.push(notes.update({ [index === 500 ? 'salary' : `field-${index}`]: index }));
    });
    const other = world.client(storage, { connect: false });
    const others = other.document<Fields>('notes');
    await world.time.settled(others.loaded);
    expect(Object.keys(others.value ?? {})).toHaveLength(1_000);
    client.connect();
    await world.untilSynced(client);
    const expected = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, index) => [`field-${index}`, index]).filter(([, index]) => index !== 500),
    );
    expect(world.server.value('notes')).toEqual(expected);
    expect(notes.value).toEqual(expected);
    expect(receipts.filter(({ state }) => state === 'synced')).toHaveLength(999);
    expect(receipts[500]?.state).toBe('rejected');
    expect(codes(client)).toEqual(['forbidden']);
    expect(client.rejected.entries[0]).toMatchObject({
      document: 'notes',
      changes: [{ path: ['salary'], kind: 'set', value: 500 }],
    });
    expect(client.status.sync).toMatchObject({ state: 'idle', pending: 0 });
    // The other tab hears of it when it looks.
    other.connect();
    await world.time.until(() => others.value?.salary === undefined && codes(other).length === 1);
    expect(others.value).toEqual(expected);
    expect(other.rejected.entries[0]?.id).toBe(client.rejected.entries[0]?.id);
  });

  test('is in the rejected list by the time a receipt tells of it', async () => {
    const world = await World.create({ server: { accept: refusing('salary') } });
    const client = world.client();
    const notes = client.document<Fields>('notes');
    await world.time.settled(notes.loaded);
    let listed: string[] = [];
    const synced = notes.update({ salary: 1 }).synced.catch(() => {
      listed = codes(client);
    });
    await world.time.settled(synced);
    expect(listed).toEqual(['forbidden']);
  });

  test('takes what rests on the refused write with it, and nothing else', async () => {
    const world = await World.create({ server: { accept: refusing('secret') } });
    const client = world.client(undefined, { connect: false });
    const notes = client.document<{ secret?: { items: string[] }; title?: string }>('notes');
    await world.time.settled(notes.loaded);
    const made = notes.update({ secret: { items: ['a'] } });
    await world.time.advance(10);
    const inside = notes.update((draft) => void draft.secret?.items.push('b'));
    await world.time.advance(10);
    const outside = notes.update({ title: 'stays' });
    await world.time.advance(10);
    client.connect();
    await world.untilSynced(client);
    expect(notes.value).toEqual({ title: 'stays' });
    expect([made.state, inside.state, outside.state]).toEqual(['rejected', 'rejected', 'synced']);
    expect([made.error?.code, inside.error?.code]).toEqual(['forbidden', 'rests-on-refused']);
    expect(codes(client)).toEqual(['forbidden', 'rests-on-refused']);
  });

  test('of what a write in one envelope with another rests on leaves the other’s receipt alone', async () => {
    const world = await World.create({ server: { accept: refusing('secret') } });
    const client = world.client(undefined, { connect: false });
    const notes = client.document<{ secret?: { items: string[] }; title?: string; last?: number }>('notes');
    await world.time.settled(notes.loaded);
    notes.update({ secret: { items: ['a'] } });
    await world.time.advance(10);
    const before = notes.update({ title: 'stays' });
    const inside = notes.update((draft) => void draft.secret?.items.push('b'));
    const after = notes.update({ last: 1 });
    await world.time.advance(10);
    client.connect();
    await world.untilSynced(client);
    expect(world.server.value('notes')).toEqual({ title: 'stays', last: 1 });
    expect([before, inside, after].map(({ state }) => state)).toEqual(['synced', 'rejected', 'synced']);
    expect(inside.error?.code).toBe('rests-on-refused');
  });

  test('moves each receipt for itself while writes wait for storage, whenever the refusal comes', async () => {
    for (let pause_ms = 0; pause_ms < 40; pause_ms += 1) {
      const world = await World.create({ delay_ms: [5, 5], server: { accept: refusing('secret') } });
      const storage = new ControlledStorage(new MemoryStorage());
      const client = world.client(storage);
      const notes = client.document<{ [key: `kept-${number}`]: number; secret?: { items: string[] } }>('notes');
      await world.time.settled(notes.loaded);
      await world.untilSynced(client);
      const receipts = new Map<string, Receipt>();
      notes.update({ secret: { items: ['a'] } });
      await world.time.advance(pause_ms);
      storage.hold();
      for (let index = 0; index < 4; index += 1) {
        receipts.set(`kept-${index}`, notes.update({ [`kept-${index}`]: index }));
        if (notes.value?.secret !== undefined) notes.update((draft) => void draft.secret?.items.push('b'));
      }
      await world.time.advance(30);
      storage.release();
      await world.untilSynced(client);
      const states = Object.fromEntries(Array.from(receipts, ([key, { state }]) => [key, state]));
      expect(Object.keys(world.server.value('notes') as Fields).sort(), `${pause_ms} ms`).toEqual(
        Object.keys(states).filter((key) => states[key] === 'synced'),
      );
      expect(Object.keys(states), `${pause_ms} ms`).toHaveLength(4);
    }
  });

  test('does not stop reading and writing: what is typed meanwhile is there at once, once, and synced', async () => {
    for (let seed = 1; seed <= 6; seed += 1) {
      const world = await World.create({ seed, delay_ms: [5, 60], server: { accept: refusing('no') } });
      const client = world.client();
      const text = client.text('notes');
      const fields = client.document<Fields>('notes');
      await world.time.settled(text.loaded);
      let typed = '';
      const receipts = [];
      for (let step = 0; step < 60; step += 1) {
        if (step % 15 === 7) {
          fields.update({ no: step });
          // Into an envelope of its own.
          await world.time.advance(2);
        }
        const letter = String.fromCharCode(97 + (step % 26));
        receipts.push(text.insert(text.length, letter));
        typed += letter;
        expect(text.value).toBe(typed);
        await world.time.advance(world.time.random() * 30);
        expect(text.value).toBe(typed);
      }
      await world.untilSynced(client);
      expect(world.server.value('notes'), `seed ${seed}`).toEqual({ text: typed });
      expect(receipts.map(({ state }) => state).every((state) => state === 'synced' || state === 'rejected')).toBe(
        true,
      );
      expect(codes(client).every((code) => code === 'forbidden')).toBe(true);
    }
  });

  test('is the same for two engines on one storage: one replaces, the other follows, nothing is doubled or lost', async () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const world = await World.create({
        seed,
        delay_ms: [1, 80],
        server: { accept: refusing('bad'), snapshotBehind: seed % 2 ? 2 : 50 },
      });
      const storage = new MemoryStorage();
      const tabs = [world.client(storage), world.client(storage)];
      const counters = tabs.map((tab) => tab.counter('notes'));
      const fields = tabs.map((tab) => tab.document<Fields>('notes'));
      await world.time.settled(Promise.all(counters.map((counter) => counter.loaded)));
      let sum = 0;
      for (let step = 0; step < 40; step += 1) {
        const who = step % 2;
        if (step % 10 === 3) fields[who]?.update({ bad: step });
        await world.time.advance(5);
        counters[who]?.increment(step);
        sum += step;
        if (step % 17 === 11) world.network.cut();
        await world.time.advance(world.time.random() * 40);
      }
      await world.untilSynced();
      await world.time.until(
        () => counters.every(({ value }) => value === sum),
        60_000,
        `both tabs agree, seed ${seed}`,
      );
      expect(world.server.value('notes'), `seed ${seed}`).toEqual({ counter: sum });
      // Whoever swapped last knows all of it, and so does who follows.
      const lists = (): string[][] => tabs.map((tab) => tab.rejected.entries.map(({ id }) => id));
      await world.time.until(() => lists().every(({ length }) => length === 4), 60_000, `lists, seed ${seed}`);
      expect(lists()[0], `lists, seed ${seed}`).toEqual(lists()[1]);
      expect(tabs.map(codes), `lists, seed ${seed}`).toEqual([1, 2].map(() => new Array(4).fill('forbidden')));
    }
  });

  test('survives a crash between any two steps: nothing doubled, nothing lost, and it is told', async () => {
    for (let crashAt = 1; crashAt <= 12; crashAt += 1) {
      const world = await World.create({ server: { accept: refusing('bad') } });
      const memory = new MemoryStorage();
      const storage = new ControlledStorage(memory);
      const client = world.client(storage, { connect: false });
      const counter = client.counter('notes');
      const fields = client.document<Fields>('notes');
      await world.time.settled(counter.loaded);
      for (let step = 1; step <= 5; step += 1) {
        if (step === 3) fields.update({ bad: 1 });
        await world.time.advance(1);
        counter.increment(step);
        await world.time.advance(1);
      }
      client.connect();
      // It is gone after so many milliseconds of replacing; nothing of it is ever stored again.
      await world.time.advance(crashAt * 4);
      storage.hold();
      client.disconnect();
      await world.time.advance(1);
      const next = world.client(memory);
      const again = next.counter('notes');
      await world.time.settled(again.loaded);
      await world.untilSynced(next);
      await world.time.until(() => codes(next).length === 1, 60_000, `the refusal to be told, crash ${crashAt}`);
      expect(world.server.value('notes'), `crash ${crashAt}`).toEqual({ counter: 15 });
      expect(again.value).toBe(15);
    }
  });
});

describe('the rejected list', () => {
  async function rejectedOnce() {
    let word = 'secret';
    const world = await World.create({ server: { accept: (envelope) => refusing(word)(envelope) } });
    const storage = new MemoryStorage();
    const client = world.client(storage);
    const notes = client.document<Fields>('notes');
    await world.time.settled(notes.loaded);
    notes.update({ secret: 'x' });
    await world.time.until(() => client.rejected.entries.length === 1);
    const allow = (): void => {
      word = 'nothing at all';
    };
    return { world, storage, client, notes, allow };
  }

  test('is kept, exported, told to listeners, and the same array as long as nothing changes', async () => {
    const { world, storage, client } = await rejectedOnce();
    expect(client.rejected.entries).toBe(client.rejected.entries);
    const exported = JSON.parse(client.rejected.export()) as { document: string; envelope: string }[];
    expect(exported).toMatchObject([{ document: 'notes', error: { code: 'forbidden' } }]);
    expect(exported[0]?.envelope.length).toBeGreaterThan(20);
    const { id } = client.rejected.entries[0] ?? { id: '' };
    await world.time.settled(client.close());
    const next = world.client(storage);
    let told = 0;
    next.rejected.subscribe(() => {
      told += 1;
    });
    await world.time.until(() => next.rejected.entries.length === 1);
    expect([told, next.rejected.entries[0]?.id]).toEqual([1, id]);
    next.rejected.discard(id);
    await world.time.until(() => next.rejected.entries.length === 0);
    await world.time.settled(next.close());
    const last = world.client(storage);
    await world.time.advance(1_000);
    expect(last.rejected.entries).toEqual([]);
  });

  test('writes an entry again as a new write, which is refused again or synced', async () => {
    const { world, client, notes, allow } = await rejectedOnce();
    const { id } = client.rejected.entries[0] ?? { id: '' };
    const again = await world.time.settled(client.rejected.retry(id));
    await expect(world.time.settled(again.synced)).rejects.toMatchObject({ code: 'forbidden' });
    await world.time.until(() => client.rejected.entries.length === 1 && client.rejected.entries[0]?.id !== id);
    allow();
    const second = await world.time.settled(client.rejected.retry(client.rejected.entries[0]?.id ?? ''));
    await world.time.settled(second.synced);
    await world.time.until(() => client.rejected.entries.length === 0);
    expect([world.server.value('notes'), notes.value]).toEqual([{ secret: 'x' }, { secret: 'x' }]);
    await expect(client.rejected.retry(id)).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('a wrong clock', () => {
  test('a day ahead, 1,000 offline edits: every edit is kept, in order, and none wins over a later one', async () => {
    const world = await World.create();
    const ahead = world.client(undefined, { connect: false }, world.clock(day_ms));
    const fields = ahead.document<Fields>('notes');
    const text = ahead.text('notes');
    await world.time.settled(fields.loaded);
    await writeMany(world, 1_000, (index) => {
      if (index % 2) text.insert(text.length, 'x');
      else fields.update({ shared: index, [`own-${index}`]: index });
    });
    const other = world.client();
    const others = other.document<Fields>('notes');
    await world.time.settled(others.loaded);
    await world.time.advance(1_000);
    await world.time.settled(others.update({ shared: 'later' }).synced);
    ahead.connect();
    await world.untilSynced();
    const value = world.server.value('notes');
    expect(value.shared).toBe('later');
    expect(value.text).toBe('x'.repeat(500));
    expect(Object.keys(value).filter((key) => key.startsWith('own-'))).toHaveLength(500);
    expect(fields.value).toEqual(value);
    expect(ahead.rejected.entries).toEqual([]);
    await world.time.settled(others.update({ shared: 'last' }).synced);
    await world.time.until(() => fields.value?.shared === 'last');
  });

  test('a day behind: what was written offline does not lose to what is older', async () => {
    const world = await World.create();
    const other = world.client();
    const others = other.document<Fields>('notes');
    await world.time.settled(others.loaded);
    await world.time.settled(others.update({ shared: 'old' }).synced);
    const behind = world.client(undefined, { connect: false }, world.clock(-day_ms));
    const fields = behind.document<Fields>('notes');
    await world.time.settled(fields.loaded);
    await world.time.advance(60_000);
    fields.update({ shared: 'new' });
    await world.time.advance(10);
    behind.connect();
    await world.untilSynced();
    expect(world.server.value('notes')).toEqual({ shared: 'new' });
  });

  test('that jumps while connected costs nothing', async () => {
    const world = await World.create();
    let ahead_ms = 0;
    const client = world.client(
      undefined,
      {},
      world.clock(() => ahead_ms),
    );
    const fields = client.document<Fields>('notes');
    await world.time.settled(fields.loaded);
    await world.untilSynced();
    ahead_ms = 400_000;
    await world.time.settled(fields.update({ title: 'a' }).synced);
    ahead_ms = -400_000;
    await world.time.settled(fields.update({ title: 'b' }).synced);
    expect(world.server.value('notes')).toEqual({ title: 'b' });
    expect(client.rejected.entries).toEqual([]);
  });
});

describe('another epoch', () => {
  test('by a trim: unsynced edits come through it, in text too', async () => {
    const world = await World.create();
    const [ada, bob] = [world.client(), world.client()];
    const [a, b] = [ada.text('notes'), bob.text('notes')];
    await world.time.settled(Promise.all([a.loaded, b.loaded]));
    a.insert(0, 'Hello world');
    await world.time.until(() => b.value === 'Hello world');
    await world.untilSynced();
    ada.disconnect();
    bob.disconnect();
    await world.time.advance(100);
    a.insert(5, ',');
    await world.time.advance(5);
    a.delete(7, 5);
    await world.time.advance(5);
    a.insert(7, 'there');
    b.insert(11, '!');
    await world.time.advance(100);
    world.server.trim('notes');
    ada.connect();
    bob.connect();
    await world.untilSynced();
    await world.time.until(() => a.value === b.value);
    expect(a.value).toBe('Hello, there!');
    expect(world.server.value('notes')).toEqual({ text: 'Hello, there!' });
    expect([codes(ada), codes(bob)]).toEqual([[], []]);
  });

  test('while connected: typing goes on and nothing is lost or doubled', async () => {
    for (let seed = 1; seed <= 6; seed += 1) {
      const world = await World.create({ seed, delay_ms: [1, 50] });
      const clients = [world.client(), world.client()];
      const counters = clients.map((client) => client.counter('notes'));
      const texts = clients.map((client) => client.text('notes'));
      await world.time.settled(Promise.all(counters.map((counter) => counter.loaded)));
      let sum = 0;
      for (let step = 0; step < 40; step += 1) {
        const who = step % 2;
        counters[who]?.increment(step);
        texts[who]?.insert(0, 'x');
        sum += step;
        if (step % 13 === 6) world.server.trim('notes');
        await world.time.advance(world.time.random() * 40);
      }
      await world.untilSynced();
      await world.time.until(() => counters.every(({ value }) => value === sum), 60_000, `agreement, seed ${seed}`);
      expect(world.server.value('notes'), `seed ${seed}`).toEqual({ counter: sum, text: 'x'.repeat(40) });
    }
  });
});

describe('a restored backup', () => {
  test('gets back what its authors still hold, and nothing doubles', async () => {
    const world = await World.create();
    const storages = [new MemoryStorage(), new MemoryStorage()];
    const clients = storages.map((storage) => world.client(storage));
    const counters = clients.map((client) => client.counter('notes'));
    const fields = clients.map((client) => client.document<Fields>('notes'));
    await world.time.settled(Promise.all(counters.map((counter) => counter.loaded)));
    const write = async (name: string): Promise<void> => {
      for (const [who, counter] of counters.entries()) {
        counter.increment(1);
        fields[who]?.update({ [`${name}-${who}`]: name });
        await world.time.advance(50);
      }
    };
    await write('before');
    await world.untilSynced();
    const backup = world.server.backup();
    await write('lost');
    await world.untilSynced();
    expect(world.server.value('notes').counter).toBe(4);
    clients[1]?.disconnect();
    await world.time.advance(100);
    counters[1]?.increment(10);
    await world.time.advance(100);
    world.server.restore(backup);
    expect(world.server.value('notes').counter).toBe(2);
    clients[1]?.connect();
    await world.untilSynced();
    const expected = { counter: 14, 'before-0': 'before', 'before-1': 'before', 'lost-0': 'lost', 'lost-1': 'lost' };
    await world.time.until(() => world.server.value('notes').counter === 14, 200_000, 'everything to be back');
    expect(world.server.value('notes')).toEqual(expected);
    await world.time.until(() => fields.every(({ value }) => value?.counter === 14));
    expect(fields.map(({ value }) => value)).toEqual([expected, expected]);
    expect(clients.map(codes)).toEqual([[], []]);
  });

  test('gets it back from a client that was closed meanwhile, too', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const client = world.client(storage);
    const counter = client.counter('notes');
    await world.time.settled(counter.loaded);
    await world.time.settled(counter.increment(1).synced);
    const backup = world.server.backup();
    await world.time.advance(1_000);
    await world.time.settled(counter.increment(2).synced);
    await world.time.settled(client.close());
    world.server.restore(backup);
    const again = world.client(storage);
    const reopened = again.counter('notes');
    await world.time.settled(reopened.loaded);
    await world.time.until(() => world.server.value('notes').counter === 3, 60_000, 'the lost one to be back');
    await world.untilSynced(again);
    expect(reopened.value).toBe(3);
  });
});

describe('a damaged own record', () => {
  test('that was not yet synced: what rests on nothing of it is synced, what is lost is told', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const client = world.client(storage, { connect: false });
    const fields = client.document<Fields>('notes');
    await world.time.settled(fields.loaded);
    for (let index = 0; index < 5; index += 1) {
      await world.time.settled(fields.update({ [`field-${index}`]: index }).durable);
      await world.time.advance(10);
    }
    await world.time.settled(client.close());
    const { documents } = storage.area({ server: 'ws://server/sync', user: '', name: 'default' });
    const log = documents.get('notes')?.log ?? new Map<string, Uint8Array>();
    const [key, record] = [...log][2] ?? ['', new Uint8Array()];
    const broken = record.slice();
    broken[broken.length >> 1] = (broken[broken.length >> 1] ?? 0) ^ 4;
    log.set(key, broken);
    const again = world.client(storage);
    await world.time.until(() => again.rejected.entries.length > 0, 60_000, 'the loss to be told');
    await world.untilSynced(again);
    const value = world.server.value('notes');
    expect([value['field-0'], value['field-1'], value['field-2']]).toEqual([0, 1, undefined]);
    // What is neither synced nor in the list is nowhere.
    expect(Object.keys(value).length + again.rejected.entries.length).toBeGreaterThanOrEqual(5);
    expect(new Set(codes(again))).toEqual(new Set(['storage-corrupt']));
    const reopened = again.document<Fields>('notes');
    await world.time.settled(reopened.update({ later: 'x' }).synced);
    expect(reopened.value).toEqual(world.server.value('notes'));
  });
});

describe('tabs of one group', () => {
  test('go through a refusal and a trim together, whichever leads', async () => {
    for (let seed = 1; seed <= 4; seed += 1) {
      const world = await World.create({ seed, delay_ms: [1, 40], server: { accept: refusing('bad') } });
      const device = new VirtualDevice(world.time);
      const storage = new MemoryStorage({ shared: true });
      const tabs = [0, 1, 2].map(() => world.client(storage, {}, device.tab()));
      const counters = tabs.map((tab) => tab.counter('notes'));
      const fields = tabs.map((tab) => tab.document<Fields>('notes'));
      await world.time.settled(Promise.all(counters.map((counter) => counter.loaded)));
      let sum = 0;
      let refused = 0;
      for (let step = 0; step < 30; step += 1) {
        const who = step % 3;
        if (step % 10 === 4) {
          fields[who]?.update({ bad: step });
          refused += 1;
          await world.time.advance(3);
        }
        counters[who]?.increment(step);
        sum += step;
        if (step === 15) world.server.trim('notes');
        await world.time.advance(world.time.random() * 40);
      }
      await world.untilSynced();
      const agree = (): boolean =>
        counters.every(({ value }) => value === sum) && fields.every(({ value }) => !value?.bad);
      await world.time.until(agree, 60_000, `agreement, seed ${seed}`);
      expect(world.server.value('notes'), `seed ${seed}`).toEqual({ counter: sum });
      await world.time.until(() => tabs.every((tab) => codes(tab).length === refused), 60_000, `lists, seed ${seed}`);
    }
  });
});
