// Several tabs of one device: one of them has the session, all of them write, and every one shows the truth. On virtual time.

import { describe, expect, test } from 'vitest';
import type { Client } from './client.ts';
import type { Receipt } from './documents/receipt.ts';
import type { TextDocument } from './documents/text.ts';
import { MemoryStorage } from './storage/memory.ts';
import type { Storage } from './storage/storage.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice, type VirtualTab } from './testing/virtual-device.ts';
import { World, type WorldOptions } from './testing/world.ts';
import type { Link, Transport } from './transport/transport.ts';

interface Tab {
  readonly environment: VirtualTab;
  readonly client: Client;
  readonly text: TextDocument;
  /** Its connections, which end with it. */
  readonly links: Set<Link>;
}

/** A device with some tabs that all have `notes` open. */
class Tabs {
  readonly world: World;
  readonly device: VirtualDevice;
  readonly storage = new MemoryStorage({ shared: true });
  readonly all: Tab[] = [];

  private constructor(world: World, locks: boolean) {
    this.world = world;
    this.device = new VirtualDevice(world.time, { locks });
  }

  static async create(count: number, options: WorldOptions & { connect?: boolean; locks?: boolean } = {}) {
    const tabs = new Tabs(await World.create(options), options.locks ?? true);
    for (let index = 0; index < count; index += 1) tabs.add(options.connect ?? true);
    await tabs.world.time.settled(Promise.all(tabs.all.map(({ text }) => text.loaded)));
    await tabs.world.time.advance(100);
    return tabs;
  }

  add(connect = true, storage: Storage = this.storage): Tab {
    const environment = this.device.tab();
    const links = new Set<Link>();
    const network = this.world.network.transport();
    const transport: Transport = {
      connect: (url, events) => {
        const link = network.connect(url, events);
        links.add(link);
        return link;
      },
    };
    const client = this.world.client(storage, { connect, transport }, environment);
    const tab = { environment, client, text: client.text('notes'), links };
    this.all.push(tab);
    return tab;
  }

  get time() {
    return this.world.time;
  }

  get leader(): Tab | undefined {
    const [lock = ''] = this.device.locks;
    return this.all.find(({ environment }) => environment === this.device.holder(lock));
  }

  get followers(): Tab[] {
    return this.all.filter((tab) => tab !== this.leader);
  }

  crash(tab: Tab): void {
    tab.environment.crash();
    for (const link of tab.links) link.close();
    this.all.splice(this.all.indexOf(tab), 1);
  }

  values(): string[] {
    return this.all.map(({ text }) => text.value);
  }
}

describe('one session', () => {
  test('serves every tab: what a follower writes is synced, and its receipt and status say so', async () => {
    const tabs = await Tabs.create(3);
    expect(tabs.world.server.connections).toBe(1);
    expect(tabs.all.map(({ client }) => client.status.connection.state)).toEqual(['online', 'online', 'online']);
    const [follower] = tabs.followers as [Tab];
    const receipt = follower.text.insert(0, 'from a follower');
    await tabs.time.until(() => receipt.state === 'durable', 1_000);
    expect(follower.client.status.sync.pending).toBe(1);
    await tabs.time.settled(receipt.synced, 1_000);
    await tabs.time.advance(200);
    expect(tabs.world.server.value('notes')).toEqual({ text: 'from a follower' });
    expect(tabs.values()).toEqual(tabs.all.map(() => 'from a follower'));
    for (const { client } of tabs.all) expect(client.status.sync).toEqual({ state: 'idle', pending: 0 });
    expect(tabs.world.server.connections).toBe(1);
  });

  test('brings to every tab what others write, also to a document that only a follower has open', async () => {
    const tabs = await Tabs.create(3);
    const other = tabs.world.client();
    const [follower] = tabs.followers as [Tab];
    const mine = follower.client.counter('visits');
    const theirs = other.counter('visits');
    const notes = other.text('notes');
    await tabs.time.settled(notes.loaded);
    theirs.increment(2);
    notes.insert(0, 'hello');
    await tabs.time.until(() => mine.value === 2 && tabs.values().every((value) => value === 'hello'), 2_000);
    mine.close();
    await tabs.time.advance(100);
    theirs.increment(2);
    await tabs.time.advance(1_000);
    const again = follower.client.counter('visits');
    await tabs.time.until(() => again.value === 4, 2_000);
  });

  test('counts in every tab what earlier sessions left unsynced', async () => {
    const tabs = await Tabs.create(2, { connect: false });
    const [first, second] = tabs.all as [Tab, Tab];
    const counter = first.client.counter('visits');
    counter.increment();
    await tabs.time.advance(1_000);
    expect(second.client.status.sync).toMatchObject({ state: 'pending', pending: 1 });
    first.client.connect();
    await tabs.world.untilSynced();
    expect(tabs.world.server.value('visits')).toEqual({ counter: 1 });
  });

  test('is there as long as one tab wants it', async () => {
    const tabs = await Tabs.create(2);
    const [leader, follower] = [tabs.leader as Tab, tabs.followers[0] as Tab];
    leader.client.disconnect();
    await tabs.time.advance(100);
    expect(tabs.world.server.connections).toBe(1);
    expect(leader.client.status.connection).toMatchObject({ state: 'online', paused: true });
    follower.client.disconnect();
    await tabs.time.advance(100);
    expect(tabs.world.server.connections).toBe(0);
    expect(follower.client.status.connection).toMatchObject({ state: 'offline', paused: true });
    follower.client.connect();
    await tabs.time.advance(200);
    expect(follower.client.status.connection.state).toBe('online');
    tabs.crash(follower);
    await tabs.time.advance(25_000);
    expect(tabs.world.server.connections).toBe(0);
  });
});

describe('edits', () => {
  test('of one tab show in the others at once, offline too, and cost one message each', async () => {
    const tabs = await Tabs.create(5, { connect: false });
    await tabs.time.advance(5_000);
    for (const [index, { text }] of tabs.all.entries()) {
      text.insert(text.length, `[${index}]`);
      await tabs.time.advance(50);
      expect(new Set(tabs.values()).size).toBe(1);
    }
    expect(tabs.values()[0]).toHaveLength(15);
    const before = tabs.device.posted;
    const [first] = tabs.all as [Tab];
    for (let index = 0; index < 500; index += 1) first.text.insert(0, 'x');
    await tabs.time.advance(50);
    expect(new Set(tabs.values()).size).toBe(1);
    expect(tabs.device.posted - before).toBeLessThan(20);
  });

  test('too large to be told are read from storage', async () => {
    const tabs = await Tabs.create(3);
    const large = 'The quick brown fox. '.repeat(14_000);
    const [follower] = tabs.followers as [Tab];
    const receipt = follower.text.insert(0, large);
    await tabs.time.settled(receipt.synced);
    await tabs.time.until(() => tabs.values().every((value) => value.length === large.length), 2_000);
  });

  test('are safe where every tab leads for want of locks', async () => {
    const tabs = await Tabs.create(3, { locks: false });
    expect(tabs.world.server.connections).toBe(3);
    await Promise.all(tabs.all.map(({ text }, index) => tabs.time.settled(text.insert(0, `[${index}]`).synced)));
    await tabs.world.untilSynced();
    await tabs.time.advance(100);
    expect(new Set(tabs.values()).size).toBe(1);
    expect(tabs.values()[0]).toHaveLength(9);
    expect(tabs.world.server.log('notes')).toHaveLength(3);
  });
});

describe('a leader', () => {
  test('that was not told what another one has synced finds it out', async () => {
    const world = await World.create();
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const [first, second] = [device.tab(), device.tab()];
    const leader = world.client(storage, { connect: false }, first);
    await world.time.advance(500);
    const follower = world.client(storage, { connect: false }, second);
    await world.time.advance(500);
    // More than it opens by itself while it can't send them.
    const ids = Array.from({ length: 70 }, (_, index) => `only-here/${index}`);
    await Promise.all(ids.map((id) => world.time.settled(leader.document(id).update({ x: 1 }).durable)));
    await world.time.advance(500);
    expect(follower.status.sync.pending).toBe(ids.length);
    second.deaf = true;
    leader.connect();
    await world.time.until(() => leader.status.sync.pending === 0);
    await world.time.settled(leader.close());
    second.deaf = false;
    await world.time.advance(20_000);
    expect(follower.status.sync.pending).toBe(0);
    await world.time.settled(follower.signOut());
  });

  test('that is killed is replaced within a second, again and again, and nothing is lost or doubled', async () => {
    const tabs = await Tabs.create(3, { loss: 0.02 });
    let written = 0;
    for (let round = 0; round < 20; round += 1) {
      for (const { text } of tabs.all) {
        const receipt = text.insert(text.length, '.');
        await tabs.time.settled(receipt.durable);
        written += 1;
      }
      tabs.crash(tabs.leader as Tab);
      const tab = tabs.add();
      const states = () => tabs.all.map(({ client }) => client.status.connection.state);
      await tabs.time.settled(tab.text.loaded);
      await tabs.time.until(() => states().includes('online') || states().includes('connecting'), 1_000);
    }
    await tabs.world.untilSynced(...tabs.all.map(({ client }) => client));
    await tabs.time.advance(1_000);
    expect(tabs.world.server.value('notes')).toEqual({ text: '.'.repeat(written) });
    expect(new Set(tabs.values())).toEqual(new Set(['.'.repeat(written)]));
  });

  test('that dies before it hears of an acknowledgement: the next one asks again', async () => {
    const tabs = await Tabs.create(2);
    const [leader, follower] = [tabs.leader as Tab, tabs.followers[0] as Tab];
    const receipt = follower.text.insert(0, 'x');
    await tabs.time.until(() => tabs.world.server.log('notes').length === 1, 1_000);
    tabs.crash(leader);
    await tabs.time.settled(receipt.synced, 2_000);
    await tabs.time.advance(500);
    expect(follower.client.status.sync).toEqual({ state: 'idle', pending: 0 });
    expect(tabs.world.server.log('notes')).toHaveLength(1);
  });

  test.each([2, 3])(
    'of %i that dies with an acknowledgement that only storage knows: the next one tells it',
    async (count) => {
      const tabs = await Tabs.create(count);
      const [leader, follower] = [tabs.leader as Tab, tabs.followers[count - 2] as Tab];
      const receipt = follower.text.insert(0, 'x');
      await tabs.time.settled(receipt.durable);
      follower.environment.deaf = true;
      await tabs.time.until(() => tabs.world.server.log('notes').length === 1, 1_000);
      await tabs.time.advance(1_000);
      expect(receipt.state).toBe('durable');
      tabs.world.server.crash();
      follower.environment.deaf = false;
      tabs.crash(leader);
      await tabs.time.settled(receipt.synced, 2_000);
      await tabs.time.advance(500);
      expect(follower.client.status.sync).toEqual({ state: 'idle', pending: 0 });
    },
  );

  test('that freezes is replaced within five seconds; thawed, it follows and has missed nothing', async () => {
    const tabs = await Tabs.create(3);
    const frozen = tabs.leader as Tab;
    const [follower] = tabs.followers as [Tab];
    frozen.environment.freeze();
    const receipt = follower.text.insert(0, 'meanwhile');
    await tabs.time.settled(receipt.synced, 6_000);
    expect(tabs.leader).not.toBe(frozen);
    await tabs.time.advance(30_000);
    frozen.environment.thaw();
    await tabs.time.until(() => frozen.text.value === 'meanwhile', 1_000);
    const late = frozen.text.insert(0, 'later, ');
    await tabs.time.settled(late.synced, 2_000);
    await tabs.time.advance(100);
    expect(new Set(tabs.values())).toEqual(new Set(['later, meanwhile']));
    expect(tabs.world.server.connections).toBe(1);
    for (const { client } of tabs.all) expect(client.status).toMatchObject({ sync: { state: 'idle', pending: 0 } });
  });

  test('that closes hands over at once', async () => {
    const tabs = await Tabs.create(2);
    const [leader, follower] = [tabs.leader as Tab, tabs.followers[0] as Tab];
    await tabs.time.settled(leader.client.close());
    tabs.all.splice(tabs.all.indexOf(leader), 1);
    await tabs.time.settled(follower.text.insert(0, 'x').synced, 1_000);
    expect(tabs.leader).toBe(follower);
  });
});

test('one forbidden write of many that two tabs made offline: the rest is synced, and all tabs agree', async () => {
  const tabs = await Tabs.create(3, { connect: false, server: { accept: forbidden } });
  const maps = tabs.all.map(({ client }) => client.document<Record<string, number>>('settings'));
  await tabs.time.settled(Promise.all(maps.map(({ loaded }) => loaded)));
  const receipts: Receipt[] = [];
  for (let index = 0; index < 40; index += 1) {
    const receipt = maps[index % 3]?.update({ [index === 20 ? 'forbidden' : `key${index}`]: index });
    if (receipt !== undefined) receipts.push(receipt);
    await tabs.time.advance(20);
  }
  const ends = Promise.allSettled(receipts.map(({ synced }) => synced));
  for (const { client } of tabs.all) client.connect();
  const results = await tabs.time.settled(ends);
  await tabs.time.advance(1_000);
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  expect(results[20]).toMatchObject({ status: 'rejected', reason: { code: 'forbidden' } });
  const expected = tabs.world.server.value('settings');
  expect(Object.keys(expected)).toHaveLength(39);
  for (const map of maps) expect(map.value).toEqual(expected);
  for (const { client } of tabs.all) {
    expect(client.rejected.entries.map(({ document }) => document)).toEqual(['settings']);
    expect(client.status.sync).toMatchObject({ pending: 0 });
  }
});

/** Refuses what names the key. */
function forbidden({ bytes }: { readonly bytes: Uint8Array }): string | undefined {
  return new TextDecoder().decode(bytes).includes('forbidden') ? 'forbidden' : undefined;
}

test('a reload storm is a bounded number of messages, and ends with one leader', async () => {
  const tabs = await Tabs.create(5);
  const before = tabs.device.posted;
  for (let round = 0; round < 10; round += 1) {
    for (const tab of [...tabs.all]) {
      tab.text.insert(0, '.');
      tabs.crash(tab);
      tabs.add();
      await tabs.time.advance(20);
    }
  }
  await tabs.time.advance(1_000);
  const messages = tabs.device.posted - before;
  expect(messages).toBeLessThan(50 * 5 * 8);
  await tabs.world.untilSynced(...tabs.all.map(({ client }) => client));
  expect(tabs.world.server.connections).toBe(1);
  expect(new Set(tabs.values()).size).toBe(1);
});

test('a rejected write, and its being discarded or written again, is told to tabs that never opened the document', async () => {
  let refuses = true;
  const accept: typeof forbidden = (envelope) => (refuses ? forbidden(envelope) : undefined);
  const tabs = await Tabs.create(3, { server: { accept } });
  const lists = tabs.all.map(({ client }) => client.rejected);
  const lengths = () => lists.map(({ entries }) => entries.length);
  const [writer] = tabs.followers as [Tab];
  const settings = writer.client.document<Record<string, number>>('settings');
  await tabs.time.settled(settings.loaded);
  for (const value of [1, 2]) {
    settings.update({ forbidden: value });
    await tabs.time.until(() => lengths().every((length) => length === value));
  }
  lists[0]?.discard(lists[0].entries[0]?.id ?? '');
  await tabs.time.until(() => lengths().every((length) => length === 1));
  refuses = false;
  const again = await tabs.time.settled(lists[1]?.retry(lists[1].entries[0]?.id ?? '') ?? Promise.reject());
  await tabs.time.settled(again.synced);
  await tabs.time.until(() => lengths().every((length) => length === 0));
  expect(tabs.world.server.value('settings')).toEqual({ forbidden: 2 });
});

test('damage that a follower finds is made good by the leader, and the follower learns what is synced', async () => {
  const tabs = await Tabs.create(1);
  const [leader] = tabs.all as [Tab];
  leader.text.insert(0, 'synced');
  await tabs.world.untilSynced();
  await tabs.time.advance(1_000);
  const area = tabs.storage.area({ server: 'ws://server/sync', user: '', name: 'default' });
  const stored = area.documents.get('notes');
  const state = stored?.state;
  if (stored === undefined || state === undefined) throw new Error('Expected a stored document.');
  // What the server has is known nowhere but in the leader's memory now.
  state[state.length - 1] = (state.at(-1) ?? 0) ^ 1;
  const follower = tabs.add();
  await tabs.time.until(() => follower.text.value === 'synced', 1_000);
  await tabs.time.until(() => follower.client.status.sync.state === 'idle', 1_000);
  expect(follower.client.status.sync).toMatchObject({ state: 'idle', pending: 0 });
  // And it is stored again: the next tab finds it there, though nobody leads.
  await tabs.time.advance(1_000);
  for (const tab of [...tabs.all]) tabs.crash(tab);
  const last = tabs.add(false);
  await tabs.time.settled(last.text.loaded);
  expect([last.text.value, last.client.status.sync.pending]).toEqual(['synced', 0]);
});

test('damage that a tab set aside without living to tell of it is made good for the tabs that come after it', async () => {
  const tabs = await Tabs.create(1);
  const [leader] = tabs.all as [Tab];
  leader.text.insert(0, 'synced');
  await tabs.world.untilSynced();
  await tabs.time.advance(1_000);
  const namespace = { server: 'ws://server/sync', user: '', name: 'default' };
  const [record] = tabs.storage.area(namespace).documents.get('notes')?.log.values() ?? [];
  if (record === undefined) throw new Error('Expected a stored envelope.');
  record[record.length - 1] = (record.at(-1) ?? 0) ^ 1;
  // The leader has all of it in memory, and no reason to read.
  const { damaged } = await (await tabs.storage.open(namespace)).load('notes');
  expect(damaged).toMatchObject([{ area: 'log' }]);
  const follower = tabs.add();
  await tabs.time.until(() => follower.text.value === 'synced', 1_000);
  expect(follower.client.status.sync).toMatchObject({ state: 'idle', pending: 0 });
});

test('an envelope that is told before what it rests on, and stored after that was read, reaches the app', async () => {
  const tabs = await Tabs.create(2);
  const [follower] = tabs.followers as [Tab];
  const other = tabs.world.client();
  const notes = other.text('notes');
  await tabs.time.settled(notes.loaded);
  // The first message about it is lost with a full queue; what it told of is stored by the time of the next one.
  follower.environment.deaf = true;
  notes.insert(0, 'first');
  await tabs.time.until(() => tabs.leader?.text.value === 'first', 1_000);
  await tabs.time.advance(40);
  follower.environment.deaf = false;
  notes.insert(5, ' second');
  await tabs.time.until(() => follower.text.value === 'first second', 1_000);
});

test('what a leader sent while its storage failed is known to be synced by a tab that learns of it later', async () => {
  const tabs = await Tabs.create(0);
  const storage = new ControlledStorage(tabs.storage);
  const leader = tabs.add(true, storage);
  await tabs.time.settled(leader.text.loaded);
  leader.text.insert(0, 'stored');
  await tabs.world.untilSynced();
  storage.failure = new Error('broken');
  leader.text.insert(6, ' and sent');
  await tabs.time.until(() => tabs.world.server.value('notes')?.text === 'stored and sent', 1_000);
  await tabs.time.advance(100);
  const follower = tabs.add();
  await tabs.time.until(() => follower.text.value === 'stored', 1_000);
  await tabs.time.advance(1_000);
  storage.failure = undefined;
  await tabs.time.until(() => follower.text.value === 'stored and sent', 20_000);
  await tabs.time.advance(1_000);
  expect(follower.client.status.sync).toMatchObject({ state: 'idle', pending: 0 });
});

test('what a leader sent while its storage failed is synced where the next one knew of it before it was stored', async () => {
  const tabs = await Tabs.create(0);
  const { network, server } = tabs.world;
  const storage = new ControlledStorage(tabs.storage);
  const first = tabs.add(true, storage);
  await tabs.time.settled(first.text.loaded);
  first.text.insert(0, 'stored');
  await tabs.world.untilSynced();
  const next = tabs.add();
  await tabs.time.until(() => next.text.value === 'stored', 1_000);
  storage.failure = new Error('broken');
  const receipt = first.text.insert(6, ' and sent');
  await tabs.time.until(() => server.value('notes').text === 'stored and sent', 1_000);
  // The answer is lost, and the next leader has nothing yet when it is asked what the server has.
  network.reachable = false;
  network.cut();
  first.environment.freeze();
  await tabs.time.until(() => tabs.leader === next, 6_000);
  first.environment.thaw();
  await tabs.time.advance(100);
  first.environment.deaf = true;
  network.reachable = true;
  next.client.connect();
  await tabs.time.until(() => next.text.value === 'stored and sent', 1_000);
  await tabs.time.advance(10);
  first.environment.deaf = false;
  expect(receipt.state).toBe('local');
  storage.failure = undefined;
  await tabs.time.until(() => receipt.state === 'synced', 20_000);
  await tabs.time.advance(1_000);
  expect(tabs.leader).toBe(next);
  for (const { client } of tabs.all) expect(client.status.sync).toEqual({ state: 'idle', pending: 0 });
  expect(server.log('notes')).toHaveLength(2);
  // And storage knows it.
  const store = await tabs.storage.open({ server: 'ws://server/sync', user: '', name: 'default' });
  expect(await store.pending()).toEqual([]);
});

test('two tabs that come to lead at once take two terms, and storage has the higher one', async () => {
  const world = await World.create();
  const storage = new MemoryStorage({ shared: true });
  const slow = new ControlledStorage(storage);
  slow.hold();
  // Each has locks of its own, as when a lock is stolen from one that still leads.
  const clients = [1, 2, 3].map(() => world.client(slow, {}, new VirtualDevice(world.time).tab()));
  await world.time.advance(100);
  slow.release();
  await world.time.settled(Promise.all(clients.map((client) => client.text('notes').loaded)));
  await world.time.advance(1_000);
  const store = await storage.open({ server: 'ws://server/sync', user: '', name: 'default' });
  expect((await store.readValue('leader-term'))?.[0]).toBe(3);
});
