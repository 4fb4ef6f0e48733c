// Drives the protocol's session: gives it time, frames and what the engine has, and carries out what it says about links,
// timers and tokens. What it says about documents it passes on. It knows nothing of storage and replicas.

import {
  asJoineryError,
  type ClientEffect,
  ClientSession,
  type ConnectionStatus,
  JoineryError,
  type ResumePoint,
} from '@joinery/protocol';
import type { Cancel, Environment } from '../environment.ts';
import type { Link, Transport } from '../transport/transport.ts';

/** The effects that are about a document. */
export type DocumentEffect = Extract<ClientEffect, { readonly document: string }>;

export interface SessionHost {
  connection(status: ConnectionStatus): void;
  document(effect: DocumentEffect): void;
  /** A sample of what to add to this device's clock to get the server's. */
  clock(offset_ms: number, roundTrip_ms: number): void;
  /** The session has given up, or can't get a token. */
  failed(error: JoineryError): void;
  /** Carrying out an effect threw. */
  broken(error: unknown): void;
}

export interface SessionOptions {
  readonly environment: Environment;
  readonly transport: Transport;
  readonly url: string;
  /** Gets a token for each connection; absent where clients have none. */
  readonly token?: ((refused: boolean) => Promise<string>) | undefined;
}

const tokenRetryBase_ms = 1_000;
const tokenRetryCap_ms = 60_000;

export class SessionDriver {
  readonly #options: SessionOptions;
  readonly #host: SessionHost;
  readonly #session: ClientSession;
  readonly #links = new Map<number, Link>();
  #inputs: ((session: ClientSession, now: number) => ClientEffect[])[] = [];
  #running = false;
  #closed = false;
  #timer: { readonly at: number; readonly cancel: Cancel } | undefined;
  #tokenTimer: Cancel | undefined;
  /** Tokens that were refused or could not be had, one after another. */
  #tokenFailures = 0;

  constructor(options: SessionOptions, host: SessionHost) {
    this.#options = options;
    this.#host = host;
    this.#session = new ClientSession({
      random: () => options.environment.random(),
      knownTypes: ['map', 'list', 'text', 'counter', 'set'],
      authenticate: options.token !== undefined,
    });
  }

  connect(): void {
    this.#tokenFailures = 0;
    this.#input((session, now) => session.handleConnect(now));
  }

  disconnect(): void {
    this.#tokenTimer?.();
    this.#input((session, now) => session.handleDisconnect(now));
  }

  network(online: boolean): void {
    this.#input((session, now) => (online ? session.handleOnline(now) : session.handleOffline(now)));
  }

  subscribe(document: string, from: ResumePoint | undefined): void {
    this.#input((session, now) => {
      try {
        return session.handleSubscribe(document, from, now);
      } catch (error) {
        // One document too many, say: that is this document's trouble alone.
        if (!(error instanceof JoineryError)) throw error;
        return [{ type: 'document-failed', document, error }];
      }
    });
  }

  unsubscribe(document: string): void {
    this.#input((session, now) => session.handleUnsubscribe(document, now));
  }

  /** The document's log has more to send. */
  changed(document: string): void {
    this.#input((session, now) => session.handleChanged(document, now));
  }

  /** Answers `need-envelopes`. */
  answer(document: string, request: number, envelopes: readonly Uint8Array[]): void {
    this.#input((session, now) => session.handleEnvelopes(document, request, envelopes, now));
  }

  /** So many bytes from the server are joined and stored. */
  consumed(bytes: number): void {
    this.#input((session, now) => session.handleConsumed(bytes, now));
  }

  close(): void {
    if (this.#closed) return;
    this.disconnect();
    this.#closed = true;
    this.#timer?.cancel();
    this.#tokenTimer?.();
  }

  /** The session takes one input at a time, and the next one when the effects of the last are carried out. */
  #input(input: (session: ClientSession, now: number) => ClientEffect[]): void {
    if (this.#closed) return;
    this.#inputs.push(input);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        for (const effect of next(this.#session, this.#options.environment.monotonic())) this.#carryOut(effect);
      }
    } catch (error) {
      this.#inputs = [];
      this.#host.broken(error);
    } finally {
      this.#running = false;
    }
    this.#schedule();
  }

  #carryOut(effect: ClientEffect): void {
    switch (effect.type) {
      case 'open-link':
        this.#open(effect.link);
        break;
      case 'close-link':
        this.#links.get(effect.link)?.close();
        this.#links.delete(effect.link);
        break;
      case 'send-frame':
        this.#links.get(effect.link)?.send(effect.frame);
        break;
      case 'connection':
        if (effect.status.state === 'online') this.#tokenFailures = 0;
        this.#host.connection(effect.status);
        break;
      case 'need-token':
        this.#getToken(effect.refused);
        break;
      case 'server-clock': {
        const { serverTime_ms, roundTrip_ms } = effect;
        this.#host.clock(serverTime_ms + roundTrip_ms / 2 - this.#options.environment.now(), roundTrip_ms);
        break;
      }
      case 'session-failed':
        this.#host.failed(effect.error);
        break;
      default:
        this.#host.document(effect);
    }
  }

  #open(link: number): void {
    const opened = this.#options.transport.connect(this.#options.url, {
      opened: () => this.#input((session, now) => session.handleOpened(link, now)),
      frame: (bytes) => this.#input((session, now) => session.handleFrame(link, bytes, now)),
      closed: (error) => {
        this.#links.delete(link);
        this.#input((session, now) => session.handleClosed(link, error, now));
      },
    });
    this.#links.set(link, opened);
  }

  /** A token that is refused again and again is asked for ever more seldom. */
  #getToken(refused: JoineryError | undefined): void {
    this.#tokenTimer?.();
    const { token, environment } = this.#options;
    if (token === undefined) {
      this.#input((session, now) => session.handleToken(undefined, now));
      return;
    }
    const ask = (): void => {
      token(refused !== undefined).then(
        (value) => {
          if (refused !== undefined) this.#tokenFailures += 1;
          this.#input((session, now) => session.handleToken(value, now));
        },
        (reason: unknown) => {
          this.#tokenFailures += 1;
          this.#host.failed(
            new JoineryError(
              'unauthorised',
              {
                expected: 'a token from the `token` function',
                got: `its failure: ${asJoineryError(reason).message}`,
                remedy: 'It is asked again.',
              },
              { cause: reason, retryable: true },
            ),
          );
          this.#getToken(refused);
        },
      );
    };
    if (this.#tokenFailures === 0) ask();
    else {
      const delay = Math.min(tokenRetryCap_ms, tokenRetryBase_ms * 2 ** Math.min(this.#tokenFailures - 1, 10));
      this.#tokenTimer = environment.timer(ask, delay * (0.5 + environment.random() / 2));
    }
  }

  #schedule(): void {
    const at = this.#closed ? undefined : this.#session.nextTimeout;
    if (at === this.#timer?.at) return;
    this.#timer?.cancel();
    if (at === undefined) {
      this.#timer = undefined;
      return;
    }
    const { environment } = this.#options;
    const cancel = environment.timer(
      () => {
        this.#timer = undefined;
        this.#input((session, now) => session.handleTimeout(now));
      },
      Math.max(0, at - environment.monotonic()),
    );
    this.#timer = { at, cancel };
  }
}
