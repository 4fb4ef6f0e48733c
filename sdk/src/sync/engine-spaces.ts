// The spaces that some tab has open, in the engine: their lists, kept up by the session of the tab that leads, and the
// documents that moved since they were last fetched, brought to this device a few at a time. Deletions are in
// `engine-deletions.ts`.
//
// Only a leader stores. The others read what is stored when they open a space, and are told what changes.

import { asJoineryError, type JoineryError, spaceOf } from '@joinery/protocol';
import type { Cancel, Environment } from '../environment.ts';
import { hasMoved, type SpaceHead, SpaceList } from '../spaces/space-list.ts';
import type { DocumentStore } from '../storage/storage.ts';
import type { TabBody } from '../tabs/tab-message.ts';
import { EngineDeletions } from './engine-deletions.ts';
import { type EnginePort, errorData, type FromEngine, type ToEngine } from './messages.ts';
import type { DocumentEffect, SessionDriver, SpaceEffect } from './session-driver.ts';
import { pause, readRetry_ms } from './waiting.ts';

/** Documents that are fetched at a time. */
const fetchAtOnce = 16;
/** What is learned of the lists is stored at most so often. */
const storeDelay_ms = 500;
/** A change that names more documents than this is told as "anything may have changed". */
const toldLimit_count = 256;

export type SpaceRequest = Extract<ToEngine, { readonly type: 'open-space' | 'close-space' | 'list-space' | 'delete' }>;
export type SpaceMessage = Extract<TabBody, { readonly type: 'space' | 'delete' | 'deletion' }>;

export interface SpacesContext {
  readonly environment: Environment;
  readonly port: EnginePort<FromEngine>;
  readonly store: DocumentStore;
  readonly session: SessionDriver;
  readonly leads: boolean;
  /** Spaces that other tabs have open. */
  readonly heldSpaces: Iterable<string>;
  /** To the other tabs. */
  post(body: TabBody): void;
  isOpen(document: string): boolean;
  /** It is open, and known to be deleted. */
  isDeleted(document: string): boolean;
  /** It is open, and what it was told to have reached is not in the journal yet. */
  holdsBack(document: string): boolean;
  /** Loads it and syncs it, until `release` at least. */
  fetch(document: string): void;
  release(document: string): void;
  /** The server has deleted it; gives what to wait for before the next one. */
  deleted(document: string): Promise<void> | undefined;
  /** Runs when everything is stored that was handed to the journal until now. */
  afterStored(run: () => void): void;
  failed(error: JoineryError): void;
}

interface OpenSpace {
  readonly handles: Set<number>;
  list: SpaceList | undefined;
  /** Resolves when there is a list, or never will be. */
  loaded: Promise<void>;
  /** So many times it was begun to load it: the last one counts. */
  loads: number;
  /** The session follows it. */
  follows: boolean;
  /** The list has everything that the server knows, as far as this is known. */
  complete: boolean;
  /** Moved, and not looked at yet. */
  readonly queue: Set<string>;
  /** Moved while they were open: looked at again when they are closed. */
  readonly keptUp: Set<string>;
  /** What has become known while the list was read. */
  early: ((list: SpaceList) => void)[] | undefined;
  /** Deleted, and not yet stored to be: until then the list is kept, whoever wants it. */
  readonly removing: Set<string>;
  /** So often other tabs were told what the server says. */
  told: number;
  /** Another tab has opened it, and is to read what is stored when it is all that is known here. */
  asked: boolean;
}

/** How far a document has come that is fetched. */
interface Fetching {
  epoch: number;
  position: number;
  caughtUp: boolean;
}

export class EngineSpaces {
  readonly #context: SpacesContext;
  readonly #spaces = new Map<string, OpenSpace>();
  readonly #handles = new Map<number, string>();
  /** Documents that are open to be fetched. */
  readonly #fetching = new Map<string, Fetching>();
  /** Positions that documents have reached and that the lists don't know yet. */
  readonly #reached = new Map<string, { readonly epoch: number; readonly position: number }>();
  readonly #deletions: EngineDeletions;
  /** Deleted, and perhaps still stored. */
  readonly #gone = new Set<string>();
  #removing = false;
  #storeLater: Cancel | undefined;
  #stopped = false;

  constructor(context: SpacesContext) {
    this.#context = context;
    const leads = (): boolean => !this.#stopped && context.leads;
    this.#deletions = new EngineDeletions({
      environment: context.environment,
      store: context.store,
      get session() {
        return context.session;
      },
      get leads() {
        return leads();
      },
      port: context.port,
      post: (body) => context.post(body),
      changed: (document, isGone) => {
        if (isGone) this.#giveUp(document);
        const entry = this.#spaces.get(spaceOf(document));
        if (entry !== undefined) this.#tell(entry, [document]);
      },
      failed: (error) => this.#failed(error),
    });
  }

  get open(): string[] {
    return [...this.#spaces].flatMap(([space, { handles }]) => (handles.size > 0 ? [space] : []));
  }

  isFetching(document: string): boolean {
    return this.#fetching.has(document);
  }

  // From the main thread.

  request(message: SpaceRequest): void {
    switch (message.type) {
      case 'open-space':
        this.#handles.set(message.handle, message.space);
        this.#enter(message.space).handles.add(message.handle);
        this.#context.post({ type: 'spaces', spaces: this.open });
        this.refollow();
        this.#tell(this.#enter(message.space), undefined);
        break;
      case 'close-space': {
        const space = this.#handles.get(message.handle);
        this.#handles.delete(message.handle);
        if (space === undefined) break;
        this.#spaces.get(space)?.handles.delete(message.handle);
        this.#context.post({ type: 'spaces', spaces: this.open });
        this.refollow();
        break;
      }
      case 'list-space':
        this.#list(message).catch((error: unknown) => this.#failed(error));
        break;
      case 'delete':
        this.#deletions.ask(message.document);
        break;
    }
  }

  // From the engine.

  /** This tab leads now. */
  lead(): void {
    this.#fetching.clear();
    this.#deletions.lead();
    // Another tab has stored what this one was only told, if at all.
    for (const [space, entry] of this.#spaces) {
      entry.follows = false;
      entry.list = undefined;
      entry.loaded = this.#load(space, entry);
    }
    this.refollow();
  }

  follow(): void {
    for (const space of this.#spaces.values()) {
      space.follows = false;
      space.queue.clear();
      space.keptUp.clear();
    }
    // Documents give up what they have not taken.
    this.#reached.clear();
    for (const document of [...this.#fetching.keys()]) this.#fetched(document);
  }

  /** A leader is there that doesn't know what this tab has open and wants. */
  introduce(): void {
    if (this.#spaces.size > 0) this.#context.post({ type: 'spaces', spaces: this.open });
    this.#deletions.introduce();
  }

  /** Follows what is open anywhere, and nothing else. */
  refollow(): void {
    const { session } = this.#context;
    const wanted = new Set([...this.open, ...this.#context.heldSpaces]);
    for (const space of wanted) this.#enter(space);
    for (const [space, entry] of this.#spaces) {
      if (!wanted.has(space)) {
        if (entry.follows) session.unfollowSpace(space);
        entry.follows = false;
        if (entry.removing.size === 0) this.#spaces.delete(space);
      } else if (this.#context.leads && !entry.follows && entry.list !== undefined) {
        entry.follows = true;
        session.followSpace(space, entry.list.token);
        for (const { document } of entry.list.moved()) entry.queue.add(document);
      }
    }
    this.#pump();
  }

  /** Another tab has opened these: it reads what is stored, which may be behind what is known here. */
  opened(spaces: readonly string[]): void {
    for (const space of spaces) {
      const entry = this.#spaces.get(space);
      if (entry !== undefined) entry.asked = true;
    }
    this.#store();
  }

  /** A document was written here, or in another tab: the server may not know it yet. */
  written(document: string): void {
    const entry = this.#spaces.get(spaceOf(document));
    entry?.early?.push((list) => list.add(document));
    if (entry?.list?.add(document)) this.#tell(entry, [document]);
  }

  /** It is open nowhere any more; it may have been closed before what moved of it came. */
  closed(document: string): void {
    if (this.#reached.has(document)) this.#storeSoon();
    const entry = this.#spaces.get(spaceOf(document));
    if (entry?.keptUp.delete(document) !== true) return;
    entry.queue.add(document);
    this.#context.environment.microtask(() => this.#pump());
  }

  /** The connection is gone: what the server knows may have changed. */
  offline(): void {
    for (const entry of this.#spaces.values()) {
      if (!entry.complete) continue;
      entry.complete = false;
      this.#tell(entry, []);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#storeLater?.();
  }

  // From the server.

  handle(effect: SpaceEffect): void {
    const entry = this.#spaces.get(effect.space);
    if (entry?.list === undefined) return;
    if (effect.type === 'space-failed') {
      entry.complete = false;
      for (const handle of entry.handles) {
        this.#context.port.post({ type: 'space-failed', handle, error: errorData(effect.error) });
      }
      return;
    }
    const wasComplete = entry.complete;
    entry.complete = !effect.more;
    const { space, token, entries } = effect;
    const { list } = entry;
    // All that there is comes anew; what doesn't, a restored backup lacks.
    if (effect.restarted || list.token === 0) list.restart();
    // Of others nothing is stored here.
    const isHere = (document: string): boolean =>
      this.#context.isOpen(document) || list.get(document)?.deleted === false;
    const gone = entries.filter(({ document, deleted }) => deleted && isHere(document));
    this.#take(entry, entries, token);
    const absent = effect.more ? [] : list.absent();
    this.#take(
      entry,
      absent.filter(({ deleted }) => deleted),
      token,
    );
    // What was written here may be here alone: each author brings back its own.
    for (const { document } of absent) {
      this.#reached.delete(document);
      entry.queue.add(document);
    }
    const heads = [...entries, ...absent];
    entry.told += 1;
    this.#context.post({ type: 'space', space, token, complete: entry.complete, heads });
    for (const { document } of gone) {
      // The document's own session may be in the middle of something, and never come to hear of it.
      if (this.#context.isOpen(document) && !this.#context.isDeleted(document)) this.deleted(document);
      else {
        this.#unlist(document);
        this.#giveUp(document);
      }
    }
    for (const document of [...this.#fetching.keys()]) this.#checkFetched(document);
    // What could not be fetched over an earlier connection.
    if (entry.complete && !wasComplete) for (const { document } of list.moved()) entry.queue.add(document);
    this.#storeSoon();
    this.#pump();
  }

  /** What a document has reached, and what became of its deletion. */
  observe(effect: DocumentEffect): void {
    const { document } = effect;
    const fetching = this.#fetching.get(document);
    switch (effect.type) {
      case 'subscribed':
        if (fetching !== undefined) fetching.epoch = effect.epoch;
        break;
      case 'snapshot':
      case 'envelopes':
        this.#reach(document, effect.epoch, effect.position);
        if (fetching !== undefined) fetching.position = effect.position;
        this.#checkFetched(document);
        break;
      case 'acknowledged':
        this.#reach(document, effect.epoch, effect.resume);
        break;
      case 'caught-up': {
        const head = this.#spaces.get(spaceOf(document))?.list?.get(document);
        if (head !== undefined) this.#reach(document, head.epoch, effect.position);
        if (fetching !== undefined) Object.assign(fetching, { position: effect.position, caughtUp: true });
        this.#checkFetched(document);
        break;
      }
      case 'document-failed':
      case 'epoch-changed':
        this.#fetched(document);
        break;
      case 'document-deleted':
        // Whoever has it open was told when the space's feed told it; who deletes it again is to be told again.
        if (!this.#context.isDeleted(document) || this.#deletions.has(document)) this.deleted(document);
        else this.#fetched(document);
        break;
      case 'deletion-refused':
        this.#deletions.settle(document, 'refused', errorData(effect.error));
        break;
    }
  }

  /**
   * The server has said that it is deleted: every tab is to hear of it. Before that the stored list has it no more, if storage takes
   * that: whoever was told is not to find it there again, though this tab ends now and another one leads.
   */
  deleted(document: string): void {
    const { session } = this.#context;
    const settle = (): void => {
      const isLeading = this.#context.leads && this.#context.session === session;
      // The next leader hears it from the server itself.
      if (isLeading && !this.#stopped) this.#deletions.settle(document, 'done', undefined);
    };
    this.#storeDeleted(document).then(settle, (error: unknown) => {
      this.#failed(error);
      settle();
    });
  }

  async #storeDeleted(document: string): Promise<void> {
    const entry = this.#enter(spaceOf(document));
    entry.removing.add(document);
    await Promise.race([entry.loaded, pause(this.#context.environment, readRetry_ms)]);
    this.#takeOffSoon(entry);
    await entry.list?.store();
  }

  // From other tabs.

  receive(message: SpaceMessage): void {
    switch (message.type) {
      case 'space': {
        const entry = this.#spaces.get(message.space);
        if (entry === undefined || this.#context.leads) break;
        entry.complete = message.complete;
        if (message.heads === undefined) entry.loaded = this.#load(message.space, entry);
        else this.#take(entry, message.heads, message.token);
        break;
      }
      case 'delete':
        this.#deletions.receive(message);
        break;
      case 'deletion':
        if (message.state === 'done') this.#unlist(message.document);
        this.#deletions.receive(message);
    }
  }

  #enter(space: string): OpenSpace {
    const known = this.#spaces.get(space);
    if (known !== undefined) return known;
    const entry: OpenSpace = {
      handles: new Set(),
      list: undefined,
      loaded: Promise.resolve(),
      loads: 0,
      follows: false,
      complete: false,
      queue: new Set(),
      keptUp: new Set(),
      early: undefined,
      removing: new Set(),
      told: 0,
      asked: false,
    };
    this.#spaces.set(space, entry);
    entry.loaded = this.#load(space, entry);
    return entry;
  }

  async #load(space: string, entry: OpenSpace): Promise<void> {
    const { environment, store } = this.#context;
    entry.loads += 1;
    const { loads } = entry;
    // Of one that was begun before as well: storage may not have it yet.
    entry.early ??= [];
    const isWanted = (): boolean => !this.#stopped && this.#spaces.get(space) === entry && entry.loads === loads;
    for (let isFirst = true; isFirst || isWanted(); isFirst = false) {
      try {
        const [list, documents] = await Promise.all([SpaceList.load(space, store), store.documents()]);
        for (const document of documents) if (spaceOf(document) === space) list.add(document);
        if (!isWanted()) return;
        for (const change of entry.early ?? []) change(list);
        entry.early = undefined;
        entry.list = list;
        this.#takeOffSoon(entry);
        this.refollow();
        if (entry.asked) this.#store();
        this.#tell(entry, undefined);
        return;
      } catch (error) {
        const failure = asJoineryError(error, 'storage-failed');
        this.#failed(failure);
        for (const handle of entry.handles) {
          this.#context.port.post({ type: 'space-failed', handle, error: errorData(failure) });
        }
        await pause(environment, readRetry_ms);
      }
    }
  }

  async #list({ handle, request, after, limit }: SpaceRequest & { readonly type: 'list-space' }): Promise<void> {
    const space = this.#handles.get(handle);
    if (space === undefined) return;
    // It may be read anew meanwhile, when this tab comes to lead: until that is done nothing is known of it.
    let entry: OpenSpace | undefined = this.#enter(space);
    for (let loaded: Promise<void> | undefined; entry !== undefined && loaded !== entry.loaded; ) {
      loaded = entry.loaded;
      await loaded;
      entry = this.#spaces.get(space);
    }
    const page = entry?.list?.page(after, limit) ?? { documents: [], more: false };
    const documents = page.documents.filter((document) => !this.#deletions.has(document));
    const next = page.more ? page.documents.at(-1) : undefined;
    this.#context.port.post({ type: 'space-page', handle, request, documents, next });
  }

  #take(entry: OpenSpace, heads: readonly SpaceHead[], token: number): void {
    // A restored backup has it again.
    for (const { document, deleted } of heads) if (!deleted) entry.removing.delete(document);
    entry.early?.push((list) => list.take(heads, list.token));
    const changed = entry.list?.take(heads, token) ?? [];
    if (this.#context.leads) for (const one of changed) if (hasMoved(one)) entry.queue.add(one.document);
    this.#tell(entry, changed.length > toldLimit_count ? undefined : changed.map(({ document }) => document));
  }

  /** @param documents undefined: any */
  #tell({ list, handles, complete }: OpenSpace, documents: readonly string[] | undefined): void {
    if (list === undefined) return;
    const { size } = list;
    for (const handle of handles) this.#context.port.post({ type: 'space', handle, size, complete, documents });
  }

  // Fetching.

  #pump(): void {
    if (!this.#context.leads || this.#stopped) return;
    for (const { queue, keptUp, list, follows } of this.#spaces.values()) {
      if (!follows) continue;
      for (const document of queue) {
        if (this.#fetching.size >= fetchAtOnce) return;
        queue.delete(document);
        const known = list?.get(document);
        if (known === undefined) continue;
        const { epoch, position } = this.#reached.get(document) ?? {
          epoch: known.fetchedEpoch,
          position: known.fetched,
        };
        const entry = { ...known, fetchedEpoch: epoch, fetched: position };
        if (!hasMoved(entry) && (entry.head > 0 || entry.deleted)) continue;
        // What is open is kept up anyway.
        if (this.#context.isOpen(document)) {
          keptUp.add(document);
          continue;
        }
        this.#fetching.set(document, { epoch: 0, position: 0, caughtUp: false });
        this.#context.fetch(document);
      }
    }
  }

  /** The list may have heard of a commit before the document's followers do. */
  #checkFetched(document: string): void {
    const fetching = this.#fetching.get(document);
    const head = this.#spaces.get(spaceOf(document))?.list?.get(document);
    if (fetching?.caughtUp !== true) return;
    const isBehind = head?.deleted === false && head.epoch === fetching.epoch && head.head > fetching.position;
    if (!isBehind) this.#fetched(document);
  }

  /** There is nothing more to wait for. */
  #fetched(document: string): void {
    if (!this.#fetching.delete(document)) return;
    this.#context.release(document);
    this.#context.environment.microtask(() => this.#pump());
  }

  #reach(document: string, epoch: number, position: number): void {
    if (!this.#spaces.has(spaceOf(document))) return;
    this.#reached.set(document, { epoch, position });
    this.#storeSoon();
  }

  #storeSoon(): void {
    if (!this.#context.leads || this.#stopped) return;
    this.#storeLater ??= this.#context.environment.timer(() => {
      this.#storeLater = undefined;
      const reached = [...this.#reached].filter(([document]) => !this.#context.holdsBack(document));
      for (const [document] of reached) this.#reached.delete(document);
      this.#context.afterStored(() => {
        for (const [document, { epoch, position }] of reached) {
          this.#spaces.get(spaceOf(document))?.list?.fetched(document, epoch, position);
        }
        this.#store();
      });
    }, storeDelay_ms);
  }

  #store(): void {
    if (!this.#context.leads || this.#stopped) return;
    for (const [space, entry] of this.#spaces) {
      const { list, told } = entry;
      const stored = (isStored: boolean): void => {
        // Who reads it now forgets what was told meanwhile, which is stored with the next.
        if (!entry.asked || !isStored || told !== entry.told || list !== entry.list) return;
        entry.asked = false;
        const token = list?.token ?? 0;
        this.#context.post({ type: 'space', space, token, complete: entry.complete, heads: undefined });
      };
      list?.store().then(stored, (error: unknown) => {
        this.#failed(error);
        this.#storeSoon();
      });
    }
  }

  /** It is deleted, and not to stand in its list: also where nobody has that open, for somebody may open it offline. */
  #unlist(document: string): void {
    const entry = this.#context.leads ? this.#enter(spaceOf(document)) : this.#spaces.get(spaceOf(document));
    if (entry === undefined) return;
    entry.removing.add(document);
    this.#takeOffSoon(entry);
  }

  /** It is deleted, and nothing of it is to stay here. */
  #giveUp(document: string): void {
    this.#fetched(document);
    this.#gone.add(document);
    this.#removeStored().catch((error: unknown) => this.#failed(error));
  }

  #takeOffSoon(entry: OpenSpace): void {
    this.#takeOff(entry).catch((error: unknown) => this.#failed(error));
  }

  /** Takes what was deleted off the list, once that is read. */
  async #takeOff(entry: OpenSpace): Promise<void> {
    const { list } = entry;
    const documents = [...entry.removing];
    if (list === undefined || documents.length === 0) return;
    for (const document of documents) {
      const { epoch, head } = list.get(document) ?? { epoch: 0, head: 0 };
      list.fetched(document, 0, 0);
      this.#take(entry, [{ document, epoch, head, deleted: true }], list.token);
    }
    await this.#storeTakenOff(entry, list);
    // A tab that begins to lead reads the list anew: from that they are taken off too.
    if (this.#context.leads && entry.list !== list) return;
    for (const document of documents) entry.removing.delete(document);
    if (!this.#stopped) this.refollow();
  }

  async #storeTakenOff(entry: OpenSpace, list: SpaceList): Promise<void> {
    while (this.#context.leads && !this.#stopped && entry.list === list) {
      try {
        await list.store();
        return;
      } catch (error) {
        this.#failed(error);
        await pause(this.#context.environment, readRetry_ms);
      }
    }
  }

  /** One after the other: there may be thousands. */
  async #removeStored(): Promise<void> {
    if (this.#removing) return;
    this.#removing = true;
    for (const document of this.#gone) {
      this.#gone.delete(document);
      if (!this.#stopped) await this.#context.deleted(document);
    }
    this.#removing = false;
  }

  #failed(error: unknown): void {
    const failure = asJoineryError(error, 'storage-failed');
    if (!this.#stopped && failure.code !== 'closed') this.#context.failed(failure);
  }
}
