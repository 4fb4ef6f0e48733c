// The engine: everything behind the main thread, be it in a worker or not. It opens the storage, keeps the session with
// the server going, has a replica of every document that is open or not yet synced, and answers the main thread over a
// port. It decides nothing that the session, the storage or the core decides.

import { asJoineryError, type ConnectionStatus, JoineryError } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import type { DocumentStore, Namespace, PendingDocument, Storage } from '../storage/storage.ts';
import type { Transport } from '../transport/transport.ts';
import { type DocumentContext, EngineDocument } from './engine-document.ts';
import { Journal } from './journal.ts';
import {
  type EnginePort,
  type EngineStatus,
  type ErrorData,
  errorData,
  type FromEngine,
  type ToEngine,
} from './messages.ts';
import { RetainedBytes } from './outbox.ts';
import { type DocumentEffect, SessionDriver } from './session-driver.ts';

export interface EngineOptions {
  readonly environment: Environment;
  readonly transport: Transport;
  readonly url: string;
  /** In order of preference: the first one that is not `storage-unavailable` is used, as soon as it opens. */
  readonly storages: readonly Storage[];
  readonly namespace: Namespace;
  readonly token?: ((refused: boolean) => Promise<string>) | undefined;
}

/** Documents that were left unsynced by an earlier session are opened so many at a time. */
const pendingAtOnce = 8;
/** How long ending waits for documents to be loaded, and for storage to be opened. */
const endPatience_ms = 10_000;
const countRetry_ms = 1_000;
const openRetryBase_ms = 250;
const openRetryCap_ms = 15_000;

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
  /** It is known what earlier sessions have left. */
  #counted = false;
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
      // Without a storage there is nothing to wait for; what was written stays with the main thread.
      if (message.type === 'end' && this.#storage.state === 'failed') this.#endNow(this.#storage.lastError);
      else this.#early.push(message);
      if (message.type === 'end') this.#endUnopened();
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
        document.open(channel, unstored, awaited);
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
    const store = await this.#storeThatOpens();
    if (store === undefined) return;
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
        // Only where there is no such storage at all: any other may have data in it, which another one would hide.
        if (failure.code !== 'storage-unavailable') break;
      }
    }
    throw failure ?? new Error('Expected a storage to open, got none to try.');
  }

  /** Opens a storage, however long it takes. */
  async #storeThatOpens(): Promise<DocumentStore | undefined> {
    for (let attempt = 0; !this.#ended; attempt += 1) {
      try {
        return await this.#openStore();
      } catch (error) {
        this.#storageState('failed', asJoineryError(error, 'storage-failed'));
        const delay = Math.min(openRetryCap_ms, openRetryBase_ms * 2 ** Math.min(attempt, 10));
        await new Promise<void>((resolve) => this.#options.environment.timer(resolve, delay));
      }
    }
    return undefined;
  }

  /** Opens what earlier sessions or other tabs have written and not synced. */
  async #openPending(store: DocumentStore): Promise<void> {
    let pending: readonly PendingDocument[] = [];
    try {
      pending = await store.pending();
      this.#counted = true;
    } catch (error) {
      const failure = asJoineryError(error, 'storage-failed');
      if (this.#ended || failure.code === 'closed') return;
      this.#readState(failure);
      if (!this.#counted) {
        const again = (): Promise<void> => this.#openPending(store).catch((broken: unknown) => this.#break(broken));
        this.#options.environment.timer(again, countRetry_ms);
      }
    }
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
        // Waiting for the next attempt is being offline.
        state: this.#connection.retryAt === undefined ? this.#connection.state : 'offline',
        ...(error === undefined ? {} : { lastError: errorData(error) }),
      },
      sync: {
        blocked: trouble?.blocked ?? false,
        counted: this.#counted,
        pending,
        ...(oldest === Number.POSITIVE_INFINITY ? {} : { oldestPendingAt: oldest }),
        ...(trouble === undefined ? {} : { lastError: errorData(trouble.error) }),
      },
      storage: this.#storage,
    };
  }

  async #end(): Promise<void> {
    // What was handed over of a document goes to the journal when it is loaded.
    const early = [...this.#documents.values()].filter(({ holdsEarly }) => holdsEarly);
    if (early.length > 0) await this.#patiently(Promise.all(early.map(({ loaded }) => loaded)));
    const failure = await this.#context?.journal.settled();
    const left = early.find(({ holdsEarly }) => holdsEarly);
    const error = failure ?? (left && (left.trouble?.error ?? this.#readError ?? notStored()));
    this.#session.close();
    await this.#context?.store.close().catch(() => {});
    this.#endNow(error && errorData(error));
  }

  /** Storage is being opened, which may be held up by others: it is not waited for without end. */
  #endUnopened(): void {
    this.#options.environment.timer(() => {
      if (this.#early === undefined || this.#ended) return;
      this.#endNow(this.#storage.lastError ?? errorData(notStored()));
    }, endPatience_ms);
  }

  async #patiently(promise: Promise<unknown>): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.environment.timer(resolve, endPatience_ms);
      const done = (): void => {
        cancel();
        resolve();
      };
      promise.then(done, done);
    });
  }

  #endNow(error: ErrorData | undefined): void {
    this.#stop();
    this.#port.post({ type: 'ended', error });
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

function notStored(): JoineryError {
  return new JoineryError('storage-failed', {
    expected: 'everything written to be in storage when the client closes',
    got: 'storage that could not be read in time',
    remedy: 'Look at `status.storage`; close when it is ready.',
  });
}

function mark<Item>(set: Set<Item>, item: Item, present: boolean): void {
  if (present) set.add(item);
  else set.delete(item);
}
