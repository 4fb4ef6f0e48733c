// A process (or a thread) that writes to a storage on disk, as it is built: for storage-processes.test.ts. It prints a line for
// each write that is durable, or for what ended it.
//
//   node storage-writer.mjs KIND PATH AGENT COUNT BYTES

import { isMainThread, workerData } from 'node:worker_threads';
import { writeEnvelope } from '@joinery/protocol';
import { SqliteStorage } from '@joinery/storage-sqlite/node';
import { FolderStorage } from 'joinery/node';

const [kind, path = '', agent = '', count = '', bytes = ''] = isMainThread ? process.argv.slice(2) : workerData;
const storage = kind === 'folder' ? new FolderStorage({ folder: path }) : new SqliteStorage({ path });
try {
  const store = await storage.open({ server: 'wss://example.org/sync', user: 'ada', name: 'default' });
  for (let to = 1; to <= Number(count); to += 1) {
    const payload = new Uint8Array(Number(bytes)).fill(to);
    const local = [writeEnvelope({ agent: BigInt(agent), from: to - 1, to, payload })];
    await store.append([{ document: 'notes', incarnation: 0, epoch: 0, at_ms: to, local }]);
    process.stdout.write(`${to}\n`);
  }
  await store.close();
} catch (error) {
  process.stdout.write(`${/** @type {{ code?: string }} */ (error).code}\n`);
}
