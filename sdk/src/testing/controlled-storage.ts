// A storage whose commits a test can hold back, let fail, and count: around any other storage. What it holds back has not
// happened yet.

import type {
  Compaction,
  DocumentStore,
  DocumentWrite,
  EnvelopeKey,
  Namespace,
  Storage,
  StoreEvents,
  Swap,
} from '../storage/storage.ts';

export class ControlledStorage implements Storage {
  readonly mode: string;
  readonly shared: boolean;
  readonly #storage: Storage;
  /** What commits and reads fail with, as long as it is set. */
  failure: Error | undefined;
  /** The number of writes in each commit that succeeded. */
  readonly commits: number[] = [];
  compactions = 0;
  swaps = 0;
  #held: (() => void)[] | undefined;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.mode = storage.mode;
    this.shared = storage.shared ?? false;
  }

  /** From now on commits wait. */
  hold(): void {
    this.#held ??= [];
  }

  /** Lets everything go on. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const go of held) go();
  }

  async open(namespace: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    const store = await this.#storage.open(namespace, events);
    return {
      append: async (writes: readonly DocumentWrite[]) => {
        await this.#gate();
        await store.append(writes);
        this.commits.push(writes.length);
      },
      load: async (document: string) => {
        this.#check();
        return await store.load(document);
      },
      read: async (document: string, keys: readonly EnvelopeKey[]) => {
        this.#check();
        return await store.read(document, keys);
      },
      compact: async (document: string, compaction: Compaction) => {
        await this.#gate();
        const tag = await store.compact(document, compaction);
        if (tag !== undefined) this.compactions += 1;
        return tag;
      },
      swap: async (document: string, swap: Swap) => {
        await this.#gate();
        const swapped = await store.swap(document, swap);
        if (swapped) this.swaps += 1;
        return swapped;
      },
      replacements: async (document: string, after: number) => {
        this.#check();
        return await store.replacements(document, after);
      },
      rejected: async (document?: string) => {
        this.#check();
        return await store.rejected(document);
      },
      removeRejected: async (document: string, ids: readonly string[]) => {
        await this.#gate();
        await store.removeRejected(document, ids);
      },
      undo: async (document: string, owner: string, name: string) => {
        this.#check();
        return await store.undo(document, owner, name);
      },
      documents: () => store.documents(),
      pending: async () => {
        this.#check();
        return await store.pending();
      },
      damaged: () => store.damaged(),
      readValue: async (key: string) => {
        this.#check();
        return await store.readValue(key);
      },
      writeValue: async (key: string, value: Uint8Array | undefined) => {
        await this.#gate();
        await store.writeValue(key, value);
      },
      changeValue: async (key, change) => {
        await this.#gate();
        return await store.changeValue(key, change);
      },
      wipe: async () => {
        await this.#gate();
        await store.wipe();
      },
      close: () => store.close(),
    };
  }

  async #gate(): Promise<void> {
    if (this.#held) await new Promise<void>((resolve) => this.#held?.push(resolve));
    this.#check();
  }

  #check(): void {
    if (this.failure) throw this.failure;
  }
}
