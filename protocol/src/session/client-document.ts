/**
 * One document within the client's session: subscribing, taking in what the server sends, sending what the log has, and
 * what to do after a gap or a refusal. It knows nothing of links and handshakes: the session tells it when it is online
 * and carries its frames.
 */

import { type EnvelopeHeader, maxSeq, readEnvelope } from '../envelope.ts';
import { asJoineryError, errorCodes, isErrorCode, JoineryError } from '../error.ts';
import { maxEnvelopesPerFrame } from '../limits.ts';
import type {
  Ack,
  BridgePart,
  Closed,
  Envelopes,
  ErrorMessage,
  Refusal,
  Safe,
  SnapshotPart,
  SubscribedMessage,
  Subscription,
} from '../messages.ts';
import { batches } from './batches.ts';
import type { DocumentContext, Load } from './client-document-context.ts';
import type { ResumePoint } from './client-effects.ts';
import { Replacement } from './client-replacement.ts';
import { GapRetry } from './gap-retry.ts';
import { InFlight } from './in-flight.ts';
import { SnapshotAssembly, snapshotTooLarge } from './snapshot-assembly.ts';

/**
 * `waiting`: not subscribed over this link; `closing`: agents are being closed, before it is subscribed; `subscribing`:
 * asked, no answer yet (bridges may come); `snapshot`: parts are to come; `live`; `parked`: nothing happens until the
 * owner subscribes again or replaces the document, which it does after `refused` and `epoch-changed`.
 */
type Phase = 'waiting' | 'closing' | 'subscribing' | 'snapshot' | 'live' | 'parked';

const nothing = new Uint8Array(0);
/** While the server lacks something, so few are tried: each would be answered with a gap. */
const gapBatchCount = 64;

export class ClientDocument {
  readonly id: string;
  readonly #context: DocumentContext;
  // Made when they are first needed: of ten thousand open documents nearly all have nothing on its way.
  #onTheirWay: InFlight | undefined;
  #stopped: Set<bigint> | undefined;
  #retry: GapRetry | undefined;
  #phase: Phase = 'waiting';
  /** Of the subscription over this link, from the question on; 0 when there is none. */
  #channel = 0;
  /** Told by the answer under the channel, and the same until the channel ends. */
  #epoch = 0;
  #position = 0;
  /** What the client has, as long as there is no position that says it. */
  #version: Uint8Array | undefined;
  #head = 0;
  #caughtUp = false;
  #assembly: SnapshotAssembly | undefined;
  /** The client gives up its incarnation: until everything it is replaced by has come. */
  #replacement: Replacement | undefined;
  /** What the log has is of an incarnation that is given up: nothing of it is asked for until `replaced`. */
  #held = false;
  #deleted = false;
  #request = 0;
  /** What an open question to the log may bring. */
  #asked: Load | undefined;
  #starved = false;
  /** The log may have envelopes that are not on their way. */
  #mayHaveMore = true;
  #changedSinceAsked = false;

  constructor(id: string, from: ResumePoint | undefined, context: DocumentContext) {
    this.id = id;
    this.#context = context;
    this.#epoch = from?.epoch ?? 0;
    this.#position = from?.position ?? 0;
    this.#version = from?.version;
  }

  get nextTimeout(): number | undefined {
    return this.#retry?.retryAt;
  }

  get channel(): number {
    return this.#channel;
  }

  /** Whether the next move is the server's: an answer, or envelopes up to the head that it named. */
  get awaitsServer(): boolean {
    if (this.#phase === 'closing' || this.#phase === 'subscribing' || this.#phase === 'snapshot') return true;
    return this.#phase === 'live' && ((this.#onTheirWay?.count ?? 0) > 0 || !this.#caughtUp);
  }

  get wantsSubscription(): boolean {
    return this.#isDue && this.#replacement?.closed !== false;
  }

  get wantsClosing(): boolean {
    return this.#isDue && this.#replacement?.closed === false;
  }

  get #isDue(): boolean {
    return this.#phase === 'waiting' && this.#retry?.retryAt === undefined;
  }

  /** Whether it would ask the log for more but for want of room. */
  get starved(): boolean {
    return this.#starved;
  }

  /** What it takes of the window. */
  get load(): Load {
    return {
      bytes: (this.#onTheirWay?.bytes ?? 0) + (this.#asked?.bytes ?? 0),
      count: (this.#onTheirWay?.count ?? 0) + (this.#asked?.count ?? 0),
    };
  }

  /** The link is ready: the entry for the `subscribe` that the session sends. */
  subscribe(): Subscription {
    this.#phase = 'subscribing';
    this.#channel = this.#context.openChannel(this);
    const version = (this.#position === 0 ? this.#version : undefined) ?? nothing;
    const bridgeFrom = this.#replacement?.bridgeFrom ?? 0;
    const [channel, document, epoch, position] = [this.#channel, this.id, this.#epoch, this.#position];
    return { channel, document, epoch, position, version, bridgeFrom };
  }

  /** What the client has of the document is given up. */
  replace(agents: readonly bigint[], epoch: number | undefined): void {
    this.#held = true;
    this.#replacement = new Replacement(agents, epoch);
    this.#again();
  }

  /** What replaces it is stored, and the log is a new one. */
  replaced(): void {
    this.#held = false;
    this.changed();
  }

  /** The link is ready: the agents are closed before anything else. */
  close(): void {
    this.#phase = 'closing';
    for (const message of this.#replacement?.begin(this.id) ?? []) this.#context.send(message);
  }

  handleAgentsClosed(message: Closed): void {
    if (this.#phase !== 'closing' || this.#replacement === undefined) return;
    this.#replacement.answer(message);
    if (!this.#replacement.closed) return;
    this.#phase = 'waiting';
    const { last } = this.#replacement;
    this.#context.emit({ type: 'agents-closed', document: this.id, epoch: message.epoch, last });
  }

  /** The document is deleted for ever. */
  deleted(): void {
    if (this.#deleted) return;
    this.#deleted = true;
    this.#replacement = undefined;
    this.#park();
    this.#context.emit({ type: 'document-deleted', document: this.id });
  }

  /** The link is gone. */
  offline(): void {
    if (this.#phase === 'parked') return;
    this.#again();
  }

  changed(): void {
    this.#mayHaveMore = true;
    this.#changedSinceAsked = true;
    this.pull();
  }

  handleTimeout(now: number): void {
    if (this.#retry?.due(now) !== true) return;
    // After a gap it goes on here; everything else begins with a new subscription, which the session asks for.
    this.pull();
  }

  handleSubscribed(message: SubscribedMessage): void {
    // A channel is of one epoch: nothing that is said later makes it another one's.
    if (this.#phase !== 'subscribing') throw violation(`one answer under channel ${message.channel}`, 'another');
    if (this.#epoch !== 0 && message.epoch !== this.#epoch) {
      this.#unsubscribe();
      this.#epochChanged(message.epoch);
      return;
    }
    const restarted = message.position < this.#position || this.#replacement !== undefined;
    if (message.position > this.#position && !message.snapshotFollows) {
      throw violation(`envelopes from ${this.#position + 1} on`, `from ${message.position + 1} on`);
    }
    this.#forgetLink();
    this.#epoch = message.epoch;
    this.#position = Math.min(this.#position, message.position);
    this.#head = message.head;
    this.#caughtUp = false;
    this.#phase = message.snapshotFollows ? 'snapshot' : 'live';
    this.#assembly = message.snapshotFollows ? new SnapshotAssembly(this.#context.limits.snapshot_bytes) : undefined;
    this.#context.emit({
      type: 'subscribed',
      document: this.id,
      epoch: message.epoch,
      head: message.head,
      version: message.version.slice(),
      restarted,
      stateFollows: message.snapshotFollows,
      safe: message.safe,
    });
    this.#checkCaughtUp();
  }

  /** Returns the bytes that were handed on and will be consumed. */
  handleBridge(part: BridgePart): number {
    if (this.#phase !== 'subscribing' || this.#replacement === undefined) return 0;
    // Like one that the server no longer has: the replay does without it.
    if (part.total_bytes > this.#context.limits.snapshot_bytes) return 0;
    this.#assembly ??= new SnapshotAssembly(this.#context.limits.snapshot_bytes);
    const bytes = this.#assembly.add(part);
    if (bytes === undefined) return 0;
    this.#assembly = undefined;
    const { epoch, agent } = part;
    this.#context.emit({ type: 'bridge', document: this.id, epoch, agent, bytes, credit_bytes: bytes.length });
    return bytes.length;
  }

  handleSafe({ position }: Safe): void {
    if (!this.follows) return;
    this.#context.emit({ type: 'safe', document: this.id, epoch: this.#epoch, position });
  }

  /** Returns the bytes that were handed on and will be consumed. */
  handleSnapshot(part: SnapshotPart, now: number): number {
    if (this.#phase !== 'snapshot' || this.#assembly === undefined) return 0;
    const { snapshot_bytes } = this.#context.limits;
    if (part.total_bytes > snapshot_bytes) {
      // Over the next link it would be as large: the document has failed, and the others go on.
      this.#unsubscribe();
      this.#fail(snapshotTooLarge(snapshot_bytes, part.total_bytes), now);
      return 0;
    }
    const bytes = this.#assembly.add(part);
    if (bytes === undefined) return 0;
    this.#assembly = undefined;
    this.#phase = 'live';
    this.#position = part.position;
    this.#context.emit({
      type: 'snapshot',
      document: this.id,
      epoch: this.#epoch,
      position: part.position,
      bytes,
      delta: part.delta,
      credit_bytes: bytes.length,
    });
    this.#checkCaughtUp();
    return bytes.length;
  }

  /** Returns the bytes that were handed on and will be consumed. */
  handleEnvelopes(message: Envelopes): number {
    if (this.#phase !== 'live') return 0;
    const next = this.#position + 1;
    if (message.firstPosition < 1 || message.firstPosition > next) {
      throw violation(`the envelope at position ${next}`, `one at ${message.firstPosition}`);
    }
    const envelopes = message.envelopes.slice(next - message.firstPosition);
    if (envelopes.length === 0) return 0;
    this.#position += envelopes.length;
    const bytes = envelopes.reduce((sum, envelope) => sum + envelope.length, 0);
    this.#context.emit({
      type: 'envelopes',
      document: this.id,
      epoch: this.#epoch,
      firstPosition: next,
      envelopes,
      position: this.#position,
      credit_bytes: bytes,
    });
    this.#checkCaughtUp();
    if (this.#retry?.open) {
      for (const envelope of envelopes) this.#retry?.coveredBy(envelope);
      this.pull();
    }
    return bytes;
  }

  handleAck(message: Ack): void {
    if (!this.follows) return;
    for (const range of message.ranges) {
      this.#inFlight.acknowledge(range.agent, range.to);
      this.#retry?.covered(range.agent, range.to);
      if (range.count > 0) this.#retry?.succeeded();
      const before = range.position - range.count;
      // A range of this client's own envelopes moves the resume point: they aren't sent back to it.
      if (this.#phase === 'live' && range.count > 0 && before <= this.#position && range.position > this.#position) {
        this.#position = range.position;
      }
      this.#context.emit({
        type: 'acknowledged',
        document: this.id,
        epoch: this.#epoch,
        agent: range.agent,
        to: range.to,
        position: range.position,
        resume: this.#position,
      });
    }
    this.#checkCaughtUp();
    this.pull();
  }

  handleRefusal(message: Refusal, now: number): void {
    if (!this.follows) return;
    // An answer to what was on its way before the document was subscribed anew or replaced.
    if (this.#onTheirWay?.has(message.agent, message.from, message.to) !== true) return;
    this.#inFlight.forgetBefore(message.agent, message.from);
    this.#inFlight.remove(message.agent, message.from, message.to);
    if (this.#stopped?.has(message.agent)) {
      // What follows a refused envelope can only be a gap: it was told already.
      this.pull();
      return;
    }
    const error = new JoineryError(message.code, message.message);
    if (message.code === 'gap' || error.retryable) {
      this.#handleGap(message, error, now);
      return;
    }
    this.#stopped ??= new Set();
    this.#stopped.add(message.agent);
    this.#inFlight.stop(message.agent, maxSeq);
    this.#context.emit({
      type: 'refused',
      document: this.id,
      epoch: this.#epoch,
      agent: message.agent,
      from: message.from,
      to: message.to,
      error,
      serverTime_ms: message.serverTime_ms,
    });
    this.pull();
  }

  /** The server has ended the subscription, or takes none. */
  handleError(message: ErrorMessage, now: number): void {
    if (message.code !== 'epoch-changed') {
      this.#handleFailure(message, now);
      return;
    }
    if (this.#epoch !== 0) {
      this.#epochChanged(message.epoch);
      return;
    }
    // Who comes from nothing is in no epoch: the document has entered another one while the answer was waiting for room.
    this.#again();
    this.#madeRetry.later(now);
  }

  /** Its agents could not be closed. */
  handleCloseFailed(message: ErrorMessage, now: number): void {
    if (this.#phase === 'closing') this.#handleFailure(message, now);
  }

  #handleFailure(message: ErrorMessage, now: number): void {
    if (message.code === 'document-deleted') {
      this.deleted();
      return;
    }
    const retryable = isErrorCode(message.code) ? errorCodes[message.code].retryable : message.retryable;
    this.#fail(new JoineryError(message.code, message.message, { retryable }), now);
  }

  /** Asks the log for more if there may be some and there is room for it. */
  pull(): void {
    this.#starved = false;
    if (this.#held || this.#phase !== 'live' || this.#asked !== undefined || !this.#mayHaveMore) return;
    if (this.#retry?.retryAt !== undefined) return;
    if (this.#retry?.open) {
      // All that is on its way is answered first: trying earlier would only repeat the gap.
      if ((this.#onTheirWay?.count ?? 0) > 0) return;
      this.#retry?.tryAgain();
      this.#forgetOnTheirWay();
    }
    this.#context.note(this);
    const room = this.#context.room();
    this.#starved = room.bytes <= 0 || room.count <= 0;
    if (this.#starved) return;
    const limit_bytes = Math.min(room.bytes, this.#context.limits.batch_bytes);
    const limit_count = Math.min(room.count, this.#retry?.cautious ? gapBatchCount : maxEnvelopesPerFrame);
    this.#request += 1;
    this.#asked = { bytes: limit_bytes, count: limit_count };
    this.#changedSinceAsked = false;
    this.#context.emit({
      type: 'need-envelopes',
      document: this.id,
      epoch: this.#epoch,
      request: this.#request,
      sent: new Map(this.#onTheirWay?.sent),
      limit_bytes,
      limit_count,
    });
  }

  handleAnswer(request: number, envelopes: readonly Uint8Array[], now: number): void {
    if (this.#asked === undefined || request !== this.#request) return;
    this.#asked = undefined;
    this.#context.note(this);
    const room_bytes = this.#context.room().bytes;
    const fresh: Uint8Array[] = [];
    let fresh_bytes = 0;
    for (const bytes of envelopes) {
      let header: EnvelopeHeader;
      try {
        header = readEnvelope(bytes);
      } catch (error) {
        this.#unsubscribe();
        this.#fail(asJoineryError(error), now);
        return;
      }
      if (this.#inFlight.covers(header.agent, header.to)) continue;
      // One may be larger than the room, but only one: the rest is asked for again when there is some.
      if (fresh_bytes >= room_bytes) break;
      fresh.push(bytes);
      fresh_bytes += bytes.length;
      this.#inFlight.add(header.agent, header.from, header.to, bytes.length);
    }
    const message = { type: 'envelopes', channel: this.#channel, firstPosition: 0 } as const;
    for (const batch of batches(fresh, this.#context.limits.batch_bytes)) {
      this.#context.send({ ...message, envelopes: batch });
    }
    // Without room nothing was added, though there may be more.
    this.#mayHaveMore = fresh.length > 0 || room_bytes <= 0 || this.#changedSinceAsked;
    this.pull();
  }

  #handleGap(message: Refusal, error: JoineryError, now: number): void {
    const missing = message.missing ?? { agent: message.agent, seq: message.from };
    this.#mayHaveMore = true;
    if (this.#madeRetry.refused(missing, now)) {
      this.#context.emit({ type: 'blocked', document: this.id, agent: message.agent, missing, error });
    }
    this.pull();
  }

  #checkCaughtUp(): void {
    if (this.#phase !== 'live' || this.#position < this.#head) return;
    if (!this.#caughtUp) {
      this.#caughtUp = true;
      this.#replacement = undefined;
      this.#context.emit({ type: 'caught-up', document: this.id, position: this.#position });
    }
    this.pull();
  }

  #epochChanged(epoch: number): void {
    const from = this.#epoch;
    this.#park();
    this.#context.emit({ type: 'epoch-changed', document: this.id, from, epoch });
  }

  #fail(error: JoineryError, now: number): void {
    if (error.retryable) {
      this.#again();
      this.#madeRetry.later(now);
    } else {
      this.#park();
    }
    this.#context.emit({ type: 'document-failed', document: this.id, error });
  }

  /**
   * Subscribed: what was sent before the answer to `subscribe` is about what was subscribed before it. An acknowledgement
   * among it would count with what is safe by an older word than the one that it came after.
   */
  get follows(): boolean {
    return this.#phase === 'snapshot' || this.#phase === 'live';
  }

  /** Begins anew, over this link or the next one: a replacement from its start. */
  #again(): void {
    this.#phase = 'waiting';
    this.#endChannel();
    this.#forgetLink();
    if (this.#replacement === undefined) return;
    this.#replacement.restart();
    this.#epoch = 0;
    this.#position = 0;
    this.#version = undefined;
  }

  #park(): void {
    this.#phase = 'parked';
    this.#endChannel();
    this.#forgetLink();
  }

  /** It is this side that ends the subscription. */
  #unsubscribe(): void {
    if (this.#channel !== 0) this.#context.send({ type: 'unsubscribe', channel: this.#channel });
    this.#endChannel();
  }

  #endChannel(): void {
    if (this.#channel !== 0) this.#context.endChannel(this.#channel);
    this.#channel = 0;
  }

  get #inFlight(): InFlight {
    this.#onTheirWay ??= new InFlight();
    return this.#onTheirWay;
  }

  get #madeRetry(): GapRetry {
    this.#retry ??= new GapRetry(this.#context.random);
    return this.#retry;
  }

  /** Nothing is on its way any more. */
  #forgetOnTheirWay(): void {
    if (this.#stopped === undefined) this.#onTheirWay = undefined;
    else this.#inFlight.reset(this.#stopped, maxSeq);
  }

  #forgetLink(): void {
    this.#forgetOnTheirWay();
    this.#asked = undefined;
    this.#assembly = undefined;
    this.#retry?.forget();
    this.#mayHaveMore = true;
    this.#starved = false;
  }
}

function violation(expected: string, got: string): JoineryError {
  return new JoineryError('protocol-violation', {
    expected,
    got,
    remedy: 'The link is closed and the document resumed from what is there.',
  });
}
