/**
 * The few things that the storage asks of libsql, typed, with its errors turned into ours. It knows no table.
 *
 * Rows come as arrays (`raw`): libsql gives blobs in object rows as ArrayBuffers in one call and Buffers in another.
 * `iterate` is not used: a row cursor that is left open would keep the write-ahead log from being checkpointed.
 */

import { type ErrorCode, JoineryError } from '@joinery/protocol';
import Libsql from 'libsql';

type Value = string | number | Uint8Array;

export interface SqliteStatement {
  /** Returns the row id of an insert. */
  run(...values: Value[]): number;
  all(...values: Value[]): unknown[][];
}

export class SqliteDatabase {
  readonly #database: InstanceType<typeof Libsql>;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.#database = this.#guard(() => new Libsql(path));
  }

  prepare(sql: string): SqliteStatement {
    const statement = this.#guard(() => this.#database.prepare(sql));
    // Only statements that return rows can be read raw.
    const reader = this.#guard(() => (statement.reader ? statement.raw() : statement));
    // As one array: a single value that is an object libsql would take for named parameters (and abort the process).
    return {
      run: (...values) => this.#guard(() => Number(statement.run(values).lastInsertRowid)),
      all: (...values) => this.#guard(() => reader.all(values) as unknown[][]),
    };
  }

  execute(sql: string): void {
    this.#guard(() => this.#database.exec(sql));
  }

  /** The value of a pragma, or of what setting it answers. */
  pragma(source: string): unknown {
    return this.prepare(`PRAGMA ${source}`).all()[0]?.[0];
  }

  /** Runs it in one transaction: everything or, if it throws, nothing. */
  transaction<T>(run: () => T): T {
    this.execute('BEGIN IMMEDIATE');
    try {
      const result = run();
      this.execute('COMMIT');
      return result;
    } catch (error) {
      // Some failures (a full disk) have rolled back already.
      if (this.#database.inTransaction) this.execute('ROLLBACK');
      throw error;
    }
  }

  /**
   * What was prepared holds the connection, and with it what it holds of the file, until it is garbage. A connection that
   * is to be gone at once prepares nothing; one that can't do without leaves the write-ahead log first.
   */
  close(): void {
    this.#guard(() => this.#database.close());
  }

  /**
   * Brings everything into the one file and ends its write-ahead log, if nobody else uses the file; returns whether it
   * did. A connection without one holds no lock between statements, and deletes nothing when it is garbage.
   */
  leaveWriteAheadLog(): boolean {
    try {
      this.execute('PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE');
      return true;
    } catch (error) {
      if (error instanceof JoineryError && error.code === 'storage-locked') return false;
      throw error;
    }
  }

  #guard<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof JoineryError) throw error;
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      const text = error instanceof Error ? error.message : String(error);
      throw new JoineryError(codeFor(code, text), `${this.#path}: ${text}${code === '' ? '' : ` (${code})`}`, {
        cause: error,
      });
    }
  }
}

function codeFor(code: string, text: string): ErrorCode {
  if (code.startsWith('SQLITE_FULL')) return 'storage-full';
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED') || text.includes('database is locked')) {
    return 'storage-locked';
  }
  if (code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB')) return 'storage-corrupt';
  return 'storage-failed';
}
