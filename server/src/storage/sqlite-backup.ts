/**
 * Backups of the SQLite storage, as files: made beside a running server, restored where none runs. Both end with a rename,
 * so there is never half a file in the place of a whole one. It is not a copy of the folder: a restored server is another
 * one than it was, in new epochs, and its clients bring back what it lost.
 */

import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { JoineryError } from '@joinery/protocol';
import { busyTimeout_ms, fileName, lockFolder } from './sqlite.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import { formatVersion, metaOf, newEpoch, prepareTables } from './sqlite-schema.ts';

/** What was backed up or restored. */
export interface BackupSummary {
  readonly documents: number;
  /** Of a restore: where the replaced data lies now, if there was any. */
  readonly replaced?: string;
}

/**
 * Copies the data of a folder into one file, whether or not a server uses it, and lets its clients know that it is safe.
 *
 * @throws JoineryError `invalid-option` when the file is there already or the folder has no data, or a storage error
 */
export function backup(folder: string, file: string): BackupSummary {
  const source = join(folder, fileName);
  if (!existsSync(source)) throw invalid('a data folder with data in it', folder);
  if (existsSync(file)) throw invalid('a file that is not there yet', file);
  const unfinished = `${file}.unfinished`;
  rmSync(unfinished, { force: true });
  // It prepares nothing, so that it is gone from the file when it is closed.
  const database = new SqliteDatabase(source);
  try {
    database.execute(`PRAGMA busy_timeout = ${busyTimeout_ms}`);
    // What is committed from here on may not be in the copy, so it is safe no more for want of backups.
    database.execute(`
      UPDATE meta SET value = value + 1
        WHERE key = 'backups' AND (SELECT value FROM meta WHERE key = 'format') = ${formatVersion}
    `);
    database.execute(`VACUUM INTO ${quoted(unfinished)}`);
    const documents = checkCopy(unfinished);
    makeDurable(unfinished);
    renameSync(unfinished, file);
    makeDurable(dirname(file));
    markSafe(database, file);
    return { documents };
  } finally {
    database.close();
    rmSync(unfinished, { force: true });
  }
}

/**
 * Puts a backup in the place of a folder's data. Every document is in an epoch that no client knows, so each client brings
 * back what it has; what the backup holds is safe. The data that was there is kept beside it.
 *
 * @throws JoineryError `storage-locked` when a server uses the folder, `invalid-option` when the backup is none
 */
export function restore(file: string, folder: string): BackupSummary {
  if (!existsSync(file)) throw invalid('a backup', `${file}, which is not there`);
  mkdirSync(folder, { recursive: true });
  const lock = lockFolder(folder);
  const target = join(folder, fileName);
  const unfinished = `${target}.unfinished`;
  try {
    rmSync(unfinished, { force: true });
    copyChecked(file, unfinished);
    const former = existsSync(target) ? settleFormer(target) : 0;
    const documents = enterNewEpoch(unfinished, former);
    makeDurable(unfinished);
    const replaced = `${target}.replaced-${new Date().toISOString().replaceAll(':', '-')}`;
    const hadData = existsSync(target);
    // The former data has two names for a moment, so that the folder has data at every moment.
    if (hadData) linkSync(target, replaced);
    renameSync(unfinished, target);
    makeDurable(folder);
    return { documents, ...(hadData ? { replaced } : {}) };
  } finally {
    rmSync(unfinished, { force: true });
    lock.close();
  }
}

/** What the backup holds is safe. */
function markSafe(database: SqliteDatabase, file: string): void {
  database.execute(`ATTACH ${quoted(file)} AS backup`);
  database.transaction(() => {
    database.execute(`
      UPDATE documents SET safe_epoch = held.epoch, safe = held.head
        FROM backup.documents AS held WHERE held.number = documents.number;
      UPDATE meta SET value = value + 1 WHERE key = 'backups';
    `);
  });
}

/** A server of an earlier version may be running: its tables are not for this one to change. */
function checkCopy(path: string): number {
  const copy = new SqliteDatabase(path);
  try {
    const format = metaOf(copy, 'format');
    if (format !== formatVersion) throw invalid(`data of format ${formatVersion}`, `format ${format}`);
    return countDocuments(copy);
  } finally {
    copy.close();
  }
}

/** A copy through SQLite reads every page, so that a damaged backup is found before anything is replaced. */
function copyChecked(file: string, to: string): void {
  const database = new SqliteDatabase(file);
  try {
    if (database.pragma('integrity_check') !== 'ok') throw new JoineryError('storage-corrupt', `${file} is damaged.`);
    const found = database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'meta'`).all();
    if (found.length === 0) throw invalid('a backup of a server', file);
    database.prepare('VACUUM INTO ?').run(to);
  } finally {
    database.close();
  }
}

/**
 * Brings the data that is to be replaced into its one file: a journal beside it would be taken for the new file's. Returns
 * its highest number.
 *
 * @throws JoineryError `storage-locked` when another process reads it
 */
function settleFormer(target: string): number {
  let highest = 0;
  let isFree = true;
  try {
    const database = new SqliteDatabase(target);
    try {
      isFree = database.leaveWriteAheadLog();
      if (isFree) highest = highestNumber(database);
    } finally {
      database.close();
    }
  } catch (error) {
    // It may be damaged: that is what backups are for.
    if (!(error instanceof JoineryError)) throw error;
  }
  if (!isFree) throw new JoineryError('storage-locked', `${target} is being read. End that program first.`);
  for (const suffix of ['-wal', '-shm']) rmSync(`${target}${suffix}`, { force: true });
  return highest;
}

function enterNewEpoch(path: string, former: number): number {
  const database = new SqliteDatabase(path);
  try {
    prepareTables(database);
    const epoch = Math.max(newEpoch(), former + 1, highestNumber(database) + 1);
    database.transaction(() => {
      database
        .prepare(
          `UPDATE agents SET epoch = ?1
         WHERE epoch = (SELECT epoch FROM documents WHERE number = agents.document)`,
        )
        .run(epoch);
      database
        .prepare(
          `UPDATE snapshots SET epoch = ?1
         WHERE epoch = (SELECT epoch FROM documents WHERE number = snapshots.document)`,
        )
        .run(epoch);
      database
        .prepare(
          `UPDATE OR REPLACE log SET epoch = ?1
         WHERE epoch = (SELECT epoch FROM documents WHERE number = log.document)`,
        )
        .run(epoch);
      database
        .prepare(
          `UPDATE documents SET epoch = ?1, safe_epoch = ?1, safe = head,
           change = CASE WHEN change > 0 THEN ?1 + number ELSE 0 END`,
        )
        .run(epoch);
      database.prepare(`UPDATE meta SET value = ?1 WHERE key = 'epoch'`).run(epoch);
      database
        .prepare(`UPDATE meta SET value = ?1 + (SELECT coalesce(max(number), 0) FROM documents) WHERE key = 'change'`)
        .run(epoch);
      database.execute(`UPDATE meta SET value = value + 1 WHERE key = 'backups'`);
    });
    return countDocuments(database);
  } finally {
    database.close();
  }
}

/** No epoch and no change number that the data gave out is above it. */
function highestNumber(database: SqliteDatabase): number {
  const [row] = database.prepare('SELECT coalesce(max(epoch), 0) FROM documents').all();
  const numbers = [Number(row?.[0]), metaOf(database, 'epoch') ?? 0, metaOf(database, 'change') ?? 0];
  return Math.max(...numbers);
}

function countDocuments(database: SqliteDatabase): number {
  return Number(database.prepare('SELECT count(*) FROM documents WHERE head > 0').all()[0]?.[0]);
}

/** A path as SQLite's text. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", "''")}'`;
}

/** Waits until a file, or the names in a folder, are on the disk. */
function makeDurable(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function invalid(expected: string, got: string): JoineryError {
  return new JoineryError('invalid-option', { expected, got, remedy: 'Correct the command.' });
}
