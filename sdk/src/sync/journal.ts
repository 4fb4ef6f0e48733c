// The one way into storage for everything that sync writes: first in, first out. What comes while a commit is under way
// goes into the next one, together. What can't be stored is kept and tried again, and nothing behind it overtakes it, so
// that storage never has an envelope without those before it.
//
// It neither reads storage nor knows what the writes mean.

import { asJoineryError, type JoineryError } from '@joinery/protocol';
import type { Cancel, Environment } from '../environment.ts';
import {
  type DocumentStore,
  type DocumentWrite,
  type IncarnationMark,
  isSameIncarnation,
  StaleIncarnation,
} from '../storage/storage.ts';
import { backoff_ms } from './waiting.ts';

/** A commit takes at most so much; what is above it goes into the next one. */
const commitLimit_bytes = 4 * 1024 * 1024;
const commitLimit_count = 8_192;
/** How long `writeSoon` may wait, unless more than this piles up. */
const soon_ms = 50;
const soonLimit_bytes = 1024 * 1024;
const retryBase_ms = 250;
const retryCap_ms = 15_000;

export interface JournalEvents {
  /** Storage began to fail, failed in another way, or (undefined) works again. */
  state(error: JoineryError | undefined): void;
  /** A document has another incarnation in storage than was written: what was queued of the older one is dropped. */
  stale(document: string): void;
  /** Everything was removed (`wiped`, `storage-evicted`): nothing can be stored any more. */
  removed(error: JoineryError): void;
  /** What a step or a `done` threw: nothing that storage could cure. */
  broken(error: unknown): void;
}

/** A write with what is to be done once it is durable; or something else that has its place in the order. */
type Entry =
  | { readonly kind: 'write'; readonly write: DocumentWrite; readonly bytes: number; readonly done: () => void }
  | { readonly kind: 'step'; readonly run: () => Promise<void> };

export class Journal {
  readonly #environment: Environment;
  readonly #store: DocumentStore;
  readonly #events: JournalEvents;
  #queue: Entry[] = [];
  #queued_bytes = 0;
  #running = false;
  #stopped = false;
  #attempts = 0;
  #error: JoineryError | undefined;
  #cancelRetry: Cancel | undefined;
  #cancelSoon: Cancel | undefined;
  #idle: (() => void)[] = [];

  constructor(environment: Environment, store: DocumentStore, events: JournalEvents) {
    this.#environment = environment;
    this.#store = store;
    this.#events = events;
  }

  /** Why the last commit failed, while it has to be tried again. */
  get error(): JoineryError | undefined {
    return this.#error;
  }

  /** What waits or is under way, in bytes. */
  get queued_bytes(): number {
    return this.#queued_bytes;
  }

  /** Stores the write in its turn; `done` is called when it is durable. */
  write(write: DocumentWrite, done: () => void = () => {}): void {
    const bytes = sizeOf(write);
    this.#queued_bytes += bytes;
    this.#enqueue({ kind: 'write', write, bytes, done });
  }

  /** The same for what nobody waits for: it goes with the next commit, or after a moment, whichever comes first. */
  writeSoon(write: DocumentWrite, done: () => void = () => {}): void {
    if (this.#stopped) return;
    const bytes = sizeOf(write);
    this.#queued_bytes += bytes;
    this.#queue.push({ kind: 'write', write, bytes, done });
    if (this.#queued_bytes > soonLimit_bytes) this.#start();
    else {
      this.#cancelSoon ??= this.#environment.timer(() => {
        this.#cancelSoon = undefined;
        this.#start();
      }, soon_ms);
    }
  }

  /** Runs something else in its turn: everything before is durable by then, nothing behind it has begun. */
  step(run: () => Promise<void>): void {
    this.#enqueue({ kind: 'step', run });
  }

  /** Resolves when the queue is empty or has failed; tries at once what waits for another attempt. */
  settled(): Promise<JoineryError | undefined> {
    if (this.#cancelRetry !== undefined) {
      this.#cancelRetry();
      this.#cancelRetry = undefined;
    }
    this.#start();
    if (!this.#running && this.#queue.length === 0) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#idle.push(() => resolve(this.#error)));
  }

  /**
   * Forgets what waits of this document and of other incarnations than the stored one: it can't be stored any more. They
   * are older ones, or of another epoch, or, where everything was wiped meanwhile, later ones.
   */
  discard(document: string, stored: IncarnationMark): void {
    this.#queue = this.#queue.filter((entry) => {
      const isOther =
        entry.kind === 'write' && entry.write.document === document && !isSameIncarnation(entry.write, stored);
      if (isOther) this.#queued_bytes -= entry.bytes;
      return !isOther;
    });
  }

  /** Begins nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#cancelSoon?.();
    this.#queue = [];
  }

  #enqueue(entry: Entry): void {
    if (this.#stopped) return;
    this.#queue.push(entry);
    this.#start();
  }

  #start(): void {
    if (this.#running || this.#cancelRetry !== undefined || this.#queue.length === 0) return;
    this.#cancelSoon?.();
    this.#cancelSoon = undefined;
    this.#running = true;
    // In a microtask, so that all that one event brings is one commit.
    this.#environment.microtask(() => {
      this.#run().catch((error: unknown) => this.#events.broken(error));
    });
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#stopped) {
        const first = this.#queue[0];
        if (first?.kind === 'step') await this.#attempt([first], first.run);
        else {
          const group = this.#takeGroup();
          // As they are now: what a write says of its epoch may be asked for.
          await this.#attempt(group, () => this.#store.append(group.map(({ write }) => ({ ...write }))));
        }
        if (this.#cancelRetry !== undefined) break;
      }
      if (this.#queue.length === 0) this.#recover();
    } finally {
      this.#running = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Carries out what is at the head of the queue; leaves it there when it fails. */
  async #attempt(group: readonly Entry[], commit: () => Promise<void>): Promise<void> {
    try {
      await commit();
    } catch (error) {
      if (this.#stopped) return;
      if (error instanceof WebAssembly.RuntimeError) throw error;
      if (error instanceof StaleIncarnation) {
        this.discard(error.document, error.expected);
        this.#events.stale(error.document);
        return;
      }
      const failure = asJoineryError(error, 'storage-failed');
      if (isRemoved(failure)) {
        this.stop();
        this.#events.removed(failure);
      } else this.#retryLater(failure);
      return;
    }
    // Some of it may be gone: what was discarded while it was under way.
    const done = new Set<Entry>(group);
    this.#queue = this.#queue.filter((entry) => !done.has(entry));
    this.#recover();
    for (const entry of group) {
      if (entry.kind !== 'write') continue;
      this.#queued_bytes -= entry.bytes;
      if (!this.#stopped) entry.done();
    }
  }

  /** A commit has come through, or what could not be stored is wanted no more: nothing has to be tried again. */
  #recover(): void {
    this.#attempts = 0;
    if (this.#error === undefined || this.#stopped) return;
    this.#error = undefined;
    this.#events.state(undefined);
  }

  #takeGroup(): Extract<Entry, { kind: 'write' }>[] {
    const group: Extract<Entry, { kind: 'write' }>[] = [];
    let bytes = 0;
    for (const entry of this.#queue) {
      if (entry.kind !== 'write' || group.length >= commitLimit_count) break;
      if (group.length > 0 && bytes + entry.bytes > commitLimit_bytes) break;
      group.push(entry);
      bytes += entry.bytes;
    }
    return group;
  }

  #retryLater(error: JoineryError): void {
    this.#error = error;
    const most = backoff_ms(this.#attempts, retryBase_ms, retryCap_ms);
    this.#attempts += 1;
    this.#cancelRetry = this.#environment.timer(
      () => {
        this.#cancelRetry = undefined;
        if (this.#queue.length === 0) this.#recover();
        else this.#start();
      },
      most * (0.5 + this.#environment.random() / 2),
    );
    this.#events.state(error);
  }
}

/** Whether everything is gone that was stored. */
export function isRemoved({ code }: JoineryError): boolean {
  return code === 'wiped' || code === 'storage-evicted';
}

function sizeOf(write: DocumentWrite): number {
  let bytes = 64;
  for (const envelope of write.local ?? []) bytes += envelope.length;
  for (const envelope of write.remote?.envelopes ?? []) bytes += envelope.length;
  for (const { changes, envelope } of write.rejected ?? []) bytes += changes.length + envelope.length;
  for (const stack of write.undo?.stacks ?? []) bytes += stack.bytes?.length ?? 0;
  return bytes;
}
