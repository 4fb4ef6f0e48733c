// The whole state of a document that nobody has open, as it lies in storage. It changes nothing there but that `load` sets
// damaged records aside.

import { JoineryError } from '@joinery/protocol';
import { Replica } from '../core/index.ts';
import type { DocumentStore } from '../storage/storage.ts';
import { causalOrder } from './causal-order.ts';

export interface StoredState {
  /** For `Replica.load`; undefined where there is no such document. */
  readonly state: Uint8Array | undefined;
  /** Something of it was set aside, and is not in the state. */
  readonly damaged: JoineryError | undefined;
}

/** @throws JoineryError what reading throws, and `invalid-snapshot`, `invalid-update` where the core can't read what is there */
export async function storedState(store: DocumentStore, document: string, now: () => number): Promise<StoredState> {
  const { snapshot, log, damaged } = await store.load(document);
  const [first] = damaged;
  const told =
    first && new JoineryError('storage-corrupt', `A stored ${first.area} record is damaged. ${first.reason}`);
  if (snapshot === undefined && log.length === 0) return { state: undefined, damaged: told };
  const options = { now, trustStamps: true };
  const replica = snapshot === undefined ? new Replica(options) : Replica.load(snapshot.bytes, options);
  try {
    replica.applyUpdates(causalOrder(log).map(({ bytes }) => bytes));
    return { state: replica.encodeSnapshot(), damaged: told };
  } finally {
    replica.free();
  }
}
