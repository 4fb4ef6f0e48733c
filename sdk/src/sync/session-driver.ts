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

export type SpaceEffect = Extract<ClientEffect, { readonly type: 'space' | 'space-failed' }>;

export interface SessionHost {
  connection(status: ConnectionStatus): void;
  document(effect: DocumentEffect): void;
  /** The server has accepted a token of this user. */
  authenticated(user: string): void;
  space(effect: SpaceEffect): void;
  /** A sample of what to add to this device's clock to get the server's. */
  clock(offset_ms: number, roundTrip_ms: number): void;
  /** The session has given up; undefined: it begins anew. */
  failed(error: JoineryError | undefined): void;
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

export class SessionDriver {
  readonly #options: SessionOptions;
  readonly #host: SessionHost;
  readonly #session: ClientSession;
  readonly #links = new Map<number, Link>();
  #inputs: ((session: ClientSession, now: number) => ClientEffect[])[] = [];
  #running = false;
  #closed = false;
  #timer: { readonly at: number; readonly cancel: Cancel } | undefined;
  /** Counts questions for a token: an answer to an earlier one, or after a disconnect, is nobody's any more. */
  #tokenRequest = 0;

  constructor(options: SessionOptions, host: SessionHost) {
    this.#options = options;
    this.#host = host;
    this.#session = new ClientSession({
      random: () => options.environment.random(),
      knownTypes: ['map', 'list', 'text', 'counter', 'set', 'tree', 'graph'],
      authenticate: options.token !== undefined,
    });
  }

  connect(): void {
    this.#input((session, now) => session.handleConnect(now));
  }

  disconnect(): void {
    this.#tokenRequest += 1;
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

  /** The document's agents are to be closed, and its state to come from nothing. */
  replace(document: string, agents: readonly bigint[], epoch: number | undefined): void {
    this.#input((session, now) => {
      try {
        return session.handleReplace(document, agents, epoch, now);
      } catch (error) {
        if (!(error instanceof JoineryError)) throw error;
        return [{ type: 'document-failed', document, error }];
      }
    });
  }

  /** The log is that of the new incarnation. */
  replaced(document: string): void {
    this.#input((session, now) => session.handleReplaced(document, now));
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

  /** To the document's other clients, where the server serves it now. */
  presence(document: string, message: Uint8Array): void {
    this.#input((session, now) => session.handlePresence(document, message, now));
  }

  followSpace(space: string, token: number): void {
    this.#input((session, now) => {
      try {
        return session.handleFollowSpace(space, token, now);
      } catch (error) {
        if (!(error instanceof JoineryError)) throw error;
        return [{ type: 'space-failed', space, error }];
      }
    });
  }

  unfollowSpace(space: string): void {
    this.#input((session, now) => session.handleUnfollowSpace(space, now));
  }

  deleteDocument(document: string): void {
    this.#input((session, now) => {
      try {
        return session.handleDeleteDocument(document, now);
      } catch (error) {
        if (!(error instanceof JoineryError)) throw error;
        return [{ type: 'deletion-refused', document, error }];
      }
    });
  }

  close(): void {
    if (this.#closed) return;
    this.disconnect();
    this.#closed = true;
    this.#timer?.cancel();
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
      case 'authenticated':
        this.#host.authenticated(effect.user);
        break;
      case 'space':
      case 'space-failed':
        this.#host.space(effect);
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

  /** Asks once: when to ask again, and how long to wait for the answer, is the session's to say. */
  #getToken(refused: JoineryError | undefined): void {
    this.#tokenRequest += 1;
    const request = this.#tokenRequest;
    const answer = (input: (session: ClientSession, now: number) => ClientEffect[]): void => {
      if (request === this.#tokenRequest) this.#input(input);
    };
    const { token } = this.#options;
    if (token === undefined) {
      answer((session, now) => session.handleToken(undefined, now));
      return;
    }
    // A function that throws is one that rejects.
    new Promise<string>((resolve) => resolve(token(refused !== undefined))).then(
      (value) => answer((session, now) => session.handleToken(value, now)),
      (reason: unknown) => {
        const error = new JoineryError(
          'unauthorised',
          {
            expected: 'a token from the `token` function',
            got: `its failure: ${asJoineryError(reason).message}`,
            remedy: 'It is asked again.',
          },
          { cause: reason, retryable: true },
        );
        answer((session, now) => session.handleTokenFailed(error, now));
      },
    );
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
