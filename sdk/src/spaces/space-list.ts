// The documents of a space as this device knows them: a list in memory, and the same in storage with the token that stands
// for it. It opens no documents, and doesn't know who follows the space.
//
// In storage the list is cut into shards by a hash of the id, so that a change rewrites some kilobytes and not all. Each shard
// says which token it has everything up to, and of two the newer one stays, whoever writes: a tab that leads without being the
// leader any more can't undo what the next one has stored. Whatever the server tells makes its shard due, news or not. So when
// the list's token is stored, after the shards, each of them has everything up to it, by this tab's hand or another's. The
// token's record names the shards' tokens as well: one that is older then, or damaged, was lost, and is told again from there.

import { asJoineryError, JoineryError } from '@joinery/protocol';
import type { DocumentStore } from '../storage/storage.ts';

const shardCount = 64;
const format = 2;

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

type ValueStore = Pick<DocumentStore, 'readValue' | 'changeValue'>;

export class SpaceList {
  readonly space: string;
  readonly #store: ValueStore;
  readonly #shards: Map<string, SpaceEntry>[] = Array.from({ length: shardCount }, () => new Map());
  readonly #dirty = new Set<number>();
  /** What each shard has everything up to in storage, as far as this is known. */
  readonly #standing: number[] = new Array(shardCount).fill(0);
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
    for (const { document } of heads) {
      this.#untold?.delete(document);
      this.#dirty.add(shardOf(document));
    }
    return heads.flatMap((head) => this.#set({ ...(this.get(head.document) ?? unfetched), ...head }));
  }

  /** The server begins to tell everything anew. */
  restart(): void {
    this.#untold = new Set(this.#shards.flatMap((shard) => [...shard.keys()]));
  }

  /**
   * The server has told everything: how what it doesn't have is to stand in the list. What it never had stays. Each of them
   * has moved until it is fetched, whoever does that: what was written here may be here alone.
   */
  absent(): SpaceHead[] {
    const untold = this.#untold ?? [];
    this.#untold = undefined;
    return Array.from(untold, (document) => {
      const entry = this.get(document) ?? { ...unfetched, document, ...nowhere };
      // Of what was deleted nothing is here.
      if (!entry.deleted) this.#set({ ...entry, fetchedEpoch: unsure });
      return { document, ...nowhere, deleted: entry.head > 0 || entry.deleted };
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
    if (entry === undefined) return;
    // What it had reached before the server told everything anew may still come.
    const isOld = epoch !== entry.epoch || (epoch === nowhere.epoch && position > 0);
    if (entry.fetchedEpoch !== unsure || !isOld) this.#set({ ...entry, fetchedEpoch: epoch, fetched: position });
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
   * Stores what has changed, then the token. False where storage keeps what it had before the server began to tell
   * everything anew: until all is told, nothing here is newer than that.
   *
   * @throws JoineryError as storage does; what was not stored is stored with the next call.
   */
  store(): Promise<boolean> {
    const stored = this.#storing.then(() => this.#store_());
    this.#storing = stored.then(
      () => {},
      () => {},
    );
    return stored;
  }

  async #store_(): Promise<boolean> {
    const dirty = [...this.#dirty];
    // Of the same moment as what is encoded: a shard that stood for less than it has could be taken for an old one.
    const token = this.#untold === undefined ? this.#token : 0;
    if (dirty.length === 0 && token === this.#storedToken) return true;
    this.#dirty.clear();
    try {
      await Promise.all(
        dirty.map(async (shard) => {
          this.#standing[shard] = await this.#keepNewer(shard, token, this.#rows(shard));
        }),
      );
      await this.#keepNewer(undefined, token, this.#standing);
      this.#storedToken = token;
    } catch (error) {
      for (const shard of dirty) this.#dirty.add(shard);
      throw asJoineryError(error, 'storage-failed');
    }
    const left = dirty.filter((shard) => (this.#standing[shard] ?? 0) > token);
    for (const shard of left) this.#dirty.add(shard);
    return token > 0 || left.length === 0;
  }

  /** Writes a record unless the stored one stands for more; gives the token of what is stored then. */
  async #keepNewer(shard: number | undefined, token: number, content: unknown): Promise<number> {
    const bytes = encoder.encode(JSON.stringify([format, token, content]));
    let standing = 0;
    await this.#store.changeValue(this.#key(shard), (known) => {
      standing = Math.max(token, decodeRecord(known)?.token ?? 0);
      return known !== undefined && standing > token ? known : bytes;
    });
    return standing;
  }

  async #load(): Promise<void> {
    const keys = [undefined, ...this.#shards.keys()];
    const records = await Promise.all(keys.map((key) => this.#store.readValue(this.#key(key))));
    const [stored, ...shards] = records.map(decodeRecord);
    this.#token = stored?.token ?? 0;
    for (const [shard, record] of shards.entries()) {
      const standing = record?.token ?? 0;
      this.#standing[shard] = standing;
      for (const row of record?.content ?? []) for (const entry of decodeRow(row)) this.#set(entry);
      // Lost, or not there yet when it was read.
      if (standing < Number(stored?.content[shard] ?? 0)) this.#token = Math.min(this.#token, standing);
    }
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

  #rows(shard: number): unknown[] {
    return Array.from(this.#shards[shard] ?? [], ([document, entry]) => {
      return [document, entry.epoch, entry.head, Number(entry.deleted), entry.fetchedEpoch, entry.fetched];
    });
  }
}

/** The server has more of it than is stored here, or something else, or has it no more. */
export function hasMoved({ deleted, epoch, head, fetchedEpoch, fetched }: SpaceEntry): boolean {
  if (fetchedEpoch === unsure) return !deleted || epoch === nowhere.epoch;
  if (deleted && epoch === nowhere.epoch) return fetched > 0;
  return !deleted && head > 0 && (epoch !== fetchedEpoch || head > fetched);
}

/** A document that a restored backup lacks. */
const nowhere = { epoch: 0, head: 0, deleted: true };
const unfetched = { fetchedEpoch: 0, fetched: 0 };
/** In place of an epoch: what is stored here may be of one that a restored backup lacks. */
const unsure = -1;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

function isSame(a: SpaceEntry, b: SpaceEntry): boolean {
  const isHead = a.epoch === b.epoch && a.head === b.head && a.deleted === b.deleted;
  return isHead && a.fetchedEpoch === b.fetchedEpoch && a.fetched === b.fetched;
}

interface StoredRecord {
  readonly token: number;
  /** A shard's entries; of the list's token, the tokens of its shards. */
  readonly content: readonly unknown[];
}

/** What can't be read, or is of another format, is not there. */
function decodeRecord(bytes: Uint8Array | undefined): StoredRecord | undefined {
  if (bytes === undefined) return undefined;
  try {
    const [version, token, content] = JSON.parse(decoder.decode(bytes)) as unknown[];
    if (version !== format || !Number.isSafeInteger(token) || !Array.isArray(content)) return undefined;
    return { token: token as number, content };
  } catch {
    return undefined;
  }
}

function decodeRow(row: unknown): SpaceEntry[] {
  if (!Array.isArray(row) || typeof row[0] !== 'string') return [];
  const [document, ...numbers] = row as [string, ...unknown[]];
  if (numbers.length !== 5 || !numbers.every(Number.isSafeInteger)) return [];
  const [epoch, head, deleted, fetchedEpoch, fetched] = numbers as [number, number, number, number, number];
  return [{ document, epoch, head, deleted: deleted === 1, fetchedEpoch, fetched }];
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
