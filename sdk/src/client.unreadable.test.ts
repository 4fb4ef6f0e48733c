// What can't be read where a document is replaced: the server's state, a bridge, or what another tab has stored. It is the
// trouble of that document alone. Through the real core, session and storage contract, on virtual time.

import { expect, test } from 'vitest';
import type { Client } from './client.ts';
import { Replica } from './core/index.ts';
import { MemoryStorage } from './storage/memory.ts';
import { World } from './testing/world.ts';
import type { Transport } from './transport/transport.ts';

type Fields = Record<string, number | string>;

const magic = [...new TextEncoder().encode('JNRY')];

/** Breaks the snapshots in the frames that come, as long as it is asked to. */
function breaking(transport: Transport, breaks: () => boolean): Transport {
  return {
    connect: (url, events) =>
      transport.connect(url, {
        ...events,
        frame: (bytes) => {
          const at = bytes.findIndex((_, index) => magic.every((byte, offset) => bytes[index + offset] === byte));
          if (at < 0 || !breaks()) events.frame(bytes);
          else events.frame(bytes.map((byte, index) => (index === at + magic.length + 4 ? byte ^ 0xff : byte)));
        },
      }),
  };
}

function restartsOf(client: Client): string[] {
  const restarts: string[] = [];
  client.subscribeEvents(({ type }) => {
    if (type === 'engine-restarted') restarts.push(type);
  });
  return restarts;
}

test('a state of the server’s that can’t be read while a document is replaced: told, and tried again over the next link', async () => {
  const world = await World.create({ server: { snapshotBehind: 0 } });
  let broken = false;
  const transport = breaking(world.network.transport(), () => broken);
  const client = world.client(undefined, { transport });
  const restarts = restartsOf(client);
  const [notes, others] = [client.document<Fields>('notes'), client.document<Fields>('others')];
  await world.time.settled(Promise.all([notes.loaded, others.loaded]));
  await world.time.settled(notes.update({ title: 'a' }).synced);
  client.disconnect();
  await world.time.advance(100);
  const receipt = notes.update({ title: 'b' });
  await world.time.settled(receipt.durable);
  world.server.trim('notes');
  broken = true;
  client.connect();
  await world.time.until(() => client.status.sync.state === 'blocked');
  expect(client.status.sync.lastError?.code).toMatch(/^invalid-/);
  await world.time.settled(others.update({ title: 'c' }).synced);
  expect([restarts, receipt.state, notes.value]).toEqual([[], 'durable', { title: 'b' }]);
  broken = false;
  world.network.cut();
  await world.time.settled(receipt.synced);
  await world.untilSynced();
  expect([world.server.value('notes'), client.status.sync.lastError]).toEqual([{ title: 'b' }, undefined]);
});

test('an incarnation in storage that this core can’t read: told, and nothing else stands still', async () => {
  const world = await World.create();
  const storage = new MemoryStorage();
  const client = world.client(storage, { connect: false });
  const restarts = restartsOf(client);
  const [notes, others] = [client.document<Fields>('notes'), client.document<Fields>('others')];
  await world.time.settled(Promise.all([notes.loaded, others.loaded]));
  await world.time.settled(notes.update({ title: 'a' }).durable);
  // Another tab, of a newer version, has swapped.
  const store = await storage.open({ server: 'ws://server/sync', user: '', name: 'default' });
  const { log } = await store.load('notes');
  const replica = new Replica();
  const snapshot = replica.encodeSnapshot();
  replica.free();
  snapshot[4] = 99;
  const swapped = await store.swap('notes', {
    ...{ incarnation: 0, snapshot, resume: { epoch: 1, position: 1 }, safe: undefined, at_ms: 1, local: [] },
    ...{ clockOffset_ms: undefined, rejected: [], mapping: new Uint8Array() },
    expectAgents: new Map(log.map(({ agent, to }) => [agent, to])),
    agents: log.map(({ agent, to }) => ({ agent, covered: to, last: to })),
  });
  expect(swapped).toBe(true);
  await store.close();
  client.connect();
  const receipt = notes.update({ title: 'b' });
  await world.time.until(() => client.status.sync.state === 'blocked');
  expect(client.status.sync.lastError?.code).toBe('invalid-snapshot');
  await world.time.settled(others.update({ title: 'c' }).synced);
  await world.time.advance(5_000);
  expect([restarts, receipt.state, notes.value]).toEqual([[], 'local', { title: 'b' }]);
  expect(client.status.storage.state).toBe('ready');
  const again = world.client(storage);
  const closed = again.document<Fields>('notes');
  await expect(world.time.settled(closed.loaded)).rejects.toMatchObject({ code: 'invalid-snapshot' });
});
