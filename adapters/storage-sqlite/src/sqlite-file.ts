// One namespace's records in a SQLite: what `joinery/storage` makes a document store of. Several processes, or several stores
// of one, may have the file open: a commit takes the file's write lock before it reads.

import type { DamagedRecord, RecordArea, RecordFile, RecordName, RecordReader, RecordWriter } from 'joinery/storage';
import { looksRemote } from 'joinery/storage';
import { checkVersion } from './schema.ts';
import type { SqlDatabase, SqlStatement, SqlValue } from './sql.ts';

const key = 'namespace = ? AND area = ? AND document = ? AND name = ?';

/** For a SQLite that is there all the time. */
export class SqliteFile implements RecordFile {
  readonly #database: SqlDatabase;
  readonly #namespace: SqliteNamespace;

  /** @param name the namespace's; it is made where there is none */
  constructor(database: SqlDatabase, name: string) {
    this.#database = database;
    this.#namespace = new SqliteNamespace(database, name);
  }

  async view<Result>(body: (records: RecordReader) => Result): Promise<Result> {
    return this.#namespace.view(body);
  }

  async commit<Result>(body: (records: RecordWriter) => Result): Promise<Result> {
    return this.#namespace.commit(body);
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}

/** The same, synchronously: as `RecordFile` says, and durable when it returns. */
export class SqliteNamespace {
  readonly #database: SqlDatabase;
  readonly #records: SqliteRecords;

  /** @param name the namespace's; it is made where there is none */
  constructor(database: SqlDatabase, name: string) {
    this.#database = database;
    database.prepare('INSERT OR IGNORE INTO namespaces (name) VALUES (?)').run(name);
    const [[id] = []] = database.prepare('SELECT id FROM namespaces WHERE name = ?').all(name);
    this.#records = new SqliteRecords(database, Number(id));
  }

  view<Result>(body: (records: RecordReader) => Result): Result {
    return this.#transaction('BEGIN', body);
  }

  commit<Result>(body: (records: RecordWriter) => Result): Result {
    return this.#transaction('BEGIN IMMEDIATE', body);
  }

  #transaction<Result>(begin: string, body: (records: RecordWriter) => Result): Result {
    this.#database.execute(begin);
    try {
      checkVersion(this.#database);
      const result = body(this.#records);
      this.#database.execute('COMMIT');
      this.#forget();
      return result;
    } catch (error) {
      // Some failures (a full disk) have rolled back already.
      if (this.#database.inTransaction) this.#database.execute('ROLLBACK');
      throw error;
    }
  }

  /** What was removed for good is not to lie in the write-ahead log any longer. */
  #forget(): void {
    if (!this.#records.isCleared) return;
    this.#records.isCleared = false;
    // Where others are reading, it is left for a later one.
    this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
  }
}

class SqliteRecords implements RecordWriter {
  readonly #database: SqlDatabase;
  readonly #namespace: number;
  /** Everything was removed since this was set. */
  isCleared = false;

  constructor(database: SqlDatabase, namespace: number) {
    this.#database = database;
    this.#namespace = namespace;
  }

  get(area: RecordArea, document: string, name: string): Uint8Array | undefined {
    const rows = this.#all(`SELECT record FROM records WHERE ${key}`, area, document, name);
    return rows[0]?.[0] as Uint8Array | undefined;
  }

  list(area: RecordArea, document: string): readonly (readonly [string, Uint8Array])[] {
    const sql = 'SELECT name, record FROM records WHERE namespace = ? AND area = ? AND document = ?';
    return this.#all(sql, area, document) as [string, Uint8Array][];
  }

  names(): readonly RecordName[] {
    const rows = this.#all('SELECT area, document, name FROM records WHERE namespace = ?');
    return rows.map(([area, document, name]) => ({ area, document, name }) as RecordName);
  }

  documents(): readonly string[] {
    return this.#column("SELECT document FROM records WHERE namespace = ? AND area = 'state'");
  }

  localLog(): readonly (readonly [string, Uint8Array])[] {
    const sql = 'SELECT document, record FROM records WHERE namespace = ? AND local = 1';
    return this.#all(sql) as [string, Uint8Array][];
  }

  rejecting(): readonly string[] {
    return this.#column("SELECT DISTINCT document FROM records WHERE namespace = ? AND area = 'rejected'");
  }

  damaged(): DamagedRecord[] {
    const rows = this.#all('SELECT document, area, bytes, reason FROM damaged WHERE namespace = ? ORDER BY id');
    return rows.map(([document, area, bytes, reason]) => ({ document, area, bytes, reason }) as DamagedRecord);
  }

  put(area: RecordArea, document: string, name: string, record: Uint8Array): void {
    const local = area === 'log' && !looksRemote(record) ? 1 : 0;
    const sql = `INSERT INTO records (namespace, area, document, name, local, record) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (namespace, area, document, name) DO UPDATE SET local = excluded.local, record = excluded.record`;
    this.#prepared(sql).run(this.#namespace, area, document, name, local, record);
  }

  delete(area: RecordArea, document: string, name: string): void {
    this.#prepared(`DELETE FROM records WHERE ${key}`).run(this.#namespace, area, document, name);
  }

  setAside({ document, area, bytes, reason }: DamagedRecord): void {
    const sql = 'INSERT INTO damaged (namespace, document, area, bytes, reason) VALUES (?, ?, ?, ?, ?)';
    this.#prepared(sql).run(this.#namespace, document, area, bytes, reason);
  }

  clear(): void {
    this.#prepared('DELETE FROM records WHERE namespace = ?').run(this.#namespace);
    this.#prepared('DELETE FROM damaged WHERE namespace = ?').run(this.#namespace);
    this.isCleared = true;
  }

  #column(sql: string): readonly string[] {
    return this.#all(sql).map(([value]) => value as string);
  }

  #all(sql: string, ...values: readonly SqlValue[]): SqlValue[][] {
    return this.#prepared(sql).all(this.#namespace, ...values);
  }

  #prepared(sql: string): SqlStatement {
    return this.#database.prepare(sql);
  }
}
