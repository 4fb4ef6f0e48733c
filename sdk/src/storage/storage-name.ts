// The storages that an app can name. Nothing of them is loaded by knowing their names.

/** How an app names a storage. */
export type StorageName = 'indexeddb' | 'memory' | 'opfs';

export const storageNames: readonly StorageName[] = ['memory', 'indexeddb', 'opfs'];
