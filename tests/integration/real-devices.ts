// What the integration tests share: clients of a real server process over real sockets, each a tab of a device, and ways to
// wait for what they show. Assertions stay in the tests.

import 'fake-indexeddb/auto';
import { type Client, type ClientOptions, createClient, type DocumentHandle, type WebSocketConstructor } from 'joinery';
import { createClientIn, type Environment, MemoryStorage } from 'joinery/testing';
import { WebSocket } from 'ws';
import type { ServerProcess } from '../harness/server-process.mjs';

const clients = new Set<Client>();

export type Fields = Record<string, number | string>;

interface OpenOptions extends Partial<ClientOptions> {
  /** How far the device's clock is ahead. */
  readonly ahead_ms?: number;
}

let devices = 0;

/**
 * What the tabs of one device have in common: options for each of them. The name keeps devices apart that would never hear
 * each other's BroadcastChannel if they weren't in one process.
 */
export function device(): { readonly storage: MemoryStorage; readonly name: string } {
  devices += 1;
  return { storage: new MemoryStorage({ shared: true }), name: `device-${devices}` };
}

export function open(server: ServerProcess, { ahead_ms = 0, ...options }: OpenOptions = {}): Client {
  const full = {
    url: `${server.url}/sync`,
    storage: 'memory' as const,
    WebSocket: WebSocket as unknown as WebSocketConstructor,
    ...options,
  };
  const client = ahead_ms === 0 ? createClient(full) : createClientIn(clockAhead(ahead_ms), full);
  clients.add(client);
  return client;
}

/** Ends a client as closing its tab does. */
export async function closeTab(client: Client): Promise<void> {
  clients.delete(client);
  await client.close();
}

/** Ends all clients of the test. */
export async function closeAll(): Promise<void> {
  const all = [...clients];
  clients.clear();
  await Promise.all(all.map((client) => client.close().catch(() => {})));
}

/** Goes online now, not after the back-off that a server which was away calls for. */
export function reconnect(client: Client): void {
  client.disconnect();
  client.connect();
}

/** Resolves when the condition holds; asks after each change of a source. The test's time limit bounds it. */
export function until(condition: () => boolean, ...sources: readonly Source[]): Promise<void> {
  return new Promise((resolve) => {
    const stops = sources.map((source) =>
      'subscribeStatus' in source ? source.subscribeStatus(check) : source.subscribe(check),
    );
    function check(): void {
      if (!condition()) return;
      for (const stop of stops) stop();
      resolve();
    }
    queueMicrotask(check);
  });
}

type Source = { subscribe(listener: () => void): () => void } | { subscribeStatus(listener: () => void): () => void };

/** Everything that was written here is at the server, or in the rejected list. */
export function untilSynced(client: Client): Promise<void> {
  return until(() => {
    const { connection, sync } = client.status;
    return connection.state === 'online' && sync.pending === 0 && sync.state === 'idle';
  }, client);
}

/** What the server itself has of a document, over HTTP. */
export async function atServer(server: ServerProcess, document: string): Promise<Fields | undefined> {
  const response = await fetch(`${server.url}/documents/${encodeURIComponent(document)}`);
  return response.status === 404 ? undefined : ((await response.json()) as Fields);
}

/** A text, a list and a counter in one document: what shows whether an edit is there once. */
export class Board {
  readonly list: DocumentHandle<{ items?: { id: string }[] }>;
  readonly text;
  readonly counter;

  constructor(client: Client, document: string) {
    this.list = client.document(document);
    this.text = client.text(document);
    this.counter = client.counter(document);
  }

  get loaded(): Promise<unknown> {
    return Promise.all([this.list.loaded, this.text.loaded, this.counter.loaded]);
  }

  get items(): string[] {
    return (this.list.value?.items ?? []).map(({ id }) => id);
  }

  /** An item, a word and a count; each may be an envelope of its own. */
  write(name: string): { readonly synced: Promise<void>; readonly durable: Promise<void> }[] {
    return [
      this.list.update((draft) => {
        draft.items ??= [];
        draft.items.push({ id: name });
      }),
      this.text.insert(this.text.length, `[${name}]`),
      this.counter.increment(),
    ];
  }

  subscribe(listener: () => void): () => void {
    const stops = [this.list, this.text, this.counter].map((handle) => handle.subscribe(listener));
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** What it shows, in an order that doesn't depend on who was first. */
  get content(): { items: string[]; words: string[]; length: number; count: number } {
    const words = this.text.value.match(/\[[^\]]*\]/g) ?? [];
    return {
      items: [...this.items].sort(),
      words: words.map((word) => word.slice(1, -1)).sort(),
      length: this.text.length,
      count: this.counter.value,
    };
  }
}

/** What a board shows that has each of these writes once. */
export function boardOf(names: readonly string[]): Board['content'] {
  const sorted = [...names].sort();
  const length = sorted.reduce((sum, name) => sum + name.length + 2, 0);
  return { items: sorted, words: sorted, length, count: sorted.length };
}

/** Node's own environment with another clock. */
function clockAhead(ahead_ms: number): Environment {
  return {
    now: () => Date.now() + ahead_ms,
    monotonic: () => performance.now(),
    random: () => Math.random(),
    randomBytes: (bytes) => void crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
    timer: (run, delay_ms) => {
      const timer = setTimeout(run, delay_ms);
      return () => clearTimeout(timer);
    },
    task: (run) => void setImmediate(run),
    microtask: (run) => queueMicrotask(run),
    online: () => true,
    subscribeOnline: () => () => {},
  };
}
