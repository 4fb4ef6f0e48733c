// The journal: order, grouping, and what happens while storage fails. On virtual time.

import { JoineryError, writeEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { MemoryStorage } from '../storage/memory.ts';
import type { DocumentWrite } from '../storage/storage.ts';
import { ControlledStorage } from '../testing/controlled-storage.ts';
import { VirtualEnvironment } from '../testing/virtual-environment.ts';
import { Journal } from './journal.ts';

const full = new JoineryError('storage-full', 'no room');

function write(seq: number, length = 1): DocumentWrite {
  const envelope = writeEnvelope({ agent: 1n, from: seq, to: seq + 1, payload: new Uint8Array(length) });
  return { document: 'a', incarnation: 0, epoch: 0, at_ms: 0, local: [envelope] };
}

async function setUp() {
  const time = new VirtualEnvironment();
  const storage = new ControlledStorage(new MemoryStorage());
  const store = await storage.open({ server: 's', user: '', name: 'n' });
  const states: (string | undefined)[] = [];
  const broken: unknown[] = [];
  const stale: string[] = [];
  const journal = new Journal(time, store, {
    state: (error) => states.push(error?.code),
    stale: (document) => stale.push(document),
    removed: () => stale.push('all'),
    broken: (error) => broken.push(error),
  });
  return { time, storage, store, journal, states, broken, stale };
}

describe('the journal', () => {
  test('makes one commit of what comes in one event, and one of all that comes while it is under way', async () => {
    const { time, storage, journal } = await setUp();
    const done: number[] = [];
    storage.hold();
    for (let seq = 0; seq < 3; seq += 1) journal.write(write(seq), () => done.push(seq));
    await time.advance(0);
    for (let seq = 3; seq < 103; seq += 1) journal.write(write(seq), () => done.push(seq));
    await time.advance(0);
    expect(done).toEqual([]);
    storage.release();
    await time.until(() => done.length === 103);
    expect(storage.commits).toEqual([3, 100]);
    expect(done).toEqual(Array.from({ length: 103 }, (_, seq) => seq));
    expect(journal.queued_bytes).toBe(0);
  });

  test('bounds a commit by its bytes', async () => {
    const { time, storage, journal } = await setUp();
    for (let seq = 0; seq < 12; seq += 1) journal.write(write(seq, 1_000_000));
    await time.settled(journal.settled());
    expect(storage.commits).toEqual([4, 4, 4]);
  });

  test('runs a step in its turn', async () => {
    const { time, journal } = await setUp();
    const order: string[] = [];
    journal.write(write(0), () => order.push('first'));
    journal.step(async () => {
      order.push('step begins');
      await Promise.resolve();
      order.push('step ends');
    });
    journal.write(write(1), () => order.push('second'));
    await time.settled(journal.settled());
    expect(order).toEqual(['first', 'step begins', 'step ends', 'second']);
  });

  test('writes what nobody waits for with the next commit, or after a moment', async () => {
    const { time, storage, journal } = await setUp();
    journal.writeSoon(write(0));
    await time.advance(10);
    expect(storage.commits).toEqual([]);
    journal.write(write(1));
    await time.advance(0);
    expect(storage.commits).toEqual([2]);
    journal.writeSoon(write(2));
    await time.advance(49);
    expect(storage.commits).toEqual([2]);
    await time.advance(1);
    expect(storage.commits).toEqual([2, 1]);
    journal.writeSoon(write(3, 600_000));
    journal.writeSoon(write(4, 600_000));
    await time.advance(0);
    expect(storage.commits).toEqual([2, 1, 2]);
  });

  test('keeps what can’t be stored, tries again ever more seldom, and lets nothing overtake it', async () => {
    const { time, storage, journal, states } = await setUp();
    const done: number[] = [];
    storage.failure = full;
    journal.write(write(0), () => done.push(0));
    await time.advance(0);
    journal.write(write(1), () => done.push(1));
    await time.advance(60_000);
    expect(done).toEqual([]);
    expect(journal.error).toBe(full);
    expect(states.length).toBeLessThan(15);
    expect(new Set(states)).toEqual(new Set(['storage-full']));
    expect(storage.commits).toEqual([]);
    storage.failure = undefined;
    await time.until(() => done.length === 2, 15_000);
    expect(done).toEqual([0, 1]);
    expect(states.at(-1)).toBeUndefined();
    expect(journal.error).toBeUndefined();
  });

  test('fails no more when what could not be stored is wanted no more', async () => {
    const { time, storage, journal, states } = await setUp();
    storage.failure = full;
    journal.write(write(0));
    await time.advance(0);
    expect(states).toEqual(['storage-full']);
    journal.discard('a', { incarnation: 1, epoch: 0 });
    storage.failure = undefined;
    await time.advance(1_000);
    expect(states).toEqual(['storage-full', undefined]);
    expect(journal.error).toBeUndefined();
  });

  test('settles with the error when it fails, after trying at once', async () => {
    const { time, storage, journal } = await setUp();
    storage.failure = full;
    journal.write(write(0));
    expect(await time.settled(journal.settled())).toBe(full);
    storage.failure = undefined;
    expect(await time.settled(journal.settled(), 0)).toBeUndefined();
    expect(storage.commits).toEqual([1]);
  });

  test('passes on what is no fault of storage', async () => {
    const { time, journal, broken } = await setUp();
    const bug = new TypeError('a bug');
    journal.write(write(0), () => {
      throw bug;
    });
    await time.advance(0);
    expect(broken).toEqual([bug]);
  });

  test('begins nothing after its end', async () => {
    const { time, storage, journal } = await setUp();
    const done: number[] = [];
    storage.hold();
    journal.write(write(0), () => done.push(0));
    await time.advance(0);
    journal.write(write(1), () => done.push(1));
    journal.stop();
    journal.write(write(2), () => done.push(2));
    storage.release();
    await time.advance(1_000);
    expect(done).toEqual([]);
    expect(storage.commits).toEqual([1]);
  });
});
