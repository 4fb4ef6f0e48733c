// The engine: everything behind the main thread, be it in a worker or not. It opens the storage, keeps the session with
// the server going, has a replica of every document that is open or not yet synced, and answers the main thread over a
// port. It decides nothing that the session, the storage or the core decides.

import { asJoineryError, type ConnectionStatus, type JoineryError } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import type { DocumentStore, Namespace, PendingDocument, Storage } from '../storage/storage.ts';
import type { Transport } from '../transport/transport.ts';
import { type DocumentContext, EngineDocument } from './engine-document.ts';
import { Feed } from './feed.ts';
import { Journal } from './journal.ts';
import { type EnginePort, type EngineStatus, errorData, type FromEngine, type ToEngine } from './messages.ts';
import { RetainedBytes } from './outbox.ts';
import { type DocumentEffect, SessionDriver } from './session-driver.ts';

export interface EngineOptions {
  readonly environment: Environment;
  readonly transport: Transport;
  readonly url: string;
  /** In order of preference: the first one that opens is used. */
  readonly storages: readonly Storage[];
  readonly namespace: Namespace;
  readonly token?: ((refused: boolean) => Promise<string>) | undefined;
}

/** Documents that were left unsynced by an earlier session are opened so many at a time. */
const pendingAtOnce = 8;

export class Engine {
  readonly #options: EngineOptions;
  readonly #port: EnginePort<FromEngine>;
  readonly #session: SessionDriver;
  readonly #documents = new Map<string, EngineDocument>();
  readonly #channels = new Map<number, EngineDocument>();
  /** Those with something to send. */
  readonly #pending = new Set<EngineDocument>();
  readonly #troubled = new Set<EngineDocument>();
  /** Left by earlier sessions and not opened yet. */
  readonly #left = new Map<string, PendingDocument>();
  /** Messages that came before the storage was open. */
  #early: ToEngine[] | undefined = [];
  #context: DocumentContext | undefined;
  #connection: ConnectionStatus = { state: 'offline', attempts: 0 };
  #sessionError: JoineryError | undefined;
  #storage: EngineStatus['storage'];
  #readError: JoineryError | undefined;
  #clock = { offset_ms: 0, roundTrip_ms: Number.POSITIVE_INFINITY };
  #statusDue = false;
  #ended = false;

  constructor(options: EngineOptions, port: EnginePort<FromEngine>) {
    this.#options = options;
    this.#port = port;
    this.#storage = { mode: options.storages[0]?.mode ?? 'none', state: 'opening' };
    const { environment, transport, url, token } = options;
    this.#session = new SessionDriver(
      { environment, transport, url, token },
      {
        connection: (status) => this.#connectionChanged(status),
        document: (effect: DocumentEffect) => this.#documents.get(effect.document)?.handle(effect),
        clock: (offset_ms, roundTrip_ms) => this.#clockSample(offset_ms, roundTrip_ms),
        failed: (error) => {
          this.#sessionError = error;
          this.#statusSoon();
        },
        broken: (error) => this.#break(error),
      },
    );
    this.#start().catch((error: unknown) => this.#break(error));
  }

  receive(message: ToEngine): void {
    if (this.#ended) return;
    if (this.#early !== undefined) {
      this.#early.push(message);
      return;
    }
    try {
      this.#handle(message);
    } catch (error) {
      this.#break(error);
    }
  }

  /** Ends it at once; what is not stored yet is lost to this engine. */
  stop(): void {
    if (this.#ended) return;
    this.#stop();
    this.#context?.store.close().catch(() => {});
  }

  #handle(message: ToEngine): void {
    switch (message.type) {
      case 'open': {
        const document = this.#open(message.document);
        const { channel, unstored, awaited } = message;
        this.#channels.set(channel, document);
        const feed = new Feed(channel, this.#port, () => document.encode());
        document.open(feed, unstored, awaited);
        break;
      }
      case 'append':
        this.#channels.get(message.channel)?.append(message.channel, message);
        break;
      case 'taken':
        this.#channels.get(message.channel)?.taken(message.bytes);
        break;
      case 'reload':
        this.#channels.get(message.channel)?.reload();
        break;
      case 'close':
        this.#channels.get(message.channel)?.close(message.channel);
        this.#channels.delete(message.channel);
        break;
      case 'connect':
        this.#sessionError = undefined;
        this.#session.connect();
        this.#statusSoon();
        break;
      case 'disconnect':
        this.#session.disconnect();
        break;
      case 'network':
        this.#session.network(message.online);
        break;
      case 'end':
        this.#end().catch((error: unknown) => this.#break(error));
        break;
    }
  }

  async #start(): Promise<void> {
    const { environment } = this.#options;
    const store = await this.#openStore();
    if (this.#ended) {
      await store.close();
      return;
    }
    const journal = new Journal(environment, store, {
      state: (error) => this.#journalState(error),
      broken: (error) => this.#break(error),
    });
    this.#context = {
      environment,
      port: this.#port,
      store,
      journal,
      session: this.#session,
      retained: new RetainedBytes(),
      now: () => environment.now() + this.#clock.offset_ms,
      changed: (document) => {
        this.#note(document);
        this.#statusSoon();
      },
      status: (document) => {
        this.#note(document);
        return this.#status();
      },
      storageFailed: (error) => this.#readState(error),
      released: (document) => this.#released(document),
      broken: (error) => this.#break(error),
    };
    const early = this.#early ?? [];
    this.#early = undefined;
    this.#statusSoon();
    for (const message of early) this.receive(message);
    await this.#openPending(store);
  }

  async #openStore(): Promise<DocumentStore> {
    const { storages, namespace } = this.#options;
    let failure: JoineryError | undefined;
    for (const storage of storages) {
      try {
        const store = await storage.open(namespace, {
          blocked: (error) => this.#storageState('opening', asJoineryError(error, 'storage-locked')),
          lost: (error) => this.#storageState('failed', asJoineryError(error, 'storage-locked')),
        });
        const lastError = failure === undefined ? {} : { lastError: errorData(failure) };
        this.#storage = { mode: storage.mode, state: 'ready', ...lastError };
        return store;
      } catch (error) {
        failure = asJoineryError(error, 'storage-failed');
      }
    }
    throw failure ?? new Error('Expected a storage to open, got none to try.');
  }

  /** Opens what earlier sessions or other tabs have written and not synced. */
  async #openPending(store: DocumentStore): Promise<void> {
    const pending = await store.pending().catch((error: unknown) => {
      this.#readState(asJoineryError(error, 'storage-failed'));
      return [];
    });
    if (this.#ended) return;
    for (const left of pending) {
      const open = this.#documents.get(left.document);
      if (open === undefined) this.#left.set(left.document, left);
      else if (left.envelopes > open.pending) {
        open.adopt().catch((error: unknown) => this.#adoptFailed(error));
      }
    }
    this.#openLeft();
    this.#statusSoon();
  }

  #openLeft(): void {
    for (const document of [...this.#left.keys()]) {
      if ([...this.#documents.values()].filter((open) => open.loading).length >= pendingAtOnce) return;
      this.#open(document);
    }
  }

  #open(id: string): EngineDocument {
    let document = this.#documents.get(id);
    if (document === undefined) {
      if (this.#context === undefined) throw new Error('Expected an open storage.');
      document = new EngineDocument(id, this.#context);
      this.#documents.set(id, document);
    }
    return document;
  }

  #released(document: EngineDocument): void {
    if (this.#documents.get(document.id) === document) this.#documents.delete(document.id);
    this.#pending.delete(document);
    this.#troubled.delete(document);
    this.#statusSoon();
  }

  #note(document: EngineDocument): void {
    if (!document.loading && this.#left.delete(document.id)) this.#openLeft();
    mark(this.#pending, document, document.pending > 0);
    mark(this.#troubled, document, document.trouble !== undefined);
  }

  #connectionChanged(status: ConnectionStatus): void {
    const back = status.state === 'online' && this.#connection.state !== 'online';
    this.#connection = status;
    if (back) {
      this.#sessionError = undefined;
      this.#clock = { ...this.#clock, roundTrip_ms: Number.POSITIVE_INFINITY };
      if (this.#context) this.#openPending(this.#context.store).catch((error: unknown) => this.#break(error));
    }
    this.#statusSoon();
  }

  /** The sample with the shortest round trip of a connection is the best one. */
  #clockSample(offset_ms: number, roundTrip_ms: number): void {
    if (roundTrip_ms >= this.#clock.roundTrip_ms) return;
    this.#clock = { offset_ms, roundTrip_ms };
    this.#port.post({ type: 'clock', offset_ms });
  }

  #journalState(error: JoineryError | undefined): void {
    this.#storageState(error === undefined ? 'ready' : 'failed', error);
    for (const document of this.#documents.values()) {
      if (error === undefined) document.storageWorks();
      else document.storageFailing();
    }
  }

  #readState(error: JoineryError | undefined): void {
    if (error === undefined && this.#readError === undefined) return;
    this.#readError = error;
    this.#storageState(error === undefined ? 'ready' : 'failed', error);
  }

  #storageState(state: EngineStatus['storage']['state'], error: JoineryError | undefined): void {
    const { mode } = this.#storage;
    this.#storage = { mode, state, ...(error === undefined ? {} : { lastError: errorData(error) }) };
    this.#statusSoon();
  }

  #adoptFailed(error: unknown): void {
    if (error instanceof WebAssembly.RuntimeError) this.#break(error);
    else this.#readState(asJoineryError(error, 'storage-failed'));
  }

  #statusSoon(): void {
    if (this.#statusDue || this.#ended) return;
    this.#statusDue = true;
    this.#options.environment.microtask(() => {
      this.#statusDue = false;
      if (!this.#ended) this.#port.post({ type: 'status', status: this.#status() });
    });
  }

  #status(): EngineStatus {
    let pending = 0;
    let oldest = Number.POSITIVE_INFINITY;
    for (const document of this.#pending) {
      pending += document.pending;
      oldest = Math.min(oldest, document.oldestAt_ms ?? oldest);
    }
    for (const left of this.#left.values()) {
      pending += left.envelopes;
      oldest = Math.min(oldest, left.oldestAt_ms);
    }
    const troubles = Array.from(this.#troubled, ({ trouble }) => trouble);
    const trouble = troubles.find((one) => one?.blocked) ?? troubles[0];
    const error = this.#sessionError ?? this.#connection.error;
    return {
      connection: {
        state: this.#connection.state,
        ...(error === undefined ? {} : { lastError: errorData(error) }),
      },
      sync: {
        blocked: trouble?.blocked ?? false,
        pending,
        ...(oldest === Number.POSITIVE_INFINITY ? {} : { oldestPendingAt: oldest }),
        ...(trouble === undefined ? {} : { lastError: errorData(trouble.error) }),
      },
      storage: this.#storage,
    };
  }

  async #end(): Promise<void> {
    const failure = await this.#context?.journal.settled();
    this.#stop();
    await this.#context?.store.close().catch(() => {});
    this.#port.post({ type: 'ended', error: failure && errorData(failure) });
  }

  /** Something happened that no code here expects (the core's memory may be broken): another engine starts from storage. */
  #break(error: unknown): void {
    if (this.#ended) return;
    this.stop();
    this.#port.post({ type: 'fatal', error: errorData(asJoineryError(error)) });
  }

  #stop(): void {
    this.#session.close();
    this.#ended = true;
    this.#context?.journal.stop();
  }
}

function mark<Item>(set: Set<Item>, item: Item, present: boolean): void {
  if (present) set.add(item);
  else set.delete(item);
}
