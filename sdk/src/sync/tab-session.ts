// The session with the server, as one tab of several has it: the tab that leads runs it for all, the others learn from the
// leader what they would have learned from the server. It starts and ends the session, and carries news between the
// engine's documents and the other tabs. What a document does with them is in `tab-news.ts`.

import type { Environment } from '../environment.ts';
import type { Relay } from '../presence/relay.ts';
import type { DocumentStore, Namespace } from '../storage/storage.ts';
import { TabGroup } from '../tabs/tab-group.ts';
import type { Hold, LeaderState, TabBody, TabItem } from '../tabs/tab-message.ts';
import type { EngineSpaces } from './engine-spaces.ts';
import { SessionDriver, type SessionHost, type SessionOptions } from './session-driver.ts';
import type { DocumentTabs, TabNews } from './tab-news.ts';

/** A new leader brings so many documents up to date with storage at a time. */
const catchUpAtOnce = 8;
const termKey = 'leader-term';

/** What the session needs of its engine, beside what any session does. */
export interface TabSessionHost extends SessionHost {
  readonly spaces: EngineSpaces | undefined;
  readonly presence: Relay;
  readonly documents: ReadonlyMap<string, TabDocument>;
  /** For another tab. */
  open(document: string): TabDocument;
  /** This tab leads from now on: what no tab has open and isn't synced is its business too. */
  lead(): void;
  /** It leads no more. */
  follow(): void;
  /** Another tab has changed the rejected list. */
  rejections(): void;
  /** The user has signed out in another tab, which removes everything. */
  wiped(): void;
  /** Another tab runs another version of this code, which this one doesn't understand. */
  foreign(isNewer: boolean): void;
  /** Takes its place among the tabs of this channel, by this name. */
  joined(channel: string, tab: string): void;
  /** What the leader shows is to be shown here. */
  leaderState(state: LeaderState): void;
  /** What this tab shows as a leader. */
  readonly state: LeaderState;
}

/** A document of the engine, as the tabs need it. */
export interface TabDocument {
  readonly hold: Hold;
  readonly tabs: TabNews;
  /** Another tab has it open. */
  held(): void;
  /** The server has said before that it is deleted. */
  knownDeleted(): void;
  /** This tab leads now: brings the document up to date with storage, and gives it to the session. */
  lead(): Promise<void>;
}

export class TabSession implements DocumentTabs {
  readonly #options: SessionOptions;
  readonly #environment: Environment;
  readonly #host: TabSessionHost;
  #driver: SessionDriver;
  #group: TabGroup | undefined;
  #wanted = false;
  #connects = false;
  #online: boolean;
  #closed = false;

  constructor(options: SessionOptions, host: TabSessionHost) {
    this.#options = options;
    this.#environment = options.environment;
    this.#host = host;
    this.#online = true;
    this.#driver = this.#idle();
  }

  /** The session of this time of leading; one that takes everything and does nothing while this tab doesn't lead. */
  get driver(): SessionDriver {
    return this.#driver;
  }

  get leads(): boolean {
    return this.#group?.leads ?? false;
  }

  /** Storage is open: takes its place among the tabs. `shared`: they have the same data in it. */
  start(store: DocumentStore, namespace: Namespace, shared: boolean): void {
    const { environment } = this.#options;
    const name = JSON.stringify(['joinery', namespace.server, namespace.user, namespace.name]);
    const tabs = shared ? environment.tabs : undefined;
    const terms = {
      raise: async (known: number) => {
        const more = (bytes: Uint8Array | undefined) => encodeTerm(Math.max(known, decodeTerm(bytes)) + 1);
        return decodeTerm(await store.changeValue(termKey, more));
      },
    };
    const session = this;
    this.#group = new TabGroup(
      { environment, tabs, name, terms },
      {
        lead: () => this.#lead(),
        follow: () => this.#follow(),
        leaderState: (state) => this.#host.leaderState(state),
        news: (items) => this.#news(items),
        rejections: () => this.#host.rejections(),
        overflow: () => {
          this.#host.rejections();
          for (const document of this.#host.documents.values()) document.tabs.look();
        },
        held: (holds) => {
          for (const hold of holds) {
            this.#guard(() => {
              const document = this.#host.open(hold.document);
              document.tabs.answer(hold);
              document.held();
            });
          }
        },
        released: (documents) => {
          for (const document of documents) {
            this.#host.presence.released(document);
            this.#host.documents.get(document)?.tabs.released();
          }
        },
        deleted: (document) => this.#guard(() => this.#host.documents.get(document)?.knownDeleted()),
        spaces: (message) => this.#guard(() => this.#host.spaces?.receive(message)),
        spacesHeld: (opened) => {
          this.#host.spaces?.refollow();
          this.#host.spaces?.opened(opened);
        },
        wiped: () => this.#host.wiped(),
        foreign: (isNewer) => this.#host.foreign(isNewer),
        introduce: () => {
          this.#host.spaces?.introduce();
          this.#host.presence.introduce();
        },
        presence: (body) => this.#guard(() => this.#host.presence.fromTab(body)),
        wishes: (again) => this.#connectIfWanted(again),
        get state(): LeaderState {
          return session.#host.state;
        },
        holds: () => this.#holds(),
        get wantsConnection(): boolean {
          return session.#wanted;
        },
      },
    );
    if (tabs !== undefined) this.#host.joined(name, this.#group.tab);
    this.#group.start();
  }

  connect(): void {
    this.#wanted = true;
    if (this.leads) this.#connectIfWanted(true);
    else this.#group?.wish(true);
  }

  disconnect(): void {
    this.#wanted = false;
    if (this.leads) this.#connectIfWanted(false);
    else this.#group?.wish(false);
  }

  network(online: boolean): void {
    this.#online = online;
    this.#driver.network(online);
  }

  tell(item: TabItem): void {
    this.#group?.tell(item);
  }

  isHeld(document: string): boolean {
    return this.#group?.isHeld(document) === true || this.#host.spaces?.isFetching(document) === true;
  }

  /** Spaces that other tabs have open; known to leaders only. */
  get heldSpaces(): Iterable<string> {
    return this.#group?.heldSpaces ?? [];
  }

  post(body: TabBody): void {
    this.#group?.post(body);
  }

  hold(hold: Hold): void {
    this.#group?.hold(hold);
  }

  release(document: string): void {
    this.#group?.release(document);
  }

  /** What this tab shows as a leader may have changed. */
  stateChanged(): void {
    this.#group?.stateChanged();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#group?.end();
    this.#driver.close();
  }

  #lead(): void {
    this.#driver = new SessionDriver(this.#options, this.#host);
    this.#connects = false;
    if (!this.#online) this.#driver.network(false);
    this.#host.lead();
    this.#host.spaces?.lead();
    this.#catchUp();
    this.#connectIfWanted(false);
  }

  #follow(): void {
    this.#driver.close();
    this.#driver = this.#idle();
    this.#host.follow();
    this.#host.spaces?.follow();
    for (const document of this.#host.documents.values()) document.tabs.follow();
  }

  /** What others did while this tab followed is in storage, and so is where the session goes on. */
  #catchUp(): void {
    const { driver } = this;
    const documents = this.#host.documents.values();
    const next = async (): Promise<void> => {
      for (const document of documents) {
        if (this.driver !== driver) return;
        await document.lead();
      }
    };
    for (let count = 0; count < catchUpAtOnce; count += 1) {
      next().catch((error: unknown) => this.#host.broken(error));
    }
  }

  #connectIfWanted(again: boolean): void {
    if (this.#closed || !this.leads) return;
    const wanted = this.#wanted || this.#group?.othersWantConnection === true;
    if (wanted && (again || !this.#connects)) {
      if (again) this.#host.failed(undefined);
      this.#driver.connect();
    } else if (!wanted && this.#connects) this.#driver.disconnect();
    this.#connects = wanted;
  }

  #news(items: readonly TabItem[]): void {
    for (const item of items) {
      let document = this.#host.documents.get(item.document);
      // It has to be brought to the server, whoever has it open.
      const isWritten = item.type === 'records' || (item.type === 'envelopes' && item.local);
      if (isWritten) this.#host.spaces?.written(item.document);
      if (document === undefined && this.leads && isWritten) document = this.#host.open(item.document);
      if (document !== undefined) this.#guard(() => document.tabs.news(item));
    }
  }

  *#holds(): Generator<Hold> {
    for (const document of this.#host.documents.values()) yield document.hold;
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#host.broken(error);
    }
  }

  #idle(): SessionDriver {
    const driver = new SessionDriver(this.#options, this.#host);
    driver.close();
    return driver;
  }
}

/** Little-endian, 8 bytes. */
function encodeTerm(term: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(term), true);
  return bytes;
}

/** What can't be read is no term at all. */
function decodeTerm(bytes: Uint8Array | undefined): number {
  if (bytes?.length !== 8) return 0;
  const term = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return Number.isSafeInteger(term) ? term : 0;
}
