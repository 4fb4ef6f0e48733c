// The SDK's own worker. This file is run, not imported; it has nothing that other code could use.

import { startWorker } from './start-worker.ts';

startWorker();
