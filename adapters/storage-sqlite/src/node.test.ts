// Runs the storage contract's suite on SQLite in Node, and what is SQLite's alone: a file that is another program's, of a later
// version, or none. Several processes and a full disk are in tests/integration.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JoineryError, writeEnvelope } from '@joinery/protocol';
import type { DocumentWrite, Namespace } from 'joinery/storage';
import { storageSuite } from 'joinery/testing';
import Libsql from 'libsql';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { SqliteStorage } from './node.ts';
import { schemaVersion, upgrade, versions } from './schema.ts';
import type { SqlDatabase, SqlValue } from './sql.ts';

const folder = mkdtempSync(join(tmpdir(), 'joinery-sqlite-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
let path = '';
beforeEach(() => {
  count += 1;
  path = join(folder, 'data', `${count}.sqlite`);
});

const namespace: Namespace = { server: 'wss://example.org/sync', user: 'ada', name: 'default' };

function write(seq: number, bytes = 1): DocumentWrite {
  const local = [writeEnvelope({ agent: 1n, from: seq - 1, to: seq, payload: new Uint8Array(bytes).fill(seq) })];
  return { document: 'notes', incarnation: 0, epoch: 0, at_ms: seq, local };
}

function plain(database: InstanceType<typeof Libsql>): SqlDatabase {
  return {
    prepare: (sql) => {
      const statement = database.prepare(sql);
      return {
        run: (...values) => void statement.run(values),
        all: (...values) => statement.raw().all(values) as SqlValue[][],
      };
    },
    execute: (sql) => void database.exec(sql),
    get inTransaction() {
      return database.inTransaction;
    },
    close: () => {},
  };
}

/** Another connection to the file, for what only a test does. */
function raw<Result>(use: (database: InstanceType<typeof Libsql>) => Result): Result {
  const database = new Libsql(path);
  try {
    return use(database);
  } finally {
    database.close();
  }
}

describe('storage in SQLite', () => {
  for (const { name, run } of storageSuite) {
    test(name, async () => {
      await run({
        storage: new SqliteStorage({ path }),
        async damage({ server, user, name: client }, document, area) {
          const owner = JSON.stringify([server, user, client]);
          raw((database) => {
            const where = `area = '${area}' AND document = ? AND namespace = (SELECT id FROM namespaces WHERE name = ?)`;
            const found = database.prepare(
              `SELECT id, record FROM (SELECT rowid AS id, * FROM records) WHERE ${where}`,
            );
            const [[id, blob] = []] = found.raw().all([document, owner]) as [number, Uint8Array][];
            if (blob === undefined) throw new Error(`Expected a ${area} record of ${document}, found none.`);
            const record = new Uint8Array(blob);
            const middle = record.length >> 1;
            record[middle] = (record[middle] ?? 0) ^ 4;
            database.prepare('UPDATE records SET record = ? WHERE rowid = ?').run([record, id]);
          });
        },
      });
    });
  }
});

describe('a SQLite file', () => {
  test('that another program has written is refused, and left as it is', async () => {
    const storage = new SqliteStorage({ path });
    await (await storage.open(namespace)).close();
    path = join(folder, 'other.sqlite');
    raw((database) => database.exec('CREATE TABLE theirs (x)'));
    const before = readFileSync(path);
    await expect(new SqliteStorage({ path }).open(namespace)).rejects.toMatchObject({ code: 'storage-unavailable' });
    expect(raw((database) => database.prepare('SELECT name FROM sqlite_master').raw().all([]))).toEqual([['theirs']]);
    expect(readFileSync(path)).toEqual(before);
  });

  test('of a later version is refused, and left as it is', async () => {
    const storage = new SqliteStorage({ path });
    const store = await storage.open(namespace);
    await store.append([write(1)]);
    await store.close();
    raw((database) => database.exec(`PRAGMA user_version = ${schemaVersion + 1}`));
    await expect(storage.open(namespace)).rejects.toMatchObject({ code: 'storage-too-new' });
    raw((database) => database.exec(`PRAGMA user_version = ${schemaVersion}`));
    const again = await storage.open(namespace);
    expect((await again.load('notes')).log).toHaveLength(1);
    await again.close();
  });

  test('that another process upgrades is written to no more, and that is told', async () => {
    const lost: string[] = [];
    const store = await new SqliteStorage({ path }).open(namespace, {
      lost: (error) => lost.push((error as JoineryError).code),
    });
    await store.append([write(1)]);
    const next = [...versions, 'ALTER TABLE records ADD COLUMN added INTEGER NOT NULL DEFAULT 7'];
    raw((database) => upgrade(plain(database), next));
    const content = raw((database) => database.prepare('SELECT * FROM records').raw().all([]));
    await expect(store.append([write(2)])).rejects.toMatchObject({ code: 'storage-too-new' });
    await expect(store.load('notes')).rejects.toMatchObject({ code: 'storage-too-new' });
    expect(lost).toEqual(['storage-too-new']);
    await store.close();
    expect(raw((database) => database.prepare('SELECT * FROM records').raw().all([]))).toEqual(content);
    await expect(new SqliteStorage({ path }).open(namespace)).rejects.toMatchObject({ code: 'storage-too-new' });
  });

  test('is as it was where an upgrade ends before any of its statements, and is upgraded after that', async () => {
    const store = await new SqliteStorage({ path }).open(namespace);
    await store.append([write(1)]);
    await store.close();
    const next = [...versions, 'ALTER TABLE records ADD COLUMN one INTEGER', 'CREATE TABLE two (x)'];
    for (let last = 0; ; last += 1) {
      let steps = 0;
      const isDone = raw((database) => {
        const dying = plain(database);
        const execute = (sql: string): void => {
          if (steps++ >= last) throw new Error('The process has ended.');
          dying.execute(sql);
        };
        try {
          upgrade({ ...dying, execute, inTransaction: false }, next);
          return true;
        } catch {
          // What the file's next user does for a process that has ended.
          if (database.inTransaction) database.exec('ROLLBACK');
          return false;
        }
      });
      if (isDone) break;
      const again = await new SqliteStorage({ path }).open(namespace);
      expect((await again.load('notes')).log).toHaveLength(1);
      await again.close();
    }
    const columns = raw((database) => database.prepare('PRAGMA table_info(records)').raw().all([]) as unknown[][]);
    expect(columns.map(([, name]) => name)).toContain('one');
    expect(raw((database) => database.prepare('PRAGMA user_version').raw().all([]))).toEqual([[next.length]]);
  });

  test('that is none is refused with a typed error, and left as it is', async () => {
    const storage = new SqliteStorage({ path });
    await (await storage.open(namespace)).close();
    path = join(folder, 'text.sqlite');
    writeFileSync(path, 'no database at all\n'.repeat(500));
    await expect(new SqliteStorage({ path }).open(namespace)).rejects.toMatchObject({ code: 'storage-corrupt' });
    expect(readFileSync(path, 'utf8')).toBe('no database at all\n'.repeat(500));
  });

  test('that is full refuses a commit whole, and goes on when there is room', async () => {
    const limited = await new SqliteStorage({ path, maxBytes: 300_000 }).open(namespace);
    await limited.append([write(1)]);
    const more = [write(2, 100_000), write(3, 100_000), write(4, 100_000)];
    await expect(limited.append(more)).rejects.toMatchObject({ code: 'storage-full' });
    expect((await limited.load('notes')).log).toHaveLength(1);
    await limited.append(more.slice(0, 1));
    await limited.close();
    const store = await new SqliteStorage({ path }).open(namespace);
    await store.append(more.slice(1));
    expect((await store.load('notes')).log).toHaveLength(4);
    await store.close();
  });

  test.each([0, -1, Number.NaN])('has no limit of %s bytes', (maxBytes) => {
    expect(() => new SqliteStorage({ path, maxBytes })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  test('is opened once, however many stores are opened and closed on it', async () => {
    const storage = new SqliteStorage({ path });
    const open = (): number => readdirSync('/proc/self/fd').length;
    await (await storage.open(namespace)).close();
    const before = open();
    for (let time = 0; time < 50; time += 1) {
      const stores = await Promise.all([storage.open(namespace), storage.open({ ...namespace, user: `${time}` })]);
      await Promise.all(stores.map((store) => store.close()));
    }
    expect(open() - before).toBeLessThan(10);
  });

  test('that was removed is made anew, and nothing goes to the one that is gone', async () => {
    const storage = new SqliteStorage({ path });
    const store = await storage.open(namespace);
    await store.append([write(1)]);
    await store.close();
    for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
    const again = await storage.open(namespace);
    expect(await again.documents()).toEqual([]);
    await again.append([write(1)]);
    await again.close();
    expect(raw((database) => database.prepare('SELECT count(*) FROM records').raw().all([]))).toEqual([[3]]);
  });

  test('has nothing of what was wiped, byte by byte', async () => {
    const store = await new SqliteStorage({ path }).open(namespace);
    const payload = new TextEncoder().encode('a secret of somebody who has signed out');
    const local = [writeEnvelope({ agent: 1n, from: 0, to: 1, payload })];
    await store.append([{ document: 'notes', incarnation: 0, epoch: 0, at_ms: 1, local }]);
    const has = (): boolean =>
      ['', '-wal'].some((end) => existsSync(`${path}${end}`) && readFileSync(`${path}${end}`).includes(payload));
    expect(has()).toBe(true);
    await store.wipe();
    expect(has()).toBe(false);
    await store.close();
  });
});
