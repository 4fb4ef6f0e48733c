// The main thread's look at what the browser does to this origin's storage: whether it may remove it, how full it is, and
// whether it has removed it since the last session. It neither stores nor fetches anything of a document.
//
// That everything was removed while nobody was there is found by a note that lies elsewhere (localStorage): where it is, and
// the storage is as new, there was more once. Where the browser has removed the note as well, nobody can tell.

import { JoineryError } from '@joinery/protocol';
import type { Cancel, Environment } from '../environment.ts';
import { evicted } from '../storage/store-mark.ts';
import type { EngineStatus } from './messages.ts';
import type { ClientEvent } from './status.ts';

/** How much of its storage an origin uses, as the browser tells it: rounded, and late, on purpose. */
export interface StorageEstimate {
  readonly usage_bytes: number;
  readonly quota_bytes: number;
  /** The browser removes it only when the user says so. */
  readonly persisted: boolean;
}

export interface StorageGuardContext {
  readonly environment: Environment;
  emit(event: ClientEvent): void;
  /** `persisted` has changed. */
  changed(): void;
}

const firstLook_ms = 5_000;
const look_ms = 5 * 60_000;
/** Told when so much of the quota is used, and again after it was less than that. */
const low = 0.9;
const notLow = 0.85;
/** Storage can't be asked too often by writes that fail. */
const lookAgain_ms = 10_000;
const note_ms = 1_000;

export class StorageGuard {
  readonly #context: StorageGuardContext;
  /** Whether the browser has agreed to keep the storage; undefined: not known. */
  persisted: boolean | undefined;
  #isLow = false;
  #looked: number | undefined;
  #cancelLook: Cancel | undefined;
  /** The store whose note this is. */
  #name: string | undefined;
  /** What the note is to say, and what it says: how much is not synced. Undefined: nothing. */
  #wanted: number | undefined;
  #noted: number | undefined;
  #cancelNote: Cancel | undefined;
  #ended = false;

  constructor(context: StorageGuardContext) {
    this.#context = context;
    // Not while an app starts.
    if (context.environment.quota !== undefined) this.#lookIn(firstLook_ms);
  }

  /**
   * Asks the browser to keep this origin's storage when the device runs out of room. It may ask the user.
   *
   * @returns whether it does; false where it can't be asked
   */
  async persist(): Promise<boolean> {
    const { quota } = this.#context.environment;
    if (quota === undefined) return false;
    this.#setPersisted(await asked(() => quota.persist()));
    return this.persisted ?? false;
  }

  /** @throws JoineryError `storage-failed` */
  async estimate(): Promise<StorageEstimate | undefined> {
    const { quota } = this.#context.environment;
    if (quota === undefined) return undefined;
    return await asked(async () => {
      const [{ usage_bytes, quota_bytes }, persisted] = await Promise.all([quota.estimate(), quota.persisted()]);
      this.#setPersisted(persisted);
      return { usage_bytes, quota_bytes, persisted };
    });
  }

  /** The engine has told its status. */
  observe({ store, storage, sync }: EngineStatus): void {
    if (this.#ended) return;
    if (storage.lastError?.code === 'storage-full') this.#lookSoon();
    if (store === undefined) return;
    if (store.isNew) this.#lookForNote(store.name);
    else this.#keepNote(store.name, sync.pending);
  }

  /** The engine has found everything removed, and begins anew. */
  evicted(): void {
    this.#removeNote();
  }

  /** Nothing of the user is to stay here. */
  forget(): void {
    this.#removeNote();
    this.end();
  }

  end(): void {
    if (this.#ended) return;
    this.#cancelNote?.();
    this.#cancelLook?.();
    this.#writeNote();
    this.#ended = true;
  }

  #lookIn(delay_ms: number): void {
    this.#cancelLook = this.#context.environment.timer(() => {
      this.#look();
      this.#lookIn(look_ms);
    }, delay_ms);
  }

  #lookSoon(): void {
    const { environment } = this.#context;
    if (environment.monotonic() - (this.#looked ?? Number.NEGATIVE_INFINITY) >= lookAgain_ms) this.#look();
  }

  #look(): void {
    this.#looked = this.#context.environment.monotonic();
    this.estimate().then(
      (estimate) => {
        if (estimate === undefined || this.#ended) return;
        const { usage_bytes, quota_bytes } = estimate;
        const used = usage_bytes / quota_bytes;
        if (used < notLow) this.#isLow = false;
        if (this.#isLow || !(used >= low)) return;
        this.#isLow = true;
        this.#context.emit({ type: 'storage-low', usage_bytes, quota_bytes });
      },
      // It can't be told how full it is: that writes fail is told by themselves.
      () => {},
    );
  }

  #setPersisted(persisted: boolean): void {
    if (this.persisted === persisted || this.#ended) return;
    this.persisted = persisted;
    this.#context.changed();
  }

  #lookForNote(name: string): void {
    if (this.#name === name) return;
    this.#name = name;
    const note = this.#context.environment.notes?.read(noteKey(name));
    if (note === undefined) return;
    this.#removeNote();
    const unsynced = Number(note);
    this.#context.emit({
      type: 'storage-evicted',
      error: evicted(),
      unsynced: Number.isSafeInteger(unsynced) && unsynced > 0 ? unsynced : 0,
    });
  }

  #keepNote(name: string, pending: number): void {
    const { environment } = this.#context;
    if (environment.notes === undefined) return;
    this.#name = name;
    this.#wanted = pending;
    if (this.#noted === pending) return;
    // Seldom: it is a write on this thread.
    this.#cancelNote ??= environment.timer(() => {
      this.#cancelNote = undefined;
      this.#writeNote();
    }, note_ms);
  }

  #writeNote(): void {
    const { notes } = this.#context.environment;
    if (this.#name === undefined || this.#wanted === undefined || this.#noted === this.#wanted) return;
    this.#noted = this.#wanted;
    notes?.write(noteKey(this.#name), String(this.#wanted));
  }

  #removeNote(): void {
    this.#cancelNote?.();
    this.#cancelNote = this.#wanted = this.#noted = undefined;
    if (this.#name !== undefined) this.#context.environment.notes?.write(noteKey(this.#name), undefined);
  }
}

function noteKey(name: string): string {
  return `joinery-stored:${name}`;
}

async function asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    throw new JoineryError(
      'storage-failed',
      {
        expected: 'the browser to tell of its storage',
        got: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
        remedy: 'Nothing was changed; ask again.',
      },
      { cause: error },
    );
  }
}
