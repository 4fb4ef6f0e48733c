// The tables, and how a file of an earlier version becomes one of this. A file of a later version is refused.

import { JoineryError } from '@joinery/protocol';
import type { SqlDatabase } from './sql.ts';

/** "jnry": so that no other program's file is taken for one. */
const applicationId = 0x6a6e7279;

/**
 * One list of statements for each version, which make it of the version before. One that was released is never changed.
 *
 * `local`: the record doesn't say that it came from the server (of the log alone; else 0).
 */
export const versions: readonly string[] = [
  `CREATE TABLE namespaces (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
   CREATE TABLE records (
     namespace INTEGER NOT NULL REFERENCES namespaces (id),
     area TEXT NOT NULL,
     document TEXT NOT NULL,
     name TEXT NOT NULL,
     local INTEGER NOT NULL,
     record BLOB NOT NULL,
     UNIQUE (namespace, area, document, name)
   );
   CREATE INDEX local_records ON records (namespace) WHERE local = 1;
   CREATE TABLE damaged (
     id INTEGER PRIMARY KEY,
     namespace INTEGER NOT NULL REFERENCES namespaces (id),
     document TEXT NOT NULL,
     area TEXT NOT NULL,
     bytes BLOB NOT NULL,
     reason TEXT NOT NULL
   );`,
];

/** The version that this code writes. */
export const schemaVersion = versions.length;

/**
 * Looks whether a database may be written to, and writes nothing.
 *
 * @throws JoineryError `storage-too-new` where a newer version of this code has written it; `storage-unavailable` where it is
 *   another program's
 */
export function checkOwner(database: SqlDatabase, known = schemaVersion): void {
  const version = pragma(database, 'user_version');
  const owner = pragma(database, 'application_id');
  const [[tables = 0] = []] = database.prepare('SELECT count(*) FROM sqlite_master').all();
  if (owner !== applicationId && (owner !== 0 || version !== 0 || tables !== 0)) {
    throw new JoineryError('storage-unavailable', {
      expected: 'a database of Joinery, or an empty one',
      got: "another program's",
      remedy: 'Name a file of its own.',
    });
  }
  if (version > known) throw tooNew(version, known);
}

/**
 * Whether the database is still as this code has opened it: to be asked within each transaction, for another process may upgrade it.
 *
 * @throws JoineryError `storage-too-new`
 */
export function checkVersion(database: SqlDatabase): void {
  const version = pragma(database, 'user_version');
  if (version > schemaVersion) throw tooNew(version, schemaVersion);
}

function tooNew(version: number, known: number): JoineryError {
  return new JoineryError('storage-too-new', {
    expected: `a database of version ${known} or lower`,
    got: `one of version ${version}, written by a newer version of this app`,
    remedy: 'Start the newer version. Nothing was changed.',
  });
}

/**
 * Makes a database one of the newest version, in one transaction: interrupted, it is as it was.
 *
 * @param steps for tests of what a later version will do
 * @throws JoineryError as {@link checkOwner}
 */
export function upgrade(database: SqlDatabase, steps = versions): void {
  database.execute('BEGIN IMMEDIATE');
  try {
    // Another process may have been quicker.
    checkOwner(database, steps.length);
    const version = pragma(database, 'user_version');
    if (version < steps.length) {
      for (const statements of steps.slice(version)) database.execute(statements);
      database.execute(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length}`);
    }
    database.execute('COMMIT');
  } catch (error) {
    if (database.inTransaction) database.execute('ROLLBACK');
    throw error;
  }
}

function pragma(database: SqlDatabase, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).all()[0]?.[0] ?? 0);
}
