// `createClient` of `joinery/node`: the same client, with a socket that Node has or the package `ws` brings, and documents in a
// folder. It adds nothing to what a client does.

import { createRequire } from 'node:module';
import { JoineryError } from '@joinery/protocol';
import { type Client, type ClientOptions, createClient as createAnyClient } from '../client.ts';
import type { Storage } from '../storage/storage.ts';
import type { WebSocketConstructor } from '../transport/websocket.ts';
import { FolderStorage, type FolderStorageOptions } from './folder-storage.ts';

export interface NodeClientOptions extends Omit<ClientOptions, 'storage' | 'worker'> {
  /**
   * Where data is kept: in memory (the default: it is gone when the process ends), in a folder (see {@link FolderStorage}), or in a
   * storage of one's own, such as `SqliteStorage` of `@joinery/storage-sqlite/node`.
   */
  readonly storage?: 'memory' | FolderStorageOptions | Storage;
}

/** A client that `await using` closes. */
export interface NodeClient extends Client {
  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a client in Node. Storage and network run in this process, on this thread.
 *
 * As long as it is connected, or tries to be, the process goes on; after `close()` it ends by itself. A script that wants the server
 * to have what it wrote awaits `receipt.synced` before.
 *
 * @throws JoineryError `invalid-option`, also where there is neither a global `WebSocket` (Node 22) nor the package `ws`
 * @example
 * import { createClient } from 'joinery/node';
 * const client = createClient({ url: 'http://localhost:8787', storage: { folder: './data' } });
 * const shopping = client.document<{ items?: { title: string }[] }>('shopping');
 * await shopping.loaded;
 * await shopping.update((draft) => {
 *   draft.items ??= [];
 *   draft.items.push({ title: 'Milk' });
 * }).synced;
 * await client.close();
 */
export function createClient({ storage = 'memory', ...options }: NodeClientOptions): NodeClient {
  const hasOwnWay = options.transport !== undefined || options.WebSocket !== undefined;
  const client = createAnyClient({
    ...options,
    ...(hasOwnWay ? {} : { WebSocket: socketClass() }),
    storage: storageOf(storage),
    worker: false,
  });
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}

function storageOf(given: unknown): 'memory' | Storage {
  if (given === 'memory') return given;
  if (typeof given === 'object' && given !== null) {
    if ('open' in given && typeof given.open === 'function') return given as Storage;
    if ('folder' in given) return new FolderStorage(given as FolderStorageOptions);
  }
  throw new JoineryError('invalid-option', {
    expected: "'memory', { folder } or a storage as the option `storage`",
    got: JSON.stringify(given) ?? String(given),
    remedy: 'Change the option.',
  });
}

/** Node's own from version 22 on; before, that of `ws`, which is there where somebody has installed it. */
function socketClass(): WebSocketConstructor {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  if (WebSocket !== undefined) return WebSocket;
  try {
    const require = createRequire(import.meta.url);
    return (require('ws') as { WebSocket: WebSocketConstructor }).WebSocket;
  } catch (error) {
    throw new JoineryError(
      'invalid-option',
      {
        expected: 'a WebSocket class',
        got: `none in Node ${process.versions.node}, nor the package ws`,
        remedy: 'Run `npm install ws`, use Node 22 or newer, or pass the option `WebSocket`.',
      },
      { cause: error },
    );
  }
}
