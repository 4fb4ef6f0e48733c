// Raw IndexedDB: no SDK, nothing merges. The floor of what storing costs in this browser. With `strict` a transaction is complete
// when the disk has it, without (the browser's default) when the operating system has it; which of the two, the build says.

export const name = 'raw IndexedDB';
export const place = { database: 'raw', stores: ['documents', 'texts'] };

/** @type {IDBTransactionDurability} */
const durability = IS_RELAXED ? 'relaxed' : 'strict';
/** @type {Promise<IDBDatabase> | undefined} */
let opening;

export function start() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(place.database, 1);
    request.onupgradeneeded = () => {
      for (const store of place.stores) request.result.createObjectStore(store);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
const completed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const got = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Each edit is a transaction that puts the record. @param {string} id */
export async function openFields(id) {
  const database = await start();
  const record = (await got(database.transaction('documents').objectStore('documents').get(id))) ?? {};
  let last = Promise.resolve();
  return {
    /** @param {string} key @param {unknown} value */
    set(key, value) {
      record[key] = value;
      const transaction = database.transaction('documents', 'readwrite', { durability });
      transaction.objectStore('documents').put(record, id);
      last = completed(transaction);
    },
    values: () => record,
    stored: () => last,
  };
}

/** Each edit is a transaction that appends what was inserted, not the text anew. @param {string} id */
export async function openText(id) {
  const database = await start();
  const range = IDBKeyRange.bound([id], [id, []]);
  const edits = await got(database.transaction('texts').objectStore('texts').getAll(range));
  let content = '';
  for (const { index, text } of edits) content = content.slice(0, index) + text + content.slice(index);
  let count = edits.length;
  let last = Promise.resolve();
  return {
    /** @param {number} index @param {string} text */
    insert(index, text) {
      content = content.slice(0, index) + text + content.slice(index);
      const transaction = database.transaction('texts', 'readwrite', { durability });
      transaction.objectStore('texts').put({ index, text }, [id, count++]);
      last = completed(transaction);
    },
    toString: () => content,
    stored: () => last,
  };
}

/** One transaction. @param {number} count @param {(index: number) => Record<string, unknown>} fieldsOf */
export async function storeMany(count, fieldsOf) {
  const database = await start();
  const transaction = database.transaction('documents', 'readwrite', { durability });
  const store = transaction.objectStore('documents');
  for (let index = 0; index < count; index++) store.put(fieldsOf(index), idOf(index));
  await completed(transaction);
}

/** @param {number} index */
const idOf = (index) => `many/${String(index).padStart(6, '0')}`;

export async function listIds() {
  const database = await start();
  const range = IDBKeyRange.bound('many/', 'many0');
  return await got(database.transaction('documents').objectStore('documents').getAllKeys(range));
}

/** @param {readonly string[]} ids */
export async function openMany(ids) {
  const database = await start();
  const range = IDBKeyRange.bound(ids[0], ids.at(-1));
  const records = await got(database.transaction('documents').objectStore('documents').getAll(range));
  return { read: (/** @type {number} */ index) => records[index] };
}

/** @param {{ update: string }} options */
export async function openLarge({ update }) {
  const database = await start();
  /** @type {Record<string, string>} */
  let values = {};
  return {
    async take() {
      values = await (await fetch(update)).json();
      const transaction = database.transaction('documents', 'readwrite', { durability });
      transaction.objectStore('documents').put(values, 'large');
      await completed(transaction);
    },
    values: () => values,
  };
}
