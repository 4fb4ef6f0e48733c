// What an app is told of its own writes on their way: that one has lost to somebody else's before it was synced, and how many of a
// document are pending. On virtual time.

import { describe, expect, test, vi } from 'vitest';
import type { Client } from './client.ts';
import { ContainerHandle } from './core/container-handle.ts';
import { type Plain, Replica } from './core/index.ts';
import { MemoryStorage } from './storage/memory.ts';
import { Conflicts } from './sync/conflicts.ts';
import type { ClientEvent } from './sync/status.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';

interface Notes {
  title?: string;
  other?: string;
  list?: string[];
  deep?: { a?: number; b?: number };
  done?: boolean;
}

type Conflict = Extract<ClientEvent, { readonly type: 'conflict' }>;

function conflictsOf(client: Client): Conflict[] {
  const conflicts: Conflict[] = [];
  client.subscribeEvents((event) => {
    if (event.type === 'conflict') conflicts.push(event);
  });
  return conflicts;
}

/** Two clients with a document that both have, the first of which is offline then. */
async function setUp() {
  const world = await World.create();
  const storage = new MemoryStorage();
  const [ada, bob] = [world.client(storage), world.client()];
  const [mine, theirs] = [ada.document<Notes>('notes'), bob.document<Notes>('notes')];
  const tree = ada.tree<{ name?: string }>('notes');
  await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
  mine.update({ title: 'first', list: ['x', 'y'], deep: { a: 1 }, done: true });
  const { id: node } = tree.create(null, 0, { name: 'node' });
  await world.untilSynced();
  await world.time.until(() => theirs.value?.deep !== undefined);
  ada.disconnect();
  await world.time.advance(100);
  return { world, storage, ada, bob, mine, theirs, tree, node, told: [conflictsOf(ada), conflictsOf(bob)] as const };
}

describe('a conflict', () => {
  test('is told of a document that had come to rest meanwhile', async () => {
    const { world, ada, mine, theirs, told } = await setUp();
    mine.update({ title: 'mine' });
    // More than may be awake.
    const others = Array.from({ length: 100 }, (_, index) => ada.document(`other-${index}`));
    for (const other of others) await world.time.settled(other.loaded);
    await world.time.advance(10_000);
    theirs.update({ title: 'theirs' });
    await world.time.advance(1_000);
    ada.connect();
    await world.untilSynced();
    expect(told[0]).toEqual([{ type: 'conflict', document: 'notes', path: ['title'], mine: 'mine', theirs: 'theirs' }]);
  });

  test('is told with both values, once, to who lost what was not synced', async () => {
    const { world, ada, bob, mine, theirs, tree, node, told } = await setUp();
    mine.update({ title: 'mine', other: 'same', done: undefined, deep: { a: 2 } });
    mine.update((draft) => {
      draft.list?.splice(1, 1, 'mine');
    });
    tree.update(node, { name: 'mine' });
    mine.update({ title: 'mine too' });
    await world.time.advance(100);
    theirs.update({ title: 'theirs', other: 'same', done: false, deep: { a: 3 } });
    theirs.update((draft) => {
      draft.list?.unshift('new');
    });
    bob.tree<{ name?: string }>('notes').update(node, { name: 'theirs' });
    await world.untilSynced(bob);
    ada.connect();
    await world.untilSynced();
    await world.time.until(() => JSON.stringify(mine.value) === JSON.stringify(theirs.value));
    await world.time.advance(1_000);
    const places = told[0].map(({ path, mine: own, theirs: other }) => [path, own, other]);
    expect(places).toEqual([
      [['title'], 'mine too', 'theirs'],
      [['done'], undefined, false],
      [['deep', 'a'], 2, 3],
      [['tree', node, 'name'], 'mine', 'theirs'],
    ]);
    expect(told[0][0]).toMatchObject({ type: 'conflict', document: 'notes' });
    expect(told[1]).toEqual([]);
    mine.update({ title: 'again' });
    await world.untilSynced();
    expect(told[0]).toHaveLength(4);
  });

  test('is none where one’s own wins, where both survive, and where what is there is equal', async () => {
    const { world, ada, bob, mine, theirs, told } = await setUp();
    const [text, count] = [ada.text('notes', 'body'), ada.counter('notes', 'n')];
    bob.text('notes', 'body').insert(0, 'theirs');
    bob.counter('notes', 'n').increment(5);
    theirs.update({ title: 'theirs', deep: { b: 7 }, other: 'equal' });
    theirs.update((draft) => {
      draft.list?.push('theirs');
    });
    await world.time.advance(100);
    text.insert(0, 'mine');
    count.increment();
    mine.update({ title: 'mine', deep: { a: 9 }, other: 'equal' });
    mine.update((draft) => {
      draft.list?.push('mine');
    });
    ada.connect();
    await world.untilSynced();
    await world.time.until(() => JSON.stringify(mine.value) === JSON.stringify(theirs.value));
    expect(mine.value).toMatchObject({ title: 'mine', deep: { a: 9, b: 7 }, n: 6 });
    expect(told).toEqual([[], []]);
  });

  test('is told of what is removed together with what it is in', async () => {
    const { world, ada, bob, mine, theirs, told } = await setUp();
    mine.update({ deep: { b: 5 } });
    await world.time.advance(100);
    theirs.update((draft) => {
      draft.list?.unshift('new');
      delete draft.deep;
    });
    await world.untilSynced(bob);
    ada.connect();
    await world.untilSynced();
    await world.time.until(() => JSON.stringify(mine.value) === JSON.stringify(theirs.value));
    const places = told[0].map(({ path, mine: own, theirs: other }) => [path, own, other]);
    expect(places).toEqual([[['deep', 'b'], 5, undefined]]);
  });

  test('is told after a reload as well, and where storage was slow to take what was written', async () => {
    const { world, storage, ada, bob, mine, theirs } = await setUp();
    mine.update({ title: 'mine' });
    await world.time.settled(ada.close());
    await world.time.advance(100);
    theirs.update({ title: 'theirs' });
    await world.untilSynced(bob);
    const slow = new ControlledStorage(storage);
    const again = world.client(slow);
    const told = conflictsOf(again);
    const now = again.document<Notes>('notes');
    await world.untilSynced(bob, again);
    await world.time.until(() => told.length > 0);
    expect(now.value?.title).toBe('theirs');
    expect(told).toMatchObject([{ path: ['title'], mine: 'mine', theirs: 'theirs' }]);

    slow.hold();
    now.update({ other: 'late' });
    await world.time.advance(50);
    theirs.update({ other: 'later' });
    await world.time.until(() => now.value?.other === 'later');
    slow.release();
    await world.untilSynced(bob, again);
    expect(told).toHaveLength(2);
    expect(told[1]).toMatchObject({ path: ['other'], mine: 'late', theirs: 'later' });
  });

  test('is told of the first write to a document as well', async () => {
    const world = await World.create();
    const slow = new ControlledStorage(new MemoryStorage());
    const [ada, bob] = [world.client(slow), world.client()];
    const [mine, theirs] = [ada.document<Notes>('notes'), bob.document<Notes>('notes')];
    await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
    await world.untilSynced();
    const told = conflictsOf(ada);
    slow.hold();
    mine.update({ title: 'mine' });
    await world.time.advance(50);
    theirs.update({ title: 'theirs' });
    await world.time.until(() => mine.value?.title === 'theirs');
    expect(told).toEqual([]);
    slow.release();
    await world.untilSynced();
    expect(told).toMatchObject([{ path: ['title'], mine: 'mine', theirs: 'theirs' }]);
  });

  test('is none between tabs of one device, and each tab is told of its own', async () => {
    const world = await World.create();
    const [device, storage] = [new VirtualDevice(world.time), new MemoryStorage({ shared: true })];
    const [left, right] = [world.client(storage, {}, device.tab()), world.client(storage, {}, device.tab())];
    const bob = world.client();
    const [a, b, theirs] = [left, right, bob].map((client) => client.document<Notes>('notes')) as [
      ReturnType<typeof left.document<Notes>>,
      ReturnType<typeof left.document<Notes>>,
      ReturnType<typeof left.document<Notes>>,
    ];
    await world.time.settled(Promise.all([a.loaded, b.loaded, theirs.loaded]));
    a.update({ title: 'first' });
    await world.untilSynced();
    const told = [left, right].map(conflictsOf);
    left.disconnect();
    right.disconnect();
    await world.time.advance(100);
    a.update({ title: 'a' });
    await world.time.until(() => b.value?.title === 'a');
    b.update({ title: 'b' });
    b.update({ other: 'b' });
    await world.time.until(() => a.value?.other === 'b');
    expect(told).toEqual([[], []]);
    await world.time.advance(100);
    theirs.update({ other: 'theirs' });
    await world.untilSynced(bob);
    left.connect();
    await world.time.until(() => [a, b].every(({ value }) => value?.other === 'theirs'));
    await world.time.advance(1_000);
    expect(told[0]).toEqual([]);
    expect(told[1]).toMatchObject([{ path: ['other'], mine: 'b', theirs: 'theirs' }]);
  });

  test('of a list’s element is told where the element stands', async () => {
    const now = (): number => 1_000;
    const mine = new Replica({ agent: 1n, now });
    for (const value of ['a', 'b']) mine.list('list').push(value);
    const theirs = Replica.load(mine.encodeSnapshot(), { agent: 2n, now: () => 2_000 });
    while (mine.takeUpdate() !== undefined);
    mine.list('list').set(1, 'mine');
    const own = mine.takeUpdate() as Uint8Array;
    theirs.list('list').insert(0, 'new');
    theirs.list('list').set(2, 'theirs');
    const update = theirs.takeUpdate() as Uint8Array;
    const conflicts = new Conflicts();
    conflicts.add(own, false);
    const slots = conflicts.before(mine, [update], () => true);
    mine.applyUpdate(update);
    expect(conflicts.after(mine, [update], slots)).toEqual([{ path: ['list', 1], mine: 'mine', theirs: 'theirs' }]);
    expect(conflicts.late(mine, [own])).toEqual([{ path: ['list', 2], mine: 'mine', theirs: 'theirs' }]);
  });

  test('is told of a list that is gone with the object it was in, though another list is in its place', async () => {
    await World.create();
    const mine = new Replica({ agent: 1n, now: () => 1_000 });
    mine.root.create('page', 'map').set('title', 'first');
    const theirs = Replica.load(mine.encodeSnapshot(), { agent: 2n, now: () => 2_000 });
    while (mine.takeUpdate() !== undefined);
    mine.map('page').list('items').push('mine');
    mine.list('both').push('mine');
    theirs.root.create('page', 'map').list('items').push('theirs');
    theirs.list('both').push('theirs');
    const [own, update] = [mine.takeUpdate() as Uint8Array, theirs.takeUpdate() as Uint8Array];
    const conflicts = new Conflicts();
    conflicts.add(own, false);
    const slots = conflicts.before(mine, [update], () => true);
    mine.applyUpdate(update);
    expect(mine.toJSON()).toMatchObject({ page: { items: ['theirs'] }, both: { length: 2 } });
    const lost = { path: ['page', 'items'], mine: ['mine'], theirs: ['theirs'] };
    expect(conflicts.after(mine, [update], slots)).toEqual([lost]);
  });

  test('is looked for at the places that an update reaches alone, however large the document is', async () => {
    await World.create();
    const mine = new Replica({ agent: 1n, now: () => 1_000 });
    mine.root.set('title', 'first');
    const theirs = Replica.load(mine.encodeSnapshot(), { agent: 2n, now: () => 2_000 });
    while (mine.takeUpdate() !== undefined);
    mine.root.set('title', 'mine');
    mine.map('kept').set('a', 1);
    const own = mine.takeUpdate() as Uint8Array;
    const conflicts = new Conflicts();
    conflicts.add(own, false);
    // Whatever makes plain values of a container.
    const reads = vi.spyOn(ContainerHandle.prototype as unknown as { content(empty: Plain): Plain }, 'content');
    const join = (update: Uint8Array): unknown => {
      const slots = conflicts.before(mine, [update], () => true);
      mine.applyUpdate(update);
      return conflicts.after(mine, [update], slots);
    };
    theirs.root.set('other', 1);
    expect(join(theirs.takeUpdate() as Uint8Array)).toEqual([]);
    theirs.root.set('title', 'theirs');
    expect(join(theirs.takeUpdate() as Uint8Array)).toEqual([{ path: ['title'], mine: 'mine', theirs: 'theirs' }]);
    expect(conflicts.late(mine, [own])).toHaveLength(1);
    expect(reads).not.toHaveBeenCalled();
    reads.mockRestore();
  });

  test('is none where who wrote over it had seen it', async () => {
    await World.create();
    const now = (): number => 1_000;
    const [mine, theirs] = [new Replica({ agent: 1n, now }), new Replica({ agent: 2n, now })];
    mine.root.set('title', 'mine');
    const own = mine.takeUpdate() as Uint8Array;
    const blind = new Replica({ agent: 3n, now: () => 2_000 });
    blind.root.set('title', 'blind');
    theirs.applyUpdate(own);
    theirs.root.set('title', 'theirs');
    for (const [from, count] of [
      [theirs, 0],
      [blind, 1],
    ] as const) {
      const conflicts = new Conflicts();
      conflicts.add(own, false);
      const replica = Replica.load(mine.encodeSnapshot(), { now });
      const update = from.takeUpdate() as Uint8Array;
      const slots = conflicts.before(replica, [update], () => true);
      replica.applyUpdate(update);
      expect(conflicts.after(replica, [update], slots)).toHaveLength(count);
      expect(conflicts.before(replica, [], () => true)).toEqual([]);
      replica.free();
    }
  });
});

describe('what is pending of a document', () => {
  test('is told by its handles, from the write to the server’s word, through a reload', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const first = world.client(storage, { connect: false });
    const [text, other] = [first.text('notes'), first.text('other')];
    await world.time.settled(Promise.all([text.loaded, other.loaded]));
    const seen: number[] = [];
    text.subscribePending(() => seen.push(text.pending));
    expect([text.pending, text.oldestPendingAt]).toEqual([0, undefined]);
    const at_ms = world.time.now();
    const receipt = text.insert(0, 'a');
    expect([text.pending, text.oldestPendingAt, other.pending]).toEqual([1, at_ms, 0]);
    await world.time.settled(receipt.durable);
    text.insert(1, 'b');
    await world.time.advance(100);
    expect([text.pending, other.pending, first.status.sync.pending]).toEqual([2, 0, 2]);
    expect(new Set(seen)).toEqual(new Set([1, 2]));
    await world.time.settled(first.close());

    const second = world.client(storage, { connect: false });
    const again = second.document('notes');
    await world.time.settled(again.loaded);
    expect(again.pending).toBe(2);
    const counts: number[] = [];
    again.subscribePending(() => counts.push(again.pending));
    second.connect();
    await world.untilSynced(second);
    await world.time.advance(100);
    expect([again.pending, again.oldestPendingAt, counts.at(-1)]).toEqual([0, undefined, 0]);
  });
});
