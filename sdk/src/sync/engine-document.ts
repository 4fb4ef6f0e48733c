// One document in the engine: what comes to it from the main thread, from storage and from the server, and what goes to
// each. Everything it stores goes through the journal, in order.
//
// Two orders matter. An own envelope is joined to this replica only when it is durable (or when storage fails and it is
// sent from memory): so a snapshot made here never holds own writes whose envelopes could be lost, and with them the only
// way to the server. And remote envelopes are joined at once, but stored before the resume point that stands for them.

import { asJoineryError, JoineryError, type NeedEnvelopes, readEnvelope } from '@joinery/protocol';
import { decodeVersion } from '../core/index.ts';
import type { Environment } from '../environment.ts';
import type { Acknowledgement, DocumentStore, ResumeMark, StoredDocument, StoredEnvelope } from '../storage/storage.ts';
import { type Append, Appends } from './appends.ts';
import type { Journal } from './journal.ts';
import { MainThread } from './main-thread.ts';
import type { AgentSeq, EnginePort, EngineStatus, EnvelopeBatch, FromEngine } from './messages.ts';
import { Outbox, type RetainedBytes } from './outbox.ts';
import type { DocumentEffect, SessionDriver } from './session-driver.ts';
import { StoredReplica } from './stored-replica.ts';

/** What a document needs of its engine. */
export interface DocumentContext {
  readonly environment: Environment;
  readonly port: EnginePort<FromEngine>;
  readonly store: DocumentStore;
  readonly journal: Journal;
  readonly session: SessionDriver;
  readonly retained: RetainedBytes;
  /** This device's clock with the correction that is known. */
  now(): number;
  /** What is told of the document has changed: to be taken into the status soon. */
  changed(document: EngineDocument): void;
  /** The status as it is now, to be sent with what has changed it. */
  status(document: EngineDocument): EngineStatus;
  /** Reading storage failed; undefined: it works. */
  storageFailed(error: JoineryError | undefined): void;
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
const readRetry_ms = 1_000;

export class EngineDocument {
  readonly id: string;
  readonly #context: DocumentContext;
  readonly #main: MainThread;
  readonly #outbox: Outbox;
  readonly #appends: Appends;
  readonly #loaded: Promise<void>;
  /** What the main thread handed over before the document was loaded. */
  readonly #early: { readonly channel: number; readonly batch: EnvelopeBatch }[] = [];
  /** Known here, and not to storage. */
  readonly #unstoredAcknowledgements = new Set<Acknowledgement>();
  #local: StoredReplica | undefined;
  #loading = true;
  #released = false;
  #adopting = false;
  #epoch = 0;
  #trouble: Trouble | undefined;

  constructor(id: string, context: DocumentContext) {
    this.id = id;
    this.#context = context;
    this.#main = new MainThread(context.port, id, () => this.#encode());
    this.#outbox = new Outbox(context.retained);
    this.#appends = new Appends(this.#outbox);
    this.#loaded = this.#load().catch((error: unknown) => this.#loadFailed(error));
  }

  /** It is not yet known what is stored of it. */
  get loading(): boolean {
    return this.#loading;
  }

  /** Own envelopes, stored or kept in memory for good reason, that the server doesn't have. */
  get pending(): number {
    return this.#outbox.size - this.#appends.uncounted;
  }

  /** Resolves when it is known what is stored of it, or that this can't be known; what was handed over is written then. */
  get loaded(): Promise<void> {
    return this.#loaded;
  }

  /** Envelopes that were handed over and can't be stored before the document is loaded. */
  get holdsEarly(): boolean {
    return this.#early.some(({ batch }) => batch.envelopes.length > 0);
  }

  /** Nothing of the main thread's is under way. */
  get #isQuiet(): boolean {
    return !this.#loading && this.#outbox.size === 0 && this.#appends.size === 0 && this.#early.length === 0;
  }

  get oldestAt_ms(): number | undefined {
    return this.#outbox.oldestAt_ms;
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  // From the main thread.

  open(channel: number, unstored: readonly EnvelopeBatch[], awaited: readonly AgentSeq[]): void {
    this.#main.open(channel, awaited);
    for (const batch of unstored) this.append(channel, batch);
    if (this.#local !== undefined) this.#main.loaded(this.#context.status(this));
    else if (!this.#loading && this.#trouble !== undefined) this.#main.failed(this.#trouble.error);
  }

  append(channel: number, batch: EnvelopeBatch): void {
    if (this.#local === undefined) {
      this.#early.push({ channel, batch });
      return;
    }
    const { journal, environment } = this.#context;
    const at_ms = environment.now();
    const append = this.#appends.add(channel, batch, at_ms);
    const local = append.envelopes;
    if (local.length === 0 && this.#appends.size === 1) {
      // Nothing to store, and nothing before it that has to be.
      this.#stored(append);
      return;
    }
    journal.write({ document: this.id, epoch: this.#epoch, at_ms, local }, () => this.#stored(append));
    if (journal.error !== undefined) this.storageFailing();
  }

  /** The main replica was lost. */
  reload(): void {
    if (this.#local !== undefined) this.#main.reload();
  }

  taken(bytes: number): void {
    this.#main.taken(bytes);
  }

  close(channel: number): void {
    if (!this.#main.close(channel)) return;
    if (this.#isQuiet) this.#main.forgetEarlier();
    if (!this.#loading && this.#local === undefined) this.#context.released(this);
    this.#maybeRelease();
  }

  // From storage.

  /** Storage can't take what is written: it is sent from memory meanwhile, and the main thread may go on. */
  storageFailing(): void {
    const { journal, session } = this.#context;
    if (this.#appends.size === 0) return;
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
    this.#outbox.sendAll = false;
    if (this.#outbox.size > 0) this.#context.session.changed(this.id);
  }

  /** Takes over what other tabs have stored. */
  async adopt(): Promise<void> {
    if (this.#local === undefined || this.#adopting) return;
    this.#adopting = true;
    try {
      const stored = await this.#context.store.load(this.id);
      this.#local?.merge(stored);
    } finally {
      this.#adopting = false;
      this.#maybeRelease();
    }
  }

  // From the server.

  handle(effect: DocumentEffect): void {
    const local = this.#local;
    if (local === undefined) return;
    const { session } = this.#context;
    switch (effect.type) {
      case 'subscribed':
        this.#epoch = effect.epoch;
        if (effect.version.length > 0) {
          const version = Array.from(decodeVersion(effect.version), ([agent, to]) => ({
            agent,
            to,
            position: effect.head,
          }));
          this.#acknowledge(version, undefined);
        }
        break;
      case 'snapshot':
        if (!local.join([effect.bytes])) {
          // The position that it stands for must not be stored without it.
          session.unsubscribe(this.id);
          this.#setTrouble({ error: this.#trouble?.error ?? unreadable(), blocked: true });
          break;
        }
        this.#main.push([effect.bytes]);
        local.compact(effect.epoch, local.mark(effect.epoch, effect.position), () => {
          session.consumed(effect.credit_bytes);
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
        if (this.#trouble?.blocked === false) this.#setTrouble(undefined);
        break;
      case 'refused':
        this.#outbox.breakAt(effect);
        this.#setTrouble({ error: effect.error, blocked: true });
        this.#main.rejected(effect.agent, effect.from, effect.to, effect.error, this.#context.status(this));
        break;
      case 'blocked':
        this.#setTrouble({ error: effect.error, blocked: false });
        break;
      case 'epoch-changed': {
        const error = new JoineryError('epoch-changed', {
          expected: `epoch ${effect.from} at the server`,
          got: `epoch ${effect.epoch}`,
          remedy: 'What is stored on this device is kept; it is not sent.',
        });
        this.#setTrouble({ error, blocked: true });
        break;
      }
      case 'document-failed':
        this.#setTrouble({ error: effect.error, blocked: !effect.error.retryable });
        break;
      case 'presence':
        break;
    }
  }

  async #load(): Promise<void> {
    const { environment, journal, session, store } = this.#context;
    let stored: StoredDocument | undefined;
    while (stored === undefined) {
      try {
        stored = await store.load(this.id);
      } catch (error) {
        const failure = asJoineryError(error, 'storage-failed');
        if (failure.code === 'closed') return;
        this.#context.storageFailed(failure);
        await new Promise<void>((resolve) => environment.timer(resolve, readRetry_ms));
      }
    }
    this.#context.storageFailed(undefined);
    let loading = true;
    const local = new StoredReplica(stored, {
      document: this.id,
      store,
      journal,
      now: () => this.#context.now(),
      news: (updates) => {
        if (loading) return;
        this.#main.push(updates);
        this.#context.changed(this);
        session.changed(this.id);
      },
      unacknowledged: (envelope) => this.#takeUp(envelope),
      damaged: (error) => {
        this.#main.damaged(error);
        this.#setTrouble({ error, blocked: false });
      },
      refetch: () => session.subscribe(this.id, undefined),
      holdsUnstored: () => this.#appends.holdsJoined,
    });
    this.#epoch = stored.resume?.epoch ?? stored.snapshot?.epoch ?? 0;
    const log = local.merge(stored);
    loading = false;
    this.#loading = false;
    this.#local = local;
    this.#appends.loaded(decodeVersion(local.replica.version()));
    this.#main.loaded(this.#context.status(this), stored, log);
    this.#context.changed(this);
    session.subscribe(this.id, stored.resume);
    for (let next = this.#early.shift(); next !== undefined; next = this.#early.shift()) {
      this.append(next.channel, next.batch);
    }
    this.#maybeRelease();
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
    const acknowledgement = this.#outbox.acknowledgementOf(envelope);
    if (acknowledgement === undefined) {
      this.#outbox.add(envelope, envelope.bytes, envelope.at_ms, true);
      return false;
    }
    // It was read before the acknowledgement was stored, or another tab wrote it and did not live to store one.
    const { environment, journal } = this.#context;
    if (this.#unstoredAcknowledgements.size === 0) {
      environment.microtask(() => {
        const acknowledged = [...this.#unstoredAcknowledgements];
        this.#unstoredAcknowledgements.clear();
        journal.writeSoon({ document: this.id, epoch: this.#epoch, at_ms: environment.now(), acknowledged });
      });
    }
    this.#unstoredAcknowledgements.add(acknowledgement);
    return true;
  }

  #encode(): Uint8Array {
    if (this.#local === undefined) throw new Error('Expected a loaded document.');
    return this.#local.replica.encodeSnapshot();
  }

  #joinOwn(append: Append): void {
    if (append.joined) return;
    append.joined = true;
    this.#local?.join(append.envelopes);
    this.#main.pushOwn(append);
  }

  #stored(append: Append): void {
    this.#joinOwn(append);
    this.#appends.stored(append);
    for (const { length } of append.entries) this.#local?.appended(length, false);
    const unsynced = append.asks ? this.#outbox.heads : [];
    this.#main.await(unsynced.filter(([agent]) => !this.#appends.isOwn(agent)));
    this.#main.durable(append, unsynced, this.#context.status(this));
    this.#context.session.changed(this.id);
    // Handed over again after the server had told that it has them: it will not tell so again.
    const waiting = append.entries.filter((entry) => this.#outbox.has(entry));
    const known = waiting.flatMap((entry) => this.#outbox.acknowledgementOf(entry) ?? []);
    if (known.length > 0) this.#acknowledge(known, undefined);
    this.#local?.compactIfDue(this.#epoch);
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
      // Not to be stored: a server that sends such is broken, and asking again would bring the same.
      session.unsubscribe(this.id);
      this.#setTrouble({ error: asJoineryError(error), blocked: true });
      return;
    }
    const at_ms = environment.now();
    const remote = { firstPosition, envelopes };
    journal.writeSoon({ document: this.id, epoch: resume.epoch, at_ms, remote, acknowledged: own, resume }, consumed);
    for (const { length } of envelopes) this.#local?.appended(length, true);
    this.#local?.join(envelopes);
    this.#main.push(envelopes);
    if (own.length > 0) this.#synced(own);
    this.#local?.compactIfDue(this.#epoch);
  }

  /** The server has these. */
  #acknowledge(given: readonly Acknowledgement[], resume: ResumeMark | undefined): void {
    const at_ms = this.#context.environment.now();
    const acknowledged = given.filter(({ agent }) => this.#outbox.holds(agent));
    const write = { document: this.id, epoch: this.#epoch, at_ms, acknowledged };
    if (resume !== undefined) this.#context.journal.writeSoon({ ...write, resume });
    else if (acknowledged.length > 0) this.#context.journal.writeSoon(write);
    this.#synced(given);
  }

  #synced(given: readonly Acknowledgement[]): void {
    this.#local?.acknowledged(this.#outbox.acknowledge(given));
    const seqs = given.map(({ agent, to }): AgentSeq => [agent, to]);
    const isTold = this.#main.synced(
      seqs,
      (agent) => this.#appends.isOwn(agent),
      () => this.#context.status(this),
    );
    if (!isTold) this.#context.changed(this);
    if (this.#isQuiet) this.#main.forgetEarlier();
    this.#local?.compactIfDue(this.#epoch);
    this.#maybeRelease();
  }

  async #answer(request: NeedEnvelopes): Promise<void> {
    const { environment, session, store } = this.#context;
    const selected = this.#outbox.select(request);
    const missing = selected.filter(({ bytes }) => bytes === undefined);
    let read: (Uint8Array | undefined)[] = [];
    if (missing.length > 0) {
      try {
        read = await store.read(this.id, missing);
      } catch (error) {
        const failure = asJoineryError(error, 'storage-failed');
        if (failure.code === 'closed') return;
        this.#context.storageFailed(failure);
        session.answer(this.id, request.request, []);
        environment.timer(() => session.changed(this.id), readRetry_ms);
        return;
      }
    }
    const fromStorage = new Map(missing.map((entry, index) => [entry, read[index]]));
    const envelopes: Uint8Array[] = [];
    for (const entry of selected) {
      const bytes = entry.bytes ?? fromStorage.get(entry);
      if (bytes !== undefined) envelopes.push(bytes);
      // Else the server has it by now, or it can't be read and what follows it must not be sent.
      else if (this.#outbox.has(entry)) {
        this.#outbox.breakAt(entry);
        const text = 'A write that was not yet synced is damaged in storage; later ones of its session wait for it.';
        this.#setTrouble({ error: new JoineryError('storage-corrupt', text), blocked: true });
        break;
      }
    }
    session.answer(this.id, request.request, envelopes);
  }

  #setTrouble(trouble: Trouble | undefined): void {
    // What blocks is not hidden by what will pass.
    if (this.#trouble?.blocked && trouble?.blocked === false) return;
    this.#trouble = trouble;
    this.#context.changed(this);
  }

  /** Nobody has it open and the server has everything: it needs no memory here. */
  #maybeRelease(): void {
    if (this.#released || this.#local === undefined || this.#main.isOpen) return;
    if (this.#outbox.size > 0 || this.#appends.size > 0 || this.#local.busy || this.#adopting) return;
    // The rest of what was handed over comes now.
    if (this.#early.length > 0) return;
    this.#released = true;
    this.#context.session.unsubscribe(this.id);
    this.#local.free();
    this.#local = undefined;
    this.#outbox.clear();
    this.#context.released(this);
  }
}

function unreadable(): JoineryError {
  return new JoineryError('invalid-snapshot', "The server's state of the document can't be read; nothing was changed.");
}
