// Storage in IndexedDB. One `append` is one transaction with `durability: 'strict'`, so that what it resolves has left
// the browser's process for the disk. Grouping what waits into one `append` is the caller's part.

import { JoineryError } from '@joinery/protocol';
import { unwrap } from 'idb';
import {
  advanceState,
  agentKey,
  assemble,
  checkIncarnation,
  decodedOf,
  inEpoch,
  isAcknowledged,
  isRemovable,
  mergedEnvelope,
  notRejected,
  pruneState,
  type RawDocument,
  recordsOf,
} from './assemble.ts';
import {
  type Database,
  databaseName,
  documentStores,
  type LogKey,
  logKey,
  logRange,
  openDatabase,
  type StoreName,
  storageError,
  type Transaction,
} from './indexeddb-database.ts';
import { Loads, readRaw } from './indexeddb-loads.ts';
import { allStores, changeRaw, markOf, readRaw as readRecords, survey } from './indexeddb-raw.ts';
import { readRejected, readReplacements, stateOf, statesOf, swapIn } from './indexeddb-swap.ts';
import { hasLevelDb, renewLog } from './log-renewal.ts';
import { moveKey, shutBy } from './move-mark.ts';
import { OneAtATime } from './one-at-a-time.ts';
import {
  decodeValueRecord,
  type EnvelopeRecord,
  encodeEnvelopeRecord,
  encodeRejectedRecord,
  encodeSnapshotRecord,
  encodeStateRecord,
  encodeValueRecord,
  type StateRecord,
  snapshotTag,
} from './record.ts';
import {
  type Compaction,
  type DamagedRecord,
  type DocumentStore,
  type DocumentWrite,
  type EnvelopeKey,
  isSameIncarnation,
  type Namespace,
  type PendingDocument,
  type RawRecords,
  type Replacement,
  type Storage,
  type StoredDocument,
  type StoredRejection,
  type StoreEvents,
  type Swap,
} from './storage.ts';
import { checkedMark, markKey, seenMark, wipedMark } from './store-mark.ts';
import { readUndo, undoChanges, undoDropped, undoKey, undoListKey, type ValueChanges } from './undo-records.ts';

export class IndexedDbStorage implements Storage {
  readonly mode = 'indexeddb';
  readonly shared = true;

  /** Browsers that don't list their databases may have this one. */
  async has(namespace: Namespace): Promise<boolean> {
    if (typeof indexedDB === 'undefined') return false;
    if (indexedDB.databases === undefined) return true;
    try {
      const name = databaseName(namespace);
      return (await indexedDB.databases()).some((one) => one.name === name);
    } catch (error) {
      // The browser gives this page no storage.
      if (error instanceof Error && error.name === 'SecurityError') return false;
      throw storageError(error);
    }
  }

  async open(namespace: Namespace, events: StoreEvents = {}): Promise<DocumentStore> {
    const store = new IndexedDbStore(namespace, events);
    await store.begin();
    return store;
  }
}

/** So long a transaction may take to end; one that has not is left to the browser. */
const closePatience_ms = 2_000;

class IndexedDbStore implements DocumentStore {
  readonly #namespace: Namespace;
  readonly #events: StoreEvents;
  #database: Promise<Database> | undefined;
  readonly #transactions = new OneAtATime();
  #ended: JoineryError | undefined;
  readonly #loads = new Loads((names, body) => this.#view(names, body));
  /** See `store-mark.ts`; undefined: nothing was ever here. */
  #mark: Uint8Array | undefined;

  constructor(namespace: Namespace, events: StoreEvents) {
    this.#namespace = namespace;
    this.#events = {
      ...events,
      lost: (error) => {
        this.#ended ??= storageError(error);
        events.lost?.(error);
      },
    };
  }

  async begin(): Promise<void> {
    this.#mark = await this.#looking(['values'], markIn);
    // Where nothing is yet, something is soon written: it then waits the less for this.
    if (this.isNew && hasLevelDb()) renewLog();
  }

  get isNew(): boolean {
    return this.#mark === undefined;
  }

  /** The open database; opened again when the browser has ended the connection. */
  connect(): Promise<Database> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#database === undefined) {
      const closed = (): void => {
        this.#forget(opening);
        this.#events.interrupted?.(interrupted());
      };
      const opening = openDatabase(this.#namespace, this.#events, closed);
      this.#database = opening;
      opening.catch(() => this.#forget(opening));
    }
    return this.#database;
  }

  async append(writes: readonly DocumentWrite[]): Promise<void> {
    // What is not an envelope is found before anything is written.
    const commits = writes.map((write) => ({ write, records: recordsOf(write) }));
    const ids = [...new Set(writes.map(({ document }) => document))];
    const hasOwn = commits.some(({ records }) => records.some(({ record }) => !record.remote));
    const renewed = hasLevelDb() && hasOwn && renewLog();
    await this.#write(documentStores, async (transaction) => {
      const states = await statesOf(transaction, ids);
      const next = new Map(states);
      const [log, outbox] = [unwrap(transaction.objectStore('log')), unwrap(transaction.objectStore('outbox'))];
      const rejected = unwrap(transaction.objectStore('rejected'));
      await checkSettled(transaction, writes);
      const undoLists = await readUndoLists(transaction, writes);
      for (const write of writes) {
        const before = next.get(write.document) as StateRecord;
        checkIncarnation(write, before);
        next.set(write.document, advanceState(before, write));
      }
      const entered = ids.filter((id) => states.get(id)?.epoch !== next.get(id)?.epoch);
      await Promise.all(entered.map((id) => enterEpoch(transaction, id, next.get(id) as StateRecord)));
      for (const { write, records } of commits) {
        const id = write.document;
        const { epoch } = next.get(id) as StateRecord;
        for (const { agent, to } of write.acknowledged ?? []) {
          const name = agentKey(agent);
          outbox.delete(IDBKeyRange.bound([id, name, 0], [id, name, to], false, true));
        }
        for (const { header, record } of records) {
          const key = logKey(id, header);
          addRecord(id, log, key, inEpoch(record, epoch), () => outbox.delete(key));
          // Also what other writes of this commit tell counts; taken out again where the server's is there already.
          if (record.remote) outbox.delete(key);
          else outbox.put(write.at_ms, key);
        }
        for (const one of write.rejected ?? []) rejected.put(encodeRejectedRecord(id, one), [id, one.id]);
        for (const name of write.settled ?? []) rejected.delete([id, name]);
      }
      for (const write of writes) {
        const changes = undoChanges(undoLists.get(write.document), write);
        const key = undoListKey(write.document);
        if (changes.has(key)) undoLists.set(write.document, changes.get(key));
        putValues(transaction, changes);
      }
      for (const { write, records } of commits) {
        const state = next.get(write.document) as StateRecord;
        for (const { header } of records) {
          if (isAcknowledged(state, header)) outbox.delete(logKey(write.document, header));
        }
      }
      const stateStore = unwrap(transaction.objectStore('states'));
      for (const [id, state] of next) stateStore.put(encodeStateRecord(id, state), id);
    });
    await renewed;
  }

  async load(id: string): Promise<StoredDocument> {
    const raw = await this.#loads.load(id);
    const first = assembled(id, raw);
    if (first.damage === undefined) return first.stored;
    // Read again inside the transaction that moves records: another tab may have been quicker.
    return await this.#commit(documentStores, async (transaction) => {
      const { stored, damage } = assembled(id, (await readRaw(transaction, [id])).get(id) as RawDocument<LogKey>);
      if (damage === undefined) return stored;
      const aside = unwrap(transaction.objectStore('damaged'));
      for (const record of stored.damaged) aside.add(record);
      for (const key of damage.log) {
        unwrap(transaction.objectStore('log')).delete(key);
        unwrap(transaction.objectStore('outbox')).delete(key);
      }
      if (damage.snapshot) unwrap(transaction.objectStore('snapshots')).delete(id);
      unwrap(transaction.objectStore('states')).put(encodeStateRecord(id, damage.state), id);
      return stored;
    });
  }

  async read(id: string, keys: readonly EnvelopeKey[]): Promise<(Uint8Array | undefined)[]> {
    const records = await this.#view(['log'], (transaction) => {
      const log = transaction.objectStore('log');
      return Promise.all(keys.map((key) => log.get(logKey(id, key))));
    });
    return records.map((record) => record && decodedOf(id, record)?.bytes);
  }

  async compact(id: string, compaction: Compaction): Promise<string | undefined> {
    const record = encodeSnapshotRecord(id, { epoch: compaction.epoch, bytes: compaction.bytes });
    return await this.#write(documentStores, async (transaction) => {
      const log = transaction.objectStore('log');
      const [stored, state, keys, records] = await Promise.all([
        transaction.objectStore('snapshots').get(id),
        stateOf(transaction, id),
        log.getAllKeys(logRange(id)),
        log.getAll(logRange(id)),
      ]);
      if (!isSameIncarnation(state, compaction) || (stored && snapshotTag(stored)) !== compaction.replaces)
        return undefined;
      const next = advanceState(state, compaction);
      const agents = new Set<bigint>();
      keys.forEach((key, index) => {
        // A damaged record stays for the next load to set it aside.
        const envelope = decodedOf(id, records[index] as Uint8Array);
        if (envelope !== undefined && isRemovable(envelope, next, compaction.covers)) {
          unwrap(log).delete(key);
          if (!envelope.remote) unwrap(transaction.objectStore('outbox')).delete(key);
        } else if (envelope !== undefined) agents.add(envelope.agent);
      });
      unwrap(transaction.objectStore('snapshots')).put(record, id);
      unwrap(transaction.objectStore('states')).put(encodeStateRecord(id, pruneState(next, agents)), id);
      return snapshotTag(record);
    });
  }

  async swap(id: string, swap: Swap): Promise<boolean> {
    return await this.#write(documentStores, async (transaction) => {
      const key = undoListKey(id);
      const list = await transaction.objectStore('values').get(key);
      const isSwapped = await swapIn(transaction, id, swap);
      if (isSwapped) putValues(transaction, undoDropped(id, list && storedValue(key, list)));
      return isSwapped;
    });
  }

  async replacements(id: string, after: number): Promise<Replacement[]> {
    return await this.#commit(['replaced', 'damaged'], (transaction) =>
      beside(this.#noticeMark(transaction), () => readReplacements(transaction, id, after)),
    );
  }

  async rejected(only?: string): Promise<StoredRejection[]> {
    return await this.#commit(['rejected', 'damaged'], (transaction) =>
      beside(this.#noticeMark(transaction), () => readRejected(transaction, only)),
    );
  }

  async removeRejected(id: string, ids: readonly string[]): Promise<void> {
    await this.#write(['rejected'], async (transaction) => {
      for (const name of ids) unwrap(transaction.objectStore('rejected')).delete([id, name]);
    });
  }

  async undo(id: string, owner: string, name: string) {
    const key = undoKey(id, owner, name);
    const record = await this.#view(['values'], (transaction) => transaction.objectStore('values').get(key));
    const found = record && readUndo(id, key, record);
    if (found === undefined || 'stack' in found) return { stack: found?.stack };
    await this.#write(['values', 'damaged'], async (transaction) => {
      unwrap(transaction.objectStore('values')).delete(key);
      unwrap(transaction.objectStore('damaged')).add(found.damaged);
    });
    return found;
  }

  async documents(): Promise<string[]> {
    return (await this.#view(['states'], (transaction) => transaction.objectStore('states').getAllKeys())).sort();
  }

  async pending(): Promise<PendingDocument[]> {
    const [keys, times] = await this.#view(['outbox', 'values'], async (transaction) => {
      const outbox = transaction.objectStore('outbox');
      const [mark, ...found] = await Promise.all([markIn(transaction), outbox.getAllKeys(), outbox.getAll()]);
      if (this.#mark !== undefined) checkedMark(this.#mark, mark);
      return found;
    });
    const pending = new Map<string, PendingDocument>();
    keys.forEach(([document], index) => {
      const at_ms = times[index] as number;
      const known = pending.get(document);
      pending.set(document, {
        document,
        envelopes: (known?.envelopes ?? 0) + 1,
        oldestAt_ms: Math.min(known?.oldestAt_ms ?? at_ms, at_ms),
      });
    });
    return [...pending.values()];
  }

  async damaged(): Promise<DamagedRecord[]> {
    return await this.#view(['damaged'], (transaction) => transaction.objectStore('damaged').getAll());
  }

  async readValue(key: string): Promise<Uint8Array | undefined> {
    const record = await this.#view(['values'], (transaction) => transaction.objectStore('values').get(key));
    return record && storedValue(key, record);
  }

  async writeValue(key: string, value: Uint8Array | undefined): Promise<void> {
    await this.#write(['values'], async (transaction) => {
      const store = unwrap(transaction.objectStore('values'));
      if (value === undefined) store.delete(key);
      else store.put(encodeValueRecord(key, value), key);
    });
  }

  async changeValue(key: string, change: (known: Uint8Array | undefined) => Uint8Array): Promise<Uint8Array> {
    return await this.#write(['values'], async (transaction) => {
      const record = await transaction.objectStore('values').get(key);
      const value = change(record && storedValue(key, record)).slice();
      unwrap(transaction.objectStore('values')).put(encodeValueRecord(key, value), key);
      return value;
    });
  }

  async wipe(): Promise<void> {
    const all: readonly StoreName[] = [...documentStores, 'values'];
    this.#mark = await this.#write(all, async (transaction) => {
      const wiped = wipedMark(checkedMark(this.#mark, await markIn(transaction)));
      const move = await transaction.objectStore('values').get(moveKey);
      for (const name of all) unwrap(transaction.objectStore(name)).clear();
      if (move !== undefined) unwrap(transaction.objectStore('values')).put(move, moveKey);
      unwrap(transaction.objectStore('values')).put(encodeValueRecord(markKey, wiped), markKey);
      return wiped;
    });
  }

  async close(): Promise<void> {
    this.#ended ??= new JoineryError('closed', 'The store is closed; open it again.');
    const database = await this.#database?.catch(() => undefined);
    // Transactions that are under way still finish.
    await this.#transactions.over(closePatience_ms);
    database?.close();
  }

  #forget(database: Promise<Database>): void {
    if (this.#database === database) this.#database = undefined;
  }

  readonly raw: RawRecords = {
    survey: () => this.#looking(allStores, survey),
    read: (names) => this.#looking(allStores, (transaction) => readRecords(transaction, names)),
    change: async (change) => {
      const renewed = hasLevelDb() && (change.put?.length ?? 0) > 0 && renewLog();
      const isChanged = await this.#changing(allStores, (transaction) => changeRaw(transaction, change));
      await renewed;
      return isChanged;
    },
  };

  /** A look at what is all there is. */
  #view<Result>(
    names: readonly StoreName[],
    body: (transaction: Transaction<'readonly'>) => Promise<Result>,
  ): Promise<Result> {
    return this.#looking([...new Set([...names, 'values' as const])], async (transaction) => {
      const looks = [this.#checkMark(transaction), this.#noticeMark(transaction)];
      const [result] = await Promise.all([body(transaction), ...looks]);
      return result;
    });
  }

  /** Another tab may have been the first to write. What is read may be written to: from here on it has to stay. */
  async #noticeMark<Mode extends IDBTransactionMode>(transaction: Transaction<Mode>): Promise<void> {
    const stored = await markIn(transaction);
    this.#mark = seenMark(this.#mark, stored);
  }

  async #checkMark<Mode extends IDBTransactionMode>(transaction: Transaction<Mode>): Promise<void> {
    const error = shutBy(await markOf(transaction));
    if (error === undefined) return;
    // The mark may yet go; what was done before it came can't be told apart by who looks later.
    this.#ended ??= error;
    this.#events.lost?.(error);
    throw error;
  }

  async #looking<Result>(
    names: readonly StoreName[],
    body: (transaction: Transaction<'readonly'>) => Promise<Result>,
  ): Promise<Result> {
    const database = await this.connect();
    const begin = () => database.transaction([...names]);
    const look = (transaction: Transaction<'readonly'>): Promise<Result> => {
      // Its requests tell of a failure too; this promise must not do so as an unhandled rejection.
      transaction.done.catch(() => {});
      return body(transaction);
    };
    return await typed(() => this.#transactions.run(begin, look));
  }

  /** The same as `commit`, unless everything was removed since this store was opened. */
  async #write<Result>(
    names: readonly StoreName[],
    body: (transaction: Transaction<'readwrite'>) => Promise<Result>,
  ): Promise<Result> {
    let mark: Uint8Array | undefined;
    const check = async (transaction: Transaction<'readwrite'>): Promise<void> => {
      const stored = await markIn(transaction);
      mark = checkedMark(this.#mark, stored);
      if (stored !== undefined) return;
      unwrap(transaction.objectStore('values')).put(encodeValueRecord(markKey, mark), markKey);
    };
    const result = await this.#commit(names, (transaction) => beside(check(transaction), () => body(transaction)));
    this.#mark = mark;
    return result;
  }

  /** The same as `changing`, unless what is here isn't all there is. */
  #commit<Result>(
    names: readonly StoreName[],
    body: (transaction: Transaction<'readwrite'>) => Promise<Result>,
  ): Promise<Result> {
    return this.#changing([...new Set([...names, 'values' as const])], (transaction) =>
      beside(this.#checkMark(transaction), () => body(transaction)),
    );
  }

  /** Runs `body` in one strict transaction: resolves when it is durable, and undoes all of it on any error. */
  async #changing<Result>(
    names: readonly StoreName[],
    body: (transaction: Transaction<'readwrite'>) => Promise<Result>,
  ): Promise<Result> {
    const database = await this.connect();
    const begin = () => database.transaction([...names], 'readwrite', { durability: 'strict' });
    const change = async (transaction: Transaction<'readwrite'>): Promise<Result> => {
      const { done } = transaction;
      // It may reject while `body` still waits for a request: that is told below, not as an unhandled rejection.
      done.catch(() => {});
      try {
        const result = await body(transaction);
        await done;
        return result;
      } catch (error) {
        try {
          transaction.abort();
        } catch {
          // It has ended already.
        }
        // The transaction's own reason (a full disk, say) says more than that a request was aborted.
        throw await done.then(
          () => error,
          (reason) => (isAbort(error) ? reason : error),
        );
      }
    };
    return await typed(() => this.#transactions.run(begin, change));
  }
}

function assembled(id: string, raw: RawDocument<LogKey>) {
  return assemble(id, raw, (key, envelope) => key[1] === agentKey(envelope.agent) && key[2] === envelope.from);
}

/** What is in the log already was written before an epoch was known. */
async function enterEpoch(transaction: Transaction<'readwrite'>, id: string, { epoch }: StateRecord): Promise<void> {
  const log = transaction.objectStore('log');
  const [keys, records] = await Promise.all([log.getAllKeys(logRange(id)), log.getAll(logRange(id))]);
  keys.forEach((key, index) => {
    const envelope = decodedOf(id, records[index] as Uint8Array);
    if (envelope !== undefined) unwrap(log).put(encodeEnvelopeRecord(id, inEpoch(envelope, epoch)), key);
  });
}

/** Puts a record; where there is one already, what both know. `known` is told when that one came from the server. */
function addRecord(
  document: string,
  log: IDBObjectStore,
  key: IDBValidKey,
  record: EnvelopeRecord,
  known: () => void,
): void {
  const adding = log.add(encodeEnvelopeRecord(document, record), key);
  adding.onerror = (event) => {
    if (adding.error?.name !== 'ConstraintError') return;
    // There is one. That is no error of the transaction.
    event.preventDefault();
    event.stopPropagation();
    const reading: IDBRequest<Uint8Array> = log.get(key);
    reading.onsuccess = () => {
      const merged = mergedEnvelope(decodedOf(document, reading.result), record);
      log.put(encodeEnvelopeRecord(document, merged), key);
      if (merged.remote) known();
    };
  };
}

/** @throws JoineryError `not-found` where an entry of the rejected list is not there that a write deals with */
async function checkSettled(transaction: Transaction<'readwrite'>, writes: readonly DocumentWrite[]): Promise<void> {
  const keys = writes.flatMap(({ document, settled = [] }) => settled.map((id): [string, string] => [document, id]));
  const found = await Promise.all(keys.map((key) => transaction.objectStore('rejected').getKey(key)));
  keys.forEach(([, id], index) => {
    if (found[index] === undefined) throw notRejected(id);
  });
}

/**
 * Does the work while it is looked whether it may be done: each answer takes a way through another process. Where it may not, that is
 * the error, and what was done goes with the transaction.
 */
async function beside<Result>(check: Promise<void>, work: () => Promise<Result>): Promise<Result> {
  const result = work();
  result.catch(() => {});
  await check;
  return await result;
}

async function markIn<Mode extends IDBTransactionMode>(
  transaction: Transaction<Mode>,
): Promise<Uint8Array | undefined> {
  const record = await transaction.objectStore('values').get(markKey);
  return record && storedValue(markKey, record);
}

/** The lists of stacks of the documents that are written. */
async function readUndoLists(
  transaction: Transaction<'readwrite'>,
  writes: readonly DocumentWrite[],
): Promise<Map<string, Uint8Array | undefined>> {
  const ids = [...new Set(writes.flatMap(({ document, undo }) => (undo === undefined ? [] : [document])))];
  const values = transaction.objectStore('values');
  const records = await Promise.all(ids.map((id) => values.get(undoListKey(id))));
  return new Map(ids.map((id, at) => [id, records[at] && storedValue(undoListKey(id), records[at])]));
}

function putValues(transaction: Transaction<'readwrite'>, changes: ValueChanges): void {
  const values = unwrap(transaction.objectStore('values'));
  for (const [key, value] of changes) {
    if (value === undefined) values.delete(key);
    else values.put(encodeValueRecord(key, value), key);
  }
}

/** A damaged value reads as absent. */
function storedValue(key: string, record: Uint8Array): Uint8Array | undefined {
  try {
    return decodeValueRecord(key, record);
  } catch {
    return undefined;
  }
}

function interrupted(): JoineryError {
  return new JoineryError('storage-failed', {
    expected: 'the browser to keep the database open',
    got: 'a connection that it has ended',
    remedy: 'It is opened again, and nothing has to be done.',
  });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

async function typed<Result>(run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw storageError(error);
  }
}
