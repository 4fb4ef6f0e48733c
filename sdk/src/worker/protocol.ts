// What the main thread gives a worker to start with. All else goes over the port (see `sync/messages.ts`).

import type { Namespace } from '../storage/storage.ts';

export interface WorkerConfig {
  readonly url: string;
  /** The names of storages to try, in order. */
  readonly storage: readonly string[];
  /** Everything was moved to another storage under this client. */
  readonly follows: boolean;
  readonly namespace: Namespace;
  readonly asksUser: boolean;
  /** Held by the worker as long as it lives: whoever gets this Web Lock knows that the worker is gone. */
  readonly lock: string;
}

/** Gets a token on the main thread; absent where the client has none. */
export type TokenSource = ((refused: boolean) => Promise<string>) | undefined;

/** What the worker exposes. */
export interface WorkerEntry {
  /**
   * Starts the engine, which opens its storage while the core is still on its way; resolves when it has that, listens on the port
   * and holds the lock.
   */
  start(config: WorkerConfig, port: MessagePort, token: TokenSource): Promise<void>;
  /** Gives it the core, compiled by the main thread: once, and before or after `start`. */
  provide(core: WebAssembly.Module): Promise<void>;
}
