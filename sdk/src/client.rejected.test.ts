// The rejected list: what an entry names, what its being tried again writes, and what happens at its bound. Through the real
// core, session and storage contract, on virtual time.

import type { BroughtEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import type { Client } from './client.ts';
import { MemoryStorage } from './storage/memory.ts';
import { World } from './testing/world.ts';

/** Refuses every envelope whose bytes have this word in them. */
function refusing(word: string): (envelope: BroughtEnvelope) => string | undefined {
  const latin = new TextDecoder('latin1');
  return ({ bytes }) => (latin.decode(bytes).includes(word) ? 'forbidden' : undefined);
}

function codes(client: Client): string[] {
  return client.rejected.entries.map(({ error }) => error.code);
}

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
