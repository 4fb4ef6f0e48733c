/**
 * All documents of a server: who follows them, what is read from storage for them, and which of them stay in memory. What
 * is written goes through the committer. It knows nothing of sockets.
 */

import type { BroughtEnvelope, DocumentState, FrameCodec, ResumePoint } from '@joinery/protocol';
import { epochChanged, JoineryError } from '@joinery/protocol';
import type { Replica } from 'joinery/core';
import type { Storage, StoredSnapshot } from '../storage/storage.ts';
import { Committer } from './committer.ts';
import { type Follower, LiveDocument } from './live-document.ts';
import { loadReplica } from './load-replica.ts';
import { nextTurn } from './next-turn.ts';

export interface DocumentsOptions {
  readonly storage: Storage;
  readonly codec: FrameCodec;
  /** The wall clock, in milliseconds since 1970. */
  readonly time: () => number;
  /** Told about what nobody waits for. */
  readonly report: (error: unknown) => void;
  /** Replicas kept in memory, beyond which the longest unused are freed. */
  readonly replicas: number;
}

/** A client's wish to follow a document. */
export interface OpenRequest {
  readonly document: string;
  /** What the client has; undefined when it has nothing. */
  readonly from: ResumePoint | undefined;
  readonly follower: Follower;
  /** Whether it is still wanted when the document has been read. */
  readonly wanted: () => boolean;
  /** Called in the moment in which the follower is entered: it misses no commit between this state and the next. */
  readonly start: (state: DocumentState) => void;
  /** The document is in another epoch. */
  readonly refuse: (error: JoineryError, epoch: number) => void;
}

/** A document as JSON, and where its log stood. */
export interface DocumentJson {
  readonly epoch: number;
  readonly position: number;
  readonly value: Record<string, unknown>;
}

/** Below this many bytes of envelopes a snapshot would save nothing worth having. */
const snapshotMin_bytes = 32 * 1024;
/** The same, when a document leaves memory: reading it again should be quick. */
const leavingSnapshotMin_bytes = 8 * 1024;
/** What an envelope costs on the way to a client, about: to compare a tail with a snapshot without reading it. */
const envelopeEstimate_bytes = 48;

export class Documents {
  readonly #options: DocumentsOptions;
  readonly #storage: Storage;
  readonly #committer: Committer;
  /** In the order of use, the longest unused first. */
  readonly #live = new Map<string, LiveDocument>();
  /** Documents with a replica, the longest unused first. */
  readonly #loaded = new Set<LiveDocument>();
  readonly #opening = new Map<string, Promise<LiveDocument>>();
  readonly #loading = new Map<LiveDocument, Promise<void>>();
  #closed = false;

  constructor(options: DocumentsOptions) {
    this.#options = options;
    this.#storage = options.storage;
    this.#committer = new Committer({
      ...options,
      load: (document) => this.#load(document),
      committed: (document) => this.#committed(document),
      lost: (document, error) => this.#lose(document, error),
    });
  }

  /**
   * A client begins to follow a document.
   *
   * @throws JoineryError a storage error, or `server-closing`.
   */
  async open({ document: id, from, follower, wanted, start, refuse }: OpenRequest): Promise<void> {
    await this.#with(id, async (document) => {
      if (from !== undefined && from.epoch !== document.epoch) {
        refuse(epochChanged(from.epoch, document.epoch), document.epoch);
        return;
      }
      // A client that is ahead was served by a log that is gone (a restored backup): it gets everything anew.
      const position = from === undefined || from.position > document.head ? 0 : from.position;
      const begin = (at: number, bytes: Uint8Array | undefined, delta: boolean): void => {
        if (!wanted()) return;
        if (this.#live.get(id) !== document)
          throw new JoineryError('storage-failed', 'The document has to be read anew.');
        document.followers.add(follower);
        const { epoch, head, version } = document;
        start({ epoch, head, version, position: at, snapshot: bytes, delta });
      };
      const has = from?.version;
      if (has !== undefined) {
        await this.#atHead(document, (replica) => begin(document.head, replica.exportUpdate(has), true));
        return;
      }
      const snapshot = await this.#snapshotFor(document, position);
      begin(snapshot?.position ?? position, snapshot?.bytes, false);
    });
  }

  /** The client follows the document no more. */
  close(id: string, follower: Follower): void {
    const document = this.#live.get(id);
    if (document?.followers.delete(follower) === true) this.#release(document);
  }

  /** Envelopes of a follower, to be decided on and committed; the follower is told. */
  submit(id: string, follower: Follower, envelopes: readonly BroughtEnvelope[], bytes: number): void {
    const document = this.#live.get(id);
    if (document === undefined) throw new JoineryError('internal', `The document ${id} has a follower but isn't here.`);
    document.waiting.push({ follower, envelopes, bytes });
    this.#committer.schedule(document);
  }

  /** Envelopes of the log behind `after`. */
  read(id: string, epoch: number, after: number, limit: { bytes: number; count: number }): Promise<Uint8Array[]> {
    return this.#storage.read(id, epoch, after, limit);
  }

  /** Tells the document's other followers. */
  presence(id: string, from: Follower, state: Uint8Array, gone: boolean): void {
    for (const follower of this.#live.get(id)?.followers ?? []) {
      if (follower !== from) follower.presence(id, from.name, state, gone);
    }
  }

  /**
   * The document as JSON at its head; undefined when it was never written to.
   *
   * @throws JoineryError a storage error, or `server-closing`.
   */
  async json(id: string): Promise<DocumentJson | undefined> {
    return this.#with(id, async (document) => {
      if (document.head === 0 && !document.committing) return undefined;
      return this.#atHead(document, (replica) => {
        const { epoch, head } = document;
        return head === 0 ? undefined : { epoch, position: head, value: replica.toJSON() };
      });
    });
  }

  /** Everything that waits is committed or has failed; replicas are freed. The storage stays open. */
  async shutDown(): Promise<void> {
    this.#closed = true;
    await this.#committer.idle();
    for (const document of [...this.#loaded]) await this.#leave(document);
    this.#live.clear();
  }

  /** Runs something with a document, which stays in memory meanwhile. */
  async #with<T>(id: string, run: (document: LiveDocument) => Promise<T>): Promise<T> {
    if (this.#closed) throw new JoineryError('server-closing', 'The server is closing. Connect again in a moment.');
    const document = this.#live.get(id) ?? (await this.#opened(id));
    document.users += 1;
    try {
      return await run(document);
    } finally {
      document.users -= 1;
      this.#release(document);
    }
  }

  /** Reads what there is of a document, once however many ask. */
  #opened(id: string): Promise<LiveDocument> {
    let opening = this.#opening.get(id);
    if (opening === undefined) {
      opening = this.#read(id).finally(() => this.#opening.delete(id));
      this.#opening.set(id, opening);
    }
    return opening;
  }

  async #read(id: string): Promise<LiveDocument> {
    const { epoch, head, snapshot } = await this.#storage.head(id);
    const document = new LiveDocument(id, epoch, head, await this.#storage.agents(id));
    if (snapshot !== undefined && snapshot.position <= head) {
      document.snapshotPosition = snapshot.position;
      document.snapshot_bytes = snapshot.size_bytes;
    }
    document.tail_bytes = (head - document.snapshotPosition) * envelopeEstimate_bytes;
    this.#live.set(id, document);
    return document;
  }

  /** Gives the document its replica, once however many ask. */
  #load(document: LiveDocument): Promise<void> {
    if (document.replica !== undefined) return Promise.resolve();
    let loading = this.#loading.get(document);
    if (loading === undefined) {
      loading = loadReplica(this.#storage, document, this.#options.time, this.#options.report)
        .then((replica) => {
          document.load(replica);
          this.#used(document);
        })
        .finally(() => this.#loading.delete(document));
      this.#loading.set(document, loading);
    }
    return loading;
  }

  /** Reads from the replica when it stands at the head: while a commit is under way it has what may yet fail. */
  async #atHead<T>(document: LiveDocument, read: (replica: Replica) => T): Promise<T> {
    for (;;) {
      while (document.committing) await nextTurn();
      await this.#load(document);
      if (!document.committing && document.replica !== undefined) return read(document.replica);
    }
  }

  /** The stored state, when it saves the client more than the envelopes behind its position would cost. */
  async #snapshotFor(document: LiveDocument, position: number): Promise<StoredSnapshot | undefined> {
    const behind_bytes = (document.snapshotPosition - position) * envelopeEstimate_bytes;
    if (behind_bytes <= document.snapshot_bytes) return undefined;
    const snapshot = await this.#storage.snapshot(document.id);
    return snapshot?.epoch === document.epoch && snapshot.position > position ? snapshot : undefined;
  }

  #committed(document: LiveDocument): void {
    // Each snapshot waits for as much news as it would have to write again: its cost per byte is bounded.
    const due = document.tail_bytes >= Math.max(snapshotMin_bytes, document.snapshot_bytes);
    if (due) this.#storeSnapshot(document).catch(this.#options.report);
    this.#used(document);
    this.#release(document);
  }

  async #storeSnapshot(document: LiveDocument): Promise<void> {
    const { replica, head: position, epoch } = document;
    if (replica === undefined || document.committing) return;
    const bytes = replica.encodeSnapshot();
    document.tail_bytes = 0;
    await this.#storage.putSnapshot(document.id, { epoch, position, bytes });
    document.snapshot_bytes = bytes.length;
    document.snapshotPosition = position;
  }

  /** The document's replica was used last: frees those unused for longest that are too many. */
  #used(document: LiveDocument): void {
    this.#loaded.delete(document);
    if (document.replica !== undefined) this.#loaded.add(document);
    for (const oldest of this.#loaded) {
      if (this.#loaded.size <= this.#options.replicas) return;
      if (this.#busy(oldest)) continue;
      this.#loaded.delete(oldest);
      this.#leave(oldest).catch(this.#options.report);
    }
  }

  #busy(document: LiveDocument): boolean {
    return document.users > 0 || document.committing || document.waiting.length > 0 || this.#loading.has(document);
  }

  /** Frees the replica, after having stored what would make the next reading slow. */
  async #leave(document: LiveDocument): Promise<void> {
    document.users += 1;
    try {
      if (document.tail_bytes >= leavingSnapshotMin_bytes) await this.#storeSnapshot(document);
    } finally {
      document.users -= 1;
      if (!this.#busy(document)) document.unload();
      this.#release(document);
    }
  }

  /** Forgets a document that nobody uses and that has no replica. */
  #release(document: LiveDocument): void {
    if (document.followers.size > 0 || document.replica !== undefined || this.#busy(document)) return;
    if (this.#live.get(document.id) === document) this.#live.delete(document.id);
  }

  /** What is in memory is no longer what is in storage: followers begin anew. */
  #lose(document: LiveDocument, error: JoineryError): void {
    if (this.#live.get(document.id) === document) this.#live.delete(document.id);
    this.#loaded.delete(document);
    document.unload();
    for (const follower of document.followers) follower.lost(document.id, error);
    document.followers.clear();
  }
}
