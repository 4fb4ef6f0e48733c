// Presence between clients, devices and tabs, through the whole of it, on virtual time: who sees whom, when, and for how long.

import { JoineryError } from '@joinery/protocol';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Client } from './client.ts';
import { Replica } from './core/index.ts';
import type { Presence } from './presence/presence.ts';
import { MemoryStorage } from './storage/memory.ts';
import { VirtualDevice, type VirtualTab } from './testing/virtual-device.ts';
import { World, type WorldOptions } from './testing/world.ts';
import type { Link, Transport } from './transport/transport.ts';

interface Person {
  readonly name: string;
  readonly at?: number;
}

const id = 'notes';

/** The names that are shown, sorted. */
const names = (presence: Presence<Person>): string[] => presence.peers.map(({ state }) => state.name).sort();

function open(client: Client, name?: string): Presence<Person> {
  const presence = client.presence<Person>(id);
  if (name !== undefined) presence.set({ name });
  return presence;
}

interface Tab {
  readonly environment: VirtualTab;
  readonly client: Client;
  readonly presence: Presence<Person>;
  readonly links: Set<Link>;
}

/** A device with tabs that share one connection. */
class Device {
  readonly world: World;
  readonly device: VirtualDevice;
  readonly storage = new MemoryStorage({ shared: true });
  readonly all: Tab[] = [];

  constructor(world: World) {
    this.world = world;
    this.device = new VirtualDevice(world.time);
  }

  add(name?: string, connect = true): Tab {
    const environment = this.device.tab();
    const links = new Set<Link>();
    const network = this.world.network.transport();
    const transport: Transport = {
      connect: (url, events) => {
        const link = network.connect(url, events);
        links.add(link);
        return link;
      },
    };
    const client = this.world.client(this.storage, { connect, transport }, environment);
    const tab = { environment, client, presence: open(client, name), links };
    this.all.push(tab);
    return tab;
  }

  get leader(): Tab {
    const [lock = ''] = this.device.locks;
    return this.all.find(({ environment }) => environment === this.device.holder(lock)) as Tab;
  }

  crash(tab: Tab): void {
    tab.environment.crash();
    for (const link of tab.links) link.close();
    this.all.splice(this.all.indexOf(tab), 1);
  }
}

const codeOf = (run: () => void): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof JoineryError) return error.code;
    throw error;
  }
  return 'nothing';
};

/** Counts the messages that the server is sent. */
function countSent(world: World): { count: number } {
  const sent = { count: 0 };
  const connect = world.network.transport.bind(world.network);
  vi.spyOn(world.network, 'transport').mockImplementation(() => {
    const transport = connect();
    return {
      connect: (url, events) => {
        const link = transport.connect(url, events);
        return {
          send: (frame: Uint8Array) => {
            sent.count += 1;
            link.send(frame);
          },
          close: () => link.close(),
        } as Link;
      },
    };
  });
  return sent;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('two devices', () => {
  test('see what each shows, also who comes later and who only looks', async () => {
    const world = await World.create();
    const ada = open(world.client(), 'Ada');
    await world.time.advance(200);
    const bob = open(world.client(), 'Bob');
    const looker = open(world.client());
    await world.time.until(() => names(looker).length === 2 && names(ada).length === 1, 1_000);
    expect([names(ada), names(bob), names(looker)]).toEqual([['Bob'], ['Ada'], ['Ada', 'Bob']]);
    bob.update({ at: 3 });
    await world.time.until(() => ada.peers[0]?.state.at === 3, 200);
    expect(ada.peers[0]?.state).toEqual({ name: 'Bob', at: 3 });
    bob.update({ at: undefined });
    await world.time.until(() => ada.peers[0]?.state.at === undefined, 200);
    expect(bob.self).toEqual({ name: 'Bob' });
  });

  test('the same objects while nothing changes, and listeners hear of each change once', async () => {
    const world = await World.create();
    const ada = open(world.client());
    const [bobs, eves] = [world.client(), world.client()];
    const bob = open(bobs, 'Bob');
    open(eves, 'Eve');
    await world.time.until(() => ada.peers.length === 2, 1_000);
    const heard = vi.fn();
    ada.subscribe(heard);
    const before = ada.peers;
    bob.set({ name: 'Bob' });
    await world.time.advance(60_000);
    expect(ada.peers).toBe(before);
    expect(heard).not.toHaveBeenCalled();
    bob.set({ name: 'Robert' });
    await world.time.advance(1_000);
    expect(heard).toHaveBeenCalledTimes(1);
    expect(Object.isFrozen(ada.peers) && Object.isFrozen(ada.peers[0]) && Object.isFrozen(ada.peers[0]?.state)).toBe(
      true,
    );
    const eve = (list: typeof before) => list.find(({ state }) => state.name === 'Eve');
    expect(eve(ada.peers)).toBe(eve(before));
  });

  test('a state is told at once, then at most every 50 ms, and the last one always', async () => {
    const world = await World.create();
    const sent = countSent(world);
    const ada = open(world.client(), 'Ada');
    const bob = open(world.client());
    await world.time.until(() => bob.peers.length === 1, 1_000);
    await world.time.advance(1_000);
    const states: unknown[] = [];
    bob.subscribe(() => states.push(bob.peers[0]?.state.at));
    sent.count = 0;
    for (let at = 1; at <= 200; at += 1) {
      ada.update({ at });
      await world.time.advance(5);
    }
    await world.time.advance(100);
    expect(states[0]).toBe(1);
    expect(states.at(-1)).toBe(200);
    expect(sent.count).toBeGreaterThan(15);
    expect(sent.count).toBeLessThan(24);
  });

  test('who closes, takes the state back or is closed with its client is gone at once', async () => {
    const world = await World.create();
    const clients = [world.client(), world.client(), world.client()] as [Client, Client, Client];
    const [closes, takesBack, ends] = clients.map((client, index) => open(client, `${index}`)) as Presence<Person>[];
    const looker = open(world.client());
    await world.time.until(() => names(looker).length === 3, 1_000);
    closes?.close();
    await world.time.until(() => names(looker).length === 2, 100);
    takesBack?.set(undefined);
    await world.time.until(() => names(looker).length === 1, 100);
    await world.time.settled(clients[2].close());
    await world.time.until(() => names(looker).length === 0, 100);
    expect(codeOf(() => ends?.set({ name: 'late' }))).toBe('closed');
    expect(codeOf(() => closes?.update({ name: 'late' }))).toBe('closed');
    takesBack?.set({ name: 'again' });
    await world.time.until(() => names(looker).join() === 'again', 100);
  });

  test('a handle that is closed and opened again in one go goes on', async () => {
    const world = await World.create();
    const client = world.client();
    const first = open(client, 'Ada');
    const looker = open(world.client());
    await world.time.until(() => names(looker).length === 1, 1_000);
    const [before] = looker.peers;
    first.close();
    const second = client.presence<Person>(id);
    await world.time.advance(1_000);
    expect(second.self).toEqual({ name: 'Ada' });
    expect(looker.peers[0]).toBe(before);
  });

  test('who loses the network is there until it was silent for 30 s, or comes back with all it missed at once', async () => {
    const world = await World.create();
    const clients = [world.client(), world.client()] as [Client, Client];
    const [ada, bob] = [open(clients[0], 'Ada'), open(clients[1], 'Bob')];
    await world.time.until(() => names(ada).length === 1 && names(bob).length === 1, 1_000);
    clients[0].disconnect();
    await world.time.advance(1_000);
    expect([names(ada), names(bob)]).toEqual([['Bob'], ['Ada']]);
    ada.set({ name: 'Ada, back' });
    bob.set({ name: 'Bob, moved' });
    await world.time.advance(2_000);
    clients[0].connect();
    const online = (): boolean => clients[0].status.connection.state === 'online';
    await world.time.until(online, 5_000);
    await world.time.until(() => names(bob).join() === 'Ada, back' && names(ada).join() === 'Bob, moved', 250);
    clients[0].disconnect();
    // Its link has ended: that, the server tells.
    await world.time.until(() => names(bob).length === 0, 6_000);
    await world.time.advance(20_000);
    expect(names(ada)).toEqual(['Bob, moved']);
    await world.time.until(() => names(ada).length === 0, 11_000);
  });

  test('a peer without a connection that ends is gone after 30 s, and not before', async () => {
    const world = await World.create();
    const device = new VirtualDevice(world.time).tab();
    const [ada, bob] = [open(world.client(undefined, {}, device), 'Ada'), open(world.client())];
    await world.time.until(() => names(bob).length === 1, 1_000);
    await world.time.advance(300_000);
    expect(names(bob)).toEqual(['Ada']);
    // Its link stays.
    device.freeze();
    await world.time.advance(19_000);
    expect(names(bob)).toEqual(['Ada']);
    await world.time.until(() => names(bob).length === 0, 12_000);
    device.thaw();
    await world.time.until(() => names(bob).length === 1, 11_000);
    ada.close();
  });

  test('whose clock is wrong by years, or set meanwhile, sees the same', async () => {
    const world = await World.create();
    let ahead_ms = 0;
    const year_ms = 365 * 86_400_000;
    const ada = open(
      world.client(
        undefined,
        {},
        world.clock(() => ahead_ms),
      ),
      'Ada',
    );
    const bob = open(world.client(undefined, {}, world.clock(-10 * year_ms)), 'Bob');
    await world.time.until(() => names(ada).length === 1 && names(bob).length === 1, 1_000);
    for (const next_ms of [year_ms, -year_ms, 0]) {
      ahead_ms = next_ms;
      ada.update({ at: next_ms });
      await world.time.until(() => bob.peers[0]?.state.at === next_ms, 500);
      await world.time.advance(31_000);
      expect([names(ada), names(bob)]).toEqual([['Bob'], ['Ada']]);
    }
  });

  test('a server that restarts is told again', async () => {
    const world = await World.create();
    const [ada, bob] = [open(world.client(), 'Ada'), open(world.client())];
    await world.time.until(() => names(bob).length === 1, 1_000);
    world.server.crash();
    await world.time.advance(40_000);
    expect(names(bob)).toEqual([]);
    world.server.start();
    await world.time.until(() => names(bob).length === 1, 60_000);
    expect(ada.self).toEqual({ name: 'Ada' });
  });

  test('of another document nobody hears', async () => {
    const world = await World.create();
    open(world.client(), 'Ada');
    const elsewhere = world.client().presence<Person>('elsewhere');
    await world.time.advance(15_000);
    expect(elsewhere.peers).toEqual([]);
  });
});

describe('tabs of one browser', () => {
  const setUp = async (count: number, options: WorldOptions & { connect?: boolean } = {}) => {
    const world = await World.create(options);
    const device = new Device(world);
    for (let index = 0; index < count; index += 1) device.add(`tab ${index}`, options.connect ?? true);
    await world.time.advance(200);
    return { world, device };
  };
  const others = (device: Device, own: Tab): string[] =>
    device.all
      .filter((tab) => tab !== own)
      .map(({ presence }) => presence.self?.name as string)
      .sort();
  const agree = (device: Device): boolean =>
    device.all.every((tab) => JSON.stringify(names(tab.presence)) === JSON.stringify(others(device, tab)));

  test('see each other offline', async () => {
    const { world, device } = await setUp(3, { connect: false });
    await world.time.until(() => agree(device), 500);
    expect(names((device.all[0] as Tab).presence)).toEqual(['tab 1', 'tab 2']);
    await world.time.advance(100_000);
    expect(agree(device)).toBe(true);
    device.all[1]?.presence.close();
    await world.time.until(() => names((device.all[0] as Tab).presence).join() === 'tab 2', 100);
  });

  test('each is a peer of other browsers, through one connection, both ways', async () => {
    const { world, device } = await setUp(3);
    const elsewhere = open(world.client(), 'elsewhere');
    await world.time.until(() => names(elsewhere).length === 3, 1_000);
    await world.time.until(
      () => device.all.every(({ presence }) => names(presence).includes('elsewhere') && names(presence).length === 3),
      1_000,
    );
    expect(world.server.connections).toBe(2);
    elsewhere.update({ at: 7 });
    const sees = ({ presence }: Tab): boolean => presence.peers.some(({ state }) => state.at === 7);
    await world.time.until(() => device.all.every(sees), 200);
    device.all.find((tab) => tab !== device.leader)?.presence.update({ at: 8 });
    await world.time.until(() => elsewhere.peers.some(({ state }) => state.at === 8), 200);
  });

  test('a tab that opens the document when it is long connected sees who is elsewhere', async () => {
    const { world, device } = await setUp(1);
    const elsewhere = open(world.client(), 'elsewhere');
    await world.time.advance(3_000);
    const late = device.add();
    await world.time.until(() => names(late.presence).join() === 'elsewhere,tab 0', 500);
    expect(names(elsewhere)).toEqual(['tab 0']);
  });

  test('when the leader crashes or is closed, nobody else vanishes for a moment', async () => {
    const { world, device } = await setUp(3);
    const elsewhere = open(world.client(), 'elsewhere');
    await world.time.until(() => names(elsewhere).length === 3, 1_000);
    for (const way of ['crash', 'close'] as const) {
      const { leader } = device;
      const gone = leader.presence.self?.name as string;
      const left = others(device, leader);
      const seen = new Set<string>();
      const stop = elsewhere.subscribe(() => {
        for (const name of left) if (!names(elsewhere).includes(name)) seen.add(name);
      });
      if (way === 'crash') device.crash(leader);
      else {
        device.all.splice(device.all.indexOf(leader), 1);
        await world.time.settled(leader.client.close());
      }
      await world.time.until(() => !names(elsewhere).includes(gone), way === 'crash' ? 10_000 : 100);
      await world.time.advance(60_000);
      expect([...seen]).toEqual([]);
      expect(names(elsewhere)).toEqual(left);
      for (const { presence } of device.all) expect(names(presence)).toContain('elsewhere');
      stop();
    }
  });

  test('a new leader hears from a tab that only looks where that takes part', async () => {
    const world = await World.create();
    const device = new Device(world);
    const first = device.add('first');
    await world.time.advance(200);
    // The next leader has not heard that others take part; the third tab says nothing of itself.
    const second = device.add();
    second.environment.deaf = true;
    await world.time.advance(200);
    const looker = device.add();
    await world.time.advance(200);
    second.environment.deaf = false;
    device.crash(first);
    await world.time.until(() => device.leader === second, 10_000);
    await world.time.advance(1_000);
    open(world.client(), 'elsewhere');
    await world.time.until(() => names(looker.presence).includes('elsewhere'), 500);
  });

  test('a frozen leader is replaced, and comes back as the same peer', async () => {
    const { world, device } = await setUp(2);
    const elsewhere = open(world.client(), 'elsewhere');
    await world.time.until(() => names(elsewhere).length === 2, 1_000);
    const { leader } = device;
    const [other] = device.all.filter((tab) => tab !== leader) as [Tab];
    leader.environment.freeze();
    await world.time.advance(40_000);
    expect(names(elsewhere)).toEqual([other.presence.self?.name]);
    other.presence.update({ at: 1 });
    await world.time.until(() => elsewhere.peers[0]?.state.at === 1, 200);
    leader.environment.thaw();
    await world.time.until(() => names(elsewhere).length === 2 && names(leader.presence).length === 2, 15_000);
    await world.time.advance(60_000);
    expect(names(elsewhere)).toEqual(['tab 0', 'tab 1']);
  });

  test('a page that is left is gone at once, and back when it comes back', async () => {
    const { world, device } = await setUp(2);
    const elsewhere = open(world.client(), 'elsewhere');
    await world.time.until(() => names(elsewhere).length === 2, 1_000);
    const [first, second] = device.all as [Tab, Tab];
    first.environment.leave(true);
    await world.time.until(() => names(elsewhere).join() === 'tab 1' && names(second.presence).length === 1, 50);
    first.presence.update({ at: 5 });
    await world.time.advance(12_000);
    expect(names(elsewhere)).toEqual(['tab 1']);
    first.environment.leave(false);
    await world.time.until(() => elsewhere.peers.some(({ state }) => state.at === 5), 100);
  });

  test('a page that is left is gone also where its engine ends before it hears of it', async () => {
    const { world, device } = await setUp(3);
    const elsewhere = open(world.client(), 'elsewhere');
    await world.time.until(() => names(elsewhere).length === 3, 1_000);
    const leave = async (tab: Tab, within_ms: number): Promise<void> => {
      const left = others(device, tab);
      tab.environment.leave(true);
      device.crash(tab);
      const sees = ({ presence }: Tab): boolean => names(presence).includes(tab.presence.self?.name as string);
      await world.time.until(() => !device.all.some(sees), 50);
      await world.time.until(() => names(elsewhere).join() === left.join(), within_ms);
    };
    await leave(device.all.find((tab) => tab !== device.leader) as Tab, 50);
    // Nobody is there to pass it on, until the next one leads: without it the others wait 5 s for another way.
    await leave(device.leader, 1_500);
  });

  test('a page that comes back from aside is there again, also where its engine heard of its leaving only then', async () => {
    const { world, device } = await setUp(2);
    const elsewhere = open(world.client(), 'elsewhere');
    await world.time.until(() => names(elsewhere).length === 2, 1_000);
    const { leader } = device;
    const [other] = device.all.filter((tab) => tab !== leader) as [Tab];
    leader.environment.leave(true);
    leader.environment.freeze();
    await world.time.until(() => names(other.presence).join() === 'elsewhere', 50);
    // The lock of one that is frozen is stolen first.
    await world.time.until(() => names(elsewhere).join() === others(device, leader).join(), 5_000);
    await world.time.advance(10_000);
    leader.environment.thaw();
    // What was under way to the engine comes there before what is said from now on.
    await world.time.advance(1);
    leader.environment.leave(false);
    await world.time.until(() => names(elsewhere).length === 2 && names(other.presence).length === 2, 200);
    await world.time.advance(60_000);
    expect(names(elsewhere)).toEqual(['tab 0', 'tab 1']);
  });
});

describe('an engine that dies', () => {
  test('is followed by one that tells and hears the same, and nobody vanishes', async () => {
    const world = await World.create();
    const client = world.client();
    const ada = open(client, 'Ada');
    const bob = open(world.client(), 'Bob');
    await world.time.until(() => names(ada).length === 1 && names(bob).length === 1, 1_000);
    const events: string[] = [];
    client.subscribeEvents(({ type }) => events.push(type));
    let vanished = 0;
    bob.subscribe(() => {
      if (bob.peers.length === 0) vanished += 1;
    });
    const notes = client.document<{ x?: number }>(id);
    await world.time.settled(notes.loaded);
    vi.spyOn(Replica.prototype, 'applyUpdates').mockImplementationOnce(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
    notes.update({ x: 1 });
    await world.time.until(() => events.includes('engine-restarted'));
    await world.time.advance(60_000);
    ada.update({ at: 1 });
    await world.time.until(() => bob.peers[0]?.state.at === 1, 200);
    expect([names(ada), vanished]).toEqual([['Bob'], 0]);
  });
});

describe('what is refused', () => {
  test('changes nothing, and says what was expected', async () => {
    const world = await World.create();
    const ada = open(world.client(), 'Ada');
    const bob = open(world.client());
    await world.time.until(() => names(bob).length === 1, 1_000);
    const self = ada.self;
    const circle: Record<string, unknown> = {};
    circle.circle = circle;
    const set = (state: unknown) => codeOf(() => ada.set(state as Person));
    for (const bad of [null, 'text', [1], new Date(), { at: Number.NaN }, { at: () => {} }, { at: 1n }, circle]) {
      expect(set(bad)).toBe('invalid-value');
    }
    expect(set({ name: new Uint8Array(1) })).toBe('invalid-value');
    expect(set({ name: 'x'.repeat(5_000) })).toBe('limit-exceeded');
    expect(codeOf(() => ada.update({ name: 'é'.repeat(2_500) }))).toBe('limit-exceeded');
    expect(ada.self).toBe(self);
    await world.time.advance(1_000);
    expect(names(bob)).toEqual(['Ada']);
    expect(set({ name: 'x'.repeat(4_000) })).toBe('nothing');
    await world.time.until(() => bob.peers[0]?.state.name.length === 4_000, 1_000);
  });
});

describe('storage', () => {
  test('has nothing of it', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const written: unknown[] = [];
    const open_ = storage.open.bind(storage);
    vi.spyOn(storage, 'open').mockImplementation(async (namespace) => {
      const store = await open_(namespace);
      return new Proxy(store, {
        get(target, key) {
          const member: unknown = Reflect.get(target, key);
          if (typeof member !== 'function') return member;
          return (...given: unknown[]) => {
            written.push(given);
            return member.apply(target, given) as unknown;
          };
        },
      });
    });
    const ada = open(world.client(storage), 'Ada-the-secret');
    const bob = open(world.client(storage), 'Bob-the-secret');
    await world.time.until(() => names(ada).length === 1 && names(bob).length === 1, 1_000);
    await world.time.advance(60_000);
    const text = JSON.stringify(written, (_, value: unknown) => {
      if (typeof value === 'bigint') return `${value}`;
      return value instanceof Uint8Array ? new TextDecoder('latin1').decode(value) : value;
    });
    expect(text).not.toContain('the-secret');
    expect(written.length).toBeGreaterThan(0);
    expect(world.server.value(id) ?? {}).toEqual({});
  });
});
