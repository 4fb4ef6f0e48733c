// A server in memory behind the real session: for tests of clients, in one process and on virtual time. It decides on
// envelopes by their headers alone, commits after a moment, and keeps what was committed when it crashes. The server
// that apps run is another package.

import {
  type BroughtEnvelope,
  type Commit,
  epochChanged,
  JoineryError,
  type ServerEffect,
  ServerSession,
  type Settlement,
  type SubmitEnvelopes,
} from '@joinery/protocol';
import { encodeVersion, Replica } from '../core/index.ts';
import type { Cancel, Environment } from '../environment.ts';
import type { AcceptedLink, MemoryNetwork } from '../transport/memory.ts';

export interface MemoryServerOptions {
  readonly environment: Environment;
  readonly network: MemoryNetwork;
  readonly url: string;
  /** How long a commit takes, in milliseconds: a random time between the two. Default 0, 5. */
  readonly commit_ms?: readonly [least: number, most: number];
  /** The code of a refusal, or undefined to take the envelope. */
  readonly accept?: (envelope: BroughtEnvelope, document: string) => string | undefined;
  /** The user of a token; undefined when it is not accepted. Default: everybody is nobody in particular. */
  readonly user?: (token: string) => string | undefined;
  /** Who is behind by more envelopes than this gets a snapshot. Default: never. */
  readonly snapshotBehind?: number;
}

export interface ServerEnvelope {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

interface ServedDocument {
  epoch: number;
  readonly log: ServerEnvelope[];
  readonly last: Map<bigint, { seq: number; position: number }>;
}

interface Connection {
  readonly self: object;
  readonly session: ServerSession;
  readonly link: AcceptedLink;
  readonly followed: Set<string>;
}

type Draft<Part> = { -readonly [Key in keyof Part]: Part[Key] extends readonly (infer Item)[] ? Item[] : Part[Key] };

export class MemoryServer {
  readonly #options: MemoryServerOptions;
  readonly #documents = new Map<string, ServedDocument>();
  #connections = new Set<Connection>();
  #waiting: { readonly connection: Connection; readonly effect: SubmitEnvelopes }[] = [];
  #stopListening: Cancel | undefined;
  #names = 0;

  constructor(options: MemoryServerOptions) {
    this.#options = options;
    this.start();
  }

  /** What is committed of a document, in the order of positions. */
  log(document: string): readonly ServerEnvelope[] {
    return this.#documents.get(document)?.log ?? [];
  }

  /** The content of what is committed. */
  value(document: string): Record<string, unknown> {
    const replica = this.#replica(this.#document(document));
    const value = replica.toJSON();
    replica.free();
    return value;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Enters another epoch of a document, as after a restored backup. */
  changeEpoch(document: string): void {
    this.#document(document).epoch += 1;
  }

  /** Like SIGKILL: nothing is answered any more, and what was not committed is gone. */
  crash(): void {
    this.#stopListening?.();
    this.#waiting = [];
    const connections = this.#connections;
    this.#connections = new Set();
    for (const { link } of connections) link.close();
  }

  /** Listens again after a crash. */
  start(): void {
    const { network, url } = this.#options;
    this.#stopListening = network.listen(url, (link) => this.#accept(link));
  }

  #accept(link: AcceptedLink): void {
    const { environment } = this.#options;
    this.#names += 1;
    const self = {};
    const session = new ServerSession(
      { self, name: `memory-${this.#names}`, knownTypes: ['map', 'list', 'text', 'counter', 'set'] },
      environment.monotonic(),
    );
    const connection: Connection = { self, session, link, followed: new Set() };
    this.#connections.add(connection);
    link.listen({
      opened: () => {},
      frame: (bytes) => {
        if (!this.#connections.has(connection)) return;
        this.#carryOut(connection, session.handleFrame(bytes, environment.monotonic(), environment.now()));
      },
      closed: () => {
        if (this.#connections.delete(connection)) this.#carryOut(connection, session.handleClosed());
      },
    });
  }

  #document(id: string): ServedDocument {
    let document = this.#documents.get(id);
    if (document === undefined) {
      document = { epoch: 1, log: [], last: new Map() };
      this.#documents.set(id, document);
    }
    return document;
  }

  #replica({ log }: ServedDocument): Replica {
    const replica = new Replica({ now: () => this.#options.environment.now() });
    replica.applyUpdates(log.map(({ bytes }) => bytes));
    return replica;
  }

  #carryOut(connection: Connection, effects: readonly ServerEffect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'send-frame':
          connection.link.send(effect.frame);
          break;
        case 'close':
          this.#connections.delete(connection);
          connection.link.close();
          break;
        case 'check-token':
          this.#checkToken(connection, effect.token);
          break;
        case 'open-document':
          this.#open(connection, effect);
          break;
        case 'close-document':
          connection.followed.delete(effect.document);
          break;
        case 'submit': {
          this.#waiting.push({ connection, effect });
          const { environment, commit_ms: [least, most] = [0, 5] } = this.#options;
          environment.timer(() => this.#commit(), least + environment.random() * (most - least));
          break;
        }
        case 'read-log': {
          const { document, request, after } = effect;
          const envelopes: Uint8Array[] = [];
          let bytes = 0;
          for (const envelope of this.#document(document).log.slice(after, after + effect.limit_count)) {
            if (envelopes.length > 0 && bytes + envelope.bytes.length > effect.limit_bytes) break;
            envelopes.push(envelope.bytes);
            bytes += envelope.bytes.length;
          }
          this.#options.environment.task(() => {
            if (!this.#connections.has(connection)) return;
            this.#carryOut(connection, connection.session.handleLog(document, request, after + 1, envelopes));
          });
          break;
        }
        case 'presence':
          for (const other of this.#connections) {
            if (other === connection) continue;
            this.#carryOut(other, other.session.handlePresence(effect.document, 'other', effect.state, effect.gone));
          }
          break;
      }
    }
  }

  #checkToken(connection: Connection, token: string): void {
    const user = this.#options.user === undefined ? '' : this.#options.user(token);
    const { session } = connection;
    const refusal = new JoineryError('unauthorised', 'The token is not accepted. Get another one.');
    this.#carryOut(
      connection,
      user === undefined ? session.handleDenied(refusal) : session.handleAuthenticated(user, 0),
    );
  }

  #open(connection: Connection, effect: Extract<ServerEffect, { type: 'open-document' }>): void {
    const { session } = connection;
    const { document: id, request, from } = effect;
    const document = this.#document(id);
    if (from !== undefined && from.epoch !== document.epoch) {
      const error = epochChanged(from.epoch, document.epoch);
      this.#carryOut(connection, session.handleDocumentFailed(id, request, error, document.epoch));
      return;
    }
    connection.followed.add(id);
    const head = document.log.length;
    const known = Math.min(from?.position ?? 0, head);
    const isBehind = head - known > (this.#options.snapshotBehind ?? Number.POSITIVE_INFINITY);
    let snapshot: Uint8Array | undefined;
    if (isBehind) {
      const replica = this.#replica(document);
      snapshot = replica.encodeSnapshot();
      replica.free();
    }
    const version = encodeVersion(new Map(Array.from(document.last, ([agent, { seq }]) => [agent, seq])));
    const position = isBehind ? head : known;
    const state = { epoch: document.epoch, head, version, position, snapshot };
    this.#carryOut(connection, session.handleDocument(id, request, state));
  }

  #commit(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { connection, effect } of waiting) {
      const document = this.#document(effect.document);
      const firstPosition = document.log.length + 1;
      const settlement: Draft<Settlement> = { bytes: effect.bytes, duplicates: [], refusals: [] };
      for (const envelope of effect.envelopes) this.#decide(effect.document, document, envelope, settlement);
      const committed = document.log.slice(firstPosition - 1);
      const isAlive = this.#connections.has(connection);
      if (committed.length > 0) this.#tell(effect.document, document, firstPosition, committed, connection);
      if (!isAlive) continue;
      const { environment } = this.#options;
      const { session } = connection;
      this.#carryOut(connection, session.handleSettled(effect.document, document.epoch, settlement, environment.now()));
    }
  }

  #tell(
    id: string,
    { epoch }: ServedDocument,
    firstPosition: number,
    committed: readonly ServerEnvelope[],
    from: Connection,
  ): void {
    const commit: Commit = {
      document: id,
      epoch,
      firstPosition,
      envelopes: committed.map(({ bytes, agent, to }) => ({ bytes, agent, to, origin: from.self })),
      frame: undefined,
      bytes: committed.reduce((sum, { bytes }) => sum + bytes.length, 0),
    };
    for (const connection of [...this.#connections]) {
      if (!connection.followed.has(id)) continue;
      this.#carryOut(connection, connection.session.handleCommitted(commit));
    }
  }

  #decide(id: string, document: ServedDocument, brought: BroughtEnvelope, settlement: Draft<Settlement>): void {
    const { agent, from, to, deps } = brought.header;
    const last = document.last.get(agent) ?? { seq: 0, position: 0 };
    if (to <= last.seq) {
      settlement.duplicates.push({ agent, to: last.seq, position: last.position, count: 0 });
      return;
    }
    const lacking = deps.find((dep) => (document.last.get(dep.agent)?.seq ?? 0) < dep.seq);
    const missing = from > last.seq ? { agent, seq: from } : lacking;
    const code = missing === undefined ? this.#options.accept?.(brought, id) : 'gap';
    if (code !== undefined) {
      settlement.refusals.push({ agent, from, to, code, message: `refused: ${code}`, last: last.seq, missing });
      return;
    }
    document.log.push({ agent, from, to, bytes: brought.bytes });
    document.last.set(agent, { seq: to, position: document.log.length });
  }
}
