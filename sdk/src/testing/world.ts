// Several devices, a network and a server in one test, on virtual time: what a test of an app or of the SDK starts with.

import { type Client, type ClientOptions, createClientIn } from '../client.ts';
import { init } from '../core/index.ts';
import type { Environment } from '../environment.ts';
import { MemoryStorage } from '../storage/memory.ts';
import type { Storage } from '../storage/storage.ts';
import { MemoryNetwork } from '../transport/memory.ts';
import { inlineEngine } from '../worker/inline-engine.ts';
import { MemoryServer, type MemoryServerOptions } from './memory-server.ts';
import { VirtualEnvironment } from './virtual-environment.ts';

const url = 'ws://server/sync';

export interface WorldOptions {
  readonly seed?: number;
  /** Each frame takes a time between the two, in milliseconds. Default 1, 10. */
  readonly delay_ms?: readonly [least: number, most: number];
  /** The chance that a frame is lost and its link with it. Default 0. */
  readonly loss?: number;
  readonly server?: Partial<Omit<MemoryServerOptions, 'environment' | 'network' | 'url'>>;
}

/**
 * @example
 * const world = await World.create();
 * const ada = world.client();
 * const bob = world.client();
 * ada.counter('visits').increment();
 * const visits = bob.counter('visits');
 * await world.time.until(() => visits.value === 1);
 */
export class World {
  readonly time: VirtualEnvironment;
  readonly network: MemoryNetwork;
  readonly server: MemoryServer;
  readonly #clients: Client[] = [];

  private constructor({ seed = 1, delay_ms = [1, 10], loss = 0, server = {} }: WorldOptions) {
    this.time = new VirtualEnvironment(seed);
    this.network = new MemoryNetwork({ environment: this.time, delay_ms, loss });
    this.server = new MemoryServer({ ...server, environment: this.time, network: this.network, url });
  }

  /** A world; the core is loaded for it. */
  static async create(options: WorldOptions = {}): Promise<World> {
    await init();
    return new World(options);
  }

  /**
   * A client on a device of its own, or on the one that has this storage.
   * `environment`: that of one tab of a `VirtualDevice` (the storage then is one with `shared`), or of a device with a clock
   * of its own (see `clock`).
   */
  client(
    storage: Storage = new MemoryStorage(),
    options: Partial<ClientOptions> = {},
    environment: Environment = this.time,
  ): Client {
    const transport = this.network.transport();
    // Already loaded: loading takes real time, which virtual time doesn't wait for.
    const load = () => Promise.resolve({ inlineEngine });
    const client = createClientIn(environment, { url, storage, transport, ...options }, load);
    this.#clients.push(client);
    return client;
  }

  /** The environment of a device (or one tab of it) whose clock is ahead of the server's by so much. */
  clock(ahead_ms: number | (() => number), environment: Environment = this.time): Environment {
    return withClock(environment, ahead_ms);
  }

  /** Lets time pass until every client says that the server has all it wrote. */
  async untilSynced(...clients: readonly Client[]): Promise<void> {
    const all = clients.length === 0 ? this.#clients : clients;
    const isSynced = ({ status }: Client): boolean => status.sync.pending === 0 && status.sync.state === 'idle';
    await this.time.until(() => all.every(isSynced), 120_000, 'every client to be synced');
  }
}

/** The same environment on a device with a clock of its own. */
function withClock(time: Environment, ahead_ms: number | (() => number)): Environment {
  return {
    now: () => time.now() + (typeof ahead_ms === 'number' ? ahead_ms : ahead_ms()),
    monotonic: () => time.monotonic(),
    random: () => time.random(),
    randomBytes: (bytes) => time.randomBytes(bytes),
    timer: (run, delay_ms) => time.timer(run, delay_ms),
    task: (run) => time.task(run),
    microtask: (run) => time.microtask(run),
    online: () => time.online(),
    subscribeOnline: (listener) => time.subscribeOnline(listener),
    subscribeLeaving: (listener) => time.subscribeLeaving?.(listener) ?? (() => {}),
    ...(time.tabs === undefined ? {} : { tabs: time.tabs }),
  };
}
