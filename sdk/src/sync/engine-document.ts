// One document in the engine: what comes to it from the main thread, from storage and from the server, and what goes to
// each. Everything it stores goes through the journal, in order.
//
// Two orders matter. An own envelope is joined to this replica only when it is durable (or when storage fails and it is
// sent from memory): so a snapshot made here never holds own writes whose envelopes could be lost, and with them the only
// way to the server. And remote envelopes are joined at once, but stored before the resume point that stands for them.

import { asJoineryError, JoineryError, type NeedEnvelopes, readEnvelope } from '@joinery/protocol';
import { decodeVersion } from '../core/index.ts';
import type { Bridge } from '../core/replay.ts';
import type { Environment } from '../environment.ts';
import {
  type Acknowledgement,
  type DocumentStore,
  type IncarnationMark,
  isSameIncarnation,
  type Replacement,
  type ResumeMark,
  StaleIncarnation,
  type StoredDocument,
  type StoredEnvelope,
} from '../storage/storage.ts';
import type { Hold } from '../tabs/tab-message.ts';
import { type Append, Appends } from './appends.ts';
import type { AwakeDocuments, Sleeper } from './awake-documents.ts';
import { Conflicts } from './conflicts.ts';
import type { ClockReading } from './corrected-clock.ts';
import { HeldEffects, mayBeMadeAnew } from './held-effects.ts';
import type { Journal } from './journal.ts';
import { type AskedUndo, type KeptUndo, MainThread, type ReplacedMore } from './main-thread.ts';
import type {
  AgentSeq,
  DocumentPending,
  EnginePort,
  EngineStatus,
  EnvelopeBatch,
  FromEngine,
  ToEngine,
} from './messages.ts';
import { Outbox, type RetainedBytes } from './outbox.ts';
import { type Rejections, rejectedListFull } from './rejections.ts';
import { type Damaged, Replacing, rejectLog } from './replacing.ts';
import { type ClockState, correctionOf } from './replay-log.ts';
import { type Retried, retryRejected } from './retrying.ts';
import { Sending } from './sending.ts';
import type { DocumentEffect, SessionDriver } from './session-driver.ts';
import { type RestingReplica, StoredReplica, type StoredReplicaContext } from './stored-replica.ts';
import { type DocumentTabs, TabNews } from './tab-news.ts';
import { pause, readRetry_ms } from './waiting.ts';

/** What a document needs of its engine. */
export interface DocumentContext {
  readonly environment: Environment;
  readonly port: EnginePort<FromEngine>;
  readonly store: DocumentStore;
  readonly journal: Journal;
  /** Of this moment: not to be kept across waiting, but for what belongs to just this session. */
  readonly session: SessionDriver;
  /** Other tabs have the same storage. */
  readonly isShared: boolean;
  readonly retained: RetainedBytes;
  readonly tabs: DocumentTabs;
  readonly awake: AwakeDocuments;
  /** This device's clock with the correction that is known. */
  now(): number;
  /** What is known of this device's clock; undefined before the server's time was ever told. */
  clock(): ClockReading | undefined;
  /** The server has refused a stamp, and told its time: what is known of it is wrong. */
  clockRefused(serverTime_ms: number): void;
  readonly rejections: Rejections;
  /** This tab has changed the rejected list: others may not have the document open. */
  rejectedHere(): void;
  /** What is told of the document has changed: to be taken into the status soon. */
  changed(document: EngineDocument): void;
  /** The status as it is now, to be sent with what has changed it. */
  status(document: EngineDocument): EngineStatus;
  /** Reading storage failed; undefined: it works. */
  storageFailed(error: JoineryError | undefined): void;
  /** Nothing more comes of these openings, nor is told to them. */
  forgotten(channels: readonly number[]): void;
  /** Another tab has opened this document, of which the server has said before that it is deleted: it is to hear so. */
  tellDeleted(document: string): void;
  released(document: EngineDocument): void;
  broken(error: unknown): void;
}

/** Why a document doesn't sync: until something else is done (`blocked`), or for now. */
export interface Trouble {
  readonly error: JoineryError;
  readonly blocked: boolean;
}

/** In memory for want of working storage: beyond it the main thread has to wait. */
const keptLimit_bytes = 64 * 1024 * 1024;

type Subscribed = Extract<DocumentEffect, { readonly type: 'subscribed' }>;
type Opening = Extract<ToEngine, { readonly type: 'open' }>;

/** What is told to an opening that missed the swaps. */
const slept: ReplacedMore = { epochChanged: true, bridges: [], carried: [], unanswered: [], rejections: undefined };

interface Early {
  readonly channel: number;
  readonly incarnation: number;
  readonly turn: number;
  readonly batch: EnvelopeBatch;
}

export class EngineDocument implements Sleeper {
  readonly id: string;
  readonly #context: DocumentContext;
  readonly #main: MainThread;
  // What an open document has at rest is all that ten thousand of them have: the rest is made when there is something.
  #madeOutbox: Outbox | undefined;
  #madeAppends: Appends | undefined;
  #madeTabs: TabNews | undefined;
  #loaded: Promise<void> | undefined;
  /** What the main thread handed over before the document was loaded. */
  #early: Early[] | undefined;
  /** Asked before it was loaded. */
  #askedUndo: AskedUndo[] | undefined;
  /** Known here, and not to storage. */
  #unstoredAcknowledgements: Set<Acknowledgement> | undefined;
  #awake: StoredReplica | undefined;
  /** In place of the replica while nothing happens; see `rest`. */
  #resting: RestingReplica | undefined;
  /** What the outbox knew that the server has; see `Outbox.notes`. */
  #restingNotes: string | undefined;
  /** So many writes with envelopes from elsewhere are in the journal. */
  #unstoredReceived = 0;
  #loading = true;
  #released = false;
  #adopting: Promise<void> | undefined;
  #adoptsAgain = false;
  #epoch = 0;
  /** Storage knows it as well. */
  #isEpochStored = false;
  /** What the server's backup has of it, in this epoch; 0 where that isn't known. */
  #safePosition = 0;
  /** Until storage knows the epoch. */
  #entering: { readonly stored: Promise<void>; readonly done: () => void } | undefined;
  #incarnation = 0;
  #replacing: Replacing | undefined;
  /** Not joined before it is known that no other tab has begun another incarnation. */
  #held: HeldEffects | undefined;
  /** What came earlier is being taken. */
  #taking = false;
  /** What to do when there is room in the rejected list again. */
  #waitsForRoom: (() => void) | undefined;
  /** What the server refused of this incarnation: its agent and start → why. */
  #refused: Map<string, JoineryError> | undefined;
  /** The server has refused a stamp. */
  #clockRefused = false;
  /** So many updates waited in the replica when its state was last given to the main thread. */
  #withheld = 0;
  /** Made when there is something to send. */
  #sending: Sending | undefined;
  /** Own envelopes that storage has lost. */
  #damaged: Damaged[] | undefined;
  #trouble: Trouble | undefined;
  /** Made with the first own write that the server lacks. */
  #conflicts: Conflicts | undefined;
  /** Agents of other tabs that live, or did a while ago: what becomes of their writes they are told there. */
  #otherTabs: Set<bigint> | undefined;
  /** What the main thread was told last of `pending`. */
  #toldPending: DocumentPending | undefined;
  /** It was deleted, and what is stored of it is on its way out. */
  #rejecting = false;
  /** The server has said something of it meanwhile that was not looked at. */
  #passedOver = false;

  constructor(id: string, context: DocumentContext) {
    this.id = id;
    this.#context = context;
    this.#main = new MainThread(context.port, this);
    this.#loaded = this.#load()
      .catch((error: unknown) => this.#loadFailed(error))
      .then(() => {
        this.#loaded = undefined;
      });
  }

  /** It is not yet known what is stored of it. */
  get loading(): boolean {
    return this.#loading;
  }

  /** Own envelopes, stored or kept in memory for good reason, that the server doesn't have. */
  get pending(): number {
    return (this.#madeOutbox?.size ?? 0) - (this.#madeAppends?.uncounted ?? 0);
  }

  /** What is pending, which is told now. */
  toldPending(): DocumentPending {
    this.#toldPending = { count: this.pending, oldestAt_ms: this.oldestAt_ms };
    return this.#toldPending;
  }

  /** Tells what is pending, where that is something else than was told last. */
  tellPending(): void {
    const told = this.#toldPending;
    if (told?.count === this.pending && told.oldestAt_ms === this.oldestAt_ms) return;
    this.#main.pending(this.toldPending());
  }

  /** Joins what comes from the server, and tells which own writes lose by it. */
  #joinTheirs<Joined>(local: StoredReplica, envelopes: readonly Uint8Array[], join: () => Joined): Joined {
    // Where nobody can write nothing of it can be lost.
    if (this.#conflicts === undefined && !this.#main.isOpen) return join();
    const conflicts = this.#watching;
    const { leads } = this.#context.tabs;
    const isLooked = ({ isLeft }: { readonly isLeft: boolean }): boolean => leads || !isLeft;
    const slots = conflicts
      .before(local.replica, envelopes, (own) => this.#outbox.has(own))
      .filter(({ own }) => isLooked(own));
    const joined = join();
    this.#main.conflicts(conflicts.after(local.replica, envelopes, slots));
    return joined;
  }

  /** Resolves when it is known what is stored of it, or that this can't be known; what was handed over is written then. */
  get loaded(): Promise<void> {
    return this.#loaded ?? Promise.resolve();
  }

  /** Envelopes that were handed over and can't be stored before the document is loaded. */
  get holdsEarly(): boolean {
    return this.#early?.some(({ batch }) => batch.envelopes.length > 0) ?? false;
  }

  /** The main thread has something that an earlier incarnation was to take, and is yet to hand it over again. */
  get awaitsMain(): boolean {
    return this.#main.isFollowing || this.#appends.size > 0;
  }

  /** What the server has sent is not in the journal, or not all of it. */
  get holdsBack(): boolean {
    return this.#held !== undefined || this.#replacing !== undefined || this.#awake?.busy === true;
  }

  /** Nothing of the main thread's is under way. */
  get #isQuiet(): boolean {
    return !this.#loading && this.#isSynced && !this.#hasEarly;
  }

  /** Nothing is on its way to storage. What waits for the server may rest with it: it is in the log, and the outbox stays. */
  get #mayRest(): boolean {
    return !this.#loading && (this.#madeAppends?.size ?? 0) === 0 && !this.#hasEarly;
  }

  get #isSynced(): boolean {
    return (this.#madeOutbox?.size ?? 0) === 0 && (this.#madeAppends?.size ?? 0) === 0;
  }

  get #hasEarly(): boolean {
    return this.#early !== undefined && this.#early.length > 0;
  }

  get oldestAt_ms(): number | undefined {
    return this.#madeOutbox?.oldestAt_ms;
  }

  get tabs(): TabNews {
    this.#madeTabs ??= this.#tabNews();
    return this.#madeTabs;
  }

  get #outbox(): Outbox {
    if (this.#madeOutbox === undefined) {
      this.#madeOutbox = new Outbox(this.#context.retained);
      if (this.#restingNotes !== undefined) this.#madeOutbox.takeNotes(this.#restingNotes);
      this.#restingNotes = undefined;
    }
    return this.#madeOutbox;
  }

  get #appends(): Appends {
    this.#madeAppends ??= new Appends(this.#outbox);
    return this.#madeAppends;
  }

  /** The replica; undefined before the document is loaded and after it is released. */
  get #local(): StoredReplica | undefined {
    if (this.#resting !== undefined) this.#wake(this.#resting);
    return this.#awake;
  }

  /**
   * Nothing has happened for a while: of the document nothing is kept but the bytes of its state, from which all the rest
   * is made again when something comes. False where that can't be, or does not pay.
   */
  rest(): boolean {
    const local = this.#awake;
    if (local === undefined) return true;
    if (!this.#mayRest || this.#unstoredReceived > 0 || this.#unstoredAcknowledgements !== undefined) return false;
    if (this.#trouble !== undefined || this.#replacing !== undefined || this.#adopting !== undefined) return false;
    if (this.#refused !== undefined || this.#damaged !== undefined || this.#entering !== undefined) return false;
    if (this.#withheld > 0 || this.#held !== undefined || this.#madeTabs?.isIdle === false) return false;
    const resting = local.rest();
    if (resting === undefined) return false;
    this.#resting = resting;
    this.#awake = this.#madeTabs = this.#early = this.#sending = undefined;
    // What it is to look for in what comes is not known to storage alone.
    if (this.#isSynced) this.#conflicts = undefined;
    // Which agents wrote in this tab is known nowhere else, nor is what the session was given of what is not yet synced.
    if (this.#madeAppends?.hasOwn || (this.#madeOutbox?.size ?? 0) > 0) return true;
    this.#restingNotes = this.#madeOutbox?.notes ?? this.#restingNotes;
    this.#madeAppends = this.#madeOutbox = undefined;
    return true;
  }

  #wake(resting: RestingReplica): void {
    this.#resting = undefined;
    const local: StoredReplica = StoredReplica.wake(
      resting,
      this.#incarnation,
      this.#replicaContext(() => local),
    );
    this.#awake = local;
    // All that it has is stored, or it would not have come to rest.
    if (this.#madeAppends === undefined) this.#appends.loaded(decodeVersion(local.replica.version()));
    this.#context.awake.used(this);
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  // From the main thread.

  open({ channel, incarnation, unstored, awaited, retries }: Opening): void {
    this.#main.open(channel, incarnation, awaited);
    this.#context.tabs.hold(this.hold);
    for (const batch of unstored) this.append(channel, incarnation ?? 0, 0, batch);
    for (const id of retries) this.retry(channel, id);
    if (this.#local !== undefined) this.#greet();
    else if (!this.#loading && this.#trouble !== undefined) this.#main.failed(this.#trouble.error);
    if (this.#deletion !== undefined) this.knownDeleted();
  }

  /** Another tab has it open: it is to hear what the others have heard. */
  held(): void {
    if (this.#deletion !== undefined) this.#context.tellDeleted(this.id);
  }

  append(channel: number, incarnation: number, turn: number, batch: EnvelopeBatch): void {
    if (this.#local === undefined) {
      this.#early ??= [];
      this.#early.push({ channel, incarnation, turn, batch });
      return;
    }
    // The main thread will bring it into the present incarnation, or has done so already.
    if (incarnation !== this.#incarnation || turn !== this.#main.turn) return;
    const { journal, environment } = this.#context;
    const at_ms = environment.now();
    const append = this.#appends.add(channel, batch, at_ms);
    const { envelopes: local, clockOffset_ms, rejected } = append;
    const undo = this.#undoWrite(batch);
    const isEmpty = local.length === 0 && rejected.length === 0 && undo === undefined;
    if (isEmpty && this.#appends.size === 1) {
      // Nothing to store, and nothing before it that has to be.
      this.#stored(append);
      return;
    }
    const entered = (): number => this.#epoch;
    const write = {
      ...{ ...this.#write(), local, clockOffset_ms, rejected, undo },
      // Of the moment at which it is stored: where storage fails it may be at the server by then.
      get epoch(): number {
        return entered();
      },
    };
    journal.write(write, () => {
      // Another incarnation has begun since it was handed over: the main thread has it again.
      if (this.#appends.has(append)) this.#stored(append);
    });
    if (journal.error !== undefined) this.storageFailing();
  }

  /** Writes an entry of the rejected list again, behind everything that was handed over before. */
  retry(channel: number, id: string): void {
    this.loaded.then(() => this.#context.journal.step(() => this.#retry(channel, id)));
  }

  async #retry(channel: number, id: string): Promise<void> {
    const { environment, store } = this.#context;
    const [local, incarnation] = [this.#local, this.#incarnation];
    const [at_ms, clockOffset_ms] = [environment.now(), this.#context.clock()?.offset_ms];
    if (local === undefined) {
      const error = this.#trouble?.error ?? new JoineryError('closed', 'The document is closed.');
      this.#main.retried(channel, id, { updates: [], written: undefined, error }, this.#context.status(this));
      return;
    }
    const write = { ...this.#write(), at_ms, clockOffset_ms };
    let retried: Retried;
    try {
      retried = await retryRejected({
        ...{ id, environment, store, write, from: local.replica },
        now: () => this.#context.now(),
      });
    } catch (error) {
      if (!(error instanceof StaleIncarnation)) throw error;
      await this.adopt();
      this.retry(channel, id);
      return;
    }
    const { updates, written } = retried;
    if (this.#local !== local || this.#incarnation !== incarnation) {
      // It is in storage, and has gone on into another incarnation with all that is there.
      this.#main.retried(channel, id, { ...retried, updates: [], written: undefined }, this.#context.status(this));
    } else {
      for (const bytes of updates) {
        this.#outbox.add({ ...readEnvelope(bytes), clockOffset_ms }, bytes, at_ms, true);
        local.appended(bytes.length, false);
      }
      local.join(updates);
      this.#main.pushOwn({ channel, envelopes: updates });
      if (written !== undefined) this.#main.await([[written[0], written[2]]]);
      this.#main.retried(channel, id, retried, this.#context.status(this));
      this.tabs.stored(updates, at_ms, clockOffset_ms ?? 0);
      this.#hasMore();
    }
    this.#rejectedHere();
  }

  #rejectedHere(): void {
    this.#context.rejections.changed();
    this.#context.rejectedHere();
  }

  /** Without tabs that share the storage all that is kept belongs to whoever opens it. */
  #ownerOf(owner: string | undefined): string | undefined {
    return this.#context.isShared ? owner : '';
  }

  #undoWrite({ undo }: EnvelopeBatch): EnvelopeBatch['undo'] {
    const owner = undo && this.#ownerOf(undo.owner);
    return undo === undefined || owner === undefined ? undefined : { ...undo, owner };
  }

  /** What is kept of an undo stack? Told behind everything that was handed over before. */
  undo(asked: AskedUndo): void {
    if (this.#loading) {
      this.#askedUndo ??= [];
      this.#askedUndo.push(asked);
      return;
    }
    this.#context.journal.step(async () => {
      this.#main.undo(asked, await this.#keptUndo(asked, this.#present));
    });
  }

  /** @param present what the document's operations are named in */
  async #keptUndo({ name, owner: given }: AskedUndo, present: IncarnationMark): Promise<KeptUndo> {
    const owner = this.#ownerOf(given);
    const found = owner === undefined ? {} : await this.#context.store.undo(this.id, owner, name);
    const { stack, damaged } = found;
    // Whatever was written in another incarnation has other names by now.
    const bytes = stack !== undefined && isSameIncarnation(stack, present) ? stack.bytes : undefined;
    const error = damaged && damagedUndo(damaged.reason);
    return { owner, bytes, error };
  }

  /** The main replica was lost. */
  reload(): void {
    if (this.#local !== undefined) this.#main.reload();
  }

  taken(bytes: number): void {
    this.#main.taken(bytes);
  }

  close(channel: number, awaits: boolean): void {
    this.#main.close(channel, awaits);
    if (!awaits) this.#context.forgotten([channel]);
    this.#forgetEarlier();
    if (!this.#loading && this.#local === undefined && !this.#main.isOpen) this.#leave();
    this.#maybeRelease();
  }

  // From storage.

  /** Storage can't take what is written: it is sent from memory meanwhile, and the main thread may go on. */
  storageFailing(): void {
    const { journal, session } = this.#context;
    this.#entering?.done();
    if (this.#madeAppends === undefined || this.#appends.size === 0) return;
    this.#outbox.sendAll = true;
    for (const append of this.#appends) {
      if (append.joined) continue;
      if (journal.queued_bytes > keptLimit_bytes) break;
      this.#joinOwn(append);
      this.#main.kept(append, this.#context.status(this));
    }
    session.changed(this.id);
  }

  storageWorks(): void {
    if (this.#madeOutbox === undefined) return;
    this.#outbox.sendAll = false;
    if (this.#outbox.size > 0) this.#context.session.changed(this.id);
  }

  /** Takes over what other tabs have stored. */
  adopt(): Promise<void> {
    // What is being read may be older than what there is to be read.
    this.#adoptsAgain = this.#adopting !== undefined;
    this.#adopting ??= this.#adopt().finally(() => {
      this.#adopting = undefined;
      this.#maybeRelease();
    });
    return this.#adopting;
  }

  async #adopt(): Promise<void> {
    do {
      this.#adoptsAgain = false;
      if (this.#local === undefined) return;
      const before = this.tabs.beforeRead();
      const stored = await this.#context.store.load(this.id);
      this.#context.storageFailed(undefined);
      if (isSameIncarnation(stored, this.#present)) {
        this.#context.rejections.changed();
        this.#merge(stored);
        this.tabs.read(before, stored);
      } else await this.#reload(stored);
    } while (this.#adoptsAgain);
  }

  /** The server has deleted it, for ever. */
  deleted(): void {
    const error = this.#deletion ?? deletedForEver(this.id);
    if (this.#deletion === undefined) this.#setTrouble({ error, blocked: true });
    this.#main.failed(error);
    this.#rejectAll(error);
  }

  /** It was opened after the server had said so. */
  knownDeleted(): void {
    this.deleted();
    this.#context.port.post({ type: 'deleted', document: this.id });
  }

  get isDeleted(): boolean {
    return this.#deletion !== undefined;
  }

  get #deletion(): JoineryError | undefined {
    const error = this.#trouble?.error;
    return error?.code === 'document-deleted' ? error : undefined;
  }

  /** The server is asked for what comes after this; of a deleted document, what is here comes to nothing. */
  #subscribeOrReject(stored: StoredDocument): void {
    if (this.#deletion === undefined) this.#context.session.subscribe(this.id, stored.resume);
    else this.#rejectAll(this.#deletion);
  }

  /** There is more to be sent; of a deleted document it comes to nothing. */
  #hasMore(): void {
    if (this.#deletion === undefined) this.#context.session.changed(this.id);
    else this.#rejectAll(this.#deletion);
  }

  // From other tabs.

  /** That it is open here, for the tab that leads. */
  get hold(): Hold {
    return { document: this.id, awaited: this.#madeOutbox?.heads ?? [] };
  }

  /** This tab leads now: what others have stored and how far they came is in storage. */
  async lead(): Promise<void> {
    const { session, store } = this.#context;
    // What is not loaded yet is subscribed when it is.
    while (this.#local !== undefined && this.#context.session === session) {
      try {
        const before = this.tabs.beforeRead();
        const stored = await store.load(this.id);
        if (this.#local === undefined || this.#context.session !== session) return;
        if (isSameIncarnation(stored, this.#present)) {
          this.#merge(stored);
          this.tabs.read(before, stored);
          session.subscribe(this.id, stored.resume);
          this.clockChanged();
        } else await this.#reload(stored);
        return;
      } catch (error) {
        if (!(await this.#mayReadAgain(error))) return;
      }
    }
  }

  #tabNews(): TabNews {
    const [context, document] = [this.#context, this];
    return new TabNews({
      document: this.id,
      tabs: context.tabs,
      outbox: this.#outbox,
      entered: (epoch) => this.#entered(epoch),
      get present(): IncarnationMark {
        return document.#present;
      },
      get local(): StoredReplica | undefined {
        return document.#local;
      },
      afterStored: (run) => context.journal.step(() => Promise.resolve(run())),
      adopt: () => this.adopt(),
      get isUnseen(): boolean {
        return context.store.isNew === true;
      },
      taken: (updates) => {
        this.#main.push(updates);
        context.changed(this);
        this.#hasMore();
        this.#compactIfDue();
      },
      takeUp: (envelope) => {
        this.#otherTabs ??= new Set();
        this.#otherTabs.add(envelope.agent);
        return this.#takeUp(envelope);
      },
      theirs: (local, envelopes, join) => this.#joinTheirs(local, envelopes, join),
      synced: (acknowledged) => this.#synced(acknowledged),
      reincarnated: () => this.tabs.look(),
      maybeRelease: () => this.#maybeRelease(),
      follow: () => {
        // What only a session could end is the next leader's to find out.
        this.#stopReplacing();
        this.#dropHeld();
        this.#stopWaiting();
        if (this.#trouble?.blocked === false) this.#setTrouble(undefined);
        this.#maybeRelease();
      },
      failed: (error) => {
        if (error instanceof WebAssembly.RuntimeError) context.broken(error);
        else context.storageFailed(asJoineryError(error, 'storage-failed'));
      },
    });
  }

  // From the server.

  handle(effect: DocumentEffect): void {
    const local = this.#local;
    if (local === undefined) return;
    this.#context.awake.used(this);
    if (this.#rejecting) this.#passOver(effect);
    else if (this.#replacing !== undefined) this.#replacing.handle(effect);
    else if (this.#held !== undefined && effect.type !== 'need-envelopes') this.#held.effects.push(effect);
    else if ((this.#madeOutbox?.size ?? 0) > 0 && mayBeMadeAnew(effect)) this.#hold(effect);
    else this.#reading(() => this.#hear(effect, local));
  }

  /** A restored backup has it again, perhaps: what is here is to be gone before anything of that is taken. */
  #passOver(effect: DocumentEffect): void {
    if ('credit_bytes' in effect) this.#context.session.consumed(effect.credit_bytes);
    if (effect.type !== 'document-deleted') this.#passedOver = true;
  }

  #hold(effect: DocumentEffect): void {
    const held = new HeldEffects(effect, this.#context.session);
    this.#held = held;
    this.#releaseHeld(held).catch((error: unknown) => this.#context.broken(error));
  }

  async #releaseHeld(held: HeldEffects): Promise<void> {
    const { store } = this.#context;
    try {
      const swaps = await store.replacements(this.id, this.#incarnation);
      if (swaps.length > 0 && this.#held === held) await this.#reload(await store.load(this.id));
      this.#context.storageFailed(undefined);
    } catch (error) {
      this.#readFailed(error, () => this.#releaseHeld(held).catch((failure: unknown) => this.#context.broken(failure)));
      return;
    }
    const local = this.#local;
    if (this.#held !== held || local === undefined) return;
    this.#held = undefined;
    const [first, ...others] = held.effects;
    this.#takeAll(() => {
      if (first !== undefined) this.#reading(() => this.#hear(first, local));
      for (const effect of others) this.handle(effect);
    });
  }

  /** Takes what came earlier. One of them may be what it was kept for: it stays until it has the last one. */
  #takeAll(take: () => void): void {
    this.#taking = true;
    try {
      take();
    } finally {
      this.#taking = false;
    }
    this.#maybeRelease();
  }

  #dropHeld(): void {
    this.#held?.drop();
    this.#held = undefined;
  }

  /**
   * The server has sent what can't be read: that is this document's trouble alone. What is stored stays as it is, and nothing
   * more is asked for: it would bring the same.
   */
  #reading(read: () => void): void {
    try {
      read();
    } catch (error) {
      if (!(error instanceof JoineryError)) throw error;
      this.#unreadable(error);
    }
  }

  #unreadable(error: JoineryError): void {
    this.#stopReplacing();
    this.#dropHeld();
    this.#context.session.unsubscribe(this.id);
    this.#setTrouble({ error, blocked: true });
  }

  #hear(effect: DocumentEffect, local: StoredReplica): void {
    const { session } = this.#context;
    switch (effect.type) {
      case 'subscribed': {
        // A restored backup is older than the deletion.
        if (this.#deletion !== undefined) this.#setTrouble(undefined);
        const version = effect.version.length > 0 ? decodeVersion(effect.version) : new Map<bigint, number>();
        if (this.#epoch !== effect.epoch && (this.#epoch !== 0 || this.#mayBeOlder(local, effect, version))) {
          // What is stored, or another tab still has, names what another epoch had.
          this.#replace();
          break;
        }
        if (!this.#isEpochStored) this.#enterEpoch(effect.epoch, local);
        this.#epoch = effect.epoch;
        this.#isEpochStored = true;
        this.#safe(effect.epoch, effect.safe);
        if (this.#outbox.isLost(version)) {
          // The server was restored from a backup.
          this.#replace();
          break;
        }
        if (version.size > 0) {
          const acknowledged = Array.from(version, ([agent, to]) => ({ agent, to, position: effect.head }));
          this.#acknowledge(acknowledged, undefined);
        }
        break;
      }
      case 'snapshot':
        if (!this.#joinTheirs(local, [], () => local.joinState(effect.bytes))) {
          // The position that it stands for must not be stored without it.
          session.consumed(effect.credit_bytes);
          this.#unreadable(this.#trouble?.error ?? unreadable());
          break;
        }
        this.#main.push([effect.bytes]);
        local.compact(local.mark(effect.epoch, effect.position), () => {
          session.consumed(effect.credit_bytes);
          this.tabs.changed();
          this.#maybeRelease();
        });
        break;
      case 'envelopes':
        this.#receive(effect.firstPosition, effect.envelopes, local.mark(effect.epoch, effect.position), () =>
          session.consumed(effect.credit_bytes),
        );
        break;
      case 'acknowledged':
        this.#acknowledge(
          [{ agent: effect.agent, to: effect.to, position: effect.position }],
          local.mark(effect.epoch, effect.resume),
        );
        break;
      case 'need-envelopes':
        this.#answer(effect).catch((error: unknown) => this.#context.broken(error));
        break;
      case 'caught-up':
        if (this.#outbox.isTorn(decodeVersion(local.replica.version()))) this.#replace();
        if (this.#trouble?.blocked === false) this.#setTrouble(undefined);
        break;
      case 'refused':
        if (effect.error.code === 'clock') {
          this.#clockRefused = true;
          this.#context.clockRefused(effect.serverTime_ms);
        }
        // Closed by another tab, or before a crash: nothing of it was refused.
        else if (effect.error.code !== 'closed-agent') {
          this.#refused ??= new Map();
          this.#refused.set(keyOf(effect), effect.error);
        }
        this.#replace();
        break;
      case 'safe':
        this.#safe(effect.epoch, effect.position);
        break;
      case 'blocked':
        // What the server lacks can be brought from here, or it is lost: then what rests on it is brought without it.
        if (this.#outbox.covers(effect.missing)) this.#setTrouble({ error: effect.error, blocked: false });
        else this.#replace();
        break;
      case 'epoch-changed':
        this.#replace();
        break;
      case 'document-failed':
        this.#setTrouble({ error: effect.error, blocked: !effect.error.retryable });
        break;
      default:
        break;
    }
  }

  /** The server's time is known, or known better: what was written by a clock that was wrong is written anew. */
  clockChanged(): void {
    if (this.#isSynced || this.#local === undefined || this.#replacing !== undefined) return;
    if (this.#clockState === undefined) return;
    for (const { clockOffset_ms } of this.#outbox) {
      if (correctionOf(clockOffset_ms, this.#clockState) === undefined) continue;
      this.#replace();
      return;
    }
  }

  /** Storage doesn't know of any epoch: it has to, before something is sent that the server could take into this one. */
  #enterEpoch(epoch: number, local: StoredReplica): void {
    let done = (): void => {};
    const entering = new Promise<void>((resolve) => {
      done = () => {
        if (this.#entering?.stored === entering) this.#entering = undefined;
        resolve();
      };
    });
    this.#entering = { stored: entering, done };
    this.#context.journal.writeSoon({ ...this.#write(), epoch, resume: local.mark(epoch, 0) }, done);
  }

  get #clockState(): ClockState | undefined {
    const clock = this.#context.clock();
    return clock && { ...clock, refused: this.#clockRefused };
  }

  /** What every write of this document says. */
  #write() {
    return { document: this.id, ...this.#present, at_ms: this.#context.environment.now() };
  }

  /** What the replica holds. */
  get #present(): IncarnationMark {
    return { incarnation: this.#incarnation, epoch: this.#epoch };
  }

  #safe(epoch: number, position: number): void {
    this.#safePosition = position;
    this.#context.journal.writeSoon({ ...this.#write(), safe: { epoch, position } });
  }

  /** This incarnation can't be synced as it is: see `replacing.ts`. */
  #replace(): void {
    const local = this.#local;
    // What is on its way out has another one in its place soon.
    if (local === undefined || this.#replacing !== undefined || this.#rejecting) return;
    const { environment, journal, rejections, session, store, tabs } = this.#context;
    // Who leads finds the same.
    if (!tabs.leads) return;
    this.#dropHeld();
    this.#damaged ??= [];
    const replacing = new Replacing({
      ...{ document: this.id, environment, store, journal, session, local },
      ...{ incarnation: this.#incarnation, epoch: this.#epoch, agents: this.#appends.agents },
      damaged: this.#damaged,
      refused: (envelope) => this.#refused?.get(keyOf(envelope)),
      clock: () => this.#clockState,
      now: () => this.#context.now(),
      get hasRoom(): boolean {
        return !rejections.isFull;
      },
      full: () => {
        this.#setTrouble({ error: rejectedListFull(), blocked: true });
        this.#waitsForRoom = () => replacing.begin();
      },
      failed: (error, blocked) => this.#setTrouble({ error, blocked }),
      overtaken: (stored) => this.#reload(stored),
      leftBehind: () => this.tabs.look(),
      replaced: async (bridges, later) => {
        const stored = await store.load(this.id);
        await this.#reload(stored, bridges);
        if (this.#replacing !== replacing) return;
        this.#replacing = undefined;
        session.replaced(this.id);
        if (this.#trouble?.blocked === false) this.#setTrouble(undefined);
        this.#takeAll(() => {
          // It was damaged before it was read: what came since rests on what is not here, and comes again with that.
          const isWhole = stored.resume !== undefined;
          for (const effect of later) {
            if (isWhole) this.handle(effect);
            else if ('credit_bytes' in effect) session.consumed(effect.credit_bytes);
          }
          if (!isWhole) this.#refetch();
          this.tabs.changed();
        });
      },
    });
    this.#replacing = replacing;
    this.#context.changed(this);
  }

  #stopReplacing(): void {
    this.#replacing?.stop();
    this.#replacing = undefined;
  }

  /** There is room in the rejected list again. */
  roomMade(): void {
    const goOn = this.#waitsForRoom;
    if (goOn === undefined) return;
    this.#stopWaiting();
    goOn();
  }

  #stopWaiting(): void {
    if (this.#waitsForRoom === undefined) return;
    this.#waitsForRoom = undefined;
    if (this.#trouble?.error.code === 'rejected-list-full') this.#setTrouble(undefined);
  }

  /** Nothing that is not yet synced will ever be, and nothing of it is to be kept. */
  #rejectAll(error: JoineryError): void {
    this.#stopReplacing();
    this.#rejecting = true;
    const { environment, journal, rejections, store } = this.#context;
    journal.step(async () => {
      if (rejections.isFull && !this.#isSynced) {
        this.#waitsForRoom = () => this.#rejectAll(error);
        return;
      }
      const local = this.#local;
      const incarnation = this.#incarnation;
      // One that was asked for before may have done it, and the server may have the document again since.
      if (local !== undefined && this.#deletion !== undefined) {
        const isDone = await rejectLog({ document: this.id, environment, store, local, incarnation, error });
        const stored = await store.load(this.id);
        if (stored.incarnation !== incarnation) await this.#reload(stored, isDone ? [] : undefined);
        if (isDone) this.tabs.changed();
        if (this.#passedOver) this.#context.session.subscribe(this.id, stored.resume);
      }
      this.#rejecting = this.#passedOver = false;
      this.#maybeRelease();
    });
  }

  /** Another incarnation is in storage, or this one in another epoch: it takes the place here and in the main thread. */
  async #reload(stored: StoredDocument, bridges?: readonly Bridge[]): Promise<void> {
    const { journal, store } = this.#context;
    const known = this.#incarnation;
    const { lowest } = this.#main.behind(stored.incarnation);
    const replacements = await store.replacements(this.id, Math.min(known, lowest));
    const rejections = await this.#context.rejections.read();
    const old = this.#local;
    if (old === undefined || this.#incarnation !== known || isSameIncarnation(stored, this.#present)) return;
    const next = this.#readable(stored);
    if (next === undefined) return;
    const isOwn = bridges !== undefined;
    if (!isOwn) this.#stopReplacing();
    this.#dropHeld();
    this.#waitsForRoom = undefined;
    journal.discard(this.id, stored);
    if (stored.incarnation === known) this.#main.stray();
    const carried = this.#outbox.carriedOn(this.#safePosition).filter(([agent]) => this.#appends.isOwn(agent));
    const { unanswered } = this.#outbox;
    old.free();
    this.#outbox.clear();
    this.#conflicts?.clear();
    this.#appends.clear();
    this.#entering?.done();
    this.#unstoredAcknowledgements = this.#refused = this.#damaged = undefined;
    this.#unstoredReceived = 0;
    this.#clockRefused = false;
    if (this.#deletion === undefined) this.#trouble = undefined;
    this.#main.forgetAwaited();
    const epochBefore = this.#epoch;
    this.#take(stored, next);
    const chain = replacements.filter(({ incarnation }) => incarnation <= stored.incarnation);
    const epochChanged = epochBefore !== 0 && epochBefore !== this.#epoch;
    const isTold = this.#main.behind(this.#incarnation).channels.length > 0;
    this.#greet(chain, {
      ...{ epochChanged, bridges: bridges ?? [], rejections: rejections?.entries },
      // A trim has given other names to what was sent from memory, and whoever has stored its state knew nothing of that.
      ...(epochChanged ? { carried, unanswered } : { carried: [], unanswered: [] }),
    });
    if (rejections === undefined) this.#context.rejections.changed();
    else if (isTold) this.#context.rejections.told(rejections);
    else this.#context.rejections.tell(rejections);
    if (isOwn) this.#context.rejectedHere();
    this.#context.changed(this);
    this.#context.tabs.hold(this.hold);
    if (isOwn) return;
    // What another tab has made anew comes to nothing as well.
    this.#subscribeOrReject(stored);
  }

  /** Tells every opening what it has to load, from nothing or in place of an older incarnation. */
  #greet(chain?: readonly Replacement[], more: ReplacedMore = slept): void {
    const { store } = this.#context;
    const incarnation = this.#incarnation;
    const { channels, lowest } = this.#main.behind(incarnation);
    if (channels.length > 0 && chain === undefined) {
      store.replacements(this.id, lowest).then(
        (found) => {
          this.#context.storageFailed(undefined);
          if (this.#local !== undefined && this.#incarnation === incarnation) this.#greet(found);
        },
        (error: unknown) => this.#readFailed(error, () => this.#greet()),
      );
      return;
    }
    if (channels.length > 0) this.#main.replaced(channels, incarnation, chain ?? [], more, this.#context.status(this));
    else if (chain === undefined) this.#main.loaded(incarnation, this.#context.status(this));
  }

  /** Reading storage failed: resolves to true when it is to be tried again, to false where it was closed. */
  async #mayReadAgain(error: unknown): Promise<boolean> {
    const failure = asJoineryError(error, 'storage-failed');
    if (failure.code === 'closed') return false;
    this.#context.storageFailed(failure);
    await pause(this.#context.environment, readRetry_ms);
    return true;
  }

  /** Reading storage failed for what has to be done all the same: it is tried again in a moment. */
  #readFailed(error: unknown, again: () => void): void {
    const failure = asJoineryError(error, 'storage-failed');
    if (failure.code === 'closed') return;
    if (error instanceof WebAssembly.RuntimeError) {
      this.#context.broken(error);
      return;
    }
    this.#context.storageFailed(failure);
    this.#context.environment.timer(() => {
      if (this.#local !== undefined) again();
    }, readRetry_ms);
  }

  /** The main thread has followed: these are the names of what it waits for. */
  followed(channel: number, awaited: readonly AgentSeq[]): void {
    const local = this.#local;
    this.#main.followed(channel);
    if (local === undefined || !this.#main.has(channel)) return;
    this.#main.await(awaited);
    const version = decodeVersion(local.replica.version());
    const isSynced = ([agent, to]: AgentSeq): boolean =>
      to <= (version.get(agent) ?? 0) && !this.#outbox.lacks(agent, to);
    this.#tellSynced(awaited.filter(isSynced));
    this.#forgetEarlier();
    this.#maybeRelease();
  }

  async #load(): Promise<void> {
    const { store } = this.#context;
    let stored: StoredDocument | undefined;
    let kept: readonly (readonly [AskedUndo, KeptUndo])[] = [];
    while (stored === undefined) {
      try {
        stored = await store.load(this.id);
        // Told before the document: what is written as soon as it is there has to find its undo stacks.
        if (this.#askedUndo !== undefined) kept = await this.#readUndo(stored);
      } catch (error) {
        stored = undefined;
        if (!(await this.#mayReadAgain(error))) return;
      }
    }
    this.#context.storageFailed(undefined);
    const log = this.#take(stored, this.#storedReplica(stored));
    for (const [asked, answer] of kept) this.#main.undo(asked, answer);
    this.#loading = false;
    this.#greetLoaded(stored, log);
    this.#context.changed(this);
    this.#subscribeOrReject(stored);
    for (let next = this.#early?.shift(); next !== undefined; next = this.#early?.shift()) {
      this.append(next.channel, next.incarnation, next.turn, next.batch);
    }
    for (const asked of this.#askedUndo ?? []) this.undo(asked);
    this.#askedUndo = undefined;
    this.#madeTabs?.loaded();
    // Storage may have forgotten what the leader knows of it.
    if ((this.#madeOutbox?.size ?? 0) > 0) this.#context.tabs.hold(this.hold);
    this.clockChanged();
    this.#maybeRelease();
    this.#context.awake.used(this);
  }

  async #readUndo(stored: StoredDocument): Promise<[AskedUndo, KeptUndo][]> {
    const kept: [AskedUndo, KeptUndo][] = [];
    for (const asked of this.#askedUndo ?? []) kept.push([asked, await this.#keptUndo(asked, stored)]);
    this.#askedUndo = this.#askedUndo?.filter((asked) => !kept.some(([told]) => told === asked));
    return kept;
  }

  /** Takes over what other tabs have stored of this incarnation. */
  #merge(stored: StoredDocument): void {
    this.#local?.merge(stored);
    this.#entered(stored.epoch);
    this.#isEpochStored ||= stored.epoch !== 0;
  }

  /** No epoch is stored, and what is here may be of an earlier one than the server is in. */
  #mayBeOlder(local: StoredReplica, { stateFollows }: Subscribed, version: ReadonlyMap<bigint, number>): boolean {
    // What was stored without an epoch may have been sent all the same: by a tab that could not store the epoch any more, or
    // by a copy of the profile. A trim that came after that has given it other names, and a trimmed epoch begins with a state.
    if (!this.#isSynced) {
      const stored = this.#outbox.durable;
      return stateFollows && stored.length > 0 && !stored.some(({ agent }) => version.has(agent));
    }
    // Damage has left no trace of an epoch that another tab may know. (What is not synced was written without one, and no tab
    // has more.)
    return local.repairs > 0 && this.#context.tabs.isHeld(this.id);
  }

  /** Another tab knows which epoch this incarnation is in. It never comes into another. */
  #entered(epoch: number): void {
    if (this.#epoch === 0) this.#epoch = epoch;
  }

  #storedReplica(stored: StoredDocument): StoredReplica {
    const local: StoredReplica = new StoredReplica(
      stored,
      this.#replicaContext(() => local),
    );
    return local;
  }

  /** What has taken this one's place; undefined where this core can't read it: that is told, and the old one stays to be seen. */
  #readable(stored: StoredDocument): StoredReplica | undefined {
    try {
      return this.#storedReplica(stored);
    } catch (error) {
      if (!(error instanceof JoineryError)) throw error;
      this.#waitsForRoom = undefined;
      this.#unreadable(error);
      this.#main.failed(error);
      return undefined;
    }
  }

  /** This is the replica of what is stored; returns the log. */
  #take(stored: StoredDocument, local: StoredReplica): Uint8Array[] {
    this.#incarnation = stored.incarnation;
    this.#epoch = stored.epoch;
    this.#safePosition = stored.safe?.epoch === stored.epoch ? stored.safe.position : 0;
    this.#isEpochStored = this.#epoch !== 0;
    const log = local.merge(stored);
    this.#awake = local;
    this.#appends.loaded(decodeVersion(local.replica.version()));
    // Something of it was set aside and not fetched again: whoever found that may not have lived to tell of it.
    if (stored.repairs > 0 && stored.resume === undefined && !this.#context.tabs.leads) this.#refetch();
    return log;
  }

  /** Storage has lost something of it. */
  #refetch(): void {
    const { session, tabs } = this.#context;
    // Only who leads can fetch it again.
    if (!tabs.leads) this.tabs.changed();
    // Whoever replaces the document fetches all of it anyway, and must not be disturbed in it.
    else if (this.#replacing === undefined) session.subscribe(this.id, undefined);
  }

  /** @param of gives the replica whose context it is, which may still be loading or have been replaced */
  #replicaContext(of: () => StoredReplica | undefined): StoredReplicaContext {
    const { journal, store } = this.#context;
    const isPresent = (): boolean => this.#awake !== undefined && this.#awake === of();
    const document = this;
    return {
      document: this.id,
      store,
      journal,
      get epoch(): number {
        return document.#epoch;
      },
      now: () => this.#context.now(),
      news: (updates) => {
        if (!isPresent()) return;
        this.#main.push(updates);
        this.#context.changed(this);
        this.#hasMore();
      },
      acknowledged: ({ agent, to }) => this.#outbox.note({ agent, to, position: 0 }),
      unacknowledged: (envelope) => {
        const { agent, bytes } = envelope;
        const isElsewhere = this.#appends.isOwn(agent) || this.#otherTabs?.has(agent) === true;
        if (!isElsewhere) this.#watching.add(bytes, true);
        return this.#takeUp(envelope);
      },
      freed: () => {
        if (this.#withheld === 0 || !isPresent()) return;
        this.#withheld = 0;
        this.#context.environment.microtask(() => this.#main.reload());
      },
      overtaken: (now) => {
        this.#reload(now).catch((error: unknown) => this.#readFailed(error, () => this.tabs.look()));
      },
      damaged: (error) => {
        this.#main.damaged(error);
        this.#setTrouble({ error, blocked: false });
      },
      refetch: () => this.#refetch(),
      holdsUnstored: () => this.#appends.holdsJoined,
    };
  }

  /** A main replica of an earlier engine may be of an older incarnation. */
  #greetLoaded(stored: StoredDocument, log: readonly Uint8Array[]): void {
    if (this.#main.behind(this.#incarnation).channels.length > 0) this.#greet();
    else this.#main.loaded(this.#incarnation, this.#context.status(this), stored, log);
  }

  /** What is stored can't be used: the document stays closed, and everything in storage as it is. */
  #loadFailed(error: unknown): void {
    if (!(error instanceof JoineryError)) {
      this.#context.broken(error);
      return;
    }
    this.#loading = false;
    this.#setTrouble({ error, blocked: true });
    this.#main.failed(error);
  }

  /** An envelope that is in storage, and isn't acknowledged there: to be sent, or known here to be at the server. */
  #takeUp(envelope: StoredEnvelope): boolean {
    const { environment, journal, tabs } = this.#context;
    const acknowledgement = this.#outbox.acknowledgementOf(envelope);
    // Where it stands may have been known to storage alone, and lost with a damaged record: the server tells it again.
    const isAsked = tabs.leads && acknowledgement?.position === 0;
    if (acknowledgement === undefined || isAsked) {
      this.#outbox.add(envelope, envelope.bytes, envelope.at_ms, true);
      return false;
    }
    // It was read before the acknowledgement was stored, or another tab wrote it and did not live to store one, or is yet
    // to hear of it.
    if (!tabs.leads) return true;
    if (this.#unstoredAcknowledgements === undefined) {
      this.#unstoredAcknowledgements = new Set();
      environment.microtask(() => {
        const acknowledged = [...(this.#unstoredAcknowledgements ?? [])];
        this.#unstoredAcknowledgements = undefined;
        journal.writeSoon({ ...this.#write(), acknowledged });
        this.tabs.acknowledged(acknowledged);
      });
    }
    this.#unstoredAcknowledgements.add(acknowledgement);
    return true;
  }

  /** The state, for the main thread. */
  encode(): Uint8Array {
    const local = this.#local;
    if (local === undefined) throw new Error('Expected a loaded document.');
    // What waits for its causes is not in a state.
    this.#withheld = local.replica.pendingCount;
    return local.encode();
  }

  get #watching(): Conflicts {
    this.#conflicts ??= new Conflicts();
    return this.#conflicts;
  }

  #joinOwn(append: Append): void {
    if (append.joined) return;
    append.joined = true;
    const local = this.#local;
    local?.join(append.envelopes);
    this.#main.pushOwn(append);
    if (local === undefined) return;
    const conflicts = this.#watching;
    for (const envelope of append.envelopes) conflicts.add(envelope, false);
    this.#main.conflicts(conflicts.late(local.replica, append.envelopes));
  }

  #stored(append: Append): void {
    this.#joinOwn(append);
    this.#appends.stored(append);
    this.#local?.ownStored();
    for (const { length } of append.entries) this.#local?.appended(length, false);
    this.tabs.stored(append.envelopes, append.entries[0]?.at_ms ?? 0, append.clockOffset_ms);
    const unsynced = append.asks ? this.#outbox.heads : [];
    this.#main.await(unsynced.filter(([agent]) => !this.#appends.isOwn(agent)));
    this.#main.durable(append, unsynced, this.#context.status(this));
    if (append.rejected.length > 0) this.#rejectedHere();
    this.#hasMore();
    // Sent from memory, or handed over again after the server had told that it has them: it will not tell so again.
    const known = append.entries.flatMap((entry) => this.#outbox.acknowledgementOf(entry) ?? []);
    const isWaiting = append.entries.some((entry) => this.#outbox.has(entry));
    if (!isWaiting) this.tabs.acknowledged(known);
    else if (known.length > 0) this.#acknowledge(known, undefined);
    this.#compactIfDue();
    this.#maybeRelease();
  }

  #receive(firstPosition: number, envelopes: readonly Uint8Array[], resume: ResumeMark, consumed: () => void): void {
    const { environment, journal, session } = this.#context;
    const own: Acknowledgement[] = [];
    try {
      for (const bytes of envelopes) {
        const header = readEnvelope(bytes);
        const acknowledgement = { agent: header.agent, to: header.to, position: resume.position };
        // Another tab may have stored it as its own and not yet what became of it.
        this.#outbox.note(acknowledgement);
        if (this.#outbox.has(header)) own.push(acknowledgement);
      }
    } catch (error) {
      // Not to be stored.
      session.consumed(envelopes.reduce((sum, { length }) => sum + length, 0));
      this.#unreadable(asJoineryError(error));
      return;
    }
    const at_ms = environment.now();
    const remote = { firstPosition, envelopes };
    const write = { ...this.#write(), epoch: resume.epoch, remote, acknowledged: own, resume };
    const incarnation = this.#incarnation;
    this.#unstoredReceived += 1;
    journal.writeSoon(write, () => {
      if (this.#incarnation === incarnation) this.#unstoredReceived -= 1;
      consumed();
    });
    for (const { length } of envelopes) this.#local?.appended(length, true);
    const local = this.#local;
    const join = (): void => {
      local?.join(envelopes);
      // Behind the join: where much waits for the main thread it gets the replica's state in its place.
      this.#main.push(envelopes);
    };
    if (local === undefined) join();
    else this.#joinTheirs(local, envelopes, join);
    this.tabs.received(envelopes, at_ms);
    if (own.length > 0) this.#synced(own);
    this.tabs.acknowledged(own);
    this.#compactIfDue();
  }

  /** The server has these. */
  #acknowledge(given: readonly Acknowledgement[], resume: ResumeMark | undefined): void {
    const acknowledged = given.filter(({ agent }) => this.#outbox.holds(agent));
    const write = { ...this.#write(), acknowledged };
    if (resume !== undefined) this.#context.journal.writeSoon({ ...write, resume });
    else if (acknowledged.length > 0) this.#context.journal.writeSoon(write);
    this.#synced(given);
    this.tabs.acknowledged(acknowledged);
  }

  #synced(given: readonly Acknowledgement[]): void {
    this.#local?.acknowledged(this.#outbox.acknowledge(given));
    if (this.#isSynced) this.#conflicts?.settled();
    this.#tellSynced(given.map(({ agent, to }): AgentSeq => [agent, to]));
    this.#forgetEarlier();
    this.#local?.compactIfDue();
    this.#maybeRelease();
  }

  #tellSynced(seqs: readonly AgentSeq[]): void {
    const isTold = this.#main.synced(
      seqs,
      (agent) => this.#appends.isOwn(agent),
      () => this.#context.status(this),
    );
    if (!isTold) this.#context.changed(this);
  }

  async #answer(request: NeedEnvelopes): Promise<void> {
    const { journal, session } = this.#context;
    if (this.#entering !== undefined && journal.error === undefined) {
      const { stored } = this.#entering;
      journal.step(() => Promise.resolve());
      await stored;
    }
    this.#sending ??= this.#makeSending();
    await this.#sending.answer(request, session);
  }

  #makeSending(): Sending {
    const { environment, store } = this.#context;
    const document = this;
    return new Sending({
      ...{ document: this.id, environment, store },
      get outbox(): Outbox {
        return document.#outbox;
      },
      get present(): IncarnationMark {
        return document.#present;
      },
      get takesMore(): boolean {
        return document.#local !== undefined && document.#replacing === undefined;
      },
      merge: (stored) => this.#merge(stored),
      reload: (stored) => this.#reload(stored),
      lost: ({ agent, from, to }) => {
        this.#damaged ??= [];
        this.#damaged.push({ agent, from, to });
        this.#replace();
      },
      storageFailed: (error) => this.#context.storageFailed(error),
    });
  }

  /** It is done once, and the leader has every document that any tab has. */
  #compactIfDue(): void {
    if (this.#context.tabs.leads) this.#local?.compactIfDue();
  }

  #setTrouble(trouble: Trouble | undefined): void {
    // What blocks is not hidden by what will pass.
    if (this.#trouble?.blocked && trouble?.blocked === false) return;
    this.#trouble = trouble;
    this.#context.changed(this);
  }

  /** The server has everything. Openings that are yet to follow may have to ask something, and are to be told. */
  #forgetEarlier(): void {
    if (this.#isQuiet && !this.#main.isFollowing) this.#context.forgotten(this.#main.forgetEarlier());
  }

  #leave(): void {
    this.#context.forgotten(this.#main.forgetEarlier());
    this.#context.released(this);
  }

  /** Nobody has it open and the server has everything: it needs no memory here. */
  #maybeRelease(): void {
    if (this.#released || this.#main.isOpen || this.#context.tabs.isHeld(this.id)) return;
    if (!this.#isSynced || this.#adopting || this.#local === undefined || this.#local.busy) return;
    if (this.#replacing !== undefined || this.#rejecting || this.#main.isFollowing) return;
    if (this.#held !== undefined || this.#taking) return;
    // The rest of what was handed over comes now.
    if (this.#hasEarly) return;
    this.#released = true;
    this.#dropHeld();
    this.#context.tabs.release(this.id);
    this.#context.session.unsubscribe(this.id);
    this.#local.free();
    this.#awake = undefined;
    this.#outbox.clear();
    this.#leave();
  }
}

function keyOf({ agent, from }: { readonly agent: bigint; readonly from: number }): string {
  return `${agent}:${from}`;
}

function deletedForEver(document: string): JoineryError {
  return new JoineryError('document-deleted', {
    expected: 'a document that is not deleted',
    got: JSON.stringify(document),
    remedy: 'Close it. An id is never used again.',
  });
}

function damagedUndo(reason: string): JoineryError {
  return new JoineryError('storage-corrupt', {
    expected: 'the undo steps that were kept of the document',
    got: `a damaged record (${reason})`,
    remedy: 'It was set aside. The document is as it was; what is written from now on can be undone.',
  });
}

function unreadable(): JoineryError {
  return new JoineryError('invalid-snapshot', "The server's state of the document can't be read; nothing was changed.");
}
