// Where a client's data is: each storage here is one of memory that lasts, under a name of its own.

import { JoineryError, writeEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { systemEnvironment } from '../environment.ts';
import { HomeStorage } from './home.ts';
import { MemoryStorage } from './memory.ts';
import type { DocumentStore, Namespace, Storage, StoreEvents } from './storage.ts';

const namespace: Namespace = { server: 'wss://example.org', user: '', name: 'default' };

class Kept implements Storage {
  readonly mode: string;
  inner = new MemoryStorage({ shared: true });
  isThere = false;
  isUnavailable = false;

  constructor(mode: string) {
    this.mode = mode;
  }

  async has(): Promise<boolean> {
    return this.isThere;
  }

  async open(given: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    if (this.isUnavailable) throw new JoineryError('storage-unavailable', 'Not here.');
    this.isThere = true;
    return await this.inner.open(given, events);
  }

  /** The browser has taken everything away. */
  evict(): void {
    this.inner = new MemoryStorage({ shared: true });
    this.isThere = false;
  }
}

interface Device {
  readonly storages: readonly [Kept, Kept, Kept];
  /** What a client that names this finds: the mode, and the documents. */
  open(name: 'auto' | 'a' | 'b' | 'c', events?: StoreEvents): Promise<{ mode: string; store: DocumentStore }>;
  see(name: 'auto' | 'a' | 'b' | 'c'): Promise<string>;
  write(name: 'auto' | 'a' | 'b' | 'c', document: string): Promise<void>;
}

function device(): Device {
  const storages = [new Kept('a'), new Kept('b'), new Kept('c')] as const;
  const open: Device['open'] = async (name, events) => {
    const wanted = storages.find(({ mode }) => mode === name);
    const home = new HomeStorage({ environment: systemEnvironment(), storages, wanted });
    const store = await home.open(namespace, events);
    return { mode: home.mode, store };
  };
  return {
    storages,
    open,
    async see(name) {
      const { mode, store } = await open(name);
      const documents = await store.documents();
      await store.close();
      return `${mode}: ${documents}`;
    },
    async write(name, document) {
      const { store } = await open(name);
      const local = [writeEnvelope({ agent: 1n, from: 0, to: 1, payload: Uint8Array.of(1) })];
      await store.append([{ document, incarnation: 0, epoch: 0, at_ms: 1, local }]);
      await store.close();
    },
  };
}

describe('the storage of a client', () => {
  test('that names none is the preferred one, and where its data is after that', async () => {
    const { see, write } = device();
    expect(await see('auto')).toBe('a: ');
    await write('c', 'notes');
    expect(await see('auto')).toBe('c: notes');
    await write('auto', 'more');
    expect(await see('auto')).toBe('c: more,notes');
  });

  test('is the one that it names, with everything in it', async () => {
    const { see, write } = device();
    await write('auto', 'notes');
    for (const name of ['b', 'c', 'a', 'c', 'b'] as const) expect(await see(name)).toBe(`${name}: notes`);
    expect(await see('auto')).toBe('b: notes');
  });

  test('can be used anew after everything was wiped where it was moved to', async () => {
    for (const name of ['auto', 'a', 'b', 'c'] as const) {
      const { open, see, write } = device();
      await write('a', 'notes');
      const { store } = await open('b');
      await store.wipe();
      await store.close();
      expect(await see(name)).toBe(`${name === 'auto' ? 'b' : name}: `);
      await write(name, 'new');
      expect(await see('auto')).toBe(`${name === 'auto' ? 'b' : name}: new`);
    }
  });

  test('can be used anew after the browser has taken away where it was moved to', async () => {
    for (const name of ['auto', 'a', 'b', 'c'] as const) {
      const { see, storages, write } = device();
      await write('a', 'notes');
      expect(await see('b')).toBe('b: notes');
      storages[1].evict();
      await write(name, 'new');
      expect(await see(name)).toBe(`${name === 'auto' ? 'a' : name}: new`);
    }
  });

  test('can be used anew after the browser has taken away what was on its way there', async () => {
    for (const name of ['auto', 'a', 'b', 'c'] as const) {
      for (const [from, to] of [
        [1, 0],
        [0, 1],
      ] as const) {
        const { open, see, storages, write } = device();
        await write(from === 0 ? 'a' : 'b', 'notes');
        const target = storages[to];
        const opening = target.open.bind(target);
        let steps = 0;
        target.open = async (given, events) => {
          const store = await opening(given, events);
          const raw = store.raw as NonNullable<DocumentStore['raw']>;
          const change: typeof raw.change = async (one) => {
            steps += 1;
            if (steps === 3) throw new Error('The process has ended.');
            return await raw.change(one);
          };
          return Object.assign(Object.create(store), { close: () => store.close(), raw: { ...raw, change } });
        };
        await expect(open(to === 0 ? 'a' : 'b')).rejects.toThrow('ended');
        expect([...target.inner.area(namespace).documents.keys()]).toEqual(['notes']);
        target.open = opening;
        storages[from].evict();
        // Where what was on its way came from isn't known, it may still be there.
        const known = new HomeStorage({ environment: systemEnvironment(), storages: [target] });
        await expect(known.open(namespace)).rejects.toMatchObject({ code: 'storage-moved' });
        const home = name === 'auto' ? 'a' : name;
        expect(await see(name)).toBe(`${home}: `);
        await write(name, 'new');
        expect(await see('auto')).toBe(`${home}: new`);
      }
    }
  });

  test('is found where a move has led, also in a storage that can’t tell whether it has something', async () => {
    for (const name of ['auto', 'a', 'c'] as const) {
      const { see, storages, write } = device();
      Object.assign(storages[1], { has: undefined });
      await write('a', 'notes');
      expect(await see('b')).toBe('b: notes');
      expect(await see(name)).toBe(`${name === 'auto' ? 'b' : name}: notes`);
    }
  });

  test('is not replaced by an empty one where its own can’t be had, or isn’t known', async () => {
    const { open, see, storages, write } = device();
    await write('c', 'notes');
    storages[2].isUnavailable = true;
    await expect(open('auto')).rejects.toMatchObject({ code: 'storage-locked' });
    await expect(open('a')).rejects.toMatchObject({ code: 'storage-locked' });
    storages[2].isUnavailable = false;
    expect(await see('a')).toBe('a: notes');
    expect(await see('c')).toBe('c: notes');
    // Another client doesn't know the third one.
    const known = storages.slice(0, 2);
    const home = new HomeStorage({ environment: systemEnvironment(), storages: known });
    await expect(home.open(namespace)).rejects.toMatchObject({ code: 'storage-moved' });
    expect(await see('auto')).toBe('c: notes');
  });

  test('follows when it is moved away under it, and is not moved back', async () => {
    const { see, storages, write } = device();
    await write('a', 'notes');
    const lost: string[] = [];
    const home = new HomeStorage({ environment: systemEnvironment(), storages, wanted: storages[0] });
    const old = await home.open(namespace, { lost: (error) => lost.push((error as JoineryError).code) });
    expect(await see('b')).toBe('b: notes');
    await expect(old.documents()).rejects.toMatchObject({ code: 'storage-moved' });
    expect(lost).toEqual(['storage-moved']);
    const again = await home.open(namespace);
    expect([home.mode, await again.documents()]).toEqual(['b', ['notes']]);
    // Whoever is new and names the first one has it moved there.
    expect(await see('a')).toBe('a: notes');
  });

  test('with data in two is the one that it names, and tells of the other', async () => {
    const { open, storages, write } = device();
    await write('a', 'notes');
    const other = new HomeStorage({ environment: systemEnvironment(), storages: [storages[1]] });
    const store = await other.open(namespace);
    await store.writeValue('key', Uint8Array.of(1));
    await store.close();
    const noted: string[] = [];
    const events = { noted: (error: Error) => noted.push((error as JoineryError).code) };
    expect((await open('auto', events)).mode).toBe('a');
    expect((await open('b', events)).mode).toBe('b');
    expect(noted).toEqual(['storage-occupied', 'storage-occupied']);
  });
});
