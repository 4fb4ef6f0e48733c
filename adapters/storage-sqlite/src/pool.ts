// SQLite's own WASM build on its pool of access handles in the origin private file system, one pool for each namespace. A pool is for
// one tab at a time: whoever has its turn opens the database, whoever gives it back has closed it.

import { type ErrorCode, JoineryError } from '@joinery/protocol';
import sqlite3InitModule from '@sqlite.org/sqlite-wasm';
import {
  type Environment,
  fileError,
  type Held,
  type Namespace,
  namespaceHash,
  noOriginFiles,
  Turns,
  withOriginFiles,
} from 'joinery/storage';
import { databasePath, holdGuard, poolFolder, prepareFiles } from './pool-files.ts';
import { checkOwner, upgrade } from './schema.ts';
import type { SqlDatabase, SqlStatement, SqlValue } from './sql.ts';
import { SqliteNamespace } from './sqlite-file.ts';

type Sqlite = Awaited<ReturnType<typeof sqlite3InitModule>>;
type Pool = Awaited<ReturnType<Sqlite['installOpfsSAHPoolVfs']>>;
type Database = InstanceType<Pool['OpfsSAHPoolDb']>;

/** Of all namespaces' folders. */
export const folderName = 'joinery-sqlite';
/** The database, its write-ahead log, and a journal while the log is begun. */
const poolFiles = 3;

/** What is had for a turn. */
export interface Turn {
  readonly database: SqlDatabase;
  readonly records: SqliteNamespace;
}

/** Turns at a namespace's database. */
export async function openTurns(environment: Environment, namespace: Namespace): Promise<Turns<Turn>> {
  const hash = await namespaceHash(namespace);
  const pool = pools.get(hash) ?? new SharedPool(environment, hash);
  pools.set(hash, pool);
  const { server, user, name } = namespace;
  return new Turns(environment, `joinery-sqlite-${hash}`, async () => {
    const { files: database, release } = await pool.take();
    try {
      const records = new SqliteNamespace(database, JSON.stringify([server, user, name]));
      return { files: { database, records }, release };
    } catch (error) {
      release();
      throw error;
    }
  });
}

/** The pools of this worker: one for each folder, for as long as the worker lives (SQLite knows them by name). */
const pools = new Map<string, SharedPool>();
let sqlite: Promise<Sqlite> | undefined;
let names = 0;

/** SQLite's pool of a folder. Whoever takes it has its turn: nobody else has, neither here nor in another tab. */
class SharedPool {
  readonly #environment: Environment;
  readonly #hash: string;
  #pool: Pool | undefined;

  constructor(environment: Environment, hash: string) {
    this.#environment = environment;
    this.#hash = hash;
  }

  /** Gets all files of the pool, and opens the database. */
  async take(): Promise<Held<SqlDatabase>> {
    const module = await loaded();
    const folder = await withOriginFiles(() => this.#folder());
    const guard = await holdGuard(this.#environment, folder).catch((error: unknown) => {
      throw fileError(error);
    });
    try {
      const pool = await this.#having(module, folder);
      const database = guarded(() => new pool.OpfsSAHPoolDb(databasePath));
      const opened = new OpenDatabase(module, database);
      const release = (): void => {
        try {
          opened.close();
          pool.pauseVfs();
        } catch {
          // Another pool takes its place: what this one still has ends with the worker.
          this.#pool = undefined;
        } finally {
          guard.close();
        }
      };
      try {
        begin(opened);
      } catch (error) {
        release();
        throw error;
      }
      return { files: opened, release };
    } catch (error) {
      guard.close();
      throw error;
    }
  }

  async #folder(): Promise<FileSystemDirectoryHandle> {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(folderName, { create: true });
    return await poolFolder(await all.getDirectoryHandle(this.#hash, { create: true }));
  }

  async #having(module: Sqlite, folder: FileSystemDirectoryHandle): Promise<Pool> {
    const count = await prepareFiles(this.#environment, folder);
    const pool = this.#pool;
    this.#pool = undefined;
    try {
      // One whose files are gone begins anew.
      const had = count > 0 ? await pool?.unpauseVfs().then(() => pool) : undefined;
      const next = had ?? (await install(module, `${folderName}/${this.#hash}`));
      // A pool that had one file less than there are would take a database for none.
      if (Number(next.getCapacity()) < count) {
        next.pauseVfs();
        throw new JoineryError('storage-failed', 'Not all files of the pool could be had. It is tried again.');
      }
      await next.reserveMinimumCapacity(poolFiles);
      this.#pool = next;
      return next;
    } catch (error) {
      throw fileError(error);
    }
  }
}

function install(module: Sqlite, directory: string): Promise<Pool> {
  names += 1;
  // A name that failed once fails for ever.
  const name = `joinery-${names}`;
  const options = { name, directory, initialCapacity: poolFiles, verbosity: 0 };
  return module.installOpfsSAHPoolVfs(options);
}

function loaded(): Promise<Sqlite> {
  const canBe =
    typeof navigator !== 'undefined' && 'storage' in navigator && 'FileSystemSyncAccessHandle' in globalThis;
  if (!canBe) return Promise.reject(noOriginFiles('a worker with sync access handles', 'none'));
  sqlite ??= sqlite3InitModule();
  sqlite.catch(() => {
    // It could not be fetched: the next time it is tried again.
    sqlite = undefined;
  });
  return sqlite.catch((error: unknown) => {
    throw new JoineryError(
      'storage-failed',
      {
        expected: "SQLite's WASM module to load",
        got: String(error),
        remedy: 'Check that it is served and that the content security policy allows it.',
      },
      { cause: error },
    );
  });
}

/** Every commit flushed, nothing left of what was removed, and one connection: that is what a turn is. */
function begin(database: SqlDatabase): void {
  // Before anything is read: the pool has no memory to share, without which there is a write-ahead log for one alone.
  database.execute('PRAGMA locking_mode = EXCLUSIVE');
  checkOwner(database);
  database.execute('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON');
  database.execute('PRAGMA temp_store = MEMORY');
  upgrade(database);
}

class OpenDatabase implements SqlDatabase {
  readonly #module: Sqlite;
  readonly #database: Database;
  readonly #statements = new Map<string, SqlStatement & { finalize(): void }>();

  constructor(module: Sqlite, database: Database) {
    this.#module = module;
    this.#database = database;
  }

  get inTransaction(): boolean {
    const { pointer } = this.#database;
    return pointer !== undefined && this.#module.capi.sqlite3_get_autocommit(pointer) === 0;
  }

  prepare(sql: string): SqlStatement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = guarded(() => this.#database.prepare(sql));
    const rows = (values: readonly SqlValue[]): SqlValue[][] =>
      guarded(() => {
        try {
          if (values.length > 0) statement.bind([...values]);
          const found: SqlValue[][] = [];
          while (statement.step()) if (statement.columnCount > 0) found.push(statement.get([]) as SqlValue[]);
          return found;
        } finally {
          statement.reset(true);
        }
      });
    const prepared = {
      run: (...values: SqlValue[]) => void rows(values),
      all: (...values: SqlValue[]) => rows(values),
      finalize: () => void statement.finalize(),
    };
    this.#statements.set(sql, prepared);
    return prepared;
  }

  execute(sql: string): void {
    guarded(() => void this.#database.exec(sql));
  }

  close(): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
    this.#database.close();
  }
}

function guarded<Result>(run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (error instanceof JoineryError) throw error;
    const result = typeof error === 'object' && error !== null && 'resultCode' in error ? Number(error.resultCode) : 0;
    const got = error instanceof Error ? error.message : String(error);
    const remedy = 'The operation is safe to try again.';
    throw new JoineryError(codeOf(result & 0xff), { expected: 'SQLite to work', got, remedy }, { cause: error });
  }
}

/** What SQLite's primary result codes mean. */
function codeOf(result: number): ErrorCode {
  const [busy, locked, corrupt, full, notADatabase] = [5, 6, 11, 13, 26];
  if (result === full) return 'storage-full';
  if (result === busy || result === locked) return 'storage-locked';
  return result === corrupt || result === notADatabase ? 'storage-corrupt' : 'storage-failed';
}
