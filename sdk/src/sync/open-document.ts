// One open document on the main thread: its replica, and whoever listens. It talks to the engine and to nobody else;
// nothing that an app calls here waits for anything.
//
// The replica keeps its agent as long as it lives. When the engine sends a whole state in its place, a new replica is
// loaded, which takes an agent of its own, and what the old one wrote and the engine hasn't stored is joined to it again.
//
// Of a document that nobody uses, and that nothing was written to here, only the bytes of its state are kept (`rest`): the
// replica is made again when somebody reads, writes, or something comes for it. Whoever listens or looks does not notice. One
// that comes from storage rests at once.

import { asJoineryError, JoineryError } from '@joinery/protocol';
import { Replica, type ReplicaOptions } from '../core/index.ts';
import { type DocumentAccess, notLoaded, type PatchListener } from '../documents/access.ts';
import { type Receipt, WriteReceipt } from '../documents/receipt.ts';
import { shareValue } from '../documents/shared-value.ts';
import type { Environment } from '../environment.ts';
import type { RejectedWrite } from '../storage/storage.ts';
import type { Parts } from '../storage/undo-parts.ts';
import { type Steps, UndoStacks } from '../undo/stacks.ts';
import type { TabName } from '../undo/tab-name.ts';
import type { UndoAccess } from '../undo/undo.ts';
import type { AwakeDocuments, Sleeper } from './awake-documents.ts';
import type { ClockReading } from './corrected-clock.ts';
import { followReplacement, followUnknown } from './follow-replacement.ts';
import { type DocumentPending, errorFrom, type FromEngine, type ToEngine } from './messages.ts';
import { OwnWrites } from './own-writes.ts';
import { PatchNews } from './patch-news.ts';
import { packParts, packState, type Resting, unpackState } from './resting-state.ts';

export interface OpenDocumentContext {
  readonly environment: Environment;
  readonly replicaOptions: ReplicaOptions;
  readonly awake: AwakeDocuments;
  /** Dropped while there is no engine: the next one is told everything when it opens the document. */
  post(message: ToEngine): void;
  /** This device's clock with the correction that is known. */
  now(): number;
  /** What is known of it. */
  clock(): ClockReading;
  /** What is pending here has changed. */
  pendingChanged(): void;
  /** The core trapped under the replica; another one takes its place. */
  trapped(error: JoineryError): void;
  readonly tabName: TabName;
  /** Steps of an undo stack can't be gone on with. */
  undoDropped(document: string, error: JoineryError): void;
}

/** Messages about one opening of a document. */
export type ChannelMessage = Extract<FromEngine, { readonly channel: number }>;

/** Writes that may wait for the document to be loaded. */
const earlyLimit = 10_000;

interface EarlyWrite {
  readonly write: (replica: Replica) => void;
  readonly key: string | undefined;
  readonly receipt: WriteReceipt;
}

const nobody: readonly (() => void)[] = [];
const none: readonly string[] = [];
const done = Promise.resolve();
const nothingPending: DocumentPending = { count: 0, oldestAt_ms: undefined };

export class OpenDocument implements DocumentAccess, Sleeper {
  readonly id: string;
  readonly channel: number;
  readonly #context: OpenDocumentContext;
  // What most of ten thousand open documents don't have at a moment is made when there is some.
  #madeWrites: OwnWrites | undefined;
  /** Replaced, never changed: whoever is being told goes through the ones of that moment. */
  #listeners: readonly (() => void)[] = nobody;
  #pendingListeners = nobody;
  /** What the engine has said of what it has. */
  #enginePending: DocumentPending = nothingPending;
  #pendingDue = false;
  /** Made with the first who wants patches. */
  #patches: PatchNews | undefined;
  /** Made with the first undo stack. */
  #undo: UndoStacks | undefined;
  #replica: Replica | undefined;
  /** In place of the replica while nobody uses it. */
  #resting: Resting | undefined;
  /** That can't be, or does not pay, as long as it has this replica. */
  #stays = false;
  /** The app is writing to the replica. */
  #writing = false;
  /** Which of the document's incarnations the replica is of; undefined before there is one. */
  #incarnation: number | undefined;
  /** Which replica of it, as this engine has counted. */
  #turn = 0;
  /** What the document's revision is ahead of its replica's. */
  #ahead = 0;
  /** Made when it is asked for, and given up when it is resolved. */
  #madeLoaded: { readonly promise: Promise<void>; resolve(): void; reject(error: JoineryError): void } | undefined;
  /** What became of loading: it was done, or why it wasn't. */
  #loading: 'under way' | 'done' | JoineryError = 'under way';
  #failure: JoineryError | undefined;
  /** Nothing more may be written. */
  #ended = false;
  #closed = false;
  /** No handle is left: it is closed when all that was written is stored. */
  #closing = false;
  /** Writes that wait for the document to be loaded. */
  #early: EarlyWrite[] | undefined;
  #earlyWaiters: (() => void)[] | undefined;
  /** Entries of the rejected list that the engine is to write again. */
  #retries: Map<string, { resolve(receipt: Receipt): void; reject(error: JoineryError): void }> | undefined;
  /** What waits for `transact` to be over. */
  #afterTransact: (() => void)[] | undefined;
  #notifyDue = false;
  #notifiedRevision = 0;
  #value: { readonly revision: number; readonly value: unknown } | undefined;

  constructor(id: string, channel: number, context: OpenDocumentContext) {
    this.id = id;
    this.channel = channel;
    this.#context = context;
  }

  get loaded(): Promise<void> {
    if (this.#loading === 'done') return done;
    if (this.#madeLoaded === undefined) {
      let [resolve, reject] = [(): void => {}, (_: JoineryError): void => {}];
      const promise = new Promise<void>((onDone, onError) => {
        resolve = onDone;
        reject = onError;
      });
      // Whoever waits for it gets the error; that nobody does is no error of its own.
      promise.catch(() => {});
      this.#madeLoaded = { promise, resolve, reject };
      if (this.#loading !== 'under way') reject(this.#loading);
    }
    return this.#madeLoaded.promise;
  }

  #settleLoaded(loading: 'done' | JoineryError): void {
    if (this.#loading !== 'under way') return;
    this.#loading = loading;
    if (loading !== 'done') this.#madeLoaded?.reject(loading);
    else {
      this.#madeLoaded?.resolve();
      this.#madeLoaded = undefined;
    }
  }

  get isLoaded(): boolean {
    return this.#replica !== undefined || this.#resting !== undefined;
  }

  get replica(): Replica | undefined {
    if (this.#resting !== undefined) this.#wake(this.#resting);
    if (this.#replica !== undefined && !this.#stays) this.#context.awake.used(this);
    return this.#replica;
  }

  get revision(): number {
    return this.#ahead + (this.#replica?.revision ?? 0);
  }

  get value(): unknown {
    if (!this.isLoaded) return undefined;
    const { revision } = this;
    if (this.#value?.revision !== revision) {
      const { replica } = this;
      if (replica === undefined) return undefined;
      const next = this.#guard(() => replica.toJSON());
      this.#value = { revision, value: shareValue(this.#value?.value, next) };
    }
    return this.#value.value;
  }

  /**
   * Nothing has happened for a while: of the replica nothing is kept but the bytes of its state, where these are few and
   * nothing was written to it. After that it has an agent, which no other replica may have.
   */
  rest(): boolean {
    const replica = this.#replica;
    if (replica === undefined) return true;
    if (this.#writing || replica.pendingCount > 0 || this.#undo?.isOpen === true) return false;
    let state: string | undefined;
    try {
      if (replica.agent === undefined) state = this.#guard(() => packState(replica));
    } catch {
      // It was told, and its content comes again.
      return true;
    }
    this.#stays = state === undefined;
    if (state === undefined) return true;
    this.#ahead = this.revision;
    this.#resting = { state, updates: none };
    this.#replica = undefined;
    free(replica);
    return true;
  }

  #wake({ state, updates }: Resting): void {
    this.#resting = undefined;
    let replica: Replica;
    try {
      replica = this.#guard(() => this.#made(state === undefined ? state : unpackState(state)));
    } catch (error) {
      // What was kept can't be read: nobody is to wait for it.
      if (!isTrap(error)) this.#fail(asJoineryError(error));
      throw error;
    }
    this.#replica = replica;
    if (updates.length > 0) this.#applyAll(updates.map(unpackState));
    this.#patches?.begin(replica);
    this.#ahead -= replica.revision;
  }

  #made(state: Uint8Array | undefined): Replica {
    const { replicaOptions } = this.#context;
    return state === undefined ? new Replica(replicaOptions) : Replica.load(state, replicaOptions);
  }

  get #writes(): OwnWrites {
    const context = this.#context;
    this.#madeWrites ??= new OwnWrites({
      environment: context.environment,
      takeUpdate: () => this.#guard(() => this.#replica?.takeUpdate()),
      clockOffset_ms: () => context.clock().offset_ms,
      takeUndo: (isAll) => this.#undo?.take(isAll),
      post: (batch) =>
        // Nothing is written before there is a replica.
        context.post({
          ...{ type: 'append', channel: this.channel, incarnation: this.#incarnation ?? 0, turn: this.#turn },
          ...batch,
        }),
      pendingChanged: () => this.#pendingChanged(),
    });
    return this.#madeWrites;
  }

  get #unstored(): readonly Uint8Array[] {
    return this.#madeWrites?.unstored ?? [];
  }

  /** See `OwnWrites.pending`. */
  get pending(): OwnWrites['pending'] {
    return this.#madeWrites?.pending ?? nothingPending;
  }

  /** All that was written to it on this device and is not at the server. */
  get unsynced(): DocumentPending {
    const [here, there] = [this.pending, this.#enginePending];
    const times = [here.oldestAt_ms, there.oldestAt_ms].filter((at_ms) => at_ms !== undefined);
    return { count: here.count + there.count, oldestAt_ms: times.length === 0 ? undefined : Math.min(...times) };
  }

  subscribePending(listener: () => void): () => void {
    const own = (): void => listener();
    this.#pendingListeners = [...this.#pendingListeners, own];
    return () => {
      this.#pendingListeners = this.#pendingListeners.filter((listener) => listener !== own);
    };
  }

  /** Told once for all that one event brings. */
  #pendingChanged(): void {
    this.#context.pendingChanged();
    if (this.#pendingDue || this.#pendingListeners === nobody) return;
    this.#pendingDue = true;
    this.#context.environment.microtask(() => {
      this.#pendingDue = false;
      this.#tell(this.#pendingListeners);
    });
  }

  /** Whether there are writes that wait for the document to be loaded. */
  get hasEarly(): boolean {
    return this.#early !== undefined && this.#early.length > 0;
  }

  /** Resolves when no write waits any more for the document to be loaded. */
  async earlyMade(): Promise<void> {
    while (this.hasEarly) {
      await new Promise<void>((resolve) => {
        this.#earlyWaiters ??= [];
        this.#earlyWaiters.push(resolve);
      });
    }
  }

  /** Whether there are writes that may be nowhere but here. */
  get holdsUnstored(): boolean {
    return this.hasEarly || this.#unstored.length > 0;
  }

  /** The engine was told that it is closed. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Whether a write that was made here may still be told of. */
  get awaitsEngine(): boolean {
    return this.#madeWrites?.awaitsEngine ?? false;
  }

  write(write: (replica: Replica) => void, key?: string): Receipt {
    const replica = this.#writable();
    const before = replica.seq;
    let receipt: WriteReceipt | undefined;
    try {
      this.#run(replica, write, key);
    } finally {
      // What an error left behind is written all the same.
      const after = this.#replica === replica ? replica.seq : before;
      if (after !== before) receipt = this.#written(before, after);
    }
    return receipt ?? this.#writes.unchanged();
  }

  #writable(): Replica {
    if (this.#ended) throw closed();
    const { replica } = this;
    if (this.#failure !== undefined) throw this.#failure;
    if (replica === undefined) throw notLoaded(this.id);
    return replica;
  }

  /** @param key of the root map that it writes to; undefined: anywhere */
  #run(replica: Replica, write: (replica: Replica) => void, key?: string): void {
    const [outer, before] = [this.#writing, replica.seq];
    this.#writing = true;
    this.#undo?.beforeWrite();
    try {
      this.#guard(() => write(replica));
    } finally {
      this.#writing = outer;
      if (this.#undo !== undefined && this.#replica === replica && replica.seq !== before) this.#undo.afterWrite(key);
    }
  }

  transact(label: string, run: () => unknown): Receipt {
    const undo = this.#undoStacks;
    undo.checkLabel(label);
    const replica = this.#writable();
    if (undo.isTransacting) {
      const before = replica.seq;
      // It is part of the one around it, and that one's error takes all of it back.
      synchronous(run());
      this.#checkKept(replica);
      return this.#receiptSince(replica, before);
    }
    try {
      return this.#transactOn(replica, label, run, undo);
    } finally {
      for (const act of this.#afterTransact?.splice(0) ?? []) act();
    }
  }

  #transactOn(replica: Replica, label: string, run: () => unknown, undo: UndoStacks): Receipt {
    const before = replica.seq;
    this.#writes.cut();
    this.#patches?.collect(replica);
    const state = this.#guard(() => replica.encodeSnapshot().slice());
    const states = undo.states();
    undo.begin();
    try {
      synchronous(run());
      this.#checkKept(replica);
    } catch (error) {
      if (this.#replica === replica && replica.seq !== before) {
        this.#takeBack(replica, state, states, asJoineryError(error));
      }
      throw error;
    } finally {
      undo.commit(label);
    }
    const receipt = this.#receiptSince(replica, before);
    if (replica.seq !== before) this.#notify();
    return receipt;
  }

  /** Calls `act` at once, or when `transact` is over: within it nothing is posted and nobody is told, since it may come to nothing. */
  whenTransacted(act: () => void): void {
    if (this.#undo?.isTransacting !== true) {
      act();
      return;
    }
    this.#afterTransact ??= [];
    this.#afterTransact.push(act);
  }

  /** A recipe has thrown: the document is as it was before, and nothing was written. */
  #takeBack(old: Replica, state: Uint8Array, states: ReturnType<UndoStacks['states']>, error: JoineryError): void {
    const { pendingCount } = old;
    this.#adopt(this.#guard(() => Replica.load(state, this.#context.replicaOptions)));
    const next = this.#replica as Replica;
    this.#undo?.rollBack(states, next);
    this.#patches?.begin(next);
    this.#writes.takeBack(error);
    free(old);
    // What waits for its causes is not in a state.
    if (pendingCount > 0) this.#context.post({ type: 'reload', channel: this.channel });
    this.#notify();
  }

  /** @throws JoineryError `internal` where the core has trapped in between, also if somebody has caught that: what was written is lost */
  #checkKept(replica: Replica): void {
    if (this.#replica === replica) return;
    throw new JoineryError('internal', {
      expected: 'the core to keep what is written within `transact`',
      got: 'a trap',
      remedy: 'Nothing of it was written. Call `transact` again when the document is there.',
    });
  }

  /** One receipt for several writes. */
  #receiptSince(replica: Replica, before: number): Receipt {
    const after = replica.seq;
    return after === before ? this.#writes.unchanged() : this.#writes.written(before, after);
  }

  get #undoStacks(): UndoStacks {
    this.#undo ??= new UndoStacks({
      environment: this.#context.environment,
      saveSoon: () => this.#writes.takeSoon(),
      dropped: (error) => this.#context.undoDropped(this.id, error),
    });
    return this.#undo;
  }

  /** Opens an undo stack, or takes part in its being open. `release` is to be called once. */
  openUndo(parts: Parts, groupMs: number): { readonly access: UndoAccess; readonly release: () => void } {
    const undo = this.#undoStacks;
    const { replica } = this;
    if (!undo.isOpen) undo.attach(replica);
    const steps = undo.open(parts, groupMs);
    if (steps.handles === 1) this.#askUndo(steps.name);
    return {
      access: this.#undoAccess(undo, steps),
      release: () => {
        steps.handles -= 1;
        this.whenTransacted(() => {
          if (steps.handles > 0) return;
          undo.hurry();
          if (!this.#closed) this.#madeWrites?.takeAll();
          undo.close(steps);
        });
      },
    };
  }

  /** What is kept of these stacks? Also asked of each new engine. */
  askUndo(): void {
    for (const name of this.#undo?.unrestored ?? []) this.#askUndo(name);
  }

  #askUndo(name: string): void {
    this.#context.tabName.name.then((owner) => {
      if (!this.#closed) this.#context.post({ type: 'undo', channel: this.channel, name, owner });
    });
  }

  #undoAccess(undo: UndoStacks, steps: Steps): UndoAccess {
    const document = this;
    return {
      document: this.id,
      get isLoaded() {
        return document.isLoaded && steps.isRestored;
      },
      get loaded() {
        return document.#undoLoaded(steps);
      },
      depth: (redo) => undo.depth(steps, redo),
      label: (redo) => undo.label(steps, redo),
      takeBack: (redo) => document.#undoStep(undo, steps, redo),
      clear: () => {
        undo.clear(steps);
        document.whenTransacted(() => document.#notify());
      },
      subscribe: (listener) => document.subscribe(listener),
    };
  }

  async #undoLoaded(steps: Steps): Promise<void> {
    await this.loaded;
    while (!steps.isRestored) {
      if (this.#ended || steps.handles === 0) throw closed();
      await new Promise<void>((resolve) => steps.waiters.push(resolve));
    }
  }

  #undoStep(undo: UndoStacks, steps: Steps, redo: boolean): Receipt | undefined {
    const replica = this.#writable();
    if (undo.isTransacting) {
      throw new JoineryError('invalid-option', {
        expected: 'undo and redo outside of `transact`',
        got: 'a call within',
        remedy: 'Call it when `transact` has returned.',
      });
    }
    const before = replica.seq;
    const isDone = this.#guard(() => undo.takeBack(steps, redo));
    if (isDone) return this.#written(before, replica.seq);
    // Steps of which nothing was left are gone.
    this.#writes.takeSoon();
    this.#notify();
    return undefined;
  }

  /** The page may be gone in a moment. */
  hidden(): void {
    this.#undo?.hurry();
  }

  writeKeyed(write: (replica: Replica) => void, key?: string): Receipt {
    if (this.isLoaded || this.#ended) return this.write(write, key);
    if (this.#failure) throw this.#failure;
    this.#early ??= [];
    if (this.#early.length >= earlyLimit) {
      throw new JoineryError('limit-exceeded', {
        expected: `at most ${earlyLimit} writes before the document is loaded`,
        got: 'one more',
        remedy: 'Wait for `loaded`.',
      });
    }
    const receipt = new WriteReceipt();
    this.#early.push({ write, key, receipt });
    this.#writes.announce();
    return receipt;
  }

  subscribe(listener: () => void): () => void {
    // Wrapped, so that one function may listen twice.
    const own = (): void => listener();
    this.#listeners = [...this.#listeners, own];
    return () => {
      this.#listeners = this.#listeners.filter((listener) => listener !== own);
    };
  }

  observe(listener: PatchListener): () => void {
    const { microtask } = this.#context.environment;
    this.#patches ??= new PatchNews(microtask);
    const patches = this.#patches;
    const stop = this.#guard(() => patches.observe(listener, this.replica));
    return () => stop(this.#replica);
  }

  /** All of it, with what was written until now; undefined where it is not loaded. */
  encode(): Uint8Array | undefined {
    const { replica } = this;
    return replica && this.#guard(() => replica.encodeSnapshot());
  }

  /** Everything was removed from storage, which begins anew. Returns how many envelopes are stored again from here. */
  storageRemoved(): number {
    // No swap is left there either: the replica is as good as any.
    if (this.#incarnation !== undefined) this.#incarnation = 0;
    this.#undo?.storageRemoved();
    return this.#madeWrites?.storageRemoved() ?? 0;
  }

  /** Entries of the rejected list that storage doesn't have any more. */
  storeRejected(entries: readonly RejectedWrite[]): void {
    this.#writes.reject(entries);
  }

  /** What a new engine has to know of this document. */
  opening(): ToEngine {
    const { channel, id: document } = this;
    this.#turn = 0;
    // It counts anew, with what it is handed over.
    this.#enginePending = nothingPending;
    return {
      type: 'open',
      channel,
      document,
      incarnation: this.#incarnation,
      ...(this.#madeWrites?.handOver() ?? { unstored: [], awaited: [] }),
      retries: [...(this.#retries?.keys() ?? [])],
    };
  }

  /** Posts everything that was written, and takes no more; early writes are made when the document is loaded. */
  async flush(): Promise<void> {
    this.#ended = true;
    if (this.hasEarly) await this.earlyMade();
    this.whenTransacted(() => {
      this.#undo?.hurry();
      if (!this.#closed) this.#madeWrites?.takeAll();
    });
  }

  /** The client goes on after `flush`. */
  resume(): void {
    this.#ended = this.#closing || this.#closed;
  }

  /**
   * No handle is left. What was written is posted and goes on its way, and its receipts with it. The replica stays until
   * all of it is stored: until then it may have to be brought into another incarnation.
   */
  close(): void {
    if (this.#closing || this.#closed) return;
    this.#closing = true;
    this.#ended = true;
    this.#listeners = nobody;
    this.#patches?.end(this.#replica);
    this.#madeWrites?.takeAll();
    this.#closeWhenStored();
  }

  /** What was written until now was written by the clock as it is; what comes is written by another. */
  clockChanges(): void {
    if (!this.#closed) this.#madeWrites?.takeAll();
  }

  /** Writes an entry of the rejected list again. Its receipt comes when that is stored; of one entry once at a time. */
  retry(id: string): Promise<Receipt> {
    if (this.#ended) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#retries ??= new Map();
      this.#retries.set(id, { resolve, reject });
      this.#context.post({ type: 'retry', channel: this.channel, id });
    });
  }

  #retried({ id, updates, written, error }: Extract<ChannelMessage, { readonly type: 'retried' }>): void {
    const retry = this.#retries?.get(id);
    this.#retries?.delete(id);
    if (error !== undefined) {
      retry?.reject(errorFrom(error));
      return;
    }
    this.#join(updates);
    // Where it is not known by name, what the server lacks of the document at this moment says as much.
    retry?.resolve(written === undefined ? this.#writes.unchanged() : this.#writes.writtenByEngine(written));
  }

  #closeWhenStored(): void {
    if (!this.#closing || this.#closed || this.holdsUnstored) return;
    this.#leave();
    this.#context.post({ type: 'close', channel: this.channel, awaits: this.awaitsEngine });
  }

  /** The client has ended: nothing is heard from the engine any more. */
  end(): void {
    const error = closed();
    this.#leave();
    const early = this.#early?.splice(0) ?? [];
    this.#settleLoaded(error);
    for (const { reject } of this.#retries?.values() ?? []) reject(error);
    this.#retries = undefined;
    this.#madeWrites?.end(error);
    for (const { receipt } of early) receipt.markClosed(error);
    this.#earlyChanged();
  }

  #leave(): void {
    this.#ended = true;
    this.#closed = true;
    this.#undo?.end();
    // Nobody is to wait for what doesn't come any more.
    // An error costs more than the question whether it is needed.
    if (this.#loading === 'under way') this.#settleLoaded(closed());
    const replica = this.#replica;
    this.#replica = this.#resting = undefined;
    this.#value = undefined;
    free(replica);
    this.#context.awake.released(this);
    this.#listeners = nobody;
  }

  receive(message: ChannelMessage): void {
    try {
      this.#handle(message);
    } catch (error) {
      // After a trap everything is told and under way already; nobody called this who could do more.
      if (!isTrap(error)) throw error;
    }
  }

  #handle(message: ChannelMessage): void {
    switch (message.type) {
      case 'loaded':
        this.#incarnation = message.incarnation;
        this.#turn = message.turn;
        if (!this.#closed) this.#load(message.snapshot, message.updates);
        break;
      case 'replaced':
        this.#replaced(message);
        break;
      case 'failed':
        this.#fail(errorFrom(message.error));
        break;
      case 'updates':
        this.#context.post({ type: 'taken', channel: this.channel, bytes: message.bytes });
        this.#join(message.updates);
        break;
      case 'state':
        this.#context.post({ type: 'taken', channel: this.channel, bytes: message.bytes });
        if (!this.#closed) this.#replace(message.snapshot);
        break;
      case 'durable':
        this.#madeWrites?.stored(message.batch, message.unsynced);
        break;
      case 'kept':
        this.#madeWrites?.kept(message.batch);
        break;
      case 'synced':
        this.#madeWrites?.synced(message.seqs);
        break;
      case 'retried':
        this.#retried(message);
        break;
      case 'undo':
        this.#restoreUndo(message);
        break;
      case 'pending':
        this.#takePending(message.pending);
        break;
    }
    if ('status' in message && message.status.document !== undefined) this.#takePending(message.status.document);
    this.#closeWhenStored();
  }

  #takePending(pending: DocumentPending): void {
    const before = this.#enginePending;
    this.#enginePending = pending;
    if (before.count !== pending.count || before.oldestAt_ms !== pending.oldestAt_ms) this.#pendingChanged();
  }

  #restoreUndo({ name, owner, bytes, error }: Extract<ChannelMessage, { readonly type: 'undo' }>): void {
    if (this.#closed || this.#undo === undefined) return;
    const undo = this.#undo;
    this.#guard(() => undo.restore(name, owner, bytes, error && errorFrom(error)));
    this.#notify();
  }

  /**
   * Another incarnation has taken the place of this one: what the old replica has written and nobody has stored is made
   * again in the new one, and receipts follow their writes.
   */
  #replaced(message: Extract<ChannelMessage, { readonly type: 'replaced' }>): void {
    // Taken out of the old replica, and posted for an incarnation that takes nothing any more: `follow` has it back.
    if (!this.#closed) this.#madeWrites?.takeAll();
    this.#incarnation = message.incarnation;
    this.#turn = message.turn;
    const at_ms = this.#context.environment.now();
    try {
      this.#guard(() => this.#follow(message, at_ms));
    } catch (error) {
      if (!isTrap(error)) throw error;
      // Its state comes again. What was not yet stored comes with nothing.
      followUnknown({ writes: this.#writes, at_ms })();
    }
    // Before it says so: an engine that is about to end waits for no more than that.
    this.#madeWrites?.takeAll();
    this.#context.post({ type: 'followed', channel: this.channel, awaited: this.#madeWrites?.awaited ?? [] });
    if (this.isLoaded) this.#ready();
  }

  #follow(message: Extract<ChannelMessage, { readonly type: 'replaced' }>, at_ms: number): void {
    const { snapshot, replacements, complete, bridges, carried, unanswered, epochChanged } = message;
    // None where it was lost, or the document is closed and everything it wrote was stored.
    const old = this.#closed ? undefined : this.replica;
    const next = Replica.load(snapshot, this.#context.replicaOptions);
    const followed = followReplacement({
      ...{ old, next, writes: this.#writes, replacements, complete, bridges, carried, unanswered, epochChanged, at_ms },
      carry: (replay) => {
        if (!this.#closed) this.#undo?.carry(replay, next);
      },
      clock: { ...this.#context.clock(), refused: false },
    });
    if (this.#closed) free(next);
    else {
      this.#adopt(next);
      this.#guard(() => this.#patches?.replaced(old, next));
    }
    free(old);
    followed();
  }

  #load(snapshot: Uint8Array | undefined, updates: readonly Uint8Array[]): void {
    if (this.isLoaded) {
      // From an engine that took another's place: there may be something new in it.
      this.#join(snapshot === undefined ? updates : [snapshot, ...updates]);
      return;
    }
    const isUntouched = !this.hasEarly && this.#unstored.length === 0 && !this.#patches && !this.#undo;
    const resting = isUntouched ? packParts(snapshot, updates) : undefined;
    if (resting !== undefined) {
      // Of the many that an app may open it looks at a few. The engine has read these bytes: they are sound.
      this.#ahead += 1;
      this.#resting = resting;
      this.#stays = false;
      this.#ready();
      return;
    }
    try {
      this.#adopt(this.#made(snapshot));
    } catch (error) {
      this.#fail(asJoineryError(error));
      return;
    }
    // Also after a trap, when the engine was replaced before it could send the state.
    this.#applyAll([...updates, ...this.#unstored]);
    this.#guard(() => this.#patches?.replaced(undefined, this.#replica));
    this.#attachUndo();
    this.#ready();
  }

  /** There is a replica, with all that is known to the engine: what waited for it is written. */
  #ready(): void {
    while (this.hasEarly) {
      // Whoever hears of one that is rejected may do whatever an app does.
      const { replica } = this;
      const early = replica && this.#early?.shift();
      if (replica === undefined || early === undefined) break;
      const before = replica.seq;
      try {
        this.#run(replica, early.write, early.key);
        this.#writes.written(before, replica.seq, early.receipt);
      } catch (error) {
        // As with any write: the error is the caller's, and what it left behind is written all the same.
        if (this.#replica === replica && replica.seq !== before) this.#writes.written(before, replica.seq);
        early.receipt.markRejected(asJoineryError(error));
      }
    }
    this.#madeWrites?.takeSoon();
    this.#settleLoaded('done');
    this.#earlyChanged();
    this.#notify();
  }

  #fail(error: JoineryError): void {
    if (this.isLoaded) {
      if (error.code !== 'document-deleted') return;
      // Nothing that is written to it will ever be anywhere else.
      this.#failure = error;
      this.#madeWrites?.end(error);
      this.#notify();
      return;
    }
    this.#failure = error;
    const early = this.#early?.splice(0) ?? [];
    this.#settleLoaded(error);
    this.#madeWrites?.lose(error);
    for (const { receipt } of early) receipt.markRejected(error);
    this.#earlyChanged();
    this.#notify();
  }

  #earlyChanged(): void {
    if (this.hasEarly) return;
    for (const resolve of this.#earlyWaiters?.splice(0) ?? []) resolve();
  }

  #join(updates: readonly Uint8Array[]): void {
    if (!this.isLoaded) return;
    const before = this.revision;
    this.#applyAll(updates);
    if (this.revision !== before) this.#notify();
  }

  /** An update that the core can't read is left out here as it was in the engine, which tells of it. */
  #applyAll(updates: readonly Uint8Array[]): void {
    const { replica } = this;
    if (replica === undefined) return;
    this.#guard(() => {
      try {
        replica.applyUpdates(updates);
        return;
      } catch (error) {
        if (!(error instanceof JoineryError)) throw error;
      }
      for (const update of updates) {
        try {
          replica.applyUpdate(update);
        } catch (error) {
          if (!(error instanceof JoineryError)) throw error;
        }
      }
    });
  }

  #replace(snapshot: Uint8Array): void {
    const old = this.#replica;
    // What is only in the old replica is taken out of it first.
    this.#madeWrites?.takeAll();
    if (old !== undefined) this.#undo?.leave();
    this.#adopt(this.#guard(() => Replica.load(snapshot, this.#context.replicaOptions)));
    this.#applyAll(this.#unstored);
    this.#guard(() => this.#patches?.replaced(old, this.#replica));
    this.#attachUndo();
    free(old);
    this.#ready();
  }

  /** All that the replica before had is in this one. */
  #attachUndo(): void {
    const [undo, replica] = [this.#undo, this.#replica];
    if (undo?.isOpen === true && replica !== undefined) this.#guard(() => undo.attach(replica));
  }

  #adopt(replica: Replica): void {
    // Revisions of a new replica start anew: what is shown to the outside never comes back.
    this.#ahead = this.revision + 1;
    this.#replica = replica;
    this.#resting = undefined;
    this.#stays = false;
    this.#context.awake.used(this);
  }

  /** The core's memory can't be trusted after a trap: the replica is given up, and its content sent again. */
  #guard<Result>(run: () => Result): Result {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      const failure = new JoineryError('internal', `The core has trapped: ${error.message}`, { cause: error });
      // Above whatever it has shown: the replica can't be asked any more.
      this.#ahead += 2 ** 32;
      this.#replica = undefined;
      this.#patches?.lose();
      this.#undo?.lose();
      this.#madeWrites?.lose(failure);
      if (this.hasEarly) this.#writes.announce();
      this.#context.post({ type: 'reload', channel: this.channel });
      this.#context.trapped(failure);
      this.#notify();
      throw failure;
    }
  }

  /** Something was written to the replica. */
  #written(from: number, to: number): WriteReceipt {
    const receipt = this.#writes.written(from, to);
    // At once for the first write of a task, since a controlled input must be rendered with its event; later ones wait
    // for each other. What belongs together is told when it is whole.
    if (!this.#notifyDue && this.#undo?.isTransacting !== true) {
      this.#notifyDue = true;
      this.#notify();
      this.#context.environment.microtask(() => {
        this.#notifyDue = false;
        if (this.revision !== this.#notifiedRevision) this.#notify();
      });
    }
    return receipt;
  }

  /** A trap is told by whoever runs into it next: here nobody waits for an answer. */
  #guardTold(patches: PatchNews): void {
    const replica = this.#replica;
    try {
      if (replica !== undefined) this.#guard(() => patches.collect(replica));
    } catch (error) {
      if (!isTrap(error)) throw error;
    }
    patches.tell();
  }

  #notify(): void {
    this.#notifiedRevision = this.revision;
    if (this.#patches !== undefined) this.#guardTold(this.#patches);
    this.#tell(this.#listeners);
  }

  #tell(listeners: readonly (() => void)[]): void {
    for (const listener of listeners) {
      try {
        listener();
      } catch (error) {
        // The write is done, and the other listeners have a right to hear of it.
        this.#context.environment.microtask(() => {
          throw error;
        });
      }
    }
  }
}

/** @throws JoineryError `invalid-value` for what is not done when it returns */
function synchronous(result: unknown): void {
  if (!(result instanceof Promise)) return;
  // Its outcome is nobody's any more.
  result.then(ignore, ignore);
  throw new JoineryError('invalid-value', {
    expected: 'a function that is done when it returns',
    got: 'an asynchronous one',
    remedy: 'Wait first, then call `transact`.',
  });
}

function ignore(): void {}

/** What `#guard` makes of one. */
function isTrap(error: unknown): boolean {
  return error instanceof JoineryError && error.cause instanceof WebAssembly.RuntimeError;
}

function free(replica: Replica | undefined): void {
  try {
    replica?.free();
  } catch (error) {
    // In a core that has trapped nothing can be given back; whoever hit the trap was told.
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
  }
}

function closed(): JoineryError {
  return new JoineryError('closed', {
    expected: 'an open client',
    got: 'one that was closed',
    remedy: 'Create another one.',
  });
}
