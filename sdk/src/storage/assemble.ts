// What every storage does with raw records: puts a stored document together, and works out a document's next state
// record. No I/O: a storage calls this inside its transaction.

import { asJoineryError, type ResumePoint } from '@joinery/protocol';
import { crc32 } from './checksum.ts';
import {
  type DecodedEnvelope,
  decodeEnvelopeRecord,
  decodeSnapshotRecord,
  decodeStateRecord,
  type StateRecord,
  snapshotTag,
} from './record.ts';
import type {
  Acknowledgement,
  DamagedRecord,
  ResumeMark,
  StoredDocument,
  StoredEnvelope,
  StoredSnapshot,
} from './storage.ts';

/** A document's records as they lie in storage. */
export interface RawDocument<Key> {
  readonly snapshot: Uint8Array | undefined;
  readonly state: Uint8Array | undefined;
  readonly log: readonly { readonly key: Key; readonly bytes: Uint8Array }[];
}

/** What `assemble` found broken, with what the storage has to move aside. */
export interface Damage<Key> {
  readonly log: readonly Key[];
  readonly snapshot: boolean;
  /** To be written in place of the state record. */
  readonly state: StateRecord;
}

export const emptyState: StateRecord = { repairs: 0, resume: undefined, acknowledged: [] };

/** Agents and seqs of the log as key parts that sort and compare in every storage. */
export function agentKey(agent: bigint): string {
  return agent.toString(16).padStart(16, '0');
}

export function assemble<Key>(
  document: string,
  raw: RawDocument<Key>,
  belongs: (key: Key, envelope: DecodedEnvelope) => boolean,
): { stored: StoredDocument; damage: Damage<Key> | undefined } {
  const damaged: DamagedRecord[] = [];
  const setAside = (area: DamagedRecord['area'], bytes: Uint8Array, reason: string): void => {
    damaged.push({ document, area, bytes, reason });
  };

  const { state, reason } = readState(document, raw.state);
  if (raw.state !== undefined && reason !== undefined) setAside('state', raw.state, reason);

  let snapshot: StoredSnapshot | undefined;
  if (raw.snapshot !== undefined) {
    try {
      snapshot = { tag: snapshotTag(raw.snapshot), ...decodeSnapshotRecord(document, raw.snapshot) };
    } catch (error) {
      setAside('snapshot', raw.snapshot, asJoineryError(error, 'storage-corrupt').message);
    }
  }
  const snapshotDamaged = raw.snapshot !== undefined && snapshot === undefined;

  const acknowledged = new Map(state.acknowledged.map(({ agent, to }) => [agent, to]));
  const log: StoredEnvelope[] = [];
  const damagedKeys: Key[] = [];
  for (const { key, bytes } of raw.log) {
    try {
      const record = decodeEnvelopeRecord(document, bytes);
      if (!belongs(key, record)) throw new Error('Expected the envelope that the key names, got another one.');
      log.push({
        agent: record.agent,
        from: record.from,
        to: record.to,
        bytes: record.bytes,
        epoch: record.epoch,
        at_ms: record.at_ms,
        acknowledged: record.remote || record.to <= (acknowledged.get(record.agent) ?? 0),
      });
    } catch (error) {
      setAside('log', bytes, asJoineryError(error, 'storage-corrupt').message);
      damagedKeys.push(key);
    }
  }

  if (damaged.length === 0) {
    return { stored: { snapshot, log, resume: state.resume, repairs: state.repairs, damaged }, damage: undefined };
  }
  const repaired: StateRecord = { ...state, repairs: state.repairs + 1, resume: undefined };
  return {
    stored: { snapshot, log, resume: undefined, repairs: repaired.repairs, damaged },
    damage: { log: damagedKeys, snapshot: snapshotDamaged, state: repaired },
  };
}

/** A document's state record; when it is damaged (`reason`), one that no tab has seen and that no resume point fits. */
export function readState(
  document: string,
  raw: Uint8Array | undefined,
): { state: StateRecord; reason: string | undefined } {
  if (raw === undefined) return { state: emptyState, reason: undefined };
  try {
    return { state: decodeStateRecord(document, raw), reason: undefined };
  } catch (error) {
    // The count of repairs is lost with the record: any number that is unlikely to have been counted to does.
    const state = { ...emptyState, repairs: crc32(raw) + 1 };
    return { state, reason: asJoineryError(error, 'storage-corrupt').message };
  }
}

/** The state record after a commit; the same object when nothing changes. */
export function advanceState(
  state: StateRecord,
  resume: ResumeMark | undefined,
  acknowledgements: readonly Acknowledgement[] = [],
): StateRecord {
  let next = state;
  if (resume !== undefined && resume.repairs === state.repairs && isAhead(resume, state.resume)) {
    next = { ...next, resume: { epoch: resume.epoch, position: resume.position } };
  }
  for (const given of acknowledgements) {
    const known = next.acknowledged.find(({ agent }) => agent === given.agent);
    if (known !== undefined && known.to >= given.to) continue;
    next = { ...next, acknowledged: [...next.acknowledged.filter((other) => other !== known), given] };
  }
  return next;
}

/** The state record without acknowledgements of agents that have no record in the log: so it can't grow for ever. */
export function pruneState(state: StateRecord, agents: ReadonlySet<bigint>): StateRecord {
  const acknowledged = state.acknowledged.filter(({ agent }) => agents.has(agent));
  return acknowledged.length === state.acknowledged.length ? state : { ...state, acknowledged };
}

/** Whether a log record may go: the snapshot covers it and the server has it. */
export function isRemovable(record: DecodedEnvelope, state: StateRecord, covers: ReadonlyMap<bigint, number>): boolean {
  if (record.to > (covers.get(record.agent) ?? 0)) return false;
  return record.remote || isAcknowledged(state, record);
}

export function isAcknowledged(state: StateRecord, envelope: { readonly agent: bigint; readonly to: number }): boolean {
  return state.acknowledged.some(({ agent, to }) => agent === envelope.agent && envelope.to <= to);
}

/** Epochs never go back, so a higher epoch is ahead of any position in a lower one. */
function isAhead(next: ResumePoint, stored: ResumePoint | undefined): boolean {
  if (stored === undefined) return true;
  return next.epoch > stored.epoch || (next.epoch === stored.epoch && next.position > stored.position);
}
