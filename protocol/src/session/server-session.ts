/**
 * The server's side of the sync session with one client: a pure state machine. Inputs are `handle…`, the outcome is a
 * list of effects. It has no I/O, no clock and no timers of its own; it decides on nothing that is in an envelope and
 * knows of no other client: who takes envelopes, commits them and tells everyone is its owner.
 */

import { completeFrame, type FrameCodec, pbfCodec } from '../codec.ts';
import { readEnvelope } from '../envelope.ts';
import { asJoineryError, isSendableCode, JoineryError } from '../error.ts';
import { maxErrorMessageBytes, maxFrameBytes, maxVersionBytes } from '../limits.ts';
import type { ClientHello, Close, Envelopes, ErrorMessage, Message, Presence, Subscribe } from '../messages.ts';
import { negotiate, protocolVersion, protocolVersionMin } from '../protocol-version.ts';
import { Channels } from './channels.ts';
import { FrameOrder } from './frame-order.ts';
import { type DeliveryContext, ServerDocument } from './server-document.ts';
import type { Commit, DocumentState, ServerEffect, Settlement, SpacePage } from './server-effects.ts';
import { ServerOpenings } from './server-openings.ts';
import { type ServerSessionLimits, type ServerSessionOptions, serverSessionDefaults } from './server-options.ts';
import { ServerSpaces } from './server-spaces.ts';

/** `new` → `hello` → `ready` (a token was accepted); `closed` from anywhere. */
type Phase = 'new' | 'hello' | 'ready' | 'closed';

/**
 * The server's session with one client over one link.
 *
 * `now` is milliseconds of a clock that never goes back, `time_ms` is the server's wall clock since 1970.
 *
 * @example
 * const session = new ServerSession({ self: connection, name: 'c1', knownTypes: ['map', 'text'] }, performance.now());
 * socket.on('message', (data) => carryOut(session.handleFrame(data, performance.now(), Date.now())));
 */
export class ServerSession {
  readonly #options: ServerSessionOptions;
  readonly #limits: ServerSessionLimits;
  readonly #codec: FrameCodec;
  readonly #order = new FrameOrder();
  readonly #context: DeliveryContext;
  readonly #documents = new Map<string, ServerDocument>();
  /** The same, by the client's numbers for them. */
  readonly #channels = new Channels<ServerDocument>();
  readonly #openings: ServerOpenings;
  readonly #spaces: ServerSpaces;
  #effects: ServerEffect[] = [];
  #phase: Phase = 'new';
  #deadline: number;
  #lastReceived: number;
  #requests = 0;
  #credit = 0;
  #spent = 0;
  #clogged = false;
  #waiting_bytes = 0;
  /** Closings and deletions that wait for their answer. */
  #waitingRequests = 0;
  #user = '';
  #checking = false;

  constructor(options: ServerSessionOptions, now: number) {
    this.#options = options;
    this.#limits = { ...serverSessionDefaults, ...options.limits };
    this.#codec = options.codec ?? pbfCodec;
    this.#deadline = now + this.#limits.greetingTimeout_ms;
    this.#lastReceived = now;
    this.#context = {
      self: options.self,
      emit: (effect) => this.#effects.push(effect),
      request: () => {
        this.#requests += 1;
        return this.#requests;
      },
      send: (message) => this.#send(message),
      sendFrame: (frame, channel) => this.#sendFrame((number) => completeFrame(frame, channel, number)),
      room: () => (this.#clogged ? 0 : this.#credit - this.#spent),
      spend: (bytes) => {
        this.#spent += bytes;
      },
      hold: (bytes) => this.#openings.hold(bytes),
    };
    this.#openings = new ServerOpenings(this.#limits);
    this.#spaces = new ServerSpaces(this.#context, this.#limits.spaces);
  }

  get closed(): boolean {
    return this.#phase === 'closed';
  }

  /** Whose token was accepted; empty for nobody in particular. */
  get user(): string {
    return this.#user;
  }

  /** When `handleTimeout` is due. */
  get nextTimeout(): number | undefined {
    if (this.#phase === 'closed') return undefined;
    return this.#phase === 'ready' ? this.#lastReceived + this.#limits.idleTimeout_ms : this.#deadline;
  }

  /** A frame arrived. Any bytes are fine: bad ones are answered with a typed error, and the link is closed. */
  handleFrame(frame: Uint8Array, now: number, time_ms: number): ServerEffect[] {
    return this.#handle(() => {
      this.#lastReceived = now;
      const { number, message } = this.#codec.decode(frame);
      if (this.#order.accepts(number)) this.#handleMessage(message, time_ms);
    });
  }

  handleTimeout(now: number): ServerEffect[] {
    return this.#handle(() => {
      const due = this.nextTimeout;
      if (due === undefined || now < due) return;
      throw new JoineryError('timeout', {
        expected: this.#phase === 'ready' ? 'a sign of life' : 'a greeting and an accepted token',
        got: 'none in time',
        remedy: 'Connect again.',
      });
    });
  }

  /** The link is gone. */
  handleClosed(): ServerEffect[] {
    return this.#handle(() => this.#end());
  }

  /** The server ends the session: the client is told why. */
  handleShutdown(error: JoineryError): ServerEffect[] {
    return this.#handle(() => {
      throw error;
    });
  }

  /** The link can take no more for now, or can again. */
  handleClogged(clogged: boolean): ServerEffect[] {
    return this.#handle(() => {
      this.#clogged = clogged;
      this.#deliverAll();
    });
  }

  /** The answer to `check-token`: it is this user's. `expires_ms` is wall-clock time, 0 for never. */
  handleAuthenticated(user: string, expires_ms: number): ServerEffect[] {
    return this.#handle(() => {
      if (!this.#checking) return;
      this.#checking = false;
      this.#phase = 'ready';
      this.#user = user;
      this.#send({ type: 'authenticated', user, expires_ms });
    });
  }

  /** The answer to `check-token`: no. */
  handleDenied(error: JoineryError): ServerEffect[] {
    return this.handleShutdown(error);
  }

  /** The answer to `open-document`. */
  handleDocument(document: string, request: number, state: DocumentState): ServerEffect[] {
    return this.#handle(() => {
      const entry = this.#documents.get(document);
      if (entry?.request !== request || entry.live) return;
      this.#openings.done(request);
      if (state.version.length <= maxVersionBytes) {
        entry.start(state);
        return;
      }
      this.#close(entry);
      const error = new JoineryError('limit-exceeded', {
        expected: `a version vector of at most ${maxVersionBytes} bytes`,
        got: `${state.version.length}`,
        remedy: 'Too many clients wrote to this document; let the server trim it.',
      });
      this.#sendError(error, { channel: entry.channel });
    });
  }

  /** The answer to `open-document` when it can't be opened; `epoch` goes with `epoch-changed`. */
  handleDocumentFailed(document: string, request: number, error: JoineryError, epoch = 0): ServerEffect[] {
    return this.#handle(() => {
      const entry = this.#documents.get(document);
      if (entry?.request !== request) return;
      this.#forget(entry);
      this.#sendError(error, { channel: entry.channel, epoch });
    });
  }

  /**
   * The document can't be followed any more as it is: the owner has lost track of it, it is deleted, or in another epoch
   * (`epoch`, with `epoch-changed`).
   */
  handleDocumentLost(document: string, error: JoineryError, epoch = 0): ServerEffect[] {
    return this.#handle(() => {
      const entry = this.#documents.get(document);
      if (entry === undefined) return;
      this.#forget(entry);
      this.#sendError(error, { channel: entry.channel, epoch });
    });
  }

  /** What the backup holds of a followed document has changed. */
  handleSafe(document: string, epoch: number, position: number): ServerEffect[] {
    return this.#handle(() => this.#documents.get(document)?.handleSafe(epoch, position));
  }

  /** The answer to `close-agents`: each agent → its last accepted seq. */
  handleAgentsClosed(document: string, epoch: number, last: ReadonlyMap<bigint, number>): ServerEffect[] {
    return this.#handle(() => {
      this.#waitingRequests -= 1;
      const agents = Array.from(last, ([agent, seq]) => ({ agent, last: seq }));
      this.#send({ type: 'closed', document, epoch, agents });
    });
  }

  /** The answer to `close-agents` when it failed: nothing is closed. */
  handleCloseFailed(document: string, error: JoineryError): ServerEffect[] {
    return this.#handle(() => {
      this.#waitingRequests -= 1;
      this.#sendError(error, { document });
    });
  }

  /** The answer to `delete-document`: it is committed, or refused. */
  handleDeleted(document: string, refused: JoineryError | undefined): ServerEffect[] {
    return this.#handle(() => {
      this.#waitingRequests -= 1;
      const message = refused?.message.slice(0, maxErrorMessageBytes / 4) ?? '';
      // Without a code the answer is yes.
      this.#send({ type: 'deleted', document, code: refused === undefined ? '' : codeOf(refused), message });
    });
  }

  /** The answer to `read-space`. */
  handleSpace(space: string, request: number, page: SpacePage): ServerEffect[] {
    return this.#handle(() => this.#spaces.handlePage(space, request, page));
  }

  /** The answer to `read-space` when it failed. */
  handleSpaceFailed(space: string, request: number, error: JoineryError): ServerEffect[] {
    return this.#handle(() => this.#spaces.handleFailed(space, request, error));
  }

  /** Something in a followed space has changed since the last `read-space`. To be called seldom: each call costs a read. */
  handleSpaceChanged(space: string): ServerEffect[] {
    return this.#handle(() => this.#spaces.changed(space));
  }

  /** The answer to `read-log`. */
  handleLog(
    document: string,
    request: number,
    firstPosition: number,
    envelopes: readonly Uint8Array[],
  ): ServerEffect[] {
    return this.#handle(() => this.#documents.get(document)?.handleLog(request, firstPosition, envelopes));
  }

  /** The answer to `read-log` when it failed: the client has to subscribe again. */
  handleLogFailed(document: string, request: number, error: JoineryError): ServerEffect[] {
    return this.#handle(() => {
      const entry = this.#documents.get(document);
      if (entry?.reads(request) !== true) return;
      this.#close(entry);
      this.#sendError(error, { channel: entry.channel });
    });
  }

  /** A document that the client follows has grown; every commit is told, in order. */
  handleCommitted(commit: Commit): ServerEffect[] {
    return this.#handle(() => this.#documents.get(commit.document)?.handleCommitted(commit));
  }

  /** What became of a submission; told after the commit that it led to. */
  handleSettled(document: string, epoch: number, settlement: Settlement, time_ms: number): ServerEffect[] {
    return this.#handle(() => {
      this.#waiting_bytes -= settlement.bytes;
      const entry = this.#documents.get(document);
      // Subscribed anew meanwhile: how far the log has come is told then, and nothing before what is safe of it.
      if (entry?.live !== true || entry.epoch !== epoch) return;
      if (settlement.failed !== undefined) {
        // The client will subscribe again and then bring what is missing.
        this.#close(entry);
        this.#sendError(settlement.failed, { channel: entry.channel });
        return;
      }
      if (!entry.told) return;
      const { channel } = entry;
      if (settlement.duplicates.length > 0) this.#send({ type: 'ack', channel, ranges: settlement.duplicates });
      for (const refusal of settlement.refusals) {
        const message = refusal.message.slice(0, maxErrorMessageBytes / 4);
        this.#send({ type: 'refusal', channel, ...refusal, message, serverTime_ms: time_ms });
      }
    });
  }

  /** Another client of a document says something about itself. */
  handlePresence(document: string, client: string, state: Uint8Array, gone: boolean): ServerEffect[] {
    return this.#handle(() => {
      // Worth nothing later: a client that can't keep up goes without.
      const entry = this.#documents.get(document);
      if (this.#clogged || entry?.told !== true) return;
      this.#send({ type: 'presence', channel: entry.channel, client, state, gone });
    });
  }

  #handle(run: () => void): ServerEffect[] {
    this.#effects = [];
    if (this.#phase === 'closed') return this.#effects;
    try {
      run();
      if (this.closed) return this.#effects;
      for (const opening of this.#openings.next()) this.#effects.push(opening);
    } catch (error) {
      const typed = asJoineryError(error);
      this.#sendError(typed, {});
      this.#effects.push({ type: 'close', error: typed });
      this.#end();
    }
    return this.#effects;
  }

  #handleMessage(message: Message, time_ms: number): void {
    switch (message.type) {
      case 'client-hello':
        if (this.#phase !== 'new') throw violation('hello once', 'another');
        this.#handleHello(message, time_ms);
        return;
      case 'authenticate':
        // One at a time; a later one renews the token while everything goes on.
        if (this.#phase === 'new' || this.#checking) throw violation('hello, then one token at a time', 'authenticate');
        this.#checking = true;
        this.#effects.push({ type: 'check-token', token: message.token });
        return;
      case 'ping':
        if (this.#phase === 'new') throw violation('hello first', 'ping');
        this.#send({ type: 'pong', nonce: message.nonce, serverTime_ms: time_ms });
        return;
      case 'pong':
        return;
    }
    if (this.#phase !== 'ready') throw violation('hello and an accepted token first', message.type);
    switch (message.type) {
      case 'subscribe':
        this.#handleSubscribe(message);
        return;
      case 'unsubscribe':
        this.#close(this.#channels.find(message.channel));
        return;
      case 'envelopes':
        this.#handleEnvelopes(message);
        return;
      case 'credit':
        if (message.bytes > this.#credit) this.#credit = message.bytes;
        this.#deliverAll();
        return;
      case 'presence':
        this.#handlePresence(message);
        return;
      case 'close':
        this.#handleClose(message);
        return;
      case 'delete-document':
        this.#countRequest();
        this.#effects.push({ type: 'delete-document', document: message.document });
        return;
      case 'follow-space':
        this.#spaces.follow(message);
        return;
      case 'unfollow-space':
        this.#spaces.unfollow(message.space);
        return;
      case 'error':
        throw new JoineryError('connection-failed', `The client reports ${message.code}: ${message.message}`);
      default:
        throw violation('a message of a client', message.type);
    }
  }

  #handleHello(hello: ClientHello, time_ms: number): void {
    const protocol = negotiate(hello.protocolMin, hello.protocolMax);
    if (protocol === undefined) {
      throw new JoineryError('upgrade-needed', {
        expected: `a client of protocol version ${protocolVersionMin} to ${protocolVersion}`,
        got: `one of ${hello.protocolMin} to ${hello.protocolMax}`,
        remedy: 'Update the app, or the server.',
      });
    }
    this.#phase = 'hello';
    this.#credit = hello.credit_bytes;
    this.#send({
      type: 'server-hello',
      protocol,
      knownTypes: this.#options.knownTypes,
      serverTime_ms: time_ms,
      window_bytes: this.#limits.window_bytes,
      maxFrame_bytes: maxFrameBytes,
      session: this.#options.name,
    });
  }

  #handleSubscribe(message: Subscribe): void {
    for (const { channel, document, epoch, position, version, bridgeFrom } of message.subscriptions) {
      const request = this.#context.request();
      const entry = new ServerDocument(document, channel, request, this.#context);
      this.#channels.open(channel, entry);
      this.#close(this.#documents.get(document));
      if (this.#documents.size >= this.#limits.documents) {
        const error = new JoineryError('too-many-documents', {
          expected: `at most ${this.#limits.documents} documents at once`,
          got: 'one more',
          remedy: 'Unsubscribe from documents that are not in use.',
        });
        this.#channels.end(channel);
        this.#sendError(error, { channel });
        continue;
      }
      this.#documents.set(document, entry);
      // A version means nothing without its epoch.
      const known = version.length === 0 ? {} : { version: version.slice() };
      const from = epoch === 0 ? undefined : { epoch, position, ...known };
      this.#openings.add({ type: 'open-document', document, request, from, bridgeFrom });
    }
  }

  #handleEnvelopes(message: Envelopes): void {
    const { channel } = message;
    const entry = this.#channels.find(channel);
    // They are of the epoch that the channel is of. Where it has ended, or where its epoch was not told yet, they are of none.
    if (entry?.told !== true) {
      this.#close(entry);
      const error = new JoineryError('not-subscribed', {
        expected: 'a channel that is open, and whose epoch was told',
        got: `channel ${channel}`,
        remedy: 'Nothing was stored. Subscribe to the document again.',
      });
      this.#sendError(error, { channel });
      return;
    }
    const bytes = message.envelopes.reduce((sum, envelope) => sum + envelope.length, 0);
    this.#waiting_bytes += bytes;
    if (this.#waiting_bytes > this.#limits.window_bytes + maxFrameBytes) {
      throw new JoineryError('flow-control', {
        expected: `at most ${this.#limits.window_bytes} bytes that are not answered`,
        got: `${this.#waiting_bytes}`,
        remedy: 'Wait for acknowledgements.',
      });
    }
    const envelopes = message.envelopes.map((envelope) => ({ header: readEnvelope(envelope), bytes: envelope }));
    this.#effects.push({ type: 'submit', document: entry.id, epoch: entry.epoch, envelopes, bytes });
  }

  #handlePresence({ channel, state, gone }: Presence): void {
    const entry = this.#channels.find(channel);
    if (entry?.live !== true) return;
    this.#effects.push({ type: 'presence', document: entry.id, state, gone });
  }

  #handleClose({ document, agents }: Close): void {
    this.#countRequest();
    // What the client gives up it needs no news of.
    this.#close(this.#documents.get(document));
    this.#effects.push({ type: 'close-agents', document, agents });
  }

  #countRequest(): void {
    this.#waitingRequests += 1;
    if (this.#waitingRequests <= this.#limits.requests) return;
    throw new JoineryError('flow-control', {
      expected: `at most ${this.#limits.requests} closings and deletions that are not answered`,
      got: 'one more',
      remedy: 'Wait for the answers.',
    });
  }

  #deliverAll(): void {
    this.#spaces.deliver();
    for (const document of this.#documents.values()) {
      if (this.#context.room() <= 0) return;
      document.deliver();
    }
  }

  /** The client follows it no more, and the owner is told; undefined: it did not. */
  #close(entry: ServerDocument | undefined): void {
    if (entry === undefined) return;
    this.#forget(entry);
    this.#effects.push({ type: 'close-document', document: entry.id });
  }

  #forget(entry: ServerDocument): void {
    this.#openings.done(entry.request);
    entry.end();
    this.#channels.end(entry.channel);
    this.#documents.delete(entry.id);
  }

  #end(): void {
    for (const document of this.#documents.keys()) this.#effects.push({ type: 'close-document', document });
    this.#documents.clear();
    this.#spaces.end();
    this.#phase = 'closed';
  }

  /** An error of a subscription, of the closing of a document's agents, or (about neither) of the connection. */
  #sendError(error: JoineryError, about: Partial<Pick<ErrorMessage, 'channel' | 'document' | 'epoch'>>): void {
    const message = error.message.slice(0, maxErrorMessageBytes / 4);
    const none = { channel: 0, document: '', epoch: 0 };
    this.#send({ type: 'error', code: codeOf(error), message, retryable: error.retryable, ...none, ...about });
  }

  #send(message: Message): void {
    this.#sendFrame((number) => this.#codec.encode(message, number));
  }

  #sendFrame(write: (number: number) => Uint8Array): void {
    this.#effects.push({ type: 'send-frame', frame: this.#order.next(write) });
  }
}

/** A host's own code may be what no message can carry. */
function codeOf({ code }: JoineryError): string {
  return isSendableCode(code) ? code : 'internal';
}

/** The answer to a subscription of another epoch, and the end of one whose document enters another. */
export function epochChanged(client: number, server: number): JoineryError {
  return new JoineryError('epoch-changed', {
    expected: `epoch ${server} of the document`,
    got: `epoch ${client}`,
    remedy: 'Close the agents, subscribe from nothing and bring back what is not yet synced.',
  });
}

function violation(expected: string, got: string): JoineryError {
  return new JoineryError('protocol-violation', { expected, got, remedy: 'Follow the order of the protocol.' });
}
