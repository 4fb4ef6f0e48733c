// Many open documents: those that nobody uses rest in the engine, and nobody notices.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { Replica } from './core/index.ts';
import { MemoryStorage } from './storage/memory.ts';
import { World } from './testing/world.ts';

interface Fields {
  readonly own?: number;
  readonly other?: string;
}

const ids = Array.from({ length: 90 }, (_, index) => `many/${index}`);
/** See `AwakeDocuments`. */
const awakeLimit = 64;

afterEach(() => {
  vi.restoreAllMocks();
});

describe('many open documents', () => {
  test('rest in the engine, and take in what comes for them', async () => {
    const world = await World.create();
    const other = world.client();
    const theirs = ids.map((id) => other.document<Fields>(id));
    await Promise.all(theirs.map((document) => world.time.settled(document.update({ other: 'before' }).synced)));

    const free = vi.spyOn(Replica.prototype, 'free');
    const client = world.client();
    const ours = ids.map((id) => client.document<Fields>(id));
    await Promise.all(ours.map((document) => world.time.settled(document.loaded)));
    await world.time.advance(1_000);
    expect(ours.every(({ value }) => value?.other === 'before')).toBe(true);
    expect(free.mock.calls.length).toBeGreaterThanOrEqual(ids.length - awakeLimit);

    for (const document of theirs) document.update({ other: 'after' });
    await world.time.advance(1_000);
    expect(ours.map(({ value }) => value?.other)).toEqual(ids.map(() => 'after'));
  });

  test('write and sync from rest, also what was written offline', async () => {
    const world = await World.create();
    const client = world.client();
    const ours = ids.map((id) => client.document<Fields>(id));
    await Promise.all(ours.map((document) => world.time.settled(document.loaded)));
    await world.untilSynced();
    client.disconnect();
    const receipts = ours.map((document, own) => document.update({ own }));
    await world.time.advance(100);
    expect(client.status.sync.pending).toBe(ids.length);
    client.connect();
    await Promise.all(receipts.map((receipt) => world.time.settled(receipt.synced)));
    expect(client.status.sync.pending).toBe(0);

    const other = world.client();
    const theirs = ids.map((id) => other.document<Fields>(id));
    await Promise.all(theirs.map((document) => world.time.settled(document.loaded)));
    await world.time.advance(1_000);
    expect(theirs.map(({ value }) => value?.own)).toEqual(ids.map((_, own) => own));
  });

  test('rest with what an earlier session has left unsynced, and send it', async () => {
    const world = await World.create();
    const storage = await left(world);

    const free = vi.spyOn(Replica.prototype, 'free');
    const client = world.client(storage, { connect: false });
    const ours = ids.map((id) => client.document<Fields>(id));
    await Promise.all(ours.map((document) => world.time.settled(document.loaded)));
    await world.time.advance(1_000);
    expect(free.mock.calls.length).toBeGreaterThanOrEqual(ids.length - awakeLimit);
    expect(client.status.sync.pending).toBe(ids.length);
    const [oldest] = ours;
    const more = oldest?.update({ other: 'more' });
    client.connect();
    await world.untilSynced(client);
    expect(client.status.sync.pending).toBe(0);
    expect(more?.state).toBe('synced');

    const other = world.client();
    const theirs = ids.map((id) => other.document<Fields>(id));
    await Promise.all(theirs.map((document) => world.time.settled(document.loaded)));
    await world.time.advance(1_000);
    expect(theirs.map(({ value }) => value?.own)).toEqual(ids.map((_, own) => own));
  });

  test.each([
    ['nobody wants to send', false],
    ['there is no network', true],
  ])('stay closed but for a few where an earlier session has left them and %s', async (_, connect) => {
    const world = await World.create();
    const storage = await left(world);
    const joins = vi.spyOn(Replica.prototype, 'applyUpdates');
    world.network.reachable = !connect;
    const client = world.client(storage, { connect });
    await world.time.until(() => client.status.sync.pending === ids.length);
    await world.time.advance(1_000);
    expect(joins).toHaveBeenCalledTimes(awakeLimit);
    world.network.reachable = true;
    client.connect();
    await world.untilSynced(client);
    expect(ids.every((id) => world.server.log(id).length === 1)).toBe(true);
  });

  test('have no replica for the app before it looks at them', async () => {
    const world = await World.create();
    const storage = await left(world);
    const client = world.client(storage, { connect: false });
    const joins = vi.spyOn(Replica.prototype, 'applyUpdates');
    const ours = ids.map((id) => client.document<Fields>(id));
    await Promise.all(ours.map((document) => world.time.settled(document.loaded)));
    // The engine's own.
    expect(joins).toHaveBeenCalledTimes(ids.length);
    const told = vi.fn();
    for (const document of ours) document.subscribe(told);
    expect(ours.map(({ value }) => value?.own)).toEqual(ids.map((_, own) => own));
    expect(joins).toHaveBeenCalledTimes(2 * ids.length);
    // Looking at it is no change.
    await world.time.advance(1_000);
    expect(told).not.toHaveBeenCalled();
  });
});

/** Documents that an earlier session has left, which nobody has opened since. */
async function left(world: World): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  const earlier = world.client(storage, { connect: false });
  const written = ids.map((id, own) => earlier.document<Fields>(id).update({ own }));
  await Promise.all(written.map((receipt) => world.time.settled(receipt.durable)));
  await world.time.settled(earlier.close());
  return storage;
}
