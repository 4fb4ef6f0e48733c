// The main thread's side of the engine: starts it, replaces it when it dies, passes messages between it and the open
// documents, and puts the client's status together. It has no replica and decides nothing about data.

import { asJoineryError, JoineryError } from '@joinery/protocol';
import type { Cancel, Environment } from '../environment.ts';
import { type EngineStatus, errorFrom, type FromEngine, type ToEngine } from './messages.ts';
import { type ChannelMessage, OpenDocument } from './open-document.ts';
import type { ClientEvent, ClientStatus } from './status.ts';

/** An engine that runs. */
export interface RunningEngine {
  post(message: ToEngine): void;
  /** Ends it at once; nothing comes from it any more. */
  terminate(): void;
}

/**
 * Starts an engine. `receive` gets what it says, each message in a task of its own; `died` is called at most once, when
 * it can't go on and doesn't say so itself.
 */
export type StartEngine = (
  receive: (message: FromEngine) => void,
  died: (error: unknown) => void,
) => Promise<RunningEngine>;

export interface EngineLinkOptions {
  readonly environment: Environment;
  readonly start: StartEngine;
  /** What the storage will be called until it is open. */
  readonly storageMode: string;
  readonly connect: boolean;
}

/** An engine that dies more often than this within the time is not started again. */
const restartLimit = 5;
const restartWindow_ms = 60_000;
const restartBase_ms = 100;

export class EngineLink {
  readonly #options: EngineLinkOptions;
  readonly #documents = new Map<number, OpenDocument>();
  /** Without handles, but with writes on their way. */
  readonly #closing = new Set<OpenDocument>();
  readonly #statusListeners = new Set<() => void>();
  readonly #eventListeners = new Set<(event: ClientEvent) => void>();
  readonly #stopNetwork: Cancel;
  #engine: RunningEngine | undefined;
  /** Counts engines: what a replaced one still says is not listened to. */
  #generation = 0;
  #channels = 0;
  #wanted: boolean;
  #clockOffset_ms = 0;
  #deaths: number[] = [];
  #restart: Cancel | undefined;
  #failure: JoineryError | undefined;
  #engineStatus: EngineStatus;
  #status: ClientStatus;
  #toldStatus: ClientStatus | undefined;
  #statusDue = false;
  #ending: { promise: Promise<void>; resolve(): void; reject(error: JoineryError): void } | undefined;
  #closed = false;

  constructor(options: EngineLinkOptions) {
    this.#options = options;
    this.#wanted = options.connect;
    this.#engineStatus = {
      connection: { state: 'offline' },
      sync: { blocked: false, pending: 0 },
      storage: { mode: options.storageMode, state: 'opening' },
    };
    this.#status = this.#compose();
    this.#toldStatus = this.#status;
    this.#stopNetwork = options.environment.subscribeOnline((online) => this.#post({ type: 'network', online }));
    this.#start();
  }

  get status(): ClientStatus {
    return this.#status;
  }

  subscribeStatus(listener: () => void): Cancel {
    const own = (): void => listener();
    this.#statusListeners.add(own);
    return () => this.#statusListeners.delete(own);
  }

  subscribeEvents(listener: (event: ClientEvent) => void): Cancel {
    const own = (event: ClientEvent): void => listener(event);
    this.#eventListeners.add(own);
    return () => this.#eventListeners.delete(own);
  }

  open(id: string): OpenDocument {
    this.#channels += 1;
    const { environment } = this.#options;
    const document = new OpenDocument(id, this.#channels, {
      environment,
      post: (message) => this.#post(message),
      now: () => environment.now() + this.#clockOffset_ms,
      pendingChanged: () => this.#statusChanged(),
      trapped: (error) => this.#emit({ type: 'engine-restarted', error }),
    });
    this.#documents.set(document.channel, document);
    this.#post(document.opening());
    return document;
  }

  close(document: OpenDocument): void {
    if (document.hasEarly) {
      const later = (): void => this.close(document);
      document.loaded.then(later, later);
      return;
    }
    document.close();
    if (document.awaitsEngine) this.#closing.add(document);
    else this.#documents.delete(document.channel);
  }

  setConnected(wanted: boolean): void {
    if (this.#closed || this.#wanted === wanted) return;
    this.#wanted = wanted;
    this.#post({ type: wanted ? 'connect' : 'disconnect' });
    this.#statusChanged();
  }

  /** Stores what was written, then ends the engine. Rejects when something could not be stored. */
  async end(): Promise<void> {
    if (this.#ending !== undefined) return await this.#ending.promise;
    let resolve = (): void => {};
    let reject = (_: JoineryError): void => {};
    const promise = new Promise<void>((done, failed) => {
      resolve = done;
      reject = failed;
    });
    this.#ending = { promise, resolve, reject };
    promise.catch(() => {});
    // Early writes whose document can't be opened are told of by their receipts.
    await Promise.allSettled(Array.from(this.#documents.values(), (document) => document.flush()));
    if (this.#failure !== undefined) this.#finish(this.#failure);
    else this.#post({ type: 'end' });
    return await promise;
  }

  #start(): void {
    this.#generation += 1;
    const generation = this.#generation;
    const current = (): boolean => generation === this.#generation && !this.#closed;
    this.#options
      .start(
        (message) => {
          if (current()) this.#receive(message);
        },
        (error) => {
          if (current()) this.#died(asJoineryError(error));
        },
      )
      .then(
        (engine) => {
          if (!current()) engine.terminate();
          else this.#started(engine);
        },
        (error: unknown) => {
          if (current()) this.#died(asJoineryError(error));
        },
      );
  }

  #started(engine: RunningEngine): void {
    this.#engine = engine;
    for (const document of this.#documents.values()) {
      engine.post(document.opening());
      if (this.#closing.has(document)) engine.post({ type: 'close', channel: document.channel });
    }
    if (!this.#options.environment.online()) engine.post({ type: 'network', online: false });
    if (this.#wanted) engine.post({ type: 'connect' });
    if (this.#ending !== undefined) engine.post({ type: 'end' });
  }

  #post(message: ToEngine): void {
    this.#engine?.post(message);
  }

  #receive(message: FromEngine): void {
    switch (message.type) {
      case 'status':
        this.#setEngineStatus(message.status);
        break;
      case 'clock':
        this.#clockOffset_ms = message.offset_ms;
        break;
      case 'damaged':
        this.#emit({ type: 'record-damaged', document: message.document, error: errorFrom(message.error) });
        break;
      case 'ended':
        this.#finish(message.error && errorFrom(message.error));
        break;
      case 'fatal':
        this.#died(errorFrom(message.error));
        break;
      default:
        this.#toDocument(message);
    }
  }

  #toDocument(message: ChannelMessage): void {
    const document = this.#documents.get(message.channel);
    if (document !== undefined) {
      document.receive(message);
      if (this.#closing.has(document) && !document.awaitsEngine) {
        this.#closing.delete(document);
        this.#documents.delete(document.channel);
      }
    }
    // After the document, whose own part of what is pending has changed with it.
    if ('status' in message) this.#setEngineStatus(message.status);
  }

  /** The engine is gone: another one starts from storage, and gets what was not yet there. */
  #died(error: JoineryError): void {
    this.#engine?.terminate();
    this.#engine = undefined;
    this.#generation += 1;
    const { environment } = this.#options;
    const now = environment.monotonic();
    this.#deaths = [...this.#deaths.filter((at) => now - at < restartWindow_ms), now];
    if (this.#deaths.length > restartLimit) {
      this.#failure = error;
      const { storage, sync } = this.#engineStatus;
      this.#engineStatus = {
        connection: { state: 'offline', lastError: error },
        sync,
        storage: { mode: storage.mode, state: 'failed', lastError: error },
      };
      this.#statusChanged();
      this.#finish(error);
      return;
    }
    this.#setEngineStatus({ ...this.#engineStatus, connection: { state: 'offline' } });
    this.#emit({ type: 'engine-restarted', error });
    const delay = restartBase_ms * (2 ** (this.#deaths.length - 1) - 1);
    this.#restart = environment.timer(() => this.#start(), delay);
  }

  /** Settles `end`, when it was asked for. */
  #finish(error: JoineryError | undefined): void {
    if (this.#ending === undefined || this.#closed) return;
    this.#closed = true;
    this.#stopNetwork();
    this.#restart?.();
    this.#engine?.terminate();
    this.#engine = undefined;
    this.#setEngineStatus({ ...this.#engineStatus, connection: { state: 'offline' } });
    if (error === undefined) this.#ending.resolve();
    else this.#ending.reject(error);
  }

  #setEngineStatus(status: EngineStatus): void {
    this.#engineStatus = status;
    this.#statusChanged();
  }

  /** Listeners hear of it once for all that one event brings. */
  #statusChanged(): void {
    this.#status = share(this.#status, this.#compose());
    if (this.#statusDue) return;
    this.#statusDue = true;
    this.#options.environment.microtask(() => {
      this.#statusDue = false;
      if (this.#status === this.#toldStatus) return;
      this.#toldStatus = this.#status;
      for (const listener of [...this.#statusListeners]) listener();
    });
  }

  #compose(): ClientStatus {
    const { connection, sync, storage } = this.#engineStatus;
    let pending = sync.pending;
    let oldest = sync.oldestPendingAt;
    for (const document of this.#documents.values()) {
      const { count, oldestAt_ms } = document.pending;
      pending += count;
      if (oldestAt_ms !== undefined) oldest = Math.min(oldest ?? oldestAt_ms, oldestAt_ms);
    }
    return {
      connection: { ...restored(connection), paused: !this.#wanted },
      sync: {
        state: sync.blocked ? 'blocked' : pending > 0 ? 'pending' : 'idle',
        pending,
        ...(oldest === undefined ? {} : { oldestPendingAt: oldest }),
        ...(sync.lastError === undefined ? {} : { lastError: errorFrom(sync.lastError) }),
      },
      storage: restored(storage),
    };
  }

  #emit(event: ClientEvent): void {
    for (const listener of [...this.#eventListeners]) listener(event);
  }
}

/** The same with the error as an error. */
function restored<Part extends { readonly lastError?: { code: string; message: string; retryable: boolean } }>(
  part: Part,
): Omit<Part, 'lastError'> & { readonly lastError?: JoineryError } {
  const { lastError, ...rest } = part;
  return { ...rest, ...(lastError === undefined ? {} : { lastError: errorFrom(lastError) }) };
}

/** `next` with what is equal taken from `previous`. */
function share(previous: ClientStatus, next: ClientStatus): ClientStatus {
  const connection = same(previous.connection, next.connection) ? previous.connection : next.connection;
  const sync = same(previous.sync, next.sync) ? previous.sync : next.sync;
  const storage = same(previous.storage, next.storage) ? previous.storage : next.storage;
  const all = connection === previous.connection && sync === previous.sync && storage === previous.storage;
  return all ? previous : { connection, sync, storage };
}

function same<Part extends object>(a: Part, b: Part): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof Part>;
  return [...keys].every((key) => {
    const [x, y] = [a[key], b[key]];
    if (x instanceof JoineryError && y instanceof JoineryError) return x.code === y.code && x.message === y.message;
    return x === y;
  });
}
