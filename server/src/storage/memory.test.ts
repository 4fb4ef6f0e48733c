/** The storage in memory runs the storage suite. */

import { storageSuite } from '../testing/storage-suite.ts';
import { type MemoryBackup, MemoryStorage } from './memory.ts';

storageSuite('memory', () => {
  let epoch = 1_000;
  let storage = new MemoryStorage({ epoch });
  let backup: MemoryBackup;
  return {
    async open() {
      return storage;
    },
    async reopen() {
      await storage.close();
      return storage.reopen();
    },
    async backUp() {
      backup = storage.backup();
    },
    async restore() {
      epoch += 1_000_000;
      storage = MemoryStorage.restore(backup, { epoch });
      return storage;
    },
    async cleanUp() {},
  };
});
