// Moves to and from a SQLite file, of random contents; what a move is, is tested in the SDK.

import 'fake-indexeddb/auto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateStorage, type Storage } from 'joinery/storage';
import { contentOf, fillStore, indexedDbHarness, MemoryStorage, seededRandom } from 'joinery/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { SqliteStorage } from './node.ts';

const folder = mkdtempSync(join(tmpdir(), 'joinery-move-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const kinds: Readonly<Record<string, () => Storage>> = {
  memory: () => new MemoryStorage({ shared: true }),
  indexeddb: () => indexedDbHarness().storage,
  sqlite: () => {
    files += 1;
    return new SqliteStorage({ path: join(folder, `${files}.sqlite`) });
  },
};

describe('a move', () => {
  test.each([
    ['memory', 'sqlite'],
    ['indexeddb', 'sqlite'],
    ['sqlite', 'memory'],
    ['sqlite', 'indexeddb'],
    ['sqlite', 'sqlite'],
  ])('from %s to %s and back brings everything, byte by byte', async (from, to) => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const namespace = { server: 'wss://example.org', user: '', name: `${from}-${to}-${seed}` };
      const [source, target] = [kinds[from]?.() as Storage, kinds[to]?.() as Storage];
      const store = await source.open(namespace);
      await fillStore(store, seededRandom(seed));
      await store.close();
      const before = await contentOf(source, namespace);
      expect(await migrateStorage(source, target, namespace)).toBe(before.records.length);
      expect(await contentOf(target, namespace)).toEqual(before);
      await migrateStorage(target, source, namespace);
      expect(await contentOf(source, namespace)).toEqual(before);
    }
  });
});
