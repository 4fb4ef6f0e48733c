// Loro, which has no storage: each update that it gives goes into IndexedDB with the browser's durability, and a document is read by
// importing them all (loro.dev, "Persistence"). Between tabs the same updates go over BroadcastChannel. Many documents are maps of one.

import { LoroDoc, LoroMap } from 'loro-crdt';

export const name = 'loro';
export const place = { database: 'loro', stores: ['updates'] };

/** @type {Promise<IDBDatabase> | undefined} */
let opening;

export function start() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(place.database, 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore('updates', { autoIncrement: true }).createIndex('id', 'id');
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/** @param {string} id */
async function open(id) {
  const database = await start();
  const doc = new LoroDoc();
  const request = database.transaction('updates').objectStore('updates').index('id').getAll(id);
  /** @type {{ bytes: Uint8Array }[]} */
  const stored = await new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  if (stored.length > 0) doc.importBatch(stored.map(({ bytes }) => bytes));
  let last = Promise.resolve();
  const store = (/** @type {Uint8Array} */ bytes) => {
    const transaction = database.transaction('updates', 'readwrite');
    transaction.objectStore('updates').add({ id, bytes });
    last = new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
  };
  doc.subscribeLocalUpdates(store);
  return { doc, store, stored: () => last };
}

/** @param {string} id */
export async function openFields(id) {
  const { doc, stored } = await open(id);
  const map = doc.getMap('fields');
  return {
    /** @param {string} key @param {unknown} value */
    set(key, value) {
      map.set(key, /** @type {import('loro-crdt').Value} */ (value));
      doc.commit();
    },
    values: () => map.toJSON(),
    stored,
  };
}

/** @param {string} id */
export async function openText(id) {
  const { doc, stored } = await open(id);
  const text = doc.getText('text');
  return {
    /** @param {number} index @param {string} inserted */
    insert(index, inserted) {
      text.insert(index, inserted);
      doc.commit();
    },
    toString: () => text.toString(),
    stored,
  };
}

/** @param {number} index */
const idOf = (index) => `many/${String(index).padStart(6, '0')}`;

/** @param {number} count @param {(index: number) => Record<string, unknown>} fieldsOf */
export async function storeMany(count, fieldsOf) {
  const { doc, stored } = await open('many');
  const all = doc.getMap('documents');
  for (let index = 0; index < count; index++) {
    const map = all.setContainer(idOf(index), new LoroMap());
    for (const [key, value] of Object.entries(fieldsOf(index))) {
      map.set(key, /** @type {import('loro-crdt').Value} */ (value));
    }
  }
  doc.commit();
  await stored();
}

/** @type {LoroMap | undefined} */
let many;

export async function listIds() {
  many = (await open('many')).doc.getMap('documents');
  return many.keys().sort();
}

/** @param {readonly string[]} ids */
export async function openMany(ids) {
  const maps = ids.map((id) => /** @type {LoroMap | undefined} */ (many?.get(id)));
  return { read: (/** @type {number} */ index) => maps[index]?.toJSON() ?? {} };
}

/** @param {string} id */
export async function openShared(id) {
  const { doc } = await open(id);
  const channel = new BroadcastChannel(id);
  doc.subscribeLocalUpdates((bytes) => channel.postMessage(bytes));
  channel.onmessage = ({ data }) => doc.import(data);
  const map = doc.getMap('fields');
  return {
    /** @param {string} key @param {unknown} value */
    set(key, value) {
      map.set(key, /** @type {import('loro-crdt').Value} */ (value));
      doc.commit();
    },
    values: () => map.toJSON(),
    subscribe: (/** @type {() => void} */ listener) => map.subscribe(listener),
  };
}

/** @param {{ update: string }} options */
export async function openLarge({ update }) {
  const { doc, store, stored } = await open('large');
  return {
    async take() {
      const bytes = new Uint8Array(await (await fetch(update)).arrayBuffer());
      doc.import(bytes);
      // What comes from elsewhere is no local update.
      store(bytes);
      await stored();
    },
    values: () => doc.getMap('fields').toJSON(),
  };
}
