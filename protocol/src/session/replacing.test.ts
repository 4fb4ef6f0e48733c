/**
 * Giving up an incarnation, on virtual time: after a refusal, a new epoch or a closing by somebody else, with links that are
 * lost at every message of it. Every operation ends at the server exactly once, or in front of the user.
 */

import { describe, expect, it } from 'vitest';
import { pbfCodec } from '../codec.ts';
import type { Message } from '../messages.ts';
import { protocolVersion } from '../protocol-version.ts';
import { seededRandom } from '../testing/damage.ts';
import { VirtualTime } from '../testing/virtual-time.ts';
import type { ClientEffect } from './client-effects.ts';
import { ClientSession } from './client-session.ts';
import { type Faults, noFaults, openLink } from './testing/lossy-link.ts';
import { ModelServer, type ModelServerOptions } from './testing/model-server.ts';
import { decodeOperations, ReplacingClient } from './testing/replacing-client.ts';

/** Operations above this are refused by the server's hook. */
const forbiddenFrom = 1_000_000;

class World {
  readonly time = new VirtualTime();
  readonly random: () => number;
  readonly faults: Faults = noFaults();
  readonly server: ModelServer;
  readonly clients: ReplacingClient[];
  readonly allowed = new Set<number>();
  readonly forbidden = new Set<number>();
  #agents = 0n;

  constructor(seed: number, clients: number, options: Partial<ModelServerOptions> = {}) {
    this.random = seededRandom(seed);
    const accept: ModelServerOptions['accept'] = ({ payload }) =>
      decodeOperations(payload).some((operation) => operation >= forbiddenFrom) ? 'forbidden' : undefined;
    this.server = new ModelServer({ time: this.time, random: this.random, accept, ...options });
    this.clients = Array.from({ length: clients }, () => {
      const connect = (events: Parameters<typeof openLink>[4]) =>
        openLink(this.time, this.random, this.server, this.faults, events);
      const world = { time: this.time, random: this.random, document: 'notes', connect };
      return new ReplacingClient({ ...world, agent: this.newAgent() }, () => this.newAgent());
    });
  }

  get document() {
    return this.server.document('notes');
  }

  newAgent(): bigint {
    this.#agents += 1n;
    return this.#agents;
  }

  client(index: number): ReplacingClient {
    return this.clients[index] as ReplacingClient;
  }

  run(duration_ms: number): void {
    this.time.runUntil(this.time.now + duration_ms);
  }

  write(client: ReplacingClient, isForbidden = false): void {
    const operation = this.allowed.size + this.forbidden.size + (isForbidden ? forbiddenFrom : 0);
    (isForbidden ? this.forbidden : this.allowed).add(operation);
    client.writeOperation(operation);
  }

  seen<T extends ClientEffect['type']>(index: number, type: T): Extract<ClientEffect, { type: T }>[] {
    return this.client(index).effects.filter(
      (effect): effect is Extract<ClientEffect, { type: T }> => effect.type === type,
    );
  }

  expectEveryOperationOnce(): void {
    const operations = this.document.log.flatMap(({ payload }) => decodeOperations(payload));
    expect(operations.sort((left, right) => left - right)).toEqual([...this.allowed]);
    const rejected = this.clients.flatMap((client) => [...client.rejected]);
    expect(rejected.sort((left, right) => left - right)).toEqual([...this.forbidden]);
    for (const client of this.clients) {
      expect(client.log.filter((record) => !record.acknowledged)).toEqual([]);
      expect(client.resume).toEqual({ epoch: this.document.epoch, position: this.document.log.length });
    }
  }
}

describe('a refusal', () => {
  it('ends the incarnation: the agents are closed, the state comes from nothing, the rest is written anew', () => {
    const world = new World(1, 1);
    const client = world.client(0);
    for (let count = 0; count < 10; count += 1) world.write(client, count === 4);
    client.connect();
    world.run(5_000);
    world.expectEveryOperationOnce();
    expect(client.swaps).toBe(1);
    const order = client.effects.map((effect) => effect.type);
    const from = order.indexOf('agents-closed');
    const told = order.slice(from, order.indexOf('need-envelopes', from) + 1).filter((type) => type !== 'send-frame');
    expect(told).toEqual(['agents-closed', 'subscribed', 'envelopes', 'caught-up', 'need-envelopes']);
    expect(world.seen(0, 'agents-closed')[0]?.last).toEqual(new Map([[1n, 4]]));
  });

  it('loses and doubles nothing when the link breaks between any two messages of the replacing', () => {
    let breaks = 0;
    for (const snapshotBehind of [Number.POSITIVE_INFINITY, 2]) {
      for (let cutIn = 0; cutIn < 16; cutIn += 1) {
        const world = new World(2, 2, { snapshotBehind });
        for (let count = 0; count < 5; count += 1) world.write(world.client(1));
        world.client(1).connect();
        world.run(2_000);
        for (let count = 0; count < 6; count += 1) world.write(world.client(0), count === 3);
        world.client(0).connect();
        while (world.seen(0, 'refused').length === 0) world.run(1);
        world.faults.cutIn = cutIn;
        world.run(60_000);
        if (world.faults.cutIn === Number.POSITIVE_INFINITY) breaks += 1;
        world.expectEveryOperationOnce();
      }
    }
    expect(breaks).toBe(32);
  });

  it('is no refusal when it is that of a closed agent: everything is written anew', () => {
    const world = new World(3, 1);
    const client = world.client(0);
    world.document.closed.add(1n);
    for (let count = 0; count < 3; count += 1) world.write(client);
    client.connect();
    world.run(5_000);
    expect(world.seen(0, 'refused')[0]?.error.code).toBe('closed-agent');
    world.expectEveryOperationOnce();
  });
});

describe('what is on its way when agents are closed', () => {
  const document = 'notes';

  /** A session that is connected by hand: what it sends is collected. */
  function greeted() {
    const session = new ClientSession({ random: () => 0.5, knownTypes: [] });
    const sent: Message[] = [];
    const effects: ClientEffect[] = [];
    const take = (given: ClientEffect[]): ClientEffect[] => {
      effects.push(...given);
      for (const effect of given) if (effect.type === 'send-frame') sent.push(pbfCodec.decode(effect.frame).message);
      return given;
    };
    let given = 0;
    const give = (message: Message): ClientEffect[] => {
      const frame = pbfCodec.encode(message, given);
      given += 1;
      return take(session.handleFrame(1, frame, 0));
    };
    take(session.handleSubscribe(document, { epoch: 5, position: 0 }, 0));
    take(session.handleConnect(0));
    take(session.handleOpened(1, 0));
    const window = { window_bytes: 1_000_000, maxFrame_bytes: 1_000_000 };
    give({
      type: 'server-hello',
      protocol: protocolVersion,
      knownTypes: [],
      serverTime_ms: 0,
      session: 's',
      ...window,
    });
    give({ type: 'authenticated', user: 'ada', expires_ms: 0 });
    return { session, sent, effects, take, give };
  }
  const subscribed: Message & { type: 'subscribed' } = {
    type: 'subscribed',
    channel: 1,
    epoch: 5,
    head: 0,
    version: new Uint8Array(0),
    position: 0,
    snapshotFollows: false,
    safe: 7,
  };

  it('may land later: its acknowledgement and its refusal are nobody’s any more', () => {
    const { session, sent, give, take } = greeted();
    give(subscribed);
    take(session.handleReplace(document, [1n, 2n], 5, 0));
    expect(sent.at(-1)).toEqual({ type: 'close', document, epoch: 5, agents: [1n, 2n] });
    const ack: Message = { type: 'ack', channel: 1, ranges: [{ agent: 1n, to: 9, position: 1, count: 1 }] };
    const refusal: Message & { type: 'refusal' } = {
      type: 'refusal',
      channel: 1,
      agent: 1n,
      from: 9,
      to: 10,
      code: 'closed-agent',
      message: '',
      last: 9,
      missing: undefined,
      serverTime_ms: 0,
    };
    expect([...give(ack), ...give(refusal)]).toEqual([]);
    const closed: Message = { type: 'closed', document, epoch: 5, agents: [{ agent: 1n, last: 9 }] };
    expect(give(closed)).toEqual([]);
    const [told] = give({ ...closed, agents: [{ agent: 2n, last: 0 }] });
    expect(told).toMatchObject({ type: 'agents-closed', epoch: 5 });
    expect(told?.type === 'agents-closed' && [...told.last]).toEqual([
      [1n, 9],
      [2n, 0],
    ]);
    const subscription = { channel: 2, document, epoch: 0, position: 0, version: new Uint8Array(0), bridgeFrom: 5 };
    expect(sent.at(-1)).toEqual({ type: 'subscribe', subscriptions: [subscription] });
    expect([...give(ack), ...give(refusal)]).toEqual([]);
    const after = give({ ...subscribed, channel: 2 }).map((effect) => effect.type);
    expect(after).toEqual(['subscribed', 'caught-up']);
    expect([...give(refusal), ...give({ ...refusal, channel: 2 })]).toEqual([]);
    expect(session.handleChanged(document, 0)).toEqual([]);
    expect(session.handleReplaced(document, 0)).toMatchObject([{ type: 'need-envelopes' }]);
  });

  it('closes more agents than fit a message with several, and waits for all', () => {
    const { session, sent, give, take } = greeted();
    const agents = Array.from({ length: 1_025 }, (_, index) => BigInt(index + 1));
    const before = sent.length;
    take(session.handleReplace(document, agents, undefined, 0));
    const closes = sent.slice(before).flatMap((message) => (message.type === 'close' ? [message] : []));
    expect(closes.map((message) => message.agents.length)).toEqual([1_024, 1]);
    const answer = (of: readonly bigint[]): Message => {
      return { type: 'closed', document, epoch: 5, agents: of.map((agent) => ({ agent, last: 0 })) };
    };
    expect(give(answer(agents.slice(1_024)))).toEqual([]);
    expect(give(answer(agents.slice(0, 1_024)))[0]?.type).toBe('agents-closed');
  });

  it('tells bridges before the state, and safe positions as they move', () => {
    const { session, give, take } = greeted();
    take(session.handleReplace(document, [], 5, 0));
    give({ type: 'closed', document, epoch: 6, agents: [] });
    const part = { type: 'bridge', channel: 2, epoch: 5, agent: 9n, total_bytes: 3 } as const;
    expect(give({ ...part, offset: 0, part: Uint8Array.of(1, 2) })).toEqual([]);
    const [bridge] = give({ ...part, offset: 2, part: Uint8Array.of(3) });
    expect(bridge).toEqual({
      type: 'bridge',
      document,
      epoch: 5,
      agent: 9n,
      bytes: Uint8Array.of(1, 2, 3),
      credit_bytes: 3,
    });
    expect(give({ ...subscribed, channel: 2, epoch: 6 })[0]).toMatchObject({
      type: 'subscribed',
      safe: 7,
      restarted: true,
    });
    expect(give({ type: 'safe', channel: 2, position: 8 })).toEqual([
      { type: 'safe', document, epoch: 6, position: 8 },
    ]);
    expect(give({ type: 'safe', channel: 1, position: 9 })).toEqual([]);
  });
});

describe('a new epoch', () => {
  it('is entered by everyone with what they had not synced', () => {
    const world = new World(4, 3);
    for (const client of world.clients) client.connect();
    for (let count = 0; count < 5; count += 1) for (const client of world.clients) world.write(client);
    world.run(5_000);
    for (const client of world.clients) client.run(client.session.handleDisconnect(world.time.now));
    world.run(100);
    for (let count = 0; count < 5; count += 1) for (const client of world.clients) world.write(client);
    world.server.trim('notes', world.newAgent());
    world.server.trim('notes', world.newAgent());
    for (const client of world.clients) client.connect();
    world.run(5_000);
    world.expectEveryOperationOnce();
    for (const index of [0, 1, 2]) expect(world.seen(index, 'bridge').map(({ epoch }) => epoch)).toEqual([7, 8]);
  });
});

describe('replacing with faults', () => {
  for (const [name, faults] of [
    ['links that break', { cut: 0.05 }],
    ['half-open links', { halfOpen: 0.02 }],
    ['doubled frames', { duplicate: 0.2 }],
    ['lost frames', { drop: 0.05 }],
    ['frames that overtake others', { overtake: 0.1 }],
    ['everything', { cut: 0.03, halfOpen: 0.01, drop: 0.02, duplicate: 0.1, overtake: 0.05 }],
  ] as const) {
    it(`keeps every operation exactly once after ${name}, refusals, trims and crashes`, () => {
      let swaps = 0;
      for (let seed = 1; seed <= 60; seed += 1) {
        const world = new World(seed, 3, seed % 2 === 0 ? { snapshotBehind: 6 } : {});
        for (const client of world.clients) client.connect();
        Object.assign(world.faults, faults);
        for (let round = 0; round < 40; round += 1) {
          const client = world.client(Math.floor(world.random() * 3));
          const choice = world.random();
          if (choice < 0.7) world.write(client, world.random() < 0.1);
          else if (choice < 0.76) client.reload(world.newAgent());
          else if (choice < 0.81) world.server.crash();
          else if (choice < 0.86) world.server.trim('notes', world.newAgent());
          else if (choice < 0.9) client.replace();
          else if (choice < 0.94) {
            client.run(client.session.handleDisconnect(world.time.now));
            world.run(world.random() * 1_000);
            client.connect();
          } else client.run(client.session.handleOffline(world.time.now));
          world.run(world.random() * 400);
        }
        Object.assign(world.faults, noFaults());
        world.run(180_000);
        try {
          world.expectEveryOperationOnce();
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
        swaps += world.clients.reduce((sum, client) => sum + client.swaps, 0);
      }
      expect(swaps).toBeGreaterThan(300);
    });
  }
});
