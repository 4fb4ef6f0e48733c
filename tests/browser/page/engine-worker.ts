// A worker of the app's own, as the docs say: the engine, with a storage that the SDK doesn't have.

import { SqliteStorage } from '@joinery/storage-sqlite/browser';
import { startWorker } from 'joinery/worker';

startWorker({ storages: { sqlite: new SqliteStorage() } });
