// Starts the engine in a worker, and notices when the worker is gone. Where no worker can be had it says so by rejecting;
// what to do then is decided elsewhere.

import { JoineryError } from '@joinery/protocol';
import { proxy, transfer, wrap } from 'comlink';
import type { StartEngine } from '../sync/engine-link.ts';
import type { FromEngine } from '../sync/messages.ts';
import { keepErrorsTyped } from './error-transfer.ts';
import type { TokenSource, WorkerConfig, WorkerEntry } from './protocol.ts';

/**
 * @param core resolves to the compiled core, which the worker gets as soon as it is there
 * @param make makes a worker of the app's own; the SDK's own if left out
 */
export function workerEngine(
  config: () => Omit<WorkerConfig, 'lock'>,
  core: () => Promise<WebAssembly.Module>,
  token: TokenSource,
  make: () => Worker = ownWorker,
): StartEngine {
  keepErrorsTyped();
  return async (receive, died) => {
    const worker = make();
    let runs = false;
    const failed = new Promise<never>((_, reject) => {
      worker.addEventListener('error', (event) => {
        const error = new JoineryError('internal', {
          expected: 'the worker to run',
          got: event.message || 'an error while its script was loaded',
          remedy: 'Check that its script is served and that the content security policy allows workers.',
        });
        // One that never ran has not died: whoever starts it hears of it by the rejection, and may take something else.
        if (runs) died(error);
        else reject(error);
      });
    });
    // It may come while nobody waits for it yet.
    failed.catch(() => {});
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<FromEngine>) => receive(data);
    try {
      const lock = `joinery-worker-${crypto.randomUUID()}`;
      const given = token === undefined ? undefined : proxy(token);
      const entry = wrap<WorkerEntry>(worker);
      // Its storage opens while the core is fetched and compiled here.
      const started = entry.start({ ...config(), lock }, transfer(port2, [port2]), given as TokenSource);
      const provided = core().then((module) => entry.provide(module));
      await Promise.race([Promise.all([started, provided]), failed]);
      runs = true;
      const stopWatching = watch(lock, died);
      return {
        post: (message) => port1.postMessage(message),
        terminate: () => {
          stopWatching();
          worker.terminate();
          port1.close();
        },
      };
    } catch (error) {
      worker.terminate();
      port1.close();
      throw error;
    }
  };
}

function ownWorker(): Worker {
  // The address stands here as it is for bundlers, which look for just this form.
  return new Worker(new URL('./entry.js', import.meta.url), { type: 'module', name: 'joinery' });
}

/** Calls `died` when the worker that holds the lock is gone: nothing else tells of a worker that was killed. */
function watch(lock: string, died: (error: unknown) => void): () => void {
  const { locks } = navigator;
  if (!locks) return () => {};
  const stop = new AbortController();
  locks
    .request(lock, { signal: stop.signal }, () => {
      if (!stop.signal.aborted) died(new JoineryError('internal', 'The worker has ended. Another one is started.'));
    })
    // Aborted: the watch is over.
    .catch(() => {});
  return () => stop.abort();
}
