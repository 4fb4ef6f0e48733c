// One SQLite file of a client's storage and several processes, as they really are: two that write at once, one that is killed
// while it writes, one that the disk
// refuses.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SqliteStorage } from '@joinery/storage-sqlite/node';
import type { StoredEnvelope } from 'joinery/storage';
import { afterEach, beforeEach, expect, test } from 'vitest';

const writer = fileURLToPath(new URL('./sqlite-writer.mjs', import.meta.url));
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'joinery-sqlite-'));
  path = join(folder, 'app.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Writing {
  readonly child: ChildProcess;
  /** What it has said so far. */
  readonly lines: readonly string[];
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
}

/** Starts a process that writes; `heard` is called at each line. */
function startWriter(
  { agent, count, bytes = 100, limit_kB = 0 }: { agent: number; count: number; bytes?: number; limit_kB?: number },
  heard: (child: ChildProcess, line: string) => void = () => {},
): Writing {
  const run = [process.execPath, writer, path, `${agent}`, `${count}`, `${bytes}`];
  // The shell's unit for the size of a file is 512 bytes.
  const limited = ['-c', `ulimit -f ${2 * limit_kB}; trap '' XFSZ; exec "$@"`, 'sh', ...run];
  const [command = '', ...args] = limit_kB > 0 ? ['sh', ...limited] : run;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    heard(child, line);
  });
  return { child, lines, ended: new Promise((resolve) => child.once('close', () => resolve())) };
}

async function logOf(agent: number): Promise<readonly StoredEnvelope[]> {
  const store = await new SqliteStorage({ path }).open({
    server: 'wss://example.org/sync',
    user: 'ada',
    name: 'default',
  });
  const { log, damaged } = await store.load('notes');
  await store.close();
  expect(damaged).toEqual([]);
  return log.filter((envelope) => envelope.agent === BigInt(agent)).sort((a, b) => a.from - b.from);
}

test('two processes write to one file at once, and neither loses anything', async () => {
  const writers = [1, 2].map((agent) => startWriter({ agent, count: 200 }));
  await Promise.all(writers.map(({ ended }) => ended));
  for (const [index, { lines }] of writers.entries()) {
    expect(lines.at(-1)).toBe('200');
    expect(await logOf(index + 1)).toHaveLength(200);
  }
});

test('what a killed process has called durable is there, whole, and so is what was half written: as a whole or not at all', async () => {
  for (const agent of [1, 2, 3, 4, 5]) {
    const { lines, ended } = startWriter({ agent, count: 10_000, bytes: 5_000 }, (child, line) => {
      if (Number(line) === agent * 7) child.kill('SIGKILL');
    });
    await ended;
    const told = Number(lines.at(-1));
    const log = await logOf(agent);
    expect([told, told + 1]).toContain(log.length);
    log.forEach(({ from, bytes }, index) => {
      expect(from).toBe(index);
      expect(bytes.subarray(-5_000).every((byte) => byte === ((index + 1) & 0xff))).toBe(true);
    });
  }
});

test('where the disk refuses to write, a commit fails whole, with a typed error, and the file is as it was', async () => {
  const full = startWriter({ agent: 1, count: 1_000, bytes: 20_000, limit_kB: 1_000 });
  await full.ended;
  expect(full.lines.at(-1)).toBe('storage-failed');
  const stored = full.lines.length - 1;
  expect(stored).toBeGreaterThan(5);
  expect(await logOf(1)).toHaveLength(stored);
  // Where it doesn't, it goes on.
  const more = startWriter({ agent: 2, count: 10, bytes: 20_000 });
  await more.ended;
  expect(more.lines.at(-1)).toBe('10');
  expect(await logOf(2)).toHaveLength(10);
});
