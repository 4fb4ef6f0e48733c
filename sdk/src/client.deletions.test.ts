// Deleted documents on virtual time: what is left of them on devices, and who hears of it. Deletions as lists show them are
// in `client.spaces.test.ts`.

import { JoineryError } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import type { Client } from './client.ts';
import { MemoryStorage } from './storage/memory.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';

/** The documents that the client has heard are deleted, as often as it heard it. */
function heard(client: Client): string[] {
  const documents: string[] = [];
  client.subscribeEvents((event) => {
    if (event.type === 'document-deleted') documents.push(event.document);
  });
  return documents;
}

describe('what is stored of a deleted document', () => {
  test('is gone, whoever has it open', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const client = world.client(storage);
    const notes = client.counter('notes');
    await world.time.settled(notes.increment().synced);
    await world.time.settled(world.client().deleteDocument('notes').synced);
    await world.time.until(() => notes.value === 0, 5_000);
    await world.time.settled(client.close());
    const offline = world.client(storage, { connect: false });
    const again = offline.counter('notes');
    await world.time.settled(again.loaded);
    expect(again.value).toBe(0);
  });

  test('is gone when nobody has it open, and the server has a backup that holds less', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    world.server.backup();
    const client = world.client(storage);
    const notes = client.counter('notes');
    await world.time.settled(notes.increment().synced);
    notes.close();
    await world.time.advance(2_000);
    await world.time.settled(client.deleteDocument('notes').synced);
    await world.time.advance(2_000);
    await world.time.settled(client.close());
    const again = world.client(storage, { connect: false }).counter('notes');
    await world.time.settled(again.loaded);
    expect(again.value).toBe(0);
  });

  test('and was never sent is rejected, also where it is not yet loaded', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const first = world.client(storage, { connect: false });
    await world.time.settled(first.counter('notes').increment().durable);
    await world.time.settled(first.close());
    await world.time.settled(world.client().deleteDocument('notes').synced);
    const client = world.client(storage);
    await world.time.until(() => client.rejected.entries.length === 1, 5_000);
    await world.time.until(() => client.status.sync.state === 'idle', 5_000);
  });
});

describe('whoever opens a deleted document', () => {
  test('hears that it is, though the tab that leads has heard it before', async () => {
    const world = await World.create();
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const [leader, follower] = [0, 1].map(() => world.client(storage, {}, device.tab())) as [Client, Client];
    await world.time.advance(500);
    const open = leader.counter('notes');
    await world.time.settled(open.increment().synced);
    await world.time.settled(world.client().deleteDocument('notes').synced);
    await world.time.advance(2_000);
    const events = [heard(leader), heard(follower)];
    const late = follower.counter('notes');
    await world.time.until(() => events[1]?.includes('notes') === true, 5_000);
    expect(() => late.increment()).toThrow(expect.objectContaining({ code: 'document-deleted' }));
    open.close();
    await world.time.advance(1_000);
    leader.counter('notes');
    await world.time.until(() => events[0]?.includes('notes') === true, 5_000);
  });

  test('has rejected what was written before that was heard', async () => {
    const world = await World.create();
    const device = new VirtualDevice(world.time);
    const storage = new MemoryStorage({ shared: true });
    const [leader, follower] = [0, 1].map(() => world.client(storage, {}, device.tab())) as [Client, Client];
    await world.time.advance(500);
    await world.time.settled(leader.counter('notes').increment().synced);
    await world.time.settled(world.client().deleteDocument('notes').synced);
    await world.time.advance(2_000);
    const receipt = follower.counter('notes').increment();
    await expect(world.time.settled(receipt.synced)).rejects.toMatchObject({ code: 'document-deleted' });
    await world.time.until(() => leader.status.sync.pending + follower.status.sync.pending === 0, 5_000);
  });

  test('may delete it again, and is told that it is', async () => {
    const world = await World.create();
    const client = world.client();
    await world.time.settled(client.counter('notes').increment().synced);
    await world.time.settled(world.client().deleteDocument('notes').synced);
    await world.time.advance(1_000);
    await world.time.settled(client.deleteDocument('notes').synced);
  });
});

test('two tabs that don’t know of each other keep the deletions of both', async () => {
  const world = await World.create();
  const storage = new MemoryStorage();
  const tabs = [0, 1].map(() => world.client(storage, { connect: false })) as [Client, Client];
  for (const [index, tab] of tabs.entries()) {
    await world.time.settled(tab.counter(`todo/${index}`).increment().durable);
    await world.time.settled(tab.deleteDocument(`todo/${index}`).durable);
  }
  for (const tab of tabs) await world.time.settled(tab.close());
  const next = world.client(storage);
  const events = heard(next);
  await world.time.until(() => events.includes('todo/0') && events.includes('todo/1'), 5_000);
});

test('a deletion that was kept is asked for though storage could not be read when the tab began', async () => {
  const world = await World.create();
  await world.time.settled(world.client().counter('notes').increment().synced);
  const storage = new ControlledStorage(new MemoryStorage());
  const first = world.client(storage, { connect: false });
  await world.time.settled(first.deleteDocument('notes').durable);
  await world.time.settled(first.close());
  storage.failure = new JoineryError('storage-failed', 'The disk is away.');
  const next = world.client(storage);
  const events = heard(next);
  await world.time.advance(5_000);
  expect(events).toEqual([]);
  storage.failure = undefined;
  await world.time.until(() => events.includes('notes'), 5_000);
});

test('a deletion that is done is not asked for again, though storage could not take that it is', async () => {
  const world = await World.create();
  const writer = world.client();
  await world.time.settled(writer.counter('notes').increment().synced);
  await world.time.settled(writer.close());
  const backup = world.server.backup();
  const storage = new ControlledStorage(new MemoryStorage());
  const first = world.client(storage, { connect: false });
  const deletion = first.deleteDocument('notes');
  await world.time.settled(deletion.durable);
  storage.failure = new JoineryError('storage-full', 'The disk is full.');
  first.connect();
  await world.time.settled(deletion.synced);
  storage.failure = undefined;
  await world.time.advance(5_000);
  await world.time.settled(first.close());
  world.server.restore(backup);
  const next = world.client(storage);
  const events = heard(next);
  const notes = next.counter('notes');
  await world.time.until(() => notes.value === 1, 10_000);
  await world.time.advance(5_000);
  expect(events).toEqual([]);
  expect(notes.value).toBe(1);
});
