/**
 * One document that one client follows, at the server: how far it was delivered. There is no queue: a cursor stands in
 * the log, new envelopes are passed on when the cursor is at the head, and whoever was too slow is served from the log
 * again when there is room. So a slow client costs a number.
 */

import { everythingSafe, maxEnvelopesPerFrame, maxSnapshotPartBytes } from '../limits.ts';
import type { AckRange, Message } from '../messages.ts';
import type { Bridge, Commit, DocumentState, ServerEffect } from './server-effects.ts';

/** What a followed document needs of its session. */
export interface DeliveryContext {
  /** The owner's name of the session: what it brought itself is acknowledged, not sent. */
  readonly self: unknown;
  emit(effect: ServerEffect): void;
  /** Numbers a question to the owner, above all of the link before it. */
  request(): number;
  send(message: Message): void;
  /** What goes to many: it lacks the channel. */
  sendFrame(frame: Uint8Array, channel: number): void;
  /** How many bytes may be sent now; 0 or less when the client gave no credit or its link is clogged. */
  room(): number;
  spend(bytes: number): void;
  /** So many bytes of states and bridges more (or less) are kept until the client has room. */
  hold(bytes: number): void;
}

/** One read of the log brings so much at most. */
const readLimit_bytes = 256 * 1024;

export class ServerDocument {
  readonly id: string;
  /** What the client calls it over this link. */
  readonly channel: number;
  readonly request: number;
  readonly #context: DeliveryContext;
  #epoch = 0;
  /** Everything up to here was sent. */
  #cursor = 0;
  #head = 0;
  /** Bridges to be sent first, and how far the first of them was. */
  #bridges: readonly Bridge[] = [];
  #bridgeOffset = 0;
  /** To be sent behind the bridges. */
  #subscribed: Message | undefined;
  #snapshot:
    | { readonly bytes: Uint8Array; readonly position: number; readonly delta: boolean; offset: number }
    | undefined;
  /** Bytes of bridges and snapshot that were not sent yet. */
  #held_bytes = 0;
  #reading: number | undefined;
  #live = false;

  constructor(id: string, channel: number, request: number, context: DeliveryContext) {
    this.id = id;
    this.channel = channel;
    this.request = request;
    this.#context = context;
  }

  /** Whether it is known where the document stands. */
  get live(): boolean {
    return this.#live;
  }

  /** Whether the client was told so, and in which epoch: then it may send envelopes of that, and be told what became of them. */
  get told(): boolean {
    return this.#live && this.#subscribed === undefined;
  }

  get epoch(): number {
    return this.#epoch;
  }

  start(state: DocumentState): void {
    this.#live = true;
    this.#epoch = state.epoch;
    this.#cursor = state.position;
    this.#head = state.head;
    if (state.snapshot !== undefined && state.snapshot.length > 0) {
      const { snapshot: bytes, position, delta = false } = state;
      this.#snapshot = { bytes, position, delta, offset: 0 };
    }
    this.#bridges = state.bridges?.filter(({ bytes }) => bytes.length > 0) ?? [];
    this.#hold(this.#bridges.reduce((sum, { bytes }) => sum + bytes.length, this.#snapshot?.bytes.length ?? 0));
    this.#subscribed = {
      type: 'subscribed',
      channel: this.channel,
      epoch: state.epoch,
      head: state.head,
      version: state.version,
      position: state.position,
      snapshotFollows: this.#snapshot !== undefined,
      safe: state.safe ?? everythingSafe,
    };
    this.deliver();
  }

  /** The client follows it no more: what waited for it is let go. */
  end(): void {
    this.#hold(-this.#held_bytes);
  }

  /** Sends what there is as far as there is room. */
  deliver(): void {
    if (!this.#live || this.#reading !== undefined) return;
    this.#sendBridges();
    if (this.#bridges.length > 0) return;
    if (this.#subscribed !== undefined) this.#context.send(this.#subscribed);
    this.#subscribed = undefined;
    this.#sendSnapshot();
    if (this.#snapshot !== undefined || this.#cursor >= this.#head || this.#context.room() <= 0) return;
    this.#reading = this.#context.request();
    this.#context.emit({
      type: 'read-log',
      document: this.id,
      epoch: this.#epoch,
      request: this.#reading,
      after: this.#cursor,
      limit_bytes: Math.min(readLimit_bytes, this.#context.room()),
      limit_count: maxEnvelopesPerFrame,
    });
  }

  /** What the backup holds has changed. */
  handleSafe(epoch: number, position: number): void {
    if (!this.#live || epoch !== this.#epoch) return;
    if (this.#subscribed?.type === 'subscribed') this.#subscribed = { ...this.#subscribed, safe: position };
    else this.#context.send({ type: 'safe', channel: this.channel, position });
  }

  /** Whether this is the read that is waited for, and not one of an earlier subscription. */
  reads(request: number): boolean {
    return request === this.#reading;
  }

  handleLog(request: number, firstPosition: number, envelopes: readonly Uint8Array[]): void {
    if (!this.reads(request)) return;
    this.#reading = undefined;
    if (envelopes.length === 0 || firstPosition !== this.#cursor + 1) return;
    this.#sendEnvelopes(firstPosition, envelopes);
    this.deliver();
  }

  handleCommitted(commit: Commit): void {
    if (!this.#live || commit.epoch !== this.#epoch) return;
    const last = commit.firstPosition + commit.envelopes.length - 1;
    if (last <= this.#head) {
      // It was committed before the client subscribed: the log holds it. Its author wants to know all the same.
      this.#acknowledge(commit, false);
      return;
    }
    const started = this.#subscribed === undefined && this.#snapshot === undefined;
    const next = this.#cursor === commit.firstPosition - 1 && this.#reading === undefined;
    this.#head = last;
    if (next && started && this.#context.room() > 0) this.#passOn(commit);
    else {
      this.#acknowledge(commit, false);
      this.deliver();
    }
  }

  /** The cursor is right before the commit: what others brought is sent, what this client brought acknowledged. */
  #passOn(commit: Commit): void {
    const self = this.#context.self;
    const last = commit.firstPosition + commit.envelopes.length - 1;
    if (!commit.envelopes.some((envelope) => envelope.origin === self)) {
      if (commit.frame !== undefined) {
        this.#context.spend(commit.bytes);
        this.#context.sendFrame(commit.frame, this.channel);
        this.#cursor = last;
        return;
      }
    } else if (commit.envelopes.every((envelope) => envelope.origin === self)) {
      this.#acknowledge(commit, true);
      this.#cursor = last;
      return;
    }
    // Runs by turns, in the order of positions.
    let start = 0;
    while (start < commit.envelopes.length) {
      const own = commit.envelopes[start]?.origin === self;
      let end = start + 1;
      while (end < commit.envelopes.length && (commit.envelopes[end]?.origin === self) === own) end += 1;
      const envelopes = commit.envelopes.slice(start, end);
      const firstPosition = commit.firstPosition + start;
      if (own) {
        this.#acknowledge({ ...commit, envelopes, firstPosition }, true);
        this.#cursor = firstPosition + envelopes.length - 1;
      } else {
        this.#sendEnvelopes(
          firstPosition,
          envelopes.map((envelope) => envelope.bytes),
        );
      }
      start = end;
    }
  }

  /**
   * Acknowledges what this client brought. In order (`dense`), a range says how many positions it takes up; else it says
   * nothing about positions, for the client is not that far yet and will get them from the log. Nor is anything acknowledged
   * before the answer to the subscription.
   */
  #acknowledge(commit: Commit, dense: boolean): void {
    if (!this.told) return;
    const ranges: AckRange[] = [];
    let position = commit.firstPosition - 1;
    for (const { agent, to, origin } of commit.envelopes) {
      position += 1;
      if (origin !== this.#context.self) continue;
      const last = ranges.at(-1);
      const count = dense ? 1 : 0;
      // Consecutive ones of an agent make one range.
      if (last?.agent === agent && last.position === position - 1) {
        ranges[ranges.length - 1] = { agent, to, position, count: last.count + count };
      } else ranges.push({ agent, to, position, count });
    }
    if (ranges.length > 0) this.#context.send({ type: 'ack', channel: this.channel, ranges });
  }

  #sendEnvelopes(firstPosition: number, envelopes: readonly Uint8Array[]): void {
    this.#context.spend(envelopes.reduce((sum, envelope) => sum + envelope.length, 0));
    this.#context.send({ type: 'envelopes', channel: this.channel, firstPosition, envelopes });
    this.#cursor = firstPosition + envelopes.length - 1;
  }

  #sendBridges(): void {
    for (let bridge = this.#bridges[0]; bridge !== undefined; bridge = this.#bridges[0]) {
      const { epoch, agent, bytes } = bridge;
      while (this.#bridgeOffset < bytes.length) {
        if (this.#context.room() <= 0) return;
        const offset = this.#bridgeOffset;
        const part = bytes.subarray(offset, offset + maxSnapshotPartBytes);
        this.#context.spend(part.length);
        this.#context.send({
          type: 'bridge',
          channel: this.channel,
          epoch,
          agent,
          total_bytes: bytes.length,
          offset,
          part,
        });
        this.#bridgeOffset += part.length;
        this.#hold(-part.length);
      }
      this.#bridges = this.#bridges.slice(1);
      this.#bridgeOffset = 0;
    }
  }

  #hold(bytes: number): void {
    this.#held_bytes += bytes;
    this.#context.hold(bytes);
  }

  #sendSnapshot(): void {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return;
    while (snapshot.offset < snapshot.bytes.length) {
      if (this.#context.room() <= 0) return;
      const part = snapshot.bytes.subarray(snapshot.offset, snapshot.offset + maxSnapshotPartBytes);
      this.#context.spend(part.length);
      this.#context.send({
        type: 'snapshot',
        channel: this.channel,
        position: snapshot.position,
        total_bytes: snapshot.bytes.length,
        offset: snapshot.offset,
        part,
        delta: snapshot.delta,
      });
      snapshot.offset += part.length;
      this.#hold(-part.length);
    }
    this.#snapshot = undefined;
  }
}
