// One node of the server: its real documents, committer, connections and session behind the simulated network and database.
// It can die at any moment, and another one starts on the same database.

import { asJoineryError, pbfCodec, type Settlement } from '@joinery/protocol';
import { type ClientLink, Connection } from '../../../server/src/connection.ts';
import type { Accept } from '../../../server/src/documents/acceptance.ts';
import { Documents } from '../../../server/src/documents/documents.ts';
import type { ServerEnvironment } from '../../../server/src/environment.ts';
import { serverLimitDefaults } from '../../../server/src/options.ts';
import type { Log } from '../log.ts';
import type { Timeline } from '../timeline.ts';
import type { AcceptedLink, Caller, Listener } from './network.ts';
import type { Database } from './server-storage.ts';
import { epoch_ms } from './tab-environment.ts';

/** So few replicas stay in memory that documents come and go. */
const replicas = 2;
const tick_ms = 2_000;
const knownTypes = ['map', 'list', 'text', 'counter', 'set', 'tree', 'graph'];

export interface NodeWorld {
  readonly timeline: Timeline;
  readonly log: Log;
  readonly database: Database;
  readonly accept?: Accept | undefined;
}

export class ServerNode implements Listener {
  readonly documents: Documents;
  readonly #world: NodeWorld;
  readonly #environment: ServerEnvironment;
  readonly #connections = new Set<Connection>();
  #alive = true;
  #names = 0;

  constructor(world: NodeWorld) {
    const { timeline, database } = world;
    this.#world = world;
    this.#environment = {
      time: () => Math.floor(epoch_ms + timeline.now_ms),
      monotonic: () => timeline.now_ms,
      agent: () => database.agent(),
      epoch: () => database.nextEpoch(),
      timer: (run, delay_ms) => timeline.after(delay_ms, () => this.enter(run)),
      turn: () =>
        new Promise((resolve) => {
          timeline.after(0, () => this.enter(resolve));
        }),
    };
    this.documents = new Documents({
      storage: database.storage(this),
      codec: pbfCodec,
      environment: this.#environment,
      report: (error) => this.#report(error),
      replicas,
      accept: world.accept,
    });
    this.#tick();
  }

  get alive(): boolean {
    return this.#alive;
  }

  enter(run: () => void): void {
    if (this.#alive) run();
  }

  accept(link: AcceptedLink, caller: Caller): void {
    this.#names += 1;
    const ends = new HeldLink(link);
    const connection: Connection = new LoggingConnection(this.#world.log, {
      name: `${caller.name}#${this.#names}`,
      link: ends,
      environment: this.#environment,
      documents: this.documents,
      codec: pbfCodec,
      limits: serverLimitDefaults,
      authenticate: undefined,
      knownTypes,
      report: (error) => this.#report(error),
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    ends.listen(connection);
  }

  die(): void {
    this.#alive = false;
  }

  #report(error: unknown): void {
    if (!this.#alive) return;
    const { log } = this.#world;
    const failure = asJoineryError(error);
    if (failure.code.startsWith('storage-')) log.trace(`server reports ${failure.code}`);
    else log.add({ type: 'fault', where: 'server', message: `${failure.code}: ${failure.message}` });
  }

  #tick(): void {
    const { timeline } = this.#world;
    timeline.after(tick_ms, () => {
      if (!this.#alive) return;
      for (const connection of [...this.#connections]) connection.tick(timeline.now_ms);
      this.#tick();
    });
  }
}

/** Tells the log what is refused, and is a connection in everything else. */
class LoggingConnection extends Connection {
  readonly #log: Log;

  constructor(log: Log, options: ConstructorParameters<typeof Connection>[0]) {
    super(options);
    this.#log = log;
  }

  override settled(document: string, epoch: number, settlement: Settlement): void {
    for (const { agent, from, to, code } of settlement.refusals) {
      if (code !== 'gap') this.#log.add({ type: 'refused', document, agent, from, to, code });
    }
    super.settled(document, epoch, settlement);
  }
}

/** The server's end of a link, which can be told to hold back what comes. */
class HeldLink implements ClientLink {
  readonly #link: AcceptedLink;
  readonly #held: Uint8Array[] = [];
  #connection: Connection | undefined;
  #paused = false;

  constructor(link: AcceptedLink) {
    this.#link = link;
  }

  get buffered_bytes(): number {
    return this.#link.buffered_bytes;
  }

  listen(connection: Connection): void {
    this.#connection = connection;
    this.#link.listen({
      opened: () => {},
      frame: (frame) => {
        this.#held.push(frame);
        this.#flow();
      },
      closed: () => connection.handleEnded(),
    });
  }

  send(frame: Uint8Array, sent: () => void): void {
    this.#link.send(frame, sent);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  close(): void {
    this.#link.close();
  }

  #flow(): void {
    while (!this.#paused) {
      const frame = this.#held.shift();
      if (frame === undefined) return;
      this.#connection?.handleFrame(frame);
    }
  }
}
