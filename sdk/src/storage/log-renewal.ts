// Makes Chromium begin a new write-ahead log under IndexedDB. It touches no data of ours.
//
// A kill can cut the last record of that log in two. LevelDB then drops the half record, goes on writing behind it, and at
// the start after next finds the log broken (google/leveldb issue 1287): Chromium deletes the whole database, and with it
// what was durable long before. A new log has no broken place. LevelDB begins one by itself when about 4 MiB are
// written; so that much is written before the first own write of a browser's life is called durable.

/** LevelDB's write buffer, 4 MiB, and half as much again. */
const filling_bytes = 6 * 1024 * 1024;
/** Larger values leave the log: Chromium keeps those from 64 KiB on in files of their own. */
const value_bytes = 48 * 1024;
/** Few transactions: each one waits for the one before. */
const valuesPerTransaction = 64;
/** One for all stores of an origin: they share one log. */
const databaseName = 'joinery-log-renewal';

/** Whether IndexedDB keeps its data in LevelDB here. Firefox and Safari keep it in SQLite, which has no such trouble. */
export function hasLevelDb(): boolean {
  if (typeof navigator === 'undefined') return false;
  const { userAgentData } = navigator as { userAgentData?: { brands?: readonly { brand: string }[] } };
  return userAgentData?.brands?.some(({ brand }) => brand === 'Chromium') ?? /Chrom(e|ium)\//.test(navigator.userAgent);
}

let renewal: Promise<void> | undefined;

/**
 * Begins a new log, unless a tab that still lives has: the log is that of all tabs, and of one life of the browser. Resolves also
 * when it could not (for want of room, say).
 */
export function renewLog(): Promise<void> {
  renewal ??= renewOnce().catch(() => {
    // Tried again by the next write.
    renewal = undefined;
  });
  return renewal;
}

async function renewOnce(): Promise<void> {
  const locks: LockManager | undefined = navigator.locks;
  if (locks === undefined) return await fill();
  await locks.request(`${databaseName}-under-way`, async () => {
    const { held = [] } = await locks.query();
    if (!held.some(({ name }) => name === databaseName)) await fill();
    // Held for as long as this tab lives.
    locks.request(databaseName, { mode: 'shared' }, () => new Promise<never>(() => {})).catch(() => {});
  });
}

async function fill(): Promise<void> {
  const database = await opened();
  try {
    for (let at = 0; at < filling_bytes; at += valuesPerTransaction * value_bytes) {
      // `relaxed`: it has to reach the log, not the disk; what is durable waits for the disk by itself.
      const transaction = database.transaction('filling', 'readwrite', { durability: 'relaxed' });
      const store = transaction.objectStore('filling');
      // Into the same keys again: the log grows by each of them, the database does not.
      for (let key = 0; key < valuesPerTransaction; key += 1) store.put(new Uint8Array(value_bytes), key);
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      });
    }
  } finally {
    database.close();
    indexedDB.deleteDatabase(databaseName);
  }
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(databaseName, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('filling');
    };
    request.onsuccess = () => {
      // Another tab that is done deletes it: nobody waits for this connection.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('Expected the database to open, found it being deleted.'));
  });
}
