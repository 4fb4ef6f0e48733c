// What every storage does with raw records: puts a stored document together, and works out a document's next state
// record. No I/O: a storage calls this inside its transaction.

import { asJoineryError, JoineryError, type ResumePoint, readEnvelope } from '@joinery/protocol';
import { crc32 } from './checksum.ts';
import {
  type DecodedEnvelope,
  decodeEnvelopeRecord,
  decodeSnapshotRecord,
  decodeStateRecord,
  type EnvelopeRecord,
  type StateRecord,
  snapshotTag,
} from './record.ts';
import {
  type Acknowledgement,
  type DamagedRecord,
  type DocumentWrite,
  type EnvelopeKey,
  isSameIncarnation,
  keptBridges_bytes,
  type Replacement,
  StaleIncarnation,
  type StoredDocument,
  type StoredEnvelope,
  type StoredRejection,
  type StoredSnapshot,
  type Swap,
} from './storage.ts';

/** A document's records as they lie in storage. */
export interface RawDocument<Key> {
  /** The last one that a swap has told of: for when the state record can't be read. */
  readonly incarnation: number;
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

export const emptyState: StateRecord = {
  repairs: 0,
  resume: undefined,
  acknowledged: [],
  incarnation: 0,
  safe: undefined,
  epoch: 0,
};

/** So many acknowledgements of one agent are told apart; of more, envelopes may stay longer than they have to. */
const acknowledgementLimit = 64;

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

  const { state, reason } = readState(document, raw.state, raw.incarnation);
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
        clockOffset_ms: record.clockOffset_ms,
        own: record.own,
        acknowledged: record.remote || record.to <= (acknowledged.get(record.agent) ?? 0),
        safe: isSafe(record, state),
      });
    } catch (error) {
      setAside('log', bytes, asJoineryError(error, 'storage-corrupt').message);
      damagedKeys.push(key);
    }
  }

  const { incarnation, safe } = state;
  // Where the state record is lost, or was written before it told so, what is left of the others does.
  const epoch = state.epoch || snapshot?.epoch || lastEpoch(log);
  if (damaged.length === 0) {
    const { resume, repairs } = state;
    return { stored: { snapshot, log, resume, repairs, incarnation, epoch, safe, damaged }, damage: undefined };
  }
  const repaired: StateRecord = { ...state, epoch, repairs: state.repairs + 1, resume: undefined };
  return {
    stored: { snapshot, log, resume: undefined, repairs: repaired.repairs, incarnation, epoch, safe, damaged },
    damage: { log: damagedKeys, snapshot: snapshotDamaged, state: repaired },
  };
}

/**
 * A document's state record; when it is damaged (`reason`), one that no tab has seen and that no resume point fits.
 *
 * @param incarnation the document's last known one, for that case
 */
export function readState(
  document: string,
  raw: Uint8Array | undefined,
  incarnation: number,
): { state: StateRecord; reason: string | undefined } {
  if (raw === undefined) return { state: emptyState, reason: undefined };
  try {
    return { state: decodeStateRecord(document, raw), reason: undefined };
  } catch (error) {
    // The count of repairs is lost with the record: any number that is unlikely to have been counted to does.
    const state = { ...emptyState, repairs: crc32(raw) + 1, incarnation };
    return { state, reason: asJoineryError(error, 'storage-corrupt').message };
  }
}

/** What is to be stored where there is a record of the same envelope: what either knows is kept. */
export function mergedEnvelope(known: DecodedEnvelope | undefined, next: EnvelopeRecord): EnvelopeRecord {
  return inEpoch(merged(known, next), next.epoch);
}

/** A record of an incarnation that is in this epoch; 0 while none is known. */
export function inEpoch<Record extends EnvelopeRecord>(record: Record, epoch: number): Record {
  return record.epoch === 0 && epoch !== 0 ? { ...record, epoch } : record;
}

function merged(known: DecodedEnvelope | undefined, next: EnvelopeRecord): EnvelopeRecord {
  if (known === undefined || (known.remote && known.own && next.remote)) return known ?? next;
  // One that came from the server says more than a local one; which clock it was written by, only the local one knows.
  if (next.remote) return known.own ? { ...next, own: true, clockOffset_ms: known.clockOffset_ms } : next;
  return known.remote ? { ...known, own: true, clockOffset_ms: next.clockOffset_ms } : known;
}

/** The records of an append, in its order. */
export function recordsOf(
  write: DocumentWrite,
): { readonly header: EnvelopeKey & { to: number }; record: EnvelopeRecord }[] {
  const { epoch, at_ms, clockOffset_ms } = write;
  const first = write.remote?.firstPosition ?? 0;
  const record = (bytes: Uint8Array, position: number) => {
    const { agent, from, to } = readEnvelope(bytes);
    const remote = position > 0;
    const offset = remote ? undefined : clockOffset_ms;
    return {
      header: { agent, from, to },
      record: { remote, own: !remote, epoch, position, at_ms, clockOffset_ms: offset, bytes },
    };
  };
  return [
    ...(write.local ?? []).map((bytes) => record(bytes, 0)),
    ...(write.remote?.envelopes ?? []).map((bytes, index) => record(bytes, first + index)),
  ];
}

/** An envelope record; undefined when it is damaged, and left for the next load to set it aside. */
export function decodedOf(document: string, record: Uint8Array): DecodedEnvelope | undefined {
  try {
    return decodeEnvelopeRecord(document, record);
  } catch {
    return undefined;
  }
}

/** @throws StaleIncarnation where a write is of an earlier incarnation, or of one that isn't stored, or of another epoch */
export function checkIncarnation({ document, incarnation, epoch }: DocumentWrite, state: StateRecord): void {
  const got = { incarnation, epoch };
  if (!isSameIncarnation(got, state)) throw new StaleIncarnation(document, state, got);
}

/** The state record after a commit; the same object when nothing changes. */
export function advanceState(
  state: StateRecord,
  { epoch, resume, acknowledged = [], safe }: Pick<DocumentWrite, 'epoch' | 'resume' | 'acknowledged' | 'safe'>,
): StateRecord {
  let next = state.epoch === 0 && epoch !== 0 ? { ...state, epoch } : state;
  if (resume !== undefined && resume.repairs === state.repairs && isAhead(resume, state.resume)) {
    next = { ...next, resume: { epoch: resume.epoch, position: resume.position } };
  }
  // Within an epoch it may fall: when the first backup is made, until which whatever was committed counted as safe.
  if (safe !== undefined && safe.epoch >= (state.safe?.epoch ?? 0)) {
    next = { ...next, safe: { epoch: safe.epoch, position: safe.position } };
  }
  for (const given of acknowledged) {
    const known = next.acknowledged.filter(({ agent }) => agent === given.agent);
    if ((known.at(-1)?.to ?? 0) >= given.to) continue;
    const others = next.acknowledged.filter(({ agent }) => agent !== given.agent);
    next = { ...next, acknowledged: [...others, ...told(known, given, next.safe)] };
  }
  return next;
}

/** An agent's acknowledgements with one more: of those that are safe the last one says it all. */
function told(
  known: readonly Acknowledgement[],
  given: Acknowledgement,
  safe: ResumePoint | undefined,
): readonly Acknowledgement[] {
  const isPassed = ({ position }: Acknowledgement): boolean => safe !== undefined && position <= safe.position;
  // An acknowledgement that is told late may have a position below the one before; what rests on it is later all the same.
  const position = Math.max(given.position, known.at(-1)?.position ?? 0);
  const all = [...known, { ...given, position }];
  const firstOpen = all.findIndex((one) => !isPassed(one));
  const passed = firstOpen === -1 ? all.length : firstOpen;
  const kept = all.slice(Math.max(0, passed - 1));
  // Without the lowest open one, what it stood for is told by the next.
  if (kept.length > acknowledgementLimit) kept.splice(passed > 0 ? 1 : 0, 1);
  return kept;
}

/** The state record without acknowledgements of agents that have no record in the log: so it can't grow for ever. */
export function pruneState(state: StateRecord, agents: ReadonlySet<bigint>): StateRecord {
  const acknowledged = state.acknowledged.filter(({ agent }) => agents.has(agent));
  return acknowledged.length === state.acknowledged.length ? state : { ...state, acknowledged };
}

/** Whether a log record may go: the snapshot covers it, the server has it, and so has its backup where it is ours. */
export function isRemovable(record: DecodedEnvelope, state: StateRecord, covers: ReadonlyMap<bigint, number>): boolean {
  return record.to <= (covers.get(record.agent) ?? 0) && isSafe(record, state);
}

/** Whether nobody here has to keep an envelope any more, for its author's sake. */
export function isSafe(record: DecodedEnvelope, state: StateRecord): boolean {
  if (record.remote && !record.own) return true;
  const passed = (position: number): boolean => state.safe !== undefined && position <= state.safe.position;
  if (record.remote && passed(record.position)) return true;
  return state.acknowledged.some(
    ({ agent, to, position }) => agent === record.agent && record.to <= to && passed(position),
  );
}

export function isAcknowledged(state: StateRecord, envelope: { readonly agent: bigint; readonly to: number }): boolean {
  return state.acknowledged.some(({ agent, to }) => agent === envelope.agent && envelope.to <= to);
}

/** The highest seq of each own agent in a log. */
export function ownAgents(
  log: Iterable<{ readonly own: boolean; readonly agent: bigint; readonly to: number }>,
): Map<bigint, number> {
  const agents = new Map<bigint, number>();
  for (const { own, agent, to } of log) if (own) agents.set(agent, Math.max(to, agents.get(agent) ?? 0));
  return agents;
}

/** The epoch that the other records tell of where the state record is damaged; 0: none. */
export function epochLeft(document: string, snapshot: Uint8Array | undefined, log: Iterable<Uint8Array>): number {
  try {
    const epoch = snapshot && decodeSnapshotRecord(document, snapshot).epoch;
    if (epoch) return epoch;
  } catch {
    // The next load sets it aside.
  }
  return lastEpoch([...log].flatMap((record) => decodedOf(document, record) ?? []));
}

/** The epoch that a log's own records tell of, where nothing else does; 0: none. */
function lastEpoch(log: Iterable<{ readonly epoch: number }>): number {
  let last = 0;
  for (const { epoch } of log) last = Math.max(last, epoch);
  return last;
}

/** The state after a swap, and which of the old log's records stay; undefined when the swap is void. */
export function swappedState(
  state: StateRecord,
  log: readonly DecodedEnvelope[],
  swap: Swap,
): { readonly state: StateRecord; readonly stays: (record: DecodedEnvelope) => boolean } | undefined {
  if (state.incarnation !== swap.incarnation) return undefined;
  const found = ownAgents(log);
  for (const [agent, to] of found) if (to !== swap.expectAgents.get(agent)) return undefined;
  const { resume } = swap;
  const sameEpoch = (state.epoch || lastEpoch(log)) === resume.epoch;
  const mark = { ...resume, repairs: state.repairs };
  const acknowledged = swap.agents
    .filter(({ last }) => last > 0)
    .map(({ agent, last }) => ({ agent, to: last, position: resume.position }));
  // Positions of another epoch say nothing in this one.
  const base: StateRecord = {
    ...state,
    incarnation: state.incarnation + 1,
    resume: undefined,
    epoch: 0,
    ...(sameEpoch ? {} : { acknowledged: [], safe: undefined }),
  };
  const next = advanceState(base, {
    epoch: resume.epoch,
    resume: mark,
    acknowledged,
    ...(swap.safe === undefined ? {} : { safe: swap.safe }),
  });
  const last = new Map(swap.agents.map(({ agent, last: to }) => [agent, to]));
  // A restored backup has what the server still has; a trim is made of what the backup has.
  const stays = (record: DecodedEnvelope): boolean =>
    sameEpoch && record.own && record.to <= (last.get(record.agent) ?? 0) && !isSafe(record, next);
  return { state: pruneState(next, new Set(log.filter(stays).map(({ agent }) => agent))), stays };
}

/** What a swap leaves behind for those who come later. */
export function replacementOf({ incarnation, agents, rejected, mapping, bridges = [] }: Swap): Replacement {
  const ranges = rejected.flatMap(({ agent, parts }) =>
    parts.map(({ from, to, code, message }) => ({ agent, from, to, code, message })),
  );
  // All of them or none: with some, what is found leads to the wrong epoch.
  const isKept = bridges.reduce((sum, { bytes }) => sum + bytes.length, 0) <= keptBridges_bytes;
  return { incarnation: incarnation + 1, agents, rejected: ranges, mapping, bridges: isKept ? bridges : [] };
}

/** Both are of the incarnation's epoch. */
function isAhead(next: ResumePoint, stored: ResumePoint | undefined): boolean {
  return stored === undefined || next.position > stored.position;
}

/** An append deals with entries of the rejected list, and one of them is not there. */
export function notRejected(id: string): JoineryError {
  return new JoineryError('not-found', {
    expected: `the entry ${JSON.stringify(id)} in the rejected list`,
    got: 'none: it was dealt with elsewhere',
    remedy: 'Look at `rejected.entries` again.',
  });
}

/** The rejected list's order, whichever storage it lies in. */
export function oldestFirst(list: readonly StoredRejection[]): StoredRejection[] {
  return [...list].sort((a, b) => a.at_ms - b.at_ms || (a.id < b.id ? -1 : 1));
}
