// The storages that can be named, which go by name to where the engine runs. One that an app brings along is an object: it stays
// where it is, or is made in a worker of the app's own, and has a name there.

import { JoineryError } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import { HomeStorage } from './home.ts';
import { IndexedDbStorage } from './indexeddb.ts';
import { MemoryStorage } from './memory.ts';
import { OpfsStorage } from './opfs.ts';
import type { DocumentStore, Storage } from './storage.ts';
import { preferredMode } from './storage-name.ts';

export interface NamedOptions {
  /** Storages of the app's own, by name. */
  readonly own?: Readonly<Record<string, Storage>> | undefined;
  /** See {@link HomeOptions}. */
  readonly follows?: boolean;
}

/** The storage that a client asks for by name, or by `auto`: wherever its data is, or moved there (see `home.ts`). */
export function chosenStorage(name: string, environment: Environment, options: NamedOptions = {}): Storage {
  const { own = {}, follows = false } = options;
  // In memory nothing is moved: it would be gone with the tab.
  if (name === 'memory') return namedStorage(name, environment, own);
  const names = [...new Set([preferredMode, 'opfs', ...Object.keys(own)])].filter((one) => one !== 'memory');
  const storages = names.map((one) => namedStorage(one, environment, own));
  const wanted = name === 'auto' ? undefined : storages[names.indexOf(name)];
  if (name !== 'auto' && wanted === undefined) return new UnknownStorage(name);
  return new HomeStorage({ environment, storages, wanted, follows });
}

/** @param own storages of the app, by name */
export function namedStorage(
  name: string,
  environment: Environment,
  own: Readonly<Record<string, Storage>> = {},
): Storage {
  const mine = Object.hasOwn(own, name) ? own[name] : undefined;
  if (mine !== undefined) return mine;
  if (name === 'memory') return new MemoryStorage();
  if (name === 'opfs') return new OpfsStorage(environment);
  return name === 'indexeddb' ? new IndexedDbStorage() : new UnknownStorage(name);
}

/** One that only a worker of the app's own could have: where that doesn't run, nothing else may take its place. */
class UnknownStorage implements Storage {
  readonly mode: string;

  constructor(mode: string) {
    this.mode = mode;
  }

  async open(): Promise<DocumentStore> {
    throw new JoineryError('storage-unavailable', {
      expected: `a storage of the name ${JSON.stringify(this.mode)} where the engine runs`,
      got: 'none',
      remedy: 'Give it to startWorker({ storages }) in the script of the worker that the option `worker` makes.',
    });
  }
}
