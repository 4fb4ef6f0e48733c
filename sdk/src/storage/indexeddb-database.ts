// The IndexedDB database of one namespace: its name, its stores, opening, upgrading, and what its errors mean. Not the
// storage itself.
//
//   log        [document, agent, from] → envelope record
//   snapshots  document → snapshot record
//   states     document → state record (every known document has one)
//   outbox     [document, agent, from] → time of the write, for local envelopes that were not acknowledged. An index
//              only: it says which documents to open; what is unsynced is decided by the log and the state record.
//   rejected   [document, id] → rejected record
//   replaced   [document, incarnation] → replacement record
//   values     key → value record
//   damaged    automatic key → DamagedRecord

import { JoineryError } from '@joinery/protocol';
import { type DBSchema, type IDBPDatabase, type IDBPTransaction, openDB, type StoreNames } from 'idb';
import { agentKey } from './assemble.ts';
import type { DamagedRecord, EnvelopeKey, Namespace, StoreEvents } from './storage.ts';
import { evicted } from './store-mark.ts';

export type LogKey = [document: string, agent: string, from: number];

export interface Schema extends DBSchema {
  log: { key: LogKey; value: Uint8Array };
  snapshots: { key: string; value: Uint8Array };
  states: { key: string; value: Uint8Array };
  outbox: { key: LogKey; value: number };
  rejected: { key: [document: string, id: string]; value: Uint8Array };
  replaced: { key: [document: string, incarnation: number]; value: Uint8Array };
  values: { key: string; value: Uint8Array };
  damaged: { key: number; value: DamagedRecord };
}

export type Database = IDBPDatabase<Schema>;
type Upgrading = IDBPTransaction<Schema, StoreNames<Schema>[], 'versionchange'>;

/** Makes a database of one version one of the next. It may read and write records; what it does is one transaction with the rest. */
export type Upgrade = (database: Database, transaction: Upgrading) => void | Promise<void>;

/** From version 0 (none) to 1, from 1 to 2, and so on. One that was released is never changed. */
export const upgrades: readonly Upgrade[] = [
  (database) => {
    for (const name of ['log', 'snapshots', 'states', 'outbox', 'values'] as const) database.createObjectStore(name);
    database.createObjectStore('damaged', { autoIncrement: true });
  },
  (database) => {
    database.createObjectStore('rejected');
    database.createObjectStore('replaced');
  },
];

/** The version that this code writes. */
export const databaseVersion = upgrades.length;

export const documentStores = ['log', 'snapshots', 'states', 'outbox', 'rejected', 'replaced', 'damaged'] as const;
export type StoreName = (typeof documentStores)[number] | 'values';
export type Transaction<Mode extends IDBTransactionMode> = IDBPTransaction<Schema, StoreName[], Mode>;

export function logKey(document: string, { agent, from }: EnvelopeKey): LogKey {
  return [document, agentKey(agent), from];
}

export function databaseName({ server, user, name }: Namespace): string {
  return `joinery:${[server, user, name].map(encodeURIComponent).join('/')}`;
}

/** All keys of a document that begin with its id, for a key range. */
export function logRange(document: string): IDBKeyRange {
  // Arrays sort after numbers and strings, so [document, []] is above every key that starts with the document.
  return IDBKeyRange.bound([document], [document, []]);
}

/** @param steps for tests of what a later version will do */
export async function openDatabase(
  namespace: Namespace,
  events: StoreEvents,
  closed: () => void,
  steps: readonly Upgrade[] = upgrades,
): Promise<Database> {
  if (typeof indexedDB === 'undefined') {
    throw new JoineryError('storage-unavailable', {
      expected: 'IndexedDB',
      got: 'none in this environment',
      remedy: "Use storage: 'memory', or pass a storage of your own.",
    });
  }
  let failure: unknown;
  try {
    const database = await openDB<Schema>(databaseName(namespace), steps.length, {
      upgrade(db, oldVersion, _newVersion, transaction) {
        // Opening fails where it is aborted; this promise must not do so as an unhandled rejection.
        transaction.done.catch(() => {});
        const run = async (): Promise<void> => {
          for (const step of steps.slice(oldVersion)) await step(db, transaction);
        };
        return run().catch((error: unknown) => {
          failure = error;
          try {
            // Half an upgrade is none.
            transaction.abort();
          } catch {
            // It has ended already.
          }
        });
      },
      blocked() {
        events.blocked?.(
          new JoineryError('storage-locked', {
            expected: 'the database to open',
            got: 'a tab with an older version of this app that holds it',
            remedy: 'Close or reload the other tabs of this app.',
          }),
        );
      },
      blocking(_current, next) {
        // Whoever waits is a newer version of this code, or is deleting the database: it must not wait for ever.
        database.close();
        closed();
        events.lost?.(
          next === null
            ? evicted()
            : new JoineryError('storage-too-new', {
                expected: `the database in version ${steps.length}`,
                got: `its upgrade to version ${next} by another tab`,
                remedy: 'Reload this tab. What it has not stored yet is still in its memory.',
              }),
        );
      },
      terminated: closed,
    });
    return database;
  } catch (error) {
    throw openError(failure ?? error);
  }
}

/** What it means that the database didn't open. */
function openError(error: unknown): JoineryError {
  // The browser gives this page no storage at all (it is in a sandbox, or the user has turned storage off).
  if (error instanceof Error && error.name === 'SecurityError') {
    return new JoineryError(
      'storage-unavailable',
      {
        expected: 'IndexedDB to be allowed',
        got: `${error.name}: ${error.message}`,
        remedy: "Allow this page to store data, or use storage: 'memory'.",
      },
      { cause: error },
    );
  }
  return storageError(error);
}

/** What an exception of IndexedDB means. */
export function storageError(error: unknown): JoineryError {
  if (error instanceof JoineryError) return error;
  const name = error instanceof Error ? error.name : '';
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (name === 'QuotaExceededError') {
    return new JoineryError(
      'storage-full',
      {
        expected: 'room on this device',
        got: text,
        remedy: 'Free space; the write is kept in memory and tried again.',
      },
      { cause: error },
    );
  }
  if (name === 'VersionError') {
    return new JoineryError(
      'storage-too-new',
      {
        expected: `a database of version ${databaseVersion} or lower`,
        got: 'one that a newer version of this app has upgraded',
        remedy: 'Reload this tab to get the newer version.',
      },
      { cause: error },
    );
  }
  return new JoineryError(
    'storage-failed',
    { expected: 'IndexedDB to work', got: text, remedy: 'The operation is safe to try again.' },
    { cause: error },
  );
}
