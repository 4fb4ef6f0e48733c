/**
 * A server in memory behind real `ServerSession`s, for session tests: it decides on envelopes by their headers, in the
 * most obvious way, and commits them a little later, as a disk would. What is not committed when it crashes is gone.
 */

import { pbfCodec } from '../../codec.ts';
import type { Dot } from '../../envelope.ts';
import { JoineryError } from '../../error.ts';
import type { VirtualTime } from '../../testing/virtual-time.ts';
import type { BroughtEnvelope, Commit, ServerEffect, Settlement, SubmitEnvelopes } from '../server-effects.ts';
import { epochChanged, ServerSession } from '../server-session.ts';

export interface LogEntry {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly deps: readonly Dot[];
  readonly bytes: Uint8Array;
}

interface ModelDocument {
  epoch: number;
  log: LogEntry[];
  last: Map<bigint, { seq: number; position: number }>;
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
}

export class ModelServer {
  readonly documents = new Map<string, ModelDocument>();
  readonly #options: ModelServerOptions;
  #connections = new Set<Connection>();
  #submissions: { connection: Connection; effect: SubmitEnvelopes }[] = [];

  constructor(options: ModelServerOptions) {
    this.#options = options;
  }

  document(id: string): ModelDocument {
    const known = this.documents.get(id);
    if (known !== undefined) return known;
    const made = { epoch: 7, log: [], last: new Map() };
    this.documents.set(id, made);
    return made;
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
          const { epoch, log, last } = this.document(effect.document);
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
      }
    }
  }

  #commit(): void {
    const submissions = this.#submissions;
    this.#submissions = [];
    for (const { connection, effect } of submissions) {
      const document = this.document(effect.document);
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
            document: effect.document,
            epoch: document.epoch,
            firstPosition,
            envelopes: committed.map((entry) => entry.bytes),
          }),
          bytes: committed.reduce((sum, entry) => sum + entry.bytes.length, 0),
        };
        for (const other of [...this.#connections]) {
          if (other.followed.has(effect.document)) this.#run(other, other.session.handleCommitted(commit));
        }
      }
      const { session } = connection;
      if (!this.#connections.has(connection)) continue;
      this.#run(connection, session.handleSettled(effect.document, document.epoch, settlement, this.#options.time.now));
    }
  }

  #decide(document: ModelDocument, { header, bytes }: BroughtEnvelope, settlement: Mutable<Settlement>): void {
    const { agent, from, to, deps } = header;
    const last = document.last.get(agent) ?? { seq: 0, position: 0 };
    if (to <= last.seq) {
      settlement.duplicates.push({ agent, to: last.seq, position: last.position, count: 0 });
      return;
    }
    const lacking = deps.find((dep) => (document.last.get(dep.agent)?.seq ?? 0) < dep.seq);
    const missing = from > last.seq ? { agent, seq: from } : lacking;
    const code = missing === undefined ? this.#options.accept?.({ agent, from, to, deps, bytes }) : 'gap';
    if (code !== undefined) {
      settlement.refusals.push({ agent, from, to, code, message: code, last: last.seq, missing });
      return;
    }
    document.log.push({ agent, from, to, deps, bytes });
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
