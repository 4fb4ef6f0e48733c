// The storages that an app can name. Nothing of them is loaded by knowing their names.

/** How an app names a storage. */
export type StorageName = 'indexeddb' | 'memory' | 'opfs';

/** What `auto` is where the device has nothing yet: why, is told in docs/performance.md. */
export const preferredMode = 'indexeddb' satisfies StorageName;

export const storageNames: readonly StorageName[] = ['memory', 'indexeddb', 'opfs'];
