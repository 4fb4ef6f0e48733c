// The storages that can be named, which go by name to where the engine runs. One that an app brings along is an object, and stays
// where it is.

import type { Environment } from '../environment.ts';
import { IndexedDbStorage } from './indexeddb.ts';
import { MemoryStorage } from './memory.ts';
import { OpfsStorage } from './opfs.ts';
import type { Storage } from './storage.ts';
import type { StorageName } from './storage-name.ts';

export function namedStorage(name: StorageName, environment: Environment): Storage {
  if (name === 'memory') return new MemoryStorage();
  return name === 'opfs' ? new OpfsStorage(environment) : new IndexedDbStorage();
}
