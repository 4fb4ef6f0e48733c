// `@joinery/storage-sqlite/node`: an app's documents in one SQLite file, in Node. It is no server's storage; that is the
// server's own.

import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ErrorCode, JoineryError } from '@joinery/protocol';
import { type DocumentStore, type Namespace, openRecordStore, type Storage, type StoreEvents } from 'joinery/storage';
import Libsql from 'libsql';
import { checkOwner, upgrade } from './schema.ts';
import type { SqlDatabase, SqlStatement, SqlValue } from './sql.ts';
import { SqliteFile } from './sqlite-file.ts';

/** So long a commit waits for one of another process, in milliseconds. Nothing else runs meanwhile: they are short. */
const busyTimeout_ms = 2_000;

export interface SqliteStorageOptions {
  /** The file; it and its folder are made where there are none. Beside it lie its `-wal` and `-shm`. */
  readonly path: string;
  /**
   * The file grows no larger than this, about; a commit that would make it is refused with `storage-full`. No limit if left out. Of
   * storages of one file in one process the one that was opened last says it for all.
   */
  readonly maxBytes?: number;
}

/**
 * Documents in a SQLite file: what is `durable` has reached the disk (each commit is synced). Several processes may use one file.
 *
 * @example
 * import { createClient } from 'joinery';
 * import { SqliteStorage } from '@joinery/storage-sqlite/node';
 * const client = createClient({ url: 'wss://example.org/sync', storage: new SqliteStorage({ path: 'data/app.sqlite' }) });
 */
export class SqliteStorage implements Storage {
  readonly mode = 'sqlite';
  readonly #path: string;
  readonly #maxBytes: number | undefined;

  /** @throws JoineryError `invalid-option` */
  constructor({ path, maxBytes }: SqliteStorageOptions) {
    if (maxBytes !== undefined && !(maxBytes >= 1)) {
      throw new JoineryError('invalid-option', {
        expected: 'maxBytes as a number of bytes, or none',
        got: String(maxBytes),
        remedy: 'Leave it out for no limit.',
      });
    }
    this.#path = resolve(path);
    this.#maxBytes = maxBytes;
  }

  /** @throws JoineryError `storage-unavailable` where it is another program's file; `storage-locked`, `storage-failed`, … */
  async open(namespace: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    const { server, user, name } = namespace;
    const database = shared(this.#path);
    try {
      // Another process may have upgraded it since it was opened.
      checkOwner(database);
      limit(database, this.#maxBytes ?? Number.POSITIVE_INFINITY);
      return await openRecordStore(new SqliteFile(database, JSON.stringify([server, user, name])), events);
    } catch (error) {
      database.close();
      throw error;
    }
  }
}

/**
 * One connection for each file, for all stores of this process, now and later: libsql lets go of a connection when its statements
 * are garbage, so one for each store would run out of descriptors.
 */
const connections = new Map<string, { readonly database: SqlDatabase; readonly file: string; users: number }>();

/** The database of a file. Closing it brings everything into the one file when nobody uses it any more. */
function shared(path: string): SqlDatabase {
  let connection = connections.get(path);
  // The file may have been removed, and another one made, since it was used last.
  if (connection === undefined || connection.file !== identityOf(path)) {
    const database = openDatabase(path);
    connection = { database, file: identityOf(path), users: 0 };
    connections.set(path, connection);
  }
  const used = connection;
  const { database } = used;
  used.users += 1;
  let isOpen = true;
  return {
    prepare: (sql) => database.prepare(sql),
    execute: (sql) => database.execute(sql),
    get inTransaction() {
      return database.inTransaction;
    },
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      used.users -= 1;
      // Where another process is reading, it is left for a later one.
      if (used.users === 0) database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
    },
  };
}

/** Which file it is that lies there. */
function identityOf(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? '' : `${found.dev}:${found.ino}`;
}

/** The file with a write-ahead log, every commit synced, and nothing left of what was removed. */
function openDatabase(path: string): SqlDatabase {
  const database = guard(path, () => {
    mkdirSync(dirname(path), { recursive: true });
    return new Libsql(path);
  });
  const statements = new Map<string, SqlStatement>();
  const opened: SqlDatabase = {
    prepare: (sql) => {
      const statement = statements.get(sql) ?? prepared(path, database, sql);
      statements.set(sql, statement);
      return statement;
    },
    execute: (sql) => guard(path, () => void database.exec(sql)),
    get inTransaction() {
      return database.inTransaction;
    },
    close: () => {
      statements.clear();
      guard(path, () => void database.close());
    },
  };
  try {
    opened.execute(`PRAGMA busy_timeout = ${busyTimeout_ms}`);
    checkOwner(opened);
    opened.execute('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON');
    upgrade(opened);
  } catch (error) {
    opened.close();
    throw error;
  }
  return opened;
}

/** A file that is larger already grows no further. */
function limit(database: SqlDatabase, maxBytes: number): void {
  const [[pageBytes] = []] = database.prepare('PRAGMA page_size').all();
  const pages = Math.min(Math.max(1, Math.floor(maxBytes / Number(pageBytes))), 0xfffffffe);
  // It answers with a row.
  database.prepare(`PRAGMA max_page_count = ${pages}`).all();
}

function prepared(path: string, database: InstanceType<typeof Libsql>, sql: string): SqlStatement {
  const statement = guard(path, () => database.prepare(sql));
  // Only statements that return rows can be read raw: objects give blobs as ArrayBuffers in one call and as Buffers in another.
  const reader = guard(path, () => (statement.reader ? statement.raw() : statement));
  // As one array: a single value that is an object libsql would take for named parameters.
  return {
    run: (...values) => guard(path, () => void statement.run(values)),
    all: (...values) => guard(path, () => (reader.all(values) as SqlValue[][]).map((row) => row.map(ownBytes))),
  };
}

/** A blob as plain bytes: a Buffer may lie in memory that others share. */
function ownBytes(value: SqlValue): SqlValue {
  return value instanceof Uint8Array ? new Uint8Array(value) : value;
}

function guard<Result>(path: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const text = error instanceof Error ? error.message : String(error);
    throw new JoineryError(
      codeOf(code, text),
      {
        expected: `SQLite to work with ${path}`,
        got: text,
        remedy: 'Look whether the disk has room and the file is whole.',
      },
      { cause: error },
    );
  }
}

function codeOf(code: string, text: string): ErrorCode {
  if (code.startsWith('SQLITE_FULL')) return 'storage-full';
  if (/^SQLITE_(BUSY|LOCKED)/.test(code) || text.includes('database is locked')) return 'storage-locked';
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return 'storage-corrupt';
  return 'storage-failed';
}
