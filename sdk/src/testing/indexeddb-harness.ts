// Runs the storage contract's suite on IndexedDB, wherever it is: in a real browser, or as fake-indexeddb in Node.

import { IndexedDbStorage } from '../storage/indexeddb.ts';
import { databaseName, databaseVersion, logRange } from '../storage/indexeddb-database.ts';
import type { StorageHarness } from './storage-suite.ts';

const stores = { log: 'log', snapshot: 'snapshots', state: 'states' } as const;

export function indexedDbHarness(): StorageHarness {
  return {
    storage: new IndexedDbStorage(),
    async damage(namespace, document, area) {
      const database = await settled(indexedDB.open(databaseName(namespace), databaseVersion));
      const store = database.transaction(stores[area], 'readwrite').objectStore(stores[area]);
      const cursor = await settled(store.openCursor(area === 'log' ? logRange(document) : IDBKeyRange.only(document)));
      if (cursor === null) throw new Error(`Expected a ${area} record of ${document}, found none.`);
      const record = (cursor.value as Uint8Array).slice();
      const middle = record.length >> 1;
      record[middle] = (record[middle] ?? 0) ^ 4;
      await settled(cursor.update(record));
      database.close();
    },
  };
}

function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
