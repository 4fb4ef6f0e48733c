// The documents of a space as this device knows them: a list in memory, and the same in storage with the token that stands
// for it. The token is stored after the entries, so that it never gets ahead of them; what is told twice changes nothing.
// It opens no documents, and doesn't know who follows the space.
//
// In storage the list is cut into shards by a hash of the id, so that a change rewrites some kilobytes and not all. A shard
// that is damaged reads as absent; the token's record says how many entries each had, so that this is noticed.

import { asJoineryError, JoineryError } from '@joinery/protocol';
import type { DocumentStore } from '../storage/storage.ts';

const shardCount = 64;
const format = 1;

/** What the server says of a document; `head` 0: it doesn't know it yet. */
export interface SpaceHead {
  readonly document: string;
  readonly epoch: number;
  readonly head: number;
  readonly deleted: boolean;
}

export interface SpaceEntry extends SpaceHead {
  /** What of it is stored here, in the log of `fetchedEpoch`. */
  readonly fetchedEpoch: number;
  readonly fetched: number;
}

type ValueStore = Pick<DocumentStore, 'readValue' | 'writeValue'>;

export class SpaceList {
  readonly space: string;
  readonly #store: ValueStore;
  readonly #shards: Map<string, SpaceEntry>[] = Array.from({ length: shardCount }, () => new Map());
  readonly #dirty = new Set<number>();
  #token = 0;
  #storedToken = 0;
  /** The server tells everything anew: what it has not told yet. Until it has, no token stands for the list. */
  #untold: Set<string> | undefined;
  /** Ids in order, for paging; made when they are asked for. */
  #sorted: string[] | undefined;
  #storing: Promise<void> = Promise.resolve();

  private constructor(space: string, store: ValueStore) {
    this.space = space;
    this.#store = store;
  }

  /** Reads what is stored. */
  static async load(space: string, store: ValueStore): Promise<SpaceList> {
    const list = new SpaceList(space, store);
    await list.#load();
    return list;
  }

  /** Everything up to here is in the list. */
  get token(): number {
    return this.#token;
  }

  /** Documents that are not deleted. */
  get size(): number {
    return this.#ids().length;
  }

  get(document: string): SpaceEntry | undefined {
    return this.#shards[shardOf(document)]?.get(document);
  }

  /** Takes in what the server says; returns what is new in it. */
  take(heads: readonly SpaceHead[], token: number): SpaceEntry[] {
    this.#token = token;
    for (const { document } of heads) this.#untold?.delete(document);
    return heads.flatMap((head) => this.#set({ ...(this.get(head.document) ?? unfetched), ...head }));
  }

  /** The server begins to tell everything anew. */
  restart(): void {
    this.#untold = new Set(this.#shards.flatMap((shard) => [...shard.keys()]));
  }

  /** The server has told everything: how what it doesn't have is to stand in the list. What it never had stays. */
  absent(): SpaceHead[] {
    const untold = this.#untold ?? [];
    this.#untold = undefined;
    return Array.from(untold, (document) => {
      const { head = 0, deleted = false } = this.get(document) ?? {};
      return { document, ...nowhere, deleted: head > 0 || deleted };
    });
  }

  /** A document is here that the server may not know. True when it is new. */
  add(document: string): boolean {
    if (this.get(document) !== undefined) return false;
    return this.#set({ ...unfetched, document, epoch: 0, head: 0, deleted: false }).length > 0;
  }

  /** So much of a document is stored here. */
  fetched(document: string, epoch: number, position: number): void {
    const entry = this.get(document);
    if (entry !== undefined) this.#set({ ...entry, fetchedEpoch: epoch, fetched: position });
  }

  /** Documents of which the server has more than is stored here. */
  *moved(): Generator<SpaceEntry> {
    for (const shard of this.#shards) for (const entry of shard.values()) if (hasMoved(entry)) yield entry;
  }

  /** Up to so many documents behind `after` in the order of their ids. */
  page(after: string, limit_count: number): { readonly documents: readonly string[]; readonly more: boolean } {
    const ids = this.#ids();
    let low = 0;
    let high = ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ids[middle] ?? '') <= after) low = middle + 1;
      else high = middle;
    }
    return { documents: ids.slice(low, low + limit_count), more: low + limit_count < ids.length };
  }

  /**
   * Stores what has changed, then the token as it was when this was called.
   *
   * @throws JoineryError as storage does; what was not stored is stored with the next call.
   */
  store(): Promise<void> {
    const token = this.#untold === undefined ? this.#token : 0;
    const stored = this.#storing.then(() => this.#store_(token));
    this.#storing = stored.catch(() => {});
    return stored;
  }

  async #store_(token: number): Promise<void> {
    const dirty = [...this.#dirty];
    if (dirty.length === 0 && token === this.#storedToken) return;
    this.#dirty.clear();
    try {
      const counts = this.#shards.map(({ size }) => size);
      await Promise.all(dirty.map((shard) => this.#store.writeValue(this.#key(shard), this.#encodeShard(shard))));
      await this.#store.writeValue(this.#key(undefined), encodeToken(token, counts));
      this.#storedToken = token;
    } catch (error) {
      for (const shard of dirty) this.#dirty.add(shard);
      throw asJoineryError(error, 'storage-failed');
    }
  }

  async #load(): Promise<void> {
    const keys = this.#shards.map((_, shard) => this.#store.readValue(this.#key(shard)));
    const [token, ...shards] = await Promise.all([this.#store.readValue(this.#key(undefined)), ...keys]);
    for (const bytes of shards) if (bytes !== undefined) this.#decodeShard(bytes);
    const stored = token === undefined ? undefined : decodeToken(token);
    // A shard may have more entries than the token knows of, never fewer.
    const isWhole = stored?.counts.every((count, shard) => (this.#shards[shard]?.size ?? 0) >= count) ?? false;
    this.#token = isWhole ? (stored?.token ?? 0) : 0;
    this.#storedToken = this.#token;
    this.#dirty.clear();
  }

  #set(entry: SpaceEntry): SpaceEntry[] {
    const known = this.get(entry.document);
    if (known !== undefined && isSame(known, entry)) return [];
    const shard = shardOf(entry.document);
    this.#shards[shard]?.set(entry.document, entry);
    this.#dirty.add(shard);
    if (known?.deleted !== entry.deleted) this.#sorted = undefined;
    return [entry];
  }

  #ids(): string[] {
    if (this.#sorted === undefined) {
      this.#sorted = [];
      for (const shard of this.#shards) for (const [id, { deleted }] of shard) if (!deleted) this.#sorted.push(id);
      this.#sorted.sort();
    }
    return this.#sorted;
  }

  #key(shard: number | undefined): string {
    return JSON.stringify(['space', this.space, shard ?? 'token']);
  }

  #encodeShard(shard: number): Uint8Array {
    const rows = Array.from(this.#shards[shard] ?? [], ([document, entry]) => {
      return [document, entry.epoch, entry.head, Number(entry.deleted), entry.fetchedEpoch, entry.fetched];
    });
    return encoder.encode(JSON.stringify([format, rows]));
  }

  /** What can't be read is not there; the token's record tells. */
  #decodeShard(bytes: Uint8Array): void {
    const rows = decodeJson(bytes);
    if (!Array.isArray(rows)) return;
    for (const row of rows as unknown[]) {
      if (!Array.isArray(row) || typeof row[0] !== 'string' || !row.slice(1, 6).every(Number.isSafeInteger)) continue;
      const [document, epoch, head, deleted, fetchedEpoch, fetched] = row as [string, ...number[]];
      this.#set({
        document,
        epoch: epoch ?? 0,
        head: head ?? 0,
        deleted: deleted === 1,
        fetchedEpoch: fetchedEpoch ?? 0,
        fetched: fetched ?? 0,
      });
    }
  }
}

/** The server has more of it than is stored here, or something else, or has it no more. */
export function hasMoved({ deleted, epoch, head, fetchedEpoch, fetched }: SpaceEntry): boolean {
  if (deleted && epoch === nowhere.epoch) return fetched > 0;
  return !deleted && head > 0 && (epoch !== fetchedEpoch || head > fetched);
}

/** A document that a restored backup lacks. */
const nowhere = { epoch: 0, head: 0, deleted: true };
const unfetched = { fetchedEpoch: 0, fetched: 0 };
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

function isSame(a: SpaceEntry, b: SpaceEntry): boolean {
  const isHead = a.epoch === b.epoch && a.head === b.head && a.deleted === b.deleted;
  return isHead && a.fetchedEpoch === b.fetchedEpoch && a.fetched === b.fetched;
}

function encodeToken(token: number, counts: readonly number[]): Uint8Array {
  return encoder.encode(JSON.stringify([format, { token, counts }]));
}

function decodeToken(bytes: Uint8Array): { token: number; counts: number[] } | undefined {
  const stored = decodeJson(bytes);
  if (typeof stored !== 'object' || stored === null || !('token' in stored) || !('counts' in stored)) return undefined;
  const { token, counts } = stored;
  if (!Number.isSafeInteger(token) || !Array.isArray(counts)) return undefined;
  return { token: token as number, counts: counts as number[] };
}

/** The content of a stored value; undefined for that of another format. */
function decodeJson(bytes: Uint8Array): unknown {
  try {
    const [version, content] = JSON.parse(decoder.decode(bytes)) as [unknown, unknown];
    return version === format ? content : undefined;
  } catch {
    return undefined;
  }
}

/** FNV-1a over UTF-16. */
function shardOf(document: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < document.length; index += 1) {
    hash = Math.imul(hash ^ document.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % shardCount;
}

/** `limit` as paging takes it. */
export function checkPageSize(limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= maxPage_count) return limit;
  throw new JoineryError('invalid-option', {
    expected: `a page of 1 to ${maxPage_count} documents`,
    got: String(limit),
    remedy: 'Ask for several pages.',
  });
}

export const maxPage_count = 4_096;
