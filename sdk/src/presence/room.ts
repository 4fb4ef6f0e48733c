// The presence of one document on the main thread: what this tab shows of itself, told not too often, and who else is there. How
// it reaches the others, and that it is told again while they listen, is the engine's (`relay.ts`).

import { JoineryError } from '@joinery/protocol';
import type { Cancel, Environment } from '../environment.ts';
import { encodeState, maxTurn, peerId, peerName_bytes, readPresenceMessage, writeState } from './message.ts';
import { type Peer, Peers } from './peers.ts';

/** A state is told at most so often; the last one always is. */
export const spacing_ms = 50;
/** A timer that is so late has slept, and this tab with it. */
const slept_ms = 5_000;

export interface RoomContext {
  readonly environment: Environment;
  /** Tells the others, and again until something else is told. */
  tell(document: string, message: Uint8Array): void;
  /** Asks the others for what they show. */
  ask(document: string): void;
  /** Calls a listener of the app; what it throws hinders nothing. */
  notify(listener: () => void): void;
}

export class Room {
  readonly document: string;
  readonly #context: RoomContext;
  readonly #peers = new Peers();
  readonly #listeners = new Set<() => void>();
  /** In memory only: whoever copies a tab, or its profile, has another one. */
  #name: Uint8Array;
  #id: string;
  /** Of the last message. */
  #turn = 0;
  #self: object | undefined;
  #json: Uint8Array | undefined;
  /** What the others were told last is something that is to be taken back. */
  #shown = false;
  #toldAt_ms = Number.NEGATIVE_INFINITY;
  #cancelTelling: Cancel | undefined;
  #cancelExpiry: Cancel | undefined;
  #tellsListeners = false;
  /** The page is put aside: nothing is shown until it comes back. */
  #away = false;
  #ended = false;
  #seen: readonly Peer[];

  constructor(document: string, context: RoomContext) {
    this.document = document;
    this.#context = context;
    this.#name = this.#newName();
    this.#id = peerId(this.#name);
    this.#seen = this.#peers.list;
  }

  get self(): object | undefined {
    return this.#self;
  }

  get peers(): readonly Peer[] {
    return this.#peers.list;
  }

  /** What an engine that has just started is to tell. */
  get message(): Uint8Array | undefined {
    return this.#shown ? this.#write() : undefined;
  }

  /** @throws JoineryError `invalid-value`, `limit-exceeded`, `closed` */
  set(given: object | undefined): void {
    if (this.#ended) {
      throw new JoineryError('closed', {
        expected: 'an open client',
        got: 'one that was closed',
        remedy: 'Create another one.',
      });
    }
    const { state, json } = given === undefined ? { state: undefined, json: undefined } : encodeState(given);
    if (sameBytes(json, this.#json)) return;
    this.#self = state;
    this.#json = json;
    this.#tellSoon();
    this.#changed();
  }

  subscribe(listener: () => void): Cancel {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Something was heard by this connection (empty: from a tab of this browser); without a message, that it has ended. */
  receive(client: string, bytes: Uint8Array | undefined): void {
    const now_ms = this.#context.environment.monotonic();
    const message = bytes && readPresenceMessage(bytes);
    if (bytes === undefined) this.#peers.lost(client, now_ms);
    else if (message === undefined || message.kind === 'ask') return;
    else if (message.peer === this.#id) this.#ownName(message.turn);
    else this.#peers.take(message, client, now_ms);
    this.#expireLater();
    this.#peersChanged();
  }

  /** This tab is there no more, or not for now: the others are told at once. */
  leave(): void {
    this.#away = true;
    this.#cancelTelling?.();
    this.#cancelTelling = undefined;
    if (this.#shown) this.#tell();
  }

  /** It is there again. */
  comeBack(): void {
    if (!this.#away) return;
    this.#away = false;
    if (this.#json !== undefined) this.#tellSoon();
    this.#peers.slept(this.#context.environment.monotonic());
    this.#context.ask(this.document);
  }

  /** Nothing comes any more, and nothing is told. */
  end(): void {
    this.leave();
    this.#ended = true;
    this.#peers.clear();
    this.#cancelExpiry?.();
    this.#listeners.clear();
  }

  #tellSoon(): void {
    if (this.#away || this.#cancelTelling !== undefined) return;
    const { environment } = this.#context;
    const wait_ms = this.#toldAt_ms + spacing_ms - environment.monotonic();
    if (wait_ms <= 0) this.#tell();
    else {
      this.#cancelTelling = environment.timer(() => {
        this.#cancelTelling = undefined;
        this.#tell();
      }, wait_ms);
    }
  }

  #tell(): void {
    const shows = this.#json !== undefined && !this.#away;
    // What nobody was told needs no taking back.
    if (!shows && !this.#shown) return;
    if (this.#turn >= maxTurn) this.#rename();
    this.#turn += 1;
    this.#shown = shows;
    this.#toldAt_ms = this.#context.environment.monotonic();
    this.#context.tell(this.document, this.#write());
  }

  #write(): Uint8Array {
    return writeState(this.#name, this.#turn, this.#shown ? this.#json : undefined);
  }

  /** What was told by this name has come back, by a way round; or somebody else has the name. */
  #ownName(turn: number): void {
    if (turn <= this.#turn) return;
    this.#rename();
    if (this.#json !== undefined) this.#tellSoon();
  }

  #rename(): void {
    this.#name = this.#newName();
    this.#id = peerId(this.#name);
    this.#turn = 0;
    this.#shown = false;
  }

  #newName(): Uint8Array {
    const name = new Uint8Array(peerName_bytes);
    this.#context.environment.randomBytes(name);
    return name;
  }

  #expireLater(): void {
    const at_ms = this.#peers.nextExpiry_ms;
    if (this.#cancelExpiry !== undefined || at_ms === undefined) return;
    const { environment } = this.#context;
    const dueAt_ms = Math.min(at_ms, environment.monotonic() + slept_ms);
    this.#cancelExpiry = environment.timer(
      () => {
        this.#cancelExpiry = undefined;
        const now_ms = environment.monotonic();
        if (now_ms - dueAt_ms > slept_ms) {
          this.#peers.slept(now_ms);
          this.#context.ask(this.document);
        }
        this.#peers.expire(now_ms);
        this.#peersChanged();
        this.#expireLater();
      },
      Math.max(0, dueAt_ms - environment.monotonic()),
    );
  }

  #peersChanged(): void {
    if (this.#peers.list === this.#seen) return;
    this.#seen = this.#peers.list;
    this.#changed();
  }

  /** Listeners hear of it once for all that one event brings. */
  #changed(): void {
    if (this.#tellsListeners) return;
    this.#tellsListeners = true;
    this.#context.environment.microtask(() => {
      this.#tellsListeners = false;
      for (const listener of [...this.#listeners]) this.#context.notify(listener);
    });
  }
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
