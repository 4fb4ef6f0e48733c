// The page of the browser tests and benchmarks: the built SDK under the name `joinery`, and one client with the three kinds
// of shared data under `shared`, for the code that a test runs in the page. It does nothing by itself.

import {
  type Client,
  type CounterDocument,
  createClient,
  type DocumentHandle,
  JoineryError,
  type TextDocument,
} from 'joinery';
import { init, Replica } from 'joinery/core';
import type { StorageTask } from './storage-worker.ts';

/** A list of which every item is known, so that a missing or doubled one is seen. */
interface List {
  items: { id: string }[];
}

interface Shared {
  readonly client: Client;
  readonly list: DocumentHandle<List>;
  readonly text: TextDocument;
  readonly counter: CounterDocument;
}

interface OpenOptions {
  readonly url: string;
  readonly name: string;
  /** The documents' ids begin with it, so that tests of one server don't meet. */
  readonly prefix: string;
  /** Whether it starts online. */
  readonly connect: boolean;
  readonly storage?: 'auto' | 'indexeddb' | 'opfs' | 'sqlite';
}

/** Opens the client of this page, and resolves when everything stored is there. */
async function openShared({ prefix, ...options }: OpenOptions): Promise<void> {
  const worker = () => new Worker(new URL('./engine-worker.ts', import.meta.url), { type: 'module' });
  const client = createClient(options.storage === 'sqlite' ? { ...options, worker } : options);
  const list = client.document<List>(`${prefix}-list`);
  const text = client.text(`${prefix}-text`);
  const counter = client.counter(`${prefix}-counter`);
  await Promise.all([list.loaded, text.loaded, counter.loaded]);
  window.shared = { client, list, text, counter };
}

/** Runs the storage contract's suite in this browser; resolves to what failed, and how many cases there were. */
async function runStorageSuite(storage: 'memory' | 'indexeddb'): Promise<{ failures: string[]; cases: number }> {
  const { indexedDbHarness, memoryHarness, storageSuite } = await import('joinery/testing');
  const failures: string[] = [];
  for (const { name, run } of storageSuite) {
    const harness = storage === 'memory' ? memoryHarness() : indexedDbHarness();
    await run(harness).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
  }
  return { failures, cases: storageSuite.length };
}

/** Has a worker do something with this browser's files: see `storage-worker.ts`. */
function askStorageWorker<Result>(message: StorageTask): Promise<Result> {
  const worker = new Worker(new URL('./storage-worker.ts', import.meta.url), { type: 'module' });
  return new Promise<Result>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<{ result: Result } | { error: string }>) => {
      worker.terminate();
      if ('result' in data) resolve(data.result);
      else reject(new Error(data.error));
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(message);
  });
}

/** Loads joinery/files when it is called, and gives the hashes of the file's chunks in hex. */
async function hashFile(file: Blob): Promise<string[]> {
  const { chunkStream, init } = await import('joinery/files');
  await init();
  const hashes: string[] = [];
  for await (const { hash } of chunkStream(file)) {
    hashes.push(Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join(''));
  }
  return hashes;
}

declare global {
  interface Window {
    hashFile: typeof hashFile;
    joinery: {
      createClient: typeof createClient;
      JoineryError: typeof JoineryError;
      init: typeof init;
      Replica: typeof Replica;
    };
    openShared: typeof openShared;
    askStorageWorker: typeof askStorageWorker;
    runStorageSuite: typeof runStorageSuite;
    shared: Shared;
  }
}

window.joinery = { createClient, JoineryError, init, Replica };
window.openShared = openShared;
window.askStorageWorker = askStorageWorker;
window.runStorageSuite = runStorageSuite;
window.hashFile = hashFile;
