// What a batch keeps of itself once it is stored, and how many receipts may wait for one answer.

import { expect, test } from 'vitest';
import { init, Replica } from '../core/index.ts';
import type { RejectedWrite } from '../storage/storage.ts';
import { VirtualEnvironment } from '../testing/virtual-environment.ts';
import type { EnvelopeBatch } from './messages.ts';
import { OwnWrites } from './own-writes.ts';

async function ownWrites() {
  await init();
  const environment = new VirtualEnvironment(1);
  const replica = new Replica({ random: (bytes) => environment.randomBytes(bytes) });
  const posted: EnvelopeBatch[] = [];
  const writes = new OwnWrites({
    environment,
    takeUpdate: () => replica.takeUpdate(),
    clockOffset_ms: () => 0,
    post: (batch) => posted.push(batch),
    pendingChanged: () => {},
    takeUndo: () => undefined,
  });
  return { replica, posted, writes };
}

test('what a stored batch brought to the rejected list is not brought there again', async () => {
  const { replica, posted, writes } = await ownWrites();
  const parts = [{ from: 0, to: 1, code: 'forbidden', message: '', reason: 'refused' }] as const;
  const empty = new Uint8Array();
  const entry: RejectedWrite = { id: 'one', agent: 1n, parts, at_ms: 0, changes: empty, envelope: empty };
  writes.reject([entry]);
  replica.counter('visits').increment(1);
  writes.written(0, replica.seq);
  writes.takeAll();
  expect(posted.map(({ rejected }) => rejected)).toEqual([[entry]]);
  writes.stored(posted[0]?.batch ?? 0, []);
  // The app has discarded the entry; then this tab sleeps through more swaps than storage remembers.
  const { left, commit } = writes.follow(() => ({ kind: 'left' }));
  expect(left.length).toBe(1);
  commit();
  replica.counter('visits').increment(1);
  writes.written(1, replica.seq);
  writes.takeAll();
  expect(posted.slice(1).map(({ rejected }) => rejected)).toEqual([[]]);
});

test('more receipts wait for one answer than a call takes arguments', async () => {
  const { posted, writes } = await ownWrites();
  const receipts = Array.from({ length: 200_000 }, () => writes.written(0, 0));
  const ask = (): number => {
    writes.takeAll();
    return posted.at(-1)?.batch ?? 0;
  };
  writes.stored(ask(), [[7n, 1]]);
  // Another incarnation: they have to ask again, those of a batch that was not answered as well.
  writes.follow(() => ({ kind: 'done' })).commit();
  ask();
  writes.follow(() => ({ kind: 'done' })).commit();
  writes.stored(ask(), [[8n, 1]]);
  expect(new Set(receipts.map(({ state }) => state))).toEqual(new Set(['durable']));
  writes.synced([[8n, 1]]);
  expect(new Set(receipts.map(({ state }) => state))).toEqual(new Set(['synced']));
});

test('a part of a large write is kept for as long as the server lacks it, whatever comes first', async () => {
  for (const isSyncedFirst of [false, true]) {
    const { replica, posted, writes } = await ownWrites();
    replica.text('text').insert(0, 'x'.repeat(3_000_000));
    writes.written(0, replica.seq);
    writes.takeAll();
    expect(posted.length).toBeGreaterThan(1);
    const agent = replica.agent ?? 0n;
    const sync = (): void => writes.synced([[agent, replica.seq]]);
    if (isSyncedFirst) sync();
    for (const { batch } of posted) writes.stored(batch, []);
    if (!isSyncedFirst) {
      expect(writes.storageRemoved()).toBe(posted.reduce((sum, { envelopes }) => sum + envelopes.length, 0));
      for (const { batch } of posted) writes.stored(batch, []);
      sync();
    }
    expect([writes.awaitsEngine, writes.storageRemoved()]).toEqual([false, 0]);
  }
});
