/** Each limit of the server, over real sockets: what passes it gets a typed error, and nobody else notices. */

import { maxFrameBytes, pbfCodec } from '@joinery/protocol';
import { init } from 'joinery/core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { damage, seededRandom } from '../../protocol/src/testing/damage.ts';
import { sampleMessages } from '../../protocol/src/testing/sample-messages.ts';
import { createServer } from './server.ts';
import { codeOf, type RawClient } from './testing/test-client.ts';
import { TestWorld } from './testing/test-server.ts';

beforeAll(() => init());

let world: TestWorld;
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.end());

/** A client that writes and reads all the time; `check` fails if it was ever disturbed. */
async function bystander() {
  const a = world.client({ document: 'other' });
  const b = world.client({ document: 'other' });
  await Promise.all([a.caughtUp(), b.caughtUp()]);
  let written = 0;
  return {
    async writes(): Promise<void> {
      written += 1;
      a.write((replica) => replica.counter('c').increment(1));
      await b.until('the write', () => b.replica.counter('c').value === written);
    },
    check(): void {
      for (const client of [a, b]) {
        expect(client.seen('open-link')).toHaveLength(1);
        expect(client.session.status.state).toBe('online');
      }
    },
  };
}

describe('messages', () => {
  it('larger than a frame may be are told so', async () => {
    await world.start();
    const other = await bystander();
    const raw = await world.raw().greeted();
    raw.sendBytes(new Uint8Array(maxFrameBytes + 1));
    expect(await raw.error()).toMatchObject({ code: 'frame-too-large', document: '' });
    await raw.until('the end', () => raw.closed !== undefined);
    expect(raw.closed?.code).toBe(1008);
    await other.writes();
    other.check();
  });

  it('far larger end the connection before they are read', async () => {
    await world.start();
    const other = await bystander();
    const raw = await world.raw().greeted();
    raw.sendBytes(new Uint8Array(2 * maxFrameBytes + 1));
    await raw.until('the end', () => raw.closed !== undefined);
    expect([1009, 1006]).toContain(raw.closed?.code);
    await other.writes();
    other.check();
  });

  it('of text, or out of order, are told so', async () => {
    await world.start();
    for (const misbehave of [
      (raw: RawClient) => raw.sendBytes('hello'),
      (raw: RawClient) => raw.send({ type: 'subscribe', subscriptions: [] }),
      (raw: RawClient) => raw.send({ type: 'authenticate', token: '' }),
      (raw: RawClient) => raw.send({ type: 'ping', nonce: 1 }),
      (raw: RawClient) => raw.send(sampleMessages['server hello'] as never),
    ]) {
      const raw = await world.raw().opened();
      misbehave(raw);
      expect((await raw.error()).code).toBe('protocol-violation');
      await raw.until('the end', () => raw.closed !== undefined);
    }
    const twice = await world.raw().greeted();
    twice.send(sampleMessages['client hello'] as never);
    expect((await twice.error()).code).toBe('protocol-violation');
  });

  it('of a client of another protocol version are told `upgrade-needed`', async () => {
    await world.start();
    const raw = await world.raw().opened();
    const hello = { protocolMin: 90, protocolMax: 99, knownTypes: [], name: '', credit_bytes: 0 };
    raw.send({ type: 'client-hello', ...hello });
    expect((await raw.error()).code).toBe('upgrade-needed');
  });
});

describe('rates', () => {
  it('hold back a client that sends too many messages, and only that one', async () => {
    await world.start({ limits: { messagesPerSecond: 200, messageBurst: 100 } });
    const other = await bystander();
    const raw = await world.raw().greeted();
    const started = performance.now();
    for (let nonce = 1; nonce <= 400; nonce += 1) raw.send({ type: 'ping', nonce });
    await raw.until('the first pongs', () => raw.of('pong').length >= 100);
    raw.send({ type: 'ping', nonce: 401 });
    await other.writes();
    await raw.until('all pongs', () => raw.of('pong').length === 401);
    // 100 at once, then 200 a second; what has arrived in one piece is answered, and waited for afterwards.
    expect(performance.now() - started).toBeGreaterThan(1_000);
    other.check();
  });

  it('hold back a client that sends too many bytes', async () => {
    await world.start({ limits: { bytesPerSecond: 1_000_000, byteBurst: 500_000 } });
    const raw = await world.raw().greeted();
    await raw.subscribed();
    const started = performance.now();
    const presence = { channel: raw.channel, client: '', state: new Uint8Array(4_000), gone: false };
    for (let count = 0; count < 400; count += 1) raw.send({ type: 'presence', ...presence });
    raw.send({ type: 'ping', nonce: 1 });
    await raw.until('the pong', () => raw.of('pong').length === 1);
    expect(performance.now() - started).toBeGreaterThan(900);
  });

  it('end a client that never keeps to them', async () => {
    await world.start({ limits: { messagesPerSecond: 50, messageBurst: 50, throttledTimeout_ms: 500 } });
    const other = await bystander();
    const raw = await world.raw().greeted();
    for (let nonce = 1; nonce <= 2_000; nonce += 1) raw.send({ type: 'ping', nonce });
    expect((await raw.error()).code).toBe('rate-limited');
    await raw.until('the end', () => raw.closed !== undefined);
    await other.writes();
    other.check();
  });
});

describe('time', () => {
  it('to greet is limited', async () => {
    await world.start({ limits: { greetingTimeout_ms: 300 } });
    const raw = await world.raw().opened();
    expect((await raw.error()).code).toBe('timeout');
  });

  it('without a sign of life is limited', async () => {
    await world.start({ limits: { idleTimeout_ms: 500 } });
    const raw = await world.raw().greeted();
    expect((await raw.error()).code).toBe('timeout');
    await raw.until('the end', () => raw.closed !== undefined);
    expect(raw.closed).toEqual({ code: 1013, reason: 'timeout' });
  });
});

describe('memory', () => {
  it('for a client that doesn’t read is limited: it catches up from the log, or from the state', async () => {
    await world.start({ limits: { buffered_bytes: 64 * 1024 } });
    const other = await bystander();
    const slow = await world.raw().greeted(1_000_000_000);
    const epoch = await slow.subscribed();
    slow.socket.pause();
    const author = world.client();
    const size = 60_000;
    const rounds = 300;
    for (let count = 0; count < rounds; count += 1) {
      author.write((replica) => replica.map('m').set(`k${count}`, new Uint8Array(size).fill(count)));
    }
    await author.synced();
    await other.writes();
    const before = process.memoryUsage().arrayBuffers;
    expect(before).toBeLessThan(rounds * size + 200_000_000);
    slow.socket.resume();
    /** The last position up to which everything came, without a gap. */
    const reached = (): number => {
      let position = 0;
      for (const message of slow.messages) {
        if (message.type === 'snapshot' && message.offset + message.part.length === message.total_bytes) {
          position = message.position;
        } else if (message.type === 'envelopes') {
          expect(message.firstPosition).toBe(position + 1);
          position += message.envelopes.length;
        }
      }
      return position;
    };
    await slow.until('all of it', () => reached() === rounds || slow.of('error').length > 0);
    // The log was compacted meanwhile: the state comes in the place of what it let go of.
    if (reached() < rounds) {
      expect(slow.of('error').map(({ code, channel }) => [code, channel])).toEqual([['slow-consumer', 1]]);
      await slow.subscribed('notes', epoch, reached());
      await slow.until('all of it', () => reached() === rounds);
      expect(slow.of('subscribed').at(-1)?.snapshotFollows).toBe(true);
    }
    other.check();
  });

  it('for a client that gives no credit is not used at all', async () => {
    await world.start();
    const stingy = await world.raw().greeted(100_000);
    await stingy.subscribed();
    const author = world.client();
    for (let count = 0; count < 20; count += 1) {
      author.write((replica) => replica.map('m').set(`k${count}`, new Uint8Array(50_000)));
    }
    await author.synced();
    const bytes = (): number =>
      stingy.of('envelopes').reduce((sum, message) => sum + message.envelopes.reduce((all, e) => all + e.length, 0), 0);
    stingy.send({ type: 'ping', nonce: 1 });
    await stingy.until('the pong', () => stingy.of('pong').length === 1);
    expect(bytes()).toBeLessThan(400_000);
    stingy.send({ type: 'credit', bytes: 10_000_000 });
    await stingy.until('all of it', () => bytes() > 1_000_000);
  });

  it('for a client that never reads again is given up', async () => {
    // Room for the four of this test.
    await world.start({ limits: { buffered_bytes: 64 * 1024, clogged_ms: 500, connections: 4 } });
    const other = await bystander();
    const slow = await world.raw().greeted(1_000_000_000);
    await slow.subscribed();
    slow.socket.pause();
    const author = world.client();
    for (let count = 0; count < 200; count += 1) {
      author.write((replica) => replica.map('m').set(`k${count}`, new Uint8Array(60_000)));
    }
    await author.synced();
    await other.writes();
    // Its place becomes free while it still doesn't read.
    for (;;) {
      const next = world.raw();
      await next.until('an answer', () => next.closed !== undefined || next.socket.readyState === 1);
      if (next.closed === undefined) break;
    }
    slow.socket.resume();
    await slow.until('the end', () => slow.closed !== undefined);
    other.check();
  });

  it('for documents that one client follows is limited', async () => {
    await world.start({ limits: { documents: 3 } });
    const raw = await world.raw().greeted();
    const subscriptions = ['a', 'b', 'c', 'd'].map((document) => ({
      document,
      epoch: 0,
      position: 0,
      version: new Uint8Array(0),
      bridgeFrom: 0,
    }));
    raw.subscribe(...subscriptions);
    expect(await raw.error()).toMatchObject({ code: 'too-many-documents', channel: 4 });
    await raw.until('the others', () => raw.of('subscribed').length === 3);
    expect(raw.closed).toBeUndefined();
  });

  it('for connections is limited', async () => {
    await world.start({ limits: { connections: 2 } });
    const first = await world.raw().greeted();
    await world.raw().greeted();
    const third = world.raw();
    await third.until('the end', () => third.closed !== undefined);
    first.close();
    await first.until('the end', () => first.closed !== undefined);
    // The place is free again.
    const { status } = await fetch(`${world.url}/health`);
    expect(status).toBe(200);
    await world.raw().greeted();
  });
});

describe('who may connect', () => {
  it('is up to the list of origins', async () => {
    await world.start({ origins: ['https://app.example'] });
    await world.raw({ origin: 'https://app.example' }).greeted();
    await world.raw().greeted();
    const stranger = world.raw({ origin: 'https://evil.example' });
    await stranger.until('the end', () => stranger.closed !== undefined);
    const allowed = await fetch(`${world.url}/health`, { headers: { origin: 'https://app.example' } });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    const denied = await fetch(`${world.url}/health`, { headers: { origin: 'https://evil.example' } });
    expect(denied.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('is up to the token', async () => {
    const authenticate = async (token: string) => {
      if (token !== 'good') throw new Error('no');
      return { user: 'ada' };
    };
    await world.start({ authenticate });
    const denied = world.client({ token: 'bad' });
    await denied.until('another question', () => denied.seen('need-token').some((ask) => ask.refused !== undefined));
    expect(denied.seen('need-token').at(-1)?.refused?.code).toBe('unauthorised');
    const allowed = world.client({ token: 'good' });
    await allowed.caughtUp();
  });
});

describe('options', () => {
  it('that can’t be are told by name', async () => {
    const start = (limits: object) => createServer({ data: world.folder, limits });
    expect(await codeOf(() => start({ documents: -1 }))).toBe('invalid-option');
    expect(await codeOf(() => start({ nonsense: 1 }))).toBe('invalid-option');
    expect(await codeOf(() => createServer({ data: world.folder, files: '/nowhere/at/all' }))).toBe('invalid-option');
  });

  it('that two servers can’t share are told', async () => {
    const first = await world.start();
    expect(await codeOf(() => createServer({ data: world.folder }))).toBe('storage-locked');
    expect(await codeOf(() => createServer({ data: `${world.folder}/other`, port: first.port }))).toBe('port-in-use');
  });
});

describe('damaged frames on the socket', () => {
  it('end their connection with a typed error, and no other', async () => {
    await world.start();
    const other = await bystander();
    const samples = Object.values(sampleMessages).map((message) => pbfCodec.encode(message));
    const inputs: Uint8Array[] = [];
    damage(samples, 3_000, seededRandom(7), (input) => inputs.push(input));
    let ended = 0;
    while (inputs.length > 0) {
      const raw = await world.raw().greeted();
      await raw.subscribed();
      for (const input of inputs.splice(0, 10)) raw.sendFrame(input);
      raw.send({ type: 'ping', nonce: 77 });
      const answered = (): boolean => raw.of('pong').some((pong) => pong.nonce === 77);
      await raw.until('an answer', () => answered() || raw.closed !== undefined);
      if (raw.closed !== undefined) {
        ended += 1;
        expect(raw.of('error').filter((error) => error.document === '')).toHaveLength(1);
        expect(raw.of('error').at(-1)?.code).not.toBe('internal');
      }
      raw.close();
      if (ended % 20 === 0) await other.writes();
    }
    expect(ended).toBeGreaterThan(100);
    await other.writes();
    other.check();
    expect(world.reported).toEqual([]);
    const json = await (await fetch(`${world.url}/documents/notes`)).json();
    expect(json).toMatchObject({ error: { code: 'not-found' } });
  });
});
