// One document and the other tabs: tells them what this tab's engine has stored or heard from the server, and takes in what
// they tell. What they tell is only a short cut: all of it is in storage, or will be, and whatever doesn't fit is read there.

import { type EnvelopeHeader, JoineryError, readEnvelope } from '@joinery/protocol';
import { decodeVersion } from '../core/index.ts';
import {
  type Acknowledgement,
  type EnvelopeKey,
  type IncarnationMark,
  isSameIncarnation,
  type StoredDocument,
  type StoredEnvelope,
} from '../storage/storage.ts';
import type { Hold, TabItem } from '../tabs/tab-message.ts';
import type { Outbox, OutboxEntry } from './outbox.ts';
import type { StoredReplica } from './stored-replica.ts';

/** What comes while the document is loaded is kept up to so many items; beyond it storage is read once more. */
const earlyLimit_count = 256;

/** What a document needs of the tabs. */
export interface DocumentTabs {
  /** This tab has the session. */
  readonly leads: boolean;
  tell(item: TabItem): void;
  /** Another tab has it open. */
  isHeld(document: string): boolean;
  hold(hold: Hold): void;
  release(document: string): void;
}

export interface TabNewsContext {
  readonly document: string;
  readonly tabs: DocumentTabs;
  readonly outbox: Outbox;
  /** What another tab tells of is of this epoch; 0 where it knows of none. */
  entered(epoch: number): void;
  readonly present: IncarnationMark;
  /** Undefined while it is not loaded. */
  readonly local: StoredReplica | undefined;
  /** Runs when everything is stored that was handed to the journal until now. */
  afterStored(run: () => void): void;
  /** Reads storage again, and takes in what is new there. */
  adopt(): Promise<void>;
  /** Storage was never seen with anything in it. */
  readonly isUnseen: boolean;
  /** The replica was given updates that the main thread hasn't got. */
  taken(updates: readonly Uint8Array[]): void;
  /** Runs `join`, which joins these of the server's to the replica. */
  theirs(local: StoredReplica, envelopes: readonly Uint8Array[], join: () => void): void;
  /** An envelope of another tab is in storage. True when the server has it. */
  takeUp(envelope: StoredEnvelope): boolean;
  synced(acknowledged: readonly Acknowledgement[]): void;
  /** Another tab has gone on to another incarnation. */
  reincarnated(): void;
  /** No other tab has it open any more. */
  maybeRelease(): void;
  /** This tab leads no more. */
  follow(): void;
  failed(error: unknown): void;
}

/** What was known to be stored and unsynced before storage was read. */
export interface BeforeRead {
  readonly durable: readonly OutboxEntry[];
  readonly repairs: number | undefined;
  /** Other tabs have told what is in storage while this one had never seen anything in it. */
  readonly isUnseen: boolean;
}

export class TabNews {
  readonly #context: TabNewsContext;
  #early: TabItem[] = [];
  #looks = false;
  /** See `BeforeRead`. */
  #isUnseen = false;
  /** What other tabs wait for; undefined: none has asked since the document began to be loaded. */
  #asked: Map<bigint, number> | undefined;

  constructor(context: TabNewsContext) {
    this.#context = context;
  }

  /** It remembers nothing that another one would not know. */
  get isIdle(): boolean {
    return this.#early.length === 0 && !this.#looks && !this.#isUnseen && this.#asked === undefined;
  }

  // What this tab tells.

  /** Own envelopes are durable. */
  stored(envelopes: readonly Uint8Array[], at_ms: number, clockOffset_ms: number): void {
    if (envelopes.length === 0) return;
    this.#tell({ type: 'envelopes', local: true, at_ms, clockOffset_ms, envelopes });
  }

  /** The server has sent these. */
  received(envelopes: readonly Uint8Array[], at_ms: number): void {
    if (envelopes.length === 0) return;
    this.#tell({ type: 'envelopes', local: false, at_ms, clockOffset_ms: 0, envelopes });
  }

  /** Storage has something that was not told one by one. */
  changed(): void {
    this.#tell({ type: 'records', version: undefined });
  }

  acknowledged(acknowledged: readonly Acknowledgement[]): void {
    if (acknowledged.length > 0) this.#tell({ type: 'synced', acknowledged });
  }

  // What others tell.

  /** The document is loaded. */
  loaded(): void {
    const early = this.#early;
    this.#early = [];
    if (this.#looks) this.look();
    for (const item of early) this.news(item);
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked !== undefined) this.answer({ document: this.#context.document, awaited: [...asked] });
  }

  news(item: TabItem): void {
    const { local } = this.#context;
    if (local === undefined) {
      if (this.#early.length < earlyLimit_count) this.#early.push(item);
      else this.#looks = true;
      return;
    }
    const { present } = this.#context;
    if (!isSameIncarnation(item, present)) {
      // In one incarnation one of the two has what storage will not take: which, storage tells.
      if (item.incarnation === present.incarnation) this.look();
      else if (item.incarnation > present.incarnation) this.#context.reincarnated();
      return;
    }
    switch (item.type) {
      case 'envelopes':
        this.#take(local, item);
        break;
      case 'records':
        if (item.version === undefined || !covers(local, decodeVersion(item.version))) this.look();
        break;
      case 'synced':
        this.#context.synced(item.acknowledged);
        break;
    }
  }

  /** Another tab has it open: tells it what it may have missed. To the leader only. */
  answer({ awaited }: Hold): void {
    const { local } = this.#context;
    if (local === undefined) {
      this.#asked ??= new Map();
      for (const [agent, to] of awaited) this.#asked.set(agent, Math.max(to, this.#asked.get(agent) ?? 0));
      return;
    }
    if (covers(local, new Map(awaited))) this.#answerNow(awaited);
    else {
      this.#context.adopt().then(
        () => this.#answerNow(awaited),
        (error: unknown) => this.#context.failed(error),
      );
    }
  }

  /** Storage is about to be read: gives what `read` takes. */
  beforeRead(): BeforeRead {
    const { local, outbox } = this.#context;
    return { durable: outbox.durable, repairs: local?.repairs, isUnseen: this.#isUnseen };
  }

  /**
   * Storage was read, and merged. What was in it before and is not there any more as unsynced was acknowledged: another tab
   * was told so, and didn't live to pass it on.
   */
  read({ durable, repairs, isUnseen }: BeforeRead, stored: StoredDocument): void {
    // A record that was set aside is not there either.
    if (stored.repairs !== repairs) return;
    const { outbox, tabs } = this.#context;
    const unsynced = new Set(stored.log.filter(({ acknowledged }) => !acknowledged).map(keyOf));
    const synced = durable.filter((entry) => outbox.has(entry) && !unsynced.has(keyOf(entry)));
    if (isUnseen) {
      this.#isUnseen = false;
      // It may have been emptied since they were told, and filled by another tab.
      outbox.doubt(synced);
      return;
    }
    const acknowledged = synced.map(({ agent, to }) => ({ agent, to, position: 0 }));
    // Who asked before this was read could not be answered, and the server doesn't say it once more.
    if (tabs.leads) this.acknowledged(acknowledged);
    if (synced.length > 0) this.#context.synced(acknowledged);
  }

  released(): void {
    this.#context.maybeRelease();
  }

  follow(): void {
    this.#context.follow();
  }

  /** Takes in what is new in storage. */
  look(): void {
    if (this.#context.local === undefined) {
      this.#looks = true;
      return;
    }
    this.#looks = false;
    this.#context.adopt().catch((error: unknown) => this.#context.failed(error));
  }

  #take(local: StoredReplica, item: Extract<TabItem, { readonly type: 'envelopes' }>): void {
    const { outbox } = this.#context;
    this.#context.entered(item.epoch);
    if (item.local && this.#context.isUnseen) this.#isUnseen = this.#looks = true;
    const before = decodeVersion(local.replica.version());
    const given: { readonly header: EnvelopeHeader; readonly bytes: Uint8Array }[] = [];
    try {
      for (const bytes of item.envelopes) given.push({ header: readEnvelope(bytes), bytes });
      const missing = given.filter(({ header }) => header.to > (before.get(header.agent) ?? 0));
      const envelopes = missing.map(({ bytes }) => bytes);
      if (item.local) local.take(envelopes);
      else this.#context.theirs(local, envelopes, () => local.take(envelopes));
    } catch (error) {
      if (!(error instanceof JoineryError)) throw error;
      // What is stored is checked; what this tab can't read in it is found out there.
      this.look();
      return;
    }
    const after = decodeVersion(local.replica.version());
    const fresh: Uint8Array[] = [];
    const synced: Acknowledgement[] = [];
    let isTaken = false;
    for (const { header, bytes } of given) {
      const { agent, from, to } = header;
      const { epoch, at_ms } = item;
      const known = { epoch, at_ms, clockOffset_ms: item.clockOffset_ms, own: item.local };
      const envelope = { agent, from, to, bytes, ...known, acknowledged: false, safe: !item.local };
      if (!item.local) {
        outbox.note({ agent, to, position: 0 });
        if (outbox.has(header)) synced.push({ agent, to, position: 0 });
      }
      if (to <= (before.get(agent) ?? 0)) {
        // Sent from memory, it may be at the server and come from there before it is stored: who stored it knows nothing of that.
        if (item.local && this.#context.tabs.leads) isTaken = !this.#context.takeUp(envelope) || isTaken;
        continue;
      }
      // Also what waits in this replica: it may join with something that is read, before it is in storage itself.
      fresh.push(bytes);
      // Something that it rests on was told by nobody.
      if (to > (after.get(agent) ?? 0)) this.#looks = true;
      else local.appended(bytes.length, !item.local || this.#context.takeUp(envelope));
    }
    if (fresh.length > 0 || isTaken) this.#context.taken(fresh);
    if (synced.length > 0) this.#context.synced(synced);
    if (this.#looks) this.look();
  }

  #answerNow(awaited: readonly (readonly [agent: bigint, to: number])[]): void {
    this.#context.afterStored(() => {
      const { local, outbox } = this.#context;
      if (local === undefined) return;
      const version = local.replica.version();
      this.#tell({ type: 'records', version });
      const has = decodeVersion(version);
      const acknowledged = awaited
        .filter(([agent, to]) => to <= (has.get(agent) ?? 0) && !outbox.lacks(agent, to))
        .map(([agent, to]) => ({ agent, to, position: outbox.acknowledgementOf({ agent, to })?.position ?? 0 }));
      this.acknowledged(acknowledged);
    });
  }

  #tell(item: Untold<TabItem>): void {
    const { document, present, tabs } = this.#context;
    tabs.tell({ ...item, document, ...present } as TabItem);
  }
}

/** An item without what they all have. */
type Untold<Item> = Item extends TabItem ? Omit<Item, 'document' | keyof IncarnationMark> : never;

function keyOf({ agent, from }: EnvelopeKey): string {
  return `${agent}:${from}`;
}

function covers(local: StoredReplica, version: ReadonlyMap<bigint, number>): boolean {
  const own = decodeVersion(local.replica.version());
  for (const [agent, to] of version) if (to > (own.get(agent) ?? 0)) return false;
  return true;
}
