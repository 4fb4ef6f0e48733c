/**
 * What a server refuses, and what its clients make of it: the host's hook, agents of other users, closed agents, wrong
 * clocks. The server's real logic, sessions and replicas, on virtual time.
 */

import { JoineryError } from '@joinery/protocol';
import { init, type Replica } from 'joinery/core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Accept } from './documents/acceptance.ts';
import { MemoryStorage } from './storage/memory.ts';
import type { VirtualClient } from './testing/virtual-client.ts';
import { VirtualWorld } from './testing/virtual-world.ts';

beforeAll(() => init());

let world: VirtualWorld;
let storage: MemoryStorage;
beforeEach(() => {
  world = new VirtualWorld(1);
  storage = new MemoryStorage({ epoch: 1_000 });
});

const set = (key: string, value: string) => (replica: Replica) => replica.map('m').set(key, value);
const add = (count: number) => (replica: Replica) => replica.counter('c').increment(count);
const value = async (node: ReturnType<VirtualWorld['node']>, document = 'notes') =>
  (await node.documents.json(document))?.value;

/** Refuses what sets `field`, wherever it is. */
const forbids =
  (field: string): Accept =>
  ({ changes }) => {
    if (changes.some(({ kind, path }) => kind === 'set' && path.at(-1) === field)) {
      throw new JoineryError('forbidden', `Nobody may set ${field}.`);
    }
  };

describe('the accept hook', () => {
  it('refuses one of a thousand, and everything else is taken, in order', async () => {
    const node = world.node(storage, { accept: forbids('secret') });
    const client = world.client(node);
    for (let index = 0; index < 1_000; index += 1) {
      client.write(index === 500 ? set('secret', 'x') : set(`k${index % 50}`, `${index}`));
    }
    client.connect();
    await world.run(20_000);
    expect([client.pending, client.swaps, client.rejected.length]).toEqual([0, 1, 1]);
    const { m } = (await value(node)) as { m: Record<string, string> };
    expect(Object.keys(m)).toHaveLength(50);
    expect([m.k0, m.k49, m.secret]).toEqual(['950', '999', undefined]);
    expect(client.replica.toJSON()).toEqual(await value(node));
    expect(client.seen('refused')).toMatchObject([{ error: { code: 'forbidden', message: /secret/ } }]);
  });

  it('is told who changes what, in words of the document, and only before it has answered', async () => {
    const asked: unknown[] = [];
    let late: Parameters<Accept>[0] | undefined;
    const accept: Accept = (change) => {
      late ??= change;
      if (change !== late) asked.push([change.document, change.user, change.changes]);
    };
    const node = world.node(storage, { accept });
    const client = world.client(node, { user: 'grace' });
    client.write(set('a', '1'));
    client.write(set('b', '2'));
    client.connect();
    await world.run(2_000);
    expect(asked).toMatchObject([['notes', 'grace', [{ path: ['m', 'b'], kind: 'set', value: '2' }]]]);
    expect(() => late?.changes).toThrow(/decided/);
  });

  it('may take its time: a document’s envelopes keep their order, other documents don’t wait', async () => {
    const order: number[] = [];
    const accept: Accept = async ({ document, changes }) => {
      if (document !== 'slow') return;
      await new Promise<void>((resolve) => world.after(300 * world.random(), resolve));
      order.push(changes.at(-1)?.value as number);
    };
    const node = world.node(storage, { accept });
    const slow = world.client(node, { document: 'slow' });
    const quick = world.client(node, { document: 'quick' });
    for (let count = 1; count <= 5; count += 1) slow.write(add(count));
    quick.write(add(1));
    for (const client of [slow, quick]) client.connect();
    await world.run(150);
    expect([quick.pending, slow.pending]).toEqual([0, 5]);
    await world.run(3_000);
    expect([slow.pending, order]).toEqual([0, [1, 2, 3, 4, 5]]);
  });

  it('that is slow holds up nobody for long: what it has taken is committed meanwhile, and agents can be closed', async () => {
    const accept: Accept = () => new Promise((resolve) => world.after(100, resolve));
    const node = world.node(storage, { accept });
    const client = world.client(node);
    for (let count = 0; count < 100; count += 1) client.write(add(1));
    client.connect();
    await world.run(2_500);
    const taken = 100 - client.pending;
    expect(taken).toBeGreaterThan(5);
    expect(taken).toBeLessThan(30);
    const [agent] = (await storage.agents('notes')).keys();
    let last = 0;
    node.documents.closeAgents('notes', [agent as bigint], 'ada').then((closed) => {
      last = closed.last.get(agent as bigint) ?? 0;
    });
    await world.run(1_500);
    expect(last).toBeGreaterThanOrEqual(taken);
    await world.run(30_000);
    expect([client.pending, await value(node)]).toEqual([0, { c: 100 }]);
  });

  it('that hangs, or fails, refuses nothing for good', async () => {
    let trouble: 'hangs' | 'fails' | 'none' = 'hangs';
    const accept: Accept = async () => {
      if (trouble === 'hangs') await new Promise(() => {});
      if (trouble === 'fails') throw new Error('a bug of the host');
    };
    const node = world.node(storage, { accept });
    const client = world.client(node).connect();
    client.write(add(1));
    await world.run(8_000);
    trouble = 'fails';
    await world.run(8_000);
    expect([client.pending, client.seen('refused').length]).toEqual([1, 0]);
    expect(world.reported.some((error) => error instanceof Error && error.message === 'a bug of the host')).toBe(true);
    trouble = 'none';
    await world.run(60_000);
    expect([client.pending, client.swaps]).toEqual([0, 0]);
    expect(await value(node)).toEqual({ c: 1 });
  });

  it('can’t speak for the protocol', async () => {
    const accept: Accept = () => {
      throw new JoineryError('clock', 'A host’s own idea.');
    };
    const client = world.client(world.node(storage, { accept })).connect();
    client.write(add(1));
    await world.run(5_000);
    expect(client.seen('refused')[0]?.error.code).toBe('validation');
  });
});

describe('an agent', () => {
  it('is the user’s who first brought something of it', async () => {
    const node = world.node(storage);
    const [ada, grace] = [world.client(node), world.client(node, { user: 'grace' })];
    ada.write(add(1));
    ada.connect();
    await world.run(1_000);
    ada.disconnect();
    ada.write(add(10));
    const [, second] = [ada.log[0], ada.log.at(-1)];
    if (second === undefined) throw new Error('nothing was written');
    grace.log.push({ ...second, at: undefined });
    grace.connect();
    await world.run(1_000);
    expect(grace.seen('refused')).toMatchObject([{ agent: second.agent, error: { code: 'forbidden' } }]);
    // Nor can she close it.
    expect(grace.seen('document-failed')).toMatchObject([{ error: { code: 'forbidden' } }]);
    ada.connect();
    await world.run(1_000);
    expect(await value(node)).toEqual({ c: 11 });
  });

  it('that was closed takes nothing any more, whatever was on its way', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      world = new VirtualWorld(seed);
      storage = new MemoryStorage({ epoch: 1_000 });
      const node = world.node(storage);
      const client = world.client(node).connect();
      await world.run(500);
      for (let count = 0; count < 8; count += 1) client.write(add(1));
      await world.run(world.random() * 60);
      client.replace();
      for (let count = 0; count < 3; count += 1) client.write(add(1));
      await world.run(5_000);
      expect([client.pending, client.swaps], `seed ${seed}`).toEqual([0, 1]);
      // Each write once: what landed before the closing was not written again, what landed after was refused.
      expect(await value(node), `seed ${seed}`).toEqual({ c: 11 });
      expect(client.replica.toJSON()).toEqual({ c: 11 });
      const agents = await storage.agents('notes');
      expect([...agents.values()].filter(({ closed }) => !closed)).toHaveLength(1);
    }
  });
});

describe('a wrong clock', () => {
  it('is refused with the server’s time', async () => {
    const node = world.node(storage);
    const client: VirtualClient = world.client(node);
    const day_ms = 86_400_000;
    world.now += day_ms;
    client.write(set('a', '1'));
    world.now -= day_ms;
    client.connect();
    await world.run(200);
    const [refused] = client.seen('refused');
    expect(refused).toMatchObject({ error: { code: 'clock' } });
    expect(refused?.serverTime_ms).toBeGreaterThan(1_767_225_600_000);
    expect(refused?.serverTime_ms).toBeLessThan(1_767_225_601_000);
  });
});
