// The main thread's side of the engine: starts it, replaces it when it dies, passes messages between it and the open
// documents, and puts the client's status together. It has no replica and decides nothing about data.

import { asJoineryError, JoineryError } from '@joinery/protocol';
import { Replica } from '../core/index.ts';
import type { Cancel, Environment } from '../environment.ts';
import type { StoredRejection } from '../storage/storage.ts';
import { TabName } from '../undo/tab-name.ts';
import { AwakeDocuments } from './awake-documents.ts';
import { BackgroundSync } from './background-sync.ts';
import { CorrectedClock } from './corrected-clock.ts';
import { type ExportedDocument, ExportLink } from './export-link.ts';
import { type EngineStatus, errorData, errorFrom, type FromEngine, type SignOut, type ToEngine } from './messages.ts';
import { type ChannelMessage, OpenDocument, type OpenDocumentContext } from './open-document.ts';
import { PresenceLink } from './presence-link.ts';
import { SpaceLink } from './space-link.ts';
import type { ClientEvent, ClientStatus } from './status.ts';
import { StorageGuard } from './storage-guard.ts';
import { UnloadGuard, type UnloadUntil } from './unload-guard.ts';
import { UnsyncedWork } from './unsynced-work.ts';
import { backoff_ms } from './waiting.ts';

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
  /** Tells this client from others in one tab. */
  readonly client: string;
  /** The token is another user's: the client is to be closed. */
  userChanged(): void;
}

/** An engine that dies more often than this within the time is not started again. */
const restartLimit = 5;
const restartWindow_ms = 60_000;
const restartBase_ms = 100;
/** How long ending waits for documents with early writes to be loaded. */
const flushPatience_ms = 10_000;
/** Documents that don't rest though nobody uses them: more than a page shows at a time. */
const awakeLimit = 256;
const startRetryBase_ms = 1_000;
const startRetryCap_ms = 30_000;

export class EngineLink {
  readonly spaces: SpaceLink;
  readonly guard: StorageGuard;
  readonly #exports: ExportLink;
  readonly presence: PresenceLink;
  readonly #options: EngineLinkOptions;
  readonly #documents = new Map<number, OpenDocument>();
  /** One for all of them. */
  readonly #documentContext: OpenDocumentContext;
  /** Without handles, but with writes on their way. */
  readonly #closing = new Set<OpenDocument>();
  readonly #statusListeners = new Set<() => void>();
  readonly #eventListeners = new Set<(event: ClientEvent) => void>();
  readonly #rejectionListeners = new Set<() => void>();
  readonly #stopNetwork: Cancel;
  readonly #stopPage: Cancel | undefined;
  readonly #tabName: TabName;
  readonly #unload: UnloadGuard;
  readonly #backgroundSync: BackgroundSync;
  #unloadDue = false;
  #rejections: readonly StoredRejection[] = [];
  /** Entries of that list which were discarded, with their documents, until the engine shows that they are gone. */
  readonly #discarded = new Map<string, string>();
  #engine: RunningEngine | undefined;
  /** Counts engines: what a replaced one still says is not listened to. */
  #generation = 0;
  #channels = 0;
  #wanted: boolean;
  readonly #clock: CorrectedClock;
  #deaths: number[] = [];
  #restart: Cancel | undefined;
  /** Why there will be no engine any more. */
  #failure: JoineryError | undefined;
  /** Why there is no engine yet. */
  #startFailure: JoineryError | undefined;
  #startFailures = 0;
  #engineStatus: EngineStatus;
  #status: ClientStatus;
  #statusStale = false;
  #toldStatus: ClientStatus | undefined;
  #statusDue = false;
  #ending: { promise: Promise<void>; resolve(): void; reject(error: JoineryError): void } | undefined;
  /** Everything that was written is posted: the engine may end. */
  #flushed = false;
  #signOut: SignOut | undefined;
  #closed = false;

  constructor(options: EngineLinkOptions) {
    this.#options = options;
    this.#wanted = options.connect;
    this.#clock = new CorrectedClock(options.environment);
    this.#tabName = new TabName(options.environment, options.client);
    this.#unload = new UnloadGuard(options.environment.page, (until) => this.#isUnsafe(until));
    this.#backgroundSync = new BackgroundSync(options.environment);
    this.spaces = new SpaceLink({
      environment: options.environment,
      post: (message) => this.#post(message),
      tell: (listener) => this.#tell(listener),
    });
    this.#exports = new ExportLink((message) => this.#post(message));
    this.guard = new StorageGuard({
      environment: options.environment,
      emit: (event) => this.#emit(event),
      changed: () => this.#statusChanged(),
    });
    this.presence = new PresenceLink({
      environment: options.environment,
      post: (message) => this.#post(message),
      tell: (listener) => this.#tell(listener),
    });
    this.#engineStatus = {
      connection: { state: 'offline' },
      sync: { blocked: false, counted: false, pending: 0 },
      storage: { mode: options.storageMode, state: 'opening' },
      store: undefined,
    };
    this.#status = this.#compose();
    this.#toldStatus = this.#status;
    this.#stopNetwork = options.environment.subscribeOnline((online) => {
      this.#post({ type: 'network', online });
      if (online && this.#startFailure !== undefined && this.#restart !== undefined) this.#start();
    });
    const { environment } = options;
    this.#stopPage = environment.page?.subscribeHidden(() => {
      for (const document of this.#documents.values()) document.hidden();
      if (this.#isLeft) this.#backgroundSync.ask();
    });
    this.#documentContext = {
      environment,
      replicaOptions: {
        now: () => this.#clock.now(),
        random: (bytes) => environment.randomBytes(bytes),
        // What comes from the engine was in storage or at the server: a clock that is behind must not hold it back.
        trustStamps: true,
      },
      awake: new AwakeDocuments(awakeLimit),
      post: (message) => this.#post(message),
      now: () => this.#clock.now(),
      clock: () => this.#clock.reading,
      pendingChanged: () => this.#statusChanged(),
      trapped: (error) => this.#emit({ type: 'engine-restarted', error }),
      tabName: this.#tabName,
      undoDropped: (document, error) => this.#emit({ type: 'undo-dropped', document, error }),
    };
    this.#start();
  }

  get status(): ClientStatus {
    // Put together when somebody looks: with many documents it is too much for every write.
    if (this.#statusStale) {
      this.#statusStale = false;
      this.#status = share(this.#status, this.#compose());
    }
    return this.#status;
  }

  subscribeStatus(listener: () => void): Cancel {
    const own = (): void => listener();
    // What the listener could see until now is nothing new to it.
    if (this.#statusListeners.size === 0) this.#toldStatus = this.status;
    this.#statusListeners.add(own);
    return () => this.#statusListeners.delete(own);
  }

  subscribeEvents(listener: (event: ClientEvent) => void): Cancel {
    const own = (event: ClientEvent): void => listener(event);
    this.#eventListeners.add(own);
    return () => this.#eventListeners.delete(own);
  }

  /** While something that was written has not come so far, whoever leaves the page is asked. */
  preventUnload(until: UnloadUntil): Cancel {
    return this.#unload.hold(until);
  }

  #isUnsafe(until: UnloadUntil): boolean {
    if (this.#closed) return false;
    if (until === 'synced') return this.status.sync.pending > 0;
    for (const { holdsUnstored, pending } of this.#documents.values()) {
      if (holdsUnstored || pending.count > 0) return true;
    }
    return false;
  }

  /** Something is stored and not at the server, and there is no way to it. */
  get #isLeft(): boolean {
    const { connection, sync } = this.#engineStatus;
    return this.#wanted && sync.pending > 0 && connection.state !== 'online';
  }

  /** The rejected list of all documents, oldest first. */
  get rejections(): readonly StoredRejection[] {
    return this.#rejections;
  }

  subscribeRejections(listener: () => void): Cancel {
    const own = (): void => listener();
    this.#rejectionListeners.add(own);
    return () => this.#rejectionListeners.delete(own);
  }

  discard(document: string, id: string): void {
    this.#discarded.set(id, document);
    this.#post({ type: 'discard', document, id });
  }

  open(id: string): OpenDocument {
    this.#channels += 1;
    const document = new OpenDocument(id, this.#channels, this.#documentContext);
    this.#documents.set(document.channel, document);
    this.#post(document.opening());
    return document;
  }

  /**
   * All documents on this device, one at a time, in the order of their ids.
   *
   * @throws JoineryError `closed`; `storage-failed` and the like where the list can't be read
   */
  async *exportAll(): AsyncGenerator<ExportedDocument> {
    let [open, openings] = [new Map<string, OpenDocument>(), -1];
    const look = (): ReadonlyMap<string, OpenDocument> => {
      // Those that were closed since say so themselves.
      if (openings !== this.#channels) open = new Map(Array.from(this.#documents.values(), (one) => [one.id, one]));
      openings = this.#channels;
      return open;
    };
    const ids = new Set([...(await this.#exports.documents()), ...look().keys()]);
    for (const id of [...ids].sort()) {
      const exported = await this.#export(id, look().get(id));
      if (exported !== undefined) yield exported;
    }
  }

  async #export(id: string, document: OpenDocument | undefined): Promise<ExportedDocument | undefined> {
    try {
      // One that is closed meanwhile lies in storage.
      await document?.loaded.catch((error: unknown) => {
        if (!document.isClosed) throw error;
      });
      // Of one that is open also what storage doesn't have yet.
      const open = document?.encode();
      if (open !== undefined) return { id, state: open, value: document?.value };
      const state = await this.#exports.state(id);
      return state && { id, state, value: valueIn(state) };
    } catch (error) {
      if (this.#closed) throw error;
      return { id, state: undefined, value: undefined, error: asJoineryError(error) };
    }
  }

  /** No handle is left, and no early write waits. */
  close(document: OpenDocument): void {
    document.whenTransacted(() => {
      document.close();
      if (this.#closed) return;
      if (document.awaitsEngine || !document.isClosed) this.#closing.add(document);
      else this.#documents.delete(document.channel);
    });
  }

  setConnected(wanted: boolean): void {
    if (this.#closed) return;
    // Also when it is so already: after a failure that ended all attempts it is the way to begin again.
    this.#wanted = wanted;
    this.#post({ type: wanted ? 'connect' : 'disconnect' });
    this.#statusChanged();
  }

  /**
   * Forgets the user, and with `wipe` everything on this device, then ends. Rejects with `unsynced-work`, and goes on, when
   * that would leave something behind or lose it, unless `force`.
   */
  async signOut(signOut: SignOut): Promise<void> {
    this.#checkOpen();
    if (!signOut.force) {
      await this.#untilCounted();
      const { pending } = this.status.sync;
      const rejected = signOut.wipe ? this.#rejections.length : 0;
      if (pending + rejected > 0) throw new UnsyncedWork(pending, rejected);
    }
    this.#checkOpen();
    this.#signOut = signOut;
    await this.#beginEnd();
  }

  #checkOpen(): void {
    if (this.#ending === undefined) return;
    throw new JoineryError('closed', {
      expected: 'an open client to sign out of',
      got: 'one that is being closed',
      remedy: 'Create another one, and sign out of that.',
    });
  }

  /** The engine has found something that signing out would leave behind or lose: all goes on as before. */
  #stays(error: UnsyncedWork): void {
    const ending = this.#ending;
    this.#ending = this.#signOut = undefined;
    this.#flushed = false;
    for (const document of this.#documents.values()) document.resume();
    this.presence.comeBack();
    ending?.reject(error);
  }

  /** Until it is known what earlier sessions have left. */
  #untilCounted(): Promise<void> {
    if (this.#engineStatus.sync.counted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const stop = this.subscribeStatus(() => {
        if (!this.#engineStatus.sync.counted && !this.#closed) return;
        stop();
        cancel();
        resolve();
      });
      const cancel = this.#options.environment.timer(() => {
        stop();
        reject(this.status.storage.lastError ?? notStored());
      }, flushPatience_ms);
    });
  }

  /** Stores what was written, then ends the engine. Rejects when something could not be stored. */
  end(): Promise<void> {
    const { promise } = this.#ending ?? {};
    if (promise === undefined) return this.#beginEnd();
    // A sign-out may be refused: then it ends all the same.
    if (this.#signOut === undefined || this.#closed) return promise;
    return promise.catch((error: unknown) => {
      if (this.#closed) throw error;
      return this.end();
    });
  }

  #beginEnd(): Promise<void> {
    let resolve = (): void => {};
    let reject = (_: JoineryError): void => {};
    const promise = new Promise<void>((done, failed) => {
      resolve = done;
      reject = failed;
    });
    this.#ending = { promise, resolve, reject };
    promise.catch(() => {});
    this.presence.leave();
    const failure = this.#failure ?? this.#startFailure;
    if (failure !== undefined) this.#finish(this.status.sync.pending > 0 ? failure : undefined);
    const flush = (): void => {
      cancel();
      if (this.#closed || this.#flushed) return;
      this.#flushed = true;
      this.#post(this.#endMessage);
    };
    // Early writes of a document that can't be read in time are lost; it is said so at the end.
    const cancel = this.#options.environment.timer(flush, flushPatience_ms);
    Promise.all(Array.from(this.#documents.values(), (document) => document.flush())).then(flush, flush);
    return promise;
  }

  #start(): void {
    this.#restart?.();
    this.#restart = undefined;
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
          if (current()) this.#startFailed(asJoineryError(error));
        },
      );
  }

  /** It never ran (the core could not be fetched, say): it is tried again for as long as it takes. */
  #startFailed(error: JoineryError): void {
    this.#startFailure = error;
    this.#startFailures += 1;
    const { storage } = this.#engineStatus;
    const lastError = errorData(error);
    this.#setEngineStatus({ ...this.#engineStatus, storage: { mode: storage.mode, state: 'failed', lastError } });
    if (this.#ending !== undefined) this.#finish(this.status.sync.pending > 0 ? error : undefined);
    else {
      const delay = backoff_ms(this.#startFailures - 1, startRetryBase_ms, startRetryCap_ms);
      this.#restart = this.#options.environment.timer(() => this.#start(), delay);
    }
  }

  #started(engine: RunningEngine): void {
    this.#engine = engine;
    if (this.#startFailure !== undefined) {
      this.#startFailure = undefined;
      this.#startFailures = 0;
      const { mode } = this.#engineStatus.storage;
      this.#setEngineStatus({ ...this.#engineStatus, storage: { mode, state: 'opening' } });
    }
    for (const document of this.#documents.values()) {
      engine.post(document.opening());
      document.askUndo();
      const { channel, awaitsEngine: awaits, isClosed } = document;
      if (isClosed) engine.post({ type: 'close', channel, awaits });
    }
    for (const [id, document] of this.#discarded) engine.post({ type: 'discard', document, id });
    this.spaces.started((message) => engine.post(message));
    this.#exports.started((message) => engine.post(message));
    this.presence.started((message) => engine.post(message));
    if (!this.#options.environment.online()) engine.post({ type: 'network', online: false });
    if (this.#wanted) engine.post({ type: 'connect' });
    if (this.#flushed) engine.post(this.#endMessage);
  }

  get #endMessage(): ToEngine {
    return { type: 'end', ...(this.#signOut === undefined ? {} : { signOut: this.#signOut }) };
  }

  /** False when there was nothing and is nothing. */
  #takeRejections(entries: readonly StoredRejection[]): boolean {
    if (entries.length + this.#rejections.length === 0) return false;
    this.#rejections = entries;
    const ids = new Set(entries.map(({ id }) => id));
    for (const id of this.#discarded.keys()) if (!ids.has(id)) this.#discarded.delete(id);
    return true;
  }

  #tellRejections(): void {
    for (const listener of [...this.#rejectionListeners]) this.#tell(listener);
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
        for (const document of this.#documents.values()) document.clockChanges();
        this.#clock.forgetRoundTrip();
        this.#clock.take(message.offset_ms);
        break;
      case 'rejections':
        if (this.#takeRejections(message.entries)) this.#tellRejections();
        break;
      case 'replaced': {
        // In the list before receipts tell of it; told when what is written on hearing of it goes into the new replica.
        const changed = message.rejections !== undefined && this.#takeRejections(message.rejections);
        this.#toDocument(message);
        if (changed) this.#tellRejections();
        break;
      }
      case 'conflicts':
        for (const conflict of message.conflicts) {
          this.#emit({ type: 'conflict', document: message.document, ...conflict });
        }
        break;
      case 'damaged':
        this.#emit({ type: 'record-damaged', document: message.document, error: errorFrom(message.error) });
        break;
      case 'storage-outdated':
        this.#emit({ type: 'storage-outdated', error: errorFrom(message.error) });
        break;
      case 'foreign-tab':
        this.#emit({ type: 'foreign-tab', isNewer: message.isNewer });
        break;
      case 'user-changed': {
        const error = errorFrom(message.error);
        this.#emit({ type: 'user-changed', error });
        this.#options.userChanged();
        break;
      }
      case 'space':
      case 'space-failed':
      case 'space-page':
        this.spaces.receive(message);
        break;
      case 'presence':
        this.presence.receive(message);
        break;
      case 'tabs':
        this.presence.joined(message);
        break;
      case 'deletion':
        this.spaces.receive(message);
        if (message.state === 'done') this.#emit({ type: 'document-deleted', document: message.document });
        break;
      case 'deleted':
        this.#emit({ type: 'document-deleted', document: message.document });
        break;
      case 'stays':
        this.#stays(new UnsyncedWork(message.pending, message.rejected));
        break;
      case 'ended':
        this.#finish(message.error && errorFrom(message.error));
        break;
      case 'stored':
        this.#exports.receive(message);
        break;
      case 'evicted':
        this.#evicted(errorFrom(message.error));
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
      if (this.#closing.has(document) && document.isClosed && !document.awaitsEngine) {
        this.#closing.delete(document);
        this.#documents.delete(document.channel);
      }
    } else if (message.type === 'replaced') {
      // Nobody waits for anything there any more.
      this.#post({ type: 'followed', channel: message.channel, awaited: [] });
    }
    // After the document, whose own part of what is pending has changed with it.
    if ('status' in message) this.#setEngineStatus(message.status);
  }

  /** Storage was emptied under the engine: the next one is given what is here of what was there. */
  #evicted(error: JoineryError): void {
    const { pending } = this.#engineStatus.sync;
    let kept = 0;
    for (const document of this.#documents.values()) kept += document.storageRemoved();
    this.#storeRejections();
    this.guard.evicted();
    this.#died(error, { type: 'storage-evicted', error, unsynced: Math.max(0, pending - kept) });
  }

  /** The rejected list was in that storage too: what is known of it here is stored again. */
  #storeRejections(): void {
    const lists = new Map<string, StoredRejection[]>();
    for (const entry of this.#rejections) {
      if (this.#discarded.has(entry.id)) continue;
      const list = lists.get(entry.document) ?? [];
      lists.set(entry.document, list);
      list.push(entry);
    }
    const open = new Map(Array.from(this.#documents.values(), (document) => [document.id, document]));
    for (const [id, entries] of lists) {
      const known = open.get(id);
      const document = known ?? this.open(id);
      document.storeRejected(entries);
      // Nobody else has it open: it is, for as long as that takes.
      if (known === undefined) this.close(document);
    }
  }

  /** The engine is gone: another one starts from storage, and gets what was not yet there. */
  #died(error: JoineryError, event: ClientEvent = { type: 'engine-restarted', error }): void {
    this.#engine?.terminate();
    this.#engine = undefined;
    this.#generation += 1;
    // What it had stored last it may not have told: until storage is asked again, nobody knows of all that is pending.
    const { sync } = this.#engineStatus;
    this.#engineStatus = { ...this.#engineStatus, sync: { ...sync, counted: false } };
    const { environment } = this.#options;
    const now = environment.monotonic();
    this.#deaths = [...this.#deaths.filter((at) => now - at < restartWindow_ms), now];
    if (this.#deaths.length > restartLimit) {
      this.#failure = error;
      const { mode } = this.#engineStatus.storage;
      this.#engineStatus = {
        ...this.#engineStatus,
        connection: { state: 'offline', lastError: error },
        storage: { mode, state: 'failed', lastError: error },
      };
      this.#statusChanged();
      this.#finish(error);
      return;
    }
    this.#setEngineStatus({ ...this.#engineStatus, connection: { state: 'offline' } });
    this.#emit(event);
    const delay = restartBase_ms * (2 ** (this.#deaths.length - 1) - 1);
    this.#restart = environment.timer(() => this.#start(), delay);
  }

  /** Settles `end`, when it was asked for. */
  #finish(error: JoineryError | undefined): void {
    if (this.#ending === undefined || this.#closed) return;
    this.#closed = true;
    this.#stopNetwork();
    this.#stopPage?.();
    this.#tabName.end();
    this.#unload.end();
    this.#backgroundSync.end();
    this.#restart?.();
    this.#engine?.terminate();
    this.#engine = undefined;
    this.#setEngineStatus({ ...this.#engineStatus, connection: { state: 'offline' } });
    const isLost = [...this.#documents.values()].some(({ holdsUnstored }) => holdsUnstored);
    const failure = error ?? (isLost ? (this.status.storage.lastError ?? notStored()) : undefined);
    // Their memory is the core's; nobody else gives it back.
    const documents = [...this.#documents.values()];
    this.#documents.clear();
    this.#closing.clear();
    for (const document of documents) document.end();
    this.spaces.end();
    this.#exports.end();
    if (failure === undefined && this.#signOut?.wipe === true) this.guard.forget();
    else this.guard.end();
    this.presence.end();
    if (failure === undefined) this.#ending.resolve();
    else this.#ending.reject(failure);
  }

  #setEngineStatus(status: EngineStatus): void {
    this.#engineStatus = status;
    this.guard.observe(status);
    this.#backgroundSync.look(this.#isLeft);
    this.#statusChanged();
  }

  /** Listeners hear of it once for all that one event brings. */
  #statusChanged(): void {
    this.#statusStale = true;
    this.#lookAtUnload();
    if (this.#statusDue || this.#statusListeners.size === 0) return;
    this.#statusDue = true;
    this.#options.environment.microtask(() => {
      this.#statusDue = false;
      const { status } = this;
      if (status === this.#toldStatus) return;
      this.#toldStatus = status;
      for (const listener of [...this.#statusListeners]) this.#tell(listener);
    });
  }

  #lookAtUnload(): void {
    if (this.#unloadDue || !this.#unload.isWanted) return;
    this.#unloadDue = true;
    this.#options.environment.microtask(() => {
      this.#unloadDue = false;
      this.#unload.look();
    });
  }

  #compose(): ClientStatus {
    const { connection, sync, storage } = this.#engineStatus;
    const { persisted } = this.guard;
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
        state: sync.blocked ? 'blocked' : pending > 0 || !sync.counted ? 'pending' : 'idle',
        pending,
        ...(oldest === undefined ? {} : { oldestPendingAt: oldest }),
        ...(sync.lastError === undefined ? {} : { lastError: errorFrom(sync.lastError) }),
      },
      storage: { ...restored(storage), ...(persisted === undefined ? {} : { persisted }) },
    };
  }

  #emit(event: ClientEvent): void {
    for (const listener of [...this.#eventListeners]) this.#tell(() => listener(event));
  }

  /** What a listener throws is for the app to hear of, and hinders nothing here. */
  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#options.environment.microtask(() => {
        throw error;
      });
    }
  }
}

function valueIn(state: Uint8Array): unknown {
  const replica = Replica.load(state, { trustStamps: true });
  try {
    return replica.toJSON();
  } finally {
    replica.free();
  }
}

function notStored(): JoineryError {
  return new JoineryError('storage-failed', {
    expected: 'everything written to be in storage when the client closes',
    got: 'writes to a document that could not be read in time',
    remedy: 'Look at `status.storage`; close when it is ready.',
  });
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
