// Runs the storage contract's suite against IndexedDB as fake-indexeddb does it (real browsers run it in tests/browser),
// and what is IndexedDB's alone: other versions, other connections, failing transactions.

import 'fake-indexeddb/auto';
import { JoineryError, writeEnvelope } from '@joinery/protocol';
import { openDB } from 'idb';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { assertRejects } from '../testing/contract.ts';
import { indexedDbHarness } from '../testing/indexeddb-harness.ts';
import { storageSuite } from '../testing/storage-suite.ts';
import { IndexedDbStorage } from './indexeddb.ts';
import { databaseName, databaseVersion } from './indexeddb-database.ts';
import type { DocumentWrite, Namespace } from './storage.ts';

let count = 0;
const freshNamespace = (): Namespace => {
  count += 1;
  return { server: 'ws://server', user: 'ada', name: `indexeddb-${count}` };
};

const write: DocumentWrite = {
  document: 'a',
  epoch: 0,
  at_ms: 1,
  local: [writeEnvelope({ agent: 1n, from: 0, to: 1, payload: Uint8Array.of(1) })],
};

describe('storage in IndexedDB', () => {
  for (const { name, run } of storageSuite) {
    test(name, () => run(indexedDbHarness()));
  }
});

describe('IndexedDB alone', () => {
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
    expect(lost.map((error) => (error as JoineryError).code)).toEqual(['storage-locked']);
    await assertRejects(store.append([write]), 'storage-locked');
    newer.close();
    await assertRejects(new IndexedDbStorage().open(namespace), 'storage-locked');
  });

  test('opening waits for an older tab that holds on, and says so', async () => {
    const namespace = freshNamespace();
    // A tab of an older version that ignores `versionchange`. (Version 1 is the first: its upgrade starts from nothing.)
    const blocked: Error[] = [];
    const open = vi.spyOn(indexedDB, 'open');
    const older = await openDB(databaseName(namespace), 1);
    open.mockImplementationOnce((name) => {
      open.mockRestore();
      return indexedDB.open(name, 2);
    });
    const opening = new IndexedDbStorage().open(namespace, {
      blocked: (error) => {
        blocked.push(error);
        older.close();
      },
    });
    await (await opening).close();
    expect(blocked.map((error) => (error as JoineryError).code)).toEqual(['storage-locked']);
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
