// The engine: everything behind the main thread, be it in a worker or not. It opens the storage, keeps the session with
// the server going, has a replica of every document that is open or not yet synced, and answers the main thread over a
// port. It decides nothing that the session, the storage or the core decides.

import { asJoineryError, type ConnectionStatus, JoineryError } from '@joinery/protocol';
import type { Cancel, Environment } from '../environment.ts';
import { Relay } from '../presence/relay.ts';
import type { DocumentStore, Namespace, PendingDocument, Storage } from '../storage/storage.ts';
import { type LeaderState, pendingLimit_count } from '../tabs/tab-message.ts';
import type { Transport } from '../transport/transport.ts';
import { AwakeDocuments } from './awake-documents.ts';
import { CorrectedClock } from './corrected-clock.ts';
import { type DocumentContext, EngineDocument } from './engine-document.ts';
import { EngineSpaces } from './engine-spaces.ts';
import { isRemoved, Journal } from './journal.ts';
import {
  type EnginePort,
  type EngineStatus,
  type ErrorData,
  errorData,
  type FromEngine,
  type SignOut,
  type ToEngine,
} from './messages.ts';
import { RetainedBytes } from './outbox.ts';
import { PendingTally } from './pending-tally.ts';
import { Rejections } from './rejections.ts';
import type { DocumentEffect } from './session-driver.ts';
import { storedState } from './stored-state.ts';
import { TabSession } from './tab-session.ts';
import { TabUser } from './tab-user.ts';
import { UnsyncedWork } from './unsynced-work.ts';
import { backoff_ms, pause, readRetry_ms, settledWithin } from './waiting.ts';

export interface EngineOptions {
  readonly environment: Environment;
  readonly transport: Transport;
  readonly url: string;
  /** In order of preference: the first one that is not `storage-unavailable` is used, as soon as it opens. */
  readonly storages: readonly Storage[];
  /** Without a user where `asksUser`. */
  readonly namespace: Namespace;
  /** Who the user is, only the server can tell from the token. */
  readonly asksUser?: boolean;
  readonly token?: ((refused: boolean) => Promise<string>) | undefined;
  /** Resolves when the core is loaded, without which no document can be: storage is opened meanwhile. Absent where it is. */
  readonly ready?: Promise<void>;
}

/** Documents that don't rest though nothing happens to them. */
const awakeLimit = 64;
/** Documents that were left unsynced by an earlier session are opened so many at a time. */
const pendingAtOnce = 8;
/** How long ending waits for documents to be loaded, and for storage to be opened. */
const endPatience_ms = 10_000;
/** So long the other tabs have to stop writing before everything is removed. */
const wipeNotice_ms = 200;
const openRetryBase_ms = 250;
const openRetryCap_ms = 15_000;

export class Engine {
  readonly #options: EngineOptions;
  readonly #port: EnginePort<FromEngine>;
  readonly #tabs: TabSession;
  readonly #documents = new Map<string, EngineDocument>();
  readonly #awake = new AwakeDocuments(awakeLimit);
  /** Openings, also those that are closed, as long as something may come of them. */
  readonly #channels = new Map<number, EngineDocument>();
  /** Those with something to send. */
  readonly #pending = new PendingTally<EngineDocument>();
  readonly #troubled = new Set<EngineDocument>();
  /** Of which more or less may be pending than was told. */
  readonly #changed = new Set<EngineDocument>();
  /** Left by earlier sessions and not opened yet. */
  readonly #left = new PendingTally<string>();
  /** Of which it is not yet known what is stored. */
  readonly #loading = new Set<EngineDocument>();
  /** Messages that came before the storage was open. */
  #early: ToEngine[] | undefined = [];
  #context: DocumentContext | undefined;
  readonly #presence: Relay;
  #spaces: EngineSpaces | undefined;
  #connection: ConnectionStatus = { state: 'offline', attempts: 0 };
  #sessionError: JoineryError | undefined;
  /** What the leading tab shows, where that is another one. */
  #leader: LeaderState | undefined;
  /** The clock's correction as the leader told it last. */
  #toldOffset_ms: number | undefined;
  #storage: EngineStatus['storage'];
  /** Other tabs have the same data. */
  #isShared = false;
  #readError: JoineryError | undefined;
  /** It is known what earlier sessions have left. */
  #counted = false;
  readonly #clock: CorrectedClock;
  #namespace: Namespace;
  readonly #user: TabUser;
  /** Storage is to be read again. */
  #cancelLook: Cancel | undefined;
  /** News of documents or rejections could not be read. */
  #missed = false;
  /** Wait for the main thread to have followed into another incarnation. */
  readonly #followWaiters: (() => void)[] = [];
  /** Everything was removed by another tab: nothing is stored any more. */
  #isWiped = false;
  #rejections: Rejections | undefined;
  #statusDue = false;
  #ended = false;

  constructor(options: EngineOptions, port: EnginePort<FromEngine>) {
    this.#options = options;
    this.#port = port;
    this.#namespace = options.namespace;
    this.#clock = new CorrectedClock(options.environment);
    this.#storage = { mode: options.storages[0]?.mode ?? 'none', state: 'opening' };
    const { environment, transport, url, token } = options;
    const engine = this;
    this.#tabs = new TabSession(
      { environment, transport, url, token },
      {
        connection: (status) => this.#connectionChanged(status),
        authenticated: (user) => this.#user.authenticated(user),
        document: (effect: DocumentEffect) => {
          if (effect.type === 'presence') {
            this.#presence.fromServer(effect.document, effect.client, effect.state);
            return;
          }
          this.#documents.get(effect.document)?.handle(effect);
          if (effect.type === 'subscribed') this.#presence.subscribed(effect.document);
          this.#spaces?.observe(effect);
        },
        space: (effect) => this.#spaces?.handle(effect),
        clock: (offset_ms, roundTrip_ms) => this.#clockSample(offset_ms, roundTrip_ms),
        failed: (error) => {
          this.#sessionError = error;
          if (error?.code === 'user-changed') this.#userChanged(error, undefined);
          this.#statusSoon();
        },
        broken: (error) => this.#break(error),
        documents: this.#documents,
        get spaces() {
          return engine.#spaces;
        },
        get presence() {
          return engine.#presence;
        },
        open: (document) => this.#open(document),
        lead: () => this.#lead(),
        follow: () => this.#follow(),
        leaderState: (state) => this.#leaderState(state),
        rejections: () => this.#rejections?.changed(),
        wiped: () => this.#wipedElsewhere(),
        foreign: (isNewer) => this.#port.post({ type: 'foreign-tab', isNewer }),
        joined: (channel, tab) => this.#port.post({ type: 'tabs', channel, tab }),
        get state(): LeaderState {
          return engine.#stateForTabs();
        },
      },
    );
    this.#presence = new Relay({
      environment,
      get leads() {
        return engine.#tabs.leads;
      },
      toServer: (document, message) => this.#tabs.driver.presence(document, message),
      toTabs: (body) => this.#tabs.post(body),
      toMain: (document, client, message) => this.#port.post({ type: 'presence', document, client, message }),
    });
    this.#user = new TabUser({ environment, transport, url, token }, options.namespace, {
      connection: (status) => this.#connectionChanged(status),
      failed: (error) => {
        this.#sessionError = error;
        this.#statusSoon();
      },
      changed: (error, to) => this.#userChanged(error, to),
      broken: (error) => this.#break(error),
    });
    this.#start().catch((error: unknown) => this.#break(error));
  }

  receive(message: ToEngine): void {
    if (this.#ended) return;
    this.#user.steer(message);
    if (this.#early !== undefined) {
      // Without a storage there is nothing to wait for; what was written stays with the main thread.
      if (message.type === 'end' && this.#storage.state === 'failed') this.#endNow(this.#storage.lastError);
      else {
        // Of presence the last is enough, however long the storage takes.
        const isNewer = (one: ToEngine): boolean =>
          message.type === 'presence' && one.type === 'presence' && one.document === message.document;
        if (message.type === 'presence') this.#early = this.#early.filter((one) => !isNewer(one));
        this.#early.push(message);
      }
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
        this.#channels.set(message.channel, document);
        document.open(message);
        break;
      }
      case 'append':
        this.#channels.get(message.channel)?.append(message.channel, message.incarnation, message.turn, message);
        break;
      case 'followed':
        this.#channels.get(message.channel)?.followed(message.channel, message.awaited);
        for (const resolve of this.#followWaiters.splice(0)) resolve();
        break;
      case 'retry':
        this.#channels.get(message.channel)?.retry(message.channel, message.id);
        break;
      case 'undo':
        this.#channels.get(message.channel)?.undo(message);
        break;
      case 'discard':
        this.#context?.journal.step(async () => {
          await this.#context?.store.removeRejected(message.document, [message.id]);
          this.#rejections?.changed();
          this.#tabs.post({ type: 'rejections' });
        });
        break;
      case 'taken':
        this.#channels.get(message.channel)?.taken(message.bytes);
        break;
      case 'reload':
        this.#channels.get(message.channel)?.reload();
        break;
      case 'close':
        this.#channels.get(message.channel)?.close(message.channel, message.awaits);
        break;
      case 'open-space':
      case 'close-space':
      case 'list-space':
      case 'delete':
        this.#spaces?.request(message);
        break;
      case 'read-stored':
        this.#readStored(message).catch((error: unknown) => this.#break(error));
        break;
      case 'open-presence':
        this.#presence.open(message.document, message.message);
        break;
      case 'presence':
        this.#presence.tell(message.document, message.message);
        break;
      case 'ask-presence':
        this.#presence.ask(message.document);
        break;
      case 'close-presence':
        this.#presence.close(message.document);
        break;
      case 'connect':
        this.#tabs.connect();
        if (this.#leader?.connection.state === 'online') this.#user.verify();
        break;
      case 'disconnect':
        this.#tabs.disconnect();
        break;
      case 'network':
        this.#tabs.network(message.online);
        break;
      case 'end':
        this.#end(message.signOut).catch((error: unknown) => this.#break(error));
        break;
    }
  }

  async #start(): Promise<void> {
    const { environment } = this.#options;
    const store = await this.#storeThatOpens();
    if (store === undefined) return;
    await this.#options.ready;
    if (this.#ended) {
      await store.close();
      return;
    }
    const journal = new Journal(environment, store, {
      state: (error) => this.#journalState(error),
      stale: (document) => this.#adopt(document),
      removed: (error) => this.#removed(error),
      broken: (error) => this.#break(error),
    });
    const tabs = this.#tabs;
    const rejections = new Rejections({
      environment,
      store,
      tell: (entries) => this.#port.post({ type: 'rejections', entries }),
      roomMade: () => {
        for (const document of this.#documents.values()) document.roomMade();
      },
      failed: (error) => this.#adoptFailed(error),
    });
    this.#rejections = rejections;
    this.#context = {
      environment,
      port: this.#port,
      store,
      journal,
      get session() {
        return tabs.driver;
      },
      tabs,
      isShared: this.#isShared,
      retained: new RetainedBytes(),
      awake: this.#awake,
      now: () => this.#clock.now(),
      clock: () => (this.#clock.isKnown ? this.#clock.reading : undefined),
      clockRefused: (serverTime_ms) => {
        // By what was known it would be refused again and again. Another tab may have told it before the clock was set.
        this.#clock.forgetRoundTrip();
        if (serverTime_ms > 0) this.#clockSample(serverTime_ms - environment.now(), Number.MAX_VALUE);
      },
      rejections,
      rejectedHere: () => this.#tabs.post({ type: 'rejections' }),
      changed: (document) => {
        this.#note(document);
        this.#changed.add(document);
        this.#statusSoon();
      },
      status: (document) => {
        this.#note(document);
        this.#changed.delete(document);
        return { ...this.#status(), document: document.toldPending() };
      },
      storageFailed: (error) => this.#readState(error),
      forgotten: (channels) => {
        for (const channel of channels) this.#channels.delete(channel);
      },
      tellDeleted: (document) => this.#tabs.post({ type: 'deleted', document }),
      released: (document) => this.#released(document),
      broken: (error) => this.#break(error),
    };
    this.#spaces = this.#engineSpaces(store, journal);
    const early = this.#early ?? [];
    this.#early = undefined;
    tabs.start(store, this.#namespace, this.#isShared);
    this.#statusSoon();
    for (const message of early) this.receive(message);
    rejections.changed();
    // A leader has done so already.
    if (!tabs.leads) await this.#openPending(store);
  }

  #engineSpaces(store: DocumentStore, journal: Journal): EngineSpaces {
    const tabs = this.#tabs;
    return new EngineSpaces({
      environment: this.#options.environment,
      port: this.#port,
      store,
      get session() {
        return tabs.driver;
      },
      get leads() {
        return tabs.leads;
      },
      get heldSpaces() {
        return tabs.heldSpaces;
      },
      post: (body) => tabs.post(body),
      isOpen: (document) => this.#documents.has(document),
      isDeleted: (document) => this.#documents.get(document)?.isDeleted === true,
      holdsBack: (document) => this.#documents.get(document)?.holdsBack === true,
      fetch: (document) => {
        this.#open(document);
      },
      release: (document) => this.#documents.get(document)?.tabs.released(),
      deleted: (document) => {
        // What is stored of it goes as well, whether or not somebody has it open.
        const deleted = tabs.leads ? this.#open(document) : this.#documents.get(document);
        deleted?.deleted();
        return deleted?.loaded;
      },
      afterStored: (run) => journal.step(() => Promise.resolve(run())),
      failed: (error) => this.#readState(error),
    });
  }

  async #openStore(): Promise<DocumentStore> {
    const { storages } = this.#options;
    let failure: JoineryError | undefined;
    for (const storage of storages) {
      try {
        const { namespace: base, asksUser = false } = this.#options;
        const namespace = asksUser ? await this.#user.namespaceIn(storage) : base;
        this.#namespace = namespace;
        const store = await storage.open(namespace, {
          interrupted: (error) => this.#readState(asJoineryError(error, 'storage-failed')),
          blocked: (error) => this.#storageState('opening', asJoineryError(error, 'storage-locked')),
          lost: (error) => this.#storeLost(asJoineryError(error, 'storage-locked')),
          noted: (error) => {
            failure = asJoineryError(error);
          },
        });
        const lastError = failure === undefined ? {} : { lastError: errorData(failure) };
        this.#storage = { mode: storage.mode, state: 'ready', ...lastError };
        this.#isShared = storage.shared ?? false;
        return store;
      } catch (error) {
        failure = asJoineryError(error, 'storage-failed');
        // Only where there is no such storage at all: any other may have data in it, which another one would hide.
        if (failure.code !== 'storage-unavailable') break;
      }
    }
    throw failure ?? new Error('Expected a storage to open, got none to try.');
  }

  /** Where everything was moved another engine finds it, with what isn't stored yet; else this one keeps that in memory. */
  #storeLost(error: JoineryError): void {
    if (error.code === 'storage-moved') this.#break(error);
    else if (isRemoved(error)) this.#removed(error);
    else this.#storageState('failed', error);
    if (error.code === 'storage-too-new') this.#port.post({ type: 'storage-outdated', error: errorData(error) });
  }

  /** What is here is not this user's: it stays where it is, for the one whose it is. */
  #userChanged(error: JoineryError, to: string | undefined): void {
    // Nor may it lead the tabs of that one any more.
    this.#tabs.close();
    this.#sessionError = error;
    const told = (): void => {
      if (!this.#ended) this.#port.post({ type: 'user-changed', error: errorData(error) });
    };
    // Where the session doesn't say whose it is, the next client asks.
    this.#user.note(to).then(told, told);
  }

  /** The user has signed out in another tab: what is written from now on would be found by whoever comes next. */
  #wipedElsewhere(): void {
    if (this.#isWiped || this.#ended) return;
    this.#isWiped = true;
    this.#context?.journal.stop();
    this.#spaces?.stop();
    this.#context?.store.close().catch(() => {});
    this.#tabs.close();
    this.#sessionError = signedOutElsewhere();
    this.#port.post({ type: 'user-changed', error: errorData(this.#sessionError) });
  }

  #removed(error: JoineryError): void {
    if (error.code === 'wiped') this.#wipedElsewhere();
    else this.#evicted(error);
  }

  /** Nothing is stored any more: another engine begins with an empty storage, and gets what the main thread still has. */
  #evicted(error: JoineryError): void {
    if (this.#ended) return;
    this.stop();
    this.#port.post({ type: 'evicted', error: errorData(error) });
  }

  /** Opens a storage, however long it takes. */
  async #storeThatOpens(): Promise<DocumentStore | undefined> {
    for (let attempt = 0; !this.#ended; attempt += 1) {
      try {
        return await this.#openStore();
      } catch (error) {
        this.#storageState('failed', asJoineryError(error, 'storage-failed'));
        await pause(this.#options.environment, backoff_ms(attempt, openRetryBase_ms, openRetryCap_ms));
      }
    }
    return undefined;
  }

  async #readStored({ request, document }: Extract<ToEngine, { readonly type: 'read-stored' }>): Promise<void> {
    const store = this.#context?.store;
    if (store === undefined) return;
    const answer = { type: 'stored', request, documents: undefined, state: undefined, error: undefined } as const;
    try {
      if (document === undefined) {
        this.#port.post({ ...answer, documents: await store.documents() });
        return;
      }
      const { state, damaged } = await storedState(store, document, () => this.#clock.now());
      if (damaged !== undefined) {
        this.#port.post({ type: 'damaged', document, error: errorData(damaged) });
        // What is set aside now is fetched again by whoever has it open.
        this.#documents.get(document)?.tabs.look();
      }
      this.#port.post({ ...answer, state }, state === undefined ? [] : [state.buffer as ArrayBuffer]);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      const failure = asJoineryError(error, 'storage-failed');
      // Asked again of the engine that takes this one's place.
      if (isRemoved(failure)) this.#removed(failure);
      else this.#port.post({ ...answer, error: errorData(failure) });
    }
  }

  /** Opens what earlier sessions or other tabs have written and not synced. */
  async #openPending(store: DocumentStore): Promise<void> {
    let pending: readonly PendingDocument[] = [];
    try {
      pending = await store.pending();
      this.#counted = true;
      this.#readState(undefined);
    } catch (error) {
      this.#readState(asJoineryError(error, 'storage-failed'));
      return;
    }
    if (this.#ended) return;
    // Another tab may have synced what this one was told of.
    const known = new Set(pending.map(({ document }) => document));
    for (const document of [...this.#left.keys()]) if (!known.has(document)) this.#left.delete(document);
    for (const left of pending) {
      const open = this.#documents.get(left.document);
      if (open === undefined) this.#left.note(left.document, left.envelopes, left.oldestAt_ms);
      else if (left.envelopes > open.pending) this.#adopt(left.document);
    }
    this.#openLeft();
    this.#statusSoon();
  }

  #openLeft(): void {
    // They are opened where the session is. While it can't send them, only as many as stay awake: an app is likely to want what was
    // written last, and of thousands it wants a few.
    if (!this.#tabs.leads) return;
    const limit = this.#connection.state === 'online' ? Number.POSITIVE_INFINITY : awakeLimit;
    for (const document of this.#left.keys()) {
      if (this.#loading.size >= pendingAtOnce || this.#documents.size >= limit) return;
      this.#open(document);
    }
  }

  #open(id: string): EngineDocument {
    let document = this.#documents.get(id);
    if (document === undefined) {
      if (this.#context === undefined) throw new Error('Expected an open storage.');
      document = new EngineDocument(id, this.#context);
      this.#documents.set(id, document);
      if (document.loading) this.#loading.add(document);
    }
    return document;
  }

  #released(document: EngineDocument): void {
    if (this.#documents.get(document.id) === document) this.#documents.delete(document.id);
    this.#awake.released(document);
    this.#pending.delete(document);
    this.#loading.delete(document);
    this.#changed.delete(document);
    this.#troubled.delete(document);
    this.#spaces?.closed(document.id);
    this.#statusSoon();
  }

  #note(document: EngineDocument): void {
    if (!document.loading && this.#loading.delete(document)) {
      this.#left.delete(document.id);
      this.#openLeft();
    }
    if (document.pending > 0) this.#spaces?.written(document.id);
    this.#pending.note(document, document.pending, document.oldestAt_ms ?? Number.POSITIVE_INFINITY);
    mark(this.#troubled, document, document.trouble !== undefined);
  }

  #lead(): void {
    this.#user.leads();
    this.#leader = undefined;
    this.#connection = { state: 'offline', attempts: 0 };
    this.#sessionError = undefined;
    if (this.#context) this.#openPending(this.#context.store).catch((error: unknown) => this.#break(error));
    this.#statusSoon();
  }

  #follow(): void {
    this.#leader = undefined;
    this.#connection = { state: 'offline', attempts: 0 };
    this.#sessionError = undefined;
    this.#statusSoon();
  }

  #leaderState(state: LeaderState): void {
    this.#leader = state;
    if (state.connection.state === 'online') this.#user.verify();
    this.#counted ||= state.counted;
    this.#left.clear();
    for (const pending of state.pending) {
      const { document, envelopes, oldestAt_ms } = pending;
      if (!this.#documents.has(document)) this.#left.note(document, envelopes, oldestAt_ms);
    }
    const { clockOffset_ms } = state;
    if (clockOffset_ms !== undefined && clockOffset_ms !== this.#toldOffset_ms) {
      this.#toldOffset_ms = clockOffset_ms;
      this.#clock.forgetRoundTrip();
      this.#clockSample(clockOffset_ms, 0);
    }
    this.#statusSoon();
  }

  #connectionChanged(status: ConnectionStatus): void {
    if (status.state !== 'online') this.#spaces?.offline();
    const back = status.state === 'online' && this.#connection.state !== 'online';
    this.#connection = status;
    if (back) {
      this.#sessionError = undefined;
      this.#clock.forgetRoundTrip();
      if (this.#context) this.#openPending(this.#context.store).catch((error: unknown) => this.#break(error));
    }
    this.#statusSoon();
  }

  #clockSample(offset_ms: number, roundTrip_ms: number): void {
    if (!this.#clock.take(offset_ms, roundTrip_ms)) return;
    this.#port.post({ type: 'clock', offset_ms });
    for (const document of [...this.#documents.values()]) document.clockChanged();
  }

  #adopt(document: string): void {
    this.#documents
      .get(document)
      ?.adopt()
      .catch((error: unknown) => this.#adoptFailed(error));
  }

  #journalState(error: JoineryError | undefined): void {
    this.#storageWorks(error ?? this.#readError);
    for (const document of this.#documents.values()) {
      if (error === undefined) document.storageWorks();
      else document.storageFailing();
    }
  }

  #readState(error: JoineryError | undefined): void {
    if (error !== undefined && isRemoved(error)) {
      this.#removed(error);
      return;
    }
    if (this.#ended || error?.code === 'closed' || (error ?? this.#readError) === undefined) return;
    this.#readError = error;
    this.#storageWorks(error ?? this.#context?.journal.error);
    if (error === undefined) return;
    // Also where nobody has anything more to read: somebody has to find out that it works again.
    this.#cancelLook ??= this.#options.environment.timer(() => this.#look(), readRetry_ms);
  }

  /** Or doesn't: for as long as either reading or writing fails. */
  #storageWorks(error: JoineryError | undefined): void {
    this.#storageState(error === undefined ? 'ready' : 'failed', error);
  }

  #storageState(state: EngineStatus['storage']['state'], error: JoineryError | undefined): void {
    const { mode } = this.#storage;
    this.#storage = { mode, state, ...(error === undefined ? {} : { lastError: errorData(error) }) };
    this.#statusSoon();
  }

  #adoptFailed(error: unknown): void {
    if (this.#ended) return;
    if (error instanceof WebAssembly.RuntimeError) this.#break(error);
    else {
      this.#missed = true;
      this.#readState(asJoineryError(error, 'storage-failed'));
    }
  }

  /** Storage could not be read: it is tried again, with all that was missed. */
  #look(): void {
    this.#cancelLook = undefined;
    if (this.#ended || this.#context === undefined) return;
    if (this.#missed) {
      this.#missed = false;
      for (const document of this.#documents.values()) document.tabs.look();
      this.#rejections?.changed();
    }
    this.#openPending(this.#context.store).catch((error: unknown) => this.#break(error));
  }

  #statusSoon(): void {
    if (this.#statusDue || this.#ended) return;
    this.#statusDue = true;
    this.#options.environment.microtask(() => {
      this.#statusDue = false;
      if (this.#ended) return;
      for (const document of this.#changed) document.tellPending();
      this.#changed.clear();
      this.#port.post({ type: 'status', status: this.#status() });
      this.#tabs.stateChanged();
    });
  }

  #status(): EngineStatus {
    let pending = this.#pending.count + this.#left.count;
    const never = Number.POSITIVE_INFINITY;
    let oldest = Math.min(this.#pending.oldestAt_ms ?? never, this.#left.oldestAt_ms ?? never);
    if (this.#leader !== undefined) {
      pending += this.#leader.morePending.envelopes;
      if (this.#leader.morePending.envelopes > 0) oldest = Math.min(oldest, this.#leader.morePending.oldestAt_ms);
    }
    const trouble = this.#troubleToShow();
    return {
      connection: this.#leader?.connection ?? this.#connectionToShow(),
      sync: {
        blocked: trouble?.blocked ?? false,
        counted: this.#counted,
        pending,
        ...(oldest === Number.POSITIVE_INFINITY ? {} : { oldestPendingAt: oldest }),
        ...(trouble === undefined ? {} : { lastError: trouble.error }),
      },
      storage: this.#storage,
      store: this.#openStoreStatus,
    };
  }

  get #openStoreStatus(): EngineStatus['store'] {
    const { isNew } = this.#context?.store ?? {};
    if (!this.#isShared || isNew === undefined) return undefined;
    const { server, user, name } = this.#namespace;
    return { name: JSON.stringify([this.#storage.mode, server, user, name]), isNew };
  }

  #connectionToShow(): EngineStatus['connection'] {
    const error = this.#sessionError ?? this.#connection.error;
    return {
      // Waiting for the next attempt is being offline.
      state: this.#connection.retryAt === undefined ? this.#connection.state : 'offline',
      ...(error === undefined ? {} : { lastError: errorData(error) }),
    };
  }

  #troubleToShow(): LeaderState['trouble'] {
    const troubles = Array.from(this.#troubled, ({ trouble }) => trouble);
    const own = troubles.find((one) => one?.blocked) ?? troubles[0];
    const theirs = this.#leader?.trouble;
    if (own === undefined || (theirs?.blocked && !own.blocked)) return theirs;
    return { error: errorData(own.error), blocked: own.blocked };
  }

  #stateForTabs(): LeaderState {
    const all: PendingDocument[] = [];
    for (const [document, { count, oldestAt_ms }] of this.#left) all.push({ document, envelopes: count, oldestAt_ms });
    for (const [{ id }, { count, oldestAt_ms }] of this.#pending) {
      all.push({ document: id, envelopes: count, oldestAt_ms: Number.isFinite(oldestAt_ms) ? oldestAt_ms : 0 });
    }
    const more = all.slice(pendingLimit_count);
    return {
      connection: this.#connectionToShow(),
      clockOffset_ms: this.#clock.isKnown ? this.#clock.offset_ms : undefined,
      counted: this.#counted,
      pending: all.slice(0, pendingLimit_count),
      morePending: {
        envelopes: more.reduce((sum, { envelopes }) => sum + envelopes, 0),
        oldestAt_ms: more.reduce((oldest, { oldestAt_ms }) => Math.min(oldest, oldestAt_ms), Number.MAX_SAFE_INTEGER),
      },
      trouble: this.#troubleToShow(),
    };
  }

  async #end(signOut: SignOut | undefined): Promise<void> {
    if (this.#isWiped) {
      this.#endNow(undefined);
      return;
    }
    // What was handed over of a document goes to the journal when it is loaded.
    const early = [...this.#documents.values()].filter(({ holdsEarly }) => holdsEarly);
    if (early.length > 0) await this.#patiently(Promise.all(early.map(({ loaded }) => loaded)));
    let failure = await this.#context?.journal.settled();
    if (failure === undefined && this.#awaitsMain) {
      await this.#patiently(this.#untilFollowed());
      failure = await this.#context?.journal.settled();
    }
    const left = early.find(({ holdsEarly }) => holdsEarly);
    const error = failure ?? (left && (left.trouble?.error ?? this.#readError ?? notStored()));
    const unsynced = error === undefined && signOut !== undefined ? await this.#unsyncedWork(signOut) : undefined;
    if (unsynced !== undefined) {
      const { pending, rejected } = unsynced;
      this.#port.post({ type: 'stays', pending, rejected });
      return;
    }
    // The others are yet to hear of a wiping.
    if (!signOut?.wipe) this.#tabs.close();
    const unfinished = error ?? (signOut && (await this.#signOut(signOut)));
    // Another engine ends in its place.
    if (this.#ended) return;
    await this.#context?.store.close().catch(() => {});
    this.#endNow(unfinished && errorData(unfinished));
  }

  get #awaitsMain(): boolean {
    return [...this.#documents.values()].some(({ awaitsMain }) => awaitsMain);
  }

  /** Until everything is stored that belonged to an incarnation which ended meanwhile, or storage fails. */
  async #untilFollowed(): Promise<void> {
    while (this.#awaitsMain && !this.#ended) {
      await new Promise<void>((resolve) => this.#followWaiters.push(resolve));
      if ((await this.#context?.journal.settled()) !== undefined) return;
    }
  }

  /** What a sign-out would leave behind or lose, where it must not: also what only storage knows of. */
  async #unsyncedWork({ wipe, force }: SignOut): Promise<UnsyncedWork | undefined> {
    const store = this.#context?.store;
    if (store === undefined || force) return undefined;
    try {
      const left = await store.pending();
      const pending = left.reduce((sum, { envelopes }) => sum + envelopes, 0);
      const rejected = wipe ? (await store.rejected()).length : 0;
      return pending + rejected > 0 ? new UnsyncedWork(pending, rejected) : undefined;
    } catch (error) {
      // Storage that can't be read makes the sign-out itself fail.
      this.#adoptFailed(error);
      return undefined;
    }
  }

  /** Why not all of it was done, if so. */
  async #signOut({ wipe }: SignOut): Promise<JoineryError | undefined> {
    const store = this.#context?.store;
    if (store === undefined) return undefined;
    try {
      await this.#user.forget();
      if (wipe) {
        this.#tabs.post({ type: 'wiped' });
        this.#tabs.close();
        this.#context?.journal.stop();
        await pause(this.#options.environment, wipeNotice_ms);
        await store.wipe();
      }
      return undefined;
    } catch (error) {
      const failure = asJoineryError(error, 'storage-failed');
      // The engine that takes this one's place does all of it, in the storage that is there now.
      if (failure.code === 'storage-evicted') this.#removed(failure);
      return failure;
    }
  }

  /** Storage is being opened, which may be held up by others: it is not waited for without end. */
  #endUnopened(): void {
    this.#options.environment.timer(() => {
      if (this.#early === undefined || this.#ended) return;
      this.#endNow(this.#storage.lastError ?? errorData(notStored()));
    }, endPatience_ms);
  }

  #patiently(promise: Promise<unknown>): Promise<void> {
    return settledWithin(this.#options.environment, promise, endPatience_ms);
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
    this.#user.stop();
    this.#cancelLook?.();
    this.#tabs.close();
    this.#ended = true;
    this.#presence.stop();
    this.#spaces?.stop();
    this.#rejections?.stop();
    this.#context?.journal.stop();
  }
}

function signedOutElsewhere(): JoineryError {
  return new JoineryError('user-changed', {
    expected: 'a user who is signed in',
    got: 'a sign-out in another tab, which removed everything from this device',
    remedy: 'Create another client when somebody has signed in.',
  });
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
