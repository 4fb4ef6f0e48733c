// This tab among the others of its origin that have the same data: who leads, what is new, who has what open. It moves
// messages and keeps count; what a leader does and what news mean is its owner's to know.
//
// There is one leader at a time, and every message is harmless when it comes twice, late, or from two leaders. What gets
// lost with a tab that ends is in storage, and the next leader looks there.

import type { Cancel, Channel, Environment, TabsEnvironment } from '../environment.ts';
import type { PresenceBody } from '../presence/relay.ts';
import { beat_ms, Leadership, type TermStore } from './leadership.ts';
import { Outgoing } from './outgoing.ts';
import { alive_ms, Peers } from './peers.ts';
import {
  foreignFormat,
  type Hold,
  type LeaderState,
  messageLimit_count,
  readTabMessage,
  type TabBody,
  type TabItem,
  type TabMessage,
  tabFormat,
  tabMessage,
} from './tab-message.ts';

/** A leader's state goes out at most so often. */
const stateSpacing_ms = 50;

export interface TabGroupOptions {
  readonly environment: Environment;
  /** Undefined where nothing is shared with other tabs: this one leads at once, and nobody hears it. */
  readonly tabs: TabsEnvironment | undefined;
  /** The same for all tabs that have the same data, and for no others. */
  readonly name: string;
  readonly terms: TermStore;
}

export interface TabGroupHost {
  /** This tab leads now. */
  lead(): void;
  /** It leads no more. */
  follow(): void;
  /** To followers: what the leader shows. */
  leaderState(state: LeaderState): void;
  news(items: readonly TabItem[]): void;
  /** Another tab has changed the rejected list. */
  rejections(): void;
  /** Others have stored more than they could tell. */
  overflow(): void;
  /** To the leader: another tab has these open, perhaps not for the first time. */
  held(holds: readonly Hold[]): void;
  /** To the leader: no other tab has these open any more. */
  released(documents: readonly string[]): void;
  /** To the leader: what others want of the connection may have changed; `again`: one of them wants it begun anew. */
  wishes(again: boolean): void;
  /** Messages about spaces and deletions. */
  spaces(message: SpaceBody): void;
  /** To followers: this is known to be deleted. */
  deleted(document: string): void;
  /** What tabs say of their presence. */
  presence(body: PresenceBody): void;
  /** To the leader: what others have open of spaces has changed; `opened` is what one of them has told just now. */
  spacesHeld(opened: readonly string[]): void;
  /** The user has signed out in another tab, which removes everything. */
  wiped(): void;
  /** A tab of another version of this code has said something that this one can't read. Told once. */
  foreign(isNewer: boolean): void;
  /** There is another leader: it has to know what this tab has open of spaces, and where it takes part. */
  introduce(): void;
  /** What this tab shows as a leader. */
  readonly state: LeaderState;
  /** What this tab has open. */
  holds(): Iterable<Hold>;
  /** Whether this tab wants to be connected. */
  readonly wantsConnection: boolean;
}

export type SpaceBody = Extract<TabBody, { readonly type: 'space' | 'delete' | 'deletion' }>;

export class TabGroup {
  #hasToldForeign = false;
  readonly #environment: Environment;
  readonly #tabs: TabsEnvironment | undefined;
  readonly #name: string;
  readonly #host: TabGroupHost;
  /** What this tab calls itself among them; empty where nothing is shared. */
  readonly tab: string;
  readonly #leadership: Leadership;
  readonly #peers: Peers;
  readonly #outgoing: Outgoing;
  #channel: Channel | undefined;
  /** The leader that knows what this tab holds. */
  #leader: string | undefined;
  #newHolds = new Map<string, Hold>();
  #newReleases = new Set<string>();
  #holdsDue = false;
  #toldState = '';
  #stateDue = false;
  #timers = new Set<Cancel>();
  #ended = false;

  constructor({ environment, tabs, name, terms }: TabGroupOptions, host: TabGroupHost) {
    this.#environment = environment;
    this.#tabs = tabs;
    this.#name = name;
    this.#host = host;
    this.tab = tabs === undefined ? '' : tabName(environment);
    this.#peers = new Peers(environment);
    this.#outgoing = new Outgoing(environment, (body) => this.post(body));
    const [locks, tab] = [tabs?.locks, this.tab];
    this.#leadership = new Leadership(
      { environment, locks, lock: `${name} leader`, tab, terms },
      {
        claiming: () => this.post({ type: 'beat', claims: true, state: undefined }),
        lead: () => this.#lead(),
        follow: () => this.#follow(),
      },
    );
  }

  get leads(): boolean {
    return this.#leadership.leads;
  }

  /** Whether another tab that lives wants to be connected. */
  get othersWantConnection(): boolean {
    return this.#peers.wantConnection;
  }

  /** Spaces that other tabs have open; known to leaders only. */
  get heldSpaces(): Iterable<string> {
    return this.#peers.spaces();
  }

  start(): void {
    this.#channel = this.#tabs?.channel(this.#name, (data) => this.#receive(data));
    this.post({ type: 'hello' });
    this.#leadership.start();
    if (this.#channel !== undefined) this.#aliveLater();
  }

  /** Whether another tab has it open. Known to leaders only. */
  isHeld(document: string): boolean {
    return this.#peers.isHeld(document);
  }

  tell(item: TabItem): void {
    if (this.#channel !== undefined) this.#outgoing.tell(item);
  }

  /** This tab has a document open now, or waits for more of it. */
  hold(hold: Hold): void {
    if (this.#leader === undefined) return;
    this.#newReleases.delete(hold.document);
    this.#newHolds.set(hold.document, hold);
    this.#holdsSoon();
  }

  release(document: string): void {
    if (this.#leader === undefined) return;
    this.#newHolds.delete(document);
    this.#newReleases.add(document);
    this.#holdsSoon();
  }

  /** What this tab wants of the connection has changed; `again`: it is to be begun anew. */
  wish(again: boolean): void {
    if (this.leads) return;
    this.#alive();
    if (again) this.post({ type: 'connect' });
  }

  /** What a leader shows may have changed. */
  stateChanged(): void {
    if (this.#stateDue || !this.#leadership.isElected || this.#peers.size === 0) return;
    this.#stateDue = true;
    this.#timer(() => {
      this.#stateDue = false;
      this.#tellState(false);
    }, stateSpacing_ms);
  }

  end(): void {
    if (this.#ended) return;
    this.post({ type: 'bye' });
    this.#ended = true;
    this.#leadership.stop();
    this.#outgoing.stop();
    for (const cancel of this.#timers) cancel();
    this.#channel?.close();
  }

  #lead(): void {
    this.#leader = undefined;
    this.#newHolds.clear();
    this.#newReleases.clear();
    this.#host.lead();
    if (!this.#leadership.isElected) return;
    this.#tellState(true);
    this.#beatLater();
  }

  #follow(): void {
    this.#peers.clear();
    this.#host.follow();
  }

  #foreign(data: unknown): void {
    const format = foreignFormat(data);
    if (format === undefined || this.#hasToldForeign) return;
    this.#hasToldForeign = true;
    this.#host.foreign(format > tabFormat);
  }

  #receive(data: unknown): void {
    const message = readTabMessage(data);
    if (message === undefined && !this.#ended) this.#foreign(data);
    if (this.#ended || message === undefined || message.tab === this.tab) return;
    if (message.type === 'beat') this.#beat(message);
    else if (message.type === 'news') this.#host.news(message.items);
    else if (message.type === 'overflow') this.#host.overflow();
    else if (message.type === 'rejections') this.#host.rejections();
    else if (message.type === 'wiped') this.#host.wiped();
    else if (message.type === 'presence' || message.type === 'presence-open') this.#host.presence(message);
    else if (message.type === 'deleted') {
      // One that was replaced may not have heard that the server has it again.
      if (!this.leads && !this.#leadership.isReplaced(message)) this.#host.deleted(message.document);
    } else if (message.type === 'space') {
      // Who reads what one that was replaced has stored would forget what the next one has told.
      if (!this.#leadership.isReplaced(message)) this.#host.spaces(message);
    } else if (message.type === 'delete' || message.type === 'deletion') {
      this.#host.spaces(message);
    } else if (message.type === 'ask') {
      if (message.to === this.tab && !this.leads) this.#introduce();
    } else if (this.#leadership.isElected) this.#serve(message);
  }

  /** A leader, or one that will be, is there. */
  #beat({ tab, term, claims, state }: TabMessage & { readonly type: 'beat' }): void {
    if (!this.#leadership.heard({ tab, term }, claims)) {
      // So that one that was replaced gets to know it.
      if (this.#leadership.isElected) this.#tellState(true);
      return;
    }
    if (claims || this.leads) return;
    if (this.#leader !== tab) {
      this.#leader = tab;
      this.#introduce();
    }
    if (state !== undefined) this.#host.leaderState(state);
  }

  /** What a follower says to its leader. */
  #serve(message: TabMessage): void {
    const { tab } = message;
    if (message.type === 'bye') {
      this.#host.released(this.#peers.remove(tab));
      this.#host.spacesHeld([]);
      this.#host.wishes(false);
      return;
    }
    const isNew = this.#peers.heard(tab);
    switch (message.type) {
      case 'hello':
        this.#tellState(true);
        return;
      case 'alive':
        this.#peers.wishes(tab, message.connected);
        this.#host.wishes(false);
        if (isNew && !message.introduces) {
          // It was silent for so long that what it holds was forgotten.
          this.post({ type: 'ask', to: tab });
          this.#tellState(true);
        }
        return;
      case 'connect':
        this.#host.wishes(true);
        return;
      case 'hold':
        for (const { document } of message.holds) this.#peers.hold(tab, document);
        this.#host.held(message.holds);
        return;
      case 'spaces':
        this.#peers.holdSpaces(tab, message.spaces);
        this.#host.spacesHeld(message.spaces);
        return;
      case 'release':
        this.#host.released(message.documents.filter((document) => this.#peers.release(tab, document)));
    }
  }

  /** Tells a leader all that it has to know of this tab. */
  #introduce(): void {
    this.#alive(true);
    this.#host.introduce();
    this.#newHolds.clear();
    this.#newReleases.clear();
    for (const hold of this.#host.holds()) this.#newHolds.set(hold.document, hold);
    this.#holdsSoon();
  }

  #holdsSoon(): void {
    if (this.#holdsDue) return;
    this.#holdsDue = true;
    this.#environment.microtask(() => {
      this.#holdsDue = false;
      const [holds, documents] = [[...this.#newHolds.values()], [...this.#newReleases]];
      this.#newHolds.clear();
      this.#newReleases.clear();
      for (const some of pieces(documents)) this.post({ type: 'release', documents: some });
      for (const some of pieces(holds)) this.post({ type: 'hold', holds: some });
    });
  }

  #alive(introduces = false): void {
    this.post({ type: 'alive', connected: this.#host.wantsConnection, introduces });
  }

  #aliveLater(): void {
    this.#timer(() => {
      if (this.#leadership.isElected) {
        this.#host.released(this.#peers.expire());
        this.#host.spacesHeld([]);
        this.#host.wishes(false);
      } else if (!this.leads) this.#alive();
      this.#aliveLater();
    }, alive_ms);
  }

  #beatLater(): void {
    const { term } = this.#leadership;
    this.#timer(() => {
      if (!this.#leadership.isElected || this.#leadership.term !== term) return;
      if (this.#peers.size > 0) this.#tellState(false, true);
      this.#beatLater();
    }, beat_ms);
  }

  /** The state where it is `wanted` or has changed; without it at least that somebody leads, for a `beat`. */
  #tellState(wanted: boolean, beat = false): void {
    if (!this.#leadership.isElected) return;
    const { state } = this.#host;
    const text = JSON.stringify(state);
    if (wanted || text !== this.#toldState) {
      this.#toldState = text;
      this.post({ type: 'beat', claims: false, state });
    } else if (beat) this.post({ type: 'beat', claims: false, state: undefined });
  }

  post(body: TabBody): void {
    if (this.#ended) return;
    const term = this.#leadership.isElected ? this.#leadership.term : 0;
    this.#channel?.post(tabMessage(body, this.tab, term));
  }

  #timer(run: () => void, delay_ms: number): void {
    const cancel = this.#environment.timer(() => {
      this.#timers.delete(cancel);
      if (!this.#ended) run();
    }, delay_ms);
    this.#timers.add(cancel);
  }
}

function* pieces<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += messageLimit_count) yield items.slice(at, at + messageLimit_count);
}

/** 64 random bits. */
function tabName(environment: Environment): string {
  const bytes = new Uint8Array(8);
  environment.randomBytes(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
