/**
 * Documents in one SQLite file (`joinery.sqlite` in the data folder): write-ahead log, `synchronous=FULL`, so a commit is on
 * the disk before it is acknowledged. The settings are read back at start, for a database that ignores them would lose
 * what was acknowledged. One server owns a folder: a lock that dies with its process keeps a second one out.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Bridge, everythingSafe, JoineryError, spaceOf } from '@joinery/protocol';
import { SqliteDatabase, type SqliteStatement } from './sqlite-database.ts';
import { metaOf, prepareTables } from './sqlite-schema.ts';
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

/** The documents' file in a data folder. */
export const fileName = 'joinery.sqlite';
/** Another process (a backup) may hold the file for so long. */
export const busyTimeout_ms = 10_000;

interface DocumentRow {
  readonly number: number;
  readonly epoch: number;
  readonly head: number;
  readonly base: number;
  readonly safeEpoch: number;
  readonly safe: number;
  readonly deleted: boolean;
}

/**
 * Opens the storage in a folder, which is made if it isn't there.
 *
 * @throws JoineryError `storage-locked` when another server uses the folder; `storage-corrupt` or `storage-failed` when
 *   the file can't be used.
 */
export function openSqliteStorage(folder: string): Storage {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new JoineryError('storage-failed', `The data folder ${folder} can't be made. Choose another one.`, {
      cause: error,
    });
  }
  const lock = lockFolder(folder);
  try {
    return new SqliteStorage(new SqliteDatabase(join(folder, fileName)), lock);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/**
 * The lock is an exclusive transaction on a file of its own: the operating system ends it with the process, however
 * that dies, and the documents' file stays readable for others (backups, `sqlite3`).
 */
export function lockFolder(folder: string): SqliteDatabase {
  const lock = new SqliteDatabase(join(folder, 'joinery.lock'));
  try {
    lock.execute('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (error instanceof JoineryError && error.code !== 'storage-locked') throw error;
    throw new JoineryError(
      'storage-locked',
      {
        expected: 'a data folder that no other server uses',
        got: `${folder}, which one uses now`,
        remedy: 'Stop the other server, or choose another folder (JOINERY_DATA).',
      },
      { cause: error },
    );
  }
}

class SqliteStorage implements Storage {
  readonly #database: SqliteDatabase;
  readonly #lock: SqliteDatabase;
  readonly #epoch: number;
  readonly #statements: ReturnType<typeof prepareStatements>;

  constructor(database: SqliteDatabase, lock: SqliteDatabase) {
    this.#database = database;
    this.#lock = lock;
    database.pragma(`busy_timeout = ${busyTimeout_ms}`);
    requireSetting(database, 'journal_mode', 'WAL', 'wal');
    requireSetting(database, 'synchronous', 'FULL', 2);
    this.#epoch = prepareTables(database).epoch;
    this.#statements = prepareStatements(database);
  }

  async head(document: string): Promise<DocumentHead> {
    return this.#head(document);
  }

  async agents(document: string): Promise<Map<bigint, AgentHead>> {
    return this.#agents(document);
  }

  async load(document: string): Promise<{ head: DocumentHead; agents: Map<bigint, AgentHead> }> {
    // Both are read without a break in this process, and no other one writes documents.
    return { head: this.#head(document), agents: this.#agents(document) };
  }

  async append(appends: readonly Append[]): Promise<readonly ('committed' | 'stale')[]> {
    return this.#database.transaction(() => appends.map((append) => this.#append(append)));
  }

  async read(document: string, epoch: number, after: number, limit: ReadLimit): Promise<Uint8Array[]> {
    const row = this.#row(document);
    if (row === undefined || (epoch === row.epoch && after < row.base)) return [];
    let last = after;
    let total = 0;
    for (const [position, size] of this.#statements.sizes.all(row.number, epoch, after, limit.count)) {
      total += Number(size);
      if (total > limit.bytes && last > after) break;
      last = Number(position);
    }
    return this.#statements.bytes.all(row.number, epoch, after, last).map(([bytes]) => bytesOf(bytes));
  }

  async snapshot(document: string): Promise<StoredSnapshot | undefined> {
    const row = this.#row(document);
    if (row === undefined) return undefined;
    const [found] = this.#statements.snapshot.all(row.number);
    if (found === undefined) return undefined;
    const [epoch, position, bytes] = found;
    return { epoch: Number(epoch), position: Number(position), bytes: bytesOf(bytes) };
  }

  async putSnapshot(document: string, { epoch, position, bytes }: StoredSnapshot): Promise<void> {
    this.#database.transaction(() => {
      const row = this.#row(document);
      // A document without a log needs none; of an epoch that has ended meanwhile nothing may come back.
      if (row?.epoch === epoch && !row.deleted) this.#statements.putSnapshot.run(row.number, epoch, position, bytes);
    });
  }

  async compact(document: string, epoch: number, upTo: number): Promise<number> {
    return this.#database.transaction(() => {
      const row = this.#row(document);
      if (row === undefined) return 0;
      if (row.epoch !== epoch || row.deleted || upTo <= row.base || upTo > row.head) return row.base;
      const [snapshot] = this.#statements.snapshotSize.all(row.number, epoch);
      if (snapshot === undefined || Number(snapshot[0]) < upTo) return row.base;
      this.#statements.compactLog.run(row.number, upTo);
      this.#statements.setBase.run(upTo, row.number);
      return upTo;
    });
  }

  async closeAgents(document: string, agents: readonly bigint[], user: string): Promise<ClosedAgents> {
    return this.#database.transaction(() => {
      const row = this.#row(document);
      if (row?.deleted) throw documentDeleted(document);
      const epoch = row?.epoch ?? this.#epoch;
      const last = new Map<bigint, number>();
      // Asking for none must write nothing.
      if (agents.length === 0) return { epoch, last };
      const number = row?.number ?? this.#insert(document, epoch);
      for (const agent of agents) {
        const known = this.#agent(number, agent);
        if (known?.user !== undefined && known.user !== user) throw anotherUsersAgent();
        this.#statements.closeAgent.run(number, agentBytes(agent), epoch, user);
        last.set(agent, known?.seq ?? 0);
      }
      return { epoch, last };
    });
  }

  async trim(trim: Trim): Promise<'committed' | 'stale'> {
    return this.#database.transaction(() => {
      const { document, epoch, head, next, agent, seq, bridge, state } = trim;
      const row = this.#row(document);
      if (row === undefined || row.deleted || row.epoch !== epoch || row.head !== head) return 'stale';
      const { number } = row;
      const run = this.#statements;
      run.deleteLog.run(number);
      run.deleteSnapshot.run(number);
      run.putBridge.run(number, epoch, agentBytes(agent), bridge);
      run.pruneBridges.run(number, number, bridgesKept);
      run.putSnapshot.run(number, next, 1, state);
      run.putTrimAgent.run(number, agentBytes(agent), seq, next);
      run.enterEpoch.run(next, this.#nextChange(), number);
      return 'committed';
    });
  }

  async bridges(document: string, from: number): Promise<Bridge[]> {
    const row = this.#row(document);
    if (row === undefined) return [];
    return this.#statements.bridges.all(row.number, from).map(([epoch, agent, bytes]) => {
      return { epoch: Number(epoch), agent: agentOf(agent), bytes: bytesOf(bytes) };
    });
  }

  async delete(document: string): Promise<boolean> {
    return this.#database.transaction(() => {
      const row = this.#row(document);
      if (row?.deleted) return false;
      const number = row?.number ?? this.#insert(document, this.#epoch);
      const run = this.#statements;
      for (const statement of [run.deleteLog, run.deleteSnapshot, run.deleteBridges, run.deleteAgents]) {
        statement.run(number);
      }
      run.markDeleted.run(this.#nextChange(), number);
      return true;
    });
  }

  async changes({ space, after, limit }: ChangesQuery): Promise<ChangesPage> {
    const change = metaOf(this.#database, 'change') ?? 0;
    const known = after === 0 || (after >= this.#epoch && after <= change);
    const from = known ? after : 0;
    const { changes, spaceChanges } = this.#statements;
    // One more than wanted tells whether there are more.
    const rows = space === undefined ? changes.all(from, limit + 1) : spaceChanges.all(space, from, limit + 1);
    const page = rows.slice(0, limit);
    const more = rows.length > limit;
    const entries = page.map(([id, epoch, head, deleted]) => {
      return { document: String(id), epoch: Number(epoch), head: Number(head), deleted: deleted === 1 };
    });
    return { token: more ? Number(page.at(-1)?.[4]) : change, entries, more, restarted: !known };
  }

  async pulse(): Promise<Pulse> {
    return { change: metaOf(this.#database, 'change') ?? 0, backups: metaOf(this.#database, 'backups') ?? 0 };
  }

  async check(): Promise<void> {
    this.#database.transaction(() => this.#database.execute(`UPDATE meta SET value = value WHERE key = 'format'`));
  }

  async close(): Promise<void> {
    try {
      this.#database.leaveWriteAheadLog();
    } catch {
      // A full disk, say: the next start reads the log just as well.
    }
    this.#database.close();
    this.#lock.close();
  }

  #row(document: string): DocumentRow | undefined {
    const [row] = this.#statements.document.all(document);
    if (row === undefined) return undefined;
    const [number, epoch, head, base, safeEpoch, safe] = row.map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return { number, epoch, head, base, safeEpoch, safe, deleted: row[6] === 1 };
  }

  #head(document: string): DocumentHead {
    const row = this.#row(document);
    const backedUp = (metaOf(this.#database, 'backups') ?? 0) > 0;
    if (row === undefined) {
      const safe = backedUp ? 0 : everythingSafe;
      return { epoch: this.#epoch, head: 0, base: 0, snapshot: undefined, safe, deleted: false };
    }
    const { number, epoch, head, base, deleted } = row;
    const [found] = this.#statements.snapshotSize.all(number, epoch);
    const snapshot = found && { position: Number(found[0]), size_bytes: Number(found[1]) };
    const held = row.safeEpoch === epoch ? row.safe : 0;
    return { epoch, head, base, snapshot, safe: backedUp ? held : everythingSafe, deleted };
  }

  #agents(document: string): Map<bigint, AgentHead> {
    const agents = new Map<bigint, AgentHead>();
    const row = this.#row(document);
    if (row === undefined) return agents;
    for (const [agent, ...head] of this.#statements.agents.all(row.number)) agents.set(agentOf(agent), agentHead(head));
    return agents;
  }

  #agent(number: number, agent: bigint): AgentHead | undefined {
    const [head] = this.#statements.agent.all(number, agentBytes(agent));
    return head && agentHead(head);
  }

  #insert(document: string, epoch: number): number {
    return this.#statements.insertDocument.run(document, epoch, spaceOf(document));
  }

  #nextChange(): number {
    return Number(this.#statements.nextChange.all()[0]?.[0]);
  }

  #append({ document, epoch, after, envelopes }: Append): 'committed' | 'stale' {
    const row = this.#row(document);
    const current = row ?? { epoch: this.#epoch, head: 0, deleted: false };
    if (current.epoch !== epoch || current.head !== after || current.deleted) return 'stale';
    if (envelopes.length === 0) return 'committed';
    const known = new Map<bigint, AgentHead>();
    let position = after;
    for (const envelope of envelopes) {
      position += 1;
      const { agent, to } = envelope;
      const last = known.get(agent) ?? (row && this.#agent(row.number, agent));
      if (!agentIsAsKnown(last, envelope, epoch)) return 'stale';
      known.set(agent, { seq: to, epoch, position, user: last?.user ?? envelope.user, closed: false });
    }
    const number = row?.number ?? this.#insert(document, epoch);
    const { insertLog, putAgent, updateHead } = this.#statements;
    position = after;
    for (const { agent, from, to, bytes } of envelopes) {
      position += 1;
      insertLog.run(number, epoch, position, agentBytes(agent), from, to, bytes);
    }
    for (const [agent, last] of known) {
      putAgent.run(number, agentBytes(agent), last.seq, last.position, epoch, last.user ?? '');
    }
    updateHead.run(position, this.#nextChange(), number);
    return 'committed';
  }
}

function prepareStatements(database: SqliteDatabase) {
  const prepare = (sql: string): SqliteStatement => database.prepare(sql);
  return {
    document: prepare('SELECT number, epoch, head, base, safe_epoch, safe, deleted FROM documents WHERE id = ?'),
    insertDocument: prepare('INSERT INTO documents (id, epoch, head, space) VALUES (?, ?, 0, ?)'),
    updateHead: prepare('UPDATE documents SET head = ?, change = ? WHERE number = ?'),
    enterEpoch: prepare('UPDATE documents SET epoch = ?, head = 1, base = 1, change = ? WHERE number = ?'),
    markDeleted: prepare('UPDATE documents SET deleted = 1, head = 0, base = 0, change = ? WHERE number = ?'),
    nextChange: prepare(`UPDATE meta SET value = value + 1 WHERE key = 'change' RETURNING value`),
    insertLog: prepare('INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)'),
    compactLog: prepare('DELETE FROM log WHERE document = ? AND position <= ?'),
    setBase: prepare('UPDATE documents SET base = ? WHERE number = ?'),
    deleteLog: prepare('DELETE FROM log WHERE document = ?'),
    sizes: prepare(
      `SELECT position, length(bytes) FROM log
       WHERE document = ? AND epoch = ? AND position > ? ORDER BY position LIMIT ?`,
    ),
    bytes: prepare(
      `SELECT bytes FROM log
       WHERE document = ? AND epoch = ? AND position > ? AND position <= ? ORDER BY position`,
    ),
    agents: prepare('SELECT agent, seq, epoch, position, user, closed FROM agents WHERE document = ?'),
    agent: prepare('SELECT seq, epoch, position, user, closed FROM agents WHERE document = ? AND agent = ?'),
    putAgent: prepare(
      `INSERT INTO agents (document, agent, seq, position, epoch, user) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET seq = excluded.seq, position = excluded.position, epoch = excluded.epoch,
         user = coalesce(user, excluded.user)`,
    ),
    closeAgent: prepare(
      `INSERT INTO agents (document, agent, seq, position, epoch, user, closed) VALUES (?, ?, 0, 0, ?, ?, 1)
       ON CONFLICT DO UPDATE SET closed = 1, user = coalesce(user, excluded.user)`,
    ),
    putTrimAgent: prepare(
      'INSERT INTO agents (document, agent, seq, position, epoch, closed) VALUES (?, ?, ?, 1, ?, 1)',
    ),
    deleteAgents: prepare('DELETE FROM agents WHERE document = ?'),
    snapshot: prepare('SELECT epoch, position, bytes FROM snapshots WHERE document = ?'),
    snapshotSize: prepare('SELECT position, length(bytes) FROM snapshots WHERE document = ? AND epoch = ?'),
    putSnapshot: prepare(
      `INSERT INTO snapshots VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET epoch = excluded.epoch, position = excluded.position, bytes = excluded.bytes
       WHERE excluded.epoch <> epoch OR excluded.position > position`,
    ),
    deleteSnapshot: prepare('DELETE FROM snapshots WHERE document = ?'),
    bridges: prepare('SELECT epoch, agent, bytes FROM bridges WHERE document = ? AND epoch >= ? ORDER BY epoch'),
    putBridge: prepare('INSERT INTO bridges VALUES (?, ?, ?, ?)'),
    pruneBridges: prepare(
      `DELETE FROM bridges WHERE document = ? AND epoch NOT IN
         (SELECT epoch FROM bridges WHERE document = ? ORDER BY epoch DESC LIMIT ?)`,
    ),
    deleteBridges: prepare('DELETE FROM bridges WHERE document = ?'),
    changes: prepare('SELECT id, epoch, head, deleted, change FROM documents WHERE change > ? ORDER BY change LIMIT ?'),
    spaceChanges: prepare(
      `SELECT id, epoch, head, deleted, change FROM documents
       WHERE space = ? AND change > ? ORDER BY change LIMIT ?`,
    ),
  };
}

/** Of the columns seq, epoch, position, user, closed. */
function agentHead([seq, epoch, position, user, closed]: readonly unknown[]): AgentHead {
  return {
    seq: Number(seq),
    epoch: Number(epoch),
    position: Number(position),
    user: typeof user === 'string' ? user : undefined,
    closed: closed === 1,
  };
}

/** Sets a pragma and reads it back: SQLite answers a setting that it can't take with silence. */
function requireSetting(database: SqliteDatabase, name: string, value: string, expected: string | number): void {
  database.pragma(`${name} = ${value}`);
  const got = database.pragma(name);
  if (got === expected) return;
  throw new JoineryError('storage-failed', {
    expected: `SQLite's ${name} to be ${value}`,
    got: String(got),
    remedy: 'Use a data folder on a local disk that supports it.',
  });
}

function agentBytes(agent: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(agent);
  return bytes;
}

function agentOf(value: unknown): bigint {
  const bytes = bytesOf(value);
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new JoineryError('storage-corrupt', {
    expected: 'bytes in the database',
    got: typeof value,
    remedy: 'Restore the data folder from a backup.',
  });
}
