// Storage in memory: for tests, for servers that render, and for browsers that have nothing else. It holds the same
// records as the others, so that what is tested on it holds for them. It lasts as long as the storage object: open the
// same object again and the data is there, as after a reload.

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
  wiped,
} from './assemble.ts';
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
  looksRemote,
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
  keptReplacements,
  type Namespace,
  type PendingDocument,
  type Replacement,
  type Storage,
  type StoredDocument,
  type StoredRejection,
  type Swap,
} from './storage.ts';

/** One document's raw records. */
export interface MemoryDocument {
  snapshot: Uint8Array | undefined;
  state: Uint8Array | undefined;
  /** By agent and `from`, as `logKey` writes them. */
  readonly log: Map<string, Uint8Array>;
  /** By id. */
  readonly rejected: Map<string, Uint8Array>;
  /** By the incarnation that it began. */
  readonly replacements: Map<number, Uint8Array>;
}

/** One namespace's raw content: what a test looks into, or breaks. */
export interface MemoryArea {
  readonly documents: Map<string, MemoryDocument>;
  readonly values: Map<string, Uint8Array>;
  readonly damaged: DamagedRecord[];
  /** How often everything was removed. */
  wipes: number;
}

export class MemoryStorage implements Storage {
  readonly mode = 'memory';
  readonly shared: boolean;
  readonly #areas = new Map<string, MemoryArea>();

  /** @param shared for tests: the tabs of one device all have this very object. */
  constructor({ shared = false }: { readonly shared?: boolean } = {}) {
    this.shared = shared;
  }

  /** The raw content of a namespace. */
  area(namespace: Namespace): MemoryArea {
    const key = JSON.stringify([namespace.server, namespace.user, namespace.name]);
    let area = this.#areas.get(key);
    if (area === undefined) {
      area = { documents: new Map(), values: new Map(), damaged: [], wipes: 0 };
      this.#areas.set(key, area);
    }
    return area;
  }

  async open(namespace: Namespace): Promise<DocumentStore> {
    return new MemoryStore(this.area(namespace));
  }
}

class MemoryStore implements DocumentStore {
  readonly #area: MemoryArea;
  #wipes: number;
  #closed = false;

  constructor(area: MemoryArea) {
    this.#area = area;
    this.#wipes = area.wipes;
  }

  async append(writes: readonly DocumentWrite[]): Promise<void> {
    this.#checkWrite();
    // Everything that can fail comes first: a commit is whole or not at all.
    const next = new Map<string, StateRecord>();
    const commits = writes.map((write) => {
      const known = this.#area.documents.get(write.document);
      const before = next.get(write.document) ?? this.#peek(write.document, known);
      checkIncarnation(write, before);
      next.set(write.document, advanceState(before, write));
      const rejected = (write.rejected ?? []).map(
        (one) => [one.id, encodeRejectedRecord(write.document, one)] as const,
      );
      for (const name of write.settled ?? []) if (known?.rejected.has(name) !== true) throw notRejected(name);
      return { write, records: recordsOf(write), rejected };
    });
    for (const { write, records, rejected } of commits) {
      const id = write.document;
      const document = this.#document(id);
      const { epoch } = next.get(id) as StateRecord;
      if (this.#peek(id, document).epoch !== epoch) this.#enter(id, document, epoch);
      for (const { header, record } of records) {
        const key = logKey(header);
        const known = document.log.get(key);
        const merged = mergedEnvelope(known && decodedOf(id, known), inEpoch(record, epoch));
        document.log.set(key, encodeEnvelopeRecord(id, merged));
      }
      for (const [name, record] of rejected) document.rejected.set(name, record);
      for (const name of write.settled ?? []) document.rejected.delete(name);
      document.state = encodeStateRecord(id, advanceState(this.#state(id, document), write));
    }
  }

  async load(id: string): Promise<StoredDocument> {
    this.#check();
    const document = this.#area.documents.get(id);
    const raw = {
      snapshot: document?.snapshot,
      state: document?.state,
      incarnation: lastIncarnation(document),
      log: Array.from(document?.log ?? [], ([key, bytes]) => ({ key, bytes })),
    };
    const { stored, damage } = assemble(id, raw, (key, envelope) => key === logKey(envelope));
    if (damage !== undefined && document !== undefined) {
      this.#area.damaged.push(...stored.damaged);
      for (const key of damage.log) document.log.delete(key);
      if (damage.snapshot) document.snapshot = undefined;
      document.state = encodeStateRecord(id, damage.state);
    }
    return stored;
  }

  async read(id: string, keys: readonly EnvelopeKey[]): Promise<(Uint8Array | undefined)[]> {
    this.#check();
    const document = this.#area.documents.get(id);
    return keys.map((key) => {
      const record = document?.log.get(logKey(key));
      return record && decodedOf(id, record)?.bytes;
    });
  }

  async compact(id: string, compaction: Compaction): Promise<string | undefined> {
    this.#checkWrite();
    const document = this.#document(id);
    const stored = document.snapshot && snapshotTag(document.snapshot);
    const before = this.#state(id, document);
    if (stored !== compaction.replaces || before.incarnation !== compaction.incarnation) return undefined;
    if (!isSameIncarnation(before, compaction)) return undefined;
    const record = encodeSnapshotRecord(id, { epoch: compaction.epoch, bytes: compaction.bytes });
    const state = advanceState(before, compaction);
    document.snapshot = record;
    const agents = new Set<bigint>();
    for (const [key, bytes] of document.log) {
      // A damaged record stays for the next load to set it aside.
      const envelope = decodedOf(id, bytes);
      if (envelope !== undefined && isRemovable(envelope, state, compaction.covers)) document.log.delete(key);
      else if (envelope !== undefined) agents.add(envelope.agent);
    }
    document.state = encodeStateRecord(id, pruneState(state, agents));
    return snapshotTag(record);
  }

  async swap(id: string, swap: Swap): Promise<boolean> {
    this.#checkWrite();
    const document = this.#document(id);
    const log = Array.from(document.log, ([key, bytes]) => ({ key, bytes, envelope: decodedOf(id, bytes) }));
    const envelopes = log.flatMap(({ envelope }) => envelope ?? []);
    const swapped = swappedState(this.#state(id, document), envelopes, swap);
    if (swapped === undefined) return false;
    const { resume, at_ms, local, clockOffset_ms } = swap;
    const records = recordsOf({ document: id, incarnation: 0, epoch: resume.epoch, at_ms, local, clockOffset_ms });
    const replacement = replacementOf(swap);
    const rejected = swap.rejected.map((one) => [one.id, encodeRejectedRecord(id, one)] as const);
    document.snapshot = encodeSnapshotRecord(id, { epoch: resume.epoch, bytes: swap.snapshot });
    document.state = encodeStateRecord(id, swapped.state);
    for (const { key, bytes, envelope } of log) {
      if (envelope !== undefined && swapped.stays(envelope)) continue;
      document.log.delete(key);
      if (envelope === undefined) {
        const reason = 'It could not be read when the document was replaced.';
        this.#area.damaged.push({ document: id, area: 'log', bytes, reason });
      }
    }
    for (const { header, record } of records) document.log.set(logKey(header), encodeEnvelopeRecord(id, record));
    for (const [name, record] of rejected) document.rejected.set(name, record);
    document.replacements.set(replacement.incarnation, encodeReplacementRecord(id, replacement));
    document.replacements.delete(replacement.incarnation - keptReplacements);
    return true;
  }

  async replacements(id: string, after: number): Promise<Replacement[]> {
    this.#check();
    const later = [...(this.#area.documents.get(id)?.replacements ?? [])].filter(([key]) => key > after);
    return later
      .sort(([a], [b]) => a - b)
      .flatMap(([key, record]) => {
        try {
          return [decodeReplacementRecord(id, record)];
        } catch (error) {
          this.#setAside(id, 'replacement', record, error);
          this.#area.documents.get(id)?.replacements.delete(key);
          return [];
        }
      });
  }

  async rejected(only?: string): Promise<StoredRejection[]> {
    this.#check();
    const found: StoredRejection[] = [];
    for (const [id, document] of this.#area.documents) {
      if (only !== undefined && id !== only) continue;
      for (const [name, record] of document.rejected) {
        try {
          found.push({ document: id, id: name, ...decodeRejectedRecord(id, record) });
        } catch (error) {
          this.#setAside(id, 'rejected', record, error);
          document.rejected.delete(name);
        }
      }
    }
    return oldestFirst(found);
  }

  async removeRejected(id: string, ids: readonly string[]): Promise<void> {
    this.#checkWrite();
    for (const name of ids) this.#area.documents.get(id)?.rejected.delete(name);
  }

  async documents(): Promise<string[]> {
    this.#check();
    return [...this.#area.documents.keys()].sort();
  }

  async pending(): Promise<PendingDocument[]> {
    this.#check();
    const pending: PendingDocument[] = [];
    for (const [id, document] of this.#area.documents) {
      // A damaged state record is left for `load`; without it, nothing counts as acknowledged.
      const { state } = readState(id, document.state, 0);
      const acknowledged = new Map(state.acknowledged.map(({ agent, to }) => [agent, to]));
      // It is asked at every start and whenever the connection comes back: what came from the server is not read for it.
      const local = [...document.log.values()].filter((record) => !looksRemote(record));
      const open = local
        .flatMap((record) => decodedOf(id, record) ?? [])
        .filter(({ remote, agent, to }) => !remote && to > (acknowledged.get(agent) ?? 0));
      if (open.length === 0) continue;
      const oldestAt_ms = open.reduce((least, { at_ms }) => Math.min(least, at_ms), Infinity);
      pending.push({ document: id, envelopes: open.length, oldestAt_ms });
    }
    return pending;
  }

  async damaged(): Promise<DamagedRecord[]> {
    this.#check();
    return [...this.#area.damaged];
  }

  async readValue(key: string): Promise<Uint8Array | undefined> {
    this.#check();
    return this.#value(key);
  }

  async writeValue(key: string, value: Uint8Array | undefined): Promise<void> {
    this.#checkWrite();
    if (value === undefined) this.#area.values.delete(key);
    else this.#area.values.set(key, encodeValueRecord(key, value));
  }

  async changeValue(key: string, change: (known: Uint8Array | undefined) => Uint8Array): Promise<Uint8Array> {
    this.#checkWrite();
    const value = change(this.#value(key)).slice();
    this.#area.values.set(key, encodeValueRecord(key, value));
    return value;
  }

  async wipe(): Promise<void> {
    this.#checkWrite();
    this.#area.documents.clear();
    this.#area.values.clear();
    this.#area.damaged.length = 0;
    this.#area.wipes += 1;
    this.#wipes = this.#area.wipes;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #value(key: string): Uint8Array | undefined {
    const record = this.#area.values.get(key);
    try {
      return record && decodeValueRecord(key, record);
    } catch {
      return undefined;
    }
  }

  #document(id: string): MemoryDocument {
    let document = this.#area.documents.get(id);
    if (document === undefined) {
      document = {
        snapshot: undefined,
        state: undefined,
        log: new Map(),
        rejected: new Map(),
        replacements: new Map(),
      };
      this.#area.documents.set(id, document);
    }
    return document;
  }

  /** What is in the log already was written before an epoch was known. */
  #enter(id: string, { log }: MemoryDocument, epoch: number): void {
    for (const [key, record] of log) {
      const envelope = decodedOf(id, record);
      if (envelope !== undefined) log.set(key, encodeEnvelopeRecord(id, inEpoch(envelope, epoch)));
    }
  }

  #peek(id: string, document: MemoryDocument | undefined): StateRecord {
    return this.#readState(id, document).state;
  }

  #readState(id: string, document: MemoryDocument | undefined): ReturnType<typeof readState> {
    const read = readState(id, document?.state, lastIncarnation(document));
    if (document === undefined || read.reason === undefined) return read;
    return { ...read, state: { ...read.state, epoch: epochLeft(id, document.snapshot, document.log.values()) } };
  }

  #state(id: string, document: MemoryDocument): StateRecord {
    const { state, reason } = this.#readState(id, document);
    if (document.state !== undefined && reason !== undefined) {
      this.#area.damaged.push({ document: id, area: 'state', bytes: document.state, reason });
      // So that it is set aside once, whatever comes of what is under way.
      document.state = encodeStateRecord(id, state);
    }
    return state;
  }

  #setAside(document: string, area: DamagedRecord['area'], bytes: Uint8Array, error: unknown): void {
    this.#area.damaged.push({ document, area, bytes, reason: asJoineryError(error, 'storage-corrupt').message });
  }

  #checkWrite(): void {
    this.#check();
    if (this.#area.wipes !== this.#wipes) throw wiped();
  }

  #check(): void {
    if (this.#closed) throw new JoineryError('closed', 'The store is closed; open it again.');
  }
}

function logKey({ agent, from }: EnvelopeKey): string {
  return `${agentKey(agent)}:${from}`;
}

function lastIncarnation(document: MemoryDocument | undefined): number {
  return Math.max(0, ...(document?.replacements.keys() ?? []));
}
