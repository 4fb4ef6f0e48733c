// A server in memory behind the real session: for tests of clients, in one process and on virtual time. It decides on
// envelopes by their headers alone, commits after a moment, and keeps what was committed when it crashes. The server
// that apps run is another package.

import {
  type BroughtEnvelope,
  type Commit,
  epochChanged,
  JoineryError,
  type PassPresence,
  type ServerEffect,
  ServerSession,
  type SpacePage,
  type SubmitEnvelopes,
  spaceOf,
} from '@joinery/protocol';
import type { Cancel, Environment } from '../environment.ts';
import type { AcceptedLink, MemoryNetwork } from '../transport/memory.ts';
import { MemoryDocument, type ServerEnvelope, type SettlementDraft } from './memory-document.ts';

export type { ServerEnvelope } from './memory-document.ts';

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

interface Connection {
  readonly self: object;
  readonly name: string;
  readonly session: ServerSession;
  readonly link: AcceptedLink;
  readonly followed: Set<string>;
  /** Documents where it has said something of itself. */
  readonly present: Set<string>;
  readonly spaces: Set<string>;
}

export class MemoryServer {
  readonly #options: MemoryServerOptions;
  #documents = new Map<string, MemoryDocument>();
  #connections = new Set<Connection>();
  #waiting: { readonly connection: Connection; readonly effect: SubmitEnvelopes }[] = [];
  #stopListening: Cancel | undefined;
  #names = 0;
  #changes = 0;

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
    const replica = this.#document(document).replica(this.#now);
    const value = replica.toJSON();
    replica.free();
    return value;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Enters another epoch of a document: the same content with fresh ids. */
  trim(id: string): void {
    const document = this.#document(id);
    const before = document.epoch;
    this.#changes += 1;
    document.trim(2n ** 63n + BigInt(this.#changes), this.#now);
    this.#lose(document, epochChanged(before, document.epoch));
  }

  /** Everything that is committed now. From now on nothing above it counts as safe. */
  backup(): MemoryBackup {
    for (const document of this.#documents.values()) this.setSafe(document.id, document.head);
    return { documents: new Map(Array.from(this.#documents, ([id, document]) => [id, document.backup()])) };
  }

  /** What a backup holds of a document from now on, as the clients are told. */
  setSafe(id: string, position: number): void {
    const document = this.#document(id);
    document.safe = position;
    for (const connection of [...this.#connections]) {
      this.#carryOut(connection, connection.session.handleSafe(id, document.epoch, position));
    }
  }

  /** Crashes, and has only what the backup has when it starts again: in epochs that nobody has seen. */
  restore(backup: MemoryBackup): void {
    this.crash();
    const epochs = new Map(Array.from(this.#documents, ([id, { epoch }]) => [id, epoch]));
    this.#documents = new Map(Array.from(backup.documents, ([id, document]) => [id, document.backup()]));
    for (const document of this.#documents.values()) document.epoch = (epochs.get(document.id) ?? 0) + 1;
    for (const [id, epoch] of epochs) if (!this.#documents.has(id)) this.#document(id).epoch = epoch + 1;
    this.start();
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
    const name = `memory-${this.#names}`;
    const session = new ServerSession(
      { self, name, knownTypes: ['map', 'list', 'text', 'counter', 'set', 'tree', 'graph'] },
      environment.monotonic(),
    );
    const connection: Connection = {
      self,
      name,
      session,
      link,
      followed: new Set(),
      present: new Set(),
      spaces: new Set(),
    };
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

  #document(id: string): MemoryDocument {
    let document = this.#documents.get(id);
    if (document === undefined) {
      document = new MemoryDocument(id);
      this.#documents.set(id, document);
    }
    return document;
  }

  readonly #now = (): number => this.#options.environment.now();

  /** Nobody can follow it as it was. */
  #lose(document: MemoryDocument, error: JoineryError): void {
    for (const connection of [...this.#connections]) {
      if (!connection.followed.delete(document.id)) continue;
      this.#carryOut(connection, connection.session.handleDocumentLost(document.id, error, document.epoch));
    }
  }

  /** After a moment, if the connection is still there. */
  #soon(connection: Connection, run: () => void): void {
    const { environment, commit_ms: [least, most] = [0, 5] } = this.#options;
    environment.timer(
      () => {
        if (this.#connections.has(connection)) run();
      },
      least + environment.random() * (most - least),
    );
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
          this.#leave(connection, effect.document);
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
          for (const envelope of this.#document(document).after(after).slice(0, effect.limit_count)) {
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
        case 'close-agents':
          this.#soon(connection, () => {
            const document = this.#document(effect.document);
            const last = document.close(effect.agents);
            this.#carryOut(connection, connection.session.handleAgentsClosed(document.id, document.epoch, last));
          });
          break;
        case 'delete-document':
          this.#soon(connection, () => {
            const document = this.#document(effect.document);
            document.deleted = true;
            this.#lose(document, deleted());
            this.#carryOut(connection, connection.session.handleDeleted(effect.document, undefined));
            this.#spaceChanged(document);
          });
          break;
        case 'follow-space':
          connection.spaces.add(effect.space);
          break;
        case 'unfollow-space':
          connection.spaces.delete(effect.space);
          break;
        case 'read-space': {
          const page = this.#space(effect.space, effect.after, effect.limit_count);
          this.#soon(connection, () => {
            this.#carryOut(connection, connection.session.handleSpace(effect.space, effect.request, page));
          });
          break;
        }
        case 'presence':
          if (effect.gone) connection.present.delete(effect.document);
          else connection.present.add(effect.document);
          this.#tellPresence(connection, effect);
          break;
      }
    }
  }

  #tellPresence(from: Connection, { document, state, gone }: Omit<PassPresence, 'type'>): void {
    for (const other of [...this.#connections]) {
      if (other !== from) this.#carryOut(other, other.session.handlePresence(document, from.name, state, gone));
    }
  }

  /** It follows the document no more: what it has said of itself there holds no more. */
  #leave(connection: Connection, document: string): void {
    if (!connection.present.delete(document)) return;
    this.#tellPresence(connection, { document, state: new Uint8Array(0), gone: true });
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
    if (document.deleted) {
      this.#carryOut(connection, session.handleDocumentFailed(id, request, deleted()));
      return;
    }
    if (from !== undefined && from.epoch !== document.epoch) {
      const error = epochChanged(from.epoch, document.epoch);
      this.#carryOut(connection, session.handleDocumentFailed(id, request, error, document.epoch));
      return;
    }
    connection.followed.add(id);
    const { head, epoch, safe } = document;
    const known = Math.min(from?.position ?? 0, head);
    const tooFar = head - known > (this.#options.snapshotBehind ?? Number.POSITIVE_INFINITY);
    const isBehind = tooFar || document.lacksBase(known);
    let snapshot: Uint8Array | undefined;
    if (isBehind) {
      const replica = document.replica(this.#now);
      snapshot = replica.encodeSnapshot();
      replica.free();
    }
    const version = document.version(this.#now);
    const position = isBehind ? head : known;
    const { bridgeFrom } = effect;
    const bridges = document.bridges.filter((bridge) => bridgeFrom > 0 && bridge.epoch >= bridgeFrom);
    const state = { epoch, head, version, position, snapshot, safe, bridges };
    this.#carryOut(connection, session.handleDocument(id, request, state));
  }

  #commit(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { connection, effect } of waiting) {
      const document = this.#document(effect.document);
      const before = document.head;
      const settlement: SettlementDraft = { bytes: effect.bytes, duplicates: [], refusals: [] };
      if (effect.epoch !== document.epoch) settlement.failed = epochChanged(effect.epoch, document.epoch);
      else {
        for (const envelope of effect.envelopes) {
          const accept = (): string | undefined => this.#options.accept?.(envelope, effect.document);
          document.decide(envelope, connection.session.user, this.#now(), accept, settlement);
        }
      }
      const firstPosition = before + 1;
      const committed = document.after(before);
      const isAlive = this.#connections.has(connection);
      if (committed.length > 0) this.#spaceChanged(document);
      if (committed.length > 0) this.#tell(effect.document, document, firstPosition, committed, connection);
      if (!isAlive) continue;
      const { environment } = this.#options;
      const { session } = connection;
      this.#carryOut(connection, session.handleSettled(effect.document, effect.epoch, settlement, environment.now()));
    }
  }

  #tell(
    id: string,
    { epoch }: MemoryDocument,
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

  #spaceChanged(document: MemoryDocument): void {
    this.#changes += 1;
    document.changed = this.#changes;
    const space = spaceOf(document.id);
    for (const connection of [...this.#connections]) {
      if (connection.spaces.has(space)) this.#carryOut(connection, connection.session.handleSpaceChanged(space));
    }
  }

  #space(space: string, after: number, limit: number): SpacePage {
    const restarted = after > this.#changes;
    const changed = [...this.#documents.values()]
      .filter(({ id, changed: token }) => spaceOf(id) === space && token > (restarted ? 0 : after))
      .sort((a, b) => a.changed - b.changed);
    const page = changed.slice(0, limit);
    const entries = page.map(({ id, epoch, head, deleted: gone }) => ({ document: id, epoch, head, deleted: gone }));
    const token = page.at(-1)?.changed ?? (restarted ? this.#changes : after);
    return { token, entries, more: changed.length > page.length, restarted };
  }
}

/** What a server in memory goes back to. */
export interface MemoryBackup {
  readonly documents: ReadonlyMap<string, MemoryDocument>;
}

function deleted(): JoineryError {
  return new JoineryError('document-deleted', 'The document was deleted, for ever.');
}
