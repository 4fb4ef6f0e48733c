// One document in the engine: what comes to it from the main thread, from storage and from the server, and what goes to
// each. Everything it stores goes through the journal, in order.
//
// Two orders matter. An own envelope is joined to this replica only when it is durable (or when storage fails and it is
// sent from memory): so a snapshot made here never holds own writes whose envelopes could be lost, and with them the only
// way to the server. And remote envelopes are joined at once, but stored before the resume point that stands for them.

import { asJoineryError, JoineryError, type NeedEnvelopes, readEnvelope } from '@joinery/protocol';
import { decodeVersion } from '../core/index.ts';
import type { Environment } from '../environment.ts';
import type { DocumentStore, ResumeMark, StoredDocument } from '../storage/storage.ts';
import { type Append, Appends } from './appends.ts';
import type { Feed } from './feed.ts';
import type { Journal } from './journal.ts';
import {
  type AgentSeq,
  type EnginePort,
  type EngineStatus,
  type EnvelopeBatch,
  errorData,
  type FromEngine,
} from './messages.ts';
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

/** Stored documents up to this size go to the main thread as they lie in storage; others as one encoded state. */
const forwardedLog_bytes = 64 * 1024;
/** In memory for want of working storage: beyond it the main thread has to wait. */
const keptLimit_bytes = 64 * 1024 * 1024;
const readRetry_ms = 1_000;

export class EngineDocument {
  readonly id: string;
  readonly #context: DocumentContext;
  readonly #outbox: Outbox;
  readonly #appends: Appends;
  /** What the main thread handed over before the document was loaded. */
  readonly #early: { readonly channel: number; readonly batch: EnvelopeBatch }[] = [];
  /** Openings in the main thread, also closed ones as long as writes of theirs are under way. */
  readonly #channels = new Set<number>();
  /** Seqs that the main thread waits for the server to have. */
  #awaited: readonly AgentSeq[] = [];
  #local: StoredReplica | undefined;
  #feed: Feed | undefined;
  #loading = true;
  #released = false;
  #adopting = false;
  #epoch = 0;
  #trouble: Trouble | undefined;

  constructor(id: string, context: DocumentContext) {
    this.id = id;
    this.#context = context;
    this.#outbox = new Outbox(context.retained);
    this.#appends = new Appends(this.#outbox);
    this.#load().catch((error: unknown) => this.#loadFailed(error));
  }

  /** It is not yet known what is stored of it. */
  get loading(): boolean {
    return this.#loading;
  }

  /** Own envelopes, stored or kept in memory for good reason, that the server doesn't have. */
  get pending(): number {
    return this.#outbox.size - this.#appends.uncounted;
  }

  get oldestAt_ms(): number | undefined {
    return this.#outbox.oldestAt_ms;
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  // From the main thread.

  open(feed: Feed, unstored: readonly EnvelopeBatch[], awaited: readonly AgentSeq[]): void {
    this.#feed = feed;
    this.#channels.add(feed.channel);
    this.#awaited = awaited;
    for (const batch of unstored) this.append(feed.channel, batch);
    if (this.#local !== undefined) this.#postState(feed.channel, this.#local);
    else if (this.#trouble?.blocked) this.#postFailed(this.#trouble.error);
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
    journal.write({ document: this.id, epoch: this.#epoch, at_ms, local }, () => this.#stored(append));
    if (journal.error !== undefined) this.storageFailing();
  }

  /** The main replica was lost. */
  reload(): void {
    if (this.#local !== undefined) this.#feed?.pushState();
  }

  taken(bytes: number): void {
    this.#feed?.taken(bytes);
  }

  /** The whole state, for the main thread. */
  encode(): Uint8Array {
    if (this.#local === undefined) throw new Error('Expected a loaded document.');
    return this.#local.replica.encodeSnapshot();
  }

  close(channel: number): void {
    // A later opening may have taken over.
    if (this.#feed?.channel !== channel) return;
    this.#feed = undefined;
    if (this.#outbox.size === 0 && this.#appends.size === 0) this.#forgetChannels();
    if (!this.#loading && this.#local === undefined) this.#context.released(this);
    this.#maybeRelease();
  }

  // From storage.

  /** Storage can't take what is written: it is sent from memory meanwhile, and the main thread may go on. */
  storageFailing(): void {
    const { journal, port, session } = this.#context;
    if (this.#appends.size === 0) return;
    this.#outbox.sendAll = true;
    for (const append of this.#appends) {
      if (append.joined) continue;
      if (journal.queued_bytes > keptLimit_bytes) break;
      this.#joinOwn(append);
      const status = this.#context.status(this);
      port.post({ type: 'kept', channel: append.channel, batch: append.batch, status });
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
    switch (effect.type) {
      case 'subscribed':
        this.#epoch = effect.epoch;
        if (effect.version.length > 0) this.#acknowledge([...decodeVersion(effect.version)], effect.head, undefined);
        break;
      case 'snapshot':
        if (!local.join([effect.bytes])) {
          // The position that it stands for must not be stored without it.
          this.#context.session.unsubscribe(this.id);
          this.#setTrouble({ error: this.#trouble?.error ?? unreadable(), blocked: true });
          break;
        }
        this.#feed?.push([effect.bytes]);
        local.compact(effect.epoch, local.mark(effect.epoch, effect.position), () => {
          this.#context.session.consumed(effect.credit_bytes);
          this.#maybeRelease();
        });
        break;
      case 'envelopes':
        this.#receive(effect.firstPosition, effect.envelopes, local.mark(effect.epoch, effect.position), () =>
          this.#context.session.consumed(effect.credit_bytes),
        );
        break;
      case 'acknowledged':
        this.#acknowledge([[effect.agent, effect.to]], effect.position, local.mark(effect.epoch, effect.resume));
        break;
      case 'need-envelopes':
        this.#answer(effect).catch((error: unknown) => this.#context.broken(error));
        break;
      case 'caught-up':
        if (this.#trouble?.blocked === false) this.#setTrouble(undefined);
        break;
      case 'refused': {
        const { agent, from, to, error } = effect;
        this.#outbox.breakAt(effect);
        for (const channel of this.#channels) {
          this.#context.port.post({ type: 'rejected', channel, agent, from, to, error: errorData(error) });
        }
        this.#setTrouble({ error, blocked: true });
        break;
      }
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
        this.#feed?.push(updates);
        this.#context.changed(this);
        session.changed(this.id);
      },
      unacknowledged: (envelope) => void this.#outbox.add(envelope, envelope.bytes, envelope.at_ms, true),
      damaged: (error) => {
        this.#context.port.post({ type: 'damaged', document: this.id, error: errorData(error) });
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
    const total = log.reduce((sum, bytes) => sum + bytes.length, 0);
    const channel = this.#feed?.channel;
    const status = this.#context.status(this);
    if (channel === undefined) this.#context.changed(this);
    else if (total > forwardedLog_bytes) this.#postState(channel, local);
    else {
      const snapshot = stored.snapshot?.bytes;
      this.#context.port.post({ type: 'loaded', channel, snapshot, updates: log, status });
    }
    session.subscribe(this.id, stored.resume);
    for (const { channel: from, batch } of this.#early.splice(0)) this.append(from, batch);
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
    this.#postFailed(error);
  }

  #postFailed(error: JoineryError): void {
    const channel = this.#feed?.channel;
    if (channel !== undefined) this.#context.port.post({ type: 'failed', channel, error: errorData(error) });
  }

  #postState(channel: number, local: StoredReplica): void {
    const snapshot = local.replica.encodeSnapshot();
    const status = this.#context.status(this);
    const transfer = [snapshot.buffer as ArrayBuffer];
    this.#context.port.post({ type: 'loaded', channel, snapshot, updates: [], status }, transfer);
  }

  #joinOwn(append: Append): void {
    if (append.joined) return;
    append.joined = true;
    this.#local?.join(append.envelopes);
    // Written through an earlier opening of the document: the present one doesn't have it yet.
    if (this.#feed && this.#feed.channel !== append.channel) this.#feed.push(append.envelopes);
  }

  #stored(append: Append): void {
    this.#joinOwn(append);
    this.#appends.stored(append);
    for (const { length } of append.entries) this.#local?.appended(length, false);
    const status = this.#context.status(this);
    this.#context.port.post({ type: 'durable', channel: append.channel, batch: append.batch, status });
    this.#context.session.changed(this.id);
    this.#local?.compactIfDue(this.#epoch);
    this.#maybeRelease();
  }

  #receive(firstPosition: number, envelopes: readonly Uint8Array[], resume: ResumeMark, consumed: () => void): void {
    const { environment, journal, session } = this.#context;
    const own: AgentSeq[] = [];
    try {
      for (const bytes of envelopes) {
        const header = readEnvelope(bytes);
        if (this.#outbox.has(header)) own.push([header.agent, header.to]);
      }
    } catch (error) {
      // Not to be stored: a server that sends such is broken, and asking again would bring the same.
      session.unsubscribe(this.id);
      this.#setTrouble({ error: asJoineryError(error), blocked: true });
      return;
    }
    const at_ms = environment.now();
    const acknowledged = own.map(([agent, to]) => ({ agent, to, position: resume.position }));
    const remote = { firstPosition, envelopes };
    journal.writeSoon({ document: this.id, epoch: resume.epoch, at_ms, remote, acknowledged, resume }, consumed);
    for (const { length } of envelopes) this.#local?.appended(length, true);
    this.#local?.join(envelopes);
    this.#feed?.push(envelopes);
    if (own.length > 0) this.#synced(own);
    this.#local?.compactIfDue(this.#epoch);
  }

  /** The server has these. */
  #acknowledge(seqs: readonly AgentSeq[], position: number, resume: ResumeMark | undefined): void {
    const at_ms = this.#context.environment.now();
    const acknowledged = seqs
      .map(([agent, to]) => ({ agent, to, position }))
      .filter(({ agent }) => this.#outbox.holds(agent));
    const write = { document: this.id, epoch: this.#epoch, at_ms, acknowledged };
    if (resume !== undefined) this.#context.journal.writeSoon({ ...write, resume });
    else if (acknowledged.length > 0) this.#context.journal.writeSoon(write);
    this.#synced(seqs);
  }

  #synced(seqs: readonly AgentSeq[]): void {
    this.#local?.acknowledged(this.#outbox.acknowledge(seqs));
    const reached = new Map(seqs);
    const own = seqs.filter(([agent]) => this.#appends.isOwn(agent));
    const awaited = this.#awaited.filter(([agent, to]) => to <= (reached.get(agent) ?? 0));
    this.#awaited = this.#awaited.filter((seq) => !awaited.includes(seq));
    if (own.length + awaited.length > 0) {
      const status = this.#context.status(this);
      const told = [...own, ...awaited];
      for (const channel of this.#channels) this.#context.port.post({ type: 'synced', channel, seqs: told, status });
    } else this.#context.changed(this);
    if (this.#outbox.size === 0 && this.#appends.size === 0) this.#forgetChannels();
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

  /** Everything is synced: nobody but the present opening waits for anything. */
  #forgetChannels(): void {
    for (const channel of this.#channels) if (channel !== this.#feed?.channel) this.#channels.delete(channel);
  }

  #setTrouble(trouble: Trouble | undefined): void {
    // What blocks is not hidden by what will pass.
    if (this.#trouble?.blocked && trouble?.blocked === false) return;
    this.#trouble = trouble;
    this.#context.changed(this);
  }

  /** Nobody has it open and the server has everything: it needs no memory here. */
  #maybeRelease(): void {
    if (this.#released || this.#local === undefined || this.#feed !== undefined) return;
    if (this.#outbox.size > 0 || this.#appends.size > 0 || this.#local.busy || this.#adopting) return;
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
