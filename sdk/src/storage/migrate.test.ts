// Moves from each storage to each other one: random contents, a crash at every commit and at every write of a file, and others at
// work in the middle. What a store shows is compared before and after, and its records byte by byte.

import 'fake-indexeddb/auto';
import { writeEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { systemEnvironment } from '../environment.ts';
import { CrashDisk, PowerCut } from '../testing/crash-disk.ts';
import { seededRandom } from '../testing/random.ts';
import { contentOf, fillStore } from '../testing/store-content.ts';
import { HomeStorage } from './home.ts';
import { IndexedDbStorage } from './indexeddb.ts';
import { LogFile } from './log-file.ts';
import { MemoryStorage } from './memory.ts';
import { migrateStorage } from './migrate.ts';
import { encodeValueRecord } from './record.ts';
import { openRecordStore } from './record-store.ts';
import type { DocumentStore, Namespace, RawChange, Storage, StoreEvents } from './storage.ts';
import { markKey } from './store-mark.ts';

let namespaces = 0;

function freshNamespace(): Namespace {
  namespaces += 1;
  return { server: 'wss://example.org', user: 'ada', name: `move-${namespaces}` };
}

/** The files of OPFS's storage, on a disk that can lose power. */
class DiskStorage implements Storage {
  readonly mode = 'disk';
  readonly shared = true;
  disk = new CrashDisk({ random: Math.random });

  open(_namespace: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    return openRecordStore(new LogFile(this.disk.folder(), () => 7), events);
  }
}

const kinds: Readonly<Record<string, () => Storage>> = {
  memory: () => new MemoryStorage({ shared: true }),
  indexeddb: () => new IndexedDbStorage(),
  disk: () => new DiskStorage(),
};
const pairs = Object.keys(kinds).flatMap((from) => Object.keys(kinds).map((to) => [from, to] as const));

const made = (kind: string): Storage => (kinds[kind] as () => Storage)();

async function filled(kind: string, seed: number): Promise<{ storage: Storage; namespace: Namespace }> {
  const [storage, namespace] = [made(kind), freshNamespace()];
  const store = await storage.open(namespace);
  await fillStore(store, seededRandom(seed));
  await store.close();
  return { storage, namespace };
}

/** A storage of which the process ends instead of one of its raw commits, or right after it. */
class Ending implements Storage {
  readonly mode: string;
  readonly #storage: Storage;
  readonly #step: () => boolean;

  constructor(storage: Storage, step: () => boolean) {
    this.#storage = storage;
    this.mode = storage.mode;
    this.#step = step;
  }

  async open(namespace: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    const store = await this.#storage.open(namespace, events);
    const raw = store.raw as NonNullable<DocumentStore['raw']>;
    const change = async (given: RawChange): Promise<boolean> => {
      if (this.#step()) throw new PowerCut();
      const isChanged = await raw.change(given);
      if (this.#step()) throw new PowerCut();
      return isChanged;
    };
    return Object.assign(Object.create(store), { close: () => store.close(), raw: { ...raw, change } });
  }
}

/** Ends the process at its `last`th step. */
function until(last: number): () => boolean {
  let steps = 0;
  return () => {
    steps += 1;
    return steps > last;
  };
}

describe('a move', () => {
  test('of what is removed in the middle leaves a target that can be used', async () => {
    const [from, to, namespace] = [new MemoryStorage({ shared: true }), made('disk'), freshNamespace()];
    const source = await from.open(namespace);
    await fillStore(source, seededRandom(1));
    await expect(migrateStorage(from, new Ending(to, until(3)), namespace)).rejects.toThrow(PowerCut);
    await source.raw?.change({ expect: (await source.raw.survey()).mark, mark: undefined, clear: true });
    expect(await migrateStorage(from, to, namespace)).toBe(0);
    const store = await to.open(namespace);
    expect(await store.documents()).toEqual([]);
    expect(await store.damaged()).toEqual([]);
    await store.close();
  });

  test.each(pairs)('from %s to %s leaves a store that notices when all of it is removed', async (from, to) => {
    if (from === 'indexeddb' && to === 'indexeddb') return;
    const { storage, namespace } = await filled(from, 1);
    const target = made(to);
    await migrateStorage(storage, target, namespace);
    const [store, other] = [await target.open(namespace), await target.open(namespace)];
    expect(store.isNew).toBe(false);
    const mark = await other.raw?.read([{ area: 'value', document: '', name: markKey }]);
    await other.raw?.change({ expect: undefined, mark: undefined, clear: true });
    await other.raw?.change({
      ...{ expect: undefined, mark: undefined },
      put: [{ area: 'value', document: '', name: markKey, bytes: encodeValueRecord(markKey, new Uint8Array(17)) }],
    });
    expect(mark?.[0]).toBeDefined();
    const local = [writeEnvelope({ agent: 1n, from: 0, to: 1, payload: Uint8Array.of(1) })];
    const write = { document: 'a', incarnation: 0, epoch: 0, at_ms: 1, local };
    await expect(store.append([write])).rejects.toMatchObject({ code: 'storage-evicted' });
    await Promise.all([store.close(), other.close()]);
  });

  test.each(pairs)('from %s to %s brings everything, byte by byte', async (from, to) => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const { storage, namespace } = await filled(from, seed);
      const other = to === from ? namespace : freshNamespace();
      const target = made(to);
      // Of one kind there is one store for each namespace: that one moves nothing.
      if (from === 'indexeddb' && to === 'indexeddb') continue;
      const before = await contentOf(storage, namespace);
      expect(before.damaged.length).toBe(1);
      const count = await migrateStorage(storage, target, namespace);
      expect(count).toBe(before.records.length);
      expect(await contentOf(target, namespace)).toEqual(before);
      const left = await storage.open(namespace);
      expect(await left.raw?.survey()).toMatchObject({ names: [], damaged: [], mark: { state: 'left' } });
      await expect(left.load('document-0/ü')).rejects.toMatchObject({ code: 'storage-moved' });
      await left.close();
      expect(await migrateStorage(storage, target, namespace)).toBe(0);
      // And back.
      await migrateStorage(target, storage, namespace);
      expect(await contentOf(storage, namespace)).toEqual(before);
      void other;
    }
  });

  test.each(pairs.filter(([from, to]) => from !== to))('from %s to %s that ends anywhere goes on', async (from, to) => {
    let ended = true;
    for (let last = 0; ended; last += 1) {
      const { storage, namespace } = await filled(from, 3);
      const target = made(to);
      const before = await contentOf(storage, namespace);
      const step = until(last);
      const [source, dying] = [new Ending(storage, step), new Ending(target, step)];
      ended = await migrateStorage(source, dying, namespace).then(
        () => false,
        (error) => error instanceof PowerCut,
      );
      // Whatever a client names then has it all: where it was, or where it goes.
      const storages = [storage, target].map((one) => Object.assign(one, { has: async () => true }));
      const wanted = storages[last % 2];
      const home = new HomeStorage({ environment: systemEnvironment(), storages, wanted });
      await (await home.open(namespace)).close();
      expect(home.mode).toBe(wanted?.mode);
      const now = await contentOf(wanted as Storage, namespace);
      expect({ ...now, mark: undefined }).toEqual({ ...before, mark: undefined });
      const other = await (storages[1 - (last % 2)] as Storage).open(namespace);
      expect((await other.raw?.survey())?.names).toEqual([]);
      await other.close();
      expect(last).toBeLessThan(40);
    }
  });

  test('that ends anywhere can be turned back', async () => {
    let ended = true;
    for (let last = 0; ended; last += 1) {
      const { storage, namespace } = await filled('memory', 3);
      const target = new DiskStorage();
      const before = await contentOf(storage, namespace);
      const step = until(last);
      ended = await migrateStorage(new Ending(storage, step), new Ending(target, step), namespace).then(
        () => false,
        (error) => error instanceof PowerCut,
      );
      await migrateStorage(target, storage, namespace);
      expect({ ...(await contentOf(storage, namespace)), mark: undefined }).toEqual({ ...before, mark: undefined });
      const other = await target.open(namespace);
      expect((await other.raw?.survey())?.names).toEqual([]);
      await other.close();
      expect(last).toBeLessThan(40);
    }
  });

  test('loses nothing to a power cut at any write of a file, on either side', async () => {
    for (const side of ['source', 'target'] as const) {
      let cut = true;
      for (let after = 0; cut; after += 1) {
        const namespace = freshNamespace();
        const [disk, memory] = [new DiskStorage(), new MemoryStorage({ shared: true })];
        disk.disk = new CrashDisk({ random: seededRandom(after + 1) });
        const [source, target] = side === 'source' ? [disk, memory] : [memory, disk];
        const store = await source.open(namespace);
        await fillStore(store, seededRandom(5));
        await store.close();
        const before = await contentOf(source, namespace);
        disk.disk.cutAfter = disk.disk.steps + after;
        cut = await migrateStorage(source, target, namespace).then(
          () => false,
          () => true,
        );
        // An emptied file that could not be tidied is no failure: the cut may come where nobody hears of it.
        cut ||= disk.disk.steps >= disk.disk.cutAfter;
        disk.disk = disk.disk.afterPowerCut();
        await migrateStorage(source, target, namespace);
        expect(await contentOf(target, namespace)).toEqual({ ...before, mark: undefined });
        expect(after).toBeLessThan(200);
      }
    }
  });

  test('of several at once is done once, and a late one empties nothing', async () => {
    const { storage, namespace } = await filled('memory', 4);
    const target = new MemoryStorage({ shared: true });
    const before = await contentOf(storage, namespace);
    const several = [1, 2, 3].map(() => migrateStorage(storage, target, namespace));
    await Promise.all(several);
    expect(await contentOf(target, namespace)).toEqual(before);
  });

  test('that sleeps through another one, before its every commit, undoes nothing of what came after', async () => {
    for (let at = 0; at < 8; at += 1) {
      const { storage, namespace } = await filled('memory', 4);
      const target = new MemoryStorage({ shared: true });
      let steps = 0;
      const sleepy = (inner: Storage): Storage => ({
        mode: inner.mode,
        open: async (given) => {
          const store = await inner.open(given);
          const raw = store.raw as NonNullable<DocumentStore['raw']>;
          const change = async (asked: RawChange): Promise<boolean> => {
            if (steps++ === at) {
              await migrateStorage(storage, target, namespace);
              const used = await target.open(namespace);
              await used.writeValue('written', Uint8Array.of(1));
              await used.writeValue('value-0', Uint8Array.of(1, 2, 3));
              await used.close();
            }
            return await raw.change(asked);
          };
          return Object.assign(Object.create(store), { close: () => store.close(), raw: { ...raw, change } });
        },
      });
      const before = await contentOf(storage, namespace);
      await migrateStorage(sleepy(storage), sleepy(target), namespace);
      const now = await contentOf(target, namespace);
      const isWritten = now.records.some(([key]) => key === 'value  written');
      expect(isWritten).toBe(steps > at);
      expect(now.records.length).toBe(before.records.length + (isWritten ? 1 : 0));
      const used = await target.open(namespace);
      const value = await used.readValue('value-0');
      expect(value?.length === 3 && value[2] === 3).toBe(isWritten);
      await used.close();
    }
  });

  test('ends the stores that are open, which lose nothing and write nothing any more', async () => {
    const { storage, namespace } = await filled('indexeddb', 6);
    const target = new MemoryStorage({ shared: true });
    const lost: string[] = [];
    const old = await storage.open(namespace, { lost: (error) => lost.push((error as Error & { code: string }).code) });
    const local = (from: number) => [writeEnvelope({ agent: 77n, from, to: from + 1, payload: Uint8Array.of(1) })];
    const write = (from: number) => ({ document: 'late', incarnation: 0, epoch: 0, at_ms: 1, local: local(from) });
    await old.append([write(0)]);
    const [moved, late] = await Promise.allSettled([
      migrateStorage(storage, target, namespace),
      old.append([write(1)]),
    ]);
    expect(moved.status).toBe('fulfilled');
    await expect(old.append([write(2)])).rejects.toMatchObject({ code: 'storage-moved' });
    expect(lost).toEqual(['storage-moved']);
    const store = await target.open(namespace);
    // What was told to be stored is there; what was refused is not.
    expect((await store.load('late')).log).toHaveLength(late.status === 'fulfilled' ? 2 : 1);
    await store.close();
    await old.close();
  });

  test('to where there is something already changes nothing', async () => {
    const { storage, namespace } = await filled('memory', 1);
    const target = new DiskStorage();
    const store = await target.open(namespace);
    await fillStore(store, seededRandom(2));
    await store.close();
    const before = [await contentOf(storage, namespace), await contentOf(target, namespace)];
    await expect(migrateStorage(storage, target, namespace)).rejects.toMatchObject({ code: 'storage-occupied' });
    expect([await contentOf(storage, namespace), await contentOf(target, namespace)]).toEqual(before);
  });

  test('that can’t be read back as it was counts for nothing', async () => {
    const { storage, namespace } = await filled('memory', 1);
    const target = new MemoryStorage({ shared: true });
    const before = await contentOf(storage, namespace);
    const forgetful: Storage = {
      mode: 'memory',
      open: async (given) => {
        const store = await target.open(given);
        const raw = store.raw as NonNullable<DocumentStore['raw']>;
        const change = (asked: RawChange): Promise<boolean> =>
          raw.change({ ...asked, put: (asked.put ?? []).map((one) => ({ ...one, bytes: one.bytes.slice(1) })) });
        return Object.assign(Object.create(store), { close: () => store.close(), raw: { ...raw, change } });
      },
    };
    await expect(migrateStorage(storage, forgetful, namespace)).rejects.toMatchObject({ code: 'storage-failed' });
    await migrateStorage(storage, target, namespace);
    expect(await contentOf(target, namespace)).toEqual(before);
  });
});
