/**
 * The tables of the SQLite storage, their version, and the way from one version to the next. It knows nothing of what is
 * done with them.
 */

import { randomInt } from 'node:crypto';
import { JoineryError } from '@joinery/protocol';
import type { SqliteDatabase } from './sqlite-database.ts';

/** Raised whenever the tables change, with a step in `migrations`; a file of a later version is refused. */
export const formatVersion = 2;

/**
 * `meta` holds `format`, `epoch` (of documents that were never written to; every epoch and change number that this file
 * gives out is above it), `change` (the highest change number) and `backups` (how many were made).
 */
const schema = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    head INTEGER NOT NULL,
    space TEXT NOT NULL DEFAULT '',
    base INTEGER NOT NULL DEFAULT 0,
    change INTEGER NOT NULL DEFAULT 0,
    safe_epoch INTEGER NOT NULL DEFAULT 0,
    safe INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX documents_change ON documents (change);
  CREATE INDEX documents_space ON documents (space, change);
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
  -- Kept for ever: a row says what of an agent was taken, in whatever epoch.
  CREATE TABLE agents (
    document INTEGER NOT NULL,
    agent BLOB NOT NULL,
    seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    user TEXT,
    closed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (document, agent)
  ) WITHOUT ROWID;
  CREATE TABLE snapshots (
    document INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    bytes BLOB NOT NULL
  );
  -- The last state of an epoch that a trim ended, and the agent of the trim.
  CREATE TABLE bridges (
    document INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    agent BLOB NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (document, epoch)
  );
`;

/** What leads from the version before the index's next: `migrations[0]` makes 2 of 1. */
const migrations: readonly string[] = [
  `
  ALTER TABLE documents ADD COLUMN space TEXT NOT NULL DEFAULT '';
  ALTER TABLE documents ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE documents ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE documents ADD COLUMN safe_epoch INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE documents ADD COLUMN safe INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE documents ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
  UPDATE documents SET
    space = substr(id, 1, max(instr(id, '/') - 1, 0)),
    change = (SELECT value FROM meta WHERE key = 'epoch') + number;
  CREATE INDEX documents_change ON documents (change);
  CREATE INDEX documents_space ON documents (space, change);
  ALTER TABLE agents ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE agents ADD COLUMN user TEXT;
  ALTER TABLE agents ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;
  UPDATE agents SET epoch = (SELECT epoch FROM documents WHERE number = agents.document);
  CREATE TABLE bridges (
    document INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    agent BLOB NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (document, epoch)
  );
  INSERT INTO meta SELECT 'change', value + (SELECT coalesce(max(number), 0) FROM documents) FROM meta WHERE key = 'epoch';
  INSERT INTO meta VALUES ('backups', 0);
  UPDATE meta SET value = 2 WHERE key = 'format';
`,
];

export interface Meta {
  /** Of documents that were never written to. */
  readonly epoch: number;
}

/**
 * Makes the tables, or brings those of an earlier version to this one, in one transaction.
 *
 * @throws JoineryError `storage-failed` for a file of a later version, or one of another program
 */
export function prepareTables(database: SqliteDatabase): Meta {
  return database.transaction(() => {
    const found = database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'meta'`).all();
    if (found.length === 0) {
      database.execute(schema);
      const insert = database.prepare('INSERT INTO meta VALUES (?, ?)');
      const epoch = newEpoch();
      for (const [key, value] of Object.entries({ format: formatVersion, epoch, change: epoch, backups: 0 })) {
        insert.run(key, value);
      }
    }
    const format = metaOf(database, 'format') ?? 0;
    if (format >= 1) for (const migration of migrations.slice(format - 1)) database.execute(migration);
    const epoch = metaOf(database, 'epoch');
    if (metaOf(database, 'format') === formatVersion && epoch !== undefined) return { epoch };
    throw new JoineryError('storage-failed', {
      expected: `a database of format ${formatVersion}`,
      got: `format ${format}`,
      remedy: 'Start the version of the server that wrote it, or choose another data folder.',
    });
  });
}

export function metaOf(database: SqliteDatabase, key: string): number | undefined {
  const value = database.prepare('SELECT value FROM meta WHERE key = ?').all(key)[0]?.[0];
  return value === undefined ? undefined : Number(value);
}

/**
 * Epochs must differ between two databases that ever serve the same clients, else a position of one would be taken for
 * a position of the other: so they come from the time, with some randomness. Below 2^53.
 */
export function newEpoch(): number {
  return Date.now() * 1_024 + randomInt(1_024);
}
