/**
 * Compaction of the server's log while others append: rule `keep since the snapshot before the last`. Whoever is behind gets the
 * snapshot and the tail, at one server or at two, and nothing that anyone holds is lost. On virtual time.
 */

import type { JoineryError } from '@joinery/protocol';
import { init, type Replica } from 'joinery/core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStorage } from './storage/memory.ts';
import { rejection, VirtualWorld } from './testing/virtual-world.ts';

beforeAll(() => init());

let world: VirtualWorld;
let storage: MemoryStorage;
beforeEach(() => {
  world = new VirtualWorld(1);
  storage = new MemoryStorage({ epoch: 1_000 });
});

const add = (count: number) => (replica: Replica) => replica.counter('c').increment(count);
/** Rewrites one of two values: a log that grows without end, and a state that doesn't. */
const rewrite = (turn: number, size: number) => (replica: Replica) =>
  replica.map('m').set(`k${turn % 2}`, `${turn}-${'x'.repeat(size)}`);
const everything = { bytes: 1e9, count: 1e6 };

describe('a log that is compacted', () => {
  it('stays short whatever is written, and says the same', async () => {
    const node = world.node(storage);
    const client = world.client(node).connect();
    for (let turn = 0; turn < 200; turn += 1) {
      client.write(rewrite(turn, 2_000));
      client.write(add(1));
      if (turn % 5 === 4) await world.run(100);
    }
    await world.run(2_000);
    const { head, base, epoch } = await storage.head('notes');
    expect([head, client.pending]).toEqual([400, 0]);
    const kept = await storage.read('notes', epoch, base, everything);
    expect(kept).toHaveLength(head - base);
    expect(kept.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(128 * 1024);
    expect(await storage.read('notes', epoch, base - 1, everything)).toEqual([]);
    // One who never was here, and a server that starts anew.
    node.crash();
    const next = world.node(storage);
    const late = world.client(next).connect();
    await world.run(2_000);
    expect(late.replica.toJSON()).toEqual(client.replica.toJSON());
    expect((await next.documents.json('notes'))?.value).toEqual(client.replica.toJSON());
  });

  it('serves one who resumes from before its beginning with the state and the tail; its own edits stay', async () => {
    const node = world.node(storage);
    const [writer, away] = [world.client(node).connect(), world.client(node).connect()];
    writer.write(add(1));
    await world.run(1_000);
    away.disconnect();
    away.write(add(1_000));
    for (let turn = 0; turn < 100; turn += 1) {
      writer.write(rewrite(turn, 2_000));
      if (turn % 5 === 4) await world.run(100);
    }
    await world.run(1_000);
    expect((await storage.head('notes')).base).toBeGreaterThan(away.resume?.position ?? 0);
    away.connect();
    await world.run(3_000);
    expect([away.pending, away.swaps, away.seen('snapshot').length]).toEqual([0, 0, 1]);
    expect(away.replica.toJSON()).toEqual(writer.replica.toJSON());
    expect(away.replica.counter('c').value).toBe(1_001);
  });

  it('tells one that is being served from what it let go of to subscribe again', async () => {
    const node = world.node(storage);
    const client = world.client(node).connect();
    for (let turn = 0; turn < 100; turn += 1) {
      client.write(rewrite(turn, 2_000));
      if (turn % 5 === 4) await world.run(100);
    }
    await world.run(1_000);
    const { epoch, base, head } = await storage.head('notes');
    const read = (after: number, of = epoch) => node.documents.read('notes', of, after, everything);
    expect(await rejection(read(base - 1))).toBe('slow-consumer');
    expect(await read(base)).toHaveLength(head - base);
    expect(await read(head)).toEqual([]);
    expect(await read(0, epoch - 1)).toEqual([]);
  });

  it('keeps everything when the snapshot that it would rest on can’t be read', async () => {
    const put = storage.putSnapshot.bind(storage);
    storage.putSnapshot = (document, snapshot) => put(document, { ...snapshot, bytes: snapshot.bytes.slice(0, -1) });
    const node = world.node(storage);
    const client = world.client(node).connect();
    for (let turn = 0; turn < 100; turn += 1) {
      client.write(rewrite(turn, 2_000));
      if (turn % 5 === 4) await world.run(100);
    }
    await world.run(1_000);
    expect(await storage.head('notes')).toMatchObject({ base: 0, head: 100 });
    expect(world.reported.map((error) => (error as JoineryError).code)).toContain('storage-corrupt');
    expect(client.pending).toBe(0);
  });

  it('by one of two servers never loses the clients of the other', async () => {
    let compactions = 0;
    let behind = 0;
    for (let seed = 1; seed <= 25; seed += 1) {
      world = new VirtualWorld(seed);
      storage = new MemoryStorage({ epoch: 1_000 });
      const nodes = [0, 1].map(() => world.node(storage, { replicas: 1 }));
      const clients = [0, 1, 2, 3].map((index) => world.client(nodes[index % 2] as (typeof nodes)[0]).connect());
      const other = world.client(nodes[0] as (typeof nodes)[0], { document: 'other' }).connect();
      let sum = 0;
      for (let step = 0; step < 120; step += 1) {
        const client = clients[Math.floor(world.random() * clients.length)] as (typeof clients)[0];
        const choice = world.random();
        if (choice < 0.1) client.disconnect();
        else if (choice < 0.25) client.connect();
        else if (choice < 0.35) other.write(rewrite(step, 10_000));
        else if (choice < 0.5) {
          client.write(add(1));
          sum += 1;
        } else client.write(rewrite(step, Math.floor(world.random() * 30_000)));
        if (world.random() < 0.6) await world.run(world.random() * 400);
      }
      for (const client of clients) client.connect();
      await world.run(60_000);
      const { base } = await storage.head('notes');
      compactions += base > 0 ? 1 : 0;
      behind += clients.flatMap((client) => client.seen('snapshot')).length;
      const values = clients.map((client) => client.replica.toJSON());
      expect(values.map(({ c }) => c)).toEqual([sum, sum, sum, sum]);
      expect(new Set(values.map((value) => JSON.stringify(value))).size).toBe(1);
      expect(clients.map(({ pending }) => pending)).toEqual([0, 0, 0, 0]);
      expect(clients.flatMap(({ rejected }) => rejected)).toEqual([]);
      expect(world.reported).toEqual([]);
    }
    expect(compactions).toBeGreaterThan(20);
    expect(behind).toBeGreaterThan(20);
  }, 120_000);
});
