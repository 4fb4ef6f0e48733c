// From the first write of a document to the end of its client: handles that come and go while storage is slow, listeners
// that throw, receipts of writes that change nothing, and what `close` promises. On virtual time.

import { JoineryError } from '@joinery/protocol';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Replica } from './core/index.ts';
import type { Receipt } from './documents/receipt.ts';
import { MemoryStorage } from './storage/memory.ts';
import type { DocumentStore, Namespace, Storage, StoreEvents } from './storage/storage.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { World } from './testing/world.ts';

interface Fields {
  x?: number;
  y?: number;
}

const namespace: Namespace = { server: 'ws://server/sync', user: '', name: 'default' };
const closedError = expect.objectContaining({ code: 'closed' });

/** A storage whose reads wait until a test lets them go. */
class HeldReads implements Storage {
  readonly mode: string;
  readonly #storage: Storage;
  #held: (() => void)[] | undefined;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.mode = storage.mode;
  }

  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const go of held) go();
  }

  async open(at: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    const store = await this.#storage.open(at, events);
    const gate = async (): Promise<void> => {
      if (this.#held) await new Promise<void>((resolve) => this.#held?.push(resolve));
    };
    return {
      append: (writes) => store.append(writes),
      swap: (document, swap) => store.swap(document, swap),
      replacements: (document, after) => store.replacements(document, after),
      rejected: (document) => store.rejected(document),
      removeRejected: (document, ids) => store.removeRejected(document, ids),
      changeValue: (key, change) => store.changeValue(key, change),
      wipe: () => store.wipe(),
      load: async (document) => {
        await gate();
        return await store.load(document);
      },
      read: (document, keys) => store.read(document, keys),
      compact: (document, compaction) => store.compact(document, compaction),
      undo: (document, owner, name) => store.undo(document, owner, name),
      documents: () => store.documents(),
      pending: async () => {
        await gate();
        return await store.pending();
      },
      damaged: () => store.damaged(),
      readValue: (key) => store.readValue(key),
      writeValue: (key, value) => store.writeValue(key, value),
      close: () => store.close(),
    };
  }
}

/** What is thrown in a microtask, where nobody catches it. */
function collectThrown(): unknown[] {
  const thrown: unknown[] = [];
  const real = globalThis.queueMicrotask;
  vi.stubGlobal('queueMicrotask', (run: () => void) =>
    real(() => {
      try {
        run();
      } catch (error) {
        thrown.push(error);
      }
    }),
  );
  return thrown;
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('a document that is closed before it is loaded', () => {
  test('and opened again is the same one: an early write is kept, and the client can close', async () => {
    const world = await World.create();
    const memory = new MemoryStorage();
    const storage = new HeldReads(memory);
    storage.hold();
    const client = world.client(storage);
    const first = client.document<Fields>('a');
    const receipt = first.update({ x: 1 });
    first.close();
    await world.time.advance(5);
    const second = client.document<Fields>('a');
    storage.release();
    await world.time.settled(second.loaded);
    expect(second.value).toEqual({ x: 1 });
    await world.time.settled(receipt.synced);
    expect(world.server.value('a')).toEqual({ x: 1 });
    await world.untilSynced();
    await world.time.settled(client.close());
  });

  test('is closed when its early write is made, and the write goes its way', async () => {
    const world = await World.create();
    const storage = new HeldReads(new MemoryStorage());
    storage.hold();
    const client = world.client(storage);
    const first = client.document<Fields>('a');
    const receipt = first.update({ x: 1 });
    first.close();
    await world.time.advance(5);
    const free = vi.spyOn(Replica.prototype, 'free');
    storage.release();
    await world.time.settled(receipt.synced);
    await world.untilSynced();
    await world.time.advance(1_000);
    // The main thread's and the engine's.
    expect(free).toHaveBeenCalledTimes(2);
  });

  test('after a trap makes early writes when its content is back', async () => {
    const world = await World.create();
    const client = world.client();
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    await world.time.settled(notes.update({ x: 1 }).synced);
    const trap = vi.spyOn(Replica.prototype, 'toJSON').mockImplementationOnce(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
    const other = client.counter('a');
    await world.time.settled(other.increment().durable);
    expect(() => notes.value).toThrow(expect.objectContaining({ code: 'internal' }));
    trap.mockRestore();
    const receipt = notes.update({ y: 2 });
    notes.close();
    other.close();
    await world.time.settled(receipt.synced);
    expect(world.server.value('a')).toEqual({ x: 1, y: 2, counter: 1 });
    await world.time.settled(client.close());
  });
});

describe('a listener that throws', () => {
  test('on a receipt: is told to the app, and later writes go on', async () => {
    const world = await World.create();
    const thrown = collectThrown();
    const client = world.client();
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    const bug = new Error('a bug of the app');
    const first = notes.update({ x: 1 });
    first.subscribe(() => {
      throw bug;
    });
    await world.time.settled(first.synced);
    await world.time.settled(notes.update({ y: 2 }).synced);
    expect(world.server.value('a')).toEqual({ x: 1, y: 2 });
    expect(client.status.sync).toMatchObject({ state: 'idle', pending: 0 });
    expect(thrown).toEqual([bug, bug]);
  });

  test('on status and events: is told to the app, and the others hear of it', async () => {
    const world = await World.create();
    const thrown = collectThrown();
    const client = world.client();
    const bug = new Error('a bug of the app');
    const heard: string[] = [];
    for (const listen of [client.subscribeStatus.bind(client), client.subscribeEvents.bind(client)]) {
      listen(() => {
        throw bug;
      });
    }
    client.subscribeStatus(() => heard.push('status'));
    client.subscribeEvents(({ type }) => heard.push(type));
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    vi.spyOn(Replica.prototype, 'applyUpdates').mockImplementationOnce(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
    await world.time.settled(notes.update({ x: 1 }).synced);
    expect(heard).toContain('status');
    expect(heard).toContain('engine-restarted');
    expect(thrown.length).toBeGreaterThan(1);
    expect(thrown.every((error) => error === bug)).toBe(true);
  });
});

describe('a write that changes nothing', () => {
  test('is not synced while what it wanted is not, after an offline reload', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const first = world.client(storage, { connect: false });
    const before = first.document<Fields>('a');
    await world.time.settled(before.loaded);
    await world.time.settled(before.update({ x: 1 }).durable);
    await world.time.settled(first.close());
    const client = world.client(storage, { connect: false });
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    const receipt = notes.update({ x: 1 });
    await world.time.settled(receipt.durable);
    await world.time.advance(60_000);
    expect(receipt.state).toBe('durable');
    expect(client.status.sync).toMatchObject({ state: 'pending', pending: 1 });
    client.connect();
    await world.time.settled(receipt.synced);
    expect(world.server.value('a')).toEqual({ x: 1 });
    await world.untilSynced(client);
  });

  test('is not durable before the writes of its document are', async () => {
    const world = await World.create();
    const storage = new ControlledStorage(new MemoryStorage());
    const client = world.client(storage, { connect: false });
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    storage.hold();
    const write = notes.update({ x: 1 });
    await world.time.advance(100);
    const receipt = notes.update({ x: 1 });
    await world.time.advance(100);
    expect([write.state, receipt.state]).toEqual(['local', 'local']);
    storage.release();
    await world.time.settled(receipt.durable);
    expect(write.state).toBe('durable');
    await world.time.advance(100);
    expect(receipt.state).toBe('durable');
    client.connect();
    await world.time.settled(receipt.synced);
    expect(write.state).toBe('synced');
  });

  test('is answered by the engine that takes the place of one that died', async () => {
    const world = await World.create();
    const client = world.client(undefined, { connect: false });
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    await world.time.settled(notes.update({ x: 1 }).durable);
    const asked = notes.update({ x: 1 });
    await world.time.settled(asked.durable);
    vi.spyOn(Replica.prototype, 'applyUpdates').mockImplementationOnce(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
    const last = notes.update({ y: 2 });
    const again = notes.update({ y: 2 });
    await world.time.settled(Promise.all([last.durable, again.durable]));
    expect([asked.state, again.state]).toEqual(['durable', 'durable']);
    client.connect();
    await world.time.settled(Promise.all([asked.synced, again.synced]));
    expect(world.server.value('a')).toEqual({ x: 1, y: 2 });
  });
});

describe('a document that is closed while another engine takes over', () => {
  test('is kept by it until all that it was handed is stored and synced', async () => {
    const world = await World.create();
    const storage = new HeldReads(new MemoryStorage());
    const client = world.client(storage);
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    await world.time.settled(notes.update({ x: 1 }).synced);
    await world.untilSynced();
    const receipts: Receipt[] = [];
    client.subscribeEvents(() => {
      storage.hold();
      // A batch that only asks, then one that writes.
      receipts.push(notes.update({ x: 1 }));
      world.time.microtask(() => {
        receipts.push(notes.update({ y: 2 }));
        notes.close();
      });
    });
    const other = world.client().counter('a');
    await world.time.settled(other.loaded);
    other.increment();
    await world.time.until(() => world.server.log('a').length === 2);
    // The next to join something is this client's engine, which gets the increment.
    vi.spyOn(Replica.prototype, 'applyUpdates').mockImplementationOnce(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
    await world.time.until(() => receipts.length === 2);
    await world.time.advance(1_000);
    storage.release();
    await world.time.settled(Promise.all(receipts.map(({ synced }) => synced)));
    expect(world.server.value('a')).toMatchObject({ x: 1, y: 2 });
    await world.untilSynced(client);
    await world.time.settled(client.close());
  });
});

describe('the status', () => {
  test('is not idle before storage was asked what is left', async () => {
    const world = await World.create();
    const memory = new MemoryStorage();
    const first = world.client(memory, { connect: false });
    const notes = first.document<Fields>('a');
    await world.time.settled(notes.loaded);
    await world.time.settled(notes.update({ x: 1 }).durable);
    await world.time.settled(first.close());
    const storage = new HeldReads(memory);
    storage.hold();
    const client = world.client(storage, { connect: false });
    expect(client.status.sync).toEqual({ state: 'pending', pending: 0 });
    await world.time.until(() => client.status.storage.state === 'ready');
    expect(client.status.sync).toEqual({ state: 'pending', pending: 0 });
    storage.release();
    await world.time.until(() => client.status.sync.pending === 1);
    const empty = world.client();
    await world.time.until(() => empty.status.sync.state === 'idle');
  });
});

describe('closing the client', () => {
  test('while another engine takes over stores what it was handed', async () => {
    const world = await World.create();
    const memory = new MemoryStorage();
    const controlled = new ControlledStorage(memory);
    const storage = new HeldReads(controlled);
    const client = world.client(storage, { connect: false });
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    controlled.failure = new WebAssembly.RuntimeError('unreachable');
    const receipt = notes.update({ x: 1 });
    await world.time.advance(0);
    storage.hold();
    controlled.failure = undefined;
    const closing = client.close();
    let isClosed = false;
    closing.finally(() => {
      isClosed = true;
    });
    await world.time.advance(1_000);
    expect(isClosed).toBe(false);
    storage.release();
    await world.time.settled(closing);
    expect(receipt.state).toBe('durable');
    expect(memory.area(namespace).documents.get('a')?.log.size).toBe(1);
  });

  test('rejects in bounded time when what was handed over can’t be stored', async () => {
    const world = await World.create();
    const controlled = new ControlledStorage(new MemoryStorage());
    const client = world.client(controlled, { connect: false });
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    controlled.failure = new WebAssembly.RuntimeError('unreachable');
    const receipt = notes.update({ x: 1 });
    await world.time.advance(0);
    controlled.failure = new JoineryError('storage-failed', 'the disk is gone');
    await expect(world.time.settled(client.close())).rejects.toMatchObject({ code: 'storage-failed' });
    await expect(receipt.durable).rejects.toEqual(closedError);
    expect(receipt.state).toBe('rejected');
  });

  test('rejects in bounded time when a document with an early write can’t be read', async () => {
    const world = await World.create();
    const storage = new HeldReads(new MemoryStorage());
    storage.hold();
    const client = world.client(storage, { connect: false });
    const receipt = client.document<Fields>('a').update({ x: 1 });
    await expect(world.time.settled(client.close())).rejects.toMatchObject({ code: 'storage-failed' });
    expect(receipt.state).toBe('rejected');
  });

  test('ends its documents: writes throw, what waits rejects, replicas are freed', async () => {
    const world = await World.create();
    const storage = new HeldReads(new MemoryStorage());
    const client = world.client(storage, { connect: false });
    const notes = client.document<Fields>('a');
    await world.time.settled(notes.loaded);
    const receipt = notes.update({ x: 1 });
    const same = notes.update({ x: 1 });
    await world.time.settled(Promise.all([receipt.durable, same.durable]));
    storage.hold();
    const unread = client.document<Fields>('b');
    await world.time.advance(0);
    const free = vi.spyOn(Replica.prototype, 'free');
    const closing = client.close();
    expect(() => notes.update({ y: 1 })).toThrow(closedError);
    await world.time.settled(closing);
    for (const handle of [notes, unread]) expect(() => handle.update({ y: 1 })).toThrow(closedError);
    for (const waits of [receipt.synced, same.synced, unread.loaded]) await expect(waits).rejects.toEqual(closedError);
    // In storage all the same, to be sent by the next client.
    expect([receipt.state, receipt.error?.code]).toEqual(['durable', 'closed']);
    await receipt.durable;
    expect(free).toHaveBeenCalled();
    notes.close();
    unread.close();
    await world.time.advance(1_000);
    storage.release();
    const next = world.client(storage);
    await world.time.until(() => world.server.log('a').length === 1);
    await world.untilSynced(next);
  });
});
