// Reads documents out of IndexedDB, many at once where many are wanted: what comes while others are being read is read together, in
// one transaction and by ranges of keys. A request costs the same for one record as for a hundred, so ten thousand documents that an
// app opens take some dozens of requests in place of fifty thousand. It changes nothing, and doesn't say what is damaged.

import type { RawDocument } from './assemble.ts';
import { type LogKey, logRange, type Transaction } from './indexeddb-database.ts';

/** Runs `body` in a transaction that reads these stores. */
export type View = <Result>(
  names: readonly ('log' | 'snapshots' | 'states' | 'replaced')[],
  body: (transaction: Transaction<'readonly'>) => Promise<Result>,
) => Promise<Result>;

/** So many transactions read at a time before what comes waits, to be read together. */
const readsAtOnce = 4;
/** So many documents are read by one transaction: the first of many are not to wait for the last. */
const together_count = 1_024;

interface Waiting {
  readonly id: string;
  resolve(raw: RawDocument<LogKey>): void;
  reject(error: unknown): void;
}

export class Loads {
  readonly #view: View;
  #waiting: Waiting[] = [];
  #reading = 0;

  constructor(view: View) {
    this.#view = view;
  }

  /** What is stored of a document when it is its turn, or later. */
  load(id: string): Promise<RawDocument<LogKey>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#reading >= readsAtOnce || this.#waiting.length === 0) return;
    const group = this.#waiting.splice(0, together_count);
    this.#reading += 1;
    this.#read(group).finally(() => {
      this.#reading -= 1;
      this.#next();
    });
  }

  async #read(group: readonly Waiting[]): Promise<void> {
    try {
      const ids = [...new Set(group.map(({ id }) => id))];
      const read = await this.#view(['log', 'snapshots', 'states', 'replaced'], (transaction) =>
        readRaw(transaction, ids),
      );
      for (const { id, resolve } of group) resolve(read.get(id) as RawDocument<LogKey>);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}

/** What is stored of these documents, each of which is named once. */
export async function readRaw<Mode extends IDBTransactionMode>(
  transaction: Transaction<Mode>,
  ids: readonly string[],
): Promise<Map<string, RawDocument<LogKey>>> {
  const sorted = [...ids].sort(inKeyOrder);
  // One document asks for all it has at once; of several it is worth a turn to know what lies between them.
  if (sorted.length === 1) return await readRun(transaction, sorted, undefined);
  const { known, states } = await readBetween(transaction, sorted);
  const runs = await Promise.all(runsOf(sorted, known).map((run) => readRun(transaction, run, states)));
  return new Map(runs.flatMap((run) => [...run]));
}

/** The state records of these documents, each of which is named once. */
export async function readStates<Mode extends IDBTransactionMode>(
  transaction: Transaction<Mode>,
  ids: readonly string[],
): Promise<Map<string, Uint8Array>> {
  const store = transaction.objectStore('states');
  if (ids.length > 1) return (await readBetween(transaction, [...ids].sort(inKeyOrder))).states;
  const records = await Promise.all(ids.map((id) => store.get(id)));
  return new Map(ids.flatMap((id, index) => (records[index] === undefined ? [] : [[id, records[index]]])));
}

/** IndexedDB's order of strings, by their units: JavaScript's. */
function inKeyOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Which documents lie from the first of these to the last, others too; undefined where those are too many to be read for this. With
 * them the state records of these, and perhaps of others.
 */
async function readBetween<Mode extends IDBTransactionMode>(
  transaction: Transaction<Mode>,
  sorted: readonly string[],
): Promise<{ readonly known: readonly string[] | undefined; readonly states: Map<string, Uint8Array> }> {
  const store = transaction.objectStore('states');
  const range = IDBKeyRange.bound(sorted[0], sorted.at(-1));
  const limit_count = sorted.length * 2;
  const [keys, records] = await Promise.all([store.getAllKeys(range, limit_count), store.getAll(range, limit_count)]);
  if (keys.length < limit_count) {
    return { known: keys, states: new Map(keys.map((key, index) => [key, records[index] as Uint8Array])) };
  }
  const found = await Promise.all(sorted.map((id) => store.get(id)));
  const states = sorted.flatMap((id, index): [string, Uint8Array][] => {
    const record = found[index];
    return record === undefined ? [] : [[id, record]];
  });
  return { known: undefined, states: new Map(states) };
}

/** Cuts them where a document stands between two that is none of them: a range reads nothing that nobody wants. */
function runsOf(sorted: readonly string[], known: readonly string[] | undefined): readonly string[][] {
  if (known === undefined) return sorted.map((id) => [id]);
  const runs: string[][] = [];
  let [run, at] = [[] as string[], 0];
  for (const id of sorted) {
    let isBetween = false;
    for (; at < known.length && (known[at] as string) <= id; at += 1) isBetween ||= known[at] !== id;
    if (isBetween && run.length > 0) {
      runs.push(run);
      run = [];
    }
    run.push(id);
  }
  return [...runs, run];
}

/** Documents between which stands no other. */
async function readRun<Mode extends IDBTransactionMode>(
  transaction: Transaction<Mode>,
  run: readonly string[],
  states: ReadonlyMap<string, Uint8Array> | undefined,
): Promise<Map<string, RawDocument<LogKey>>> {
  const [first, last] = [run[0] as string, run.at(-1) as string];
  const parts = IDBKeyRange.bound(logRange(first).lower, logRange(last).upper);
  const whole = IDBKeyRange.bound(first, last);
  const [log, snapshots, replaced] = [
    transaction.objectStore('log'),
    transaction.objectStore('snapshots'),
    transaction.objectStore('replaced'),
  ];
  const [keys, records, snapshotKeys, snapshotRecords, replacedKeys, state] = await Promise.all([
    log.getAllKeys(parts),
    log.getAll(parts),
    snapshots.getAllKeys(whole),
    snapshots.getAll(whole),
    replaced.getAllKeys(parts),
    states === undefined ? transaction.objectStore('states').get(first) : undefined,
  ]);
  const found = new Map(
    run.map((id) => [
      id,
      {
        log: [] as { key: LogKey; bytes: Uint8Array }[],
        snapshot: undefined as Uint8Array | undefined,
        state: states === undefined ? state : states.get(id),
        incarnation: 0,
      },
    ]),
  );
  keys.forEach((key, index) => {
    found.get(key[0])?.log.push({ key, bytes: records[index] as Uint8Array });
  });
  snapshotKeys.forEach((id, index) => {
    const document = found.get(id);
    if (document !== undefined) document.snapshot = snapshotRecords[index];
  });
  for (const [id, incarnation] of replacedKeys) {
    const document = found.get(id);
    // In their order: the last one is the highest.
    if (document !== undefined) document.incarnation = incarnation;
  }
  return found;
}
