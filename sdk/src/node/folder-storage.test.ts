// Runs the storage contract's suite on real files in a folder, and what is theirs alone: who has them, what is on the disk when,
// and what the file system refuses. Processes that are killed or that meet are in tests/integration; power cuts at every write
// are in `../storage/log-file.test.ts`.

import { createHash } from 'node:crypto';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JoineryError, writeEnvelope } from '@joinery/protocol';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemEnvironment } from '../environment.ts';
import type { DocumentWrite, Namespace } from '../storage/storage.ts';
import { operationsOf } from '../testing/log-operations.ts';
import { storageSuite } from '../testing/storage-suite.ts';
import { lockFolder } from './folder-lock.ts';
import { FolderStorage } from './folder-storage.ts';

/** What the file system was asked for, in order: `fsync` with the path of what was synced. */
const { calls, paths, failures } = vi.hoisted(() => ({
  calls: [] as string[],
  paths: new Map<number, string>(),
  /** Of calls by name, what the next one fails with. */
  failures: new Map<string, string>(),
}));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const pathOf = (descriptor: number): string => paths.get(descriptor) ?? 'unknown';
  const failing = (name: string): void => {
    const code = failures.get(name);
    failures.delete(name);
    if (code !== undefined) throw Object.assign(new Error(`${code}: ${name}`), { code });
  };
  return {
    ...fs,
    mkdirSync: (path: string, options: object) => {
      failing('mkdir');
      return fs.mkdirSync(path, options);
    },
    openSync: (path: string, flags: number, mode?: number) => {
      if (path.endsWith('.log')) failing('open');
      const descriptor = fs.openSync(path, flags, mode);
      paths.set(descriptor, path);
      return descriptor;
    },
    fsyncSync: (descriptor: number) => {
      calls.push(`sync ${pathOf(descriptor)}`);
      fs.fsyncSync(descriptor);
    },
    fdatasyncSync: (descriptor: number) => {
      calls.push(`flush ${pathOf(descriptor)}`);
      failing('fdatasync');
      fs.fdatasyncSync(descriptor);
    },
    writeSync: (descriptor: number, bytes: Uint8Array, offset: number, length: number, at: number) => {
      calls.push(`write ${pathOf(descriptor)}`);
      failing('write');
      return fs.writeSync(descriptor, bytes, offset, length, at);
    },
  };
});

const root = mkdtempSync(join(tmpdir(), 'joinery-folder-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
/** Windows has other rights, keeps what is open from being removed, and links for administrators only. */
const isPosix = process.platform !== 'win32';
let count = 0;
let folder = '';
beforeEach(() => {
  count += 1;
  folder = join(root, 'data', `${count}`);
  calls.length = 0;
  failures.clear();
});

const namespace: Namespace = { server: 'wss://example.org/sync', user: 'ada', name: 'default' };

function pathIn({ server, user, name }: Namespace, ...file: string[]): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([server, user, name]))
    .digest('hex');
  return join(folder, hash, ...file);
}

function write(seq: number, bytes = 1): DocumentWrite {
  const local = [writeEnvelope({ agent: 1n, from: seq - 1, to: seq, payload: new Uint8Array(bytes).fill(seq) })];
  return { document: 'notes', incarnation: 0, epoch: 0, at_ms: seq, local };
}

describe('storage in a folder', () => {
  for (const { name, run } of storageSuite) {
    test(name, async () => {
      await run({
        storage: new FolderStorage({ folder }),
        async damage(of, document, area) {
          const path = pathIn(of, 'a.log');
          const content = readFileSync(path);
          const last = operationsOf(content).findLast(
            ({ operation }) => operation.kind === 'put' && operation.document === document && operation.area === area,
          );
          if (last?.operation.kind !== 'put') throw new Error(`Expected a ${area} record of ${document}, found none.`);
          const middle = last.at + (last.operation.record.length >> 1);
          content[middle] = (content[middle] ?? 0) ^ 4;
          // Into the file that is open, as a disk would.
          writeFileSync(path, content, { flag: 'r+' });
        },
      });
    });
  }
});

test.runIf(isPosix)('a commit is told when the file is synced, and so are the folders that lead to it', async () => {
  const store = await new FolderStorage({ folder }).open(namespace);
  const file = pathIn(namespace, 'a.log');
  await store.append([write(1)]);
  const synced = calls.filter((call) => call.startsWith('sync '));
  for (const path of [pathIn(namespace), folder, join(root, 'data')]) {
    expect(synced).toContain(`sync ${path}`);
  }
  expect(calls.indexOf(`sync ${pathIn(namespace)}`)).toBeLessThan(calls.indexOf(`write ${file}`));
  expect(calls.slice(-2)).toEqual([`write ${file}`, `flush ${file}`]);
  await store.close();
});

test.runIf(isPosix)('nobody else may read or enter what it makes', async () => {
  const store = await new FolderStorage({ folder }).open(namespace);
  expect(statSync(pathIn(namespace)).mode & 0o777).toBe(0o700);
  for (const name of ['a.log', 'b.log']) expect(statSync(pathIn(namespace, name)).mode & 0o777).toBe(0o600);
  await store.close();
});

test('half a commit at the end of a file, as a power cut leaves it, is taken off', async () => {
  const storage = new FolderStorage({ folder });
  const first = await storage.open(namespace);
  await first.append([write(1)]);
  await first.close();
  const whole = readFileSync(pathIn(namespace, 'a.log'));
  appendFileSync(pathIn(namespace, 'a.log'), whole.subarray(-40, -4));
  const second = await storage.open(namespace);
  const { log, damaged } = await second.load('notes');
  expect([log.length, damaged]).toEqual([1, []]);
  expect(statSync(pathIn(namespace, 'a.log')).size).toBe(whole.length);
  await second.close();
});

test.each([
  ['ENOSPC', 'write', 'storage-full'],
  ['EDQUOT', 'write', 'storage-full'],
  ['EFBIG', 'write', 'storage-full'],
  ['EIO', 'fdatasync', 'storage-failed'],
])('%s of a %s is %s, nothing has changed, and the next commit works', async (failure, call, code) => {
  const store = await new FolderStorage({ folder }).open(namespace);
  await store.append([write(1)]);
  failures.set(call, failure);
  await expect(store.append([write(2)])).rejects.toMatchObject({ code, retryable: true });
  expect((await store.load('notes')).log).toHaveLength(1);
  await store.append([write(2)]);
  await store.close();
  const again = await new FolderStorage({ folder }).open(namespace);
  expect((await again.load('notes')).log).toHaveLength(2);
  await again.close();
});

test('where a file is in the way, or the folder’s name is none, it says so', async () => {
  const file = join(root, `file-${count}`);
  writeFileSync(file, 'not a folder');
  await expect(new FolderStorage({ folder: join(file, 'below') }).open(namespace)).rejects.toMatchObject({
    code: 'storage-unavailable',
  });
  expect(readFileSync(file, 'utf8')).toBe('not a folder');
  for (const bad of ['', undefined, 7]) {
    expect(() => new FolderStorage({ folder: bad as string })).toThrowError(JoineryError);
  }
});

test.each([
  ['EACCES', 'mkdir', 'storage-unavailable'],
  ['EROFS', 'mkdir', 'storage-unavailable'],
  ['EACCES', 'open', 'storage-unavailable'],
  ['ENOSPC', 'mkdir', 'storage-full'],
  ['EMFILE', 'open', 'storage-failed'],
])('%s of a %s is %s, and the folder can be opened when that is over', async (failure, call, code) => {
  failures.set(call, failure);
  const storage = new FolderStorage({ folder });
  await expect(storage.open(namespace)).rejects.toMatchObject({ code });
  const store = await storage.open(namespace);
  await store.append([write(1)]);
  await store.close();
});

test.runIf(isPosix)('files that were removed while they were open take nothing more', async () => {
  const storage = new FolderStorage({ folder });
  const store = await storage.open(namespace);
  await store.append([write(1)]);
  rmSync(folder, { recursive: true });
  await expect(store.append([write(2)])).rejects.toMatchObject({ code: 'storage-failed' });
  await store.close();
  const anew = await storage.open(namespace);
  expect(await anew.documents()).toEqual([]);
  await anew.append([write(1)]);
  await anew.close();
});

describe('who has a folder', () => {
  test.runIf(isPosix)('keeps it and gives it back, whatever path led to it', async () => {
    const store = await new FolderStorage({ folder }).open(namespace);
    const alias = join(root, `alias-${count}`);
    symlinkSync(pathIn(namespace), alias);
    await expect(lockFolder(systemEnvironment(), alias, 0)).rejects.toMatchObject({
      code: 'storage-locked',
      retryable: true,
    });
    // Its own stores share it, by any path.
    const linked = join(root, `linked-${count}`);
    symlinkSync(folder, linked);
    const second = await new FolderStorage({ folder: linked }).open(namespace);
    await store.append([write(1)]);
    expect((await second.load('notes')).log).toHaveLength(1);
    await store.close();
    await expect(lockFolder(systemEnvironment(), alias, 0)).rejects.toMatchObject({ code: 'storage-locked' });
    await second.close();
    (await lockFolder(systemEnvironment(), alias, 0)).release();
    // Nothing is left of it.
    expect(readdirSync(pathIn(namespace)).sort()).toEqual(['a.log', 'b.log']);
  });
});
