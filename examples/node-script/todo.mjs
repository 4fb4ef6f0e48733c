// A to-do list for the terminal: a client in Node that keeps its documents in a folder, reads and writes without a network, and
// shares them with whoever has one. The list is the playground's: with `npm start` running, what is added here shows there.
//
//   node examples/node-script/todo.mjs                 shows the list
//   node examples/node-script/todo.mjs Milk and bread  adds to it
//
//   JOINERY_URL   the server (default: http://localhost:8787)
//   TODO_FOLDER   where the list is kept on this device (default: data beside this file)

import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createClient } from 'joinery/node';

const patience_ms = 1_000;
const url = process.env.JOINERY_URL ?? 'http://localhost:8787';
const folder = process.env.TODO_FOLDER ?? fileURLToPath(new URL('data', import.meta.url));
const title = process.argv.slice(2).join(' ');

const client = createClient({ url, storage: { folder } });
/** @typedef {{ list?: { id: string, title: string, done: boolean }[] }} Todos */
const todos = /** @type {import('joinery').DocumentHandle<Todos>} */ (client.document('workbench-todos'));
await todos.loaded;

if (title !== '') {
  const receipt = todos.update((draft) => {
    draft.list ??= [];
    draft.list.push({ id: randomUUID(), title, done: false });
  });
  await receipt.durable; // it is in the folder, whatever happens now
  const isSynced = await withinPatience(receipt.synced);
  console.log(isSynced ? 'Added, and the server has it.' : 'Added here; the server gets it when it can be reached.');
}
for (const { title: text, done } of todos.value?.list ?? []) console.log(`[${done ? 'x' : ' '}] ${text}`);

// Nothing is left that keeps this process running.
await client.close();

/** @param {Promise<void>} synced */
async function withinPatience(synced) {
  const late = new Promise((resolve) => setTimeout(resolve, patience_ms, false));
  return Promise.race([
    synced.then(
      () => true,
      () => false,
    ),
    late,
  ]);
}
