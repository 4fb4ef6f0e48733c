// Runs the engine on this thread: in Node, in tests, and where there are no workers. The same code as in the worker;
// messages still take turns, so that nothing an app calls runs the engine underneath it.

import type { Environment } from '../environment.ts';
import { Engine, type EngineOptions } from './engine.ts';
import type { StartEngine } from './engine-link.ts';

/** @param prepare resolves to the engine's options when the core is ready. */
export function inlineEngine(environment: Environment, prepare: () => Promise<EngineOptions>): StartEngine {
  return async (receive) => {
    const options = await prepare();
    let running = true;
    const engine = new Engine(options, {
      post: (message) =>
        environment.task(() => {
          if (running) receive(message);
        }),
    });
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
