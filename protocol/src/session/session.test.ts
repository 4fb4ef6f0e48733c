/** Client sessions against server sessions on virtual time, over a link with faults. One seed decides a whole run. */

import { describe, expect, it } from 'vitest';
import { JoineryError } from '../error.ts';
import { seededRandom } from '../testing/damage.ts';
import { VirtualTime } from '../testing/virtual-time.ts';
import type { ClientEffect } from './client-effects.ts';
import type { ClientSessionLimits } from './client-options.ts';
import { type Faults, noFaults, openLink } from './testing/lossy-link.ts';
import { ModelClient } from './testing/model-client.ts';
import { ModelServer, type ModelServerOptions } from './testing/model-server.ts';

interface WorldOptions {
  readonly clients?: number;
  readonly server?: Partial<ModelServerOptions>;
  readonly limits?: Partial<ClientSessionLimits>;
  readonly authenticate?: boolean;
}

class World {
  readonly time = new VirtualTime();
  readonly random: () => number;
  readonly faults: Faults = noFaults();
  readonly server: ModelServer;
  readonly clients: ModelClient[] = [];
  #agents = 0n;

  constructor(seed: number, options: WorldOptions = {}) {
    this.random = seededRandom(seed);
    this.server = new ModelServer({ time: this.time, random: this.random, ...options.server });
    for (let index = 0; index < (options.clients ?? 2); index += 1) {
      const client = new ModelClient({
        time: this.time,
        random: this.random,
        document: 'notes',
        agent: this.newAgent(),
        connect: (events) => openLink(this.time, this.random, this.server, this.faults, events),
        ...(options.limits === undefined ? {} : { limits: options.limits }),
        ...(options.authenticate === undefined ? {} : { authenticate: options.authenticate }),
      });
      // A receipt never precedes the fact: the server's log has it already.
      client.onAcknowledged = (agent, to, position) => {
        const entry = this.document.log[position - 1];
        if (entry?.agent !== agent || entry.to !== to) throw new Error(`acknowledged ${agent}:${to}, not in the log`);
      };
      this.clients.push(client);
    }
  }

  get document() {
    return this.server.document('notes');
  }

  newAgent(): bigint {
    this.#agents += 1n;
    return this.#agents;
  }

  connectAll(): void {
    for (const client of this.clients) client.connect();
  }

  run(duration_ms: number): void {
    this.time.runUntil(this.time.now + duration_ms);
  }

  client(index: number): ModelClient {
    const client = this.clients[index];
    if (client === undefined) throw new Error(`no client ${index}`);
    return client;
  }

  seen<T extends ClientEffect['type']>(index: number, type: T): Extract<ClientEffect, { type: T }>[] {
    return this.client(index).effects.filter(
      (effect): effect is Extract<ClientEffect, { type: T }> => effect.type === type,
    );
  }

  /** Everything written is at the server once, in an order that keeps causes first, and at every client. */
  expectAgreement(): void {
    const last = new Map<bigint, number>();
    for (const entry of this.document.log) {
      expect(entry.from, 'each agent’s operations once, in order').toBe(last.get(entry.agent) ?? 0);
      for (const dep of entry.deps) expect(last.get(dep.agent) ?? 0).toBeGreaterThanOrEqual(dep.seq);
      last.set(entry.agent, entry.to);
    }
    for (const client of this.clients) {
      expect(client.log.filter((record) => !record.acknowledged)).toEqual([]);
      for (const record of client.log) expect(last.get(record.agent) ?? 0).toBeGreaterThanOrEqual(record.to);
      expect(client.received).toEqual(last);
      expect(client.resume).toEqual({ epoch: this.document.epoch, position: this.document.log.length });
    }
  }
}

describe('a session without faults', () => {
  it('brings what was written offline, and what others wrote', () => {
    const world = new World(1);
    for (const client of world.clients) for (let count = 0; count < 20; count += 1) client.write(1 + (count % 3));
    world.connectAll();
    world.run(1_000);
    world.expectAgreement();
    expect(world.seen(0, 'caught-up')).toHaveLength(1);
    expect(world.client(0).session.status).toEqual({ state: 'online', attempts: 0 });
  });

  it('does not send a client its own envelopes while it follows', () => {
    const world = new World(2, { clients: 1 });
    world.connectAll();
    world.run(1_000);
    for (let count = 0; count < 10; count += 1) {
      world.client(0).write(1);
      world.run(100);
    }
    world.expectAgreement();
    expect(world.seen(0, 'envelopes')).toEqual([]);
  });

  it('gives a sample of the server clock', () => {
    const world = new World(3, { clients: 1 });
    world.connectAll();
    world.run(30_000);
    const samples = world.seen(0, 'server-clock');
    expect(samples.length).toBeGreaterThan(1);
    for (const sample of samples) expect(sample.roundTrip_ms).toBeLessThan(100);
  });

  it('sends a late joiner a snapshot and the tail', () => {
    const world = new World(4, { server: { snapshotBehind: 10 } });
    world.client(0).connect();
    for (let count = 0; count < 40; count += 1) world.client(0).write(1);
    world.run(1_000);
    world.client(1).connect();
    world.run(1_000);
    world.expectAgreement();
    expect(world.seen(1, 'snapshot')).toHaveLength(1);
    expect(world.seen(1, 'envelopes')).toEqual([]);
  });

  it('gets what its version lacks when it has no position', () => {
    const world = new World(7);
    world.client(0).connect();
    for (let count = 0; count < 5; count += 1) world.client(0).write(1);
    world.run(1_000);
    const version = new TextEncoder().encode('1 2');
    world.client(1).resume = { epoch: world.document.epoch, position: 0, version };
    world.client(1).reload(world.newAgent());
    world.run(1_000);
    expect(world.seen(1, 'snapshot')).toMatchObject([{ delta: true, position: 5 }]);
    world.client(1).write(1);
    world.run(1_000);
    world.expectAgreement();
  });

  it('keeps to the window and to the credit', () => {
    const limits = { inFlight_bytes: 2_000, inFlight_count: 8, batch_bytes: 1_000, credit_bytes: 2_000 };
    const world = new World(5, { limits });
    for (const client of world.clients) for (let count = 0; count < 60; count += 1) client.write(1, 300);
    world.connectAll();
    world.run(20_000);
    world.expectAgreement();
    for (const ask of world.seen(0, 'need-envelopes')) expect(ask.limit_bytes).toBeLessThanOrEqual(1_000);
  });

  it('gives back its share of the window when a document leaves while the log is being asked', () => {
    const world = new World(8, { clients: 1, limits: { inFlight_count: 10 } });
    const client = world.client(0);
    client.connect();
    for (let count = 0; count < 40; count += 1) {
      const asked = world.seen(0, 'need-envelopes').length;
      client.run(client.session.handleSubscribe('notes', client.resume, world.time.now));
      for (let turn = 0; turn < 2_000 && world.seen(0, 'need-envelopes').length === asked; turn += 1) world.run(0.1);
    }
    client.write(1);
    world.run(1_000);
    world.expectAgreement();
  });

  it('passes presence on and stores nothing', () => {
    const world = new World(6);
    world.connectAll();
    world.run(1_000);
    const { session } = world.client(0);
    world.client(0).run(session.handlePresence('notes', Uint8Array.of(1, 2), world.time.now));
    world.client(0).run(session.handlePresence('notes', undefined, world.time.now));
    world.run(1_000);
    expect(world.seen(1, 'presence').map((effect) => effect.state)).toEqual([Uint8Array.of(1, 2), undefined]);
    expect(() => session.handlePresence('notes', new Uint8Array(4_097), world.time.now)).toThrow(JoineryError);
  });
});

describe('a session with faults', () => {
  it('finds a half-open link by its silence', () => {
    const world = new World(10, { clients: 1 });
    world.connectAll();
    world.run(1_000);
    world.faults.halfOpen = 1;
    world.client(0).write(1);
    world.run(1_000);
    world.faults.halfOpen = 0;
    world.run(30_000);
    world.expectAgreement();
    expect(world.seen(0, 'connection').some((effect) => effect.status.error?.code === 'timeout')).toBe(true);
  });

  it('tests an open link at once when the network is back', () => {
    const world = new World(11, { clients: 1 });
    world.connectAll();
    world.run(1_000);
    world.faults.halfOpen = 1;
    world.client(0).write(1);
    world.run(100);
    world.faults.halfOpen = 0;
    world.client(0).run(world.client(0).session.handleOnline(world.time.now));
    world.run(3_500);
    world.expectAgreement();
  });

  it('tries at once when the network is back, however long the back-off', () => {
    const world = new World(12, { clients: 1 });
    world.faults.down = true;
    world.client(0).write(1);
    world.connectAll();
    world.run(200_000);
    expect(world.client(0).session.status.attempts).toBeGreaterThan(5);
    world.faults.down = false;
    world.client(0).run(world.client(0).session.handleOnline(world.time.now));
    world.run(300);
    world.expectAgreement();
  });

  it('spreads reconnects and never exceeds the cap', () => {
    const world = new World(13, { clients: 1, limits: { backoffCap_ms: 4_000 } });
    world.faults.down = true;
    world.connectAll();
    world.run(100_000);
    const opened = world.seen(0, 'connection').filter((effect) => effect.status.retryAt !== undefined);
    expect(opened.length).toBeGreaterThan(20);
    expect(opened.length).toBeLessThan(200);
  });

  it('loses nothing when the server crashes between taking and committing', () => {
    for (let seed = 100; seed < 130; seed += 1) {
      const world = new World(seed);
      world.connectAll();
      world.run(500);
      for (let round = 0; round < 10; round += 1) {
        for (const client of world.clients) client.write(1);
        world.run(world.random() * 60);
        world.server.crash();
      }
      world.run(30_000);
      world.expectAgreement();
    }
  });

  it('goes on after a predecessor was lost on the way', () => {
    const world = new World(14, { clients: 1 });
    world.connectAll();
    world.run(1_000);
    world.faults.drop = 1;
    world.client(0).write(1);
    world.run(100);
    world.faults.drop = 0;
    world.client(0).write(1);
    world.run(3_000);
    world.expectAgreement();
  });

  for (const [name, faults] of [
    ['links that break', { cut: 0.05 }],
    ['half-open links', { halfOpen: 0.02 }],
    ['lost frames', { drop: 0.05 }],
    ['doubled frames', { duplicate: 0.2 }],
    ['frames that overtake others', { overtake: 0.1 }],
    ['everything', { cut: 0.02, halfOpen: 0.01, drop: 0.03, duplicate: 0.1, overtake: 0.05 }],
  ] as const) {
    it(`agrees after ${name}, reloads and crashes`, () => {
      for (let seed = 1; seed <= 60; seed += 1) {
        const world = new World(seed, { clients: 3, server: seed % 2 === 0 ? { snapshotBehind: 15 } : {} });
        world.connectAll();
        Object.assign(world.faults, faults);
        for (let round = 0; round < 40; round += 1) {
          const client = world.client(Math.floor(world.random() * 3));
          const choice = world.random();
          if (choice < 0.75) client.write(1 + Math.floor(world.random() * 4));
          else if (choice < 0.82) client.reload(world.newAgent());
          else if (choice < 0.87) world.server.crash();
          else if (choice < 0.92) {
            client.run(client.session.handleDisconnect(world.time.now));
            world.run(world.random() * 1_000);
            client.connect();
          } else if (choice < 0.96) client.run(client.session.handleOnline(world.time.now));
          else client.run(client.session.handleOffline(world.time.now));
          world.run(world.random() * 400);
        }
        Object.assign(world.faults, noFaults());
        world.run(120_000);
        try {
          world.expectAgreement();
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
      }
    });
  }
});

describe('refusals and errors', () => {
  it('retries a gap after its predecessor, from wherever that comes', () => {
    const world = new World(20);
    const [first, second] = [world.client(0), world.client(1)];
    // The second wrote on the first's envelope, which only the first can bring.
    first.write(1);
    second.received.set(first.agent, 1);
    second.write(1);
    second.connect();
    world.run(5_000);
    expect(world.document.log).toHaveLength(0);
    expect(world.seen(1, 'blocked').length).toBeGreaterThan(0);
    first.connect();
    world.run(1_000);
    world.expectAgreement();
  });

  it('tells a refusal once, sends nothing more of that agent, and goes on with others', () => {
    const world = new World(21, {
      clients: 1,
      server: { accept: (entry) => (entry.from === 3 ? 'forbidden' : undefined) },
    });
    world.connectAll();
    world.run(1_000);
    for (let count = 0; count < 6; count += 1) world.client(0).write(1);
    world.run(60_000);
    expect(world.seen(0, 'refused')).toHaveLength(1);
    expect(world.seen(0, 'refused')[0]).toMatchObject({ from: 3, to: 4, error: { code: 'forbidden' } });
    expect(world.document.log).toHaveLength(3);
    expect(world.seen(0, 'blocked')).toEqual([]);
    world.client(0).reload(world.newAgent());
    world.client(0).log.splice(3);
    world.client(0).received.set(1n, 3);
    world.client(0).write(1);
    world.run(5_000);
    expect(world.document.log).toHaveLength(4);
  });

  it('tries again what failed for a reason that passes', () => {
    let full = true;
    const accept = (): string | undefined => (full ? 'storage-full' : undefined);
    const world = new World(22, { clients: 1, server: { accept } });
    world.connectAll();
    world.client(0).write(1);
    world.run(3_000);
    expect(world.document.log).toHaveLength(0);
    full = false;
    world.run(35_000);
    world.expectAgreement();
    expect(world.seen(0, 'refused')).toEqual([]);
  });

  it('parks a document whose epoch changed until it is subscribed anew', () => {
    const world = new World(23, { clients: 1 });
    world.client(0).write(1);
    world.connectAll();
    world.run(1_000);
    world.server.crash();
    world.document.epoch = 8;
    world.document.log = [];
    world.document.last.clear();
    world.document.ever.clear();
    world.client(0).write(1);
    world.run(20_000);
    expect(world.seen(0, 'epoch-changed')).toMatchObject([{ from: 7, epoch: 8 }]);
    expect(world.document.log).toHaveLength(0);
    const client = world.client(0);
    for (const record of client.log) record.acknowledged = false;
    client.resume = undefined;
    client.run(client.session.handleSubscribe('notes', undefined, world.time.now));
    world.run(1_000);
    world.expectAgreement();
  });

  it('asks for another token when one is refused, and makes no attempt until it has it', () => {
    const world = new World(24, { clients: 1, authenticate: true });
    const client = world.client(0);
    client.token = 'bad';
    client.write(1);
    client.connect();
    world.run(5);
    client.token = undefined;
    world.run(100_000);
    expect(world.seen(0, 'need-token').at(-1)?.refused?.code).toBe('unauthorised');
    expect(world.document.log).toHaveLength(0);
    client.run(client.session.handleToken('good', world.time.now));
    world.run(1_000);
    world.expectAgreement();
  });

  it('asks for a token again: after a failure, after silence, and at once when the network is back', () => {
    const world = new World(26, { clients: 1, authenticate: true });
    const client = world.client(0);
    const asked = (): number => world.seen(0, 'need-token').length;
    client.token = undefined;
    client.connect();
    world.run(5);
    const failed = new JoineryError('unauthorised', 'the login server is down', { retryable: true });
    client.run(client.session.handleTokenFailed(failed, world.time.now));
    expect([client.session.status.error, client.session.nextTimeout !== undefined]).toEqual([failed, true]);
    world.run(1_000);
    expect(asked()).toBe(2);
    // Nobody answers: more than once in ten minutes, and no more often than the deadline allows.
    world.run(600_000);
    expect(asked()).toBeGreaterThan(10);
    expect(asked()).toBeLessThan(25);
    const before = asked();
    client.token = 'good';
    client.run(client.session.handleOnline(world.time.now));
    expect(asked()).toBe(before + 1);
    world.run(1_000);
    expect(client.session.status.state).toBe('online');
  });

  it('asks no more for a token once it is told to be offline, whatever answers still come', () => {
    const world = new World(27, { clients: 1, authenticate: true });
    const client = world.client(0);
    client.token = undefined;
    client.connect();
    client.run(client.session.handleDisconnect(world.time.now));
    client.run(client.session.handleTokenFailed(new JoineryError('unauthorised', 'late'), world.time.now));
    client.run(client.session.handleToken('late', world.time.now));
    expect(client.session.nextTimeout).toBeUndefined();
    world.run(100_000);
    expect([world.seen(0, 'need-token').length, world.seen(0, 'open-link').length]).toEqual([1, 0]);
  });

  it('goes on at once when it is told to connect during a back-off, or after having given up', () => {
    const world = new World(28, { clients: 1 });
    const client = world.client(0);
    client.connect();
    world.run(1_000);
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const link = world.seen(0, 'open-link').length;
      client.run(client.session.handleClosed(link, undefined, world.time.now));
      expect(client.session.status.retryAt).toBeDefined();
      client.run(client.session.handleConnect(world.time.now));
      expect(world.seen(0, 'open-link').length).toBe(link + 1);
      expect(client.session.status).toMatchObject({ state: 'connecting', attempts: 0 });
      // And no second attempt beside it.
      client.run(client.session.handleConnect(world.time.now));
      expect(world.seen(0, 'open-link').length).toBe(link + 1);
    }
    world.run(1_000);
    const link = world.seen(0, 'open-link').length;
    world.server.end(new JoineryError('forbidden', 'no'));
    world.run(1_000);
    expect(world.seen(0, 'session-failed')).toHaveLength(1);
    world.run(60_000);
    expect(world.seen(0, 'open-link').length).toBe(link);
    client.run(client.session.handleConnect(world.time.now));
    world.run(1_000);
    expect(client.session.status.state).toBe('online');
  });

  it('ends a link over which something unreadable comes, and resumes', () => {
    const world = new World(25, { clients: 1 });
    world.connectAll();
    world.run(1_000);
    const client = world.client(0);
    client.run(client.session.handleFrame(1, Uint8Array.of(255, 255, 255), world.time.now));
    expect(client.session.status.error?.code).toBe('invalid-frame');
    client.write(1);
    world.run(2_000);
    world.expectAgreement();
  });
});
