// The rejected list: what an entry names, what its being tried again writes, and what happens at its bound. Through the real
// core, session and storage contract, on virtual time.

import type { BroughtEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import type { Client } from './client.ts';
import { MemoryStorage } from './storage/memory.ts';
import { type RejectedWrite, rejectedId } from './storage/storage.ts';
import { rejectedLimit_bytes, rejectedLimit_count } from './sync/rejections.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { World } from './testing/world.ts';

type Fields = Record<string, number | string>;

/** Refuses every envelope whose bytes have this word in them. */
function refusing(word: string): (envelope: BroughtEnvelope) => string | undefined {
  const latin = new TextDecoder('latin1');
  return ({ bytes }) => (latin.decode(bytes).includes(word) ? 'forbidden' : undefined);
}

function codes(client: Client): string[] {
  return client.rejected.entries.map(({ error }) => error.code);
}

describe('an envelope that was rejected in part', () => {
  test('is one entry that names what came to nothing, and no more than that is written again', async () => {
    const world = await World.create();
    const [ada, bob] = [world.client(), world.client()];
    const [mine, theirs] = [ada.document<Fields>('notes'), bob.document<Fields>('notes')];
    const counter = ada.counter('notes', 'visits');
    const text = ada.text('notes');
    await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
    mine.update({ title: 'a', subtitle: 'a' });
    counter.increment(1);
    await world.untilSynced();
    ada.disconnect();
    await world.time.advance(100);
    // One envelope: what is about a key that is gone by then, between what isn't.
    counter.increment(10);
    mine.update({ title: 'b' });
    text.insert(0, 'typed');
    mine.update({ subtitle: 'b' });
    counter.increment(100);
    await world.time.until(() => theirs.value?.title === 'a');
    theirs.update((draft) => {
      delete draft.title;
      delete draft.subtitle;
    });
    await world.untilSynced(bob);
    world.server.trim('notes');
    ada.connect();
    await world.time.until(() => codes(ada).length > 0);
    await world.untilSynced();
    expect(world.server.value('notes')).toEqual({ visits: 111, text: 'typed' });
    const { entries } = ada.rejected;
    expect(entries.map(({ changes }) => changes)).toEqual([
      [
        { container: 'map', kind: 'set', path: ['title'], value: 'b' },
        { container: 'map', kind: 'set', path: ['subtitle'], value: 'b' },
      ],
    ]);
    const ranges = entries[0]?.operations.ranges ?? [];
    expect(ranges.map(({ from, to }) => to - from)).toEqual([1, 1]);
    // The text itself was made between them, and what was typed.
    expect((ranges[1]?.from ?? 0) - (ranges[0]?.to ?? 0)).toBe(1 + 'typed'.length);
    const exported = JSON.parse(ada.rejected.export()) as { envelope: string; operations: unknown }[];
    expect(exported.map(({ operations }) => operations)).toEqual([entries[0]?.operations]);
    const again = await world.time.settled(ada.rejected.retry(entries[0]?.id ?? ''));
    await world.time.settled(again.synced);
    expect(world.server.value('notes')).toEqual({ visits: 111, text: 'typed', title: 'b', subtitle: 'b' });
    expect(ada.rejected.entries).toEqual([]);
  });
});

describe('an entry that is tried again', () => {
  test.each([1, 2, 3, 4])('in two tabs at once is written by one of them (seed %i)', async (seed) => {
    let word = 'bad';
    const world = await World.create({ seed, server: { accept: (envelope) => refusing(word)(envelope) } });
    const storage = new MemoryStorage();
    const tabs = [world.client(storage), world.client(storage)];
    const counters = tabs.map((tab) => tab.counter('notes', 'bad-count'));
    await world.time.settled(Promise.all(counters.map(({ loaded }) => loaded)));
    counters[0]?.increment(1);
    await world.time.until(() => codes(tabs[0] as Client).length === 1);
    await world.time.settled((tabs[1] as Client).close());
    tabs[1] = world.client(storage);
    await world.time.until(() => tabs.every((tab) => codes(tab).length === 1));
    word = 'nothing at all';
    const [id = ''] = tabs[0]?.rejected.entries.map((entry) => entry.id) ?? [];
    const results = await world.time.settled(Promise.allSettled(tabs.map((tab) => tab.rejected.retry(id))));
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const failed = results.find(({ status }) => status === 'rejected');
    expect(failed).toMatchObject({ reason: { code: 'not-found' } });
    await world.untilSynced();
    await world.time.until(() => world.server.value('notes')['bad-count'] === 1);
    await world.time.advance(2_000);
    expect(world.server.value('notes')).toEqual({ 'bad-count': 1 });
    await world.time.until(() => tabs.every((tab) => codes(tab).length === 0));
  });
});

describe('a full list', () => {
  /** Entries of a document that is not open. */
  async function fill(storage: MemoryStorage, count: number, bytes: number): Promise<void> {
    const store = await storage.open({ server: 'ws://server/sync', user: '', name: 'default' });
    const rejected = Array.from({ length: count }, (_, index): RejectedWrite => {
      const parts = [{ from: index, to: index + 1, code: 'forbidden', message: 'no', reason: 'refused' }];
      const content = { changes: Uint8Array.of(7, 0), envelope: new Uint8Array(bytes) };
      return { id: rejectedId({ agent: 1n, from: index, to: index + 1 }), agent: 1n, parts, at_ms: index, ...content };
    });
    await store.append([{ document: 'other', incarnation: 0, epoch: 0, at_ms: 0, rejected }]);
    await store.close();
  }

  test.each([
    [rejectedLimit_count, 10],
    [8, rejectedLimit_bytes / 8],
  ])('of %i entries of %i bytes keeps what has no room where it was written, and says so', async (count, bytes) => {
    const world = await World.create({ server: { accept: refusing('bad') } });
    const storage = new MemoryStorage();
    await fill(storage, count, bytes);
    const client = world.client(storage);
    await world.time.until(() => client.rejected.entries.length === count);
    const [refused, other] = ['refused', 'fine'].map((id) => client.document<Fields>(id));
    await world.time.settled(Promise.all([refused?.loaded, other?.loaded]));
    const receipt = refused?.update({ bad: 1, more: 1 });
    await world.time.until(() => client.status.sync.state === 'blocked');
    expect(client.status.sync.lastError?.code).toBe('rejected-list-full');
    await world.time.settled(other?.update({ fine: 1 }).synced ?? Promise.reject());
    world.network.cut();
    await world.time.advance(20_000);
    expect([receipt?.state, refused?.value, client.status.sync.pending]).toEqual(['durable', { bad: 1, more: 1 }, 1]);
    // Nothing of it depends on this client.
    await world.time.settled(client.close());
    const next = world.client(storage);
    await world.time.until(() => next.status.sync.state === 'blocked');
    expect(next.rejected.entries).toHaveLength(count);
    next.rejected.discard(next.rejected.entries[0]?.id ?? '');
    await world.time.until(() => next.rejected.entries.some(({ document }) => document === 'refused'));
    await world.untilSynced(next);
    expect(next.rejected.entries).toHaveLength(count);
    expect(next.status.sync.lastError).toBeUndefined();
    expect(world.server.value('refused')).toEqual({});
  });

  test('does not keep anybody from hearing that a document was deleted', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    await fill(storage, rejectedLimit_count, 10);
    const client = world.client(storage);
    const notes = client.document<Fields>('notes');
    await world.time.settled(notes.update({ title: 'a' }).synced);
    client.disconnect();
    await world.time.advance(100);
    const receipt = notes.update({ title: 'b' });
    const other = world.client();
    await world.time.settled(other.deleteDocument('notes').synced);
    client.connect();
    await expect(world.time.settled(receipt.synced)).rejects.toMatchObject({ code: 'document-deleted' });
    expect(client.rejected.entries).toHaveLength(rejectedLimit_count);
    client.rejected.discard(client.rejected.entries[0]?.id ?? '');
    await world.time.until(() => client.rejected.entries.some(({ document }) => document === 'notes'));
  });
});

test('a swap tells the list once', async () => {
  const world = await World.create({ server: { accept: refusing('bad') } });
  const client = world.client();
  const fields = client.document<Fields>('notes');
  await world.time.settled(fields.loaded);
  let told = 0;
  client.rejected.subscribe(() => {
    told += 1;
  });
  fields.update({ bad: 1 });
  await world.time.until(() => codes(client).length === 1);
  await world.time.advance(1_000);
  expect(told).toBe(1);
  const [id = ''] = client.rejected.entries.map((entry) => entry.id);
  client.rejected.discard(id);
  await world.time.until(() => client.rejected.entries.length === 0);
  expect(told).toBe(2);
});

test('writes of one batch that went in several envelopes have each their own end, after a trim too', async () => {
  const world = await World.create({ server: { accept: refusing('bad') } });
  const storage = new ControlledStorage(new MemoryStorage());
  const [ada, bob] = [world.client(storage), world.client()];
  const [mine, theirs] = [ada.document<Fields>('notes'), bob.document<Fields>('notes')];
  await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
  mine.update({ title: 'a' });
  await world.untilSynced();
  storage.hold();
  mine.update({ title: 'b' });
  await world.time.advance(1);
  // All of this goes into one batch when the one before is stored: an envelope ends where something from elsewhere joins.
  const receipt = mine.update({ bad: 1 });
  theirs.update({ other: 1 });
  await world.time.until(() => mine.value?.other === 1);
  const other = mine.update({ fine: 1 });
  ada.disconnect();
  await world.time.advance(100);
  storage.release();
  await world.time.settled(Promise.all([receipt.durable, other.durable]));
  // The first swap gives new names to all of it, the second one is about the refused envelope.
  world.server.trim('notes');
  ada.connect();
  await world.untilSynced();
  await world.time.until(() => codes(ada).length === 1);
  expect(world.server.value('notes')).toEqual({ title: 'b', other: 1, fine: 1 });
  expect([receipt.state, receipt.error?.code]).toEqual(['rejected', 'forbidden']);
  expect(other.state).toBe('synced');
});
