// Runs the engine on this thread: in Node, in tests, and where there are no workers. The same code as in the worker;
// messages still take turns, so that nothing an app calls runs the engine underneath it. Loaded only when it is needed: a
// page with a worker has no use for it.

import { init } from '../core/index.ts';
import type { Environment } from '../environment.ts';
import { chosenStorage } from '../storage/named.ts';
import type { Namespace, Storage } from '../storage/storage.ts';
import { Engine } from '../sync/engine.ts';
import type { StartEngine } from '../sync/engine-link.ts';
import type { Transport } from '../transport/transport.ts';
import { type WebSocketConstructor, WebSocketTransport } from '../transport/websocket.ts';
import type { TokenSource } from './protocol.ts';

export interface InlineConfig {
  readonly url: string;
  /** Storages, or names of storages, to try in order. */
  readonly storage: readonly (string | Storage)[];
  readonly namespace: Namespace;
  readonly asksUser: boolean;
  readonly token: TokenSource;
  readonly WebSocket: WebSocketConstructor | undefined;
  readonly transport: Transport | undefined;
}

export function inlineEngine(environment: Environment, config: InlineConfig): StartEngine {
  const { url, namespace, asksUser, token } = config;
  const transport = config.transport ?? new WebSocketTransport(config.WebSocket);
  // Made once: an engine that takes another's place finds what is in memory.
  const storages = config.storage.map((storage) =>
    typeof storage === 'object' ? storage : chosenStorage(storage, environment),
  );
  return async (receive) => {
    await init();
    let running = true;
    const engine = new Engine(
      { environment, transport, url, storages, namespace, asksUser, token },
      {
        post: (message) =>
          environment.task(() => {
            if (running) receive(message);
          }),
      },
    );
    return {
      post: (message) =>
        environment.microtask(() => {
          if (running) engine.receive(message);
        }),
      terminate: () => {
        running = false;
        engine.stop();
      },
    };
  };
}
