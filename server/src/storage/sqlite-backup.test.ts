/** Backups as files, and data of an earlier version: what is refused, what is kept, what a restored server is. */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { everythingSafe, JoineryError } from '@joinery/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSqliteStorage } from './sqlite.ts';
import { backup, restore } from './sqlite-backup.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import type { Storage } from './storage.ts';

let folder: string;
let data: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'joinery-backup-'));
  data = join(folder, 'data');
  file = join(folder, 'backup');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof JoineryError) return error.code;
    throw error;
  }
  return 'no error';
};

async function append(storage: Storage, document: string, agent: bigint): Promise<void> {
  const { epoch, head } = await storage.head(document);
  const envelopes = [{ agent, from: 0, to: 1, bytes: Uint8Array.of(Number(agent)), user: 'ada' }];
  expect(await storage.append([{ document, epoch, after: head, envelopes }])).toEqual(['committed']);
}

/** A folder with one document and a backup of it, and one envelope more. */
async function backedUp(): Promise<void> {
  const storage = openSqliteStorage(data);
  await append(storage, 'a', 1n);
  expect(backup(data, file)).toEqual({ documents: 1 });
  await append(storage, 'a', 2n);
  await storage.close();
}

describe('a backup', () => {
  it('is not put over another, nor made of nothing', async () => {
    expect(codeOf(() => backup(data, file))).toBe('invalid-option');
    await backedUp();
    const before = readFileSync(file);
    expect(codeOf(() => backup(data, file))).toBe('invalid-option');
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it('leaves no half of one when the place can’t be written to', async () => {
    await backedUp();
    expect(codeOf(() => backup(data, join(folder, 'nowhere', 'backup')))).not.toBe('no error');
    const storage = openSqliteStorage(data);
    // And nothing counts as safe for it.
    expect((await storage.head('a')).safe).toBe(1);
    await storage.close();
  });
});

describe('restoring', () => {
  it('keeps what was there, and enters an epoch above every one of both', async () => {
    await backedUp();
    const database = new SqliteDatabase(join(data, 'joinery.sqlite'));
    // The clock was far ahead when this one was entered.
    const ahead = Date.now() * 1_024 * 2;
    database.execute(`UPDATE documents SET epoch = ${ahead}; UPDATE log SET epoch = ${ahead}`);
    database.close();
    const { documents, replaced } = restore(file, data);
    expect(documents).toBe(1);
    const storage = openSqliteStorage(data);
    const head = await storage.head('a');
    expect(head).toMatchObject({ head: 1, safe: 1 });
    expect(head.epoch).toBeGreaterThan(ahead);
    await storage.close();
    const kept = new SqliteDatabase(replaced ?? '');
    expect(kept.prepare('SELECT head FROM documents').all()).toEqual([[2]]);
    kept.close();
    // The same backup again is another timeline again.
    restore(file, data);
    const again = openSqliteStorage(data);
    expect((await again.head('a')).epoch).toBeGreaterThan(head.epoch);
    await again.close();
  });

  it('works in a folder that is new, and in one whose data is damaged', async () => {
    await backedUp();
    const fresh = join(folder, 'fresh');
    expect(restore(file, fresh)).toEqual({ documents: 1 });
    writeFileSync(join(data, 'joinery.sqlite'), 'no database at all'.repeat(500));
    restore(file, data);
    for (const path of [fresh, data]) {
      const storage = openSqliteStorage(path);
      expect((await storage.head('a')).head).toBe(1);
      await storage.close();
    }
  });

  it('is refused while a server uses the folder, and changes nothing', async () => {
    await backedUp();
    const storage = openSqliteStorage(data);
    expect(codeOf(() => restore(file, data))).toBe('storage-locked');
    expect((await storage.head('a')).head).toBe(2);
    await storage.close();
  });

  it('is refused for what is no backup, and changes nothing', async () => {
    await backedUp();
    expect(codeOf(() => restore(join(folder, 'nowhere'), data))).toBe('invalid-option');
    const text = join(folder, 'text');
    writeFileSync(text, 'this is a text'.repeat(1_000));
    expect(codeOf(() => restore(text, data))).toBe('storage-corrupt');
    const other = join(folder, 'other');
    const database = new SqliteDatabase(other);
    database.execute('CREATE TABLE something (else_ TEXT)');
    database.close();
    expect(codeOf(() => restore(other, data))).toBe('invalid-option');
    const torn = readFileSync(file);
    torn.fill(0xff, torn.length / 2);
    const damaged = join(folder, 'damaged');
    writeFileSync(damaged, torn);
    expect(codeOf(() => restore(damaged, data))).not.toBe('no error');
    expect(readdirSync(data).filter((name) => /unfinished|replaced/.test(name))).toEqual([]);
    const storage = openSqliteStorage(data);
    expect((await storage.head('a')).head).toBe(2);
    await storage.close();
  });
});

describe('data of format 1', () => {
  const formatOne = `
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE documents (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL, head INTEGER NOT NULL);
    CREATE TABLE log (document INTEGER NOT NULL, epoch INTEGER NOT NULL, position INTEGER NOT NULL, agent BLOB NOT NULL,
      from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL, bytes BLOB NOT NULL,
      PRIMARY KEY (document, epoch, position)) WITHOUT ROWID;
    CREATE TABLE agents (document INTEGER NOT NULL, agent BLOB NOT NULL, seq INTEGER NOT NULL, position INTEGER NOT NULL,
      PRIMARY KEY (document, agent)) WITHOUT ROWID;
    CREATE TABLE snapshots (document INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, position INTEGER NOT NULL, bytes BLOB NOT NULL);
    INSERT INTO meta VALUES ('format', 1), ('epoch', 5000);
    INSERT INTO documents VALUES (1, 's/a', 5000, 2), (2, '/b', 5000, 1), (3, 'c', 5000, 1);
    INSERT INTO log VALUES (1, 5000, 1, x'0100000000000000', 0, 3, x'07'), (1, 5000, 2, x'0200000000000000', 0, 1, x'08'),
      (2, 5000, 1, x'0100000000000000', 0, 1, x'09'), (3, 5000, 1, x'0100000000000000', 0, 1, x'09');
    INSERT INTO agents VALUES (1, x'0100000000000000', 3, 1), (1, x'0200000000000000', 1, 2),
      (2, x'0100000000000000', 1, 1), (3, x'0100000000000000', 1, 1);
    INSERT INTO snapshots VALUES (1, 5000, 1, x'aa');
  `;

  function make(more = ''): void {
    const database = new SqliteDatabase(file);
    database.execute(formatOne + more);
    database.close();
    mkdirSync(data);
    writeFileSync(join(data, 'joinery.sqlite'), readFileSync(file));
  }

  it('is brought to this format with everything in it', async () => {
    make();
    for (let round = 0; round < 2; round += 1) {
      const storage = openSqliteStorage(data);
      expect(await storage.head('s/a')).toEqual({
        epoch: 5_000,
        head: 2,
        base: 0,
        snapshot: { position: 1, size_bytes: 1 },
        safe: everythingSafe,
        deleted: false,
      });
      const open = { epoch: 5_000, user: undefined, closed: false };
      expect(await storage.agents('s/a')).toEqual(
        new Map([
          [1n, { ...open, seq: 3, position: 1 }],
          [2n, { ...open, seq: 1, position: 2 }],
        ]),
      );
      const limit = { bytes: 1_000, count: 10 };
      expect(await storage.read('s/a', 5_000, 0, limit)).toEqual([Uint8Array.of(7), Uint8Array.of(8)]);
      const told = async (space: string): Promise<string[]> =>
        (await storage.changes({ space, after: 0, limit: 10 })).entries.map(({ document }) => document);
      expect([await told('s'), await told('')]).toEqual([['s/a'], ['/b', 'c']]);
      await storage.close();
    }
    // An agent that was nobody's in particular is the user's who first brings something of it.
    const storage = openSqliteStorage(data);
    const envelopes = [{ agent: 2n, from: 1, to: 2, bytes: Uint8Array.of(9), user: 'ada' }];
    expect(await storage.append([{ document: 's/a', epoch: 5_000, after: 2, envelopes }])).toEqual(['committed']);
    expect((await storage.agents('s/a')).get(2n)?.user).toBe('ada');
    const { token } = await storage.changes({ after: 0, limit: 10 });
    expect(token).toBeGreaterThan(5_003);
    await storage.close();
  });

  it('stays as it is when that fails', () => {
    make('CREATE TABLE bridges (something_else TEXT);');
    expect(codeOf(() => openSqliteStorage(data))).toBe('storage-failed');
    const database = new SqliteDatabase(join(data, 'joinery.sqlite'));
    expect(database.prepare(`SELECT value FROM meta WHERE key = 'format'`).all()).toEqual([[1]]);
    expect(database.prepare(`SELECT count(*) FROM pragma_table_info('documents')`).all()).toEqual([[4]]);
    database.close();
  });

  it('comes through a kill at any moment of that', async () => {
    // Enough that half of it is on the disk before the commit.
    make(`
      WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        INSERT INTO documents SELECT i, 's/' || i, 5000, 1 FROM n;
      INSERT INTO log SELECT number, 5000, 1, x'0100000000000000', 0, 1, x'09' FROM documents WHERE number >= 10;
      INSERT INTO agents SELECT number, x'0100000000000000', 1, 1 FROM documents WHERE number >= 10;
    `);
    const source = join(data, 'joinery.sqlite');
    const kills: string[] = [];
    const execute = SqliteDatabase.prototype.execute;
    const spy = vi.spyOn(SqliteDatabase.prototype, 'execute').mockImplementation(function (this: SqliteDatabase, sql) {
      if (!sql.includes('ALTER TABLE')) {
        execute.call(this, sql);
        return;
      }
      // What isn't committed goes to the disk as soon as it can.
      execute.call(this, 'PRAGMA cache_size = 2; PRAGMA cache_spill = 1');
      for (const statement of sql.split(';')) {
        execute.call(this, statement);
        const killed = join(folder, `killed-${kills.length}`);
        kills.push(killed);
        mkdirSync(killed);
        for (const suffix of ['', '-wal']) {
          if (existsSync(source + suffix)) copyFileSync(source + suffix, join(killed, `joinery.sqlite${suffix}`));
        }
      }
    });
    await openSqliteStorage(data).close();
    spy.mockRestore();
    expect(kills.length).toBeGreaterThan(10);
    // The later ones have the more on the disk of what was never committed.
    const sizes = kills.map((path) => statSync(join(path, 'joinery.sqlite-wal')).size);
    expect(sizes.at(-1)).toBeGreaterThan((sizes[0] ?? 0) + 100_000);
    for (const killed of kills) {
      const before = new SqliteDatabase(join(killed, 'joinery.sqlite'));
      expect(before.prepare(`SELECT value FROM meta WHERE key = 'format'`).all()).toEqual([[1]]);
      before.close();
      const storage = openSqliteStorage(killed);
      expect(await storage.head('s/2999')).toMatchObject({ epoch: 5_000, head: 1, base: 0, deleted: false });
      expect((await storage.changes({ space: 's', after: 0, limit: 5_000 })).entries).toHaveLength(2_992);
      expect((await storage.agents('s/77')).get(1n)).toMatchObject({ seq: 1, epoch: 5_000 });
      await append(storage, 's/77', 3n);
      await storage.close();
    }
  });

  it('can be restored from a backup of that time', async () => {
    make();
    expect(existsSync(file)).toBe(true);
    expect(restore(file, join(folder, 'fresh'))).toEqual({ documents: 3 });
    const storage = openSqliteStorage(join(folder, 'fresh'));
    const head = await storage.head('s/a');
    expect(head).toMatchObject({ head: 2, safe: 2 });
    expect((await storage.agents('s/a')).get(1n)?.epoch).toBe(head.epoch);
    await storage.close();
  });
});
