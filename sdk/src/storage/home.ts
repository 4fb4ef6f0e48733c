// Which of the storages that can be named has a client's data: one that names none follows the data, one that names another has it
// moved there. So no device that has data in one kind of storage is ever given another one that is empty.

import { JoineryError } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import { migrateStorage, rawOf } from './migrate.ts';
import { moveKey } from './move-mark.ts';
import type { DocumentStore, Namespace, Storage, StoreEvents, Survey } from './storage.ts';

/** A move may be followed by another one that was interrupted before it. */
const maxMoves = 10;

export interface HomeOptions {
  readonly environment: Environment;
  /** All that there are, the one that `auto` prefers first. */
  readonly storages: readonly Storage[];
  /** Where the data is to be; left out, wherever it is. */
  readonly wanted?: Storage | undefined;
  /** Everything was moved away under this client: it uses what it finds, and doesn't move it back. */
  readonly follows?: boolean;
}

interface Found {
  readonly storage: Storage;
  readonly survey: Survey;
}

export class HomeStorage implements Storage {
  readonly shared = true;
  readonly #options: HomeOptions;
  readonly #preferred: Storage;
  #follows: boolean;
  #current: Storage;
  /** What is found out while it is opened is told by that. */
  #isOpening = false;

  constructor(options: HomeOptions) {
    this.#options = options;
    const preferred = options.wanted ?? options.storages[0];
    if (preferred === undefined) throw new Error('Expected a storage, got none.');
    this.#preferred = preferred;
    this.#current = preferred;
    this.#follows = options.follows ?? false;
  }

  /** Of the one that was opened last. */
  get mode(): string {
    return this.#current.mode;
  }

  async open(namespace: Namespace, events: StoreEvents = {}): Promise<DocumentStore> {
    const others = await having(this.#others, namespace);
    if (others.length > 0) return await this.#openAt(await this.#home(namespace, others, events), namespace, events);
    try {
      return await this.#openAt(this.#preferred, namespace, events);
    } catch (error) {
      if (!isMoved(error)) throw error;
      // Where it went there is nothing any more, or nobody here knows it.
      return await this.#openAt(await this.#home(namespace, others, events), namespace, events);
    }
  }

  async #openAt(storage: Storage, namespace: Namespace, events: StoreEvents): Promise<DocumentStore> {
    const store = await this.#opened(storage, namespace, {
      ...events,
      lost: (error) => {
        if (!isMoved(error)) events.lost?.(error);
        else if (this.#isOpening) return;
        else {
          this.#follows = true;
          events.lost?.(error);
        }
      },
    });
    this.#isOpening = true;
    try {
      // Where it was moved to a storage that nobody here knows, that is told now.
      await store.readValue(moveKey);
    } catch (error) {
      await store.close();
      throw error;
    } finally {
      this.#isOpening = false;
    }
    this.#current = storage;
    return store;
  }

  get #others(): Storage[] {
    return this.#options.storages.filter((storage) => storage !== this.#preferred);
  }

  async #home(namespace: Namespace, others: readonly Storage[], events: StoreEvents): Promise<Storage> {
    const { environment, storages } = this.#options;
    let now = others;
    for (let move = 0; move < maxMoves; move += 1) {
      const found = await this.#looked(namespace, [this.#preferred, ...now]);
      const begun = found.find(({ survey }) => survey.mark?.state === 'leaving');
      const full = found.filter(({ survey }) => isFull(survey)).map(({ storage }) => storage);
      let [from, to]: (Storage | undefined)[] = [full[0], this.#preferred];
      if (begun?.survey.mark?.state === 'leaving') {
        const { to: mode } = begun.survey.mark;
        [from, to] = [begun.storage, storages.find((storage) => storage.mode === mode)];
        if (to === undefined) return from;
      } else {
        if (full.includes(this.#preferred)) from = this.#preferred;
        from ??= await this.#emptyHome(namespace, found);
        if (from === this.#preferred || this.#mayNotMove) {
          const home = from;
          for (const { mode } of full) if (mode !== home.mode) events.noted?.(leftBehind(mode, home.mode));
          return home;
        }
      }
      await migrateStorage(from, to as Storage, namespace, environment);
      now = await having(this.#others, namespace);
    }
    throw new JoineryError('storage-locked', 'This storage is moved again and again. It is tried again.');
  }

  get #mayNotMove(): boolean {
    return this.#options.wanted === undefined || this.#follows;
  }

  /** Nothing is anywhere: the one to which the last move led, for the others can't be written to. */
  async #emptyHome(namespace: Namespace, found: readonly Found[]): Promise<Storage> {
    let [at] = found;
    for (let move = 0; move < maxMoves && at?.survey.mark?.state === 'left'; move += 1) {
      const { to } = at.survey.mark;
      const next = this.#options.storages.find(({ mode }) => mode === to);
      // That it was moved away, and to where, is told by whoever opens it.
      if (next === undefined) return this.#preferred;
      at = found.find(({ storage }) => storage === next);
      if (at === undefined) {
        // What was there was taken away, by the browser or its user.
        await this.#reopen(this.#preferred, namespace);
        return this.#preferred;
      }
    }
    if (at === undefined) return this.#preferred;
    if (at.survey.mark?.state === 'arriving') await this.#reopen(at.storage, namespace);
    return at.storage;
  }

  /** Makes one usable to which a move has led, or from which one has: the other end of it is gone, with all it had. */
  async #reopen(storage: Storage, namespace: Namespace): Promise<void> {
    const store = await this.#opened(storage, namespace);
    try {
      const raw = rawOf(store, storage);
      const { mark } = await raw.survey();
      if (mark?.state === 'left') await raw.change({ expect: mark, mark: undefined, vacant: true });
      // From one that nobody here knows it may still come.
      const isKnown = mark?.state === 'arriving' && this.#options.storages.some(({ mode }) => mode === mark.from);
      if (isKnown) await raw.change({ expect: mark, mark: undefined, clear: true });
    } finally {
      await store.close();
    }
  }

  /** What is in each, and where those lead that can't tell themselves whether they have something. */
  async #looked(namespace: Namespace, storages: readonly Storage[]): Promise<Found[]> {
    const found: Found[] = [];
    const looking = [...storages];
    for (const storage of looking) {
      const survey = await this.#survey(storage, namespace);
      found.push({ storage, survey });
      const { mark } = survey;
      const next = mark?.state === 'left' ? this.#options.storages.find(({ mode }) => mode === mark.to) : undefined;
      if (next !== undefined && next.has === undefined && !looking.includes(next)) looking.push(next);
    }
    return found;
  }

  async #survey(storage: Storage, namespace: Namespace): Promise<Survey> {
    const store = await this.#opened(storage, namespace);
    try {
      return await rawOf(store, storage).survey();
    } finally {
      await store.close();
    }
  }

  /** Where data may be that can't be had here, nothing else may take its place. */
  async #opened(storage: Storage, namespace: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    try {
      return await storage.open(namespace, events);
    } catch (error) {
      const isOther = storage !== this.#preferred;
      if (!isOther || !(error instanceof JoineryError) || error.code !== 'storage-unavailable') throw error;
      throw new JoineryError(
        'storage-locked',
        {
          expected: `to open ${storage.mode}, where this device may have its data`,
          got: error.message,
          remedy: 'It is tried again; nothing else is used in its place.',
        },
        { cause: error },
      );
    }
  }
}

function isMoved(error: unknown): boolean {
  return error instanceof JoineryError && error.code === 'storage-moved';
}

async function having(storages: readonly Storage[], namespace: Namespace): Promise<Storage[]> {
  const has = await Promise.all(storages.map((storage) => storage.has?.(namespace) ?? false));
  return storages.filter((_, index) => has[index]);
}

function isFull({ mark, names, damaged }: Survey): boolean {
  return mark?.state !== 'arriving' && (names.length > 0 || damaged.length > 0);
}

function leftBehind(mode: string, home: string): JoineryError {
  return new JoineryError('storage-occupied', {
    expected: 'one storage with data on this device',
    got: `${home}, which is used, and data in ${mode} that did not come from there`,
    remedy: `Both are left as they are. Move one of them away, or wipe it, to have what is in ${mode}.`,
  });
}
