// The worker: the engine with IndexedDB and WebSocket, started by one call from the main thread. This file is run, not
// imported; it has nothing that other code could use.

import { asJoineryError } from '@joinery/protocol';
import { expose } from 'comlink';
import { init } from '../core/index.ts';
import { systemEnvironment } from '../environment.ts';
import { namedStorage } from '../storage/named.ts';
import { Engine } from '../sync/engine.ts';
import { errorData, type FromEngine, type ToEngine } from '../sync/messages.ts';
import { WebSocketTransport } from '../transport/websocket.ts';
import { keepErrorsTyped } from './error-transfer.ts';
import type { WorkerEntry } from './protocol.ts';

declare const self: DedicatedWorkerGlobalScope;

keepErrorsTyped();

const entry: WorkerEntry = {
  async start({ url, storage, namespace, asksUser, core, lock }, port, token) {
    await init(core);
    if (self.navigator.locks) await holdLock(lock);
    const post = (message: FromEngine, transfer: readonly ArrayBuffer[] = []): void =>
      port.postMessage(message, [...transfer]);
    const environment = systemEnvironment();
    const engine = new Engine(
      {
        environment,
        transport: new WebSocketTransport(),
        url,
        storages: storage.map((name) => namedStorage(name, environment)),
        namespace,
        asksUser,
        token,
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
  },
};

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

expose(entry);
