// The server's database: the server's own storage in memory behind a disk that takes its time and may fail. It outlives every
// node, and several may share it. It keeps its promises (what it commits is durable and whole); a node that dies never hears
// of what it had asked for, and it may be done or not.

import { JoineryError } from '@joinery/protocol';
import { decodeVersion, Replica } from 'joinery/core';
import { type MemoryBackup, MemoryStorage } from '../../../server/src/storage/memory.ts';
import type { Append, Storage, Trim } from '../../../server/src/storage/storage.ts';
import type { Log } from '../log.ts';
import { type Random, stream } from '../random.ts';
import type { Timeline } from '../timeline.ts';

/** A node of the server. */
export interface DatabaseUser {
  readonly alive: boolean;
}

const everything = { bytes: Number.POSITIVE_INFINITY, count: Number.POSITIVE_INFINITY };

export class Database {
  readonly #timeline: Timeline;
  readonly #log: Log;
  readonly #random: Random;
  #epoch = 0;
  #storage: MemoryStorage;
  #backup: MemoryBackup | undefined;
  /** Documents that were trimmed since the backup. */
  #trimmed = new Set<string>();
  /** Documents that are deleted. */
  readonly #deletedNow = new Set<string>();
  /** Those that were deleted since the backup. */
  #deleted = new Set<string>();
  #lastApply_ms = 0;
  state: 'working' | 'failing' | 'slow' = 'working';

  constructor(timeline: Timeline, log: Log, seed: number) {
    this.#timeline = timeline;
    this.#log = log;
    this.#random = stream(seed, 'database');
    this.#storage = new MemoryStorage({ epoch: this.nextEpoch() });
  }

  /** Above all that were ever given, with room for the change numbers of a whole run. */
  nextEpoch(): number {
    this.#epoch += 1_000_000;
    return this.#epoch;
  }

  /** 64 bits, for an agent. */
  agent(): bigint {
    const half = (): bigint => BigInt(Math.floor(this.#random() * 2 ** 32));
    return (half() << 32n) | half() | 1n;
  }

  /** The database as one node uses it. */
  storage(user: DatabaseUser): Storage {
    // A node that dies takes its view with it: what it still does is done to the database that it knew.
    const storage = this.#storage;
    const call = async <Result>(run: () => Promise<Result>): Promise<Result> => {
      await this.#turn(user);
      const result = await run();
      await this.#answer(user);
      return result;
    };
    return {
      head: (document) => call(() => storage.head(document)),
      agents: (document) => call(() => storage.agents(document)),
      load: (document) => call(() => storage.load(document)),
      append: (appends) => call(() => this.#append(storage, appends)),
      read: (document, epoch, after, limit) => call(() => storage.read(document, epoch, after, limit)),
      snapshot: (document) => call(() => storage.snapshot(document)),
      putSnapshot: (document, snapshot) => call(() => storage.putSnapshot(document, snapshot)),
      closeAgents: (document, agents, owner) => call(() => storage.closeAgents(document, agents, owner)),
      compact: (document, epoch, upTo) => call(() => storage.compact(document, epoch, upTo)),
      trim: (trim) => call(() => this.#trim(storage, trim)),
      bridges: (document, from) => call(() => storage.bridges(document, from)),
      delete: (document) => call(() => this.#delete(storage, document)),
      changes: (query) => call(() => storage.changes(query)),
      pulse: () => call(() => storage.pulse()),
      check: () => call(() => storage.check()),
      close: () => Promise.resolve(),
    };
  }

  /** Everything that stands for a document: its first state where it has one, and the envelopes behind it. */
  async contents(document: string): Promise<Uint8Array[]> {
    const { epoch, base } = await this.#storage.head(document);
    const snapshot = base > 0 ? await this.#storage.snapshot(document) : undefined;
    const log = await this.#storage.read(document, epoch, snapshot?.position ?? 0, everything);
    return snapshot === undefined ? log : [snapshot.bytes, ...log];
  }

  /** Whether the document is deleted, as nodes would be told it now. */
  isDeleted(document: string): boolean {
    return this.#deletedNow.has(document);
  }

  /** The documents of a space. */
  async listed(space: string): Promise<string[]> {
    const { entries } = await this.#storage.changes({ space, after: 0, limit: Number.POSITIVE_INFINITY });
    return entries.flatMap(({ document, deleted }) => (deleted ? [] : [document])).sort();
  }

  /** Whether a backup was ever made. */
  get hasBackup(): boolean {
    return this.#backup !== undefined;
  }

  /** Puts a copy of everything aside. */
  backUp(): void {
    this.#backup = this.#storage.backup();
    this.#trimmed.clear();
    this.#deleted.clear();
  }

  /** Goes back to the copy, if there is one. No node may run meanwhile. */
  restore(): boolean {
    if (this.#backup === undefined) return false;
    this.#storage = MemoryStorage.restore(this.#backup, { epoch: this.nextEpoch() });
    this.#log.add({ type: 'restored', undoneTrims: [...this.#trimmed], undoneDeletions: [...this.#deleted] });
    for (const document of this.#deleted) this.#deletedNow.delete(document);
    this.#trimmed.clear();
    this.#deleted.clear();
    return true;
  }

  async #append(storage: MemoryStorage, appends: readonly Append[]): Promise<readonly ('committed' | 'stale')[]> {
    const answers = await storage.append(appends);
    for (const [index, { document, epoch, after, envelopes }] of appends.entries()) {
      if (answers[index] !== 'committed') continue;
      for (const [offset, { agent, from, to, user }] of envelopes.entries()) {
        const position = after + offset + 1;
        this.#log.add({ type: 'committed', document, epoch, position, user, agent, from, to });
      }
    }
    return answers;
  }

  async #trim(storage: MemoryStorage, trim: Trim): Promise<'committed' | 'stale'> {
    const { document, agent, seq, bridge } = trim;
    const { head, safe } = await storage.head(document);
    const answer = await storage.trim(trim);
    if (answer === 'committed') {
      // The authors' own envelopes end with the epoch: nobody could bring back what the backup lacks.
      if (safe < head) {
        const message = `${document} was trimmed at ${head}, and the backup holds it up to ${safe}`;
        this.#log.add({ type: 'fault', where: 'server', message });
      }
      this.#trimmed.add(document);
      this.#log.add({ type: 'trimmed', document, agent, seq, version: versionOf(bridge) });
    }
    return answer;
  }

  async #delete(storage: MemoryStorage, document: string): Promise<boolean> {
    const isNew = await storage.delete(document);
    // A node that went down for a restore does it to the database that is gone.
    if (isNew && storage === this.#storage) {
      this.#deleted.add(document);
      this.#deletedNow.add(document);
      this.#log.add({ type: 'deleted', document });
    }
    return isNew;
  }

  #turn(user: DatabaseUser): Promise<void> {
    return new Promise((resolve, reject) => {
      const failing = this.state === 'failing';
      this.#lastApply_ms = Math.max(this.#lastApply_ms, this.#timeline.now_ms + this.#latency_ms());
      const survives = this.#random() < 0.5;
      this.#timeline.after(this.#lastApply_ms - this.#timeline.now_ms, () => {
        if (!user.alive && !survives) return;
        if (failing) reject(new JoineryError('storage-failed', 'The simulated database fails. Try again.'));
        else resolve();
      });
    });
  }

  #answer(user: DatabaseUser): Promise<void> {
    return new Promise((resolve) => {
      this.#timeline.after(this.#latency_ms(), () => {
        if (user.alive) resolve();
      });
    });
  }

  #latency_ms(): number {
    const random = this.#random();
    return this.state === 'slow' ? 20 + random * 400 : random * 5;
  }
}

function versionOf(snapshot: Uint8Array): ReadonlyMap<bigint, number> {
  const replica = Replica.load(snapshot, { now: () => 0, trustStamps: true });
  try {
    return decodeVersion(replica.version());
  } finally {
    replica.free();
  }
}
