/** Spaces, deletions and users between real sessions on virtual time, over links that break. */

import { describe, expect, it } from 'vitest';
import { pbfCodec } from '../codec.ts';
import { protocolVersion } from '../protocol-version.ts';
import { seededRandom } from '../testing/damage.ts';
import { VirtualTime } from '../testing/virtual-time.ts';
import type { ClientEffect } from './client-effects.ts';
import { ClientSession } from './client-session.ts';
import { type Faults, noFaults, openLink } from './testing/lossy-link.ts';
import { ModelClient } from './testing/model-client.ts';
import { ModelServer, type ModelServerOptions } from './testing/model-server.ts';

class World {
  readonly time = new VirtualTime();
  readonly random: () => number;
  readonly faults: Faults = noFaults();
  readonly server: ModelServer;

  constructor(seed: number, options: Partial<ModelServerOptions> = {}) {
    this.random = seededRandom(seed);
    this.server = new ModelServer({ time: this.time, random: this.random, ...options });
  }

  client(document: string, agent: bigint): ModelClient {
    return new ModelClient({
      time: this.time,
      random: this.random,
      document,
      agent,
      connect: (events) => openLink(this.time, this.random, this.server, this.faults, events),
    });
  }

  run(duration_ms: number): void {
    this.time.runUntil(this.time.now + duration_ms);
  }
}

function seen<T extends ClientEffect['type']>(client: ModelClient, type: T): Extract<ClientEffect, { type: T }>[] {
  return client.effects.filter((effect): effect is Extract<ClientEffect, { type: T }> => effect.type === type);
}

/** Where the client was told that the documents of a space stand. */
function heads(client: ModelClient, space: string): Map<string, number> {
  const told = new Map<string, number>();
  for (const effect of seen(client, 'space')) {
    if (effect.space !== space) continue;
    if (effect.restarted) told.clear();
    for (const { document, head } of effect.entries) told.set(document, head);
  }
  return told;
}

describe('a space', () => {
  it('is told in pages, then as it changes, and from the token after a break', () => {
    const world = new World(1);
    const writers = Array.from({ length: 7 }, (_, index) => world.client(`team/${index}`, BigInt(index + 1)));
    for (const writer of [...writers, world.client('other/0', 50n)]) {
      writer.connect();
      writer.write(1);
    }
    world.run(2_000);
    const reader = world.client('other/1', 60n);
    reader.connect();
    reader.run(reader.session.handleFollowSpace('team', 0, world.time.now));
    world.run(2_000);
    expect(seen(reader, 'space').map(({ entries, more }) => [entries.length, more])).toEqual([
      [3, true],
      [3, true],
      [1, false],
    ]);
    writers[2]?.write(1);
    world.run(1_000);
    const last = seen(reader, 'space').at(-1);
    expect(last).toMatchObject({ entries: [{ document: 'team/2', head: 2, deleted: false }], more: false });
    reader.run(reader.session.handleDisconnect(world.time.now));
    writers[4]?.write(1);
    world.run(1_000);
    reader.connect();
    world.run(1_000);
    expect(seen(reader, 'space').at(-1)?.entries).toMatchObject([{ document: 'team/4', head: 2 }]);
    reader.run(reader.session.handleUnfollowSpace('team', world.time.now));
    const before = seen(reader, 'space').length;
    writers[5]?.write(1);
    world.run(1_000);
    expect(seen(reader, 'space')).toHaveLength(before);
  });

  it('begins anew for a token that the server does not know', () => {
    const world = new World(2);
    const writer = world.client('a', 1n);
    writer.connect();
    writer.write(1);
    world.run(1_000);
    const reader = world.client('b', 2n);
    reader.connect();
    reader.run(reader.session.handleFollowSpace('', 99_999, world.time.now));
    world.run(1_000);
    expect(seen(reader, 'space')).toMatchObject([{ restarted: true, entries: [{ document: 'a' }], more: false }]);
  });

  it('misses no change whatever breaks', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const world = new World(seed);
      const writers = Array.from({ length: 6 }, (_, index) => world.client(`s/${index}`, BigInt(index + 1)));
      const reader = world.client('elsewhere', 50n);
      for (const client of [...writers, reader]) client.connect();
      reader.run(reader.session.handleFollowSpace('s', 0, world.time.now));
      Object.assign(world.faults, { cut: 0.05, halfOpen: 0.01 });
      for (let round = 0; round < 40; round += 1) {
        writers[Math.floor(world.random() * 6)]?.write(1);
        if (world.random() < 0.1) world.server.crash();
        world.run(world.random() * 300);
      }
      Object.assign(world.faults, noFaults());
      world.run(120_000);
      const expected = [...world.server.documents].filter(([id, { log }]) => id.startsWith('s/') && log.length > 0);
      expect(heads(reader, 's'), `seed ${seed}`).toEqual(new Map(expected.map(([id, { log }]) => [id, log.length])));
    }
  });

  it('is bounded in number on both sides', () => {
    const world = new World(3);
    const client = world.client('a', 1n);
    for (let index = 0; index < 64; index += 1) client.session.handleFollowSpace(`s${index}`, 0, 0);
    expect(() => client.session.handleFollowSpace('one more', 0, 0)).toThrow(/64 spaces/);
    expect(() => client.session.handleFollowSpace('a/b', 0, 0)).toThrow(/space/);
  });
});

describe('a deletion', () => {
  it('is asked for over each link until it is answered, and ends the document for everyone', () => {
    for (let cutIn = 0; cutIn < 6; cutIn += 1) {
      const world = new World(4);
      const [author, other] = [world.client('a', 1n), world.client('a', 2n)];
      for (const client of [author, other]) {
        client.connect();
        client.write(1);
      }
      world.run(2_000);
      world.faults.cutIn = cutIn;
      author.run(author.session.handleDeleteDocument('a', world.time.now));
      world.run(60_000);
      expect(world.server.document('a').deleted).toBe(true);
      for (const client of [author, other]) expect(seen(client, 'document-deleted')).toHaveLength(1);
      other.write(1);
      world.run(10_000);
      expect(world.server.document('a').log).toEqual([]);
      other.reload(3n);
      world.run(10_000);
      expect(seen(other, 'document-deleted')).toHaveLength(2);
    }
  });

  it('is answered also where it is known that the document is deleted', () => {
    const world = new World(7);
    const [author, other] = [world.client('a', 1n), world.client('a', 2n)];
    for (const client of [author, other]) client.connect();
    author.write(1);
    world.run(2_000);
    other.run(other.session.handleDeleteDocument('a', world.time.now));
    world.run(2_000);
    expect(seen(author, 'document-deleted')).toHaveLength(1);
    author.run(author.session.handleDeleteDocument('a', world.time.now));
    world.run(2_000);
    expect(seen(author, 'document-deleted')).toHaveLength(2);
  });

  it('that the server can’t do now is asked for again', () => {
    const answers = ['storage-failed', 'storage-failed'];
    const world = new World(8, { acceptDeletion: () => answers.shift() });
    const client = world.client('a', 1n);
    client.connect();
    client.write(1);
    client.run(client.session.handleDeleteDocument('a', world.time.now));
    world.run(10_000);
    expect(answers).toEqual([]);
    expect(seen(client, 'deletion-refused')).toEqual([]);
    expect(seen(client, 'document-deleted')).toHaveLength(1);
  });

  it('may be refused', () => {
    const world = new World(5, { acceptDeletion: () => 'forbidden' });
    const client = world.client('a', 1n);
    client.connect();
    client.write(1);
    client.run(client.session.handleDeleteDocument('a', world.time.now));
    world.run(5_000);
    expect(seen(client, 'deletion-refused')).toMatchObject([{ document: 'a', error: { code: 'forbidden' } }]);
    expect(world.server.document('a').log).toHaveLength(1);
  });

  it('of a document that is not followed is told too', () => {
    const world = new World(6);
    const client = world.client('a', 1n);
    client.connect();
    client.run(client.session.handleDeleteDocument('b', world.time.now));
    world.run(5_000);
    expect(seen(client, 'document-deleted')).toMatchObject([{ document: 'b' }]);
  });
});

describe('a user', () => {
  it('is told before the connection is, and another one ends the session before anything is sent', () => {
    const session = new ClientSession({ random: () => 0.5, knownTypes: [], authenticate: true });
    session.handleSubscribe('a', undefined, 0);
    const greet = (link: number, user: string): ClientEffect[] => {
      session.handleToken('token', 0);
      session.handleOpened(link, 0);
      const hello = {
        ...{ protocol: protocolVersion, knownTypes: [], serverTime_ms: 0 },
        ...{ window_bytes: 1, maxFrame_bytes: 1, session: '' },
      };
      session.handleFrame(link, pbfCodec.encode({ type: 'server-hello', ...hello }), 0);
      return session.handleFrame(link, pbfCodec.encode({ type: 'authenticated', user, expires_ms: 7 }, 1), 0);
    };
    session.handleConnect(0);
    const types = greet(1, 'ada').map((effect) => effect.type);
    expect(types).toEqual(['authenticated', 'connection', 'send-frame']);
    session.handleDisconnect(0);
    session.handleConnect(0);
    const effects = greet(2, 'grace');
    expect(effects.map((effect) => effect.type)).toEqual(['close-link', 'connection', 'session-failed']);
    expect(effects.at(-1)).toMatchObject({ error: { code: 'user-changed', retryable: false } });
  });
});
