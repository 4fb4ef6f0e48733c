// createClient: the one way into the SDK.

import { checkDocumentId, JoineryError } from '@joinery/protocol';
import { init } from './core/index.ts';
import { type CounterDocument, OpenCounter } from './documents/counter.ts';
import { type DocumentHandle, type DocumentOptions, OpenDocumentHandle } from './documents/document.ts';
import { type GraphDocument, OpenGraph } from './documents/graph.ts';
import type { Leased } from './documents/lease.ts';
import type { Receipt } from './documents/receipt.ts';
import { DocumentSchema } from './documents/schema.ts';
import { OpenText, type TextDocument, type TextOptions } from './documents/text.ts';
import { OpenTree, type TreeDocument } from './documents/tree.ts';
import { type Environment, systemEnvironment } from './environment.ts';
import type { Presence } from './presence/presence.ts';
import type { Deletion, Space } from './spaces/space.ts';
import type { Storage } from './storage/storage.ts';
import { preferredMode, type StorageName, storageNames } from './storage/storage-name.ts';
import { EngineLink, type StartEngine } from './sync/engine-link.ts';
import type { ExportedDocument } from './sync/export-link.ts';
import type { OpenDocument } from './sync/open-document.ts';
import { type RejectedList, StoredRejectedList } from './sync/rejected-list.ts';
import type { ClientEvent, ClientStatus } from './sync/status.ts';
import type { StorageEstimate } from './sync/storage-guard.ts';
import type { Transport } from './transport/transport.ts';
import type { WebSocketConstructor } from './transport/websocket.ts';
import { groupOf, OpenUndo, partsOf, type Undo, type UndoOptions } from './undo/undo.ts';
import type { inlineEngine } from './worker/inline-engine.ts';
import type { TokenSource } from './worker/protocol.ts';
import { workerEngine } from './worker/worker-engine.ts';

export interface ClientOptions {
  /**
   * The server's sync address, e.g. `wss://example.org/sync`. `http:` and `https:` are understood as `ws:` and `wss:`, and
   * an address without a path as that of `/sync`.
   */
  readonly url: string;
  /**
   * Where data is kept on this device. `auto` (the default) is where the device has it already, else IndexedDB, and memory where
   * there is nothing else. Who names another storage than that has everything moved there first. `opfs` is the origin private
   * file system, which needs a worker. Another name is one that a worker of the app's own gives a storage (see `worker`).
   */
  readonly storage?: 'auto' | StorageName | Storage | (string & Record<never, never>);
  /** Who the user is, for the server: a token, or a function that gets a fresh one for each connection. */
  readonly token?: string | (() => Promise<string>);
  /**
   * The name of this client's data on this device, `default` when left out: clients of one origin with different names
   * share nothing but what the server gives them.
   */
  readonly name?: string;
  /**
   * Storage and network in a worker: by default where there are workers. `false` runs the same code on this thread. A function makes
   * a worker of the app's own, whose script calls `startWorker` of `joinery/worker`: so it can bring storages along.
   */
  readonly worker?: boolean | (() => Worker);
  /** Starts without connecting when `false`; `connect()` connects. True when left out. */
  readonly connect?: boolean;
  /** The class of the sockets where there is no global `WebSocket` (Node 20). Implies `worker: false`. */
  readonly WebSocket?: WebSocketConstructor;
  /** Another way to the server. Implies `worker: false`. */
  readonly transport?: Transport;
}

export interface Client {
  /**
   * A document as plain data. Opens it, or joins the handles it has; release it with its `close`.
   *
   * With a schema (any validator that speaks Standard Schema: zod, valibot, arktype …) the handle has the type of what the
   * schema takes, and refuses updates with which the document would not fit; see `DocumentHandle.update` and `issues`. It is
   * the handle's alone: other handles, and other kinds of handles, write as they are. What is stored is what was given, and
   * not what the schema makes of it: no defaults, no transformations.
   *
   * @throws JoineryError `invalid-document-id`, `invalid-option` (no such schema), `closed`
   * @example
   * const Todo = z.object({ title: z.string(), done: z.boolean().optional() });
   * const todo = client.document('todo', { schema: Todo });
   * todo.update({ title: 'Milk' });
   */
  document<T extends object = Record<string, unknown>>(id: string, options?: DocumentOptions<T>): DocumentHandle<T>;
  /** The text under `key` (`text` when left out) of a document. */
  text(id: string, key?: string, options?: TextOptions): TextDocument;
  /** The counter under `key` (`counter` when left out) of a document. */
  counter(id: string, key?: string): CounterDocument;
  /** The tree under `key` (`tree` when left out) of a document. */
  tree<D extends object = Record<string, unknown>>(id: string, key?: string): TreeDocument<D>;
  /** The graph under `key` (`graph` when left out) of a document. */
  graph<D extends object = Record<string, unknown>>(id: string, key?: string): GraphDocument<D>;
  /**
   * Who else is at a document, and what each shows of itself: a name, a cursor. It reaches the others at once, with the
   * network or from tab to tab without it, and is stored nowhere. Opens the document; release it with its `close`.
   *
   * Who may not read the document hears nothing of it.
   *
   * @throws JoineryError `invalid-document-id`, `closed`
   * @example
   * const presence = client.presence<{ name: string }>('notes');
   * presence.set({ name: 'Ada' });
   */
  presence<T extends object = Record<string, unknown>>(documentId: string): Presence<T>;
  /**
   * Undo and redo of what is written to a document, or to parts of it. Opens the document, or joins the handles it has; release it
   * with its `close`.
   *
   * @throws JoineryError `invalid-option` (a scope that is none, or is about the same as that of another open stack),
   *   `limit-exceeded` (16 stacks of a document), `closed`
   * @example
   * const history = client.undo('notes', { scope: 'body' });
   * body.insert(0, 'Hello');
   * history.undo();
   */
  undo(id: string, options?: UndoOptions): Undo;
  /** What was written here and will never be synced as it is; see {@link RejectedList}. */
  readonly rejected: RejectedList;
  /**
   * The documents of a space: those whose ids begin with its name and a slash. Opens its list, which is kept on this device
   * and kept up while it is open, and with it the documents that changed. Release it with its `close`.
   *
   * @throws JoineryError `invalid-space`, `closed`
   */
  space(id: string): Space;
  /**
   * The ids of a space's documents in their order, as this device knows them: works offline.
   *
   * @example
   * for await (const id of client.documents('team')) console.log(id);
   */
  documents(space: string): AsyncIterable<string>;
  /**
   * Deletes a document for ever, for everybody. It leaves the list at once; the server is told as soon as it can be, also
   * after a restart. Whoever has it open hears of it by an event `document-deleted`, and what is still written to it ends
   * with that error.
   *
   * @throws JoineryError `invalid-document-id`, `closed`
   */
  deleteDocument(id: string): Deletion;
  /**
   * Every document on this device, also those that aren't open, with what isn't synced yet: for a backup that the user can
   * keep. One at a time, in the order of their ids; works offline. What can't be read is told by its `error`, and the rest comes
   * all the same. Refused writes are not in it: they are in `rejected`.
   *
   * @throws JoineryError `closed`; `storage-failed` and the like where storage can't be read
   * @example
   * for await (const { id, value } of client.exportAll()) lines.push(JSON.stringify({ id, value }));
   */
  exportAll(): AsyncIterable<ExportedDocument>;
  /**
   * Asks the browser to keep this origin's storage also when the device runs out of room; some browsers ask the user. Best
   * called when the user does something that shows why. `status.storage.persisted` shows it from then on.
   *
   * @returns whether it does; false where there is nobody to ask (Node, a page that is not secure)
   * @throws JoineryError `storage-failed`
   */
  persist(): Promise<boolean>;
  /**
   * How much of its storage this origin uses; undefined where that isn't told. An event `storage-low` comes by itself.
   *
   * @throws JoineryError `storage-failed`
   */
  storageEstimate(): Promise<StorageEstimate | undefined>;
  /** Connection, sync and storage, now. The same object as long as nothing changes. */
  readonly status: ClientStatus;
  subscribeStatus(listener: () => void): () => void;
  subscribeEvents(listener: (event: ClientEvent) => void): () => void;
  /**
   * Has the browser ask before the page is left while something that was written is not yet stored (`durable`, the default), or not yet
   * at the server (`synced`); until the returned function is called. In between nothing stands in the way of the browser's cache for
   * going back. Outside of a page nothing happens.
   *
   * @throws JoineryError `invalid-option`, `closed`
   * @example
   * const release = client.preventUnload();
   */
  preventUnload(options?: { readonly until?: 'durable' | 'synced' }): () => void;
  /** Goes online (the default), at once, and stays so by itself. */
  connect(): void;
  /**
   * Goes offline and stays so until `connect()`. Reading and writing go on. Tabs that share their storage share one
   * connection: it ends when the last of them wants none, and `status.connection` shows it in each.
   */
  disconnect(): void;
  /**
   * Stores what was written, then ends everything. Idempotent; later writes throw `closed`. Receipts that still wait for
   * `synced` and documents that were not loaded reject with `closed`. Rejects with a JoineryError (`storage-failed`,
   * `storage-full` and the like) when something that was written could not be stored.
   */
  close(): Promise<void>;
  /**
   * Forgets who the user is on this device, and closes. With `wipe` nothing of the user's data stays on the device.
   *
   * Rejects with `unsynced-work` (an {@link UnsyncedWork} that says how much) while there is something that the server
   * doesn't have, and nothing is changed; with `force` that work stays behind, or is lost with `wipe`.
   */
  signOut(options?: { readonly wipe?: boolean; readonly force?: boolean }): Promise<void>;
}

/**
 * Opens a client. Returns at once: storage, worker and connection open behind it.
 *
 * @throws JoineryError `invalid-option`
 * @example
 * const client = createClient({ url: 'ws://localhost:8787/sync' });
 * const list = client.document<{ items: { title: string }[] }>('groceries');
 * await list.loaded;
 * list.update((draft) => {
 *   draft.items ??= [];
 *   draft.items.push({ title: 'Milk' });
 * });
 */
export function createClient(options: ClientOptions): Client {
  return createClientIn(systemEnvironment(), options);
}

/** How the engine that runs on this thread is loaded. */
export type LoadInline = () => Promise<{ readonly inlineEngine: typeof inlineEngine }>;

/** The same with time, randomness and timers of one's own: for simulations and tests. */
export function createClientIn(
  environment: Environment,
  options: ClientOptions,
  loadInline: LoadInline = () => import('./worker/inline-engine.ts'),
): Client {
  const url = syncUrl(options.url);
  const user = userOf(options.token);
  const namespace = { server: url, user, name: options.name ?? 'default' };
  // Who the user of another token is, the server tells.
  const asksUser = options.token !== undefined && user === '';
  const storage = storageModes(options.storage ?? 'auto', typeof options.worker === 'function');
  const token = tokenSource(options.token);
  const { WebSocket, transport } = options;

  let loaded: Promise<StartEngine> | undefined;
  const inline: StartEngine = async (receive, died) => {
    const inlineConfig = { url, storage, namespace, asksUser, token, WebSocket, transport };
    loaded ??= loadInline().then((module) => module.inlineEngine(environment, inlineConfig));
    loaded.catch(() => {
      loaded = undefined;
    });
    return await (await loaded)(receive, died);
  };
  const modes = storage.filter((mode) => typeof mode === 'string');
  const fitsWorker = modes.length === storage.length && !transport && !WebSocket && options.worker !== false;
  const ownWorker = typeof options.worker === 'function' ? options.worker : undefined;
  let follows = false;
  const config = () => ({ url, storage: modes, follows, namespace, asksUser });
  const compiled = () => init();
  const run = fitsWorker && hasWorkers() ? workerOr(workerEngine(config, compiled, token, ownWorker), inline) : inline;
  const start: StartEngine = (receive, died) =>
    run((message) => {
      // The next engine uses what it finds: two clients that want different storages would move everything to and fro.
      if (message.type === 'fatal' && message.error.code === 'storage-moved') follows = true;
      receive(message);
    }, died);
  const [first] = storage;
  const storageMode = typeof first === 'object' ? first.mode : first === 'auto' ? preferredMode : (first ?? 'memory');
  const connect = options.connect ?? true;
  const link: EngineLink = new EngineLink({
    ...{ environment, start, storageMode, connect, client: JSON.stringify([url, namespace.name]) },
    userChanged: () => {
      // Whoever listens to the client hears of it by the event, and of what could not be stored by `close()`.
      client.close().catch(() => {});
    },
  });
  const client = new LinkedClient(environment, link);
  return client;
}

/** An open document and how many hold it. */
class OpenEntry implements Leased {
  readonly document: OpenDocument;
  handles = 0;
  readonly #released: (entry: OpenEntry) => void;

  constructor(document: OpenDocument, released: (entry: OpenEntry) => void) {
    this.document = document;
    this.#released = released;
  }

  release(): void {
    this.handles -= 1;
    this.#released(this);
  }
}

class LinkedClient implements Client {
  readonly #environment: Environment;
  readonly #link: EngineLink;
  readonly #open = new Map<string, OpenEntry>();
  readonly rejected: RejectedList;
  #closing: Promise<void> | undefined;
  /** Not at once: what is closed and opened again in one go (a component that mounts anew) stays open. */
  readonly #unused = (entry: OpenEntry): void => this.#environment.task(() => this.#closeUnused(entry));

  constructor(environment: Environment, link: EngineLink) {
    this.#environment = environment;
    this.#link = link;
    this.rejected = new StoredRejectedList({
      get rejections() {
        return link.rejections;
      },
      subscribeRejections: (listener) => link.subscribeRejections(listener),
      discard: (document, id) => link.discard(document, id),
      writeAgain: (document, id) => this.#writeAgain(document, id),
    });
  }

  get status(): ClientStatus {
    return this.#link.status;
  }

  document<T extends object = Record<string, unknown>>(
    id: string,
    { schema }: DocumentOptions<T> = {},
  ): DocumentHandle<T> {
    const used = schema === undefined ? undefined : DocumentSchema.of(schema);
    const leased = this.#lease(id);
    return new OpenDocumentHandle<T>(leased.document, leased, used);
  }

  text(id: string, key = 'text', options: TextOptions = {}): TextDocument {
    const leased = this.#lease(id);
    return new OpenText(leased.document, key, leased, options);
  }

  counter(id: string, key = 'counter'): CounterDocument {
    const leased = this.#lease(id);
    return new OpenCounter(leased.document, key, leased);
  }

  tree<D extends object = Record<string, unknown>>(id: string, key = 'tree'): TreeDocument<D> {
    const leased = this.#lease(id);
    return new OpenTree<D>(leased.document, key, leased);
  }

  graph<D extends object = Record<string, unknown>>(id: string, key = 'graph'): GraphDocument<D> {
    const leased = this.#lease(id);
    return new OpenGraph<D>(leased.document, key, leased);
  }

  presence<T extends object = Record<string, unknown>>(documentId: string): Presence<T> {
    // The server tells who follows the document.
    const leased = this.#lease(documentId);
    return this.#link.presence.open<T>(documentId, leased);
  }

  undo(id: string, options: UndoOptions = {}): Undo {
    const [parts, groupMs] = [partsOf(options.scope), groupOf(options)];
    const leased = this.#lease(id);
    try {
      const { access, release } = leased.document.openUndo(parts, groupMs);
      const both = {
        release: () => {
          release();
          leased.release();
        },
      };
      return new OpenUndo(access, both);
    } catch (error) {
      leased.release();
      throw error;
    }
  }

  space(id: string): Space {
    this.#checkOpen();
    return this.#link.spaces.open(id);
  }

  async *documents(space: string): AsyncGenerator<string> {
    const opened = this.space(space);
    try {
      yield* opened.documents();
    } finally {
      opened.close();
    }
  }

  deleteDocument(id: string): Deletion {
    this.#checkOpen();
    return this.#link.spaces.delete(id);
  }

  exportAll(): AsyncIterable<ExportedDocument> {
    this.#checkOpen();
    return this.#link.exportAll();
  }

  async persist(): Promise<boolean> {
    this.#checkOpen();
    return await this.#link.guard.persist();
  }

  async storageEstimate(): Promise<StorageEstimate | undefined> {
    this.#checkOpen();
    return await this.#link.guard.estimate();
  }

  subscribeStatus(listener: () => void): () => void {
    return this.#link.subscribeStatus(listener);
  }

  subscribeEvents(listener: (event: ClientEvent) => void): () => void {
    return this.#link.subscribeEvents(listener);
  }

  preventUnload({ until = 'durable' }: { readonly until?: 'durable' | 'synced' } = {}): () => void {
    this.#checkOpen();
    if (until !== 'durable' && until !== 'synced') throw invalidOption('until', "'durable' or 'synced'", String(until));
    return this.#link.preventUnload(until);
  }

  connect(): void {
    this.#link.setConnected(true);
  }

  disconnect(): void {
    this.#link.setConnected(false);
  }

  close(): Promise<void> {
    this.#closing ??= this.#link.end();
    return this.#closing;
  }

  signOut({ wipe = false, force = false } = {}): Promise<void> {
    return this.#link.signOut({ wipe, force });
  }

  async #writeAgain(id: string, entry: string): Promise<Receipt> {
    const leased = this.#lease(id);
    const { document } = leased;
    try {
      await document.loaded;
      return await document.retry(entry);
    } finally {
      leased.release();
    }
  }

  /** Opens the document, or takes part in its being open. */
  #lease(id: string): OpenEntry {
    checkDocumentId(id);
    this.#checkOpen();
    let entry = this.#open.get(id);
    if (entry === undefined) {
      entry = new OpenEntry(this.#link.open(id), this.#unused);
      this.#open.set(id, entry);
    }
    entry.handles += 1;
    return entry;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) {
      throw new JoineryError('closed', {
        expected: 'an open client',
        got: 'one that was closed',
        remedy: 'Create another one.',
      });
    }
  }

  #closeUnused(held: OpenEntry): void {
    const { document } = held;
    if (held.handles > 0 || this.#open.get(document.id) !== held) return;
    if (document.hasEarly) {
      // It stays open until they are made, and whoever opens it meanwhile joins it.
      document.earlyMade().then(() => this.#closeUnused(held));
      return;
    }
    this.#open.delete(document.id);
    this.#link.close(document);
  }
}

/** A worker; where it can't be started, the same code on this thread. */
function workerOr(worker: StartEngine, inline: StartEngine): StartEngine {
  let works = false;
  return async (receive, died) => {
    try {
      const engine = await worker(receive, died);
      works = true;
      return engine;
    } catch (error) {
      // One that ran before will run again; one that never did is kept out by its surroundings.
      if (works) throw error;
      return await inline(receive, died);
    }
  };
}

function hasWorkers(): boolean {
  return typeof Worker !== 'undefined' && typeof window !== 'undefined';
}

type StorageMode = string | Storage;

function storageModes(given: NonNullable<ClientOptions['storage']>, hasOwnWorker: boolean): readonly StorageMode[] {
  if (typeof given === 'object') return [given];
  if (given !== 'auto') {
    if (typeof given !== 'string' || (!hasOwnWorker && !storageNames.some((name) => name === given))) {
      const expected =
        "'auto', 'memory', 'indexeddb', 'opfs', a storage, or the name of one in a worker of the app's own";
      throw invalidOption('storage', expected, String(given));
    }
    // Who names a storage wants that one: in memory `durable` would promise what isn't so.
    return [given];
  }
  // In memory the app works at least; that it is so is shown by the status.
  return typeof indexedDB === 'undefined' ? ['memory'] : ['auto', 'memory'];
}

function syncUrl(given: string): string {
  let url: URL;
  try {
    url = new URL(given, typeof location === 'undefined' ? undefined : location.href);
  } catch {
    throw invalidOption('url', 'the address of a server', given);
  }
  if (url.protocol === 'http:') url.protocol = 'ws:';
  if (url.protocol === 'https:') url.protocol = 'wss:';
  if (url.username !== '' || url.password !== '') {
    throw invalidOption('url', 'an address without a name and a password (there is `token`)', 'one with');
  }
  url.hash = '';
  if (url.pathname === '/') url.pathname = '/sync';
  return url.href;
}

function tokenSource(token: ClientOptions['token']): TokenSource {
  if (token === undefined) return undefined;
  return typeof token === 'string' ? () => Promise.resolve(token) : () => token();
}

/** The subject of a token that is a JWT. It is not verified: it only keeps users of one device apart. */
function userOf(token: ClientOptions['token']): string {
  if (typeof token !== 'string') return '';
  try {
    const payload = token.split('.')[1] ?? '';
    const claims: unknown = JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/')));
    const subject = typeof claims === 'object' && claims !== null && 'sub' in claims ? claims.sub : '';
    return typeof subject === 'string' ? subject : '';
  } catch {
    return '';
  }
}

function invalidOption(name: string, expected: string, got: string): JoineryError {
  return new JoineryError('invalid-option', {
    expected: `${expected} as the option \`${name}\``,
    got: JSON.stringify(got),
    remedy: 'Change the option.',
  });
}
