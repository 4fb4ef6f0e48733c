// A namespace's records in IndexedDB without their meaning, as a move takes them out and puts them in.

import { unwrap } from 'idb';
import { decodedOf, isAcknowledged, readState } from './assemble.ts';
import { documentStores, type LogKey, type Transaction } from './indexeddb-database.ts';
import { decodeMark, encodeMark, isOwnValue, isSameMark, moveKey } from './move-mark.ts';
import { decodeValueRecord, encodeValueRecord } from './record.ts';
import type { RecordArea, RecordName } from './records.ts';
import type { MoveMark, RawChange, Survey } from './storage.ts';
import { checkedMark, markKey } from './store-mark.ts';

export const allStores = [...documentStores, 'values'] as const;

const storeOf = {
  log: 'log',
  snapshot: 'snapshots',
  state: 'states',
  rejected: 'rejected',
  replacement: 'replaced',
  value: 'values',
} as const satisfies Record<RecordArea, string>;

export async function markOf<Mode extends IDBTransactionMode>(
  transaction: Transaction<Mode>,
): Promise<MoveMark | undefined> {
  const record = await transaction.objectStore('values').get(moveKey);
  return record && decodeMark(decodeValueRecord(moveKey, record));
}

export async function survey<Mode extends IDBTransactionMode>(transaction: Transaction<Mode>): Promise<Survey> {
  const keysOf = (area: RecordArea): Promise<IDBValidKey[]> => transaction.objectStore(storeOf[area]).getAllKeys();
  const areas = Object.keys(storeOf) as RecordArea[];
  const [mark, damaged, ...keys] = await Promise.all([
    markOf(transaction),
    transaction.objectStore('damaged').getAll(),
    ...areas.map(keysOf),
  ]);
  const names = areas.flatMap((area, index) => (keys[index] ?? []).map((key) => nameOf(area, key)));
  return { mark, damaged, names: names.filter(({ area, name }) => area !== 'value' || !isOwnValue(name)) };
}

export function readRaw<Mode extends IDBTransactionMode>(
  transaction: Transaction<Mode>,
  names: readonly RecordName[],
): Promise<(Uint8Array | undefined)[]> {
  return Promise.all(
    names.map((name): Promise<Uint8Array | undefined> => {
      const store = unwrap(transaction.objectStore(storeOf[name.area])) as IDBObjectStore;
      return settled(store.get(keyOf(name)));
    }),
  );
}

export async function changeRaw(transaction: Transaction<'readwrite'>, change: RawChange): Promise<boolean> {
  const { expect, mark, clear = false, vacant = false, put = [], setAside = [] } = change;
  if (!isSameMark(await markOf(transaction), expect)) return false;
  if (vacant) {
    const { names, damaged } = await survey(transaction);
    if (names.length > 0 || damaged.length > 0) return false;
  }
  const store = (name: (typeof allStores)[number]): IDBObjectStore =>
    unwrap(transaction.objectStore(name)) as IDBObjectStore;
  const own = await transaction.objectStore('values').get(markKey);
  if (clear) {
    for (const name of allStores) store(name).clear();
    if (own !== undefined) store('values').put(own, markKey);
  }
  for (const record of put) store(storeOf[record.area]).put(record.bytes, keyOf(record));
  for (const record of setAside) store('damaged').add(record);
  // What counts from here on must not be gone unnoticed, before it is written to.
  if (mark?.state === 'arrived' && own === undefined) {
    store('values').put(encodeValueRecord(markKey, checkedMark(undefined, undefined)), markKey);
  }
  if (mark === undefined) store('values').delete(moveKey);
  else store('values').put(encodeValueRecord(moveKey, encodeMark(mark)), moveKey);
  await listUnsent(
    transaction,
    new Set(put.flatMap(({ area, document }) => (area === 'log' || area === 'state' ? document : []))),
  );
  return true;
}

/** The outbox of these documents, as their logs and states say it. */
async function listUnsent(transaction: Transaction<'readwrite'>, documents: ReadonlySet<string>): Promise<void> {
  const outbox = unwrap(transaction.objectStore('outbox')) as IDBObjectStore;
  for (const document of documents) {
    const range = IDBKeyRange.bound([document], [document, []]);
    const [known, keys, records] = await Promise.all([
      transaction.objectStore('states').get(document),
      transaction.objectStore('log').getAllKeys(range),
      transaction.objectStore('log').getAll(range),
    ]);
    const { state } = readState(document, known, 0);
    outbox.delete(range);
    keys.forEach((key, index) => {
      const envelope = decodedOf(document, records[index] as Uint8Array);
      if (envelope !== undefined && !envelope.remote && !isAcknowledged(state, envelope))
        outbox.put(envelope.at_ms, key);
    });
  }
}

function nameOf(area: RecordArea, key: IDBValidKey): RecordName {
  if (area === 'log') {
    const [document, agent, from] = key as LogKey;
    return { area, document, name: `${agent}:${from}` };
  }
  if (area === 'rejected' || area === 'replacement') {
    const [document, name] = key as [string, string | number];
    return { area, document, name: String(name) };
  }
  return area === 'value' ? { area, document: '', name: key as string } : { area, document: key as string, name: '' };
}

function keyOf({ area, document, name }: RecordName): IDBValidKey {
  if (area === 'log') {
    const [agent = '', from] = name.split(':');
    return [document, agent, Number(from)];
  }
  if (area === 'rejected') return [document, name];
  if (area === 'replacement') return [document, Number(name)];
  return area === 'value' ? name : document;
}

function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
