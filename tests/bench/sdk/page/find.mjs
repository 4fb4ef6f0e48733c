// Looks into IndexedDB by itself, through a connection of its own, and says when something is there. It knows no SDK: it looks for a
// text's bytes in what is stored, however that is encoded around it.

/**
 * Where an SDK keeps what it stores.
 * @typedef {object} Place
 * @property {string} database its name
 * @property {readonly string[]} stores those that hold content
 */

/** @type {{ name: string, database: IDBDatabase } | undefined} */
let known;

/** @param {string} name @returns {Promise<IDBDatabase | undefined>} undefined while there is none: opening would make it */
async function open(name) {
  if (known?.name === name) return known.database;
  if (!(await indexedDB.databases()).some((one) => one.name === name)) return undefined;
  const database = await settled(indexedDB.open(name));
  // Whoever upgrades it is not to wait for a witness.
  database.onversionchange = () => {
    database.close();
    known = undefined;
  };
  known = { name, database };
  return database;
}

/**
 * Resolves to the moment at which the text was seen in storage: a transaction that reads waits for those that write before it,
 * until they are committed.
 * @param {Place} place
 * @param {string} marker
 * @param {number} within_ms
 */
export async function find({ database: name, stores }, marker, within_ms) {
  const bytes = new TextEncoder().encode(marker);
  const late_ms = performance.now() + within_ms;
  while (performance.now() < late_ms) {
    const database = await open(name);
    const there = stores.filter((store) => database?.objectStoreNames.contains(store));
    if (database !== undefined && there.length > 0) {
      const transaction = database.transaction(there);
      // The last ones written stand at the end where keys grow, and anywhere where they are hashes: so all are read.
      const values = await Promise.all(there.map((store) => settled(transaction.objectStore(store).getAll())));
      const at_ms = performance.timeOrigin + performance.now();
      if (values.some((list) => list.some((value) => holds(value, marker, bytes)))) return at_ms;
    }
  }
  throw new Error(`expected ${marker} in ${name} within ${within_ms} ms, found nothing of it`);
}

/** @param {unknown} value @param {string} marker @param {Uint8Array} bytes @returns {boolean} */
function holds(value, marker, bytes) {
  if (typeof value === 'string') return value.includes(marker);
  if (value instanceof ArrayBuffer) return includes(new Uint8Array(value), bytes);
  if (ArrayBuffer.isView(value))
    return includes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), bytes);
  if (value === null || typeof value !== 'object') return false;
  return Object.values(value).some((part) => holds(part, marker, bytes));
}

/** @param {Uint8Array} content @param {Uint8Array} sought */
function includes(content, sought) {
  const [first = 0] = sought;
  for (let at = content.lastIndexOf(first); at >= 0; at = at === 0 ? -1 : content.lastIndexOf(first, at - 1)) {
    if (sought.every((byte, index) => content[at + index] === byte)) return true;
  }
  return false;
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
