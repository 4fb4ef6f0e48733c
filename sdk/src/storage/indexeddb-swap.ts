// Swaps and the rejected list in IndexedDB: what happens inside the transaction of whoever calls it. It opens no
// transaction and decides nothing; `assemble.ts` does.

import { asJoineryError } from '@joinery/protocol';
import { unwrap } from 'idb';
import { decodedOf, epochLeft, oldestFirst, readState, recordsOf, replacementOf, swappedState } from './assemble.ts';
import { logKey, logRange, type Transaction } from './indexeddb-database.ts';
import { readStates } from './indexeddb-loads.ts';
import {
  decodeRejectedRecord,
  decodeReplacementRecord,
  encodeEnvelopeRecord,
  encodeRejectedRecord,
  encodeReplacementRecord,
  encodeSnapshotRecord,
  encodeStateRecord,
  type StateRecord,
} from './record.ts';
import { type DamagedRecord, keptReplacements, type Replacement, type StoredRejection, type Swap } from './storage.ts';

/** A document's state record; a damaged one is set aside in the same transaction. */
export async function stateOf(transaction: Transaction<'readwrite'>, id: string): Promise<StateRecord> {
  return await readable(transaction, id, await transaction.objectStore('states').get(id));
}

/** The same of several documents. */
export async function statesOf(
  transaction: Transaction<'readwrite'>,
  ids: readonly string[],
): Promise<Map<string, StateRecord>> {
  const raw = await readStates(transaction, ids);
  const states = new Map<string, StateRecord>();
  // Only a damaged one is waited for.
  for (const id of ids) states.set(id, await readable(transaction, id, raw.get(id)));
  return states;
}

async function readable(
  transaction: Transaction<'readwrite'>,
  id: string,
  raw: Uint8Array | undefined,
): Promise<StateRecord> {
  const first = readState(id, raw, 0);
  if (raw === undefined || first.reason === undefined) return first.state;
  setAside(transaction, { document: id, area: 'state', bytes: raw, reason: first.reason });
  const [replaced, snapshot, log] = await Promise.all([
    transaction.objectStore('replaced').getAllKeys(logRange(id)),
    transaction.objectStore('snapshots').get(id),
    transaction.objectStore('log').getAll(logRange(id)),
  ]);
  return { ...first.state, incarnation: replaced.at(-1)?.[1] ?? 0, epoch: epochLeft(id, snapshot, log) };
}

export async function swapIn(transaction: Transaction<'readwrite'>, id: string, swap: Swap): Promise<boolean> {
  const log = transaction.objectStore('log');
  const [state, keys, records, outboxKeys] = await Promise.all([
    stateOf(transaction, id),
    log.getAllKeys(logRange(id)),
    log.getAll(logRange(id)),
    transaction.objectStore('outbox').getAllKeys(logRange(id)),
  ]);
  const envelopes = records.map((record) => decodedOf(id, record));
  const swapped = swappedState(
    state,
    envelopes.flatMap((envelope) => envelope ?? []),
    swap,
  );
  if (swapped === undefined) return false;
  const { resume, at_ms, local, clockOffset_ms } = swap;
  const [logStore, outbox] = [unwrap(log), unwrap(transaction.objectStore('outbox'))];
  for (const key of outboxKeys) outbox.delete(key);
  keys.forEach((key, index) => {
    const envelope = envelopes[index];
    if (envelope !== undefined && swapped.stays(envelope)) return;
    logStore.delete(key);
    if (envelope !== undefined) return;
    const reason = 'It could not be read when the document was replaced.';
    setAside(transaction, { document: id, area: 'log', bytes: records[index] as Uint8Array, reason });
  });
  const made = recordsOf({ document: id, incarnation: 0, epoch: resume.epoch, at_ms, local, clockOffset_ms });
  for (const { header, record } of made) {
    logStore.put(encodeEnvelopeRecord(id, record), logKey(id, header));
    outbox.put(at_ms, logKey(id, header));
  }
  const snapshot = encodeSnapshotRecord(id, { epoch: resume.epoch, bytes: swap.snapshot });
  unwrap(transaction.objectStore('snapshots')).put(snapshot, id);
  unwrap(transaction.objectStore('states')).put(encodeStateRecord(id, swapped.state), id);
  const rejected = unwrap(transaction.objectStore('rejected'));
  for (const one of swap.rejected) rejected.put(encodeRejectedRecord(id, one), [id, one.id]);
  const replaced = unwrap(transaction.objectStore('replaced'));
  const replacement = replacementOf(swap);
  replaced.put(encodeReplacementRecord(id, replacement), [id, replacement.incarnation]);
  replaced.delete([id, replacement.incarnation - keptReplacements]);
  return true;
}

export async function readReplacements(
  transaction: Transaction<'readwrite'>,
  id: string,
  after: number,
): Promise<Replacement[]> {
  const store = transaction.objectStore('replaced');
  const range = IDBKeyRange.bound([id, after], [id, []], true);
  const [keys, records] = await Promise.all([store.getAllKeys(range), store.getAll(range)]);
  return records.flatMap((record, index) => {
    try {
      return [decodeReplacementRecord(id, record)];
    } catch (error) {
      unwrap(store).delete(keys[index] as IDBValidKey);
      setAside(transaction, {
        document: id,
        area: 'replacement',
        bytes: record,
        reason: asJoineryError(error).message,
      });
      return [];
    }
  });
}

export async function readRejected(
  transaction: Transaction<'readwrite'>,
  only: string | undefined,
): Promise<StoredRejection[]> {
  const store = transaction.objectStore('rejected');
  const range = only === undefined ? undefined : logRange(only);
  const [keys, records] = await Promise.all([store.getAllKeys(range), store.getAll(range)]);
  const found = records.flatMap((record, index): StoredRejection[] => {
    const [document, id] = keys[index] as [string, string];
    try {
      return [{ document, id, ...decodeRejectedRecord(document, record) }];
    } catch (error) {
      unwrap(store).delete([document, id]);
      setAside(transaction, { document, area: 'rejected', bytes: record, reason: asJoineryError(error).message });
      return [];
    }
  });
  return oldestFirst(found);
}

function setAside(transaction: Transaction<'readwrite'>, record: DamagedRecord): void {
  unwrap(transaction.objectStore('damaged')).add(record);
}
