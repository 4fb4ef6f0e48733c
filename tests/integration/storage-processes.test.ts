// One storage of a client on disk and several processes, as they really are: two that write at once, one that is killed while it
// writes, one that stands still, one that the disk refuses. Runs on SQLite and on a folder.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { SqliteStorage } from '@joinery/storage-sqlite/node';
import { FolderStorage } from 'joinery/node';
import type { Storage, StoredEnvelope } from 'joinery/storage';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const writer = fileURLToPath(new URL('./storage-writer.mjs', import.meta.url));
const kills = 30;
let folder: string;
let path: string;
/** Those that a test has started, and that may still run. */
const children = new Set<ChildProcess>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'joinery-storage-'));
  path = join(folder, 'app');
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

type Kind = 'sqlite' | 'folder';

interface WriterOptions {
  readonly agent: number;
  readonly count: number;
  readonly bytes?: number;
  /** No file may grow larger. */
  readonly limit_kB?: number;
  /** What the process is started with, such as `unshare`. */
  readonly within?: readonly string[];
}

interface Writing {
  readonly child: ChildProcess;
  /** What it has said so far. */
  readonly lines: readonly string[];
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  /** Resolves when it has said so many lines. */
  said(count: number): Promise<void>;
}

/** Starts a process that writes; `heard` is called at each line. */
function startWriter(
  kind: Kind,
  { agent, count, bytes = 100, limit_kB = 0, within = [] }: WriterOptions,
  heard: (child: ChildProcess, line: string) => void = () => {},
): Writing {
  const run = [...within, process.execPath, writer, kind, path, `${agent}`, `${count}`, `${bytes}`];
  // The shell's unit for the size of a file is 512 bytes.
  const limited = ['sh', '-c', `ulimit -f ${2 * limit_kB}; trap '' XFSZ; exec "$@"`, 'sh', ...run];
  const [command = '', ...args] = limit_kB > 0 ? limited : run;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    heard(child, line);
    for (const look of waiting) look();
  });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      children.delete(child);
      resolve();
    });
  });
  const said = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (lines.length < wanted) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return { child, lines, ended, said };
}

function storageOf(kind: Kind): Storage {
  return kind === 'folder' ? new FolderStorage({ folder: path }) : new SqliteStorage({ path });
}

async function logOf(kind: Kind, agent: number): Promise<readonly StoredEnvelope[]> {
  const store = await storageOf(kind).open({ server: 'wss://example.org/sync', user: 'ada', name: 'default' });
  const { log, damaged } = await store.load('notes');
  await store.close();
  expect(damaged).toEqual([]);
  return log.filter((envelope) => envelope.agent === BigInt(agent)).sort((a, b) => a.from - b.from);
}

describe.each(['sqlite', 'folder'] as const)('%s', (kind) => {
  test('two processes write at once, or one after the other, and neither loses anything', async () => {
    const writers = [1, 2].map((agent) => startWriter(kind, { agent, count: 200 }));
    await Promise.all(writers.map(({ ended }) => ended));
    for (const [index, { lines }] of writers.entries()) {
      expect(lines.at(-1)).toBe('200');
      expect(await logOf(kind, index + 1)).toHaveLength(200);
    }
  });

  test(`what a process that is killed, ${kills} times, has called durable is there, whole; what was half written, whole or not at all`, {
    timeout: 300_000,
  }, async () => {
    for (let agent = 1; agent <= kills; agent += 1) {
      const { lines, ended } = startWriter(kind, { agent, count: 10_000, bytes: 5_000 }, (child, line) => {
        if (Number(line) === 1 + agent * 2) child.kill('SIGKILL');
      });
      await ended;
      const told = Number(lines.at(-1));
      expect(told).toBeGreaterThan(0);
      const log = await logOf(kind, agent);
      expect([told, told + 1]).toContain(log.length);
      log.forEach(({ from, bytes }, index) => {
        expect(from).toBe(index);
        expect(bytes.subarray(-5_000).every((byte) => byte === ((index + 1) & 0xff))).toBe(true);
      });
    }
  });

  test('where the disk refuses to write, a commit fails whole, with a typed error, and what is there is as it was', async () => {
    const full = startWriter(kind, { agent: 1, count: 1_000, bytes: 20_000, limit_kB: 1_000 });
    await full.ended;
    expect(full.lines.at(-1)).toBe(kind === 'folder' ? 'storage-full' : 'storage-failed');
    const stored = full.lines.length - 1;
    expect(stored).toBeGreaterThan(5);
    expect(await logOf(kind, 1)).toHaveLength(stored);
    // Where it doesn't, it goes on.
    const more = startWriter(kind, { agent: 2, count: 10, bytes: 20_000 });
    await more.ended;
    expect(more.lines.at(-1)).toBe('10');
    expect(await logOf(kind, 2)).toHaveLength(10);
  });
});

describe('a folder that a process has', () => {
  const busy = { agent: 1, count: 1_000_000 };
  const other = { agent: 2, count: 3 };

  test('is refused to others, though that process stands still, and theirs when it is gone', async () => {
    const owner = startWriter('folder', busy);
    await owner.said(1);
    // Windows can't.
    if (process.platform !== 'win32') owner.child.kill('SIGSTOP');
    const refused = startWriter('folder', other);
    await refused.ended;
    expect(refused.lines).toEqual(['storage-locked']);
    const waiting = startWriter('folder', { ...other, agent: 3 });
    owner.child.kill('SIGKILL');
    await Promise.all([owner.ended, waiting.ended]);
    expect(waiting.lines).toEqual(['1', '2', '3']);
    expect((await logOf('folder', 1)).length).toBeGreaterThan(0);
  });

  test('is refused to threads of the same process, and theirs when the one that has it ends', async () => {
    const thread = (agent: number, count: number): Worker =>
      new Worker(writer, { workerData: ['folder', path, `${agent}`, `${count}`, '100'], stdout: true });
    const owner = thread(1, 1_000_000);
    await new Promise((resolve) => owner.stdout.once('data', resolve));
    await expect(logOf('folder', 1)).rejects.toMatchObject({ code: 'storage-locked' });
    const waiting = thread(2, 3);
    const ended = new Promise((resolve) => waiting.once('exit', resolve));
    waiting.stdout.resume();
    await owner.terminate();
    await ended;
    expect(await logOf('folder', 2)).toHaveLength(3);
  });

  // What containers are to each other: each has names of sockets of its own.
  const within = ['unshare', '--net'];
  const hasContainers = spawnSync('unshare', ['--net', 'true']).status === 0;
  if (!hasContainers) console.log('unshare --net is not to be had: not tested is how containers share a folder');
  test.runIf(hasContainers)('is refused to another container, and theirs when it is gone', async () => {
    const owner = startWriter('folder', { ...busy, within });
    await owner.said(1);
    const refused = startWriter('folder', { ...other, within });
    await refused.ended;
    expect(refused.lines).toEqual(['storage-locked']);
    owner.child.kill('SIGKILL');
    await owner.ended;
    const next = startWriter('folder', { ...other, within });
    await next.ended;
    expect(next.lines).toEqual(['1', '2', '3']);
  });
});
