// Runs the storage contract's suite against IndexedDB as fake-indexeddb does it (real browsers run it in tests/browser),
// and what is IndexedDB's alone: other versions, other connections, failing transactions.

import 'fake-indexeddb/auto';
import { JoineryError, writeEnvelope } from '@joinery/protocol';
import { type IDBPDatabase, openDB } from 'idb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { assertRejects } from '../testing/contract.ts';
import { indexedDbHarness } from '../testing/indexeddb-harness.ts';
import { storageSuite } from '../testing/storage-suite.ts';
import { crc32 } from './checksum.ts';
import { IndexedDbStorage } from './indexeddb.ts';
import { databaseName, databaseVersion, openDatabase, type Upgrade, upgrades } from './indexeddb-database.ts';
import type { DocumentWrite, Namespace } from './storage.ts';

let count = 0;
const freshNamespace = (): Namespace => {
  count += 1;
  return { server: 'ws://server', user: 'ada', name: `indexeddb-${count}` };
};

const write: DocumentWrite = {
  document: 'a',
  incarnation: 0,
  epoch: 0,
  at_ms: 1,
  local: [writeEnvelope({ agent: 1n, from: 0, to: 1, payload: Uint8Array.of(1) })],
};

/** The stores as the first version made them. */
function firstVersion(database: IDBPDatabase): void {
  for (const name of ['log', 'snapshots', 'states', 'outbox', 'values']) database.createObjectStore(name);
  database.createObjectStore('damaged', { autoIncrement: true });
}

/** A record as the first version wrote it. */
function firstFormat(owner: string, kind: number, body: readonly number[]): Uint8Array {
  const record = Uint8Array.of(0x4a, 1, kind, body.length, ...body, 0, 0, 0, 0);
  const checksum = crc32(record.subarray(0, -4), crc32(new TextEncoder().encode(owner)));
  new DataView(record.buffer).setUint32(record.length - 4, checksum, true);
  return record;
}

describe('storage in IndexedDB', () => {
  for (const { name, run } of storageSuite) {
    test(name, () => run(indexedDbHarness()));
  }
});

describe('storage in WebKit’s IndexedDB', () => {
  beforeEach(() =>
    vi.stubGlobal('navigator', { userAgent: 'Mozilla/5.0 AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15' }),
  );
  afterEach(() => vi.unstubAllGlobals());

  for (const { name, run } of storageSuite) {
    test(name, () => run(indexedDbHarness()));
  }

  test('a connection has one transaction at a time, also after one that failed, and finishes them before it is closed', async () => {
    const underWay = new Map<IDBDatabase, number>();
    const { transaction: begin } = IDBDatabase.prototype;
    let most = 0;
    vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...given) {
      const count = (change: number): void => {
        underWay.set(this, (underWay.get(this) ?? 0) + change);
        most = Math.max(most, underWay.get(this) ?? 0);
      };
      const transaction = begin.apply(this, given);
      count(1);
      for (const end of ['complete', 'abort']) transaction.addEventListener(end, () => count(-1));
      return transaction;
    });
    const store = await new IndexedDbStorage().open(freshNamespace());
    const work = [
      store.append([write]),
      store.load('a'),
      store.changeValue('key', () => {
        throw new Error('not this one');
      }),
      store.readValue('key'),
      store.rejected(),
      store.pending(),
      store.writeValue('key', Uint8Array.of(1)),
    ];
    const closed = store.close();
    const outcomes = await Promise.allSettled(work);
    expect(outcomes.map(({ status }) => status)).toEqual(work.map((_, at) => (at === 2 ? 'rejected' : 'fulfilled')));
    await closed;
    expect(most).toBe(1);
    vi.restoreAllMocks();
  });
});

describe('IndexedDB alone', () => {
  test('reads many documents with few requests, and none that nobody wants', async () => {
    const store = await new IndexedDbStorage().open(freshNamespace());
    const ids = Array.from({ length: 300 }, (_, index) => `document-${String(index).padStart(3, '0')}`);
    await store.append(ids.map((document) => ({ ...write, document })));
    const requests: IDBRequest<unknown[]>[] = [];
    const { getAll } = IDBObjectStore.prototype;
    const asked = vi.spyOn(IDBObjectStore.prototype, 'getAll').mockImplementation(function (
      this: IDBObjectStore,
      ...range
    ) {
      const request = getAll.apply(this, range);
      if (this.name === 'log') requests.push(request);
      return request;
    });
    await Promise.all(ids.map((id) => store.load(id)));
    // A few that come first are read alone.
    expect(asked.mock.calls.length).toBeLessThan(20);
    requests.length = 0;
    // What waits is read together, but for what lies between.
    const some = ids.filter((_, index) => index < 10 || (index > 14 && index < 40));
    await Promise.all(some.map((id) => store.load(id)));
    expect(requests.reduce((sum, { result }) => sum + result.length, 0)).toBe(some.length);
    asked.mockRestore();
    await store.close();
  });

  afterEach(() => vi.restoreAllMocks());

  test('commits are strict', async () => {
    const store = await new IndexedDbStorage().open(freshNamespace());
    const transaction = vi.spyOn(IDBDatabase.prototype, 'transaction');
    await store.append([write]);
    expect(transaction.mock.calls.map(([, mode, options]) => [mode, options])).toEqual([
      ['readwrite', { durability: 'strict' }],
    ]);
    await store.close();
  });

  test('a newer version takes the database over: this tab lets go, says so, and stores nothing more', async () => {
    const namespace = freshNamespace();
    const lost: Error[] = [];
    const store = await new IndexedDbStorage().open(namespace, { lost: (error) => lost.push(error) });
    await store.append([write]);
    const newer = await openDB(databaseName(namespace), databaseVersion + 1);
    expect(lost.map((error) => (error as JoineryError).code)).toEqual(['storage-too-new']);
    await assertRejects(store.append([write]), 'storage-too-new');
    newer.close();
    await assertRejects(new IndexedDbStorage().open(namespace), 'storage-too-new');
  });

  test('who has seen something reads nothing of what is there when all of that was removed', async () => {
    const namespace = freshNamespace();
    const [mine, theirs] = [await new IndexedDbStorage().open(namespace), await new IndexedDbStorage().open(namespace)];
    await mine.append([write]);
    const raw = await openDB(databaseName(namespace));
    const names = [...raw.objectStoreNames];
    const transaction = raw.transaction(names, 'readwrite');
    for (const name of names) transaction.objectStore(name).clear();
    await transaction.done;
    raw.close();
    await assertRejects(mine.load('a'), 'storage-evicted');
    // Who has not seen anything begins anew.
    await theirs.append([{ ...write, document: 'b' }]);
    const reads = [
      () => mine.load('b'),
      () => mine.documents(),
      () => mine.rejected(),
      () => mine.replacements('b', 0),
    ];
    for (const read of reads) await assertRejects(read(), 'storage-evicted');
    await Promise.all([mine.close(), theirs.close()]);
  });

  test('opening waits for an older tab that holds on, and says so', async () => {
    const namespace = freshNamespace();
    // A tab of an older version that ignores `versionchange`.
    const blocked: Error[] = [];
    const older = await openDB(databaseName(namespace), 1, { upgrade: firstVersion });
    const opening = new IndexedDbStorage().open(namespace, {
      blocked: (error) => {
        blocked.push(error);
        older.close();
      },
    });
    await (await opening).close();
    expect(blocked.map((error) => (error as JoineryError).code)).toEqual(['storage-locked']);
  });

  test('a step of an upgrade that fails undoes all of it, and says why', async () => {
    const namespace = freshNamespace();
    const older = await new IndexedDbStorage().open(namespace);
    await older.writeValue('key', Uint8Array.of(1));
    await older.close();
    const open = (...steps: Upgrade[]) => openDatabase(namespace, {}, () => {}, [...upgrades, ...steps]);
    const clear: Upgrade = (_, transaction) => transaction.objectStore('values').clear();
    const failing: Upgrade = () => {
      throw new JoineryError('storage-corrupt', 'This step can’t be done.');
    };
    await assertRejects(open(clear, failing), 'storage-corrupt');
    const again = await new IndexedDbStorage().open(namespace);
    expect(await again.readValue('key')).toEqual(Uint8Array.of(1));
    await again.close();
    const later = await open(clear);
    expect([later.version, await later.count('values')]).toEqual([upgrades.length + 1, 0]);
    later.close();
    await assertRejects(new IndexedDbStorage().open(namespace), 'storage-too-new');
  });

  test('a database of the first version is upgraded, and what is in it is read and goes on', async () => {
    const namespace = freshNamespace();
    const [one, two] = [1, 2].map((seq) =>
      writeEnvelope({ agent: 1n, from: seq - 1, to: seq, payload: Uint8Array.of(seq) }),
    ) as [Uint8Array, Uint8Array];
    const older = await openDB(databaseName(namespace), 1, { upgrade: firstVersion });
    const keys = [0, 1].map((from) => ['a', '0000000000000001', from]);
    const state = [1, 1, 4, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 4];
    for (const [name, key, value] of [
      ['log', keys[0], firstFormat('a', 1, [0, 0, 0, 5, ...one])],
      ['log', keys[1], firstFormat('a', 1, [0, 0, 0, 6, ...two])],
      ['snapshots', 'a', firstFormat('a', 2, [1, 9, 9])],
      ['states', 'a', firstFormat('a', 3, state)],
      ['outbox', keys[1], 6],
      ['values', 'key', firstFormat('key', 4, [7])],
    ] as const) {
      await older.put(name, value, key as IDBValidKey);
    }
    older.close();

    const store = await new IndexedDbStorage().open(namespace);
    const stored = await store.load('a');
    expect(stored).toMatchObject({ resume: { epoch: 1, position: 4 }, incarnation: 0, repairs: 1, damaged: [] });
    expect(stored.snapshot?.bytes).toEqual(Uint8Array.of(9, 9));
    expect(stored.log.map(({ from, own, acknowledged, safe }) => ({ from, own, acknowledged, safe }))).toEqual([
      { from: 0, own: true, acknowledged: true, safe: false },
      { from: 1, own: true, acknowledged: false, safe: false },
    ]);
    expect(await store.readValue('key')).toEqual(Uint8Array.of(7));
    expect(await store.pending()).toEqual([{ document: 'a', envelopes: 1, oldestAt_ms: 6 }]);
    expect(await store.rejected()).toEqual([]);
    const resume = { epoch: 1, position: 9 };
    const swapped = await store.swap('a', {
      incarnation: 0,
      expectAgents: new Map([[1n, 2]]),
      snapshot: Uint8Array.of(1),
      resume,
      safe: resume,
      at_ms: 7,
      local: [],
      clockOffset_ms: undefined,
      rejected: [],
      agents: [{ agent: 1n, covered: 2, last: 2 }],
      mapping: new Uint8Array(),
    });
    expect(swapped).toBe(true);
    expect(await store.load('a')).toMatchObject({ incarnation: 1, resume, log: [] });
    await store.close();
  });

  test('an upgrade that is killed half-way leaves the first version as it was, and is done anew', async () => {
    const upgrades = ['rejected', 'replaced'];
    for (const at of [...upgrades, 'the end']) {
      const namespace = freshNamespace();
      const bytes = writeEnvelope({ agent: 1n, from: 0, to: 1, payload: Uint8Array.of(1) });
      const key = ['a', '0000000000000001', 0];
      const older = await openDB(databaseName(namespace), 1, { upgrade: firstVersion });
      await older.put('log', firstFormat('a', 1, [0, 0, 0, 5, ...bytes]), key);
      await older.put('states', firstFormat('a', 3, [0, 1, 4, 0]), 'a');
      await older.put('outbox', 5, key);
      older.close();

      const create = IDBDatabase.prototype.createObjectStore;
      vi.spyOn(IDBDatabase.prototype, 'createObjectStore').mockImplementation(function (
        this: IDBDatabase,
        name,
        options,
      ) {
        const store = create.call(this, name, options);
        // A process that dies has not committed: its transaction never was.
        if (name === at) store.transaction.abort();
        if (name === upgrades.at(-1) && at === 'the end') {
          // After everything that the upgrade asks for, and before its commit.
          store.put(new Uint8Array(), 'x').onsuccess = () => store.transaction.abort();
        }
        return store;
      });
      await assertRejects(new IndexedDbStorage().open(namespace), 'storage-failed');
      vi.restoreAllMocks();

      const before = await openDB(databaseName(namespace));
      expect([before.version, [...before.objectStoreNames].includes('rejected')]).toEqual([1, false]);
      expect(await before.count('log')).toBe(1);
      before.close();
      const store = await new IndexedDbStorage().open(namespace);
      expect(await store.load('a')).toMatchObject({ resume: { epoch: 1, position: 4 }, incarnation: 0, damaged: [] });
      expect(await store.pending()).toEqual([{ document: 'a', envelopes: 1, oldestAt_ms: 5 }]);
      expect(await store.rejected()).toEqual([]);
      await store.append([write]);
      await store.close();
    }
  });

  test('a full disk is a typed error, changes nothing, and the same write succeeds later', async () => {
    const store = await new IndexedDbStorage().open(freshNamespace());
    const put = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementationOnce(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    await assertRejects(store.append([write]), 'storage-full');
    put.mockRestore();
    expect((await store.load('a')).log).toEqual([]);
    await store.append([write]);
    expect((await store.load('a')).log).toHaveLength(1);
    await store.close();
  });

  test('an aborted transaction is a typed error and changes nothing', async () => {
    const store = await new IndexedDbStorage().open(freshNamespace());
    const begin = IDBDatabase.prototype.transaction;
    vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementationOnce(function (this: IDBDatabase, ...given) {
      const transaction = begin.apply(this, given);
      queueMicrotask(() => transaction.abort());
      return transaction;
    });
    await assertRejects(store.append([write]), 'storage-failed');
    expect((await store.load('a')).log).toEqual([]);
    await store.close();
  });

  test('without IndexedDB opening fails with a typed error', async () => {
    vi.stubGlobal('indexedDB', undefined);
    await assertRejects(new IndexedDbStorage().open(freshNamespace()), 'storage-unavailable');
    vi.unstubAllGlobals();
  });

  test('where the browser refuses it for good opening says so, and else that it may work later', async () => {
    const open = vi.spyOn(indexedDB, 'open');
    for (const [name, code] of [
      ['SecurityError', 'storage-unavailable'],
      ['UnknownError', 'storage-failed'],
      ['InvalidStateError', 'storage-failed'],
      ['QuotaExceededError', 'storage-full'],
    ] as const) {
      open.mockImplementationOnce(() => {
        throw new DOMException('no', name);
      });
      await assertRejects(new IndexedDbStorage().open(freshNamespace()), code);
    }
  });

  test('an exception that is none of ours has a code too', async () => {
    const store = await new IndexedDbStorage().open(freshNamespace());
    await store.close();
    await expect(store.pending()).rejects.toBeInstanceOf(JoineryError);
  });
});
