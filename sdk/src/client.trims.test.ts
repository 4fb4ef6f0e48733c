// Trims that come between what a device has sent and what its storage knows of it: nothing may be there twice, under the old
// name and under the one that the trim gave it. On virtual time.

import { JoineryError } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import type { Client } from './client.ts';
import { type MemoryArea, MemoryStorage } from './storage/memory.ts';
import type { Namespace } from './storage/storage.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';

interface List {
  items: { title: string }[];
}

const full = new JoineryError('storage-full', 'no room');
const namespace: Namespace = { server: 'ws://server/sync', user: '', name: 'default' };

function codes(client: Client): string[] {
  return client.rejected.entries.map(({ error }) => error.code);
}

/** What a copy of the whole profile holds. */
function cloneOf(storage: MemoryStorage): MemoryStorage {
  const clone = new MemoryStorage();
  Object.assign(clone.area(namespace), structuredClone(storage.area(namespace)) satisfies MemoryArea);
  return clone;
}

/** Two tabs of a device with one document open in both; the first, which leads, writes through a storage that can fail. */
async function twoTabs(world: World) {
  const device = new VirtualDevice(world.time);
  const memory = new MemoryStorage({ shared: true });
  const storage = new ControlledStorage(memory);
  const environments = [device.tab(), device.tab()] as const;
  const first = world.client(storage, {}, environments[0]);
  await world.time.advance(50);
  const second = world.client(memory, {}, environments[1]);
  return { storage, environments, first, second, text: first.text('notes'), other: second.text('notes') };
}

describe('writes that were stored before any epoch was known', () => {
  test('and sent by a tab that could not store the epoch any more are there once after a trim', async () => {
    const world = await World.create();
    const memory = new MemoryStorage();
    const storage = new ControlledStorage(memory);
    const first = world.client(storage, { connect: false });
    const text = first.text('notes');
    await world.time.settled(text.loaded);
    await world.time.settled(text.insert(0, 'once').durable);
    storage.failure = full;
    first.connect();
    await world.time.until(() => world.server.log('notes').length === 1);
    // It ends there: what it has heard is nowhere.
    first.disconnect();
    world.server.trim('notes');
    const next = world.client(memory);
    const again = next.text('notes');
    await world.time.settled(again.loaded);
    const shown = new Set<string>();
    again.subscribe(() => shown.add(again.value));
    await world.untilSynced(next);
    again.insert(4, '!');
    await world.untilSynced(next);
    expect(world.server.value('notes')).toEqual({ text: 'once!' });
    expect([...shown]).toEqual(['once', 'once!']);
    expect(codes(next)).toEqual([]);
  });

  test('and sent by a copy of the profile are there once after a trim, and what was written on them is in its place', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const original = world.client(storage, { connect: false });
    const text = original.text('notes');
    const list = original.document<List>('notes');
    await world.time.settled(text.loaded);
    text.insert(0, 'Hello world');
    const receipt = list.update((draft) => {
      draft.items = [{ title: 'a' }, { title: 'b' }];
    });
    await world.time.settled(receipt.durable);
    const copy = world.client(cloneOf(storage));
    const theirs = copy.text('notes');
    await world.time.settled(theirs.loaded);
    await world.untilSynced(copy);
    text.insert(5, ', dear');
    await world.time.settled(
      list.update((draft) => {
        const [, second] = draft.items;
        if (second) second.title = 'changed';
      }).durable,
    );
    world.server.trim('notes');
    // Another trim behind it: the epoch is not the one before the present.
    theirs.insert(theirs.length, '!');
    await world.untilSynced(copy);
    world.server.trim('notes');
    await world.untilSynced(copy);
    original.connect();
    await world.untilSynced();
    await world.time.settled(receipt.synced);
    expect(codes(original)).toEqual([]);
    expect(world.server.value('notes')).toEqual({
      text: 'Hello, dear world!',
      items: [{ title: 'a' }, { title: 'changed' }],
    });
    expect(text.value).toBe('Hello, dear world!');
  });

  test('and sent by a copy of the profile do not bring back a key that was removed before the trim', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const original = world.client(storage, { connect: false });
    const fields = original.document<{ a?: number; b?: number }>('notes');
    await world.time.settled(fields.loaded);
    await world.time.settled(fields.update({ a: 1, b: 1 }).durable);
    const copy = world.client(cloneOf(storage));
    const theirs = copy.document<{ a?: number; b?: number }>('notes');
    await world.time.settled(theirs.loaded);
    theirs.update((draft) => {
      delete draft.a;
    });
    await world.untilSynced(copy);
    await world.time.settled(fields.update({ a: 2 }).durable);
    world.server.trim('notes');
    original.connect();
    await world.untilSynced();
    expect(codes(original)).toEqual(['key-removed']);
    expect(world.server.value('notes')).toEqual({ b: 1 });
  });
});

describe('what a tab has sent from memory, and the server has acknowledged', () => {
  // More than is kept of the old epoch beside a swap.
  test.each([
    ['small', 0],
    ['too large for its last state to be kept', 7],
  ] as const)(
    'is not made again when another tab has followed a trim meanwhile: the document is %s',
    async (_, values) => {
      const world = await World.create();
      const { storage, environments, first, second, text, other } = await twoTabs(world);
      const fields = second.document<Record<string, string>>('notes');
      await world.time.settled(Promise.all([text.loaded, other.loaded]));
      other.insert(0, 'Hello');
      for (let number = 0; number < values; number += 1) fields.update({ [number]: 'x'.repeat(700_000) });
      await world.time.until(() => text.value === 'Hello');
      await world.untilSynced();
      storage.failure = full;
      const receipt = text.insert(5, ' world');
      await world.time.settled(receipt.synced);
      environments[0].freeze();
      world.server.trim('notes');
      await world.time.until(() => other.value === 'Hello world');
      await world.untilSynced(second);
      storage.failure = undefined;
      environments[0].thaw();
      await world.time.advance(20_000);
      await world.untilSynced();
      expect([world.server.value('notes').text, text.value, other.value]).toEqual(Array(3).fill('Hello world'));
      expect(codes(first)).toEqual([]);
    },
  );

  test.each([0, 1])(
    'is there once when its own tab can store it after the trim (%i writes stored before)',
    async (before) => {
      const world = await World.create();
      const storage = new ControlledStorage(new MemoryStorage());
      const client = world.client(storage);
      const text = client.text('notes');
      await world.time.settled(text.loaded);
      for (let count = 0; count < before; count += 1) text.insert(0, '-');
      await world.untilSynced();
      storage.failure = full;
      const receipt = text.insert(text.length, 'once');
      await world.time.settled(receipt.synced);
      world.server.trim('notes');
      await world.time.advance(1_000);
      text.insert(text.length, '!');
      await world.time.advance(1_000);
      storage.failure = undefined;
      await world.time.until(() => world.server.value('notes').text === `${'-'.repeat(before)}once!`);
      await world.untilSynced();
      expect(text.value).toBe(`${'-'.repeat(before)}once!`);
      expect(codes(client)).toEqual([]);
    },
  );

  test('is made again when a backup was restored that lacks it', async () => {
    const world = await World.create();
    const { storage, environments, text, other, second } = await twoTabs(world);
    await world.time.settled(Promise.all([text.loaded, other.loaded]));
    other.insert(0, 'Hello');
    await world.time.until(() => text.value === 'Hello');
    await world.untilSynced();
    const backup = world.server.backup();
    storage.failure = full;
    const receipt = text.insert(5, ' world');
    await world.time.settled(receipt.synced);
    environments[0].freeze();
    world.server.restore(backup);
    await world.time.advance(20_000);
    world.server.trim('notes');
    await world.time.advance(20_000);
    await world.untilSynced(second);
    expect(world.server.value('notes').text).toBe('Hello');
    storage.failure = undefined;
    environments[0].thaw();
    await world.time.until(() => other.value === 'Hello world');
    await world.untilSynced();
    expect([world.server.value('notes').text, text.value, other.value]).toEqual(Array(3).fill('Hello world'));
  });
});
