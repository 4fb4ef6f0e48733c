// The public names of `joinery/service-worker`: sends what tabs have left, when the browser says that there is a network again. It is
// a client like any other, on this thread: where a tab is open and leads, that one sends, and nothing is left to be done here.

import { type ClientOptions, createClientIn } from '../client.ts';
import { systemEnvironment } from '../environment.ts';
import { syncTag } from '../sync/background-sync.ts';
import { UnsyncedWork } from '../sync/unsynced-work.ts';
import { inlineEngine } from '../worker/inline-engine.ts';

/** The same as those of the page's `createClient`: they say whose data it is, and where. */
export interface BackgroundSyncOptions extends Pick<ClientOptions, 'url' | 'name' | 'token'> {
  /** The origin private file system can't be used in a service worker. */
  readonly storage?: 'auto' | 'indexeddb';
  /** How long to wait for the server at most, in milliseconds; 25,000 when left out. Browsers end what takes much longer. */
  readonly patienceMs?: number;
}

/** What is used of the event. */
interface SyncEvent {
  readonly tag: string;
  waitUntil(promise: Promise<unknown>): void;
}

interface Scope {
  addEventListener(type: 'sync', listener: (event: SyncEvent) => void): void;
}

/**
 * Sends pending writes when the browser wakes the app's service worker for it. Call it when the worker's script is run. The page's
 * client asks for that by itself when it is offline with something to send, in browsers that have Background Sync; in others nothing
 * happens, and what is left is sent by the next page.
 *
 * @example
 * // sw.js, registered with { type: 'module' }, or bundled
 * import { syncInBackground } from 'joinery/service-worker';
 * syncInBackground({ url: 'wss://example.org/sync', token: () => fetch('/token').then((answer) => answer.text()) });
 */
export function syncInBackground(options: BackgroundSyncOptions): void {
  (globalThis as unknown as Scope).addEventListener('sync', (event) => {
    if (event.tag === syncTag) event.waitUntil(syncPending(options));
  });
}

/**
 * Sends pending writes now; resolves when the server has all of them.
 *
 * @throws JoineryError `unsynced-work` where that takes longer than `patienceMs`: a browser tries it once more later
 */
export async function syncPending({ patienceMs = 25_000, ...options }: BackgroundSyncOptions): Promise<void> {
  const environment = systemEnvironment();
  const client = createClientIn(environment, options, () => Promise.resolve({ inlineEngine }));
  try {
    await new Promise<void>((resolve, reject) => {
      const cancel = environment.timer(() => {
        stop();
        reject(new UnsyncedWork(client.status.sync.pending, client.rejected.entries.length));
      }, patienceMs);
      const look = (): void => {
        if (client.status.sync.state !== 'idle') return;
        stop();
        cancel();
        resolve();
      };
      const stop = client.subscribeStatus(look);
      look();
    });
  } finally {
    await client.close();
  }
}
