/**
 * Documents in one SQLite file (`joinery.sqlite` in the data folder): write-ahead log, `synchronous=FULL`, so a commit is on
 * the disk before it is acknowledged. The settings are read back at start, for a database that ignores them would lose
 * what was acknowledged. One server owns a folder: a lock that dies with its process keeps a second one out.
 */

import { randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { JoineryError } from '@joinery/protocol';
import { SqliteDatabase, type SqliteStatement } from './sqlite-database.ts';
import type { AgentHead, Append, DocumentHead, ReadLimit, Storage, StoredSnapshot } from './storage.ts';

/** Raised whenever the tables change; a file of a later version is refused. */
const formatVersion = 1;

const schema = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    head INTEGER NOT NULL
  );
  -- Rows lie in the order of positions, so a client's tail is one stretch of the file.
  CREATE TABLE log (
    document INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    agent BLOB NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (document, epoch, position)
  ) WITHOUT ROWID;
  CREATE TABLE agents (
    document INTEGER NOT NULL,
    agent BLOB NOT NULL,
    seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (document, agent)
  ) WITHOUT ROWID;
  CREATE TABLE snapshots (
    document INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    bytes BLOB NOT NULL
  );
`;

interface DocumentRow {
  readonly number: number;
  readonly epoch: number;
  readonly head: number;
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
    return new SqliteStorage(new SqliteDatabase(join(folder, 'joinery.sqlite')), lock);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/**
 * The lock is an exclusive transaction on a file of its own: the operating system ends it with the process, however
 * that dies, and the documents' file stays readable for others (backups, `sqlite3`).
 */
function lockFolder(folder: string): SqliteDatabase {
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
  readonly #selectDocument: SqliteStatement;
  readonly #insertDocument: SqliteStatement;
  readonly #updateHead: SqliteStatement;
  readonly #insertLog: SqliteStatement;
  readonly #upsertAgent: SqliteStatement;
  readonly #selectAgents: SqliteStatement;
  readonly #selectSizes: SqliteStatement;
  readonly #selectBytes: SqliteStatement;
  readonly #selectSnapshot: SqliteStatement;
  readonly #selectSnapshotSize: SqliteStatement;
  readonly #upsertSnapshot: SqliteStatement;

  constructor(database: SqliteDatabase, lock: SqliteDatabase) {
    this.#database = database;
    this.#lock = lock;
    requireSetting(database, 'journal_mode', 'WAL', 'wal');
    requireSetting(database, 'synchronous', 'FULL', 2);
    this.#epoch = prepareTables(database);
    this.#selectDocument = database.prepare('SELECT number, epoch, head FROM documents WHERE id = ?');
    this.#insertDocument = database.prepare('INSERT INTO documents (id, epoch, head) VALUES (?, ?, 0)');
    this.#updateHead = database.prepare('UPDATE documents SET head = ? WHERE number = ?');
    this.#insertLog = database.prepare('INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)');
    this.#upsertAgent = database.prepare(
      `INSERT INTO agents VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET seq = excluded.seq, position = excluded.position WHERE excluded.seq > seq`,
    );
    this.#selectAgents = database.prepare('SELECT agent, seq, position FROM agents WHERE document = ?');
    this.#selectSizes = database.prepare(
      `SELECT position, length(bytes) FROM log
       WHERE document = ? AND epoch = ? AND position > ? ORDER BY position LIMIT ?`,
    );
    this.#selectBytes = database.prepare(
      `SELECT bytes FROM log
       WHERE document = ? AND epoch = ? AND position > ? AND position <= ? ORDER BY position`,
    );
    this.#selectSnapshot = database.prepare('SELECT epoch, position, bytes FROM snapshots WHERE document = ?');
    this.#selectSnapshotSize = database.prepare(
      'SELECT position, length(bytes) FROM snapshots WHERE document = ? AND epoch = ?',
    );
    this.#upsertSnapshot = database.prepare(
      `INSERT INTO snapshots VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET epoch = excluded.epoch, position = excluded.position, bytes = excluded.bytes
       WHERE excluded.epoch <> epoch OR excluded.position > position`,
    );
  }

  async head(document: string): Promise<DocumentHead> {
    const row = this.#row(document);
    if (row === undefined) return { epoch: this.#epoch, head: 0, snapshot: undefined };
    const { number, epoch, head } = row;
    const [found] = this.#selectSnapshotSize.all(number, epoch);
    const snapshot = found && { position: Number(found[0]), size_bytes: Number(found[1]) };
    return { epoch, head, snapshot };
  }

  async agents(document: string): Promise<Map<bigint, AgentHead>> {
    const agents = new Map<bigint, AgentHead>();
    const row = this.#row(document);
    if (row === undefined) return agents;
    for (const [agent, seq, position] of this.#selectAgents.all(row.number)) {
      agents.set(agentOf(agent), { seq: Number(seq), position: Number(position) });
    }
    return agents;
  }

  async append(appends: readonly Append[]): Promise<readonly ('committed' | 'stale')[]> {
    return this.#database.transaction(() => appends.map((append) => this.#append(append)));
  }

  async read(document: string, epoch: number, after: number, limit: ReadLimit): Promise<Uint8Array[]> {
    const row = this.#row(document);
    if (row === undefined) return [];
    let last = after;
    let total = 0;
    for (const [position, size] of this.#selectSizes.all(row.number, epoch, after, limit.count)) {
      total += Number(size);
      if (total > limit.bytes && last > after) break;
      last = Number(position);
    }
    return this.#selectBytes.all(row.number, epoch, after, last).map(([bytes]) => bytesOf(bytes));
  }

  async snapshot(document: string): Promise<StoredSnapshot | undefined> {
    const row = this.#row(document);
    if (row === undefined) return undefined;
    const [found] = this.#selectSnapshot.all(row.number);
    if (found === undefined) return undefined;
    const [epoch, position, bytes] = found;
    return { epoch: Number(epoch), position: Number(position), bytes: bytesOf(bytes) };
  }

  async putSnapshot(document: string, snapshot: StoredSnapshot): Promise<void> {
    const row = this.#row(document);
    // A document without a log needs none.
    if (row === undefined) return;
    this.#upsertSnapshot.run(row.number, snapshot.epoch, snapshot.position, snapshot.bytes);
  }

  async check(): Promise<void> {
    this.#database.transaction(() => this.#database.execute(`UPDATE meta SET value = value WHERE key = 'format'`));
  }

  async close(): Promise<void> {
    this.#database.close();
    this.#lock.close();
  }

  #row(document: string): DocumentRow | undefined {
    const [row] = this.#selectDocument.all(document);
    if (row === undefined) return undefined;
    return { number: Number(row[0]), epoch: Number(row[1]), head: Number(row[2]) };
  }

  #append({ document, epoch, after, envelopes }: Append): 'committed' | 'stale' {
    const row = this.#row(document);
    const current = row ?? { epoch: this.#epoch, head: 0 };
    if (current.epoch !== epoch || current.head !== after) return 'stale';
    if (envelopes.length === 0) return 'committed';
    const number = row?.number ?? Number(this.#insertDocument.run(document, epoch));
    let position = after;
    const lasts = new Map<bigint, AgentHead>();
    for (const { agent, from, to, bytes } of envelopes) {
      position += 1;
      this.#insertLog.run(number, epoch, position, agentBytes(agent), from, to, bytes);
      lasts.set(agent, { seq: to, position });
    }
    for (const [agent, last] of lasts) this.#upsertAgent.run(number, agentBytes(agent), last.seq, last.position);
    this.#updateHead.run(position, number);
    return 'committed';
  }
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

/** Makes or checks the tables; returns the epoch of documents that were never written to. */
function prepareTables(database: SqliteDatabase): number {
  return database.transaction(() => {
    const found = database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'meta'`).all();
    if (found.length === 0) {
      database.execute(schema);
      const insert = database.prepare('INSERT INTO meta VALUES (?, ?)');
      insert.run('format', formatVersion);
      insert.run('epoch', newEpoch());
    }
    const meta = new Map(database.prepare('SELECT key, value FROM meta').all() as [string, number][]);
    const format = meta.get('format');
    const epoch = meta.get('epoch');
    if (format === formatVersion && epoch !== undefined) return epoch;
    throw new JoineryError('storage-failed', {
      expected: `a database of format ${formatVersion}`,
      got: `format ${format}`,
      remedy: 'Start the version of the server that wrote it, or choose another data folder.',
    });
  });
}

/**
 * Epochs must differ between two databases that ever serve the same clients, else a position of one would be taken for
 * a position of the other: so they come from the time, with some randomness. Below 2^53.
 */
function newEpoch(): number {
  return Date.now() * 1_024 + randomInt(1_024);
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
