// Yjs with y-indexeddb, which stores each update of a document in a database of its own (docs.yjs.dev, "Offline support"); between tabs
// y-websocket's BroadcastChannel. Many documents are maps of one, as its documentation has it for what is listed together. It promises
// nothing of what is stored.

import { IndexeddbPersistence } from 'y-indexeddb';
import { WebsocketProvider } from 'y-websocket';
import { applyUpdate, Doc, Map as SharedMap } from 'yjs';

export const name = 'yjs';
export const place = { database: '', stores: ['updates'] };

export async function start() {}

/** @param {string} id */
function open(id) {
  place.database = id;
  const doc = new Doc();
  return { doc, provider: new IndexeddbPersistence(id, doc) };
}

/** @param {string} id @param {{ fresh: boolean }} options */
export async function openFields(id, { fresh }) {
  const { doc, provider } = open(id);
  if (!fresh) await provider.whenSynced;
  const map = doc.getMap('fields');
  return {
    /** @param {string} key @param {unknown} value */
    set(key, value) {
      map.set(key, value);
    },
    values: () => map.toJSON(),
  };
}

/** @param {string} id */
export async function openText(id) {
  const { doc, provider } = open(id);
  await provider.whenSynced;
  const text = doc.getText('text');
  return {
    insert: (/** @type {number} */ index, /** @type {string} */ inserted) => text.insert(index, inserted),
    toString: () => text.toString(),
  };
}

/** @param {number} index */
const idOf = (index) => `many/${String(index).padStart(6, '0')}`;

/** @param {number} count @param {(index: number) => Record<string, unknown>} fieldsOf */
export async function storeMany(count, fieldsOf) {
  const { doc, provider } = open('many');
  await provider.whenSynced;
  const all = doc.getMap('documents');
  doc.transact(() => {
    for (let index = 0; index < count; index++) {
      all.set(idOf(index), new SharedMap(Object.entries(fieldsOf(index))));
    }
  });
}

/** @type {SharedMap<SharedMap<unknown>> | undefined} */
let many;

export async function listIds() {
  const { doc, provider } = open('many');
  await provider.whenSynced;
  many = doc.getMap('documents');
  return [...many.keys()];
}

/** @param {readonly string[]} ids */
export async function openMany(ids) {
  const maps = ids.map((id) => many?.get(id));
  return { read: (/** @type {number} */ index) => maps[index]?.toJSON() ?? {} };
}

/** @param {string} id */
export async function openShared(id) {
  const { doc, provider } = open(id);
  await provider.whenSynced;
  // Nobody listens there: tabs speak over BroadcastChannel, as they do with a server as well.
  const tabs = new WebsocketProvider('ws://localhost:9', id, doc, { connect: false });
  tabs.connectBc();
  const map = doc.getMap('fields');
  return {
    set: (/** @type {string} */ key, /** @type {unknown} */ value) => map.set(key, value),
    values: () => map.toJSON(),
    subscribe: (/** @type {() => void} */ listener) => map.observe(listener),
  };
}

/** @param {{ update: string }} options */
export async function openLarge({ update }) {
  const { doc, provider } = open('large');
  await provider.whenSynced;
  return {
    take: async () => applyUpdate(doc, new Uint8Array(await (await fetch(update)).arrayBuffer())),
    values: () => doc.getMap('fields').toJSON(),
  };
}
