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
} from '../storage/storage.ts';

export class ControlledStorage implements Storage {
  readonly mode: string;
  readonly #storage: Storage;
  /** What commits and reads fail with, as long as it is set. */
  failure: Error | undefined;
  /** The number of writes in each commit that succeeded. */
  readonly commits: number[] = [];
  compactions = 0;
  #held: (() => void)[] | undefined;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.mode = storage.mode;
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
      documents: () => store.documents(),
      pending: () => store.pending(),
      damaged: () => store.damaged(),
      readValue: (key: string) => store.readValue(key),
      writeValue: async (key: string, value: Uint8Array | undefined) => {
        await this.#gate();
        await store.writeValue(key, value);
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
