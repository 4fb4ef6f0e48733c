// Runs the storage contract's suite against storage in memory.

import { describe, test } from 'vitest';
import { storageSuite } from '../testing/storage-suite.ts';
import { MemoryStorage } from './memory.ts';

describe('storage in memory', () => {
  for (const { name, run } of storageSuite) {
    test(name, async () => {
      const storage = new MemoryStorage();
      await run({
        storage,
        async damage(namespace, id, area) {
          const document = storage.area(namespace).documents.get(id);
          const record = area === 'log' ? document?.log.values().next().value : document?.[area];
          if (record === undefined) throw new Error(`no ${area} record of ${id}`);
          const middle = record.length >> 1;
          record[middle] = (record[middle] ?? 0) ^ 4;
        },
      });
    });
  }
});
