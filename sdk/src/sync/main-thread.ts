// The main thread as one document of the engine sees it: the present opening, which is fed with what is new, and earlier
// ones, which wait only to hear what became of their writes. It decides nothing; it knows who has to be told what.

import type { JoineryError } from '@joinery/protocol';
import type { StoredDocument } from '../storage/storage.ts';
import type { Append } from './appends.ts';
import { Feed } from './feed.ts';
import { type AgentSeq, type EnginePort, type EngineStatus, errorData, type FromEngine } from './messages.ts';

/** Stored documents with a log up to this size are passed on as they lie in storage; others as one encoded state. */
const forwardedLog_bytes = 64 * 1024;

export class MainThread {
  readonly #port: EnginePort<FromEngine>;
  readonly #document: string;
  /** Encodes the document as it is. */
  readonly #encode: () => Uint8Array;
  readonly #channels = new Set<number>();
  #feed: Feed | undefined;
  /** Seqs that the main thread waits for the server to have and that it would not be told of else. */
  #awaited: readonly AgentSeq[] = [];

  constructor(port: EnginePort<FromEngine>, document: string, encode: () => Uint8Array) {
    this.#port = port;
    this.#document = document;
    this.#encode = encode;
  }

  get isOpen(): boolean {
    return this.#feed !== undefined;
  }

  open(channel: number, awaited: readonly AgentSeq[]): void {
    this.#feed = new Feed(channel, this.#port, this.#encode);
    this.#channels.add(channel);
    this.await(awaited);
  }

  /** These are to be told of as well, also to earlier openings. */
  await(seqs: readonly AgentSeq[]): void {
    const isKnown = ([agent, to]: AgentSeq): boolean => this.#awaited.some((seq) => seq[0] === agent && seq[1] === to);
    this.#awaited = [...this.#awaited, ...seqs.filter((seq) => !isKnown(seq))];
  }

  /** False when a later opening has taken over already. */
  close(channel: number): boolean {
    if (this.#feed?.channel !== channel) return false;
    this.#feed = undefined;
    return true;
  }

  /** Everything is synced: only the present opening waits for anything. */
  forgetEarlier(): void {
    for (const channel of this.#channels) if (channel !== this.#feed?.channel) this.#channels.delete(channel);
  }

  taken(bytes: number): void {
    this.#feed?.taken(bytes);
  }

  reload(): void {
    this.#feed?.pushState();
  }

  push(updates: readonly Uint8Array[]): void {
    this.#feed?.push(updates);
  }

  /** An own append is in the replica now; the opening that it came from has it already. */
  pushOwn(append: Append): void {
    if (this.#feed && this.#feed.channel !== append.channel) this.#feed.push(append.envelopes);
  }

  /** The document can be used; with what was read from storage, if that is all there is. */
  loaded(status: EngineStatus, stored?: StoredDocument, log: readonly Uint8Array[] = []): void {
    const channel = this.#feed?.channel;
    if (channel === undefined) return;
    const bytes = log.reduce((sum, envelope) => sum + envelope.length, 0);
    if (stored !== undefined && bytes <= forwardedLog_bytes) {
      this.#port.post({ type: 'loaded', channel, snapshot: stored.snapshot?.bytes, updates: log, status });
      return;
    }
    const snapshot = this.#encode();
    this.#port.post({ type: 'loaded', channel, snapshot, updates: [], status }, [snapshot.buffer as ArrayBuffer]);
  }

  failed(error: JoineryError): void {
    const channel = this.#feed?.channel;
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
    const reached = new Map(seqs);
    const isReached = ([agent, to]: AgentSeq): boolean => to <= (reached.get(agent) ?? 0);
    // What is waited for may be of own agents as well, and then lower.
    const told = [...new Map([...this.#awaited.filter(isReached), ...seqs.filter(([agent]) => isOwn(agent))])];
    this.#awaited = this.#awaited.filter((seq) => !isReached(seq));
    if (told.length === 0 || this.#channels.size === 0) return false;
    const now = status();
    for (const channel of this.#channels) this.#port.post({ type: 'synced', channel, seqs: told, status: now });
    return true;
  }

  rejected(agent: bigint, from: number, to: number, error: JoineryError, status: EngineStatus): void {
    const data = errorData(error);
    for (const channel of this.#channels) {
      this.#port.post({ type: 'rejected', channel, agent, from, to, error: data, status });
    }
  }

  damaged(error: JoineryError): void {
    this.#port.post({ type: 'damaged', document: this.#document, error: errorData(error) });
  }
}
