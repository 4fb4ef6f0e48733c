// Who uses this client on this device: so that each user's data lies in a namespace of its own, and the last user's opens
// without a network. Kept in the values of the namespace without a user. It opens no session and checks no token.
//
// The first user ever gets the namespace without a user itself: what was written before anybody had signed in, and what an
// older version of this code stored there, is theirs.

import type { DocumentStore, Namespace, Storage } from '../storage/storage.ts';

const lastKey = 'last-user';
const ownerKey = 'owner';
const writer = new TextEncoder();
const reader = new TextDecoder();

/** What is known before the server has said who it is. */
export type Guess =
  /** The last user. */
  | { readonly kind: 'known'; readonly user: string; readonly namespace: Namespace }
  /** Nobody was ever here. */
  | { readonly kind: 'nobody'; readonly namespace: Namespace }
  /** Somebody was here and has signed out: whose data is to be opened has to be asked. */
  | { readonly kind: 'unknown' };

/** The namespace of a client is given without a user. */
export class KnownUsers {
  readonly #storage: Storage;
  readonly #base: Namespace;

  constructor(storage: Storage, base: Namespace) {
    this.#storage = storage;
    this.#base = base;
  }

  async guess(): Promise<Guess> {
    return await this.#with(async (store) => {
      const user = await read(store, lastKey);
      const owner = await read(store, ownerKey);
      if (user !== undefined) return { kind: 'known', user, namespace: this.#namespaceOf(user, owner) };
      return owner === undefined ? { kind: 'nobody', namespace: this.#base } : { kind: 'unknown' };
    });
  }

  /** The server has said who it is: remembered. Gives the user's namespace. */
  async signedIn(user: string): Promise<Namespace> {
    return await this.#with(async (store) => {
      const owner = reader.decode(await store.changeValue(ownerKey, (known) => known ?? writer.encode(user)));
      await store.writeValue(lastKey, writer.encode(user));
      return this.#namespaceOf(user, owner);
    });
  }

  /** Nobody is remembered. */
  async signedOut(): Promise<void> {
    await this.#with((store) => store.writeValue(lastKey, undefined));
  }

  #namespaceOf(user: string, owner: string | undefined): Namespace {
    return owner === undefined || owner === user ? this.#base : { ...this.#base, user };
  }

  async #with<Result>(run: (store: DocumentStore) => Promise<Result>): Promise<Result> {
    const store = await this.#storage.open(this.#base);
    try {
      return await run(store);
    } finally {
      await store.close();
    }
  }
}

async function read(store: DocumentStore, key: string): Promise<string | undefined> {
  const bytes = await store.readValue(key);
  return bytes && reader.decode(bytes);
}
