/**
 * Group commit: what arrived while the last transaction was written goes into the next one, of all documents together, so
 * that the disk is waited for once per group and not once per envelope. Followers are told after the commit: the authors
 * that it is done, the others what is new. Where the host has a say about envelopes it is asked before, outside of every
 * transaction.
 */

import { asJoineryError, type Commit, type CommittedEnvelope, type FrameCodec, JoineryError } from '@joinery/protocol';
import type { ServerEnvironment } from '../environment.ts';
import type { Storage } from '../storage/storage.ts';
import { type Accept, askAcceptance } from './acceptance.ts';
import { type Answer, DocumentMoved, type LiveDocument, type Question, type Taken } from './live-document.ts';

export interface CommitterOptions {
  readonly storage: Storage;
  readonly codec: FrameCodec;
  readonly environment: ServerEnvironment;
  /** The host's say about each envelope. */
  readonly accept: Accept | undefined;
  /** Gives the document its replica. */
  readonly load: (document: LiveDocument) => Promise<void>;
  /** Authors are about to be told what the log of these has. They are told that it failed where this does. */
  readonly telling: (documents: readonly LiveDocument[]) => Promise<void>;
  /** The document has grown, and everyone knows. */
  readonly committed: (document: LiveDocument) => void;
  /** Another server has changed the document: brings it up to what is in storage, or ends it. Its lock is held. */
  readonly refresh: (document: LiveDocument) => Promise<void>;
  /** Told about what nobody waits for. */
  readonly report: (error: unknown) => void;
}

type Outcome = 'committed' | 'stale' | JoineryError;
type Deciding = Generator<Question, Taken, Answer>;

/** One transaction takes up to so many bytes of envelopes, and a document so many of them. */
const group_bytes = 16 * 1024 * 1024;
const documentShare_bytes = 4 * 1024 * 1024;
/** A document waits for its host so long at a time: then what is decided on is committed, and others get their turn. */
const askingShare_ms = 1_000;
/** A commit is told in pieces that fit a frame. */
const piece_bytes = 256 * 1024;
const piece_count = 2_048;

export class Committer {
  readonly #options: CommitterOptions;
  readonly #ready = new Set<LiveDocument>();
  readonly #loading = new Map<LiveDocument, Promise<void>>();
  /** The host's hook is being asked about their envelopes; others don't wait for it. */
  readonly #asking = new Set<Promise<void>>();
  /** Decided on, to be committed. */
  #decided: Taken[] = [];
  /** What follows from a commit that was too late. */
  readonly #refreshing = new Set<Promise<void>>();
  #running: Promise<void> | undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** The document may have submissions that wait. */
  schedule(document: LiveDocument): void {
    if (document.waiting.length === 0 || this.#loading.has(document)) return;
    if (document.ended) {
      this.fail(document, new JoineryError('storage-failed', `The document ${document.id} has to be read anew.`));
      return;
    }
    if (document.replica === undefined) {
      this.#load(document);
      return;
    }
    this.#ready.add(document);
    this.#run();
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    for (;;) {
      const work = [this.#running, ...this.#loading.values(), ...this.#asking, ...this.#refreshing];
      if (work.every((entry) => entry === undefined)) return;
      await Promise.allSettled(work);
    }
  }

  /** What waits for the document is told that it failed. */
  fail(document: LiveDocument, error: JoineryError): void {
    for (const { follower, bytes } of document.waiting.splice(0)) {
      const settlement = { bytes, duplicates: [], refusals: [], failed: error };
      this.#guard(() => follower.settled(document.id, document.epoch, settlement));
    }
  }

  /** Tells the followers what stands behind `after` now. `origins`: who brought each; none of them: another server. */
  tell(
    { id, epoch, followers }: LiveDocument,
    after: number,
    envelopes: readonly Omit<CommittedEnvelope, 'origin'>[],
    origins: readonly unknown[] = [],
  ): void {
    for (const commit of this.#pieces(id, epoch, after, envelopes, origins)) {
      for (const follower of followers) this.#guard(() => follower.committed(commit));
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
        if (!(error instanceof DocumentMoved)) this.fail(document, asJoineryError(error, 'storage-failed'));
        // It is about to be brought up to date, or to end, and what waits with it.
        else void this.#options.environment.turn().then(() => this.schedule(document));
      },
    );
    this.#loading.set(document, loading);
  }

  #run(): void {
    this.#running ??= this.#commitAll().finally(() => {
      this.#running = undefined;
      // Something may have come between the last look and here.
      if (this.#ready.size > 0 || this.#decided.length > 0) this.#run();
    });
  }

  async #commitAll(): Promise<void> {
    const { environment, report } = this.#options;
    // Frames that arrived in the same turn of the event loop are taken in first.
    await environment.turn();
    while (this.#ready.size > 0 || this.#decided.length > 0) {
      try {
        await this.#commitGroup(this.#takeGroup());
      } catch (error) {
        report(error);
      }
      await environment.turn();
    }
  }

  #takeGroup(): Taken[] {
    const group = this.#decided;
    this.#decided = [];
    let bytes = group.reduce((sum, { append }) => sum + bytesOf(append.envelopes), 0);
    for (const document of this.#ready) {
      if (bytes >= group_bytes) break;
      this.#ready.delete(document);
      // Whoever holds it schedules it again.
      if (!document.lock.tryAcquire()) continue;
      if (document.ended || document.replica === undefined) {
        this.#unlock(document);
        continue;
      }
      const taken = this.#decide(document);
      if (taken === undefined) continue;
      bytes += bytesOf(taken.append.envelopes);
      group.push(taken);
    }
    return group;
  }

  /** Undefined when the host is asked first, or when it failed. */
  #decide(document: LiveDocument): Taken | undefined {
    const { accept, environment, report } = this.#options;
    const deciding = document.decide(documentShare_bytes, environment.time(), accept !== undefined, report);
    if (accept !== undefined) {
      const asking = this.#ask(document, deciding, accept).finally(() => this.#asking.delete(asking));
      this.#asking.add(asking);
      return undefined;
    }
    try {
      const { value, done } = deciding.next();
      if (done === true) return value;
      throw new Error('Nobody was to be asked.');
    } catch (error) {
      this.#giveUp(document, error);
      return undefined;
    }
  }

  /** Asks the host about one envelope after the other: the order of a document is kept. */
  async #ask(document: LiveDocument, deciding: Deciding, accept: Accept): Promise<void> {
    try {
      const options = { ...this.#options, accept };
      const { environment } = options;
      const until = environment.monotonic() + askingShare_ms;
      let step = deciding.next();
      while (step.done !== true) {
        const { user, envelope, replica } = step.value;
        step = deciding.next(await askAcceptance(options, document.id, user, envelope, replica));
        if (step.done !== true && environment.monotonic() >= until) step = deciding.next('later');
      }
      this.#decided.push(step.value);
      this.#run();
    } catch (error) {
      this.#giveUp(document, error);
    }
  }

  /** Deciding itself failed: nothing of it is committed. */
  #giveUp(document: LiveDocument, error: unknown): void {
    this.#options.report(error);
    document.discard();
    this.fail(document, asJoineryError(error));
    this.#unlock(document);
  }

  #unlock(document: LiveDocument): void {
    document.lock.release();
    this.schedule(document);
  }

  async #commitGroup(group: readonly Taken[]): Promise<void> {
    const writing = group.filter((taken) => taken.append.envelopes.length > 0);
    const outcomes = await this.#append(writing);
    let untold: JoineryError | undefined;
    try {
      await this.#options.telling(group.map(({ document }) => document));
    } catch (error) {
      untold = asJoineryError(error, 'storage-failed');
    }
    for (const taken of group) {
      const outcome = outcomes.get(taken) ?? 'committed';
      this.#conclude(taken, outcome === 'committed' ? (untold ?? outcome) : outcome);
    }
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
      this.#settle(taken);
      this.#unlock(document);
      this.#options.committed(document);
      return;
    }
    document.discard();
    document.waitAgain(taken);
    if (outcome === 'stale') {
      // What the other server wrote is read, and everything that waits decided on again.
      const refreshing = this.#options
        .refresh(document)
        .catch(this.#options.report)
        .finally(() => {
          this.#refreshing.delete(refreshing);
          this.#unlock(document);
        });
      this.#refreshing.add(refreshing);
      return;
    }
    this.fail(document, outcome);
    this.#options.report(outcome);
    this.#unlock(document);
  }

  /** Followers learn what is new before the authors learn what became of the rest. */
  #settle({ document, append, origins, settlements }: Taken): void {
    this.tell(document, append.after, append.envelopes, origins);
    for (const { submission, settlement } of settlements) {
      this.#guard(() => submission.follower.settled(document.id, document.epoch, settlement));
    }
  }

  *#pieces(
    id: string,
    epoch: number,
    after: number,
    envelopes: readonly Omit<CommittedEnvelope, 'origin'>[],
    origins: readonly unknown[],
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
          channel: 0,
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

function bytesOf(envelopes: readonly { readonly bytes: Uint8Array }[]): number {
  return envelopes.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
