/** The command: what it prints, which port it takes, how it ends, and what a kill leaves. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readEnvelope } from '@joinery/protocol';
import { init } from 'joinery/core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TestClient } from './testing/test-client.ts';

/** The built command: `npm run build` makes it. */
const bin = fileURLToPath(new URL('../dist/bin.js', import.meta.url));

beforeAll(async () => {
  if (!existsSync(bin)) throw new Error('The server is not built: run `npm run build` first.');
  await init();
});

describe('the command', () => {
  let folder: string;
  const children: ChildProcess[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'joinery-bin-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts it and waits until it is ready; returns its lines and address. */
  async function start(environment: Record<string, string>) {
    const child = spawn(process.execPath, [bin], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let output = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        output += chunk;
        if (/ready: .*\n/.test(output)) resolve();
      });
      child.once('exit', () => reject(new Error(`ended: ${output}`)));
    });
    const lines = output.trimEnd().split('\n');
    return { child, lines, url: /http:\S+/.exec(lines.at(-1) ?? '')?.[0] ?? '' };
  }

  const ended = async (child: ChildProcess): Promise<number | null> => {
    if (child.exitCode !== null) return child.exitCode;
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  };

  it('prints one line when it is ready, and ends with 0 on both signals', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const { child, lines, url } = await start({ PORT: '0' });
      expect(lines).toEqual([`Joinery is ready: ${url}`]);
      expect(existsSync(join(folder, 'data', 'joinery.sqlite'))).toBe(true);
      const client = new TestClient(url).connect();
      client.write((replica) => replica.counter('c').increment(1));
      await client.synced();
      child.kill(signal);
      expect(await ended(child)).toBe(0);
      client.close();
    }
  });

  it('takes the next free port and says so', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address() as { port: number };
    const { lines, url } = await start({ PORT: String(port), JOINERY_DATA: join(folder, 'elsewhere') });
    expect(lines).toEqual([
      `Port ${port} is taken; ${new URL(url).port} is used instead.`,
      `Joinery is ready: http://localhost:${new URL(url).port}`,
    ]);
    expect(Number(new URL(url).port)).toBeGreaterThan(port);
    blocker.close();
  });

  it('refuses a folder that another server uses, and a port that is none', async () => {
    await start({ PORT: '0' });
    await expect(start({ PORT: '0' })).rejects.toThrow(/no other server uses/);
    await expect(start({ PORT: 'http' })).rejects.toThrow(/a port from 0 to 65535/);
  });

  it('has everything that was acknowledged after SIGKILL under writes', async () => {
    let server = await start({ PORT: '0' });
    const { port } = new URL(server.url);
    const client = new TestClient(server.url).connect();
    await client.caughtUp();
    for (let kill = 0; kill < 5; kill += 1) {
      for (let count = 0; count < 200; count += 1) {
        client.write((replica) => replica.counter('c').increment(1));
        if (count % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const acknowledged = client.log.length - client.pending;
      server.child.kill('SIGKILL');
      await once(server.child, 'exit');
      server = await start({ PORT: port });
      const late = new TestClient(server.url).connect();
      await late.caughtUp();
      expect(late.resume?.position).toBeGreaterThanOrEqual(acknowledged);
      late.close();
      await client.synced();
    }
    const late = new TestClient(server.url).connect();
    await late.until('every write, once', () => late.replica.counter('c').value === 1_000);
    expect(late.resume?.position).toBe(client.log.length);
    late.close();
    client.close();
  });

  it('backs up beside a running server, and restores where none runs: clients bring back what they hold', async () => {
    const run = async (...given: string[]): Promise<[number | null, string]> => {
      const child = spawn(process.execPath, [bin, ...given], { cwd: folder, env: { PATH: process.env.PATH } });
      children.push(child);
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk));
      return [await ended(child), output];
    };
    const server = await start({ PORT: '0' });
    const client = new TestClient(server.url).connect();
    client.write((replica) => replica.counter('c').increment(1));
    await client.synced();
    expect(await run('backup', 'copy')).toEqual([0, 'Backed up 1 documents from data to copy.\n']);
    await client.until('the safe position', () => client.seen('safe').length > 0);
    expect(client.seen('safe').at(-1)?.position).toBe(1);
    client.write((replica) => replica.counter('c').increment(10));
    await client.synced();
    expect(await run('restore', 'copy', '--data', 'data')).toMatchObject([1, /no other server uses/]);
    server.child.kill('SIGTERM');
    await ended(server.child);
    const { epoch } = client.resume ?? { epoch: 0 };
    expect(await run('restore', 'copy')).toMatchObject([
      0,
      /^Restored 1 documents .*\nWhat was there before is kept: /s,
    ]);
    const restored = await start({ PORT: new URL(server.url).port });
    await client.until('the new epoch', () => client.seen('epoch-changed').length === 1);
    const [changed] = client.seen('epoch-changed');
    expect(changed?.epoch).toBeGreaterThan(epoch);
    const agents = [client.replica.agent as bigint];
    client.replace(agents, epoch);
    await client.until('the backup’s state', () => client.seen('agents-closed').length === 1);
    // It has the first write, and lacks the second.
    expect([...(client.seen('agents-closed')[0]?.last.values() ?? [])]).toEqual([
      readEnvelope(client.log[0]?.bytes as Uint8Array).to,
    ]);
    client.close();
    restored.child.kill('SIGTERM');
    expect(await ended(restored.child)).toBe(0);
    for (const given of [['backup'], ['restore'], ['destroy', 'x'], ['backup', 'a', 'b'], ['--data']]) {
      expect((await run(...given))[0]).toBe(1);
    }
  });
});
