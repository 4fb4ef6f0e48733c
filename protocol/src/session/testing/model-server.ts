/**
 * A server in memory behind real `ServerSession`s, for session tests: it decides on envelopes by their headers, in the
 * most obvious way, and commits them a little later, as a disk would. What is not committed when it crashes is gone.
 */

import { pbfCodec } from '../../codec.ts';
import { spaceOf } from '../../document-id.ts';
import { type Dot, writeEnvelope } from '../../envelope.ts';
import { JoineryError } from '../../error.ts';
import type { VirtualTime } from '../../testing/virtual-time.ts';
import type {
  Bridge,
  BroughtEnvelope,
  CloseAgents,
  Commit,
  ServerEffect,
  Settlement,
  SpacePage,
  SubmitEnvelopes,
} from '../server-effects.ts';
import { epochChanged, ServerSession } from '../server-session.ts';

export interface LogEntry {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly deps: readonly Dot[];
  readonly bytes: Uint8Array;
  readonly payload: Uint8Array;
}

interface ModelDocument {
  epoch: number;
  log: LogEntry[];
  /** Of this epoch. */
  last: Map<bigint, { seq: number; position: number }>;
  /** Agent → last seq, of all epochs. */
  readonly ever: Map<bigint, number>;
  readonly closed: Set<bigint>;
  bridges: Bridge[];
  deleted: boolean;
  /** Of the feed, when it changed last. */
  change: number;
}

interface Connection {
  readonly self: object;
  readonly session: ServerSession;
  readonly followed: Set<string>;
  readonly send: (frame: Uint8Array) => void;
  readonly close: () => void;
}

/** How the model misbehaves. */
export interface ModelServerOptions {
  readonly time: VirtualTime;
  readonly random: () => number;
  /** Refuses an envelope with a code, or takes it. */
  readonly accept?: (entry: LogEntry) => string | undefined;
  /** Offers a snapshot to whoever is further behind than this. */
  readonly snapshotBehind?: number;
  readonly window_bytes?: number;
  /** Refuses a deletion with a code, or takes it. */
  readonly acceptDeletion?: (document: string) => string | undefined;
}

/** So many documents are told of a space at once. */
const modelPage = 3;

export class ModelServer {
  readonly documents = new Map<string, ModelDocument>();
  readonly #options: ModelServerOptions;
  #connections = new Set<Connection>();
  #changes = 0;
  #submissions: { connection: Connection; effect: SubmitEnvelopes }[] = [];

  constructor(options: ModelServerOptions) {
    this.#options = options;
  }

  document(id: string): ModelDocument {
    const known = this.documents.get(id);
    if (known !== undefined) return known;
    const made = {
      epoch: 7,
      log: [],
      last: new Map(),
      ever: new Map(),
      closed: new Set<bigint>(),
      bridges: [],
      deleted: false,
      change: 0,
    };
    this.documents.set(id, made);
    return made;
  }

  /**
   * Enters another epoch: one envelope of an agent of its own holds what all of the log held, and every agent is closed.
   */
  trim(id: string, agent: bigint): void {
    const document = this.document(id);
    document.bridges.push({ epoch: document.epoch, agent, bytes: encodeModelVersion(document.last) });
    const payload = Uint8Array.from(document.log.flatMap((entry) => [...entry.payload]));
    const bytes = writeEnvelope({ agent, from: 0, to: 1, payload });
    for (const known of document.ever.keys()) document.closed.add(known);
    document.closed.add(agent);
    document.ever.set(agent, 1);
    document.epoch += 1;
    document.log = [{ agent, from: 0, to: 1, deps: [], bytes, payload }];
    document.last = new Map([[agent, { seq: 1, position: 1 }]]);
    const error = epochChanged(document.epoch - 1, document.epoch);
    for (const connection of [...this.#connections]) {
      if (!connection.followed.delete(id)) continue;
      this.#run(connection, connection.session.handleDocumentLost(id, error, document.epoch));
    }
    this.#changed(id);
  }

  /** A client connected. Returns what its link gives to the server. */
  connect(send: (frame: Uint8Array) => void, close: () => void) {
    const { time } = this.#options;
    const self = {};
    const limits = this.#options.window_bytes === undefined ? {} : { window_bytes: this.#options.window_bytes };
    const session = new ServerSession({ self, name: 'model', knownTypes: ['map'], limits }, time.now);
    const connection: Connection = { self, session, followed: new Set(), send, close };
    this.#connections.add(connection);
    const tick = (): void => {
      if (!this.#connections.has(connection)) return;
      this.#run(connection, session.handleTimeout(time.now));
      time.after(5_000, tick);
    };
    time.after(5_000, tick);
    return {
      frame: (frame: Uint8Array) => {
        if (this.#connections.has(connection))
          this.#run(connection, session.handleFrame(frame, time.now, 1_000_000 + time.now));
      },
      closed: () => {
        if (this.#connections.delete(connection)) this.#run(connection, session.handleClosed());
      },
      clogged: (clogged: boolean) => {
        if (this.#connections.has(connection)) this.#run(connection, session.handleClogged(clogged));
      },
    };
  }

  /** Like SIGKILL: connections break, and what waits to be committed is gone. */
  crash(): void {
    this.#submissions = [];
    const connections = this.#connections;
    this.#connections = new Set();
    for (const connection of connections) connection.close();
  }

  /** Ends every connection, and says why. */
  end(error: JoineryError): void {
    for (const connection of this.#connections) this.#run(connection, connection.session.handleShutdown(error));
  }

  #run(connection: Connection, effects: ServerEffect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'send-frame':
          connection.send(effect.frame);
          break;
        case 'close':
          this.#connections.delete(connection);
          connection.close();
          break;
        case 'check-token':
          if (effect.token === 'bad') {
            this.#run(connection, connection.session.handleDenied(new JoineryError('unauthorised', 'No.')));
          } else this.#run(connection, connection.session.handleAuthenticated(effect.token, 0));
          break;
        case 'open-document': {
          const { epoch, log, last, bridges, deleted } = this.document(effect.document);
          if (deleted) {
            const error = new JoineryError('document-deleted', 'It is deleted.');
            this.#run(connection, connection.session.handleDocumentFailed(effect.document, effect.request, error));
            break;
          }
          if (effect.from !== undefined && effect.from.epoch !== epoch) {
            const error = epochChanged(effect.from.epoch, epoch);
            this.#run(
              connection,
              connection.session.handleDocumentFailed(effect.document, effect.request, error, epoch),
            );
            break;
          }
          connection.followed.add(effect.document);
          const position = Math.min(effect.from?.position ?? 0, log.length);
          const delta = effect.from?.version !== undefined;
          const behind = delta || log.length - position > (this.#options.snapshotBehind ?? Number.POSITIVE_INFINITY);
          this.#run(
            connection,
            connection.session.handleDocument(effect.document, effect.request, {
              epoch,
              head: log.length,
              version: encodeModelVersion(last),
              position: behind ? log.length : position,
              snapshot: behind ? encodeModelVersion(last) : undefined,
              delta,
              safe: 3,
              bridges: bridges.filter((bridge) => effect.bridgeFrom > 0 && bridge.epoch >= effect.bridgeFrom),
            }),
          );
          break;
        }
        case 'close-document':
          connection.followed.delete(effect.document);
          break;
        case 'submit':
          this.#submissions.push({ connection, effect });
          this.#options.time.after(this.#options.random() * 20, () => this.#commit());
          break;
        case 'read-log': {
          const { log } = this.document(effect.document);
          const { document, request, after } = effect;
          const read = (): void => {
            const envelopes = log.slice(after, after + 5).map((entry) => entry.bytes);
            this.#run(connection, connection.session.handleLog(document, request, after + 1, envelopes));
          };
          this.#options.time.after(this.#options.random() * 10, read);
          break;
        }
        case 'presence':
          for (const other of this.#connections) {
            if (other === connection) continue;
            this.#run(other, other.session.handlePresence(effect.document, 'other', effect.state, effect.gone));
          }
          break;
        case 'close-agents':
          this.#options.time.after(this.#options.random() * 20, () => this.#close(connection, effect));
          break;
        case 'delete-document':
          this.#options.time.after(this.#options.random() * 20, () => this.#delete(connection, effect.document));
          break;
        case 'read-space': {
          const { space, request, after } = effect;
          this.#options.time.after(this.#options.random() * 20, () => {
            this.#run(connection, connection.session.handleSpace(space, request, this.#page(space, after)));
          });
          break;
        }
        case 'follow-space':
        case 'unfollow-space':
          break;
      }
    }
  }

  #close(connection: Connection, effect: CloseAgents): void {
    if (!this.#connections.has(connection)) return;
    const { epoch, ever, closed } = this.document(effect.document);
    for (const agent of effect.agents) closed.add(agent);
    const last = new Map(effect.agents.map((agent) => [agent, ever.get(agent) ?? 0]));
    this.#run(connection, connection.session.handleAgentsClosed(effect.document, epoch, last));
  }

  #delete(connection: Connection, id: string): void {
    if (!this.#connections.has(connection)) return;
    const refusal = this.#options.acceptDeletion?.(id);
    const document = this.document(id);
    if (refusal === undefined && !document.deleted) {
      document.deleted = true;
      document.log = [];
      const error = new JoineryError('document-deleted', 'It is deleted.');
      for (const other of [...this.#connections]) {
        if (other.followed.delete(id)) this.#run(other, other.session.handleDocumentLost(id, error));
      }
      this.#changed(id);
    }
    const error = refusal === undefined ? undefined : new JoineryError(refusal, 'No.');
    this.#run(connection, connection.session.handleDeleted(id, error));
  }

  #changed(id: string): void {
    this.#changes += 1;
    this.document(id).change = this.#changes;
    for (const other of [...this.#connections]) this.#run(other, other.session.handleSpaceChanged(spaceOf(id)));
  }

  #page(space: string, after: number): SpacePage {
    const restarted = after > this.#changes;
    const changed = [...this.documents]
      .filter(([id, document]) => spaceOf(id) === space && document.change > (restarted ? 0 : after))
      .sort(([, left], [, right]) => left.change - right.change);
    const entries = changed.slice(0, modelPage).map(([document, { epoch, log, deleted }]) => {
      return { document, epoch, head: log.length, deleted };
    });
    const token = changed[entries.length - 1]?.[1].change ?? (restarted ? 0 : after);
    return { token, entries, more: changed.length > entries.length, restarted };
  }

  #commit(): void {
    const submissions = this.#submissions;
    this.#submissions = [];
    for (const { connection, effect } of submissions) {
      const document = this.document(effect.document);
      // In another epoch by now, or deleted: its followers were told.
      if (effect.epoch !== document.epoch || document.deleted) continue;
      const firstPosition = document.log.length + 1;
      const settlement = { bytes: effect.bytes, duplicates: [], refusals: [] } as Mutable<Settlement>;
      for (const envelope of effect.envelopes) this.#decide(document, envelope, settlement);
      const committed = document.log.slice(firstPosition - 1);
      if (committed.length > 0) {
        const origin = connection.self;
        const commit: Commit = {
          document: effect.document,
          epoch: document.epoch,
          firstPosition,
          envelopes: committed.map((entry) => ({ bytes: entry.bytes, agent: entry.agent, to: entry.to, origin })),
          frame: pbfCodec.encode({
            type: 'envelopes',
            channel: 0,
            firstPosition,
            envelopes: committed.map((entry) => entry.bytes),
          }),
          bytes: committed.reduce((sum, entry) => sum + entry.bytes.length, 0),
        };
        for (const other of [...this.#connections]) {
          if (other.followed.has(effect.document)) this.#run(other, other.session.handleCommitted(commit));
        }
        this.#changed(effect.document);
      }
      const { session } = connection;
      if (!this.#connections.has(connection)) continue;
      this.#run(connection, session.handleSettled(effect.document, document.epoch, settlement, this.#options.time.now));
    }
  }

  #decide(document: ModelDocument, { header, bytes }: BroughtEnvelope, settlement: Mutable<Settlement>): void {
    const { agent, from, to, deps, payloadOffset } = header;
    const ever = document.ever.get(agent) ?? 0;
    if (to <= ever) {
      const position = document.last.get(agent)?.position ?? 0;
      settlement.duplicates.push({ agent, to: ever, position, count: 0 });
      return;
    }
    const entry = { agent, from, to, deps, bytes, payload: bytes.subarray(payloadOffset) };
    const lacking = deps.find((dep) => (document.last.get(dep.agent)?.seq ?? 0) < dep.seq);
    const missing = from > ever ? { agent, seq: from } : lacking;
    const refusal = missing === undefined ? this.#options.accept?.(entry) : 'gap';
    const code = document.closed.has(agent) ? 'closed-agent' : refusal;
    if (code !== undefined) {
      settlement.refusals.push({ agent, from, to, code, message: code, last: ever, missing });
      return;
    }
    document.log.push(entry);
    document.ever.set(agent, to);
    document.last.set(agent, { seq: to, position: document.log.length });
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

/** The model's version vector, and its snapshot as well: lines of `agent seq`. */
export function encodeModelVersion(last: ReadonlyMap<bigint, { seq: number }>): Uint8Array {
  const text = [...last].map(([agent, { seq }]) => `${agent} ${seq}`).join('\n');
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function decodeModelVersion(bytes: Uint8Array): Map<bigint, number> {
  const version = new Map<bigint, number>();
  for (const line of String.fromCharCode(...bytes).split('\n')) {
    const [agent, seq] = line.split(' ');
    if (agent !== undefined && agent !== '' && seq !== undefined) version.set(BigInt(agent), Number(seq));
  }
  return version;
}
