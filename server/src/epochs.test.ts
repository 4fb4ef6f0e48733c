/**
 * Epochs, deletions, backups and several servers on one storage: what a document goes through as a whole, and how its
 * clients come through it. The server's real logic, sessions and replicas, on virtual time.
 */

import { JoineryError } from '@joinery/protocol';
import { init, Replica } from 'joinery/core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { trimIdle_ms } from './documents/trimming.ts';
import { MemoryStorage } from './storage/memory.ts';
import type { VirtualClient } from './testing/virtual-client.ts';
import { type Node, rejection, VirtualWorld } from './testing/virtual-world.ts';

beforeAll(() => init());

let world: VirtualWorld;
let storage: MemoryStorage;
beforeEach(() => {
  world = new VirtualWorld(1);
  storage = new MemoryStorage({ epoch: 1_000 });
});

const set = (key: string, value: string) => (replica: Replica) => replica.map('m').set(key, value);
const add = (count: number) => (replica: Replica) => replica.counter('c').increment(count);
const type = (text: string) => (replica: Replica) => replica.text('t').insert(0, text);
const value = async (node: Node, document = 'notes') => (await node.documents.json(document))?.value;
const remove = (from: number, count: number) => (replica: Replica) => replica.text('t').delete(from, count);
const failures = (client: VirtualClient): string[] => client.seen('document-failed').map(({ error }) => error.code);

describe('a trim', () => {
  it('keeps the content, drops what was removed, and every client comes through with what it had not synced', async () => {
    const node = world.node(storage);
    const [online, offline] = [world.client(node).connect(), world.client(node).connect()];
    online.write(type('x'.repeat(5_000)));
    online.write(remove(0, 4_995));
    online.write(set('a', '1'));
    offline.write(add(1));
    await world.run(2_000);
    offline.disconnect();
    offline.write(add(10));
    const before = await node.documents.json('notes');
    expect(await node.documents.trim('notes')).toBe(true);
    const after = await node.documents.json('notes');
    expect(after?.value).toEqual(before?.value);
    expect(after?.epoch).toBeGreaterThan(before?.epoch ?? 0);
    expect(after?.position).toBe(1);
    online.write(add(100));
    offline.connect();
    await world.run(5_000);
    for (const client of [online, offline]) {
      expect([client.pending, client.swaps, client.rejected]).toEqual([0, 1, []]);
      expect(client.replica.toJSON()).toEqual({ t: 'xxxxx', m: { a: '1' }, c: 111 });
      const [bridge] = client.seen('bridge');
      expect(bridge?.epoch).toBe(before?.epoch);
      // The bridge and its agent lead to the first state of the new epoch.
      const last = Replica.load(bridge?.bytes ?? new Uint8Array(0), { now: () => 0, trustStamps: true });
      const first = Replica.load(last.trim(bridge?.agent ?? 0n), { now: () => 0, trustStamps: true });
      expect(client.replica.covers(first.version())).toBe(true);
    }
    expect(await value(node)).toEqual({ t: 'xxxxx', m: { a: '1' }, c: 111 });
  });

  it('is followed by others: a chain of epochs, and a server that starts anew', async () => {
    let node = world.node(storage);
    const client = world.client(node).connect();
    client.write(add(1));
    await world.run(1_000);
    client.disconnect();
    client.write(add(10));
    for (let round = 0; round < 3; round += 1) {
      expect(await node.documents.trim('notes')).toBe(true);
      const late = world.client(node).connect();
      late.write(add(100));
      await world.run(1_000);
      late.disconnect();
      await world.run(100);
      node.crash();
      node = world.node(storage);
    }
    client.node = node;
    client.connect();
    await world.run(5_000);
    expect(client.seen('bridge')).toHaveLength(3);
    expect(client.replica.toJSON()).toEqual({ c: 311 });
    expect(await value(node)).toEqual({ c: 311 });
  });

  it('of a document that was never written to does nothing', async () => {
    expect(await world.node(storage).documents.trim('notes')).toBe(false);
    expect((await storage.head('notes')).epoch).toBe(1_000);
  });

  it('waits for commits that are under way, and loses none', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      world = new VirtualWorld(seed);
      storage = new MemoryStorage({ epoch: 1_000 });
      const node = world.node(storage);
      const clients = [world.client(node).connect(), world.client(node).connect()];
      for (let round = 0; round < 12; round += 1) {
        for (const client of clients) client.write(add(1));
        if (round % 3 === 2) node.documents.trim('notes').catch((error) => world.reported.push(error));
        await world.run(world.random() * 50);
      }
      await world.run(20_000);
      expect([await value(node), world.reported], `seed ${seed}`).toEqual([{ c: 24 }, []]);
      for (const client of clients) expect([client.pending, client.replica.toJSON()]).toEqual([0, { c: 24 }]);
    }
  });

  it('waits for a backup that holds the document up to its head, where backups are made', async () => {
    const node = world.node(storage);
    const client = world.client(node).connect();
    client.write(add(1));
    await world.run(1_000);
    const backup = storage.backup();
    client.write(add(10));
    await world.run(1_000);
    const before = await storage.head('notes');
    await expect(node.documents.trim('notes')).rejects.toMatchObject({ code: 'not-backed-up', retryable: true });
    expect(await storage.head('notes')).toEqual(before);
    // What it would have taken from its author is still there to be brought back.
    node.crash();
    const restored = world.node(MemoryStorage.restore(backup, { epoch: world.environment().epoch() }));
    client.node = restored;
    await world.run(60_000);
    expect(await value(restored)).toEqual({ c: 11 });
  });

  it('goes on after the backup, and none needs another write', async () => {
    const node = world.node(storage);
    const client = world.client(node).connect();
    client.write(add(1));
    storage.backup();
    client.write(add(10));
    await world.run(1_000);
    await expect(node.documents.trim('notes')).rejects.toMatchObject({ code: 'not-backed-up' });
    storage.backup();
    // At once: nobody has heard of the backup yet.
    expect(await node.documents.trim('notes')).toBe(true);
    await expect(node.documents.trim('notes')).rejects.toMatchObject({ code: 'not-backed-up' });
    const backup = storage.backup();
    client.write(add(100));
    await world.run(2_000);
    node.crash();
    const restored = world.node(MemoryStorage.restore(backup, { epoch: world.environment().epoch() }));
    client.node = restored;
    await world.run(60_000);
    expect([await value(restored), client.pending]).toEqual([{ c: 111 }, 0]);
  });

  it.each([
    ['', false],
    [', and a backup holds the document, where backups are made', true],
  ])(
    'comes by itself when much is removed and nobody has been connected for a while%s',
    async (_, backsUp) => {
      if (backsUp) storage.backup();
      const node = world.node(storage);
      const client = world.client(node).connect();
      // Many places that are not next to each other, so that what is left of them can't be told in one run.
      for (let count = 0; count < 12_000; count += 1) client.write((replica) => replica.map(`m${count}`).set('a', 'b'));
      client.write((replica) => {
        for (let count = 0; count < 12_000; count += 1) replica.root.delete(`m${count}`);
      });
      await world.run(60_000);
      expect(client.pending).toBe(0);
      const { epoch } = await storage.head('notes');
      await world.run(trimIdle_ms + 5_000);
      expect((await storage.head('notes')).epoch).toBe(epoch);
      client.disconnect();
      await world.run(trimIdle_ms - 5_000);
      expect((await storage.head('notes')).epoch).toBe(epoch);
      await world.run(10_000);
      if (backsUp) {
        expect((await storage.head('notes')).epoch).toBe(epoch);
        storage.backup();
        await world.run(10_000);
      }
      expect((await storage.head('notes')).epoch).toBeGreaterThan(epoch);
      const trimmed = await storage.head('notes');
      await world.run(60_000);
      expect((await storage.head('notes')).epoch).toBe(trimmed.epoch);
    },
    120_000,
  );
});

describe('a deletion', () => {
  it('ends the document for everyone, now and later, and for ever', async () => {
    const deletions: unknown[] = [];
    const acceptDeletion = (deletion: { user: string }): void => {
      deletions.push(deletion);
      if (deletion.user !== 'ada') throw new JoineryError('forbidden', 'Only Ada may.');
    };
    const node = world.node(storage, { acceptDeletion });
    const [ada, grace] = [world.client(node).connect(), world.client(node, { user: 'grace' }).connect()];
    ada.write(add(1));
    await world.run(1_000);
    grace.run(grace.session.handleDeleteDocument('notes', world.now));
    await world.run(1_000);
    expect(grace.seen('deletion-refused')).toMatchObject([{ error: { code: 'forbidden' } }]);
    expect(await value(node)).toEqual({ c: 1 });
    ada.run(ada.session.handleDeleteDocument('notes', world.now));
    await world.run(1_000);
    for (const client of [ada, grace]) expect(client.seen('document-deleted')).toHaveLength(1);
    expect(await rejection(node.documents.json('notes'))).toBe('document-deleted');
    const late = world.client(world.node(storage)).connect();
    late.write(add(1));
    await world.run(2_000);
    expect(late.seen('document-deleted')).toHaveLength(1);
    expect(late.pending).toBe(1);
    late.replace();
    await world.run(2_000);
    expect(late.seen('document-deleted')).toHaveLength(2);
    expect(deletions).toHaveLength(2);
    expect(world.reported).toEqual([]);
  });
});

describe('several servers on one storage', () => {
  it('take writes to one document at once: nobody is cut off, and everyone hears everything', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      world = new VirtualWorld(seed);
      storage = new MemoryStorage({ epoch: 1_000 });
      const nodes = [world.node(storage), world.node(storage)];
      const clients = [0, 1, 2, 3].map((index) => world.client(nodes[index % 2] as Node).connect());
      for (let round = 0; round < 25; round += 1) {
        for (const client of clients) if (world.random() < 0.6) client.write(type('x'));
        await world.run(world.random() * 40);
      }
      await world.run(3_000);
      const written = clients[0]?.replica.toJSON();
      for (const client of clients) {
        expect([client.pending, client.swaps, failures(client)], `seed ${seed}`).toEqual([0, 0, []]);
        expect(client.replica.toJSON()).toEqual(written);
        const links = client.seen('open-link').length;
        expect(links).toBe(1);
      }
      for (const node of nodes) expect(await value(node)).toEqual(written);
      expect(world.reported).toEqual([]);
    }
  });

  it('hear of each other’s commits within the interval that they are given', async () => {
    const nodes = [world.node(storage, { news_ms: 200 }), world.node(storage, { news_ms: 200 })] as const;
    const [writer, reader] = [world.client(nodes[0]).connect(), world.client(nodes[1]).connect()];
    await world.run(500);
    writer.write(add(1));
    await world.run(300);
    expect(reader.replica.toJSON()).toEqual({ c: 1 });
    expect(reader.seen('subscribed')).toHaveLength(1);
  });

  it('hear of each other’s trims, deletions, closings and backups', async () => {
    const nodes = [world.node(storage), world.node(storage)] as const;
    const [one, two] = [world.client(nodes[0]).connect(), world.client(nodes[1]).connect()];
    one.write(add(1));
    await world.run(2_000);
    expect(await nodes[0].documents.trim('notes')).toBe(true);
    two.write(add(10));
    await world.run(3_000);
    expect([one.swaps, two.swaps]).toEqual([1, 1]);
    expect([one.replica.toJSON(), two.replica.toJSON()]).toEqual([{ c: 11 }, { c: 11 }]);
    storage.backup();
    await world.run(2_000);
    const { head } = await storage.head('notes');
    for (const client of [one, two]) expect(client.seen('safe').at(-1)).toMatchObject({ position: head });
    // Closed at the one, brought to the other.
    const agent = one.log.at(-1)?.agent ?? one.replica.agent;
    await nodes[1].documents.closeAgents('notes', [agent as bigint], 'ada');
    one.write(add(100));
    await world.run(3_000);
    expect([one.swaps, one.pending, two.replica.toJSON()]).toEqual([2, 0, { c: 111 }]);
    await nodes[1].documents.delete('notes', 'ada');
    await world.run(3_000);
    expect(one.seen('document-deleted')).toHaveLength(1);
    expect(world.reported).toEqual([]);
  });

  it('tell the followers of a space, whoever took the write', async () => {
    const nodes = [world.node(storage), world.node(storage)] as const;
    const reader = world.client(nodes[0], { document: 'elsewhere' }).connect();
    reader.run(reader.session.handleFollowSpace('s', 0, world.now));
    const writers = [0, 1, 2, 3].map((index) => {
      return world.client(nodes[index % 2] as Node, { document: `s/${index}` }).connect();
    });
    await world.run(500);
    for (let round = 0; round < 5; round += 1) {
      for (const writer of writers) writer.write(add(1));
      await world.run(200);
    }
    await world.run(3_000);
    const heads = new Map(
      reader.seen('space').flatMap(({ entries }) => entries.map(({ document, head }) => [document, head])),
    );
    expect(heads).toEqual(new Map(writers.map(({ document }) => [document, 5])));
    await nodes[1].documents.delete('s/2', 'ada');
    await world.run(3_000);
    expect(reader.seen('space').at(-1)?.entries).toMatchObject([{ document: 's/2', deleted: true }]);
  });
});

describe('a restored backup', () => {
  it('that was the first one gets back what was taken right behind it, before anybody had heard of it', async () => {
    const node = world.node(storage);
    const client = world.client(node).connect();
    client.write(add(1));
    await world.run(1_500);
    const backup = storage.backup();
    client.write(add(10));
    await world.run(200);
    expect(client.pending).toBe(0);
    node.crash();
    const restored = world.node(MemoryStorage.restore(backup, { epoch: world.environment().epoch() }));
    client.node = restored;
    await world.run(60_000);
    expect([await value(restored), client.replica.toJSON()]).toEqual([{ c: 11 }, { c: 11 }]);
  });

  it('that was the first one gets it back also when nobody could be asked whether there was one', async () => {
    const node = world.node(storage);
    const client = world.client(node).connect();
    client.write(add(1));
    await world.run(1_500);
    const backup = storage.backup();
    storage.pulse = () => Promise.reject(new JoineryError('storage-failed', 'Nothing can be read for a moment.'));
    client.write(add(10));
    await world.run(200);
    node.crash();
    client.node = world.node(MemoryStorage.restore(backup, { epoch: world.environment().epoch() }));
    await world.run(60_000);
    expect([await value(client.node), client.replica.toJSON()]).toEqual([{ c: 11 }, { c: 11 }]);
  });

  it('gets back what its authors still hold, and nothing twice', async () => {
    let node = world.node(storage);
    const clients = [0, 1, 2].map(() => world.client(node).connect());
    for (const client of clients) client.write(add(1));
    await world.run(1_000);
    const backup = storage.backup();
    await world.run(2_000);
    // After the backup: taken, told to everyone, and then lost.
    for (const client of clients) for (let count = 0; count < 3; count += 1) client.write(add(10));
    clients[0]?.write(set('a', '1'));
    await world.run(2_000);
    expect(await value(node)).toEqual({ c: 93, m: { a: '1' } });
    for (const client of clients) expect([client.pending, client.log.length > 0]).toEqual([0, true]);
    node.crash();
    node = world.node(MemoryStorage.restore(backup, { epoch: world.environment().epoch() }));
    expect(await value(node)).toEqual({ c: 3 });
    for (const client of clients) client.node = node;
    await world.run(60_000);
    expect(await value(node)).toEqual({ c: 93, m: { a: '1' } });
    for (const client of clients) {
      expect([client.pending, client.swaps]).toEqual([0, 1]);
      expect(client.replica.toJSON()).toEqual({ c: 93, m: { a: '1' } });
    }
  });

  it('that is restored twice, at whatever moment of the first recovery, gives back everything once', async () => {
    for (const [index, between_ms] of [0, 20, 45, 70, 100, 150, 250, 500, 2_000, 10_000].entries()) {
      world = new VirtualWorld(40 + index);
      storage = new MemoryStorage({ epoch: world.environment().epoch() });
      let node = world.node(storage);
      const clients = [0, 1, 2].map(() => world.client(node).connect());
      for (const client of clients) client.write(add(1));
      await world.run(1_000);
      const backup = storage.backup();
      await world.run(2_000);
      for (const client of clients) for (let count = 0; count < 3; count += 1) client.write(add(10));
      await world.run(2_000);
      for (const back_ms of [between_ms, 60_000]) {
        node.crash();
        node = world.node(MemoryStorage.restore(backup, { epoch: world.environment().epoch() }));
        for (const client of clients) client.node = node;
        // One is not there the first time, and one writes meanwhile.
        if (back_ms === between_ms) clients[2]?.disconnect();
        else clients[2]?.connect();
        clients[0]?.write(add(100));
        await world.run(back_ms);
      }
      expect(await value(node), `${between_ms} ms between`).toEqual({ c: 293 });
      for (const client of clients) {
        expect([client.pending, client.rejected.length]).toEqual([0, 0]);
        expect(client.replica.toJSON()).toEqual({ c: 293 });
      }
      expect(world.reported).toEqual([]);
    }
  });
});
