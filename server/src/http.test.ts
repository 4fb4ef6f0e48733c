/** The HTTP routes: what they answer, and that nothing which is sent to them makes them answer otherwise. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { JoineryError } from '@joinery/protocol';
import { init } from 'joinery/core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../protocol/src/testing/damage.ts';
import { createServerCodec } from './codec.ts';
import { Documents } from './documents/documents.ts';
import { createHttp } from './http.ts';
import { nodeEnvironment } from './node-environment.ts';
import { openSqliteStorage } from './storage/sqlite.ts';
import { TestWorld } from './testing/test-server.ts';

beforeAll(() => init());

let world: TestWorld;
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.end());

const get = (path: string, init: RequestInit = {}): Promise<Response> => fetch(`${world.url}${path}`, init);

/** The routes alone, with a storage of their own and no socket. */
async function appApart(faults: { monotonic?: () => number; check?: () => Promise<void> } = {}) {
  const { monotonic, check } = faults;
  const storage = openSqliteStorage(join(world.folder, 'apart'));
  if (check !== undefined) storage.check = check;
  const reported: unknown[] = [];
  const report = (error: unknown): unknown => reported.push(error);
  const documents = new Documents({
    storage,
    codec: createServerCodec(),
    environment: nodeEnvironment,
    report,
    replicas: 4,
  });
  const options = { documents, storage, files: new Map(), origins: 'all' as const, report };
  const app = createHttp(monotonic === undefined ? options : { ...options, monotonic });
  return {
    reported,
    get: async (path: string): Promise<Response> => await app.fetch(new Request(`http://localhost${path}`)),
    async end(): Promise<void> {
      await documents.shutDown();
      await storage.close();
    },
  };
}

/** Sends a request as it is, which `fetch` would have put right, and returns the whole answer. */
function sendRaw(request: string | Uint8Array): Promise<string> {
  const { port } = new URL(world.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.end(request));
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

describe('/health', () => {
  it('says that the storage answers', async () => {
    await world.start();
    const answer = await get('/health');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toEqual({ status: 'ok' });
  });
});

describe('/health, asked often', () => {
  it('asks the disk at most once a second, and tells a failure as long', async () => {
    let [now, checks] = [0, 0];
    let failure: Error | undefined;
    await world.start();
    const apart = await appApart({
      monotonic: () => now,
      check: async () => {
        checks += 1;
        if (failure) throw failure;
      },
    });
    const statuses = await Promise.all(Array.from({ length: 50 }, async () => (await apart.get('/health')).status));
    expect([new Set(statuses), checks]).toEqual([new Set([200]), 1]);
    failure = new JoineryError('storage-failed', 'no disk');
    now = 999;
    expect((await apart.get('/health')).status).toBe(200);
    now = 1_000;
    expect((await apart.get('/health')).status).toBe(503);
    expect((await apart.get('/health')).status).toBe(503);
    expect(checks).toBe(2);
    failure = undefined;
    now = 2_000;
    expect((await apart.get('/health')).status).toBe(200);
    await apart.end();
  });
});

describe('/documents/:id with an authenticate hook', () => {
  const authenticate = async (token: string): Promise<{ user: string }> => {
    if (token === 'barred') throw new JoineryError('forbidden', 'Not you.');
    if (token !== 'good') throw new Error('no such token');
    return { user: 'ada' };
  };

  it('is given only to who sends a token that the hook accepts', async () => {
    await world.start({ authenticate });
    const client = world.client({ document: 'secret', token: 'good' });
    client.write((replica) => replica.counter('pin').increment(4));
    await client.synced();
    const ask = (authorization?: string, path = '/documents/secret'): Promise<Response> =>
      get(path, { headers: { origin: 'https://evil.example', ...(authorization && { authorization }) } });
    for (const authorization of [undefined, 'Bearer bad', 'Basic Z29vZA==', 'good', 'Bearer', 'Bearer good good']) {
      for (const path of ['/documents/secret', '/documents/none']) {
        const refused = await ask(authorization, path);
        expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, null]);
        expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer/);
        expect(await refused.json()).toMatchObject({ error: { code: 'unauthorised' } });
      }
    }
    const barred = await ask('Bearer barred');
    expect(barred.status).toBe(403);
    const given = await ask('bearer good');
    expect(await given.json()).toEqual({ pin: 4 });
    expect(given.headers.get('access-control-allow-origin')).toBeNull();
    expect(given.headers.get('cache-control')).toBe('private, no-cache');
    expect((await get('/health')).status).toBe(200);
    expect(world.reported).toEqual([]);
  });

  it('is for pages of its own host only, unless the origins are listed', async () => {
    await world.start({ authenticate });
    const own = `http://${new URL(world.url).host}`;
    const allowed = async (origin: string): Promise<string | null> =>
      (await get('/health', { headers: { origin } })).headers.get('access-control-allow-origin');
    expect(await allowed(own)).toBe(own);
    expect(await allowed('https://evil.example')).toBeNull();
    expect(await allowed('null')).toBeNull();
    await world.stop();
    await world.start({ authenticate, origins: ['https://app.example'] });
    expect(await allowed('https://app.example')).toBe('https://app.example');
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'GET' };
    const preflight = await get('/documents/secret', { method: 'OPTIONS', headers });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
  });
});

describe('/documents/:id', () => {
  it('gives a document as JSON, bytes as base64', async () => {
    await world.start();
    const client = world.client({ document: 'a/b ä' });
    client.write((replica) => {
      replica.text('body').insert(0, 'hé');
      replica.counter('votes').increment(2);
      replica.set('tags').add('x');
      replica.map('m').set('bytes', Uint8Array.of(1, 2, 255));
      replica.list('todo').push('milk');
    });
    await client.synced();
    const answer = await get(`/documents/${encodeURIComponent('a/b ä')}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await answer.json()).toEqual({
      body: 'hé',
      votes: 2,
      tags: ['x'],
      m: { bytes: { $bytes: 'AQL/' } },
      todo: ['milk'],
    });
    const etag = answer.headers.get('etag') ?? '';
    const again = await get(`/documents/${encodeURIComponent('a/b ä')}`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    client.write((replica) => replica.counter('votes').increment(1));
    await client.synced();
    const changed = await get(`/documents/${encodeURIComponent('a/b ä')}`, { headers: { 'if-none-match': etag } });
    expect(await changed.json()).toMatchObject({ votes: 3 });
  });

  it('tells what was never written, and what can’t be an id', async () => {
    await world.start();
    const missing = await get('/documents/none');
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ error: { code: 'not-found', retryable: false } });
    for (const id of ['%07', 'x'.repeat(257), '%EF%BB%BFx']) {
      const bad = await get(`/documents/${id}`);
      expect(bad.status).toBe(400);
      expect(await bad.json()).toMatchObject({ error: { code: 'invalid-document-id' } });
    }
  });

  it('takes no document for another because of how its id is encoded', async () => {
    await world.start();
    // What is no encoding at all could be read as these.
    const ids = ['%ff', '%ED%A0%80', '%C0%AF', 'a%zz', '%', '%2', '%E2%82', '%C3x'];
    for (const id of ids) {
      const client = world.client({ document: id });
      client.write((replica) => replica.root.set('is', id));
      await client.synced();
    }
    for (const id of ids) {
      for (const method of ['GET', 'HEAD', 'DELETE']) {
        const answer = await sendRaw(`${method} /documents/${id} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
        expect(answer, `${method} ${id}`).toMatch(/^HTTP\/1\.1 400/);
        if (method !== 'HEAD') expect(answer).toContain('"code":"invalid-document-id"');
      }
    }
    for (const id of ids) {
      expect(await (await get(`/documents/${encodeURIComponent(id)}`)).json()).toEqual({ is: id });
    }
    // A path that leads elsewhere is that path's matter: there is no document `..` over HTTP.
    for (const path of ['/documents/..', '/documents/%2e%2e', '/documents/a/..', '/documents/', '/documents/a/']) {
      const answer = await sendRaw(`DELETE ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(answer, path).toMatch(/^HTTP\/1\.1 40[45]/);
    }
    expect(world.reported).toEqual([]);
  });
});

describe('a deletion', () => {
  it('is for ever, and told to everyone', async () => {
    await world.start();
    const client = world.client({ document: 'a/b' });
    client.write((replica) => replica.counter('c').increment(1));
    await client.synced();
    const answer = await get('/documents/a%2Fb', { method: 'DELETE' });
    expect([answer.status, await answer.text()]).toEqual([204, '']);
    await client.until('being told', () => client.seen('document-deleted').length === 1);
    const gone = await get('/documents/a%2Fb');
    expect(gone.status).toBe(410);
    expect(await gone.json()).toMatchObject({ error: { code: 'document-deleted' } });
    expect((await get('/documents/a%2Fb', { method: 'DELETE' })).status).toBe(204);
    await world.restart();
    expect((await get('/documents/a%2Fb')).status).toBe(410);
  });

  it('needs a token, the consent of the host, and a page that may', async () => {
    const users: string[] = [];
    await world.start({
      authenticate: async (token) => ({ user: token }),
      acceptDeletion: ({ user }) => {
        users.push(user);
        if (user !== 'ada') throw new JoineryError('forbidden', 'Only Ada may.');
      },
    });
    const remove = async (headers: Record<string, string>): Promise<number> =>
      (await get('/documents/a', { method: 'DELETE', headers })).status;
    expect(await remove({})).toBe(401);
    expect(await remove({ authorization: 'Bearer grace' })).toBe(403);
    expect(await remove({ authorization: 'Bearer ada', origin: 'https://evil.example' })).toBe(403);
    expect(await remove({ authorization: 'Bearer ada' })).toBe(204);
    expect(users).toEqual(['grace', 'ada']);
    expect((await get('/health', { method: 'DELETE' })).status).toBe(405);
  });
});

describe('other addresses and methods', () => {
  it('are told in JSON', async () => {
    await world.start();
    const unknown = await get('/nothing/here');
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ error: { code: 'not-found' } });
    const method = await get('/health', { method: 'POST', body: 'x'.repeat(100_000) });
    expect(method.status).toBe(405);
    expect(method.headers.get('allow')).toBe('GET, HEAD');
    expect(await method.json()).toMatchObject({ error: { code: 'method-not-allowed' } });
    const head = await get('/health', { method: 'HEAD' });
    expect(head.status).toBe(200);
    const noHttp = await sendRaw('this is no HTTP\r\n\r\n');
    expect(noHttp).toMatch(/^HTTP\/1\.1 400/);
    expect(noHttp).toContain('"code":"invalid-request"');
    const long = await sendRaw(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);
    expect(long).toMatch(/^HTTP\/1\.1 431/);
    for (const [target, host] of [
      ['/health', 'a b'],
      ['/health', ''],
      ['/health', 'x:99999999'],
      ['/health', '['],
      ['/health', 'user@x'],
      ['/documents/a\\b', 'x'],
      ['http://[/', 'x'],
      ['*', 'x'],
    ]) {
      const answer = await sendRaw(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
      expect(answer, `${target} of ${host}`).toMatch(/^HTTP\/1\.1 400/);
      expect(answer, `${target} of ${host}`).toContain('"code":"invalid-request"');
    }
    expect(await sendRaw('GET /health HTTP/1.0\r\n\r\n')).toContain('"code":"invalid-request"');
    expect(world.reported).toEqual([]);
    const plain = await get('/sync');
    expect(plain.status).toBe(404);
  });

  it('are no WebSockets but /sync', async () => {
    await world.start();
    const upgrade =
      'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAA\r\n';
    const answer = await sendRaw(`GET /elsewhere HTTP/1.1\r\nhost: x\r\n${upgrade}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404/);
    expect(answer).toContain('"code":"not-found"');
  });
});

describe('the files of a web app', () => {
  const files = async (): Promise<void> => {
    const folder = join(world.folder, 'app');
    mkdirSync(join(folder, 'assets'), { recursive: true });
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>app</title>');
    writeFileSync(join(folder, 'sw.js'), 'self.x = 1;');
    writeFileSync(join(folder, 'manifest.webmanifest'), '{}');
    writeFileSync(join(folder, 'assets', 'core-1a2b.wasm'), Uint8Array.of(0, 97, 115, 109));
    writeFileSync(join(world.folder, 'secret.txt'), 'secret');
    await world.start({ data: join(world.folder, 'data'), files: folder });
  };

  it('come with their types and as long as they may be kept', async () => {
    await files();
    const wasm = await get('/assets/core-1a2b.wasm');
    expect(wasm.headers.get('content-type')).toBe('application/wasm');
    expect(wasm.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(new Uint8Array(await wasm.arrayBuffer())).toEqual(Uint8Array.of(0, 97, 115, 109));
    for (const [path, type] of [
      ['/', 'text/html; charset=utf-8'],
      ['/index.html', 'text/html; charset=utf-8'],
      ['/sw.js', 'text/javascript; charset=utf-8'],
      ['/manifest.webmanifest', 'application/manifest+json; charset=utf-8'],
    ] as const) {
      const answer = await get(path);
      expect(answer.headers.get('content-type')).toBe(type);
      expect(answer.headers.get('cache-control')).toBe('no-cache');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      const again = await get(path, { headers: { 'if-none-match': answer.headers.get('etag') ?? '' } });
      expect(again.status).toBe(304);
    }
  });

  it('are the index for pages within the app, and 404 for files that aren’t there', async () => {
    await files();
    const page = await get('/lists/groceries', { headers: { accept: 'text/html' } });
    expect(await page.text()).toContain('<title>app</title>');
    expect((await get('/missing.js', { headers: { accept: 'text/html' } })).status).toBe(404);
    expect((await get('/lists/groceries')).status).toBe(404);
  });

  it('are no way to any other file', async () => {
    await files();
    for (const path of [
      '/../secret.txt',
      '/assets/../../secret.txt',
      '/..%2fsecret.txt',
      '/%2e%2e/secret.txt',
      '/assets/..%5c..%5csecret.txt',
      '//secret.txt',
      '/./../secret.txt',
      '/secret.txt%00.html',
    ]) {
      const answer = await sendRaw(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(answer, path).not.toContain('secret\n');
      expect(answer.endsWith('secret'), path).toBe(false);
      expect(answer, path).toMatch(/^HTTP\/1\.1 (404|400)/);
    }
  });
});

describe('damaged requests', () => {
  it('get an answer or an end, and disturb nobody', async () => {
    await world.start();
    const client = world.client();
    await client.caughtUp();
    const random = seededRandom(11);
    const below = (limit: number): number => Math.floor(random() * limit);
    const sample = 'GET /documents/notes HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nconnection: close\r\n\r\n';
    const statuses = new Set<string>();
    for (let batch = 0; batch < 40; batch += 1) {
      const requests = Array.from({ length: 50 }, () => {
        const bytes = Buffer.from(sample);
        for (let flips = 1 + below(3); flips > 0; flips -= 1) bytes[below(bytes.length)] = below(256);
        return sendRaw(bytes.subarray(0, random() < 0.3 ? below(bytes.length) : bytes.length));
      });
      for (const answer of await Promise.all(requests)) statuses.add(answer.slice(9, 12));
    }
    // No answer at all, bad requests, wrong methods, no such document; never a failure of the server.
    expect([...statuses].filter((status) => status.startsWith('5'))).toEqual([]);
    client.write((replica) => replica.counter('c').increment(1));
    await client.synced();
    expect(client.seen('open-link')).toHaveLength(1);
    expect(world.reported).toEqual([]);
  });

  it('of 100,000 paths all are answered in JSON with a code', { timeout: 120_000 }, async () => {
    const apart = await appApart();
    const random = seededRandom(12);
    const pieces = [
      '/',
      '..',
      '%',
      '%2f',
      '%00',
      'documents',
      'health',
      '__proto__',
      ':id',
      '*',
      '?',
      '#',
      '\\',
      'ä',
      '%ff',
    ];
    for (let count = 0; count < 100_000; count += 1) {
      let path = '/';
      for (let parts = Math.floor(random() * 6); parts > 0; parts -= 1) {
        const piece = pieces[Math.floor(random() * pieces.length)];
        path += random() < 0.7 ? piece : String.fromCharCode(Math.floor(random() * 256));
      }
      const answer = await apart.get(path.replaceAll('#', '%23'));
      if (answer.status === 200) continue;
      const body = (await answer.json()) as { error: { code: string } };
      if (!['not-found', 'invalid-document-id'].includes(body.error.code))
        throw new Error(`${path}: ${body.error.code}`);
    }
    expect(apart.reported).toEqual([]);
    await apart.end();
  });
});
