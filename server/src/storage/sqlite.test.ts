/** SQLite runs the storage suite, and what is its own: settings that took, the lock, files that are none. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JoineryError } from '@joinery/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { storageSuite } from '../testing/storage-suite.ts';
import { openSqliteStorage } from './sqlite.ts';
import { backup, restore } from './sqlite-backup.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import type { Storage } from './storage.ts';

const newFolder = (): string => mkdtempSync(join(tmpdir(), 'joinery-sqlite-'));

storageSuite('SQLite', () => {
  const folder = newFolder();
  const file = join(folder, 'backup');
  let storage: Storage | undefined;
  return {
    async open() {
      storage = openSqliteStorage(folder);
      return storage;
    },
    async reopen() {
      await storage?.close();
      storage = openSqliteStorage(folder);
      return storage;
    },
    async backUp() {
      rmSync(file, { force: true });
      backup(folder, file);
    },
    async restore() {
      await storage?.close();
      restore(file, folder);
      storage = openSqliteStorage(folder);
      return storage;
    },
    async cleanUp() {
      await storage?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

describe('SQLite', () => {
  const folders: string[] = [];
  const folder = (): string => {
    const made = newFolder();
    folders.push(made);
    return made;
  };
  afterEach(() => {
    for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
  });
  const codeOf = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      if (error instanceof JoineryError) return error.code;
      throw error;
    }
    return 'no error';
  };

  it('writes ahead and waits for the disk', async () => {
    const path = folder();
    const storage = openSqliteStorage(path);
    const other = new SqliteDatabase(join(path, 'joinery.sqlite'));
    // The journal mode is the file's; `synchronous` is the connection's, so opening fails when it doesn't take.
    expect(other.pragma('journal_mode')).toBe('wal');
    other.close();
    await storage.close();
  });

  it('keeps a second server out of the folder until the first has ended', async () => {
    const path = folder();
    const first = openSqliteStorage(path);
    expect(codeOf(() => openSqliteStorage(path))).toBe('storage-locked');
    expect((await first.head('a')).head).toBe(0);
    await first.close();
    const second = openSqliteStorage(path);
    await second.close();
  });

  it('tells a file that is no database, or one of a later version', async () => {
    const path = folder();
    writeFileSync(
      join(path, 'joinery.sqlite'),
      'this is a text and no database, long enough to be looked at'.repeat(99),
    );
    expect(codeOf(() => openSqliteStorage(path))).toBe('storage-corrupt');

    const later = folder();
    await openSqliteStorage(later).close();
    const database = new SqliteDatabase(join(later, 'joinery.sqlite'));
    database.execute(`UPDATE meta SET value = 99 WHERE key = 'format'`);
    database.close();
    expect(codeOf(() => openSqliteStorage(later))).toBe('storage-failed');
  });

  it('tells a full disk, and is then as it was before', () => {
    const database = new SqliteDatabase(join(folder(), 'small.sqlite'));
    database.execute('CREATE TABLE log (bytes BLOB)');
    const insert = database.prepare('INSERT INTO log VALUES (?)');
    insert.run(new Uint8Array(10));
    database.pragma('max_page_count = 8');
    const fill = (): void => {
      for (let count = 0; count < 100; count += 1) insert.run(new Uint8Array(10_000));
    };
    expect(codeOf(() => database.transaction(fill))).toBe('storage-full');
    expect(database.prepare('SELECT count(*) FROM log').all()).toEqual([[1]]);
    database.transaction(() => insert.run(new Uint8Array(10)));
    expect(database.prepare('SELECT count(*) FROM log').all()).toEqual([[2]]);
    database.close();
  });

  it('tells a folder that can’t be made', () => {
    const path = join(folder(), 'file');
    writeFileSync(path, '');
    expect(codeOf(() => openSqliteStorage(path))).toBe('storage-failed');
  });
});
