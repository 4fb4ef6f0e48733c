/**
 * Group commit: what arrived while the last transaction was written goes into the next one, of all documents together, so
 * that the disk is waited for once per group and not once per envelope. Followers are told after the commit: the authors
 * that it is done, the others what is new.
 */

import { asJoineryError, type Commit, type CommittedEnvelope, type FrameCodec, JoineryError } from '@joinery/protocol';
import type { Storage } from '../storage/storage.ts';
import type { Follower, LiveDocument, Taken } from './live-document.ts';
import { nextTurn } from './next-turn.ts';

export interface CommitterOptions {
  readonly storage: Storage;
  readonly codec: FrameCodec;
  /** The wall clock, in milliseconds since 1970. */
  readonly time: () => number;
  /** Gives the document its replica. */
  readonly load: (document: LiveDocument) => Promise<void>;
  /** The document has grown, and everyone knows. */
  readonly committed: (document: LiveDocument) => void;
  /** The document in memory is not what is in storage: it must be given up. */
  readonly lost: (document: LiveDocument, error: JoineryError) => void;
  /** Told about what nobody waits for. */
  readonly report: (error: unknown) => void;
}

type Outcome = 'committed' | 'stale' | JoineryError;

/** One transaction takes up to so many bytes of envelopes, and a document so many of them. */
const group_bytes = 16 * 1024 * 1024;
const documentShare_bytes = 4 * 1024 * 1024;
/** A commit is told in pieces that fit a frame. */
const piece_bytes = 256 * 1024;
const piece_count = 2_048;

export class Committer {
  readonly #options: CommitterOptions;
  readonly #ready = new Set<LiveDocument>();
  readonly #loading = new Map<LiveDocument, Promise<void>>();
  #running: Promise<void> | undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** The document has submissions that wait. */
  schedule(document: LiveDocument): void {
    if (this.#loading.has(document)) return;
    if (document.replica === undefined) {
      this.#load(document);
      return;
    }
    this.#ready.add(document);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined || this.#loading.size > 0) {
      await this.#running;
      await Promise.allSettled(this.#loading.values());
    }
  }

  #load(document: LiveDocument): void {
    const loading = this.#options.load(document).then(
      () => {
        this.#loading.delete(document);
        this.schedule(document);
      },
      (error: unknown) => {
        this.#loading.delete(document);
        this.#failWaiting(document, asJoineryError(error, 'storage-failed'));
      },
    );
    this.#loading.set(document, loading);
  }

  async #run(): Promise<void> {
    // Frames that arrived in the same turn of the event loop are taken in first.
    await nextTurn();
    while (this.#ready.size > 0) {
      try {
        await this.#commitGroup(this.#takeGroup());
      } catch (error) {
        this.#options.report(error);
      }
      await nextTurn();
    }
  }

  #takeGroup(): Taken[] {
    const group: Taken[] = [];
    let bytes = 0;
    for (const document of this.#ready) {
      if (bytes >= group_bytes) break;
      this.#ready.delete(document);
      if (document.replica === undefined) {
        this.schedule(document);
        continue;
      }
      const taken = document.take(documentShare_bytes, this.#options.time(), this.#options.report);
      bytes += taken.append.envelopes.reduce((sum, envelope) => sum + envelope.bytes.length, 0);
      group.push(taken);
    }
    return group;
  }

  async #commitGroup(group: readonly Taken[]): Promise<void> {
    const writing = group.filter((taken) => taken.append.envelopes.length > 0);
    const outcomes = await this.#append(writing);
    for (const taken of group) this.#conclude(taken, outcomes.get(taken) ?? 'committed');
  }

  /** What became of each append. */
  async #append(writing: readonly Taken[]): Promise<Map<Taken, Outcome>> {
    const outcomes = new Map<Taken, Outcome>();
    if (writing.length === 0) return outcomes;
    const { storage } = this.#options;
    try {
      const answers = await storage.append(writing.map((taken) => taken.append));
      for (const [index, taken] of writing.entries()) outcomes.set(taken, answers[index] ?? 'stale');
      return outcomes;
    } catch (error) {
      if (writing[0] !== undefined && writing.length === 1) {
        return outcomes.set(writing[0], asJoineryError(error, 'storage-failed'));
      }
    }
    // The transaction failed: one document's trouble must not be another's.
    for (const taken of writing) {
      for (const [key, outcome] of await this.#append([taken])) outcomes.set(key, outcome);
    }
    return outcomes;
  }

  #conclude(taken: Taken, outcome: Outcome): void {
    const { document } = taken;
    if (outcome === 'committed') {
      document.committed(taken);
      this.#tell(taken);
      if (document.waiting.length > 0) this.schedule(document);
      this.#options.committed(document);
      return;
    }
    document.discard();
    const error =
      outcome === 'stale'
        ? new JoineryError('storage-failed', `The log of ${document.id} was written to by another server. Try again.`)
        : outcome;
    for (const { submission } of taken.settlements) document.waiting.unshift(submission);
    this.#failWaiting(document, error);
    if (outcome === 'stale') this.#options.lost(document, error);
    else this.#options.report(error);
  }

  #failWaiting(document: LiveDocument, error: JoineryError): void {
    for (const { follower, bytes } of document.waiting.splice(0)) {
      const settlement = { bytes, duplicates: [], refusals: [], failed: error };
      this.#guard(() => follower.settled(document.id, document.epoch, settlement));
    }
  }

  #tell({ document, append, origins, settlements }: Taken): void {
    const { id, epoch } = document;
    for (const commit of this.#pieces(id, epoch, append.after, append.envelopes, origins)) {
      for (const follower of document.followers) this.#guard(() => follower.committed(commit));
    }
    for (const { submission, settlement } of settlements) {
      this.#guard(() => submission.follower.settled(id, epoch, settlement));
    }
  }

  *#pieces(
    id: string,
    epoch: number,
    after: number,
    envelopes: Taken['append']['envelopes'],
    origins: readonly Follower[],
  ): Generator<Commit> {
    let piece: CommittedEnvelope[] = [];
    let bytes = 0;
    let firstPosition = after + 1;
    for (const [index, envelope] of envelopes.entries()) {
      if (piece.length === piece_count || (piece.length > 0 && bytes + envelope.bytes.length > piece_bytes)) {
        yield this.#commit(id, epoch, firstPosition, piece, bytes);
        firstPosition += piece.length;
        piece = [];
        bytes = 0;
      }
      piece.push({ bytes: envelope.bytes, agent: envelope.agent, to: envelope.to, origin: origins[index] });
      bytes += envelope.bytes.length;
    }
    if (piece.length > 0) yield this.#commit(id, epoch, firstPosition, piece, bytes);
  }

  #commit(
    document: string,
    epoch: number,
    firstPosition: number,
    envelopes: CommittedEnvelope[],
    bytes: number,
  ): Commit {
    const { codec } = this.#options;
    let frame: Uint8Array | undefined;
    return {
      document,
      epoch,
      firstPosition,
      envelopes,
      bytes,
      // Made when the first one wants it: where the author is alone nobody does.
      get frame() {
        frame ??= codec.encode({
          type: 'envelopes',
          document,
          epoch,
          firstPosition,
          envelopes: envelopes.map((envelope) => envelope.bytes),
        });
        return frame;
      },
    };
  }

  /** One follower's trouble must not keep the news from the others. */
  #guard(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#options.report(error);
    }
  }
}
