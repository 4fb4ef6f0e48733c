/**
 * A document that clients follow or write to right now: where its log stands, its replica, who follows it and what waits
 * to be committed. It decides and remembers; it does no I/O. Between `decide` and `committed` or `discard` its replica is
 * ahead of the log, and nothing of that may be seen from outside: whoever moves the document, or reads its replica, holds
 * its lock.
 */

import type { AckRange, BroughtEnvelope, Commit, Settlement } from '@joinery/protocol';
import { JoineryError } from '@joinery/protocol';
import { encodeVersion, type Replica } from 'joinery/core';
import type { AgentHead, Append, DocumentHead, StoredEnvelope } from '../storage/storage.ts';
import type { Refused } from './acceptance.ts';
import { decide } from './decide.ts';
import { Lock } from './lock.ts';

/** Who follows documents: a connection. */
export interface Follower {
  /** Names it to other clients. */
  readonly name: string;
  committed(commit: Commit): void;
  settled(document: string, epoch: number, settlement: Settlement): void;
  /** The document has to be subscribed anew; `epoch` goes with `epoch-changed`. */
  lost(document: string, error: JoineryError, epoch: number): void;
  /** What the backup holds has changed. */
  safe(document: string, epoch: number, position: number): void;
  presence(document: string, client: string, state: Uint8Array, gone: boolean): void;
  /** Something in a followed space has changed. */
  spaceChanged(space: string): void;
}

/** Envelopes that a client brought in one frame. */
export interface Submission {
  readonly follower: Follower;
  /** Who it was when it brought them. */
  readonly user: string;
  readonly envelopes: readonly BroughtEnvelope[];
  readonly bytes: number;
}

/** What became of the waiting submissions, to be committed and then told. */
export interface Taken {
  readonly document: LiveDocument;
  readonly append: Append;
  /** Who brought each of the envelopes of `append`. */
  readonly origins: readonly Follower[];
  readonly settlements: readonly { readonly submission: Submission; readonly settlement: Settlement }[];
  /** The part of the last submission that was not decided on, which waits again. */
  readonly rest: Submission | undefined;
}

/** What the host says to a question: no, nothing against it, or that the rest is to be asked another time. */
export type Answer = Refused | undefined | 'later';

/** An envelope that may be taken unless the host says no. */
export interface Question {
  readonly user: string;
  readonly envelope: BroughtEnvelope;
  readonly replica: Replica;
}

/** Another server has ended the document's epoch, or deleted it: what it is now has to be read. */
export class DocumentMoved extends JoineryError {
  constructor(document: string) {
    super('storage-failed', `The document ${JSON.stringify(document)} has moved on. It has to be read anew.`);
  }
}

export class LiveDocument {
  readonly id: string;
  readonly epoch: number;
  readonly deleted: boolean;
  readonly followers = new Set<Follower>();
  /** Those of them that have said something of themselves to the others. */
  readonly present = new Set<Follower>();
  /** Whoever moves the document or looks at its replica holds it. */
  readonly lock = new Lock();
  waiting: Submission[] = [];
  /** How many things are being done with it right now, commits apart. */
  users = 0;
  /** It is not this document any more: given up, in another epoch, or deleted. */
  ended = false;
  /** Since when nobody follows it, by the clock that never goes back. */
  unfollowedAt: number;
  /** The head at which it was last found to be not worth trimming. */
  untrimmedAt = 0;
  /** Envelopes in the log that the stored snapshot doesn't have, in bytes. */
  tail_bytes = 0;
  snapshot_bytes = 0;
  snapshotPosition = 0;
  safe: number;
  #base: number;
  #head: number;
  #agents: Map<bigint, AgentHead>;
  #replica: Replica | undefined;
  #version: Uint8Array | undefined;
  /** The replica has joined what is not in the log yet. */
  #ahead = false;
  /** The replica holds something that the log must not get: nothing more is decided with it. */
  #tainted = false;

  constructor(id: string, head: DocumentHead, agents: Map<bigint, AgentHead>, now: number) {
    this.id = id;
    this.epoch = head.epoch;
    this.deleted = head.deleted;
    this.#base = head.base;
    this.safe = head.safe;
    this.unfollowedAt = now;
    this.#head = head.head;
    this.#agents = agents;
    if (head.snapshot !== undefined && head.snapshot.position <= head.head) {
      this.snapshotPosition = head.snapshot.position;
      this.snapshot_bytes = head.snapshot.size_bytes;
    }
  }

  get head(): number {
    return this.#head;
  }

  /** The log begins behind this position. */
  get base(): number {
    return this.#base;
  }

  /** The log was compacted, here or by another server. */
  compacted(base: number): void {
    this.#base = Math.max(this.#base, base);
  }

  /** The version vector at the head: of this epoch alone. */
  get version(): Uint8Array {
    if (this.#version === undefined) {
      const seqs = new Map<bigint, number>();
      for (const [agent, { seq, epoch }] of this.#agents) if (epoch === this.epoch && seq > 0) seqs.set(agent, seq);
      this.#version = encodeVersion(seqs);
    }
    return this.#version;
  }

  get replica(): Replica | undefined {
    return this.#replica;
  }

  /** Whether the replica has what is not in the log yet. */
  get ahead(): boolean {
    return this.#ahead;
  }

  /** Gives it a replica that stands at the head. */
  load(replica: Replica): void {
    this.#replica?.free();
    this.#replica = replica;
  }

  /** Frees the replica; it is read from storage again when it is needed. */
  unload(): void {
    const replica = this.#replica;
    this.#replica = undefined;
    try {
      replica?.free();
    } catch (error) {
      // A replica in which the core fell over can't be freed; its memory is lost until the next start.
      if (!this.#tainted) throw error;
    }
    this.#tainted = false;
  }

  /**
   * Decides on the waiting submissions, in order, up to so many bytes. The replica has joined what is taken: it is the
   * judge of the payloads, and an envelope that it refuses leaves it as it was.
   *
   * @param asks yield every envelope that may be taken, for the host to say no; without it nothing is ever yielded
   * @param report is told when the core itself fails
   */
  *decide(
    limit_bytes: number,
    time_ms: number,
    asks: boolean,
    report: (error: unknown) => void,
  ): Generator<Question, Taken, Answer> {
    const envelopes: StoredEnvelope[] = [];
    const origins: Follower[] = [];
    const taken = new Map<bigint, AgentHead>();
    const heads = { get: (agent: bigint) => taken.get(agent) ?? this.#agents.get(agent) };
    const settlements: Taken['settlements'][number][] = [];
    let bytes = 0;
    let rest: Submission | undefined;
    let later = false;
    this.#ahead = true;
    while (this.waiting.length > 0 && !this.#tainted && !later) {
      const submission = this.waiting[0] as Submission;
      if (bytes > 0 && bytes + submission.bytes > limit_bytes) break;
      bytes += submission.bytes;
      this.waiting.shift();
      const { user } = submission;
      const duplicates: AckRange[] = [];
      const refusals: Settlement['refusals'][number][] = [];
      let done = 0;
      for (const envelope of submission.envelopes) {
        if (this.#tainted) break;
        done += 1;
        const { agent, from, to } = envelope.header;
        const decision = decide(envelope.header, { heads, epoch: this.epoch, user, time_ms });
        let refusal: typeof decision | undefined = decision;
        if (decision.type === 'take') {
          const replica = this.#replica;
          if (replica === undefined) throw new JoineryError('internal', `The document ${this.id} has no replica.`);
          const answer = asks ? yield { user, envelope, replica } : undefined;
          if (answer === 'later') {
            later = true;
            done -= 1;
            break;
          }
          refusal = answer ?? this.#join(replica, envelope.bytes, report);
        }
        if (refusal === undefined) {
          envelopes.push({ agent, from, to, bytes: envelope.bytes, user });
          origins.push(submission.follower);
          const position = this.#head + envelopes.length;
          const known = heads.get(agent)?.user ?? user;
          taken.set(agent, { seq: to, position, epoch: this.epoch, user: known, closed: false });
        } else if (refusal.type === 'duplicate') {
          const { seq, epoch, position } = refusal.last;
          // Of an earlier epoch: it is in what this one began with.
          const place = epoch === this.epoch ? position : this.#head;
          duplicates.push({ agent, to: seq, position: place, count: 0 });
        } else if (refusal.type === 'refuse') {
          const { code, message, missing } = refusal;
          refusals.push({ agent, from, to, code, message, last: heads.get(agent)?.seq ?? 0, missing });
        }
      }
      const undecided = submission.envelopes.slice(done);
      // The bytes are given back with the last part.
      if (undecided.length > 0) {
        rest = { ...submission, envelopes: undecided };
        this.waiting.unshift(rest);
      }
      const settled_bytes = undecided.length > 0 ? 0 : submission.bytes;
      settlements.push({ submission, settlement: { bytes: settled_bytes, duplicates, refusals } });
    }
    const append = { document: this.id, epoch: this.epoch, after: this.#head, envelopes };
    return { document: this, append, origins, settlements, rest };
  }

  /** What was taken is in the log. */
  committed({ append }: Taken): void {
    this.#ahead = false;
    for (const { agent, to, bytes, user } of append.envelopes) {
      this.#head += 1;
      const known = this.#agents.get(agent)?.user ?? user;
      this.#agents.set(agent, { seq: to, position: this.#head, epoch: this.epoch, user: known, closed: false });
      this.tail_bytes += bytes.length;
    }
    if (append.envelopes.length > 0) this.#version = undefined;
    if (this.#tainted) this.unload();
  }

  /** Nothing is in the log of what was being decided on: the replica has seen what never happened. */
  discard(): void {
    this.#ahead = false;
    this.unload();
  }

  /** What was taken and not committed waits again, before what came since. */
  waitAgain({ settlements, rest }: Taken): void {
    if (rest !== undefined) this.waiting.splice(this.waiting.indexOf(rest), 1);
    this.waiting.unshift(...settlements.map(({ submission }) => submission));
  }

  /** Another server has put these behind the head. */
  advance(envelopes: readonly Uint8Array[]): void {
    this.#replica?.applyUpdates(envelopes);
    this.#head += envelopes.length;
    for (const { length } of envelopes) this.tail_bytes += length;
  }

  /** The agents as storage has them at the head. */
  setAgents(agents: Map<bigint, AgentHead>): void {
    this.#agents = agents;
    this.#version = undefined;
  }

  /** These agents are closed in storage. */
  agentsClosed(last: ReadonlyMap<bigint, number>, user: string): void {
    for (const [agent, seq] of last) {
      const known = this.#agents.get(agent) ?? { seq, epoch: this.epoch, position: 0, user, closed: true };
      this.#agents.set(agent, { ...known, user: known.user ?? user, closed: true });
    }
  }

  /** Undefined when the replica took it. */
  #join(replica: Replica, envelope: Uint8Array, report: (error: unknown) => void): Refused | undefined {
    const before = replica.pendingCount;
    try {
      if (replica.applyUpdate(envelope)) return undefined;
    } catch (error) {
      if (error instanceof JoineryError) {
        return { type: 'refuse', code: error.code, message: error.message, missing: undefined };
      }
      // The core fell over this envelope: nobody else is to suffer from it, and the replica can't be trusted any more.
      report(error);
      this.#tainted = true;
      return refused('invalid-update', 'an envelope that the core can join', 'one that it fails on');
    }
    // It says nothing new, or waits for what its header doesn't name: so the header isn't true. What waits could join
    // later without being in the log, so such a replica is given up.
    this.#tainted = replica.pendingCount > before;
    return refused('invalid-envelope', 'a payload that is what the header says', 'another');
  }
}

function refused(code: string, expected: string, got: string): Refused {
  const message = `Expected ${expected}, got ${got}. Nothing of it was stored.`;
  return { type: 'refuse', code, message, missing: undefined };
}
