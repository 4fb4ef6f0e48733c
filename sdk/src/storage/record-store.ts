// The document store of every storage that brings raw records along (see `records.ts`): what is read and written in which
// commit. It does no I/O, and how records look and what follows from them is decided elsewhere (`record.ts`, `assemble.ts`).

import { asJoineryError, JoineryError } from '@joinery/protocol';
import {
  advanceState,
  agentKey,
  assemble,
  checkIncarnation,
  decodedOf,
  epochLeft,
  inEpoch,
  isRemovable,
  mergedEnvelope,
  notRejected,
  oldestFirst,
  pruneState,
  readState,
  recordsOf,
  replacementOf,
  swappedState,
} from './assemble.ts';
import { decodeMark, encodeMark, isOwnValue, isSameMark, moveKey, shutBy } from './move-mark.ts';
import {
  decodeRejectedRecord,
  decodeReplacementRecord,
  decodeValueRecord,
  encodeEnvelopeRecord,
  encodeRejectedRecord,
  encodeReplacementRecord,
  encodeSnapshotRecord,
  encodeStateRecord,
  encodeValueRecord,
  type StateRecord,
  snapshotTag,
} from './record.ts';
import type { RecordFile, RecordReader, RecordWriter } from './records.ts';
import {
  type Compaction,
  type DamagedRecord,
  type DocumentStore,
  type DocumentWrite,
  type EnvelopeKey,
  isSameIncarnation,
  keptReplacements,
  type MoveMark,
  type PendingDocument,
  type RawChange,
  type RawRecords,
  type Replacement,
  type StoredDocument,
  type StoredRejection,
  type StoreEvents,
  type Survey,
  type Swap,
} from './storage.ts';
import { checkedMark, markKey, seenMark, wipedMark } from './store-mark.ts';
import { readUndo, undoChanges, undoDropped, undoKey, undoListKey, type ValueChanges } from './undo-records.ts';

/**
 * Opens a document store on records.
 *
 * @throws JoineryError what reading the records throws
 */
export async function openRecordStore(file: RecordFile, events: StoreEvents = {}): Promise<DocumentStore> {
  const mark = await file.view((records) => valueAt(records, markKey));
  return new RecordStore(file, mark, events);
}

class RecordStore implements DocumentStore {
  readonly #file: RecordFile;
  /** See `store-mark.ts`; undefined: nothing was ever here. */
  #mark: Uint8Array | undefined;
  #closed = false;
  readonly #events: StoreEvents;
  #isLost = false;

  constructor(file: RecordFile, mark: Uint8Array | undefined, events: StoreEvents) {
    this.#file = file;
    this.#mark = mark;
    this.#events = events;
  }

  get isNew(): boolean {
    return this.#mark === undefined;
  }

  append(writes: readonly DocumentWrite[]): Promise<void> {
    // What is not an envelope is found before anything is written, and what is given may change afterwards.
    let commits: readonly Append[];
    try {
      commits = writes.map((write) => ({ write, records: recordsOf(write) }));
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#write((records) => appendAll(records, commits));
  }

  async load(id: string): Promise<StoredDocument> {
    const first = await this.#view((records) => read(records, id));
    if (first.damage === undefined) return first.stored;
    // Read again inside the commit that moves records: another tab may have been quicker.
    return await this.#commit((records) => {
      const { stored, damage } = read(records, id);
      if (damage === undefined) return stored;
      for (const record of stored.damaged) records.setAside(record);
      for (const name of damage.log) records.delete('log', id, name);
      if (damage.snapshot) records.delete('snapshot', id, '');
      records.put('state', id, '', encodeStateRecord(id, damage.state));
      return stored;
    });
  }

  read(id: string, keys: readonly EnvelopeKey[]): Promise<(Uint8Array | undefined)[]> {
    return this.#view((records) =>
      keys.map((key) => {
        const record = records.get('log', id, logName(key));
        return record && decodedOf(id, record)?.bytes;
      }),
    );
  }

  compact(id: string, compaction: Compaction): Promise<string | undefined> {
    const record = encodeSnapshotRecord(id, { epoch: compaction.epoch, bytes: compaction.bytes });
    return this.#write((records) => {
      const stored = records.get('snapshot', id, '');
      const before = stateOf(records, id);
      if (!isSameIncarnation(before, compaction) || (stored && snapshotTag(stored)) !== compaction.replaces) return;
      const state = advanceState(before, compaction);
      const agents = new Set<bigint>();
      for (const [name, bytes] of [...records.list('log', id)]) {
        // A damaged record stays for the next load to set it aside.
        const envelope = decodedOf(id, bytes);
        if (envelope !== undefined && isRemovable(envelope, state, compaction.covers)) records.delete('log', id, name);
        else if (envelope !== undefined) agents.add(envelope.agent);
      }
      records.put('snapshot', id, '', record);
      records.put('state', id, '', encodeStateRecord(id, pruneState(state, agents)));
      return snapshotTag(record);
    });
  }

  swap(id: string, swap: Swap): Promise<boolean> {
    return this.#write((records) => swapIn(records, id, swap));
  }

  replacements(id: string, after: number): Promise<Replacement[]> {
    return this.#reading('replacement', [id], (document, name, record) =>
      Number(name) > after ? decodeReplacementRecord(document, record) : undefined,
    ).then((found) => found.sort((a, b) => a.incarnation - b.incarnation));
  }

  async rejected(only?: string): Promise<StoredRejection[]> {
    const ids = only === undefined ? undefined : [only];
    const found = await this.#reading('rejected', ids, (document, id, record) => ({
      document,
      id,
      ...decodeRejectedRecord(document, record),
    }));
    return oldestFirst(found);
  }

  removeRejected(id: string, ids: readonly string[]): Promise<void> {
    return this.#write((records) => {
      for (const name of ids) records.delete('rejected', id, name);
    });
  }

  async undo(id: string, owner: string, name: string) {
    const key = undoKey(id, owner, name);
    const record = await this.#view((records) => records.get('value', '', key));
    const found = record && readUndo(id, key, record);
    if (found === undefined || 'stack' in found) return { stack: found?.stack };
    await this.#write((records) => {
      records.delete('value', '', key);
      records.setAside(found.damaged);
    });
    return found;
  }

  documents(): Promise<string[]> {
    return this.#view((records) => [...records.documents()].sort());
  }

  pending(): Promise<PendingDocument[]> {
    return this.#view((records) => {
      if (this.#mark !== undefined) checkedMark(this.#mark, valueAt(records, markKey));
      const pending = new Map<string, PendingDocument>();
      const acknowledged = new Map<string, ReadonlyMap<bigint, number>>();
      for (const [document, record] of records.localLog()) {
        const envelope = decodedOf(document, record);
        if (envelope === undefined || envelope.remote) continue;
        let known = acknowledged.get(document);
        if (known === undefined) {
          // A damaged state record is left for `load`; without it, nothing counts as acknowledged.
          const { state } = readState(document, records.get('state', document, ''), 0);
          known = new Map(state.acknowledged.map(({ agent, to }) => [agent, to]));
          acknowledged.set(document, known);
        }
        if (envelope.to <= (known.get(envelope.agent) ?? 0)) continue;
        const { envelopes = 0, oldestAt_ms = envelope.at_ms } = pending.get(document) ?? {};
        const oldest = Math.min(oldestAt_ms, envelope.at_ms);
        pending.set(document, { document, envelopes: envelopes + 1, oldestAt_ms: oldest });
      }
      return [...pending.values()];
    });
  }

  damaged(): Promise<DamagedRecord[]> {
    return this.#view((records) => records.damaged());
  }

  readValue(key: string): Promise<Uint8Array | undefined> {
    return this.#view((records) => valueAt(records, key));
  }

  writeValue(key: string, value: Uint8Array | undefined): Promise<void> {
    const record = value && encodeValueRecord(key, value);
    return this.#write((records) => {
      if (record === undefined) records.delete('value', '', key);
      else records.put('value', '', key, record);
    });
  }

  changeValue(key: string, change: (known: Uint8Array | undefined) => Uint8Array): Promise<Uint8Array> {
    return this.#write((records) => {
      const value = change(valueAt(records, key)).slice();
      records.put('value', '', key, encodeValueRecord(key, value));
      return value;
    });
  }

  async wipe(): Promise<void> {
    this.#mark = await this.#write((records, mark) => {
      const wiped = wipedMark(mark);
      const move = records.get('value', '', moveKey);
      records.clear();
      if (move !== undefined) records.put('value', '', moveKey, move);
      records.put('value', '', markKey, encodeValueRecord(markKey, wiped));
      return wiped;
    });
  }

  readonly raw: RawRecords = {
    survey: async () => {
      this.#check();
      return await this.#file.view(surveyOf);
    },
    read: async (names) => {
      this.#check();
      return await this.#file.view((records) =>
        names.map(({ area, document, name }) => records.get(area, document, name)?.slice()),
      );
    },
    change: async (change) => {
      this.#check();
      return await this.#file.commit((records) => changeRaw(records, change));
    },
  };

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }

  /** Decodes all records of an area, of these documents or of all that have some; damaged ones are set aside. */
  async #reading<Decoded>(
    area: 'rejected' | 'replacement',
    only: readonly string[] | undefined,
    decode: (document: string, name: string, record: Uint8Array) => Decoded | undefined,
  ): Promise<Decoded[]> {
    const readAll = (records: RecordReader): { found: Decoded[]; bad: (DamagedRecord & { name: string })[] } => {
      const found: Decoded[] = [];
      const bad: (DamagedRecord & { name: string })[] = [];
      for (const document of only ?? records.rejecting()) {
        for (const [name, bytes] of records.list(area, document)) {
          try {
            const decoded = decode(document, name, bytes);
            if (decoded !== undefined) found.push(decoded);
          } catch (error) {
            bad.push({ document, area, bytes, name, reason: asJoineryError(error, 'storage-corrupt').message });
          }
        }
      }
      return { found, bad };
    };
    const first = await this.#view(readAll);
    if (first.bad.length === 0) return first.found;
    return await this.#commit((records) => {
      const { found, bad } = readAll(records);
      for (const { name, ...record } of bad) {
        records.delete(area, record.document, name);
        records.setAside(record);
      }
      return found;
    });
  }

  async #view<Result>(body: (records: RecordReader) => Result): Promise<Result> {
    this.#check();
    return await this.#used(
      this.#file.view((records) => {
        checkMark(records);
        // What is read may be written to: from here on it has to stay.
        this.#mark = seenMark(this.#mark, valueAt(records, markKey));
        return body(records);
      }),
    );
  }

  async #commit<Result>(body: (records: RecordWriter) => Result): Promise<Result> {
    this.#check();
    return await this.#used(
      this.#file.commit((records) => {
        checkMark(records);
        return body(records);
      }),
    );
  }

  /** Tells when the store can't be used any more. */
  async #used<Result>(done: Promise<Result>): Promise<Result> {
    try {
      return await done;
    } catch (error) {
      if (endsStore(error) && !this.#isLost) {
        this.#isLost = true;
        this.#events.lost?.(error);
      }
      throw error;
    }
  }

  /** The same, unless everything was removed since this store was opened. */
  async #write<Result>(body: (records: RecordWriter, mark: Uint8Array) => Result): Promise<Result> {
    const { mark, result } = await this.#commit((records) => {
      const stored = valueAt(records, markKey);
      const mark = checkedMark(this.#mark, stored);
      if (stored === undefined) records.put('value', '', markKey, encodeValueRecord(markKey, mark));
      return { mark, result: body(records, mark) };
    });
    this.#mark = mark;
    return result;
  }

  #check(): void {
    if (this.#closed) throw new JoineryError('closed', 'The store is closed; open it again.');
  }
}

/** Whether nothing can be done with a store any more after this. */
function endsStore(error: unknown): error is JoineryError {
  return error instanceof JoineryError && (error.code === 'storage-moved' || error.code === 'storage-too-new');
}

function markAt(records: RecordReader): MoveMark | undefined {
  const record = records.get('value', '', moveKey);
  return record && decodeMark(decodeValueRecord(moveKey, record));
}

/** @throws JoineryError `storage-moved` where what is here isn't all there is */
function checkMark(records: RecordReader): void {
  const error = shutBy(markAt(records));
  if (error !== undefined) throw error;
}

function surveyOf(records: RecordReader): Survey {
  const names = [...records.names()].filter(({ area, name }) => area !== 'value' || !isOwnValue(name));
  return { mark: markAt(records), names, damaged: records.damaged() };
}

function changeRaw(records: RecordWriter, change: RawChange): boolean {
  const { expect, mark, clear = false, vacant = false, put = [], setAside = [] } = change;
  if (!isSameMark(markAt(records), expect)) return false;
  const { names, damaged } = vacant ? surveyOf(records) : { names: [], damaged: [] };
  if (names.length > 0 || damaged.length > 0) return false;
  if (clear) {
    const own = records.get('value', '', markKey);
    records.clear();
    if (own !== undefined) records.put('value', '', markKey, own);
  }
  for (const { area, document, name, bytes } of put) records.put(area, document, name, bytes);
  for (const record of setAside) records.setAside(record);
  // What counts from here on must not be gone unnoticed, before it is written to.
  if (mark?.state === 'arrived' && valueAt(records, markKey) === undefined) {
    records.put('value', '', markKey, encodeValueRecord(markKey, checkedMark(undefined, undefined)));
  }
  if (mark === undefined) records.delete('value', '', moveKey);
  else records.put('value', '', moveKey, encodeValueRecord(moveKey, encodeMark(mark)));
  return true;
}

interface Append {
  readonly write: DocumentWrite;
  readonly records: ReturnType<typeof recordsOf>;
}

function appendAll(records: RecordWriter, commits: readonly Append[]): void {
  // Everything that can fail comes first.
  const next = new Map<string, StateRecord>();
  for (const { write } of commits) {
    const { document, settled = [] } = write;
    const before = next.get(document) ?? readStateOf(records, document).state;
    checkIncarnation(write, before);
    next.set(document, advanceState(before, write));
    for (const name of settled) {
      if (records.get('rejected', document, name) === undefined) throw notRejected(name);
    }
  }
  for (const [document, { epoch }] of next) {
    if (stateOf(records, document).epoch !== epoch) enterEpoch(records, document, epoch);
  }
  for (const { write, records: envelopes } of commits) {
    const { document } = write;
    const { epoch } = next.get(document) as StateRecord;
    for (const { header, record } of envelopes) {
      const name = logName(header);
      const known = records.get('log', document, name);
      const merged = mergedEnvelope(known && decodedOf(document, known), inEpoch(record, epoch));
      records.put('log', document, name, encodeEnvelopeRecord(document, merged));
    }
    for (const one of write.rejected ?? []) {
      records.put('rejected', document, one.id, encodeRejectedRecord(document, one));
    }
    for (const name of write.settled ?? []) records.delete('rejected', document, name);
  }
  for (const { write } of commits) {
    if (write.undo !== undefined) {
      putValues(records, undoChanges(valueAt(records, undoListKey(write.document)), write));
    }
  }
  for (const [document, state] of next) records.put('state', document, '', encodeStateRecord(document, state));
}

function putValues(records: RecordWriter, changes: ValueChanges): void {
  for (const [key, value] of changes) {
    if (value === undefined) records.delete('value', '', key);
    else records.put('value', '', key, encodeValueRecord(key, value));
  }
}

function swapIn(records: RecordWriter, id: string, swap: Swap): boolean {
  const log = Array.from(records.list('log', id), ([name, bytes]) => ({ name, bytes, envelope: decodedOf(id, bytes) }));
  const envelopes = log.flatMap(({ envelope }) => envelope ?? []);
  const swapped = swappedState(stateOf(records, id), envelopes, swap);
  if (swapped === undefined) return false;
  const { resume, at_ms, local, clockOffset_ms } = swap;
  for (const { name, bytes, envelope } of log) {
    if (envelope !== undefined && swapped.stays(envelope)) continue;
    records.delete('log', id, name);
    if (envelope !== undefined) continue;
    const reason = 'It could not be read when the document was replaced.';
    records.setAside({ document: id, area: 'log', bytes, reason });
  }
  const made = recordsOf({ document: id, incarnation: 0, epoch: resume.epoch, at_ms, local, clockOffset_ms });
  for (const { header, record } of made) records.put('log', id, logName(header), encodeEnvelopeRecord(id, record));
  const snapshot = encodeSnapshotRecord(id, { epoch: resume.epoch, bytes: swap.snapshot });
  records.put('snapshot', id, '', snapshot);
  records.put('state', id, '', encodeStateRecord(id, swapped.state));
  for (const one of swap.rejected) records.put('rejected', id, one.id, encodeRejectedRecord(id, one));
  const replacement = replacementOf(swap);
  const { incarnation } = replacement;
  records.put('replacement', id, String(incarnation), encodeReplacementRecord(id, replacement));
  records.delete('replacement', id, String(incarnation - keptReplacements));
  putValues(records, undoDropped(id, valueAt(records, undoListKey(id))));
  return true;
}

function read(records: RecordReader, id: string): ReturnType<typeof assemble<string>> {
  const raw = {
    snapshot: records.get('snapshot', id, ''),
    state: records.get('state', id, ''),
    incarnation: lastIncarnation(records, id),
    log: Array.from(records.list('log', id), ([key, bytes]) => ({ key, bytes })),
  };
  return assemble(id, raw, (name, envelope) => name === logName(envelope));
}

/** What is in the log already was written before an epoch was known. */
function enterEpoch(records: RecordWriter, id: string, epoch: number): void {
  for (const [name, record] of [...records.list('log', id)]) {
    const envelope = decodedOf(id, record);
    if (envelope !== undefined) records.put('log', id, name, encodeEnvelopeRecord(id, inEpoch(envelope, epoch)));
  }
}

/** A document's state record; a damaged one is set aside in the same commit. */
function stateOf(records: RecordWriter, id: string): StateRecord {
  const { state, damaged } = readStateOf(records, id);
  if (damaged !== undefined) {
    records.setAside(damaged);
    // So that it is set aside once, whatever comes of what is under way.
    records.put('state', id, '', encodeStateRecord(id, state));
  }
  return state;
}

function readStateOf(
  records: RecordReader,
  id: string,
): { readonly state: StateRecord; readonly damaged?: DamagedRecord } {
  const bytes = records.get('state', id, '');
  const { state, reason } = readState(id, bytes, 0);
  if (bytes === undefined || reason === undefined) return { state };
  const log = Array.from(records.list('log', id), ([, record]) => record);
  const epoch = epochLeft(id, records.get('snapshot', id, ''), log);
  const incarnation = lastIncarnation(records, id);
  return { state: { ...state, incarnation, epoch }, damaged: { document: id, area: 'state', bytes, reason } };
}

/** The last incarnation that a swap has told of. */
function lastIncarnation(records: RecordReader, id: string): number {
  let last = 0;
  for (const [name] of records.list('replacement', id)) last = Math.max(last, Number(name));
  return last;
}

/** A damaged value reads as absent. */
function valueAt(records: RecordReader, key: string): Uint8Array | undefined {
  const record = records.get('value', '', key);
  try {
    return record && decodeValueRecord(key, record);
  } catch {
    return undefined;
  }
}

/** The name of an envelope's record in the log. */
export function logName({ agent, from }: EnvelopeKey): string {
  return `${agentKey(agent)}:${from}`;
}
