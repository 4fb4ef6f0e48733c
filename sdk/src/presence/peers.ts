// The other peers of one document, as far as they were heard of: who is there, with what state, and until when that counts. All
// times are this tab's own (monotonic); of a peer's messages the one with the highest turn holds, however late and by
// whatever way another one comes.

import { decodeState, type PresenceMessage } from './message.ts';

/** Another tab or device that has the document's presence open and shows something. Frozen, and the same while it shows the same. */
export interface Peer<T extends object = Record<string, unknown>> {
  /** Names the other tab for as long as it takes part; another one each time. */
  readonly id: string;
  readonly state: T;
}

/** Who was silent for so long is there no more. */
export const silence_ms = 30_000;
/** So long a peer has to be heard by another way when the way by which it was heard has ended. */
export const grace_ms = 5_000;
/** What comes of a peer that has left is known to be late for so long. */
const late_ms = 60_000;
/** More peers than this are not shown until one leaves. */
export const peerLimit_count = 256;
/** Peers that have left and are remembered. */
const pastLimit_count = 1_024;

interface Present {
  readonly turn: number;
  readonly peer: Peer;
  /** The connection by which it was heard last; empty for a tab of this browser. */
  client: string;
  /** When it is there no more, unless it is heard again. */
  until_ms: number;
  /** It was given a moment more since it was heard last; there is no second one. */
  spared: boolean;
}

export class Peers {
  readonly #present = new Map<string, Present>();
  /** Who has left, with the turn of that, oldest first. */
  readonly #past = new Map<string, { readonly turn: number; readonly until_ms: number }>();
  #list: readonly Peer[] | undefined = Object.freeze([]);

  /** In the order in which they came. The same array as long as nothing changes. */
  get list(): readonly Peer[] {
    this.#list ??= Object.freeze(Array.from(this.#present.values(), ({ peer }) => peer));
    return this.#list;
  }

  /** When to call {@link expire} next; undefined while nobody is there. */
  get nextExpiry_ms(): number | undefined {
    let next: number | undefined;
    for (const { until_ms } of this.#present.values()) next = Math.min(next ?? until_ms, until_ms);
    return next;
  }

  /** A peer was heard, by this connection. */
  take(message: Exclude<PresenceMessage, { kind: 'ask' }>, client: string, now_ms: number): void {
    const { peer: id, turn } = message;
    const past = this.#past.get(id);
    if (past !== undefined && past.until_ms > now_ms && turn <= past.turn) return;
    const known = this.#present.get(id);
    if (known !== undefined && turn < known.turn) return;
    if (message.kind === 'gone') {
      this.#leave(id, turn, now_ms);
      return;
    }
    const until_ms = now_ms + silence_ms;
    if (known?.turn === turn) {
      known.client = client;
      known.until_ms = until_ms;
      known.spared = false;
      return;
    }
    if (known === undefined && this.#present.size >= peerLimit_count) return;
    const state = decodeState(message.json);
    if (state === undefined) return;
    this.#past.delete(id);
    const peer = Object.freeze({ id, state: state as Record<string, unknown> });
    this.#present.set(id, { turn, peer, client, until_ms, spared: false });
    this.#list = undefined;
  }

  /** A connection has ended: who was heard by it comes back by another one soon, or is gone with it. */
  lost(client: string, now_ms: number): void {
    for (const present of this.#present.values()) {
      if (present.client === client) present.until_ms = Math.min(present.until_ms, now_ms + grace_ms);
    }
  }

  /** This tab has slept, and may not have heard those who are there: each has a moment to be heard again. */
  slept(now_ms: number): void {
    for (const present of this.#present.values()) {
      if (present.spared) continue;
      present.spared = true;
      present.until_ms = Math.max(present.until_ms, now_ms + grace_ms);
    }
  }

  /** Forgets who was silent for too long. */
  expire(now_ms: number): void {
    for (const [id, { until_ms }] of this.#present) {
      if (until_ms > now_ms) continue;
      // Not as one that has left: it may be heard again with the same turn.
      this.#present.delete(id);
      this.#list = undefined;
    }
  }

  clear(): void {
    this.#present.clear();
    this.#list = undefined;
  }

  #leave(id: string, turn: number, now_ms: number): void {
    this.#past.delete(id);
    this.#past.set(id, { turn, until_ms: now_ms + late_ms });
    for (const [oldest, { until_ms }] of this.#past) {
      if (until_ms > now_ms && this.#past.size <= pastLimit_count) break;
      this.#past.delete(oldest);
    }
    if (this.#present.delete(id)) this.#list = undefined;
  }
}
