// The main thread as one document of the engine sees it: the present opening, which is fed with what is new, and earlier
// ones, which wait only to hear what became of their writes. It decides nothing; it knows who has to be told what.

import type { JoineryError } from '@joinery/protocol';
import type { Bridge } from '../core/replay.ts';
import type { Replacement, StoredDocument, StoredRejection } from '../storage/storage.ts';
import type { Append } from './appends.ts';
import type { Conflict } from './conflicts.ts';
import { Feed, type StateSource } from './feed.ts';
import {
  type AgentSeq,
  type DocumentPending,
  type EnginePort,
  type EngineStatus,
  errorData,
  type FromEngine,
  type ToEngine,
} from './messages.ts';
import type { Retried } from './retrying.ts';

/** Stored documents with a log up to this size are passed on as they lie in storage; others as one encoded state. */
const forwardedLog_bytes = 64 * 1024;

/** What is told of a swap beside the chain of swaps. */
export interface ReplacedMore {
  readonly epochChanged: boolean;
  readonly bridges: readonly Bridge[];
  readonly carried: readonly AgentSeq[];
  readonly unanswered: readonly AgentSeq[];
  readonly rejections: readonly StoredRejection[] | undefined;
}

export type AskedUndo = Extract<ToEngine, { readonly type: 'undo' }>;

/** What storage has of an undo stack. */
export interface KeptUndo {
  readonly owner: string | undefined;
  readonly bytes: Uint8Array | undefined;
  readonly error: JoineryError | undefined;
}

export interface MainThreadDocument extends StateSource {
  readonly id: string;
}

export class MainThread {
  readonly #port: EnginePort<FromEngine>;
  readonly #document: MainThreadDocument;
  /** Told of another incarnation, and what they had not stored is yet to come. Made when there is one. */
  #following: Set<number> | undefined;
  /** Openings whose replica is of this incarnation, but not of what storage has of it. */
  #strayed: Set<number> | undefined;
  /** Counts how often that came to be. */
  #turn = 0;
  /** The present opening. */
  #channel: number | undefined;
  /** Its feed, while there is something on its way. */
  #madeFeed: Feed | undefined;
  /** Of the replica that the present opening has; undefined where it has none yet. */
  #incarnation: number | undefined;
  /** Earlier openings, with the same of theirs. */
  #earlier: Map<number, number | undefined> | undefined;
  /** Of agents that are not this tab's: up to which seq the main thread waits for the server to have them. */
  #awaited: Map<bigint, number> | undefined;

  constructor(port: EnginePort<FromEngine>, document: MainThreadDocument) {
    this.#port = port;
    this.#document = document;
  }

  get isOpen(): boolean {
    return this.#channel !== undefined;
  }

  /** Whether an opening is yet to bring what it had not stored into the present incarnation. */
  get isFollowing(): boolean {
    return (this.#following?.size ?? 0) > 0;
  }

  /** Which replica of an incarnation the openings have been given. */
  get turn(): number {
    return this.#turn;
  }

  /** Storage has this incarnation in another epoch: every replica that was given is to be replaced. */
  stray(): void {
    this.#turn += 1;
    for (const [channel, known] of this.#channels) if (known !== undefined) this.#strays(channel);
  }

  #strays(channel: number): void {
    this.#strayed ??= new Set();
    this.#strayed.add(channel);
  }

  followed(channel: number): void {
    this.#following?.delete(channel);
  }

  open(channel: number, incarnation: number | undefined, awaited: readonly AgentSeq[]): void {
    this.#leave();
    this.#channel = channel;
    this.#incarnation = incarnation;
    this.#earlier?.delete(channel);
    // It has a replica, and nothing was told to it here.
    if (this.#turn > 0 && incarnation !== undefined) this.#strays(channel);
    this.await(awaited);
  }

  has(channel: number): boolean {
    return this.#channel === channel || (this.#earlier?.has(channel) ?? false);
  }

  /** These are to be told of as well, also to earlier openings. */
  await(seqs: readonly AgentSeq[]): void {
    for (const [agent, to] of seqs) {
      this.#awaited ??= new Map();
      this.#awaited.set(agent, Math.max(to, this.#awaited.get(agent) ?? 0));
    }
  }

  /** It is an earlier one now; or none, where it waits for nothing. A later opening may have taken over already. */
  close(channel: number, awaits: boolean): void {
    if (this.#channel === channel) this.#leave();
    if (awaits) return;
    this.#earlier?.delete(channel);
    this.#following?.delete(channel);
    this.#strayed?.delete(channel);
  }

  /** The present opening becomes an earlier one. */
  #leave(): void {
    if (this.#channel === undefined) return;
    this.#earlier ??= new Map();
    this.#earlier.set(this.#channel, this.#incarnation);
    this.#channel = this.#madeFeed = undefined;
  }

  get #feed(): Feed | undefined {
    if (this.#channel === undefined) return undefined;
    this.#madeFeed ??= new Feed(this.#channel, this.#port, this.#document);
    return this.#madeFeed;
  }

  get #channels(): [channel: number, incarnation: number | undefined][] {
    const earlier = [...(this.#earlier ?? [])];
    return this.#channel === undefined ? earlier : [...earlier, [this.#channel, this.#incarnation]];
  }

  /** Everything is synced: only the present opening waits for anything. Returns the others. */
  forgetEarlier(): number[] {
    const earlier = [...(this.#earlier?.keys() ?? [])];
    this.#earlier = undefined;
    return earlier;
  }

  taken(bytes: number): void {
    this.#madeFeed?.taken(bytes);
    if (this.#madeFeed?.isIdle) this.#madeFeed = undefined;
  }

  reload(): void {
    this.#feed?.pushState();
  }

  push(updates: readonly Uint8Array[]): void {
    this.#feed?.push(updates);
  }

  /** Envelopes of an opening are in the replica now; that one has them already. */
  pushOwn({ channel, envelopes }: Pick<Append, 'channel' | 'envelopes'>): void {
    if (this.#channel !== channel) this.#feed?.push(envelopes);
  }

  /** The document can be used; with what was read from storage, if that is all there is. */
  loaded(incarnation: number, status: EngineStatus, stored?: StoredDocument, log: readonly Uint8Array[] = []): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    this.#incarnation = incarnation;
    const turn = this.#turn;
    const bytes = log.reduce((sum, envelope) => sum + envelope.length, 0);
    if (stored !== undefined && bytes <= forwardedLog_bytes) {
      const snapshot = stored.snapshot?.bytes;
      this.#port.post({ type: 'loaded', channel, incarnation, turn, snapshot, updates: log, status });
      return;
    }
    const snapshot = this.#document.encode();
    const message = { type: 'loaded', channel, incarnation, turn, snapshot, updates: [], status } as const;
    this.#port.post(message, [snapshot.buffer as ArrayBuffer]);
  }

  failed(error: JoineryError): void {
    const channel = this.#channel;
    if (channel !== undefined) this.#port.post({ type: 'failed', channel, error: errorData(error) });
  }

  durable({ channel, batch }: Append, unsynced: readonly AgentSeq[], status: EngineStatus): void {
    this.#port.post({ type: 'durable', channel, batch, unsynced, status });
  }

  kept({ channel, batch }: Append, status: EngineStatus): void {
    this.#port.post({ type: 'kept', channel, batch, status });
  }

  /** The server has these; told are those of own agents and those that were waited for. False when nobody was told. */
  synced(seqs: readonly AgentSeq[], isOwn: (agent: bigint) => boolean, status: () => EngineStatus): boolean {
    const told = seqs.filter(([agent]) => isOwn(agent) || this.#awaited?.has(agent));
    for (const [agent, to] of seqs) if (to >= (this.#awaited?.get(agent) ?? 0)) this.#awaited?.delete(agent);
    if (this.#awaited?.size === 0) this.#awaited = undefined;
    if (told.length === 0 || this.#channels.length === 0) return false;
    const now = status();
    for (const [channel] of this.#channels) this.#port.post({ type: 'synced', channel, seqs: told, status: now });
    return true;
  }

  /** The openings that have a replica of another incarnation, with the lowest of these. */
  behind(incarnation: number): { readonly channels: readonly number[]; readonly lowest: number } {
    const behind = this.#channels.flatMap(([channel, known]) =>
      known === undefined || this.#has(channel, known, incarnation) ? [] : [{ channel, known }],
    );
    const lowest = behind.reduce((least, { known }) => Math.min(least, known), incarnation);
    return { channels: behind.map(({ channel }) => channel), lowest };
  }

  #has(channel: number, known: number, incarnation: number): boolean {
    return known === incarnation && this.#strayed?.has(channel) !== true;
  }

  /** Another incarnation has taken the place of theirs. */
  replaced(
    channels: readonly number[],
    incarnation: number,
    chain: readonly Replacement[],
    more: ReplacedMore,
    status: EngineStatus,
  ): void {
    for (const channel of channels) {
      const isPresent = this.#channel === channel;
      const known = isPresent ? this.#incarnation : this.#earlier?.get(channel);
      if (known === undefined || this.#has(channel, known, incarnation)) continue;
      this.#strayed?.delete(channel);
      this.#following ??= new Set();
      this.#following.add(channel);
      if (isPresent) {
        this.#incarnation = incarnation;
        this.#madeFeed?.reset();
      } else this.#earlier?.set(channel, incarnation);
      const replacements = chain.filter((one) => one.incarnation > known);
      const complete = replacements.length >= incarnation - known;
      const snapshot = this.#document.encode();
      // Of the last swap what this engine was given just now, else what whoever swapped has left for the others.
      const isGiven = (one: Replacement): boolean => one.incarnation === incarnation && more.bridges.length > 0;
      const bridges = replacements.flatMap((one) => (isGiven(one) ? more.bridges : one.bridges));
      const message = {
        type: 'replaced',
        channel,
        incarnation,
        turn: this.#turn,
        snapshot,
        replacements: replacements.map((one) => ({ ...one, bridges: [] })),
        complete,
        epochChanged: more.epochChanged,
        bridges,
        carried: more.carried,
        unanswered: more.unanswered,
        // Once is enough.
        rejections: channel === channels[0] ? more.rejections : undefined,
        status,
      } as const;
      this.#port.post(message, [snapshot.buffer as ArrayBuffer]);
    }
  }

  /** Nothing that was waited for has its name any more. */
  forgetAwaited(): void {
    this.#awaited = undefined;
  }

  retried(channel: number, id: string, { updates, written, error }: Retried, status: EngineStatus): void {
    const failure = error && errorData(error);
    this.#port.post({ type: 'retried', channel, id, updates, written, error: failure, status });
  }

  undo({ channel, name }: AskedUndo, kept: KeptUndo): void {
    const { owner, bytes, error } = kept;
    this.#port.post({ type: 'undo', channel, name, owner, bytes, error: error && errorData(error) });
  }

  pending(pending: DocumentPending): void {
    const channel = this.#channel;
    if (channel !== undefined) this.#port.post({ type: 'pending', channel, pending });
  }

  conflicts(conflicts: readonly Conflict[]): void {
    if (conflicts.length > 0) this.#port.post({ type: 'conflicts', document: this.#document.id, conflicts });
  }

  damaged(error: JoineryError): void {
    this.#port.post({ type: 'damaged', document: this.#document.id, error: errorData(error) });
  }
}
