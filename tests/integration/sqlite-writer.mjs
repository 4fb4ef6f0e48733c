// A process that writes to a SQLite file through the built adapter: for sqlite-processes.test.ts. It prints a line for each
// write that is durable, or for what ended it.
//
//   node sqlite-writer.mjs FILE AGENT COUNT BYTES

import { writeEnvelope } from '@joinery/protocol';
import { SqliteStorage } from '@joinery/storage-sqlite/node';

const [path = '', agent = '', count = '', bytes = ''] = process.argv.slice(2);
const store = await new SqliteStorage({ path }).open({
  server: 'wss://example.org/sync',
  user: 'ada',
  name: 'default',
});
try {
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
