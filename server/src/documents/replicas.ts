/**
 * Which documents have a replica in memory: they are read from storage once however many ask, and the longest unused are
 * freed when there are too many, after what would make the next reading slow is stored.
 */

import type { ServerEnvironment } from '../environment.ts';
import type { Storage } from '../storage/storage.ts';
import { compactLog } from './compaction.ts';
import type { LiveDocument } from './live-document.ts';
import { loadReplica } from './load-replica.ts';

export interface ReplicasOptions {
  readonly storage: Storage;
  readonly environment: ServerEnvironment;
  readonly report: (error: unknown) => void;
  /** Replicas kept in memory. */
  readonly replicas: number;
  /** What it means that the document can't be read: the error to be told. */
  readonly failed: (document: LiveDocument, error: unknown) => Promise<unknown>;
  /** The document has no replica any more. */
  readonly left: (document: LiveDocument) => void;
}

/** Below this many bytes of envelopes a snapshot would save nothing worth having. */
const snapshotMin_bytes = 32 * 1024;
/** The same, when a document leaves memory: reading it again should be quick. */
const leavingSnapshotMin_bytes = 8 * 1024;

export class Replicas {
  readonly #options: ReplicasOptions;
  /** Documents with a replica, the longest unused first. */
  readonly #loaded = new Set<LiveDocument>();
  readonly #loading = new Map<LiveDocument, Promise<void>>();

  constructor(options: ReplicasOptions) {
    this.#options = options;
  }

  /** Those in memory, the longest unused first. */
  get loaded(): readonly LiveDocument[] {
    return [...this.#loaded];
  }

  /** Gives the document its replica. */
  load(document: LiveDocument): Promise<void> {
    if (document.replica !== undefined) return Promise.resolve();
    let loading = this.#loading.get(document);
    if (loading === undefined) {
      loading = this.#load(document).finally(() => this.#loading.delete(document));
      this.#loading.set(document, loading);
    }
    return loading;
  }

  async #load(document: LiveDocument): Promise<void> {
    const { storage, environment, report } = this.#options;
    while (!document.ended) {
      const { head, base } = document;
      const replica = await loadReplica(storage, document, environment, report).catch(async (error: unknown) => {
        // The log was compacted between two reads of it, or another server has stored a state that was still ahead.
        const isOld = (): boolean => document.base !== base || document.head !== head;
        if (isOld()) return undefined;
        const failure = await this.#options.failed(document, error);
        if (isOld()) return undefined;
        throw failure;
      });
      if (replica === undefined) continue;
      if (document.head === head && !document.ended) {
        document.load(replica);
        this.used(document);
        return;
      }
      // Another server's news came while it was read.
      replica.free();
    }
  }

  /** The document's replica was used last: frees those unused for longest that are too many. */
  used(document: LiveDocument): void {
    this.#loaded.delete(document);
    if (document.replica !== undefined && !document.ended) this.#loaded.add(document);
    for (const oldest of this.#loaded) {
      if (this.#loaded.size <= this.#options.replicas) return;
      if (this.isBusy(oldest)) continue;
      this.#loaded.delete(oldest);
      this.leave(oldest).catch(this.#options.report);
    }
  }

  /** The document has grown. */
  grown(document: LiveDocument): void {
    // Each snapshot waits for as much news as it would have to write again: its cost per byte is bounded.
    const due = document.tail_bytes >= Math.max(snapshotMin_bytes, document.snapshot_bytes);
    if (due) this.#storeSnapshot(document).catch(this.#options.report);
    this.used(document);
  }

  /** Whether something is being done with the document, or waits to be. */
  isBusy(document: LiveDocument): boolean {
    return document.users > 0 || document.lock.held || document.waiting.length > 0 || this.#loading.has(document);
  }

  /** Frees the replica, after having stored what would make the next reading slow. */
  async leave(document: LiveDocument): Promise<void> {
    document.users += 1;
    try {
      if (document.tail_bytes >= leavingSnapshotMin_bytes) await this.#storeSnapshot(document);
    } finally {
      document.users -= 1;
      if (!this.isBusy(document)) document.unload();
      else this.used(document);
      this.#options.left(document);
    }
  }

  /** The document is no longer what is in storage. */
  forget(document: LiveDocument): void {
    this.#loaded.delete(document);
    document.unload();
  }

  async #storeSnapshot(document: LiveDocument): Promise<void> {
    const { replica, head: position, epoch } = document;
    if (replica === undefined || document.ahead) return;
    const bytes = replica.encodeSnapshot();
    document.tail_bytes = 0;
    await this.#options.storage.putSnapshot(document.id, { epoch, position, bytes });
    const before = document.snapshotPosition;
    document.snapshot_bytes = bytes.length;
    document.snapshotPosition = Math.max(before, position);
    await compactLog(this.#options.storage, document, before);
  }
}
