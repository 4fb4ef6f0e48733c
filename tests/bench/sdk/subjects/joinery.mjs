// Joinery as an app has it: storage in its worker, IndexedDB, every commit strict. Nobody listens at the address but in the row of
// the large update.

import { createClient } from 'joinery';

export const name = 'joinery';
const nowhere = 'ws://localhost:9/sync';
const client = createClient({ url: nowhere, name: 'bench', connect: false });
export const place = {
  database: `joinery:${[nowhere, '', 'bench'].map(encodeURIComponent).join('/')}`,
  stores: ['log', 'snapshots'],
};

export async function start() {
  if (client.status.storage.state === 'ready') return;
  await new Promise((resolve) => {
    const stop = client.subscribeStatus(() => {
      if (client.status.storage.state !== 'ready') return;
      stop();
      resolve(undefined);
    });
  });
}

/**
 * Keyed writes need not wait for the document.
 * @param {string} id
 * @param {{ fresh: boolean }} options
 */
export async function openFields(id, { fresh }) {
  const document = client.document(id);
  if (!fresh) await document.loaded;
  /** @type {import('joinery').Receipt | undefined} */
  let last;
  return {
    /** @param {string} key @param {unknown} value */
    set(key, value) {
      last = document.update({ [key]: value });
    },
    values: () => document.value ?? {},
    stored: async () => await last?.durable,
  };
}

/** @param {string} id */
export async function openText(id) {
  const text = client.text(id);
  await text.loaded;
  /** @type {import('joinery').Receipt | undefined} */
  let last;
  return {
    /** @param {number} index @param {string} inserted */
    insert(index, inserted) {
      last = text.insert(index, inserted);
    },
    toString: () => text.value,
    stored: async () => await last?.durable,
  };
}

/** @param {number} index */
const idOf = (index) => `many/${String(index).padStart(6, '0')}`;

/** @param {number} count @param {(index: number) => Record<string, unknown>} fieldsOf */
export async function storeMany(count, fieldsOf) {
  /** @type {Promise<void>[]} */
  const stored = [];
  for (let index = 0; index < count; index++) {
    const document = client.document(idOf(index));
    stored.push(document.update(fieldsOf(index)).durable);
    document.close();
  }
  await Promise.all(stored);
}

export async function listIds() {
  const ids = [];
  for await (const id of client.documents('many')) ids.push(id);
  return ids;
}

/** @param {readonly string[]} ids */
export async function openMany(ids) {
  const documents = ids.map((id) => client.document(id));
  await Promise.all(documents.map(({ loaded }) => loaded));
  return { read: (/** @type {number} */ index) => documents[index]?.value ?? {} };
}

/** @param {string} id */
export async function openShared(id) {
  const document = client.document(id);
  await document.loaded;
  return {
    set: (/** @type {string} */ key, /** @type {unknown} */ value) => document.update({ [key]: value }),
    values: () => document.value ?? {},
    subscribe: (/** @type {() => void} */ listener) => document.subscribe(listener),
  };
}

/** @param {{ url: string, document: string, update: string }} options of a server that has it */
export async function openLarge({ url, document: id }) {
  const online = createClient({ url, name: 'bench', connect: false });
  place.database = `joinery:${[url, '', 'bench'].map(encodeURIComponent).join('/')}`;
  const document = online.document(id);
  // Counted up with the last entry: a look at it costs nothing, whatever else the document has.
  const done = online.counter(id, 'done');
  await document.loaded;
  return {
    take: () =>
      new Promise((resolve) => {
        done.subscribe(() => done.value === 1 && resolve(undefined));
        online.connect();
      }),
    values: () => document.value ?? {},
  };
}
