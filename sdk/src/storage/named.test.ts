// Storages by their names: the SDK's own, and those of a worker of the app's.

import { describe, expect, test } from 'vitest';
import { systemEnvironment } from '../environment.ts';
import { MemoryStorage } from './memory.ts';
import { namedStorage } from './named.ts';

const namespace = { server: 'wss://example.org', user: '', name: 'default' };

describe('a storage by its name', () => {
  test.each(['memory', 'indexeddb', 'opfs'])('%s is the SDK’s own', (name) => {
    expect(namedStorage(name, systemEnvironment()).mode).toBe(name);
  });

  test('of an app’s worker is the one that was given', () => {
    const mine = new MemoryStorage();
    expect(namedStorage('mine', systemEnvironment(), { mine })).toBe(mine);
    expect(namedStorage('indexeddb', systemEnvironment(), { indexeddb: mine })).toBe(mine);
  });

  test.each(['mine', 'toString', '__proto__'])('%s, which nobody gave, is refused when it is opened', async (name) => {
    const storage = namedStorage(name, systemEnvironment(), {});
    expect(storage.mode).toBe(name);
    await expect(storage.open(namespace)).rejects.toMatchObject({ code: 'storage-unavailable' });
  });
});
