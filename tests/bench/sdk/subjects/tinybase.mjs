// TinyBase: a mergeable store with its IndexedDB persister, which writes the whole store anew after each transaction (tinybase.org,
// "Persisting data"); between tabs its BroadcastChannel synchronizer. It has no text. It promises nothing of what is stored.

import { createMergeableStore } from 'tinybase';
import { createIndexedDbPersister } from 'tinybase/persisters/persister-indexed-db';
import { createBroadcastChannelSynchronizer } from 'tinybase/synchronizers/synchronizer-broadcast-channel';

export const name = 'tinybase';
export const place = { database: '', stores: ['m'] };

export async function start() {}

/** @param {string} id */
async function open(id) {
  place.database = id;
  const store = createMergeableStore();
  const persister = createIndexedDbPersister(store, id);
  await persister.startAutoPersisting();
  return { store, persister };
}

/** @typedef {import('tinybase').Cell} Cell */

/** @param {string} id */
export async function openFields(id) {
  const { store } = await open(id);
  return {
    /** @param {string} key @param {unknown} value */
    set(key, value) {
      store.setCell('fields', 'row', key, /** @type {Cell} */ (value));
    },
    values: () => store.getRow('fields', 'row'),
  };
}

export async function openText() {
  throw new Error('tinybase has no text');
}

/** @param {number} index */
const idOf = (index) => `many/${String(index).padStart(6, '0')}`;

/** @param {number} count @param {(index: number) => Record<string, unknown>} fieldsOf */
export async function storeMany(count, fieldsOf) {
  const { store } = await open('many');
  store.transaction(() => {
    for (let index = 0; index < count; index++) {
      store.setRow('documents', idOf(index), /** @type {Record<string, Cell>} */ (fieldsOf(index)));
    }
  });
}

/** @type {import('tinybase').MergeableStore | undefined} */
let many;

export async function listIds() {
  many = (await open('many')).store;
  return many.getRowIds('documents').sort();
}

/** @param {readonly string[]} ids */
export async function openMany(ids) {
  const rows = ids.map((id) => many?.getRow('documents', id));
  return { read: (/** @type {number} */ index) => rows[index] ?? {} };
}

/** @param {string} id */
export async function openShared(id) {
  const { store } = await open(id);
  await createBroadcastChannelSynchronizer(store, id).startSync();
  return {
    set: (/** @type {string} */ key, /** @type {unknown} */ value) =>
      store.setCell('fields', 'row', key, /** @type {Cell} */ (value)),
    values: () => store.getRow('fields', 'row'),
    subscribe: (/** @type {() => void} */ listener) => store.addRowListener('fields', 'row', listener),
  };
}

/** @param {{ update: string }} options */
export async function openLarge({ update }) {
  const { store } = await open('large');
  return {
    take: async () => {
      store.applyMergeableChanges(JSON.parse(await (await fetch(update)).text()));
    },
    values: () => store.getRow('fields', 'row'),
  };
}
