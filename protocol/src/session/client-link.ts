/**
 * The client's way to a link that is ready, and back to one after it was lost: attempts with their back-off, the token,
 * the greeting, the heartbeat. It knows nothing of documents.
 */

import { pbfCodec } from '../codec.ts';
import { isErrorCode, JoineryError } from '../error.ts';
import type { Authenticated, ErrorMessage, Message, ServerHello } from '../messages.ts';
import { protocolVersion, protocolVersionMin } from '../protocol-version.ts';
import { Backoff } from './backoff.ts';
import type { ClientEffect, ConnectionStatus } from './client-effects.ts';
import type { ClientSessionLimits, ClientSessionOptions } from './client-options.ts';
import { FrameOrder } from './frame-order.ts';
import { Heartbeat } from './heartbeat.ts';

/** What a link needs of its session. */
export interface LinkContext {
  readonly limits: ClientSessionLimits;
  emit(effect: ClientEffect): void;
  /** The first credit of a new link, in bytes. */
  startCredit(): number;
  /** The greeting is over; the server allows so many bytes on their way. */
  ready(window_bytes: number): void;
  /** There is no link any more. */
  down(): void;
}

/**
 * `down`: no link (an attempt may be due at `retryAt`); `token`: the owner was asked for one; `opening`: `open-link` was
 * given; `greeting`: hello is sent; `ready`.
 */
type Phase = 'down' | 'token' | 'opening' | 'greeting' | 'ready';

/** After these the server would answer the next attempt in the same way. */
const fatalCodes = new Set(['upgrade-needed', 'forbidden', 'user-changed']);

export class ClientLink {
  readonly #options: ClientSessionOptions;
  readonly #limits: ClientSessionLimits;
  readonly #context: LinkContext;
  readonly #backoff: Backoff;
  #wanted = false;
  #phase: Phase = 'down';
  /** Names the links one after another; what an older one still delivers is not looked at. */
  #link = 0;
  #order = new FrameOrder();
  #token = '';
  /** Whose session this is, once that is known. */
  #user: string | undefined;
  /** Why the token that was sent last was not accepted, until one is. */
  #refused: JoineryError | undefined;
  #retryAt: number | undefined;
  /** When the attempt that is under way counts as failed. */
  #deadline = 0;
  #helloAt = 0;
  /** The server's hello came, and this was its window. */
  #window_bytes: number | undefined;
  #readyAt = 0;
  #error: JoineryError | undefined;
  #heartbeat: Heartbeat | undefined;

  constructor(options: ClientSessionOptions, context: LinkContext) {
    this.#options = options;
    this.#limits = context.limits;
    this.#context = context;
    this.#user = options.user;
    this.#backoff = new Backoff(this.#limits.backoffBase_ms, this.#limits.backoffCap_ms, options.random);
  }

  get ready(): boolean {
    return this.#phase === 'ready';
  }

  get status(): ConnectionStatus {
    const connecting = this.#wanted && this.#phase !== 'ready';
    return {
      state: this.#phase === 'ready' ? 'online' : connecting ? 'connecting' : 'offline',
      attempts: this.#backoff.attempts,
      ...(this.#retryAt === undefined ? {} : { retryAt: this.#retryAt }),
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  get nextTimeout(): number | undefined {
    if (this.#phase === 'down') return this.#retryAt;
    return this.#phase === 'ready' ? this.#heartbeat?.nextTimeout : this.#deadline;
  }

  /** Also the owner's "now, please" during a back-off, and the way on after `session-failed`. */
  connect(now: number): void {
    this.#wanted = true;
    if (this.#phase !== 'down') return;
    this.#backoff.reset();
    this.#attempt(now);
  }

  disconnect(): void {
    this.#wanted = false;
    this.#refused = undefined;
    this.#down(undefined, true);
    this.#backoff.reset();
    this.#changed();
  }

  networkBack(now: number): void {
    if (!this.#wanted) return;
    if (this.#phase === 'ready') {
      const nonce = this.#heartbeat?.ping(now, this.#limits.probeTimeout_ms);
      if (nonce !== undefined) this.send({ type: 'ping', nonce });
      return;
    }
    this.#backoff.reset();
    this.#down(this.#error, true);
    this.#attempt(now);
  }

  networkGone(now: number): void {
    if (this.#phase === 'down' || this.#phase === 'token') return;
    this.lose(new JoineryError('connection-failed', 'The network is gone. It goes on when the network is back.'), now);
  }

  opened(link: number, now: number): void {
    if (link !== this.#link || this.#phase !== 'opening') return;
    this.#phase = 'greeting';
    this.#deadline = now + this.#limits.handshakeTimeout_ms;
    this.#helloAt = now;
    this.send({
      type: 'client-hello',
      protocolMin: protocolVersionMin,
      protocolMax: protocolVersion,
      knownTypes: this.#options.knownTypes,
      name: this.#options.name ?? '',
      credit_bytes: this.#context.startCredit(),
    });
    // Sent along at once: the answer to both takes one round trip.
    this.send({ type: 'authenticate', token: this.#token });
  }

  closed(link: number, error: JoineryError | undefined, now: number): void {
    if (link !== this.#link || this.#phase === 'down' || this.#phase === 'token') return;
    this.lose(error ?? new JoineryError('connection-failed', 'The link closed. It is opened again.'), now, false);
  }

  answerToken(token: string | undefined, now: number): void {
    if (this.#phase !== 'token') return;
    this.#token = token ?? '';
    this.#open(now);
  }

  /** There is no token to be had now: it is asked for again after a back-off. */
  failToken(error: JoineryError, now: number): void {
    if (this.#phase === 'token') this.lose(error, now);
  }

  handleTimeout(now: number): void {
    if (this.#phase === 'down') {
      if (this.#retryAt !== undefined && now >= this.#retryAt) this.#attempt(now);
    } else if (this.#phase === 'token') {
      if (now >= this.#deadline) this.lose(tokenTimeout(), now);
    } else if (this.#phase === 'opening' || this.#phase === 'greeting') {
      if (now >= this.#deadline) this.lose(timeout('the answer to the greeting'), now);
    } else if (this.#phase === 'ready') {
      const due = this.#heartbeat?.due(now) ?? 'nothing';
      if (due === 'dead') this.lose(timeout('any sign of life'), now);
      else if (due !== 'nothing') this.send({ type: 'ping', nonce: due.ping });
    }
  }

  /** Whether a frame of this link is to be looked at; it is a sign of life then. */
  accepts(link: number, now: number): boolean {
    if (link !== this.#link || (this.#phase !== 'greeting' && this.#phase !== 'ready')) return false;
    this.#heartbeat?.received(now);
    return true;
  }

  /** Whether a frame of that number is the next one of the link; throws when it isn't and should have come later. */
  isNext(number: number): boolean {
    return this.#order.accepts(number);
  }

  /** Handles what is about the link itself; false when the message is about a document. */
  handleMessage(message: Message, now: number): boolean {
    switch (message.type) {
      case 'error':
        if (message.channel !== 0 || message.document !== '') return false;
        this.#handleError(message, now);
        return true;
      case 'server-hello':
        if (this.#phase === 'greeting') this.#handleHello(message, now);
        return true;
      case 'authenticated':
        if (this.#phase === 'greeting' && this.#window_bytes !== undefined) {
          this.#handleAuthenticated(message, this.#window_bytes, now);
        }
        return true;
      case 'ping':
        this.send({ type: 'pong', nonce: message.nonce, serverTime_ms: 0 });
        return true;
      case 'pong': {
        const roundTrip_ms = this.#heartbeat?.roundTrip(message.nonce, now);
        if (roundTrip_ms !== undefined) this.#clock(message.serverTime_ms, roundTrip_ms);
        return true;
      }
      default:
        return false;
    }
  }

  send(message: Message): void {
    const frame = this.#order.next((number) => pbfCodec.encode(message, number));
    this.#context.emit({ type: 'send-frame', link: this.#link, frame });
  }

  /** The link is of no more use: it is closed, and opened again later. */
  lose(error: JoineryError, now: number, close = true): void {
    // What fails at once each time must not be tried again at once each time.
    if (this.#phase === 'ready' && now - this.#readyAt >= this.#limits.stableAfter_ms) this.#backoff.reset();
    this.#down(error, close);
    if (this.#wanted) this.#retryAt = now + this.#backoff.next();
    this.#changed();
  }

  #handleHello(hello: ServerHello, now: number): void {
    if (hello.protocol < protocolVersionMin || hello.protocol > protocolVersion) {
      this.#giveUp(
        new JoineryError('upgrade-needed', {
          expected: `a protocol version from ${protocolVersionMin} to ${protocolVersion}`,
          got: `${hello.protocol}`,
          remedy: 'Update the app, or the server.',
        }),
      );
      return;
    }
    this.#window_bytes = hello.window_bytes;
    this.#clock(hello.serverTime_ms, now - this.#helloAt);
  }

  #handleAuthenticated({ user, expires_ms }: Authenticated, window_bytes: number, now: number): void {
    if (this.#user !== undefined && user !== this.#user) {
      this.#giveUp(
        new JoineryError('user-changed', {
          expected: `a token of the user ${JSON.stringify(this.#user)}`,
          got: `one of ${JSON.stringify(user)}`,
          remedy: 'Open another client for the other user.',
        }),
      );
      return;
    }
    this.#user = user;
    this.#context.emit({ type: 'authenticated', user, expires_ms });
    this.#greeted(window_bytes, now);
  }

  #handleError(message: ErrorMessage, now: number): void {
    const known = isErrorCode(message.code);
    const error = new JoineryError(message.code, message.message, known ? {} : { retryable: message.retryable });
    if (message.code === 'unauthorised' && this.#options.authenticate === true) {
      const again = this.#refused !== undefined;
      this.#refused = error;
      // The first refusal is of a token that was good once, as a rule; the next ones are a reason to wait.
      if (again) this.lose(error, now);
      else {
        this.#down(error, true);
        this.#askToken(now);
      }
    } else if (fatalCodes.has(message.code) || message.code === 'unauthorised' || (!known && !message.retryable)) {
      this.#giveUp(error);
    } else this.lose(error, now);
  }

  #attempt(now: number): void {
    this.#retryAt = undefined;
    if (this.#options.authenticate === true) this.#askToken(now);
    else this.#open(now);
  }

  #askToken(now: number): void {
    const refused = this.#refused;
    this.#phase = 'token';
    this.#deadline = now + this.#limits.tokenTimeout_ms;
    this.#changed();
    this.#context.emit({ type: 'need-token', ...(refused === undefined ? {} : { refused }) });
  }

  #open(now: number): void {
    this.#link += 1;
    this.#order = new FrameOrder();
    this.#phase = 'opening';
    this.#window_bytes = undefined;
    this.#deadline = now + this.#limits.handshakeTimeout_ms;
    this.#changed();
    this.#context.emit({ type: 'open-link', link: this.#link });
  }

  #greeted(window_bytes: number, now: number): void {
    this.#phase = 'ready';
    this.#readyAt = now;
    this.#error = undefined;
    this.#refused = undefined;
    this.#heartbeat = new Heartbeat(this.#limits.heartbeatInterval_ms, this.#limits.heartbeatTimeout_ms, now);
    this.#changed();
    this.#context.ready(window_bytes);
  }

  /** Trying again would bring the same: wait for the owner. */
  #giveUp(error: JoineryError): void {
    this.#wanted = false;
    this.#down(error, true);
    this.#changed();
    this.#context.emit({ type: 'session-failed', error });
  }

  #down(error: JoineryError | undefined, close: boolean): void {
    const open = this.#phase === 'opening' || this.#phase === 'greeting' || this.#phase === 'ready';
    if (open && close) this.#context.emit({ type: 'close-link', link: this.#link });
    this.#phase = 'down';
    this.#retryAt = undefined;
    this.#error = error;
    this.#heartbeat = undefined;
    this.#context.down();
  }

  #clock(serverTime_ms: number, roundTrip_ms: number): void {
    if (serverTime_ms > 0) this.#context.emit({ type: 'server-clock', serverTime_ms, roundTrip_ms });
  }

  #changed(): void {
    this.#context.emit({ type: 'connection', status: this.status });
  }
}

function tokenTimeout(): JoineryError {
  return new JoineryError('timeout', {
    expected: 'a token in time',
    got: 'nothing',
    remedy: 'It is asked for again by itself.',
  });
}

/** The server did not do something in time. */
export function timeout(what: string): JoineryError {
  return new JoineryError('timeout', {
    expected: `${what} from the server in time`,
    got: 'nothing',
    remedy: 'The link is opened again by itself.',
  });
}
