// Runs the storage contract's suite on storage in memory, wherever it is.

import { MemoryStorage } from '../storage/memory.ts';
import type { StorageHarness } from './storage-suite.ts';

export function memoryHarness(): StorageHarness {
  const storage = new MemoryStorage();
  return {
    storage,
    async damage(namespace, id, area) {
      const document = storage.area(namespace).documents.get(id);
      const record = area === 'log' ? document?.log.values().next().value : document?.[area];
      if (record === undefined) throw new Error(`Expected a ${area} record of ${id}, found none.`);
      const middle = record.length >> 1;
      record[middle] = (record[middle] ?? 0) ^ 4;
    },
  };
}
