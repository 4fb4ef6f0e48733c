/**
 * One client's WebSocket around a server session: carries out the session's effects, and keeps the client within its
 * limits by what a socket can do: not reading from one that sends too fast, not sending to one that doesn't read.
 */

import type { ServerEffect, Settlement } from '@joinery/protocol';
import { asJoineryError, type Commit, type FrameCodec, JoineryError, ServerSession } from '@joinery/protocol';
import type { RawData, WebSocket } from 'ws';
import type { Documents } from './documents/documents.ts';
import type { Follower } from './documents/live-document.ts';
import type { ServerLimits, ServerOptions } from './options.ts';
import { TokenBucket } from './token-bucket.ts';

/** What a connection needs of its server. */
export interface ConnectionOptions {
  readonly name: string;
  readonly socket: WebSocket;
  readonly documents: Documents;
  readonly codec: FrameCodec;
  readonly limits: ServerLimits;
  readonly authenticate: ServerOptions['authenticate'];
  readonly knownTypes: readonly string[];
  readonly report: (error: unknown) => void;
  readonly closed: () => void;
}

/** A socket that doesn't end its closing handshake is cut after this. */
const closingTimeout_ms = 2_000;
/** Why the socket isn't read from. */
type Hold = 'rate' | 'clogged';

export class Connection implements Follower {
  readonly name: string;
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #session: ServerSession;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #holds = new Set<Hold>();
  /** Document → the request that is being answered or was. */
  readonly #followed = new Map<string, number>();
  #resumeTimer: NodeJS.Timeout | undefined;
  #throttledSince: number | undefined;
  #cloggedSince: number | undefined;

  constructor(options: ConnectionOptions) {
    const { limits, socket } = options;
    const now = performance.now();
    this.name = options.name;
    this.#options = options;
    this.#socket = socket;
    this.#messages = new TokenBucket(limits.messagesPerSecond, limits.messageBurst, now);
    this.#bytes = new TokenBucket(limits.bytesPerSecond, limits.byteBurst, now);
    const { codec, name, knownTypes } = options;
    this.#session = new ServerSession({ self: this, name, knownTypes, codec, limits }, now);
    socket.on('message', (data, isBinary) => this.#received(data, isBinary));
    // Pings of the WebSocket layer are answered by it; they count all the same.
    socket.on('ping', (data) => this.#throttle(data.length));
    // The WebSocket layer closes with its own code (1009 for a message that is far too large).
    socket.on('error', () => this.#cutLater());
    socket.on('close', () => this.#ended());
  }

  /** To be called now and then: timeouts of the session and of the limits. */
  tick(now: number): void {
    const { limits } = this.#options;
    if (this.#throttledSince !== undefined && now - this.#throttledSince >= limits.throttledTimeout_ms) {
      this.#shut(
        'rate-limited',
        `${limits.messagesPerSecond} messages per second`,
        'more, for too long',
        'Send fewer.',
      );
    } else if (this.#cloggedSince !== undefined && now - this.#cloggedSince >= limits.clogged_ms) {
      this.#shut('slow-consumer', 'a client that reads what it asked for', 'one that does not', 'Connect again.');
    } else if ((this.#session.nextTimeout ?? Number.POSITIVE_INFINITY) <= now) {
      this.#run(this.#session.handleTimeout(now));
    }
  }

  /** The server is closing. */
  shutDown(): void {
    this.#shut('server-closing', 'a server that stays', 'one that is closing', 'Connect again in a moment.');
  }

  committed(commit: Commit): void {
    this.#run(this.#session.handleCommitted(commit));
  }

  settled(document: string, epoch: number, settlement: Settlement): void {
    this.#run(this.#session.handleSettled(document, epoch, settlement, Date.now()));
  }

  lost(document: string, error: JoineryError): void {
    this.#followed.delete(document);
    this.#run(this.#session.handleDocumentLost(document, error));
  }

  presence(document: string, client: string, state: Uint8Array, gone: boolean): void {
    this.#run(this.#session.handlePresence(document, client, state, gone));
  }

  #received(data: RawData, isBinary: boolean): void {
    const frame = viewOf(data);
    this.#throttle(frame.length);
    if (isBinary) this.#run(this.#session.handleFrame(frame, performance.now(), Date.now()));
    else this.#shut('protocol-violation', 'binary messages', 'text', 'Send protobuf frames.');
  }

  #run(effects: ServerEffect[]): void {
    for (const effect of effects) {
      try {
        this.#carryOut(effect);
      } catch (error) {
        this.#options.report(error);
        this.#run(this.#session.handleShutdown(asJoineryError(error)));
      }
    }
  }

  #carryOut(effect: ServerEffect): void {
    const { documents } = this.#options;
    switch (effect.type) {
      case 'send-frame':
        this.#send(effect.frame);
        break;
      case 'close':
        this.#close(effect.error);
        break;
      case 'check-token':
        void this.#checkToken(effect.token);
        break;
      case 'open-document':
        void this.#open(effect.document, effect.request, effect.from);
        break;
      case 'close-document':
        this.#followed.delete(effect.document);
        documents.close(effect.document, this);
        break;
      case 'submit':
        documents.submit(effect.document, this, effect.envelopes, effect.bytes);
        break;
      case 'read-log':
        void this.#read(effect);
        break;
      case 'presence':
        documents.presence(effect.document, this, effect.state, effect.gone);
        break;
    }
  }

  async #open(document: string, request: number, from: Parameters<Documents['open']>[0]['from']): Promise<void> {
    this.#followed.set(document, request);
    try {
      await this.#options.documents.open({
        document,
        from,
        follower: this,
        wanted: () => this.#followed.get(document) === request,
        start: (state) => this.#run(this.#session.handleDocument(document, request, state)),
        refuse: (error, epoch) => this.#refuse(document, request, error, epoch),
      });
    } catch (error) {
      this.#refuse(document, request, asJoineryError(error, 'storage-failed'));
    }
  }

  #refuse(document: string, request: number, error: JoineryError, epoch = 0): void {
    if (this.#followed.get(document) === request) this.#followed.delete(document);
    this.#run(this.#session.handleDocumentFailed(document, request, error, epoch));
  }

  async #read(effect: ServerEffect & { type: 'read-log' }): Promise<void> {
    const { document, epoch, request, after, limit_bytes, limit_count } = effect;
    try {
      const limit = { bytes: limit_bytes, count: limit_count };
      const envelopes = await this.#options.documents.read(document, epoch, after, limit);
      this.#run(this.#session.handleLog(document, request, after + 1, envelopes));
    } catch (error) {
      this.#options.documents.close(document, this);
      this.lost(document, asJoineryError(error, 'storage-failed'));
    }
  }

  async #checkToken(token: string): Promise<void> {
    try {
      const { user, expires_ms } = (await this.#options.authenticate?.(token)) ?? { user: '' };
      this.#run(this.#session.handleAuthenticated(user, expires_ms ?? 0));
    } catch (error) {
      this.#run(this.#session.handleDenied(asJoineryError(error, 'unauthorised')));
    }
  }

  #send(frame: Uint8Array): void {
    const { buffered_bytes } = this.#options.limits;
    this.#socket.send(frame, () => {
      if (this.#cloggedSince !== undefined && this.#socket.bufferedAmount <= buffered_bytes / 2) this.#unclog();
    });
    if (this.#cloggedSince === undefined && this.#socket.bufferedAmount > buffered_bytes) {
      this.#cloggedSince = performance.now();
      // What it sends would have to be answered: it is read when it reads.
      this.#hold('clogged');
      this.#run(this.#session.handleClogged(true));
    }
  }

  #unclog(): void {
    this.#cloggedSince = undefined;
    this.#release('clogged');
    this.#run(this.#session.handleClogged(false));
  }

  /** Counts what came, and reads no more until the rate allows it. */
  #throttle(bytes: number): void {
    const now = performance.now();
    const wait_ms = Math.max(this.#messages.take(1, now), this.#bytes.take(bytes, now));
    if (wait_ms === 0) {
      this.#throttledSince = undefined;
      return;
    }
    this.#throttledSince ??= now;
    this.#hold('rate');
    clearTimeout(this.#resumeTimer);
    this.#resumeTimer = setTimeout(() => this.#release('rate'), wait_ms);
  }

  #hold(reason: Hold): void {
    this.#holds.add(reason);
    this.#socket.pause();
  }

  #release(reason: Hold): void {
    this.#holds.delete(reason);
    if (this.#holds.size === 0) this.#socket.resume();
  }

  #shut(code: string, expected: string, got: string, remedy: string): void {
    this.#run(this.#session.handleShutdown(new JoineryError(code, { expected, got, remedy })));
  }

  #close(error: JoineryError): void {
    // The closing handshake has to be read.
    this.#holds.clear();
    clearTimeout(this.#resumeTimer);
    this.#socket.resume();
    this.#socket.close(closeCode(error), error.code);
    this.#cutLater();
  }

  /** For clients that don't answer the closing handshake. */
  #cutLater(): void {
    const timer = setTimeout(() => this.#socket.terminate(), closingTimeout_ms);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #ended(): void {
    clearTimeout(this.#resumeTimer);
    this.#run(this.#session.handleClosed());
    this.#options.closed();
  }
}

/** WebSocket close codes: 1001 going away, 1008 policy violation, 1013 try again later. */
function closeCode(error: JoineryError): number {
  if (error.code === 'server-closing') return 1001;
  return error.retryable ? 1013 : 1008;
}

/** As bytes of the plain kind: slices of a Buffer would be Buffers. */
function viewOf(data: RawData): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  const buffer = Array.isArray(data) ? Buffer.concat(data) : data;
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
