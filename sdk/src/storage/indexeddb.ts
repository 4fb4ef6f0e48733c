// Storage in IndexedDB. One `append` is one transaction with `durability: 'strict'`, so that what it resolves has left
// the browser's process for the disk. Grouping what waits into one `append` is the caller's part.

import { JoineryError, readEnvelope } from '@joinery/protocol';
import { type IDBPTransaction, unwrap } from 'idb';
import { advanceState, agentKey, assemble, isAcknowledged, isRemovable, pruneState, readState } from './assemble.ts';
import { type Database, type LogKey, logRange, openDatabase, type Schema, storageError } from './indexeddb-database.ts';
import {
  decodeEnvelopeRecord,
  decodeValueRecord,
  encodeEnvelopeRecord,
  encodeSnapshotRecord,
  encodeStateRecord,
  encodeValueRecord,
  type StateRecord,
  snapshotTag,
} from './record.ts';
import type {
  Compaction,
  DamagedRecord,
  DocumentStore,
  DocumentWrite,
  EnvelopeKey,
  Namespace,
  PendingDocument,
  Storage,
  StoredDocument,
  StoreEvents,
} from './storage.ts';

const documentStores = ['log', 'snapshots', 'states', 'outbox', 'damaged'] as const;
type StoreName = (typeof documentStores)[number] | 'values';
type Transaction<Mode extends IDBTransactionMode> = IDBPTransaction<Schema, StoreName[], Mode>;

export class IndexedDbStorage implements Storage {
  readonly mode = 'indexeddb';

  async open(namespace: Namespace, events: StoreEvents = {}): Promise<DocumentStore> {
    const store = new IndexedDbStore(namespace, events);
    await store.connect();
    return store;
  }
}

class IndexedDbStore implements DocumentStore {
  readonly #namespace: Namespace;
  readonly #events: StoreEvents;
  #database: Promise<Database> | undefined;
  #ended: JoineryError | undefined;

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

  /** The open database; opened again when the browser has ended the connection. */
  connect(): Promise<Database> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#database === undefined) {
      const opening = openDatabase(this.#namespace, this.#events, () => this.#forget(opening));
      this.#database = opening;
      opening.catch(() => this.#forget(opening));
    }
    return this.#database;
  }

  async append(writes: readonly DocumentWrite[]): Promise<void> {
    // What is not an envelope is found before anything is written.
    const commits = writes.map((write) => ({ write, records: recordsOf(write) }));
    const ids = [...new Set(writes.map(({ document }) => document))];
    await this.#commit(['log', 'states', 'outbox', 'damaged'], async (transaction) => {
      const log = unwrap(transaction.objectStore('log'));
      const outbox = unwrap(transaction.objectStore('outbox'));
      for (const { write, records } of commits) {
        for (const { key, record, local } of records) {
          if (local) addLocal(write.document, { log, outbox }, key, record);
          else log.put(record, key);
        }
      }
      const states = await Promise.all(ids.map((id) => this.#state(transaction, id)));
      const next = new Map(ids.map((id, index) => [id, states[index] as StateRecord]));
      for (const { write } of commits) {
        const state = next.get(write.document) as StateRecord;
        next.set(write.document, advanceState(state, write.resume, write.acknowledged));
        for (const { agent, to } of write.acknowledged ?? []) {
          const name = agentKey(agent);
          outbox.delete(IDBKeyRange.bound([write.document, name, 0], [write.document, name, to], false, true));
        }
      }
      for (const { write, records } of commits) {
        const state = next.get(write.document) as StateRecord;
        for (const { key, agent, to, local } of records) {
          if (local && !isAcknowledged(state, { agent, to })) outbox.put(write.at_ms, key);
          else outbox.delete(key);
        }
      }
      const stateStore = unwrap(transaction.objectStore('states'));
      for (const [id, state] of next) stateStore.put(encodeStateRecord(id, state), id);
    });
  }

  async load(id: string): Promise<StoredDocument> {
    const first = await this.#view(['log', 'snapshots', 'states'], (transaction) => readRaw(transaction, id));
    if (first.damage === undefined) return first.stored;
    // Read again inside the transaction that moves records: another tab may have been quicker.
    return await this.#commit(documentStores, async (transaction) => {
      const { stored, damage } = await readRaw(transaction, id);
      if (damage === undefined) return stored;
      const aside = unwrap(transaction.objectStore('damaged'));
      for (const record of stored.damaged) aside.add(record);
      for (const key of damage.log) unwrap(transaction.objectStore('log')).delete(key);
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
    return await this.#commit(documentStores, async (transaction) => {
      const log = transaction.objectStore('log');
      const [stored, state, keys, records] = await Promise.all([
        transaction.objectStore('snapshots').get(id),
        this.#state(transaction, id),
        log.getAllKeys(logRange(id)),
        log.getAll(logRange(id)),
      ]);
      if ((stored && snapshotTag(stored)) !== compaction.replaces) return undefined;
      const next = advanceState(state, compaction.resume);
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

  async documents(): Promise<string[]> {
    return (await this.#view(['states'], (transaction) => transaction.objectStore('states').getAllKeys())).sort();
  }

  async pending(): Promise<PendingDocument[]> {
    const [keys, times] = await this.#view(['outbox'], (transaction) => {
      const outbox = transaction.objectStore('outbox');
      return Promise.all([outbox.getAllKeys(), outbox.getAll()]);
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
    try {
      return record && decodeValueRecord(key, record);
    } catch {
      return undefined;
    }
  }

  async writeValue(key: string, value: Uint8Array | undefined): Promise<void> {
    await this.#commit(['values'], async (transaction) => {
      const store = unwrap(transaction.objectStore('values'));
      if (value === undefined) store.delete(key);
      else store.put(encodeValueRecord(key, value), key);
    });
  }

  async close(): Promise<void> {
    this.#ended ??= new JoineryError('closed', 'The store is closed; open it again.');
    const database = await this.#database?.catch(() => undefined);
    // Transactions that are under way still finish.
    database?.close();
  }

  #forget(database: Promise<Database>): void {
    if (this.#database === database) this.#database = undefined;
  }

  async #view<Result>(
    names: readonly StoreName[],
    body: (transaction: Transaction<'readonly'>) => Promise<Result>,
  ): Promise<Result> {
    const database = await this.connect();
    return await typed(() => {
      const transaction = database.transaction([...names]);
      // Its requests tell of a failure too; this promise must not do so as an unhandled rejection.
      transaction.done.catch(() => {});
      return body(transaction);
    });
  }

  /** A document's state record; a damaged one is set aside in the same transaction. */
  async #state(transaction: Transaction<'readwrite'>, id: string): Promise<StateRecord> {
    const raw = await transaction.objectStore('states').get(id);
    const { state, reason } = readState(id, raw);
    if (raw !== undefined && reason !== undefined) {
      unwrap(transaction.objectStore('damaged')).add({ document: id, area: 'state', bytes: raw, reason });
    }
    return state;
  }

  /** Runs `body` in one strict transaction: resolves when it is durable, and undoes all of it on any error. */
  async #commit<Result>(
    names: readonly StoreName[],
    body: (transaction: Transaction<'readwrite'>) => Promise<Result>,
  ): Promise<Result> {
    const database = await this.connect();
    return await typed(async () => {
      const transaction = database.transaction([...names], 'readwrite', { durability: 'strict' });
      const done = transaction.done;
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
    });
  }
}

async function readRaw<Mode extends IDBTransactionMode>(transaction: Transaction<Mode>, id: string) {
  const log = transaction.objectStore('log');
  const [keys, records, snapshot, state] = await Promise.all([
    log.getAllKeys(logRange(id)),
    log.getAll(logRange(id)),
    transaction.objectStore('snapshots').get(id),
    transaction.objectStore('states').get(id),
  ]);
  const raw = { snapshot, state, log: keys.map((key, index) => ({ key, bytes: records[index] as Uint8Array })) };
  return assemble(id, raw, (key, envelope) => key[1] === agentKey(envelope.agent) && key[2] === envelope.from);
}

/** Puts a local record where there is none from the server: that one says more, and stays. */
function addLocal(
  document: string,
  { log, outbox }: { readonly log: IDBObjectStore; readonly outbox: IDBObjectStore },
  key: LogKey,
  record: Uint8Array,
): void {
  const adding = log.add(record, key);
  adding.onerror = (event) => {
    if (adding.error?.name !== 'ConstraintError') return;
    // There is one. That is no error of the transaction.
    event.preventDefault();
    event.stopPropagation();
    const reading: IDBRequest<Uint8Array> = log.get(key);
    reading.onsuccess = () => {
      // `append` has made the outbox's row by then.
      if (decodedOf(document, reading.result)?.remote) outbox.delete(key);
      else log.put(record, key);
    };
  };
}

interface LogRecord {
  readonly key: LogKey;
  readonly agent: bigint;
  readonly to: number;
  readonly record: Uint8Array;
  readonly local: boolean;
}

function recordsOf(write: DocumentWrite): LogRecord[] {
  const { document, epoch, at_ms } = write;
  const record = (bytes: Uint8Array, position: number): LogRecord => {
    const header = readEnvelope(bytes);
    return {
      key: logKey(document, header),
      agent: header.agent,
      to: header.to,
      record: encodeEnvelopeRecord(document, { remote: position > 0, epoch, position, at_ms, bytes }),
      local: position === 0,
    };
  };
  const first = write.remote?.firstPosition ?? 0;
  return [
    ...(write.local ?? []).map((bytes) => record(bytes, 0)),
    ...(write.remote?.envelopes ?? []).map((bytes, index) => record(bytes, first + index)),
  ];
}

function logKey(document: string, { agent, from }: EnvelopeKey): LogKey {
  return [document, agentKey(agent), from];
}

function decodedOf(document: string, record: Uint8Array) {
  try {
    return decodeEnvelopeRecord(document, record);
  } catch {
    return undefined;
  }
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
