// `joinery/node` as scripts and servers use it: built, in processes of their own, with the real server. How a folder is shared, and
// what a kill leaves, is in storage-processes.test.ts.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createServer, type Server } from '@joinery/server';
import { type Client, JoineryError } from 'joinery';
import { createClient, FolderStorage, type NodeClientOptions } from 'joinery/node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';

const root = fileURLToPath(new URL('../..', import.meta.url));
const todo = join(root, 'examples', 'node-script', 'todo.mjs');
let folder: string;
let server: Server | undefined;
const clients = new Set<Client>();
const children = new Set<ChildProcess>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'joinery-node-'));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all([...clients].map((client) => client.close()));
  clients.clear();
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function start(port = 0): Promise<Server> {
  return createServer({ data: join(folder, 'server'), port });
}

function open(options: Omit<NodeClientOptions, 'url'> & { url?: string } = {}): Client {
  const client = createClient({ url: server?.url ?? 'http://localhost:9', ...options });
  clients.add(client);
  return client;
}

/** Runs a script to its end; rejects when it doesn't end by itself within ten seconds. */
async function run(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env } });
  children.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  const [status] = await once(child, 'close');
  clearTimeout(late);
  children.delete(child);
  if (status !== 0) throw new Error(`It ended with ${status} and printed:\n${output}`);
  return output;
}

/** A script with a client `client` on this test's folder. */
function script(code: string, connect = true): readonly string[] {
  const options = JSON.stringify({ url: server?.url ?? 'http://localhost:9', storage: { folder }, connect });
  const opened = `import { createClient } from 'joinery/node'; const client = createClient(${options});`;
  return ['--input-type=module', '--eval', `${opened} ${code}`];
}

test('edits made offline are there in the next process, and a thousand of them drain when the server is back', async () => {
  server = await start();
  const { port } = server;
  const storage = { folder: join(folder, 'client') };
  const url = server.url;
  const first = open({ storage });
  expect(first.status.storage.mode).toBe('folder');
  const list = first.document<{ items?: string[]; count?: number }>('list');
  await list.update({ items: ['online'] }).synced;
  await server.close();
  await Promise.all(Array.from({ length: 1_000 }, (_, count) => list.update({ count }).durable));
  await first.close();

  const second = open({ storage, url });
  const again = second.document<{ items?: string[]; count?: number }>('list');
  await again.loaded;
  expect(again.value).toEqual({ items: ['online'], count: 999 });
  expect(second.status.sync.state).toBe('pending');
  server = await start(port);
  // As an app does that knows of the network; without it, it is tried again within 15 s.
  second.connect();
  await again.update({ items: ['back'] }).synced;
  const answer = await fetch(`${server.url}/documents/list`);
  expect(await answer.json()).toEqual({ items: ['back'], count: 999 });
});

test('two clients of one process share a folder, and each sees what the other had stored', async () => {
  const storage = { folder: join(folder, 'client') };
  const [ada, bob] = [open({ storage, connect: false }), open({ storage, connect: false })];
  await ada.document('doc').update({ from: 'ada' }).durable;
  const doc = bob.document('doc');
  await doc.loaded;
  expect(doc.value).toEqual({ from: 'ada' });
});

describe('a process', () => {
  test('ends by itself when its client is closed', async () => {
    server = await start();
    const write = "await client.document('doc').update({ a: 1 }).synced;";
    const closed = "process.on('exit', () => console.log('ended'));";
    expect(await run(script(`${closed} ${write} await client.close();`))).toBe('ended\n');
    // Or at the end of the block that it was opened for.
    expect(await run(script(`${closed} ${write} await client[Symbol.asyncDispose]();`))).toBe('ended\n');
  });

  test('goes on while its client is connected, and while it tries to be', async () => {
    server = await start();
    const told = 'client.subscribeStatus(() => console.log(client.status.connection.state));';
    const child = spawn(process.execPath, [...script(told)], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    children.add(child);
    let output = '';
    const seen = async (state: string): Promise<void> => {
      for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
        output += chunk;
        if (output.endsWith(`${state}\n`)) return;
      }
      throw new Error(`It ended, and never was ${state}: ${output}`);
    };
    await seen('online');
    await server.close();
    await seen('offline');
    // It tries again.
    await seen('connecting');
    expect(child.exitCode).toBeNull();
    child.kill();
    await once(child, 'close');
    children.delete(child);
  });

  test('ends by itself when its client was never to connect, and what it wrote is durable', async () => {
    await run(script("await client.document('doc').update({ a: 1 }).durable;", false));
    expect(await run(script("const d = client.document('doc'); await d.loaded; console.log(d.value);", false))).toBe(
      '{ a: 1 }\n',
    );
  });
});

test('the example keeps a list without a server, and brings it there later', async () => {
  server = await start();
  const { port, url } = server;
  await server.close();
  server = undefined;
  const env = { JOINERY_URL: url, TODO_FOLDER: join(folder, 'todo') };
  expect(await run([todo, 'Milk', 'and', 'bread'], env)).toBe(
    'Added here; the server gets it when it can be reached.\n[ ] Milk and bread\n',
  );
  server = await start(port);
  expect(await run([todo, 'Tea'], env)).toBe('Added, and the server has it.\n[ ] Milk and bread\n[ ] Tea\n');
  const answer = await fetch(`${server.url}/documents/workbench-todos`);
  expect(await answer.json()).toMatchObject({ list: [{ title: 'Milk and bread', done: false }, { title: 'Tea' }] });
});

describe('createClient', () => {
  test('takes the socket that it is given, or no socket at all', async () => {
    server = await start();
    let sockets = 0;
    class Counting extends WebSocket {
      constructor(url: string) {
        super(url);
        sockets += 1;
      }
    }
    await open({ WebSocket: Counting as never })
      .document('doc')
      .update({ a: 1 }).synced;
    expect(sockets).toBe(1);
    const transport = { connect: () => ({ send: () => {}, close: () => {}, buffered_bytes: 0 }) };
    await open({ transport }).document('doc').update({ a: 1 }).durable;
    expect(sockets).toBe(1);
  });

  test.each([['opfs'], ['indexeddb'], [undefined as unknown], [null], [{}], [{ folder: '' }], [7]])(
    'refuses the storage %j',
    (storage) => {
      const given = () =>
        createClient({
          url: 'http://localhost:9',
          ...(storage === undefined ? { storage: '' } : { storage }),
        } as never);
      expect(given).toThrowError(expect.objectContaining({ code: 'invalid-option' }));
      expect(given).toThrowError(JoineryError);
    },
  );

  test('takes a storage of one’s own', async () => {
    const client = open({ storage: new FolderStorage({ folder }), connect: false });
    await client.document('doc').update({ a: 1 }).durable;
    expect(client.status.storage).toEqual({ mode: 'folder', state: 'ready' });
  });
});
