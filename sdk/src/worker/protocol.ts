// What the main thread gives a worker to start with. All else goes over the port (see `sync/messages.ts`).

import type { Namespace } from '../storage/storage.ts';

export interface WorkerConfig {
  readonly url: string;
  /** The names of storages to try, in order. */
  readonly storage: readonly string[];
  readonly namespace: Namespace;
  readonly asksUser: boolean;
  /** Compiled by the main thread. */
  readonly core: WebAssembly.Module;
  /** Held by the worker as long as it lives: whoever gets this Web Lock knows that the worker is gone. */
  readonly lock: string;
}

/** Gets a token on the main thread; absent where the client has none. */
export type TokenSource = ((refused: boolean) => Promise<string>) | undefined;

/** What the worker exposes. */
export interface WorkerEntry {
  /** Starts the engine; resolves when it listens on the port and holds the lock. */
  start(config: WorkerConfig, port: MessagePort, token: TokenSource): Promise<void>;
}
