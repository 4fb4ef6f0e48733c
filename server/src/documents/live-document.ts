/**
 * A document that clients follow or write to right now: where its log stands, its replica, who follows it and what waits
 * to be committed. It decides and remembers; it does no I/O. Between `take` and `committed` or `discard` it is ahead of
 * the log, and nothing of that may be seen from outside.
 */

import type { AckRange, BroughtEnvelope, Commit, Settlement } from '@joinery/protocol';
import { JoineryError } from '@joinery/protocol';
import { encodeVersion, type Replica } from 'joinery/core';
import type { AgentHead, Append, StoredEnvelope } from '../storage/storage.ts';
import { decide } from './decide.ts';

/** Who follows documents: a connection. */
export interface Follower {
  /** Names it to other clients. */
  readonly name: string;
  committed(commit: Commit): void;
  settled(document: string, epoch: number, settlement: Settlement): void;
  /** The document has to be subscribed anew. */
  lost(document: string, error: JoineryError): void;
  presence(document: string, client: string, state: Uint8Array, gone: boolean): void;
}

/** Envelopes that a client brought in one frame. */
export interface Submission {
  readonly follower: Follower;
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
}

export class LiveDocument {
  readonly id: string;
  readonly epoch: number;
  readonly followers = new Set<Follower>();
  waiting: Submission[] = [];
  /** How many things are being done with it right now, commits apart. */
  users = 0;
  /** A commit is under way. */
  committing = false;
  /** Envelopes in the log that the stored snapshot doesn't have, in bytes. */
  tail_bytes = 0;
  snapshot_bytes = 0;
  snapshotPosition = 0;
  #head: number;
  readonly #agents: Map<bigint, AgentHead>;
  #replica: Replica | undefined;
  #version: Uint8Array | undefined;
  /** The replica holds something that the log must not get: nothing more is decided with it. */
  #tainted = false;

  constructor(id: string, epoch: number, head: number, agents: Map<bigint, AgentHead>) {
    this.id = id;
    this.epoch = epoch;
    this.#head = head;
    this.#agents = agents;
  }

  get head(): number {
    return this.#head;
  }

  /** The version vector at the head. */
  get version(): Uint8Array {
    if (this.#version === undefined) {
      const seqs = new Map<bigint, number>();
      for (const [agent, { seq }] of this.#agents) seqs.set(agent, seq);
      this.#version = encodeVersion(seqs);
    }
    return this.#version;
  }

  get replica(): Replica | undefined {
    return this.#replica;
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
   * @param report is told when the core itself fails
   */
  take(limit_bytes: number, time_ms: number, report: (error: unknown) => void): Taken {
    const envelopes: StoredEnvelope[] = [];
    const origins: Follower[] = [];
    const taken = new Map<bigint, AgentHead>();
    const heads = { get: (agent: bigint) => taken.get(agent) ?? this.#agents.get(agent) };
    const settlements: Taken['settlements'][number][] = [];
    let bytes = 0;
    while (this.waiting.length > 0 && !this.#tainted) {
      const submission = this.waiting[0] as Submission;
      if (bytes > 0 && bytes + submission.bytes > limit_bytes) break;
      bytes += submission.bytes;
      this.waiting.shift();
      const duplicates: AckRange[] = [];
      const refusals: Settlement['refusals'][number][] = [];
      let done = 0;
      for (const { header, bytes: envelope } of submission.envelopes) {
        if (this.#tainted) break;
        done += 1;
        const { agent, from, to } = header;
        const decision = decide(header, heads, time_ms);
        const refusal = decision.type === 'take' ? this.#join(envelope, report) : decision;
        if (refusal === undefined) {
          envelopes.push({ agent, from, to, bytes: envelope });
          origins.push(submission.follower);
          taken.set(agent, { seq: to, position: this.#head + envelopes.length });
        } else if (refusal.type === 'duplicate') {
          duplicates.push({ agent, to: refusal.last.seq, position: refusal.last.position, count: 0 });
        } else if (refusal.type === 'refuse') {
          const last = heads.get(agent)?.seq ?? 0;
          refusals.push({
            agent,
            from,
            to,
            code: refusal.code,
            message: refusal.message,
            last,
            missing: refusal.missing,
          });
        }
      }
      const rest = submission.envelopes.slice(done);
      // The bytes are given back with the last part.
      if (rest.length > 0) this.waiting.unshift({ ...submission, envelopes: rest });
      const settled_bytes = rest.length > 0 ? 0 : submission.bytes;
      settlements.push({ submission, settlement: { bytes: settled_bytes, duplicates, refusals } });
    }
    this.committing = true;
    const append = { document: this.id, epoch: this.epoch, after: this.#head, envelopes };
    return { document: this, append, origins, settlements };
  }

  /** What was taken is in the log. */
  committed({ append }: Taken): void {
    this.committing = false;
    for (const { agent, to, bytes } of append.envelopes) {
      this.#head += 1;
      this.#agents.set(agent, { seq: to, position: this.#head });
      this.tail_bytes += bytes.length;
    }
    if (append.envelopes.length > 0) this.#version = undefined;
    if (this.#tainted) this.unload();
  }

  /** What was taken is not in the log: the replica has seen what never happened. */
  discard(): void {
    this.committing = false;
    this.unload();
  }

  /** Undefined when the replica took it. */
  #join(envelope: Uint8Array, report: (error: unknown) => void): Refused | undefined {
    const replica = this.#replica;
    if (replica === undefined) throw new JoineryError('internal', `The document ${this.id} has no replica.`);
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

interface Refused {
  readonly type: 'refuse';
  readonly code: string;
  readonly message: string;
  readonly missing: undefined;
}

function refused(code: string, expected: string, got: string): Refused {
  const message = `Expected ${expected}, got ${got}. Nothing of it was stored.`;
  return { type: 'refuse', code, message, missing: undefined };
}
