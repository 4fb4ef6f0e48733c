// Brings what the engine learns of one document to the main thread, in bounded pieces: at most so much is on its way at
// once, and when too much piles up behind it the whole state goes instead. It neither merges nor stores.

import type { EnginePort, FromEngine } from './messages.ts';

/** One message, and with it one task of the main thread, carries about so much; a single larger envelope goes alone. */
const piece_bytes = 64 * 1024;
/** What the main thread has not yet taken. */
const window_bytes = 256 * 1024;
/** What may wait here before a snapshot takes its place. */
const backlog_bytes = 1024 * 1024;

const nothing: readonly Uint8Array[] = [];

export interface StateSource {
  /** Encodes the document as it is now. */
  encode(): Uint8Array;
}

export class Feed {
  readonly #channel: number;
  readonly #port: EnginePort<FromEngine>;
  readonly #source: StateSource;
  /** Replaced, never changed. */
  #queue: readonly Uint8Array[] = nothing;
  #queued_bytes = 0;
  #underway_bytes = 0;
  #wantsState = false;

  constructor(channel: number, port: EnginePort<FromEngine>, source: StateSource) {
    this.#channel = channel;
    this.#port = port;
    this.#source = source;
  }

  push(updates: readonly Uint8Array[]): void {
    // The state that is to be sent will include them.
    if (this.#wantsState) return;
    this.#queue = [...this.#queue, ...updates];
    for (const { length } of updates) this.#queued_bytes += length;
    if (this.#queued_bytes > backlog_bytes) this.pushState();
    else this.#pump();
  }

  /** Forgets what waits: the main thread is given another incarnation. */
  reset(): void {
    this.#queue = nothing;
    this.#queued_bytes = 0;
    this.#wantsState = false;
  }

  /** Sends the whole state, in place of everything that waits. */
  pushState(): void {
    this.#wantsState = true;
    this.#queue = nothing;
    this.#queued_bytes = 0;
    this.#pump();
  }

  /** Nothing waits and nothing is on its way: another one may go on in its place. */
  get isIdle(): boolean {
    return this.#underway_bytes === 0 && this.#queue.length === 0 && !this.#wantsState;
  }

  taken(bytes: number): void {
    this.#underway_bytes = Math.max(0, this.#underway_bytes - bytes);
    this.#pump();
  }

  #pump(): void {
    if (this.#wantsState) {
      // Not while pieces are on their way: the state is as new as it can be when the main thread gets to it.
      if (this.#underway_bytes > 0) return;
      this.#wantsState = false;
      const snapshot = this.#source.encode();
      const bytes = snapshot.length;
      this.#underway_bytes += bytes;
      this.#port.post({ type: 'state', channel: this.#channel, snapshot, bytes }, [snapshot.buffer as ArrayBuffer]);
      return;
    }
    while (this.#queue.length > 0 && this.#underway_bytes < window_bytes) {
      let count = 0;
      let bytes = 0;
      for (const update of this.#queue) {
        if (count > 0 && bytes + update.length > piece_bytes) break;
        count += 1;
        bytes += update.length;
      }
      const updates = this.#queue.slice(0, count);
      this.#queue = this.#queue.length === count ? nothing : this.#queue.slice(count);
      this.#queued_bytes -= bytes;
      this.#underway_bytes += bytes;
      this.#port.post({ type: 'updates', channel: this.#channel, updates, bytes });
    }
  }
}
