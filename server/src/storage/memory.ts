/**
 * Documents in memory, with every guarantee of the contract but durability: for the simulator and for tests. It names
 * nothing of Node, so that it runs wherever the rest of the server's logic does. Several servers may share one.
 */

import { type Bridge, everythingSafe, JoineryError, spaceOf } from '@joinery/protocol';
import {
  type AgentHead,
  type Append,
  agentIsAsKnown,
  anotherUsersAgent,
  bridgesKept,
  type ChangesPage,
  type ChangesQuery,
  type ClosedAgents,
  type DocumentHead,
  documentDeleted,
  type Pulse,
  type ReadLimit,
  type Storage,
  type StoredSnapshot,
  type Trim,
} from './storage.ts';

interface MemoryDocument {
  epoch: number;
  base: number;
  /** The envelopes behind `base`. */
  log: Uint8Array[];
  agents: Map<bigint, AgentHead>;
  snapshot: StoredSnapshot | undefined;
  bridges: Bridge[];
  change: number;
  safe: { readonly epoch: number; readonly position: number };
  deleted: boolean;
}

/** What {@link MemoryStorage.backup} gives: to be restored with {@link MemoryStorage.restore}, and nothing else. */
export interface MemoryBackup {
  readonly documents: ReadonlyMap<string, Readonly<MemoryDocument>>;
}

/**
 * A storage in memory.
 *
 * @example
 * const storage = new MemoryStorage({ epoch: 1_000 });
 * const backup = storage.backup();
 * const restored = MemoryStorage.restore(backup, { epoch: 2_000_000 });
 */
export class MemoryStorage implements Storage {
  readonly #epoch: number;
  #documents = new Map<string, MemoryDocument>();
  #change: number;
  #backups = 0;
  #closed = false;

  /** @param options.epoch of documents that were never written to; change numbers begin there */
  constructor(options: { readonly epoch: number }) {
    this.#epoch = options.epoch;
    this.#change = options.epoch;
  }

  /**
   * The storage as it was when the backup was made, every document in this epoch.
   *
   * @param options.epoch above every epoch and change number that any client has seen
   */
  static restore(backup: MemoryBackup, options: { readonly epoch: number }): MemoryStorage {
    const storage = new MemoryStorage(options);
    const { epoch } = options;
    for (const [id, document] of backup.documents) {
      const copied = copyOf(document);
      for (const [agent, head] of copied.agents) {
        if (head.epoch === document.epoch) copied.agents.set(agent, { ...head, epoch });
      }
      copied.epoch = epoch;
      if (copied.snapshot !== undefined) copied.snapshot = { ...copied.snapshot, epoch };
      copied.safe = { epoch, position: copied.base + copied.log.length };
      if (copied.change > 0) copied.change = storage.#nextChange();
      storage.#documents.set(id, copied);
    }
    storage.#backups = 1;
    return storage;
  }

  /** Makes a backup: what it holds is safe from here on. */
  backup(): MemoryBackup {
    const documents = new Map(Array.from(this.#documents, ([id, document]) => [id, copyOf(document)]));
    for (const document of this.#documents.values()) {
      document.safe = { epoch: document.epoch, position: document.base + document.log.length };
    }
    this.#backups += 1;
    return { documents };
  }

  async head(id: string): Promise<DocumentHead> {
    this.#checkOpen();
    const document = this.#documents.get(id);
    const safe = this.#backups > 0 ? 0 : everythingSafe;
    if (document === undefined) {
      return { epoch: this.#epoch, head: 0, base: 0, snapshot: undefined, safe, deleted: false };
    }
    const { epoch, base, log, deleted } = document;
    const snapshot = document.snapshot && {
      position: document.snapshot.position,
      size_bytes: document.snapshot.bytes.length,
    };
    const held = document.safe.epoch === epoch ? document.safe.position : 0;
    return { epoch, head: base + log.length, base, snapshot, safe: safe === 0 ? held : safe, deleted };
  }

  async agents(id: string): Promise<Map<bigint, AgentHead>> {
    this.#checkOpen();
    return new Map(this.#documents.get(id)?.agents);
  }

  async load(id: string): Promise<{ head: DocumentHead; agents: Map<bigint, AgentHead> }> {
    // Asked for in one turn, so that both are of one moment.
    const [head, agents] = await Promise.all([this.head(id), this.agents(id)]);
    return { head, agents };
  }

  async append(appends: readonly Append[]): Promise<readonly ('committed' | 'stale')[]> {
    this.#checkOpen();
    for (const { envelopes } of appends) {
      for (const { bytes } of envelopes) if (!(bytes instanceof Uint8Array)) throw notBytes();
    }
    return appends.map((append) => this.#append(append));
  }

  async read(id: string, epoch: number, after: number, limit: ReadLimit): Promise<Uint8Array[]> {
    this.#checkOpen();
    const document = this.#documents.get(id);
    if (document === undefined || document.epoch !== epoch || after < document.base) return [];
    const read: Uint8Array[] = [];
    let total = 0;
    for (let index = after - document.base; index < document.log.length && read.length < limit.count; index += 1) {
      const bytes = document.log[index] as Uint8Array;
      total += bytes.length;
      if (total > limit.bytes && read.length > 0) break;
      read.push(bytes.slice());
    }
    return read;
  }

  async snapshot(id: string): Promise<StoredSnapshot | undefined> {
    this.#checkOpen();
    const snapshot = this.#documents.get(id)?.snapshot;
    return snapshot && { ...snapshot, bytes: snapshot.bytes.slice() };
  }

  async putSnapshot(id: string, { epoch, position, bytes }: StoredSnapshot): Promise<void> {
    this.#checkOpen();
    const document = this.#documents.get(id);
    if (document === undefined || document.epoch !== epoch || document.deleted) return;
    if (document.snapshot !== undefined && document.snapshot.position >= position) return;
    document.snapshot = { epoch, position, bytes: bytes.slice() };
  }

  async compact(id: string, epoch: number, upTo: number): Promise<number> {
    this.#checkOpen();
    const document = this.#documents.get(id);
    if (document === undefined) return 0;
    const { base, snapshot, log } = document;
    const isHeld = snapshot?.epoch === epoch && snapshot.position >= upTo;
    if (document.epoch !== epoch || upTo <= base || upTo > base + log.length || !isHeld) return base;
    document.log = log.slice(upTo - base);
    document.base = upTo;
    return upTo;
  }

  async closeAgents(id: string, agents: readonly bigint[], user: string): Promise<ClosedAgents> {
    this.#checkOpen();
    const known = this.#documents.get(id);
    if (known?.deleted) throw documentDeleted(id);
    const last = new Map<bigint, number>();
    if (agents.length === 0) return { epoch: known?.epoch ?? this.#epoch, last };
    for (const agent of agents) {
      const owner = known?.agents.get(agent)?.user;
      if (owner !== undefined && owner !== user) throw anotherUsersAgent();
    }
    const document = known ?? this.#insert(id);
    for (const agent of agents) {
      const head = document.agents.get(agent) ?? { seq: 0, epoch: document.epoch, position: 0, user, closed: true };
      document.agents.set(agent, { ...head, user: head.user ?? user, closed: true });
      last.set(agent, head.seq);
    }
    return { epoch: document.epoch, last };
  }

  async trim({ document: id, epoch, head, next, agent, seq, bridge, state }: Trim): Promise<'committed' | 'stale'> {
    this.#checkOpen();
    const document = this.#documents.get(id);
    if (document === undefined || document.deleted) return 'stale';
    if (document.epoch !== epoch || document.base + document.log.length !== head) return 'stale';
    document.bridges = [...document.bridges, { epoch, agent, bytes: bridge.slice() }].slice(-bridgesKept);
    document.epoch = next;
    document.base = 1;
    document.log = [];
    document.snapshot = { epoch: next, position: 1, bytes: state.slice() };
    document.agents.set(agent, { seq, epoch: next, position: 1, user: undefined, closed: true });
    document.change = this.#nextChange();
    return 'committed';
  }

  async bridges(id: string, from: number): Promise<Bridge[]> {
    this.#checkOpen();
    return this.#documents.get(id)?.bridges.filter(({ epoch }) => epoch >= from) ?? [];
  }

  async delete(id: string): Promise<boolean> {
    this.#checkOpen();
    const document = this.#documents.get(id) ?? this.#insert(id);
    if (document.deleted) return false;
    document.deleted = true;
    document.base = 0;
    document.log = [];
    document.agents.clear();
    document.snapshot = undefined;
    document.bridges = [];
    document.change = this.#nextChange();
    return true;
  }

  async changes({ space, after, limit }: ChangesQuery): Promise<ChangesPage> {
    this.#checkOpen();
    const known = after === 0 || (after >= this.#epoch && after <= this.#change);
    const from = known ? after : 0;
    const changed = [...this.#documents]
      .filter(([id, { change }]) => change > from && (space === undefined || spaceOf(id) === space))
      .sort(([, left], [, right]) => left.change - right.change);
    const page = changed.slice(0, limit);
    const entries = page.map(([document, { epoch, base, log, deleted }]) => {
      return { document, epoch, head: base + log.length, deleted };
    });
    const more = changed.length > limit;
    return { token: more ? (page.at(-1)?.[1].change ?? from) : this.#change, entries, more, restarted: !known };
  }

  async pulse(): Promise<Pulse> {
    this.#checkOpen();
    return { change: this.#change, backups: this.#backups };
  }

  async check(): Promise<void> {
    this.#checkOpen();
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  /** Opens it again, as after a restart of the server. */
  reopen(): this {
    this.#closed = false;
    return this;
  }

  #checkOpen(): void {
    if (this.#closed) throw new JoineryError('storage-failed', 'The storage is closed. Open it again.');
  }

  #insert(id: string): MemoryDocument {
    const document: MemoryDocument = {
      epoch: this.#epoch,
      base: 0,
      log: [],
      agents: new Map(),
      snapshot: undefined,
      bridges: [],
      change: 0,
      safe: { epoch: 0, position: 0 },
      deleted: false,
    };
    this.#documents.set(id, document);
    return document;
  }

  #nextChange(): number {
    this.#change += 1;
    return this.#change;
  }

  #append({ document: id, epoch, after, envelopes }: Append): 'committed' | 'stale' {
    const known = this.#documents.get(id);
    const head = known === undefined ? 0 : known.base + known.log.length;
    if ((known?.epoch ?? this.#epoch) !== epoch || head !== after || known?.deleted) return 'stale';
    if (envelopes.length === 0) return 'committed';
    const agents = new Map<bigint, AgentHead>();
    let position = after;
    for (const envelope of envelopes) {
      position += 1;
      const { agent, to } = envelope;
      const last = agents.get(agent) ?? known?.agents.get(agent);
      if (!agentIsAsKnown(last, envelope, epoch)) return 'stale';
      agents.set(agent, { seq: to, epoch, position, user: last?.user ?? envelope.user, closed: false });
    }
    const document = known ?? this.#insert(id);
    for (const { bytes } of envelopes) document.log.push(bytes.slice());
    for (const [agent, last] of agents) document.agents.set(agent, last);
    document.change = this.#nextChange();
    return 'committed';
  }
}

/** Stored bytes are never changed in place, so they may be shared. */
function copyOf(document: Readonly<MemoryDocument>): MemoryDocument {
  return {
    ...document,
    log: [...document.log],
    agents: new Map(document.agents),
    bridges: [...document.bridges],
  };
}

function notBytes(): JoineryError {
  return new JoineryError('storage-failed', {
    expected: 'envelopes as bytes',
    got: 'something else',
    remedy: 'Nothing of the call was stored.',
  });
}
