/**
 * Servers, clients and the links between them in one process on a virtual clock: the server's real logic, the real session,
 * real replicas, and a storage in memory that several servers may share. One seed decides a whole run. No sockets, no
 * files, no waiting.
 */

import { asJoineryError, type JoineryError, pbfCodec } from '@joinery/protocol';
import { seededRandom } from '../../../protocol/src/testing/damage.ts';
import { Connection } from '../connection.ts';
import { Documents, type DocumentsOptions } from '../documents/documents.ts';
import type { ServerEnvironment } from '../environment.ts';
import { serverLimitDefaults } from '../options.ts';
import type { Storage } from '../storage/storage.ts';
import { type LinkEvents, VirtualClient, type VirtualClientOptions } from './virtual-client.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A server that is running. */
export interface Node {
  readonly documents: Documents;
  readonly connections: Set<Connection>;
  /** Opens a link to it; what it gives back is the client's end. */
  connect(events: LinkEvents): { send(frame: Uint8Array): void; close(): void };
  /** Like SIGKILL: nothing of it happens any more. */
  crash(): void;
}

/** Promises that are settled lead to others so often, at most, before the next event. */
const settlingTurns = 20;
/** Of the wall clock when the world begins. */
const begin_ms = 1_767_225_600_000;

export class VirtualWorld {
  readonly random: () => number;
  /** What servers reported, and nobody waited for. */
  readonly reported: unknown[] = [];
  readonly clients: VirtualClient[] = [];
  now = 0;
  #events: Event[] = [];
  #order = 0;
  #agents = 0x1000n;
  #connections = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  after(delay_ms: number, run: () => void): () => void {
    this.#order += 1;
    const event = { at: this.now + delay_ms, order: this.#order, run };
    this.#events.push(event);
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
    };
  }

  /** Runs everything that is due until then. */
  async run(duration_ms: number): Promise<void> {
    const end = this.now + duration_ms;
    for (;;) {
      for (let turn = 0; turn < settlingTurns; turn += 1) await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      let next: Event | undefined;
      for (const event of this.#events) {
        const isEarlier =
          next === undefined || event.at < next.at || (event.at === next.at && event.order < next.order);
        if (isEarlier) next = event;
      }
      if (next === undefined || next.at > end) break;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
  }

  newAgent(): bigint {
    this.#agents += 1n;
    return this.#agents;
  }

  environment(alive: () => boolean = () => true): ServerEnvironment {
    let epochs = 0;
    return {
      time: () => begin_ms + this.now,
      monotonic: () => this.now,
      agent: () => this.newAgent(),
      epoch: () => {
        epochs += 1;
        return Math.floor(begin_ms + this.now) * 1_024 + epochs;
      },
      timer: (run, delay_ms) => this.after(delay_ms, () => alive() && run()),
      turn: () =>
        new Promise((resolve) => {
          this.after(0, () => alive() && resolve());
        }),
    };
  }

  /** Starts a server on a storage. */
  node(storage: Storage, options: Partial<DocumentsOptions> = {}): Node {
    let alive = true;
    const environment = this.environment(() => alive);
    const report = (error: unknown): unknown => alive && this.reported.push(error);
    const documents = new Documents({ storage, codec: pbfCodec, environment, report, replicas: 100, ...options });
    const connections = new Set<Connection>();
    const links = new Set<() => void>();
    return {
      documents,
      connections,
      connect: (events) => {
        if (!alive) {
          this.after(1, () => events.closed(undefined));
          return { send: () => {}, close: () => {} };
        }
        return this.#link(events, { documents, environment, connections, links, report, alive: () => alive });
      },
      crash: () => {
        alive = false;
        for (const cut of [...links]) cut();
      },
    };
  }

  client(node: Node, options: Partial<VirtualClientOptions> = {}): VirtualClient {
    const client = new VirtualClient(this, { node, document: 'notes', user: 'ada', ...options });
    this.clients.push(client);
    return client;
  }

  #link(
    events: LinkEvents,
    server: {
      readonly documents: Documents;
      readonly environment: ServerEnvironment;
      readonly connections: Set<Connection>;
      readonly links: Set<() => void>;
      readonly report: (error: unknown) => void;
      readonly alive: () => boolean;
    },
  ) {
    const { documents, environment, connections, links, report, alive } = server;
    let state: 'open' | 'closed' = 'open';
    const arrival = { up: 0, down: 0 };
    const carry = (way: 'up' | 'down', deliver: () => void): void => {
      // In order: never before what was sent earlier.
      arrival[way] = Math.max(arrival[way], this.now + 1 + this.random() * 20);
      this.after(arrival[way] - this.now, () => state === 'open' && deliver());
    };
    const end = (error: JoineryError | undefined): void => {
      if (state === 'closed') return;
      state = 'closed';
      links.delete(cut);
      this.after(1, () => events.closed(error));
      this.after(1, () => alive() && connection.handleEnded());
    };
    const cut = (): void => end(undefined);
    this.#connections += 1;
    const connection: Connection = new Connection({
      name: `c${this.#connections}`,
      link: {
        buffered_bytes: 0,
        send: (frame, sent) => {
          const copy = frame.slice();
          carry('down', () => events.frame(copy));
          this.after(0, sent);
        },
        pause: () => {},
        resume: () => {},
        // What was sent before arrives first.
        close: (error) => this.after(Math.max(0, arrival.down - this.now) + 1, () => end(error)),
      },
      environment,
      documents,
      codec: pbfCodec,
      limits: serverLimitDefaults,
      // The token is the user.
      authenticate: async (token) => ({ user: token }),
      knownTypes: ['map', 'list', 'text', 'counter', 'set', 'tree', 'graph'],
      report,
      closed: () => connections.delete(connection),
    });
    connections.add(connection);
    links.add(cut);
    this.after(1, () => state === 'open' && events.opened());
    return {
      send: (frame: Uint8Array) => {
        const copy = frame.slice();
        carry('up', () => alive() && connection.handleFrame(copy));
      },
      close: () => end(undefined),
    };
  }
}

/** The code that a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return asJoineryError(error).code;
  }
  return 'none';
}
