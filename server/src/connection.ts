/**
 * One client's link around a server session: carries out the session's effects, and keeps the client within its limits
 * by what a link can do: not reading from one that sends too fast, not sending to one that doesn't read. It knows no
 * sockets and no clocks of its own: web-socket-link.ts is one kind of link, the simulator's another.
 */

import type { ServerEffect, Settlement } from '@joinery/protocol';
import { asJoineryError, type Commit, type FrameCodec, JoineryError, ServerSession } from '@joinery/protocol';
import type { Documents } from './documents/documents.ts';
import type { Follower } from './documents/live-document.ts';
import type { Cancel, ServerEnvironment } from './environment.ts';
import { type ServerLimits, type ServerOptions, userOfToken } from './options.ts';
import { TokenBucket } from './token-bucket.ts';

/** The way to one client. Whoever makes it gives what comes from the client to the connection's `handle…` methods. */
export interface ClientLink {
  /** What was sent and has not gone out yet. */
  readonly buffered_bytes: number;
  /** `sent` is called when the frame has gone out, if it ever does. */
  send(frame: Uint8Array, sent: () => void): void;
  /** Deliver nothing more until `resume`. */
  pause(): void;
  resume(): void;
  /** Close it when what was sent has gone out; `handleEnded` follows. */
  close(error: JoineryError): void;
}

/** What a connection needs of its server. */
export interface ConnectionOptions {
  readonly name: string;
  readonly link: ClientLink;
  readonly environment: ServerEnvironment;
  readonly documents: Documents;
  readonly codec: FrameCodec;
  readonly limits: ServerLimits;
  readonly authenticate: ServerOptions['authenticate'];
  readonly knownTypes: readonly string[];
  readonly report: (error: unknown) => void;
  readonly closed: () => void;
}

/** Why the link isn't read from. */
type Hold = 'rate' | 'clogged';

export class Connection implements Follower {
  readonly name: string;
  readonly #options: ConnectionOptions;
  readonly #link: ClientLink;
  readonly #environment: ServerEnvironment;
  readonly #session: ServerSession;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #holds = new Set<Hold>();
  /** Document → the request that is being answered or was. */
  readonly #followed = new Map<string, number>();
  #cancelResume: Cancel = () => {};
  #throttledSince: number | undefined;
  #cloggedSince: number | undefined;

  constructor(options: ConnectionOptions) {
    const { limits, link, environment } = options;
    const now = environment.monotonic();
    this.name = options.name;
    this.#options = options;
    this.#link = link;
    this.#environment = environment;
    this.#messages = new TokenBucket(limits.messagesPerSecond, limits.messageBurst, now);
    this.#bytes = new TokenBucket(limits.bytesPerSecond, limits.byteBurst, now);
    const { codec, name, knownTypes } = options;
    this.#session = new ServerSession({ self: this, name, knownTypes, codec, limits }, now);
  }

  /** A frame came. */
  handleFrame(frame: Uint8Array): void {
    this.handleTraffic(frame.length);
    this.#run(this.#session.handleFrame(frame, this.#environment.monotonic(), this.#environment.time()));
  }

  /** Something came that is no frame. */
  handleText(length: number): void {
    this.handleTraffic(length);
    this.#shut('protocol-violation', 'binary messages', 'text', 'Send protobuf frames.');
  }

  /** Bytes came, of whatever kind: counts them, and reads no more until the rate allows it. */
  handleTraffic(bytes: number): void {
    const now = this.#environment.monotonic();
    const wait_ms = Math.max(this.#messages.take(1, now), this.#bytes.take(bytes, now));
    if (wait_ms === 0) {
      this.#throttledSince = undefined;
      return;
    }
    this.#throttledSince ??= now;
    this.#hold('rate');
    this.#cancelResume();
    this.#cancelResume = this.#environment.timer(() => this.#release('rate'), wait_ms);
  }

  /** The link is gone. */
  handleEnded(): void {
    this.#cancelResume();
    this.#run(this.#session.handleClosed());
    this.#options.closed();
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
    this.#run(this.#session.handleSettled(document, epoch, settlement, this.#environment.time()));
  }

  lost(document: string, error: JoineryError, epoch: number): void {
    this.#followed.delete(document);
    this.#run(this.#session.handleDocumentLost(document, error, epoch));
  }

  safe(document: string, epoch: number, position: number): void {
    this.#run(this.#session.handleSafe(document, epoch, position));
  }

  spaceChanged(space: string): void {
    this.#run(this.#session.handleSpaceChanged(space));
  }

  presence(document: string, client: string, state: Uint8Array, gone: boolean): void {
    this.#run(this.#session.handlePresence(document, client, state, gone));
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
        void this.#open(effect);
        break;
      case 'close-document':
        this.#followed.delete(effect.document);
        documents.close(effect.document, this);
        break;
      case 'submit': {
        const { document, epoch, envelopes, bytes } = effect;
        documents.submit(document, epoch, { follower: this, user: this.#session.user, envelopes, bytes });
        break;
      }
      case 'read-log':
        void this.#read(effect);
        break;
      case 'presence':
        documents.presence(effect.document, this, effect.state, effect.gone);
        break;
      case 'close-agents':
        void this.#closeAgents(effect.document, effect.agents);
        break;
      case 'delete-document':
        void this.#delete(effect.document);
        break;
      case 'follow-space':
        documents.spaces.follow(effect.space, this);
        break;
      case 'unfollow-space':
        documents.spaces.unfollow(effect.space, this);
        break;
      case 'read-space':
        void this.#readSpace(effect);
        break;
    }
  }

  async #open({ document, request, from, bridgeFrom }: ServerEffect & { type: 'open-document' }): Promise<void> {
    this.#followed.set(document, request);
    try {
      await this.#options.documents.open({
        document,
        from,
        bridgeFrom,
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
      this.#run(this.#session.handleLogFailed(document, request, asJoineryError(error, 'storage-failed')));
    }
  }

  async #closeAgents(document: string, agents: readonly bigint[]): Promise<void> {
    try {
      const { epoch, last } = await this.#options.documents.closeAgents(document, agents, this.#session.user);
      this.#run(this.#session.handleAgentsClosed(document, epoch, last));
    } catch (error) {
      this.#run(this.#session.handleCloseFailed(document, asJoineryError(error, 'storage-failed')));
    }
  }

  async #delete(document: string): Promise<void> {
    try {
      await this.#options.documents.delete(document, this.#session.user);
      this.#run(this.#session.handleDeleted(document, undefined));
    } catch (error) {
      this.#run(this.#session.handleDeleted(document, asJoineryError(error)));
    }
  }

  async #readSpace({ space, request, after, limit_count }: ServerEffect & { type: 'read-space' }): Promise<void> {
    try {
      const page = await this.#options.documents.spaces.read(space, after, limit_count);
      this.#run(this.#session.handleSpace(space, request, page));
    } catch (error) {
      this.#run(this.#session.handleSpaceFailed(space, request, asJoineryError(error, 'storage-failed')));
    }
  }

  async #checkToken(token: string): Promise<void> {
    try {
      const { user, expires_ms } = await userOfToken(this.#options.authenticate, token);
      this.#run(this.#session.handleAuthenticated(user, expires_ms ?? 0));
    } catch (error) {
      this.#run(this.#session.handleDenied(asJoineryError(error, 'unauthorised')));
    }
  }

  #send(frame: Uint8Array): void {
    const { buffered_bytes } = this.#options.limits;
    this.#link.send(frame, () => {
      if (this.#cloggedSince !== undefined && this.#link.buffered_bytes <= buffered_bytes / 2) this.#unclog();
    });
    if (this.#cloggedSince === undefined && this.#link.buffered_bytes > buffered_bytes) {
      this.#cloggedSince = this.#environment.monotonic();
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

  #hold(reason: Hold): void {
    this.#holds.add(reason);
    this.#link.pause();
  }

  #release(reason: Hold): void {
    this.#holds.delete(reason);
    if (this.#holds.size === 0) this.#link.resume();
  }

  #shut(code: string, expected: string, got: string, remedy: string): void {
    this.#run(this.#session.handleShutdown(new JoineryError(code, { expected, got, remedy })));
  }

  #close(error: JoineryError): void {
    // The other side's answer has to be read.
    this.#holds.clear();
    this.#cancelResume();
    this.#link.resume();
    this.#link.close(error);
  }
}
