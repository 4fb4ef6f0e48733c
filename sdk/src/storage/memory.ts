// Storage in memory: for tests, for servers that render, and for browsers that have nothing else. It holds the same
// records as the others, so that what is tested on it holds for them. It lasts as long as the storage object: open the
// same object again and the data is there, as after a reload.

import { JoineryError, readEnvelope } from '@joinery/protocol';
import { advanceState, agentKey, assemble, isRemovable, pruneState, readState } from './assemble.ts';
import {
  decodeEnvelopeRecord,
  decodeValueRecord,
  encodeEnvelopeRecord,
  encodeSnapshotRecord,
  encodeStateRecord,
  encodeValueRecord,
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
} from './storage.ts';

/** One document's raw records. */
export interface MemoryDocument {
  snapshot: Uint8Array | undefined;
  state: Uint8Array | undefined;
  /** By agent and `from`, as `logKey` writes them. */
  readonly log: Map<string, Uint8Array>;
}

/** One namespace's raw content: what a test looks into, or breaks. */
export interface MemoryArea {
  readonly documents: Map<string, MemoryDocument>;
  readonly values: Map<string, Uint8Array>;
  readonly damaged: DamagedRecord[];
}

export class MemoryStorage implements Storage {
  readonly mode = 'memory';
  readonly #areas = new Map<string, MemoryArea>();

  /** The raw content of a namespace. */
  area(namespace: Namespace): MemoryArea {
    const key = JSON.stringify([namespace.server, namespace.user, namespace.name]);
    let area = this.#areas.get(key);
    if (area === undefined) {
      area = { documents: new Map(), values: new Map(), damaged: [] };
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
  #closed = false;

  constructor(area: MemoryArea) {
    this.#area = area;
  }

  async append(writes: readonly DocumentWrite[]): Promise<void> {
    this.#check();
    // Everything that can fail comes first: a commit is whole or not at all.
    const commits = writes.map((write) => ({ write, records: recordsOf(write) }));
    for (const { write, records } of commits) {
      const document = this.#document(write.document);
      for (const { key, record, local } of records) {
        // One that came from the server says more than a local one.
        const known = local ? document.log.get(key) : undefined;
        if (known === undefined || !decodedOf(write.document, known)?.remote) document.log.set(key, record);
      }
      const state = this.#state(write.document, document);
      document.state = encodeStateRecord(write.document, advanceState(state, write.resume, write.acknowledged));
    }
  }

  async load(id: string): Promise<StoredDocument> {
    this.#check();
    const document = this.#area.documents.get(id);
    const raw = {
      snapshot: document?.snapshot,
      state: document?.state,
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
      return record && envelopeOf(id, record);
    });
  }

  async compact(id: string, compaction: Compaction): Promise<string | undefined> {
    this.#check();
    const document = this.#document(id);
    const stored = document.snapshot && snapshotTag(document.snapshot);
    if (stored !== compaction.replaces) return undefined;
    const record = encodeSnapshotRecord(id, { epoch: compaction.epoch, bytes: compaction.bytes });
    const state = advanceState(this.#state(id, document), compaction.resume);
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

  async documents(): Promise<string[]> {
    this.#check();
    return [...this.#area.documents.keys()].sort();
  }

  async pending(): Promise<PendingDocument[]> {
    this.#check();
    const pending: PendingDocument[] = [];
    for (const [id, document] of this.#area.documents) {
      // A damaged state record is left for `load`; without it, nothing counts as acknowledged.
      const { state } = readState(id, document.state);
      const acknowledged = new Map(state.acknowledged.map(({ agent, to }) => [agent, to]));
      const open = Array.from(document.log.values(), (record) => decodedOf(id, record)).filter(
        (envelope) =>
          envelope !== undefined && !envelope.remote && envelope.to > (acknowledged.get(envelope.agent) ?? 0),
      );
      if (open.length === 0) continue;
      const oldestAt_ms = open.reduce((least, envelope) => Math.min(least, envelope?.at_ms ?? least), Infinity);
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
    const record = this.#area.values.get(key);
    try {
      return record && decodeValueRecord(key, record);
    } catch {
      return undefined;
    }
  }

  async writeValue(key: string, value: Uint8Array | undefined): Promise<void> {
    this.#check();
    if (value === undefined) this.#area.values.delete(key);
    else this.#area.values.set(key, encodeValueRecord(key, value));
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #document(id: string): MemoryDocument {
    let document = this.#area.documents.get(id);
    if (document === undefined) {
      document = { snapshot: undefined, state: undefined, log: new Map() };
      this.#area.documents.set(id, document);
    }
    return document;
  }

  #state(id: string, document: MemoryDocument) {
    const { state, reason } = readState(id, document.state);
    if (document.state !== undefined && reason !== undefined) {
      this.#area.damaged.push({ document: id, area: 'state', bytes: document.state, reason });
      document.state = undefined;
    }
    return state;
  }

  #check(): void {
    if (this.#closed) throw new JoineryError('closed', 'The store is closed; open it again.');
  }
}

function logKey({ agent, from }: EnvelopeKey): string {
  return `${agentKey(agent)}:${from}`;
}

interface LogRecord {
  readonly key: string;
  readonly record: Uint8Array;
  readonly local: boolean;
}

function recordsOf(write: DocumentWrite): LogRecord[] {
  const { document, epoch, at_ms } = write;
  const record = (bytes: Uint8Array, position: number): LogRecord => ({
    key: logKey(readEnvelope(bytes)),
    record: encodeEnvelopeRecord(document, { remote: position > 0, epoch, position, at_ms, bytes }),
    local: position === 0,
  });
  const first = write.remote?.firstPosition ?? 0;
  return [
    ...(write.local ?? []).map((bytes) => record(bytes, 0)),
    ...(write.remote?.envelopes ?? []).map((bytes, index) => record(bytes, first + index)),
  ];
}

function decodedOf(document: string, record: Uint8Array) {
  try {
    return decodeEnvelopeRecord(document, record);
  } catch {
    return undefined;
  }
}

function envelopeOf(document: string, record: Uint8Array): Uint8Array | undefined {
  return decodedOf(document, record)?.bytes;
}
