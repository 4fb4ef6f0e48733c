// What a worker does for a client: the engine with storage and WebSocket, started by one call from the main thread. The SDK's own
// worker is `entry.ts`; an app whose storage is one that it brings along has a script of its own, which calls `startWorker`.

import { asJoineryError } from '@joinery/protocol';
import { expose } from 'comlink';
import { init } from '../core/index.ts';
import { systemEnvironment } from '../environment.ts';
import { chosenStorage } from '../storage/named.ts';
import type { Storage } from '../storage/storage.ts';
import { Engine } from '../sync/engine.ts';
import { errorData, type FromEngine, type ToEngine } from '../sync/messages.ts';
import { WebSocketTransport } from '../transport/websocket.ts';
import { keepErrorsTyped } from './error-transfer.ts';
import type { WorkerEntry } from './protocol.ts';

declare const self: DedicatedWorkerGlobalScope;

export interface WorkerOptions {
  /** Storages of the app's own, by the names that `createClient({ storage })` calls them. One may take a known name's place. */
  readonly storages?: Readonly<Record<string, Storage>>;
}

/**
 * Makes this worker one that `createClient({ worker })` can use. To be called once, at once: a message may be on its way already.
 *
 * @example
 * // my-worker.ts
 * import { startWorker } from 'joinery/worker';
 * startWorker({ storages: { mine: new MyStorage() } });
 *
 * // app.ts
 * const worker = () => new Worker(new URL('./my-worker.ts', import.meta.url), { type: 'module' });
 * const client = createClient({ url: 'wss://example.org/sync', storage: 'mine', worker });
 */
export function startWorker({ storages = {} }: WorkerOptions = {}): void {
  keepErrorsTyped();
  let provided = (_core: WebAssembly.Module): void => {};
  const core = new Promise<WebAssembly.Module>((resolve) => {
    provided = resolve;
  });
  const entry: WorkerEntry = {
    async provide(module) {
      provided(module);
      await init(module);
    },

    async start({ url, storage, follows, namespace, asksUser, lock }, port, token) {
      const ready = core.then(async (module) => {
        await init(module);
      });
      const held = self.navigator.locks && holdLock(lock);
      const post = (message: FromEngine, transfer: readonly ArrayBuffer[] = []): void =>
        port.postMessage(message, [...transfer]);
      const environment = systemEnvironment();
      const engine = new Engine(
        {
          environment,
          transport: new WebSocketTransport(),
          url,
          storages: storage.map((name) => chosenStorage(name, environment, { own: storages, follows })),
          namespace,
          asksUser,
          token,
          // What it can't be had for, `provide` tells.
          ready: ready.catch(() => new Promise<never>(() => {})),
        },
        { post },
      );
      port.onmessage = ({ data }: MessageEvent<ToEngine>) => engine.receive(data);
      // What nobody catches is the engine's end as well: the main thread starts another one.
      const fatal = (error: unknown): void => {
        engine.stop();
        post({ type: 'fatal', error: errorData(asJoineryError(error)) });
      };
      self.addEventListener('error', ({ error }) => fatal(error));
      self.addEventListener('unhandledrejection', ({ reason }) => fatal(reason));
      await Promise.all([held, ready]);
    },
  };
  expose(entry);
}

/** Resolves when this worker holds the lock, which it does until it ends. */
function holdLock(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    self.navigator.locks
      .request(name, () => {
        resolve();
        return new Promise(() => {});
      })
      .catch(reject);
  });
}
