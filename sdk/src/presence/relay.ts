// The engine's side of presence: carries messages between this tab, the other tabs of the browser and, where this tab leads,
// the server; tells again what its own tab shows when somebody asks, when a connection begins and before the others take it
// for gone. It stores nothing, and keeps one message per document.
//
// It beats here and not on the main thread because a hidden page's timers are held back, and a worker's are not.

import type { Cancel, Environment } from '../environment.ts';
import { readPresenceMessage, writeAsk } from './message.ts';
import { silence_ms } from './peers.ts';
import { spacing_ms } from './room.ts';

/** What was told is told again after so long; three times before the others give up. */
export const beat_ms = 10_000;
/** Who is asked answers within this time, not all at the same moment. */
const answerSpread_ms = 50;
/** States that a leader sends to the server in a second, of all documents and tabs; what is left out is told with the next beat. */
const serverLimit_count = 500;
/** Documents that other tabs take part in, as far as they are known. */
const othersLimit_count = 4_096;
/** Tabs that have left of which a new leader tells the server. */
const leftLimit_count = 256;
/** Documents in one message that says where a tab takes part. */
export const introductionLimit_count = 1_024;

export interface RelayHost {
  readonly environment: Environment;
  /** This tab has the session. */
  readonly leads: boolean;
  /** Goes nowhere while the server doesn't serve the document. */
  toServer(document: string, message: Uint8Array): void;
  toTabs(body: PresenceBody): void;
  toMain(document: string, client: string, message: Uint8Array | undefined): void;
}

/** What tabs of one browser say to each other about presence. */
export type PresenceBody =
  /**
   * A message of a tab (`client` is empty then), or one that came to the leader from the server; undefined: that connection has
   * ended.
   */
  | {
      readonly type: 'presence';
      readonly document: string;
      readonly client: string;
      readonly message: Uint8Array | undefined;
    }
  /** To a new leader: this tab takes part in these. */
  | { readonly type: 'presence-open'; readonly documents: readonly string[] };

interface Entry {
  /** What is told again: a state. Undefined while this tab shows nothing. */
  message: Uint8Array | undefined;
  toldAt_ms: number;
  cancelAnswer: Cancel | undefined;
}

export class Relay {
  readonly #host: RelayHost;
  readonly #entries = new Map<string, Entry>();
  /** Other tabs take part in these. */
  readonly #others = new Set<string>();
  /** What tabs said when they left, oldest first: the one that led may be one of them, and has told the server nothing. */
  #left: { readonly document: string; readonly message: Uint8Array; readonly until_ms: number }[] = [];
  /** The second that is counted, from when, and how much was sent in it. */
  #second = { from_ms: Number.NEGATIVE_INFINITY, count: 0 };
  #cancelBeat: Cancel | undefined;

  constructor(host: RelayHost) {
    this.#host = host;
  }

  /** The main thread takes part, and shows this. */
  open(document: string, message: Uint8Array | undefined): void {
    if (!this.#entries.has(document)) {
      this.#entries.set(document, {
        message: undefined,
        toldAt_ms: Number.NEGATIVE_INFINITY,
        cancelAnswer: undefined,
      });
    }
    if (message !== undefined) this.tell(document, message);
    this.ask(document);
  }

  /** The main thread has told something else. */
  tell(document: string, message: Uint8Array): void {
    const entry = this.#entries.get(document);
    if (entry === undefined) return;
    entry.message = readPresenceMessage(message)?.kind === 'state' ? message : undefined;
    this.#send(document, entry, message);
    this.#beatLater();
  }

  /** Everybody is to tell again what they show. */
  ask(document: string): void {
    this.#toAll(document, writeAsk());
  }

  /** The main thread takes part no more. */
  close(document: string): void {
    this.#entries.get(document)?.cancelAnswer?.();
    this.#entries.delete(document);
  }

  /** The server has brought something; without a message, that this connection has ended. */
  fromServer(document: string, client: string, message: Uint8Array | undefined): void {
    if (this.#others.has(document)) this.#host.toTabs({ type: 'presence', document, client, message });
    this.#take(document, client, message);
  }

  fromTab(body: PresenceBody): void {
    if (body.type === 'presence-open') {
      for (const document of body.documents) {
        const isNew = this.#note(document);
        // What the server brought before it was known that somebody listens, that one has not heard.
        if (isNew && this.#host.leads) this.ask(document);
      }
      return;
    }
    const { document, client, message } = body;
    if (client === '') {
      this.#note(document);
      if (message !== undefined) {
        this.#remember(document, message);
        this.#toServer(document, message);
      }
    }
    this.#take(document, client, message);
  }

  /** The server serves the document, from now on: it knows nothing of anybody here, and nobody here of anybody there. */
  subscribed(document: string): void {
    const entry = this.#entries.get(document);
    if (entry?.message !== undefined) this.#send(document, entry, entry.message);
    const now_ms = this.#host.environment.monotonic();
    for (const left of this.#left) {
      if (left.document === document && left.until_ms > now_ms) this.#toServer(document, left.message);
    }
    if (entry !== undefined || this.#others.has(document)) this.ask(document);
  }

  /** No other tab has the document open any more. */
  released(document: string): void {
    this.#others.delete(document);
  }

  /** Another tab leads: it has to know where this one takes part. */
  introduce(): void {
    const documents = [...this.#entries.keys()];
    for (let at = 0; at < documents.length; at += introductionLimit_count) {
      const some = documents.slice(at, at + introductionLimit_count);
      this.#host.toTabs({ type: 'presence-open', documents: some });
    }
  }

  stop(): void {
    this.#cancelBeat?.();
    this.#cancelBeat = undefined;
    for (const document of [...this.#entries.keys()]) this.close(document);
  }

  #take(document: string, client: string, message: Uint8Array | undefined): void {
    const entry = this.#entries.get(document);
    if (entry === undefined) return;
    if (message !== undefined && readPresenceMessage(message)?.kind === 'ask') this.#answerLater(document, entry);
    else this.#host.toMain(document, client, message);
  }

  #answerLater(document: string, entry: Entry): void {
    if (entry.message === undefined || entry.cancelAnswer !== undefined) return;
    const { environment } = this.#host;
    const soonest_ms = entry.toldAt_ms + spacing_ms - environment.monotonic();
    entry.cancelAnswer = environment.timer(
      () => {
        entry.cancelAnswer = undefined;
        if (entry.message !== undefined) this.#send(document, entry, entry.message);
      },
      Math.max(0, soonest_ms) + environment.random() * answerSpread_ms,
    );
  }

  #send(document: string, entry: Entry, message: Uint8Array): void {
    // Who has asked is answered by it.
    entry.cancelAnswer?.();
    entry.cancelAnswer = undefined;
    if (this.#toAll(document, message)) entry.toldAt_ms = this.#host.environment.monotonic();
  }

  /** False where it was left out for the server. */
  #toAll(document: string, message: Uint8Array): boolean {
    this.#host.toTabs({ type: 'presence', document, client: '', message });
    return this.#toServer(document, message);
  }

  /** Where this tab leads, and no more of states than the server would read gladly from one client. */
  #toServer(document: string, message: Uint8Array): boolean {
    if (!this.#host.leads) return true;
    if (readPresenceMessage(message)?.kind === 'state') {
      const now_ms = this.#host.environment.monotonic();
      if (now_ms - this.#second.from_ms >= 1_000) this.#second = { from_ms: now_ms, count: 0 };
      this.#second.count += 1;
      if (this.#second.count > serverLimit_count) return false;
    }
    this.#host.toServer(document, message);
    return true;
  }

  #beatLater(): void {
    if (this.#cancelBeat !== undefined || !this.#shows) return;
    this.#cancelBeat = this.#host.environment.timer(() => {
      this.#cancelBeat = undefined;
      const now_ms = this.#host.environment.monotonic();
      // What the next turn of the timer would find too late is told now; what was told last comes last.
      const isDue = ([, { toldAt_ms }]: [string, Entry]): boolean => now_ms - toldAt_ms > beat_ms / 2;
      const due = [...this.#entries].filter(isDue).sort(([, a], [, b]) => a.toldAt_ms - b.toldAt_ms);
      for (const [document, entry] of due) if (entry.message !== undefined) this.#send(document, entry, entry.message);
      this.#beatLater();
    }, beat_ms / 2);
  }

  get #shows(): boolean {
    for (const { message } of this.#entries.values()) if (message !== undefined) return true;
    return false;
  }

  /** Who has left is told of again for as long as others might show it without that. */
  #remember(document: string, message: Uint8Array): void {
    if (readPresenceMessage(message)?.kind !== 'gone') return;
    const now_ms = this.#host.environment.monotonic();
    // The page and its worker may both have said so.
    const isOther = (one: { readonly document: string; readonly message: Uint8Array }): boolean =>
      one.document !== document || one.message.some((byte, index) => byte !== message[index]);
    this.#left = this.#left.filter((one) => one.until_ms > now_ms && isOther(one)).slice(1 - leftLimit_count);
    this.#left.push({ document, message, until_ms: now_ms + silence_ms });
  }

  /** Another tab takes part; true when that wasn't known. */
  #note(document: string): boolean {
    if (this.#others.has(document) || this.#others.size >= othersLimit_count) return false;
    this.#others.add(document);
    return true;
  }
}
