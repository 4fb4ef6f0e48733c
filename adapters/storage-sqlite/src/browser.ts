// `@joinery/storage-sqlite/browser`: an app's documents in one SQLite file for each namespace, in the origin private file system. It runs
// in a worker. Tabs take turns (see `pool.ts`).

import { JoineryError } from '@joinery/protocol';
import {
  type DocumentStore,
  type Environment,
  hasFolder,
  type Namespace,
  openRecordStore,
  type RecordFile,
  type RecordReader,
  type RecordWriter,
  type Storage,
  type StoreEvents,
  systemEnvironment,
  type Turns,
} from 'joinery/storage';
import { folderName, openTurns, type Turn } from './pool.ts';

/** Less room than this is none. */
const room_bytes = 1024 * 1024;

/**
 * Documents in SQLite in the browser: what is `durable` was flushed (`synchronous=FULL`). All tabs of an origin share it.
 *
 * It needs a worker, and the worker a script of the app's own, for storage can't be sent to one:
 *
 * @example
 * // my-worker.ts
 * import { SqliteStorage } from '@joinery/storage-sqlite/browser';
 * import { startWorker } from 'joinery/worker';
 * startWorker({ storages: { sqlite: new SqliteStorage() } });
 *
 * // app.ts
 * const worker = () => new Worker(new URL('./my-worker.ts', import.meta.url), { type: 'module' });
 * const client = createClient({ url: 'wss://example.org/sync', storage: 'sqlite', worker });
 */
export class SqliteStorage implements Storage {
  readonly mode = 'sqlite';
  readonly shared = true;
  readonly #environment: Environment;

  constructor(environment: Environment = systemEnvironment()) {
    this.#environment = environment;
  }

  async has(namespace: Namespace): Promise<boolean> {
    return await hasFolder(folderName, namespace);
  }

  /** @throws JoineryError `storage-unavailable` outside of workers, and where the browser gives this page no files; … */
  async open(namespace: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    const file = new TurnsFile(await openTurns(this.#environment, namespace));
    try {
      // What can't be had is told now.
      return await openRecordStore(file, events);
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}

/** One namespace's records, as long as it is this tab's turn. */
class TurnsFile implements RecordFile {
  readonly #turns: Turns<Turn>;

  constructor(turns: Turns<Turn>) {
    this.#turns = turns;
  }

  view<Result>(body: (records: RecordReader) => Result): Promise<Result> {
    return this.#turns.exclusive(({ records }) => records.view(body));
  }

  async commit<Result>(body: (records: RecordWriter) => Result): Promise<Result> {
    try {
      return await this.#turns.exclusive(({ records }) => records.commit(body));
    } catch (error) {
      throw (await isOutOfRoom(error)) ? full(error) : error;
    }
  }

  close(): Promise<void> {
    return this.#turns.close();
  }
}

/** The pool tells of a write that found no room as of any other that failed. */
async function isOutOfRoom(error: unknown): Promise<boolean> {
  if (!(error instanceof JoineryError) || error.code !== 'storage-failed') return false;
  const { quota, usage } = await navigator.storage.estimate().catch((): StorageEstimate => ({}));
  return quota !== undefined && usage !== undefined && quota - usage < room_bytes;
}

function full(cause: unknown): JoineryError {
  return new JoineryError('storage-full', 'There is no more room for this origin. Free space; it is tried again.', {
    cause,
  });
}
