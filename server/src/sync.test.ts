/** The server over real sockets, with real replicas and a real database. */

import { everythingSafe, JoineryError, readEnvelope, writeEnvelope } from '@joinery/protocol';
import { init, Replica } from 'joinery/core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { backup } from './storage/sqlite-backup.ts';
import { TestWorld } from './testing/test-server.ts';

beforeAll(() => init());

let world: TestWorld;
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.end());

const type = (text: string) => (replica: Replica) => replica.text('body').insert(0, text);
const read = (replica: Replica): string => replica.text('body').toString();

describe('two clients', () => {
  it('agree on what both write, offline and online', async () => {
    await world.start();
    const a = world.client();
    const b = world.client();
    a.write(type('from a'));
    b.write(type('from b'));
    await Promise.all([a.synced(), b.synced()]);
    await a.until('b’s text', () => read(a.replica).includes('from b'));
    await b.until('a’s text', () => read(b.replica).includes('from a'));
    expect(read(a.replica)).toBe(read(b.replica));
    a.write((replica) => replica.map('m').set('k', 1));
    await b.until('the key', () => b.replica.map('m').get('k') === 1);
    // Nobody is sent what they wrote themselves while they follow.
    expect(a.seen('envelopes').flatMap((effect) => effect.envelopes)).toHaveLength(1);
    expect(world.reported).toEqual([]);
  });

  it('don’t see each other’s documents', async () => {
    await world.start();
    const a = world.client({ document: 'a' });
    const b = world.client({ document: 'b' });
    a.write(type('x'));
    b.write(type('y'));
    await Promise.all([a.synced(), b.synced()]);
    expect(read(a.replica)).toBe('x');
    expect(read(b.replica)).toBe('y');
  });

  it('hear of each other’s presence', async () => {
    await world.start();
    const b = world.client();
    await b.caughtUp();
    const raw = await world.raw().greeted();
    await raw.subscribed();
    raw.send({ type: 'presence', channel: raw.channel, client: '', state: Uint8Array.of(5), gone: false });
    await b.until('presence', () => b.seen('presence').length > 0);
    expect(b.seen('presence')[0]?.state).toEqual(Uint8Array.of(5));
  });

  it('hear that one is gone, whether it says so or its link ends, and only of one that was there', async () => {
    await world.start();
    const b = world.client();
    await b.caughtUp();
    const silent = await world.raw().greeted();
    await silent.subscribed();
    const raw = await world.raw().greeted();
    await raw.subscribed();
    raw.send({ type: 'presence', channel: raw.channel, client: '', state: Uint8Array.of(5), gone: false });
    await b.until('presence', () => b.seen('presence').length === 1);
    silent.close();
    raw.close();
    await b.until('that it is gone', () => b.seen('presence').length === 2);
    const [there, gone] = b.seen('presence');
    expect(gone).toEqual({ ...there, state: undefined });
  });
});

describe('a client that comes back', () => {
  it('resumes by position and gets only what it lacks', async () => {
    await world.start();
    const a = world.client();
    const b = world.client();
    a.write(type('1'));
    await b.until('1', () => read(b.replica) === '1');
    b.disconnect();
    for (const text of ['2', '3', '4']) a.write(type(text));
    await a.synced();
    const before = b.effects.length;
    b.connect();
    await b.until('4321', () => read(b.replica) === '4321');
    const after = b.effects.slice(before);
    const envelopes = after.flatMap((effect) => (effect.type === 'envelopes' ? effect.envelopes : []));
    expect(envelopes).toHaveLength(3);
    expect(b.resume).toEqual(a.resume);
  });

  it('finds everything after a restart of the server', async () => {
    await world.start();
    const a = world.client();
    a.write(type('before'));
    await a.synced();
    await world.restart();
    a.write(type('after '));
    await a.synced();
    const late = world.client();
    await late.until('all of it', () => read(late.replica) === 'after before');
  });

  it('gets a snapshot and the tail when it is far behind', async () => {
    await world.start();
    const a = world.client();
    for (let count = 0; count < 3_000; count += 1) {
      a.write((replica) => replica.text('body').insert(replica.text('body').length, 'word '));
    }
    await a.synced();
    const late = world.client();
    await late.until('all of it', () => read(late.replica).length === 15_000);
    expect(late.seen('snapshot')).toHaveLength(1);
    const tail = late.seen('envelopes').flatMap((effect) => effect.envelopes);
    expect(tail.length).toBeLessThan(2_500);
    expect(late.replica.encodeSnapshot()).toEqual(a.replica.encodeSnapshot());
    await world.restart();
    const later = world.client();
    await later.until('all of it', () => read(later.replica).length === 15_000);
  });

  it('is told of another epoch when the data is another', async () => {
    await world.start();
    const a = world.client();
    a.write(type('x'));
    await a.synced();
    const raw = await world.raw().greeted();
    raw.subscribe({ document: 'notes', epoch: 12_345, position: 1, version: new Uint8Array(0), bridgeFrom: 0 });
    const error = await raw.error();
    expect(error).toMatchObject({ code: 'epoch-changed', channel: raw.channel, epoch: a.resume?.epoch });
  });

  it('that has a version but no position gets what that lacks', async () => {
    await world.start();
    const a = world.client();
    a.write(type('first'));
    await a.synced();
    const replica = new Replica();
    replica.applyUpdate(a.replica.encodeSnapshot());
    a.write(type('second '));
    await a.synced();
    const raw = await world.raw().greeted();
    await raw.subscribed('notes', a.resume?.epoch, 0, replica.version());
    await raw.until('the state', () => raw.of('snapshot').length === 1);
    expect(raw.of('subscribed')[0]).toMatchObject({ head: 2, position: 2, snapshotFollows: true });
    const [state] = raw.of('snapshot');
    expect(state).toMatchObject({ delta: true, offset: 0, position: 2 });
    replica.applyUpdate(state?.part ?? new Uint8Array(0));
    expect(read(replica)).toBe('second first');
    replica.free();
    raw.subscribe({
      document: 'notes',
      epoch: a.resume?.epoch ?? 0,
      position: 0,
      version: Uint8Array.of(255, 1),
      bridgeFrom: 0,
    });
    expect(await raw.error()).toMatchObject({ code: 'invalid-version', channel: raw.channel });
  });

  it('gets everything anew when it is ahead of the log', async () => {
    await world.start();
    const a = world.client();
    a.write(type('x'));
    await a.synced();
    const raw = await world.raw().greeted();
    await raw.subscribed('notes', a.resume?.epoch, 99);
    expect(raw.of('subscribed')[0]).toMatchObject({ position: 0, head: 1 });
  });
});

describe('envelopes', () => {
  // The first takes two seqs: it creates the text as well.
  const envelopesOf = (count: number, agent?: bigint): Uint8Array[] => {
    const replica = new Replica(agent === undefined ? {} : { agent });
    const envelopes: Uint8Array[] = [];
    for (let index = 0; index < count; index += 1) {
      replica.text('body').insert(0, String(index));
      const bytes = replica.takeUpdate();
      if (bytes !== undefined) envelopes.push(bytes);
    }
    replica.free();
    return envelopes;
  };

  it('are taken once, however often they come, and acknowledged each time', async () => {
    await world.start();
    const raw = await world.raw().greeted();
    const epoch = await raw.subscribed();
    const envelopes = envelopesOf(3, 7n);
    const send = (): void => raw.bring(envelopes);
    send();
    await raw.until('an ack', () => raw.of('ack').length === 1);
    expect(raw.of('ack')[0]?.ranges).toEqual([{ agent: 7n, to: 4, position: 3, count: 3 }]);
    send();
    await raw.until('another ack', () => raw.of('ack').length === 2);
    for (const range of raw.of('ack')[1]?.ranges ?? []) {
      expect(range).toEqual({ agent: 7n, to: 4, position: 3, count: 0 });
    }
    const other = await world.raw().greeted();
    const again = await other.subscribed();
    expect(again).toBe(epoch);
    await other.until('the log', () => other.of('envelopes').length === 1);
    expect(other.of('envelopes')[0]?.envelopes).toHaveLength(3);
  });

  it('are answered with a gap when the one before is missing', async () => {
    await world.start();
    const raw = await world.raw().greeted();
    await raw.subscribed();
    const [first, second, third] = envelopesOf(3, 7n) as [Uint8Array, Uint8Array, Uint8Array];
    const send = (...envelopes: Uint8Array[]): void => raw.bring(envelopes);
    send(second, third);
    await raw.until('refusals', () => raw.of('refusal').length === 2);
    expect(raw.of('refusal')[0]).toMatchObject({
      code: 'gap',
      from: 2,
      to: 3,
      last: 0,
      missing: { agent: 7n, seq: 2 },
    });
    send(first, second, third);
    await raw.until('the ack', () => raw.of('ack').length === 1);
    expect(raw.of('ack')[0]?.ranges).toEqual([{ agent: 7n, to: 4, position: 3, count: 3 }]);
  });

  it('are answered with a gap when an operation of another agent is missing', async () => {
    await world.start();
    const raw = await world.raw().greeted();
    await raw.subscribed();
    const author = new Replica({ agent: 7n });
    author.text('body').insert(0, 'a');
    const cause = author.takeUpdate() as Uint8Array;
    const reader = new Replica({ agent: 8n });
    reader.applyUpdate(cause);
    reader.text('body').insert(1, 'b');
    const effect = reader.takeUpdate() as Uint8Array;
    const send = (envelope: Uint8Array): void => raw.bring([envelope]);
    send(effect);
    await raw.until('a refusal', () => raw.of('refusal').length === 1);
    expect(raw.of('refusal')[0]).toMatchObject({ code: 'gap', agent: 8n, missing: { agent: 7n, seq: 2 } });
    send(cause);
    send(effect);
    await raw.until('the ack', () => raw.of('ack').some((ack) => ack.ranges.some((range) => range.agent === 8n)));
    author.free();
    reader.free();
  });

  it('with a payload that can’t be read are refused, and those beside them taken', async () => {
    await world.start();
    const raw = await world.raw().greeted();
    await raw.subscribed();
    const [good] = envelopesOf(1, 7n) as [Uint8Array];
    const bad = writeEnvelope({ agent: 9n, from: 0, to: 1, payload: Uint8Array.of(255, 254, 253) });
    const [other] = envelopesOf(1, 8n) as [Uint8Array];
    const envelopes = [good, bad, other];
    raw.bring(envelopes);
    await raw.until('a refusal and acks', () => raw.of('refusal').length === 1 && raw.of('ack').length > 0);
    expect(raw.of('refusal')[0]).toMatchObject({ agent: 9n, from: 0, to: 1, code: 'invalid-update', last: 0 });
    expect(raw.of('ack').flatMap((ack) => ack.ranges)).toEqual([
      { agent: 7n, to: 2, position: 1, count: 1 },
      { agent: 8n, to: 2, position: 2, count: 1 },
    ]);
    const late = world.client();
    await late.caughtUp();
    expect(read(late.replica)).toHaveLength(2);
  });

  it('that are ahead of the clock are refused with the server’s time', async () => {
    await world.start();
    const raw = await world.raw().greeted();
    await raw.subscribed();
    const ahead = (minutes: number, agent: bigint): Uint8Array => {
      const replica = new Replica({ agent, now: () => Date.now() + minutes * 60_000 });
      replica.map('m').set('k', 1);
      const bytes = replica.takeUpdate() as Uint8Array;
      replica.free();
      return bytes;
    };
    const envelopes = [ahead(6, 7n), ahead(4, 8n)];
    raw.bring(envelopes);
    await raw.until('both answers', () => raw.of('refusal').length === 1 && raw.of('ack').length === 1);
    expect(raw.of('refusal')[0]).toMatchObject({ code: 'clock', agent: 7n });
    expect(Math.abs((raw.of('refusal')[0]?.serverTime_ms ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(raw.of('ack')[0]?.ranges[0]?.agent).toBe(8n);
  });

  it('under a channel that has ended are not looked at, and the others go on', async () => {
    await world.start();
    const raw = await world.raw().greeted();
    const [envelope] = envelopesOf(1, 7n) as [Uint8Array];
    await raw.subscribed();
    raw.send({ type: 'unsubscribe', channel: 1 });
    raw.bring([envelope]);
    await raw.until('the error', () => raw.of('error').length === 1);
    expect(raw.of('error')[0]).toMatchObject({ code: 'not-subscribed', channel: 1, document: '' });
    await raw.subscribed();
    raw.bring([envelope]);
    await raw.until('the ack', () => raw.of('ack').length === 1);
    expect(raw.of('ack')[0]).toMatchObject({ channel: 2, ranges: [{ position: 1, count: 1 }] });
    expect(raw.of('error')).toHaveLength(1);
  });

  it('under a channel that was never opened end the connection, and nothing is stored', async () => {
    await world.start();
    const raw = await world.raw().greeted();
    await raw.subscribed();
    raw.bring(envelopesOf(1), 2);
    expect(await raw.error()).toMatchObject({ code: 'protocol-violation', channel: 0, document: '' });
    await raw.until('the end', () => raw.closed !== undefined);
    const late = world.client();
    await late.caughtUp();
    expect(read(late.replica)).toBe('');
  });

  it('of a document that enters another epoch are told so under their channel, and refused under it from then on', async () => {
    const server = await world.start();
    const raw = await world.raw().greeted();
    const epoch = await raw.subscribed();
    const [first, second, third] = envelopesOf(3, 7n) as [Uint8Array, Uint8Array, Uint8Array];
    raw.bring([first]);
    await raw.until('the ack', () => raw.of('ack').length === 1);
    expect(await server.trim('notes')).toBe(true);
    await raw.until('the news', () => raw.of('error').length === 1);
    expect(raw.of('error')[0]).toMatchObject({ code: 'epoch-changed', channel: 1 });
    raw.bring([second], 1);
    await raw.until('the answer', () => raw.of('error').length === 2);
    expect(raw.of('error')[1]).toMatchObject({ code: 'not-subscribed', channel: 1 });
    expect(await raw.subscribed()).toBe(raw.of('error')[0]?.epoch);
    expect(raw.of('subscribed')[1]).toMatchObject({ channel: 2, head: 1 });
    // What is brought under the new channel is of the new epoch, where the agent is as good as closed.
    raw.bring([third], 2);
    await raw.until('its refusal', () => raw.of('refusal').length === 1);
    expect(raw.of('refusal')[0]).toMatchObject({ channel: 2, code: 'closed-agent' });
    expect(raw.of('ack')).toHaveLength(1);
    expect(epoch).toBeLessThan(raw.of('subscribed')[1]?.epoch ?? 0);
  });

  it('are on the disk when they are acknowledged', async () => {
    await world.start();
    const a = world.client();
    a.write(type('x'));
    await a.synced();
    const { SqliteDatabase } = await import('./storage/sqlite-database.ts');
    const database = new SqliteDatabase(`${world.folder}/joinery.sqlite`);
    expect(database.prepare('SELECT count(*) FROM log').all()).toEqual([[1]]);
    database.close();
  });
});

describe('many documents and clients', () => {
  it('keeps only so many replicas and loses nothing by it', async () => {
    await world.start({ limits: { replicas: 2 } });
    const clients = Array.from({ length: 8 }, (_, index) => world.client({ document: `d${index}` }));
    for (let round = 0; round < 5; round += 1) {
      for (const client of clients) client.write(type(`${round} `));
      await Promise.all(clients.map((client) => client.synced()));
    }
    for (const [index, client] of clients.entries()) {
      const late = world.client({ document: `d${index}` });
      await late.until('all of it', () => read(late.replica) === read(client.replica));
    }
    expect(world.reported).toEqual([]);
  });

  it('delivers every write of ten clients to all of them once, in one order', async () => {
    await world.start();
    const clients = Array.from({ length: 10 }, () => world.client());
    await Promise.all(clients.map((client) => client.caughtUp()));
    for (let round = 0; round < 20; round += 1) {
      for (const client of clients) client.write((replica) => replica.counter('c').increment(1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(clients.map((client) => client.synced()));
    for (const client of clients) {
      await client.until('all increments', () => client.replica.counter('c').value === 200);
    }
    const head = Math.max(...clients.map((client) => client.resume?.position ?? 0));
    await Promise.all(clients.map((client) => client.until('the head', () => client.resume?.position === head)));
    const json = await (await fetch(`${world.url}/documents/notes`)).json();
    expect(json).toEqual({ c: 200 });
  });
});

describe('over real sockets', () => {
  it('a refusal, a closing, a new epoch and its bridge, a safe position', async () => {
    const server = await world.start({
      accept: ({ changes }) => {
        if (changes.some(({ path }) => path[0] === 'secret')) throw new JoineryError('validation', 'No secrets.');
      },
    });
    const client = world.client();
    client.write(type('x'));
    await client.synced();
    const agent = client.replica.agent as bigint;
    const epoch = client.resume?.epoch ?? 0;
    client.write((replica) => replica.text('secret').insert(0, 'y'));
    await client.until('the refusal', () => client.seen('refused').length === 1);
    expect(client.seen('refused')[0]?.error).toMatchObject({ code: 'validation', message: 'No secrets.' });
    expect(await server.trim('notes')).toBe(true);
    await client.until('the new epoch', () => client.seen('epoch-changed').length === 1);
    client.replace([agent, 7n], epoch);
    await client.until('the new state', () => client.seen('caught-up').length === 2);
    const last = client.seen('agents-closed')[0]?.last;
    expect([last?.get(agent), last?.get(7n)]).toEqual([client.log[0] && readEnvelope(client.log[0].bytes).to, 0]);
    expect(client.seen('bridge')).toMatchObject([{ epoch }]);
    expect(client.seen('subscribed').at(-1)).toMatchObject({ restarted: true, safe: everythingSafe, head: 1 });
    const raw = await world.raw().greeted();
    await raw.subscribed('notes');
    const late = writeEnvelope({ agent: 7n, from: 0, to: 1, payload: new Uint8Array(1) });
    raw.bring([late]);
    await raw.until('its refusal', () => raw.of('refusal').length === 1);
    expect(raw.of('refusal')[0]).toMatchObject({ agent: 7n, code: 'closed-agent', last: 0 });
    expect(backup(world.folder, `${world.folder}/backup`)).toEqual({ documents: 1 });
    await raw.until('the safe position', () => raw.of('safe').length === 1);
    expect(raw.of('safe')[0]).toEqual({ type: 'safe', channel: raw.channel, position: 1 });
  });

  it('a space', async () => {
    const server = await world.start();
    const raw = await world.raw().greeted();
    raw.send({ type: 'follow-space', space: 's', token: 0 });
    await raw.until('the first page', () => raw.of('space-heads').length === 1);
    expect(raw.of('space-heads')[0]).toMatchObject({ entries: [], more: false, restarted: false, code: '' });
    const client = world.client({ document: 's/a' });
    client.write(type('x'));
    await client.synced();
    await raw.until('the change', () => raw.of('space-heads').length === 2);
    const { token, entries } = raw.of('space-heads')[1] ?? { token: 0, entries: [] };
    expect(entries).toMatchObject([{ document: 's/a', head: 1, deleted: false }]);
    await server.deleteDocument('s/a');
    await raw.until('the deletion', () => raw.of('space-heads').length === 3);
    raw.send({ type: 'follow-space', space: 's', token });
    await raw.until('it again', () => raw.of('space-heads').length === 4);
    expect(raw.of('space-heads')[3]).toMatchObject({ entries: [{ document: 's/a', deleted: true }], restarted: false });
  });
});
