/**
 * All documents of a server: who follows them, what is read from storage for them, and what happens to them as a whole
 * (closings, deletions, new epochs, news of other servers). What is written goes through the committer. It knows nothing
 * of sockets, and time, randomness and storage are passed in.
 */

import type { DocumentState, FrameCodec, ResumePoint } from '@joinery/protocol';
import { asJoineryError, epochChanged, everythingSafe, JoineryError, readEnvelope, spaceOf } from '@joinery/protocol';
import type { Replica } from 'joinery/core';
import type { ServerEnvironment } from '../environment.ts';
import {
  type ClosedAgents,
  type DocumentChange,
  documentDeleted,
  type Storage,
  type StoredSnapshot,
} from '../storage/storage.ts';
import { type Accept, refusalOf } from './acceptance.ts';
import { Committer } from './committer.ts';
import { DocumentMoved, type Follower, LiveDocument, type Submission } from './live-document.ts';
import { News } from './news.ts';
import { Replicas } from './replicas.ts';
import { SpaceFeeds } from './space-feeds.ts';
import { notBackedUp, prepareTrim, trimIdle_ms } from './trimming.ts';

export interface DocumentsOptions {
  readonly storage: Storage;
  readonly codec: FrameCodec;
  readonly environment: ServerEnvironment;
  /** Told about what nobody waits for. */
  readonly report: (error: unknown) => void;
  /** Replicas kept in memory, beyond which the longest unused are freed. */
  readonly replicas: number;
  /** How often it is looked what other servers, and backups, have done. Default 1 s. */
  readonly news_ms?: number | undefined;
  readonly accept?: Accept | undefined;
  readonly acceptDeletion?: AcceptDeletion | undefined;
}

/** Throws a JoineryError to refuse the deletion of a document. */
export type AcceptDeletion = (deletion: {
  readonly document: string;
  /** Who asks for it; empty for nobody in particular. */
  readonly user: string;
}) => void | Promise<void>;

/** A client's wish to follow a document. */
export interface OpenRequest {
  readonly document: string;
  /** What the client has; undefined when it has nothing. */
  readonly from: ResumePoint | undefined;
  /** Bridges are wanted from this epoch on; 0 for none. */
  readonly bridgeFrom: number;
  readonly follower: Follower;
  /** Whether it is still wanted when the document has been read. */
  readonly wanted: () => boolean;
  /** Called in the moment in which the follower is entered: it misses no commit between this state and the next. */
  readonly start: (state: DocumentState) => void;
  /** The document is in another epoch, or deleted. */
  readonly refuse: (error: JoineryError, epoch: number) => void;
}

/** A document as JSON, and where its log stood. */
export interface DocumentJson {
  readonly epoch: number;
  readonly position: number;
  readonly value: Record<string, unknown>;
}

const newsDefault_ms = 1_000;
/** What an envelope costs on the way to a client, about: to compare a tail with a snapshot without reading it. */
const envelopeEstimate_bytes = 48;
/** So much of another server's news is read at a time. */
const newsPage = { bytes: 1024 * 1024, count: 2_048 };

export class Documents {
  /** Who follows which space. */
  readonly spaces: SpaceFeeds;
  readonly #options: DocumentsOptions;
  readonly #storage: Storage;
  readonly #environment: ServerEnvironment;
  readonly #committer: Committer;
  readonly #replicas: Replicas;
  readonly #live = new Map<string, LiveDocument>();
  readonly #opening = new Map<string, Promise<LiveDocument>>();
  readonly #news: News;
  #closed = false;

  constructor(options: DocumentsOptions) {
    const { storage, environment, report } = options;
    this.#options = options;
    this.#storage = storage;
    this.#environment = environment;
    this.spaces = new SpaceFeeds(storage, environment, () => this.#news.begin());
    this.#replicas = new Replicas({
      ...options,
      failed: (document, error) => this.#orMoved(document, error),
      left: (document) => this.#release(document),
    });
    this.#committer = new Committer({
      storage,
      environment,
      report,
      codec: options.codec,
      accept: options.accept,
      load: (document) => this.#replicas.load(document),
      telling: (documents) => this.#checkFirstBackup(documents),
      committed: (document) => {
        this.spaces.changed(spaceOf(document.id));
        this.#replicas.grown(document);
        this.#release(document);
      },
      refresh: (document) => this.#refresh(document),
    });
    this.#news = new News({
      storage,
      environment,
      report,
      interval_ms: options.news_ms ?? newsDefault_ms,
      changed: (change) => this.#hear(change),
      backedUp: () => this.#hearBackup(),
      quiet: () => this.#trimOne(),
    });
  }

  /**
   * A client begins to follow a document.
   *
   * @throws JoineryError a storage error, or `server-closing`.
   */
  async open({ document: id, from, bridgeFrom, follower, wanted, start, refuse }: OpenRequest): Promise<void> {
    if (from !== undefined) await this.#hearFrom(id, from);
    await this.#with(id, async (document) => {
      const { epoch } = document;
      if (document.deleted) {
        refuse(documentDeleted(id), 0);
        return;
      }
      if (from !== undefined && from.epoch !== epoch) {
        refuse(epochChanged(from.epoch, epoch), epoch);
        return;
      }
      const bridges = bridgeFrom === 0 ? [] : await this.#storage.bridges(id, bridgeFrom);
      // A client that is ahead was served by a log that is gone: it gets everything anew.
      const position = from === undefined || from.position > document.head ? 0 : from.position;
      // The first backup makes less safe, and here it may not be news yet.
      if (document.safe === everythingSafe) await this.#hearSafe(document);
      const begin = (at: number, bytes: Uint8Array | undefined, delta: boolean): void => {
        if (!wanted()) return;
        if (document.ended) throw new JoineryError('storage-failed', 'The document has to be read anew.');
        document.followers.add(follower);
        const { head, version, safe } = document;
        start({ epoch, head, version, position: at, snapshot: bytes, delta, safe, bridges });
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
    if (document?.followers.delete(follower) !== true) return;
    // However it ended: nobody else can say so of one whose link is gone.
    if (document.present.has(follower)) this.#tellPresence(document, follower, new Uint8Array(0), true);
    document.unfollowedAt = this.#environment.monotonic();
    this.#release(document);
  }

  /** Envelopes that a follower brings, to be decided on and committed; the follower is told. */
  submit(id: string, epoch: number, submission: Submission): void {
    const document = this.#live.get(id);
    // Who followed it in another epoch was told before that one began.
    if (document?.epoch !== epoch) {
      throw new JoineryError('internal', `The document ${id} has a follower but isn't here in epoch ${epoch}.`);
    }
    document.waiting.push(submission);
    this.#committer.schedule(document);
  }

  /**
   * Envelopes of the log behind `after`.
   *
   * @throws JoineryError `slow-consumer` when the log doesn't reach back to there any more, or a storage error
   */
  async read(id: string, epoch: number, after: number, limit: { bytes: number; count: number }): Promise<Uint8Array[]> {
    const envelopes = await this.#storage.read(id, epoch, after, limit);
    if (envelopes.length > 0) return envelopes;
    const head = await this.#storage.head(id);
    if (head.epoch !== epoch || after >= head.base) return envelopes;
    const document = this.#live.get(id);
    if (document?.epoch === epoch) document.compacted(head.base);
    throw new JoineryError('slow-consumer', {
      expected: `a client that is behind position ${head.base} of ${JSON.stringify(id)}, where the log begins`,
      got: `one at ${after}`,
      remedy: 'Subscribe again: the state comes in place of the envelopes.',
    });
  }

  /** Tells the document's other followers, once more when this one follows it no longer. */
  presence(id: string, from: Follower, state: Uint8Array, gone: boolean): void {
    const document = this.#live.get(id);
    if (document?.followers.has(from)) this.#tellPresence(document, from, state, gone);
  }

  /**
   * The document as JSON at its head; undefined when it was never written to.
   *
   * @throws JoineryError `document-deleted`, a storage error, or `server-closing`.
   */
  async json(id: string): Promise<DocumentJson | undefined> {
    return this.#with(id, async (document) => {
      if (document.deleted) throw documentDeleted(id);
      if (document.head === 0 && !document.lock.held) return undefined;
      return this.#atHead(document, (replica) => {
        const { epoch, head } = document;
        return head === 0 ? undefined : { epoch, position: head, value: replica.toJSON() };
      });
    });
  }

  /**
   * Closes agents of the user for ever: what of theirs is not committed now never will be.
   *
   * @throws JoineryError `forbidden`, `document-deleted`, a storage error, or `server-closing`; then none is closed
   */
  closeAgents(id: string, agents: readonly bigint[], user: string): Promise<ClosedAgents> {
    // Not while a commit is under way: the answer says what came last.
    return this.#alone(id, async (document) => {
      const closed = await this.#storage.closeAgents(id, agents, user);
      document.agentsClosed(closed.last, user);
      // What another server has committed of theirs is in the answer, and has to be in whatever state is read after it.
      await this.#catchUp(document);
      return closed;
    });
  }

  /**
   * Deletes a document for ever; one that is deleted stays so.
   *
   * @throws JoineryError what the host refuses with, a storage error, or `server-closing`
   */
  async delete(id: string, user: string): Promise<void> {
    try {
      await this.#options.acceptDeletion?.({ document: id, user });
    } catch (error) {
      throw refusalOf(error, this.#options.report);
    }
    await this.#alone(id, async (document) => {
      if (!(await this.#storage.delete(id))) return;
      this.#end(document, documentDeleted(id));
      this.spaces.changed(spaceOf(id));
    });
  }

  /**
   * Enters a new epoch of a document: the same content, without records of what was removed. Its clients replace what
   * they have, and keep what they have not synced.
   *
   * @returns whether there was something to trim
   * @throws JoineryError `not-backed-up`, a storage error, or `server-closing`
   */
  trim(id: string): Promise<boolean> {
    return this.#alone(id, (document) => this.#trim(document, true));
  }

  /** Looks now what other servers and backups have done since the last time. Done by itself again and again. */
  checkNews(): Promise<void> {
    return this.#news.look();
  }

  /** Everything that waits is committed or has failed; replicas are freed. The storage stays open. */
  async shutDown(): Promise<void> {
    this.#closed = true;
    this.spaces.end();
    await this.#news.end();
    await this.#committer.idle();
    for (const document of this.#replicas.loaded) {
      await document.lock.acquire();
      document.lock.release();
      await this.#replicas.leave(document);
    }
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

  /** Runs something with a document that nothing else happens to meanwhile. */
  async #alone<T>(id: string, run: (document: LiveDocument) => Promise<T>): Promise<T> {
    for (;;) {
      const outcome = await this.#with(id, async (document) => {
        await document.lock.acquire();
        try {
          return document.ended ? undefined : { value: await run(document) };
        } finally {
          document.lock.release();
          this.#committer.schedule(document);
        }
      });
      // It ended before its turn came: what it is now is read.
      if (outcome !== undefined) return outcome.value;
    }
  }

  /** Reads from the replica when it stands at the head: while a commit is under way it has what may yet fail. */
  async #atHead<T>(document: LiveDocument, read: (replica: Replica) => T): Promise<T> {
    await document.lock.acquire();
    try {
      if (document.ended) throw new JoineryError('storage-failed', 'The document has to be read anew.');
      await this.#replicas.load(document);
      return read(document.replica as Replica);
    } finally {
      document.lock.release();
      this.#committer.schedule(document);
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
    await this.#news.begin();
    const { head, agents } = await this.#storage.load(id);
    const document = new LiveDocument(id, head, agents, this.#environment.monotonic());
    document.tail_bytes = (document.head - document.snapshotPosition) * envelopeEstimate_bytes;
    this.#live.set(id, document);
    return document;
  }

  /** The stored state, when the log doesn't reach back to the position, or it costs less than the envelopes behind it. */
  async #snapshotFor(document: LiveDocument, position: number): Promise<StoredSnapshot | undefined> {
    const needed = position < document.base;
    const behind_bytes = (document.snapshotPosition - position) * envelopeEstimate_bytes;
    if (!needed && behind_bytes <= document.snapshot_bytes) return undefined;
    const { base } = document;
    const snapshot = await this.#storage.snapshot(document.id);
    // The log was compacted meanwhile, perhaps after that was read.
    if (document.base !== base) return this.#snapshotFor(document, position);
    const fits = snapshot?.epoch === document.epoch && snapshot.position > position;
    if (fits && snapshot.position >= document.base) return snapshot;
    if (!needed || document.ended) return undefined;
    const lost = new JoineryError(
      'storage-corrupt',
      `The document ${document.id} has lost its state. Restore a backup.`,
    );
    throw await this.#orMoved(document, lost);
  }

  /** Why something of the document isn't in storage: another server moved it, or the given error. */
  async #orMoved(document: LiveDocument, error: unknown): Promise<unknown> {
    const { id } = document;
    const { epoch, deleted, head, base } = await this.#storage.head(id);
    // Who is behind finds neither the log, where it was compacted, nor a snapshot that it can use.
    const isOld = (known: LiveDocument): boolean =>
      known.epoch !== epoch || known.deleted !== deleted || known.head < head || known.base < base;
    if (!isOld(document)) return error;
    // Not waited for: whoever asks may hold the document.
    this.#alone(id, async (live) => {
      if (isOld(live)) await this.#refresh(live);
    }).catch(this.#options.report);
    return new DocumentMoved(id);
  }

  async #trim(document: LiveDocument, always: boolean): Promise<boolean> {
    if (document.deleted || document.head === 0) return false;
    // Not what is known of it here: a backup may have been made a moment ago, or the first one ever.
    const { safe } = await this.#storage.head(document.id);
    if (safe < document.head) {
      if (always) throw notBackedUp(document.id, document.head, safe);
      return false;
    }
    await this.#replicas.load(document);
    const next = Math.max(this.#environment.epoch(), document.epoch + 1);
    const trim = prepareTrim(document, this.#environment.agent(), next, always);
    if (trim === undefined) {
      document.untrimmedAt = document.head;
      return false;
    }
    if ((await this.#storage.trim(trim)) === 'stale') {
      await this.#refresh(document);
      return false;
    }
    this.#end(document, epochChanged(document.epoch, next), next);
    this.spaces.changed(spaceOf(document.id));
    return true;
  }

  /** The automatic rule: at most one document a time, that nobody has followed for a while and that has changed. */
  async #trimOne(): Promise<void> {
    const idleSince = this.#environment.monotonic() - trimIdle_ms;
    const candidate = this.#replicas.loaded.find((document) => {
      const { followers, unfollowedAt, untrimmedAt, head, safe } = document;
      return followers.size === 0 && unfollowedAt <= idleSince && untrimmedAt !== head && safe >= head;
    });
    if (candidate === undefined || this.#closed) return;
    await this.#alone(candidate.id, async (document) => {
      if (document.followers.size === 0) await this.#trim(document, false);
    });
  }

  /** A document has changed, here or at another server. */
  async #hear(change: DocumentChange): Promise<void> {
    const id = change.document;
    this.spaces.changed(spaceOf(id));
    const live = this.#live.get(id);
    if (live === undefined || !isBehind(live, change)) return;
    await this.#alone(id, async (document) => {
      // What was under way here may have been the change.
      if (isBehind(document, change)) await this.#refresh(document);
    });
  }

  /** A client knows of a log that isn't known here: another server may have told it, and storage says whether there is one. */
  async #hearFrom(id: string, from: ResumePoint): Promise<void> {
    const isNews = await this.#with(id, async ({ epoch, head }) => from.epoch !== epoch || from.position > head);
    if (isNews) await this.#alone(id, (document) => this.#catchUp(document));
  }

  /** Takes in what storage has and is not news here yet. The document's lock is held. */
  async #catchUp(document: LiveDocument): Promise<void> {
    if (isBehind(document, await this.#storage.head(document.id))) await this.#refresh(document);
  }

  /**
   * The first backup ever makes less safe than was told before. Its author is told so before it is told that a write is
   * committed which that backup may lack: else it would keep nothing to bring back.
   */
  async #checkFirstBackup(documents: readonly LiveDocument[]): Promise<void> {
    if (!documents.some(({ safe }) => safe === everythingSafe)) return;
    if ((await this.#storage.pulse()).backups > 0) await this.#hearBackup();
  }

  async #hearBackup(): Promise<void> {
    for (const document of [...this.#live.values()]) await this.#hearSafe(document);
  }

  async #hearSafe(document: LiveDocument): Promise<void> {
    const { epoch, safe } = await this.#storage.head(document.id);
    if (document.ended || document.epoch !== epoch || document.safe === safe) return;
    document.safe = safe;
    for (const follower of [...document.followers]) follower.safe(document.id, epoch, safe);
  }

  /** Brings the document up to what is in storage, or ends it. Its lock is held. */
  async #refresh(document: LiveDocument): Promise<void> {
    const { id, epoch } = document;
    try {
      const { head, agents } = await this.#storage.load(id);
      if (head.deleted) this.#end(document, documentDeleted(id));
      else if (head.epoch !== epoch) this.#end(document, epochChanged(epoch, head.epoch), head.epoch);
      else {
        document.compacted(head.base);
        while (document.head < head.head) {
          const after = document.head;
          const read = await this.#storage.read(id, epoch, after, newsPage);
          const envelopes = read.slice(0, head.head - after);
          if (envelopes.length === 0) throw new Error(`The log ends at ${after}, not at ${head.head}.`);
          document.advance(envelopes);
          const told = envelopes.map((bytes) => {
            const { agent, to } = readEnvelope(bytes);
            return { bytes, agent, to };
          });
          this.#committer.tell(document, after, told);
        }
        document.setAgents(agents);
        this.#replicas.grown(document);
      }
    } catch (error) {
      this.#end(document, asJoineryError(error, 'storage-failed'));
    }
  }

  /** Forgets a document that nobody uses and that has no replica. */
  #release(document: LiveDocument): void {
    if (document.followers.size > 0 || document.replica !== undefined || this.#replicas.isBusy(document)) return;
    if (this.#live.get(document.id) === document) this.#live.delete(document.id);
  }

  #tellPresence({ id, followers, present }: LiveDocument, from: Follower, state: Uint8Array, gone: boolean): void {
    if (gone) present.delete(from);
    else present.add(from);
    for (const follower of [...followers]) {
      if (follower !== from) follower.presence(id, from.name, state, gone);
    }
  }

  /** It is not this document any more: followers begin anew, and what waits has failed. */
  #end(document: LiveDocument, error: JoineryError, epoch = 0): void {
    document.ended = true;
    if (this.#live.get(document.id) === document) this.#live.delete(document.id);
    this.#replicas.forget(document);
    const followers = [...document.followers];
    document.followers.clear();
    document.present.clear();
    for (const follower of followers) follower.lost(document.id, error, epoch);
    this.#committer.fail(document, error);
  }
}

/** Whether another server has gone further with the document. */
function isBehind(known: LiveDocument, { epoch, head, deleted }: Omit<DocumentChange, 'document'>): boolean {
  return known.epoch !== epoch || known.head < head || known.deleted !== deleted;
}
