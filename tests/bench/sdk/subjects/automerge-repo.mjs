// automerge-repo with its adapters for IndexedDB and BroadcastChannel (automerge.org, "Repositories"); the core's WebAssembly as a file
// of its own, as its documentation has it for Vite. `flush` resolves when what was changed is stored. Of what is longer than 256 bytes it
// stores compressed columns.

import wasm from '@automerge/automerge/automerge.wasm?url';
import { initializeWasm, splice } from '@automerge/automerge/slim';
import { Repo } from '@automerge/automerge-repo/slim';
import { BroadcastChannelNetworkAdapter } from '@automerge/automerge-repo-network-broadcastchannel';
import { IndexedDBStorageAdapter } from '@automerge/automerge-repo-storage-indexeddb';

export const name = 'automerge-repo';
export const place = { database: 'automerge', stores: ['documents'] };
export const compresses = true;

/** @typedef {import('@automerge/automerge-repo').DocHandle<any>} Handle */
/** @type {Promise<Repo> | undefined} */
let starting;

/** @param {{ network?: import('@automerge/automerge-repo').NetworkAdapterInterface[] }} [options] */
export function start({ network = [] } = {}) {
  starting ??= initializeWasm(wasm).then(() => new Repo({ storage: new IndexedDBStorageAdapter(), network }));
  return starting;
}

/** Its documents have addresses of its own making: the app has to keep them. @param {string} id @param {object} content */
async function open(id, content) {
  const repo = await start();
  const known = localStorage.getItem(id);
  if (known !== null) return { repo, handle: await repo.find(/** @type {any} */ (known)) };
  const handle = repo.create(content);
  localStorage.setItem(id, handle.url);
  return { repo, handle };
}

/** @param {string} id */
export async function openFields(id) {
  const { repo, handle } = await open(id, {});
  return fieldsOf(repo, handle);
}

/** @param {Repo} repo @param {Handle} handle */
function fieldsOf(repo, handle) {
  return {
    /** @param {string} key @param {unknown} value */
    set(key, value) {
      handle.change((/** @type {any} */ draft) => {
        draft[key] = value;
      });
    },
    values: () => handle.doc(),
    stored: () => repo.flush(),
    subscribe: (/** @type {() => void} */ listener) => handle.on('change', listener),
  };
}

/** @param {string} id */
export async function openText(id) {
  const { repo, handle } = await open(id, { text: '' });
  return {
    /** @param {number} index @param {string} inserted */
    insert(index, inserted) {
      handle.change((/** @type {any} */ draft) => splice(draft, ['text'], index, 0, inserted));
    },
    toString: () => handle.doc().text,
    stored: () => repo.flush(),
  };
}

/** @param {number} count @param {(index: number) => Record<string, unknown>} fieldsOf */
export async function storeMany(count, fieldsOf) {
  const repo = await start();
  const urls = [];
  for (let index = 0; index < count; index++) urls.push(repo.create(fieldsOf(index)).url);
  localStorage.setItem('many', JSON.stringify(urls));
  await repo.flush();
}

export async function listIds() {
  return JSON.parse(localStorage.getItem('many') ?? '[]');
}

/** @param {readonly string[]} ids */
export async function openMany(ids) {
  const repo = await start();
  const handles = await Promise.all(ids.map((id) => repo.find(/** @type {any} */ (id))));
  return { read: (/** @type {number} */ index) => /** @type {any} */ (handles[index]?.doc()) ?? {} };
}

/** @param {string} id */
export async function openShared(id) {
  await start({ network: [new BroadcastChannelNetworkAdapter()] });
  const { repo, handle } = await open(id, {});
  await repo.flush();
  return fieldsOf(repo, handle);
}

/** @param {{ update: string }} options */
export async function openLarge({ update }) {
  const repo = await start();
  /** @type {Handle | undefined} */
  let handle;
  return {
    async take() {
      handle = repo.import(new Uint8Array(await (await fetch(update)).arrayBuffer()));
      await repo.flush();
    },
    values: () => handle?.doc() ?? {},
  };
}
