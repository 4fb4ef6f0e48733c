// Storage in memory: for tests, for servers that render, and for browsers that have nothing else. It holds the same
// records as the others, so that what is tested on it holds for them. It lasts as long as the storage object: open the
// same object again and the data is there, as after a reload.

import { looksRemote } from './record.ts';
import { openRecordStore } from './record-store.ts';
import type { RecordArea, RecordFile, RecordName, RecordReader, RecordWriter } from './records.ts';
import type { DamagedRecord, DocumentStore, Namespace, Storage, StoreEvents } from './storage.ts';

/** One document's raw records. */
export interface MemoryDocument {
  snapshot: Uint8Array | undefined;
  state: Uint8Array | undefined;
  /** By agent and `from`, as `logName` writes them. */
  readonly log: Map<string, Uint8Array>;
  /** By id. */
  readonly rejected: Map<string, Uint8Array>;
  /** By the incarnation that it began. */
  readonly replacements: Map<string, Uint8Array>;
}

/** One namespace's raw content: what a test looks into, or breaks. */
export interface MemoryArea {
  readonly documents: Map<string, MemoryDocument>;
  readonly values: Map<string, Uint8Array>;
  readonly damaged: DamagedRecord[];
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
      area = { documents: new Map(), values: new Map(), damaged: [] };
      this.#areas.set(key, area);
    }
    return area;
  }

  open(namespace: Namespace, events?: StoreEvents): Promise<DocumentStore> {
    return openRecordStore(new MemoryFile(this.area(namespace)), events);
  }
}

class MemoryFile implements RecordFile {
  readonly #records: MemoryRecords;

  constructor(area: MemoryArea) {
    this.#records = new MemoryRecords(area);
  }

  async view<Result>(body: (records: RecordReader) => Result): Promise<Result> {
    return body(this.#records);
  }

  async commit<Result>(body: (records: RecordWriter) => Result): Promise<Result> {
    return this.#records.whole(() => body(this.#records));
  }

  async close(): Promise<void> {}
}

class MemoryRecords implements RecordWriter {
  readonly #area: MemoryArea;
  /** Takes back what the commit under way has done, the last thing first. */
  #undo: (() => void)[] = [];

  constructor(area: MemoryArea) {
    this.#area = area;
  }

  /** What `body` writes stays, all of it or nothing. */
  whole<Result>(body: () => Result): Result {
    try {
      return body();
    } catch (error) {
      for (const back of this.#undo.reverse()) back();
      throw error;
    } finally {
      this.#undo = [];
    }
  }

  get(area: RecordArea, document: string, name: string): Uint8Array | undefined {
    if (area === 'value') return this.#area.values.get(name);
    const known = this.#area.documents.get(document);
    if (area === 'snapshot' || area === 'state') return known?.[area];
    return known && mapOf(known, area).get(name);
  }

  list(area: RecordArea, document: string): Iterable<readonly [string, Uint8Array]> {
    if (area === 'value') return this.#area.values;
    const known = this.#area.documents.get(document);
    if (known === undefined) return [];
    if (area !== 'snapshot' && area !== 'state') return mapOf(known, area);
    const record = known[area];
    return record === undefined ? [] : [['', record]];
  }

  *names(): Generator<RecordName> {
    for (const name of this.#area.values.keys()) yield { area: 'value', document: '', name };
    for (const [document, known] of this.#area.documents) {
      for (const area of ['snapshot', 'state'] as const) if (known[area]) yield { area, document, name: '' };
      for (const area of ['log', 'rejected', 'replacement'] as const) {
        for (const name of mapOf(known, area).keys()) yield { area, document, name };
      }
    }
  }

  *documents(): Generator<string> {
    for (const [id, { state }] of this.#area.documents) if (state !== undefined) yield id;
  }

  *localLog(): Generator<readonly [string, Uint8Array]> {
    for (const [id, { log }] of this.#area.documents) {
      // It is asked at every start and whenever the connection comes back: what came from the server is not read for it.
      for (const record of log.values()) if (!looksRemote(record)) yield [id, record];
    }
  }

  *rejecting(): Generator<string> {
    for (const [id, { rejected }] of this.#area.documents) if (rejected.size > 0) yield id;
  }

  damaged(): DamagedRecord[] {
    return [...this.#area.damaged];
  }

  put(area: RecordArea, document: string, name: string, record: Uint8Array): void {
    this.#change(area, document, name, record);
  }

  delete(area: RecordArea, document: string, name: string): void {
    this.#change(area, document, name, undefined);
  }

  setAside(record: DamagedRecord): void {
    const { damaged } = this.#area;
    this.#undo.push(() => damaged.pop());
    damaged.push(record);
  }

  clear(): void {
    const { documents, values, damaged } = this.#area;
    const before = { documents: [...documents], values: [...values], damaged: [...damaged] };
    this.#undo.push(() => {
      for (const [id, document] of before.documents) documents.set(id, document);
      for (const [key, value] of before.values) values.set(key, value);
      damaged.push(...before.damaged);
    });
    documents.clear();
    values.clear();
    damaged.length = 0;
  }

  #change(area: RecordArea, document: string, name: string, record: Uint8Array | undefined): void {
    const before = this.get(area, document, name);
    if (before === undefined && record === undefined) return;
    this.#undo.push(() => this.#set(area, document, name, before));
    this.#set(area, document, name, record);
  }

  #set(area: RecordArea, document: string, name: string, record: Uint8Array | undefined): void {
    if (area === 'snapshot' || area === 'state') {
      this.#document(document)[area] = record;
      return;
    }
    const map = area === 'value' ? this.#area.values : mapOf(this.#document(document), area);
    if (record === undefined) map.delete(name);
    else map.set(name, record);
  }

  #document(id: string): MemoryDocument {
    let document = this.#area.documents.get(id);
    if (document === undefined) {
      const none = undefined;
      document = { snapshot: none, state: none, log: new Map(), rejected: new Map(), replacements: new Map() };
      this.#area.documents.set(id, document);
    }
    return document;
  }
}

function mapOf(document: MemoryDocument, area: 'log' | 'rejected' | 'replacement'): Map<string, Uint8Array> {
  return area === 'replacement' ? document.replacements : document[area];
}
