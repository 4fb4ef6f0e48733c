/** What a server can be told: its options, its limits and their defaults, checked at start. */

import {
  asJoineryError,
  JoineryError,
  maxFrameBytes,
  maxNameBytes,
  serverSessionDefaults,
  utf8Length,
} from '@joinery/protocol';
import type { Accept } from './documents/acceptance.ts';
import type { AcceptDeletion } from './documents/documents.ts';

/** Options of `createServer`. */
export interface ServerOptions {
  /** The folder for the data; it is made if it isn't there. */
  readonly data: string;
  /** The port to listen on; 0 (the default) takes any free one. */
  readonly port?: number;
  /** The address to listen on. Default `127.0.0.1`: this machine only. */
  readonly host?: string;
  /** A folder of built web files to serve at `/`. */
  readonly files?: string;
  /**
   * Which web pages may connect and read: their origins (`https://app.example`), or all of them. Default: all; with
   * `authenticate` only pages of the host that the server is reached at.
   */
  readonly origins?: readonly string[] | 'all';
  /**
   * Whose token this is: that of a client (empty: it sent none), or of a request for `/documents/:id`, which has to send
   * one as `Authorization: Bearer …`. Throws a JoineryError to refuse. Default: everyone is nobody
   * in particular.
   */
  readonly authenticate?: (token: string) => Promise<{ readonly user: string; readonly expires_ms?: number }>;
  /**
   * Asked about every envelope that could be taken, before it is committed; a document's one after the other. Throws a
   * JoineryError to refuse it, with any code that the protocol doesn't use itself (`forbidden`, `validation`): its changes come
   * to the author as rejected. It may be asked about an envelope again. Default: everything is taken.
   *
   * @example
   * accept({ user, changes }) {
   *   if (user === 'guest' && changes.some(({ path }) => path[0] === 'settings')) {
   *     throw new JoineryError('forbidden', 'Guests may not change settings.');
   *   }
   * }
   */
  readonly accept?: Accept;
  /** Throws a JoineryError to refuse the deletion of a document. Default: whoever may connect may delete. */
  readonly acceptDeletion?: AcceptDeletion;
  /** Told about errors that no client is told about. Default: nothing is done with them. */
  readonly report?: (error: unknown) => void;
  readonly limits?: Partial<ServerLimits>;
}

export interface ServerLimits {
  /** Sockets at once; more are answered `too-many-connections`. */
  readonly connections: number;
  /** Documents that one client may follow at once. */
  readonly documents: number;
  /** From the connection to `hello` and an accepted token. */
  readonly greetingTimeout_ms: number;
  /** A client that sends nothing for so long is gone. */
  readonly idleTimeout_ms: number;
  /** Messages of one client per second, and how many may come at once. More are read later. */
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  /** Bytes of one client per second, and how many may come at once. More are read later. */
  readonly bytesPerSecond: number;
  readonly byteBurst: number;
  /** A client that is held back by its rate for so long without a break is told `rate-limited` and closed. */
  readonly throttledTimeout_ms: number;
  /** Envelopes of one client that wait to be committed, in bytes. */
  readonly window_bytes: number;
  /** What is kept for a client that reads slowly; it gets the rest from the log when it has caught up. */
  readonly buffered_bytes: number;
  /** A client that reads nothing for so long is told `slow-consumer` and closed. */
  readonly clogged_ms: number;
  /** Documents that are kept in memory after their last use. */
  readonly replicas: number;
}

export const serverLimitDefaults: ServerLimits = {
  connections: 20_000,
  documents: serverSessionDefaults.documents,
  greetingTimeout_ms: serverSessionDefaults.greetingTimeout_ms,
  idleTimeout_ms: serverSessionDefaults.idleTimeout_ms,
  messagesPerSecond: 2_000,
  messageBurst: 4_000,
  bytesPerSecond: 16 * 1024 * 1024,
  byteBurst: 32 * 1024 * 1024,
  throttledTimeout_ms: 30_000,
  window_bytes: serverSessionDefaults.window_bytes,
  buffered_bytes: 1024 * 1024,
  clogged_ms: 30_000,
  replicas: 500,
};

/** A WebSocket message beyond this ends the connection in the WebSocket layer; between, it is answered `frame-too-large`. */
export const maxMessageBytes = 2 * maxFrameBytes;

/**
 * The limits with their defaults.
 *
 * @throws JoineryError `invalid-option` that names the limit.
 */
export function resolveLimits(limits: Partial<ServerLimits> = {}): ServerLimits {
  for (const [name, value] of Object.entries(limits)) {
    if (!(name in serverLimitDefaults)) throw invalid(name, 'the name of a limit', 'an unknown one');
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
      throw invalid(name, 'a number above 0', String(value));
    }
  }
  return { ...serverLimitDefaults, ...limits };
}

/**
 * Whose token this is, by the host's hook; nobody's in particular without one.
 *
 * @throws JoineryError what the hook refuses with, `unauthorised` when it names nobody
 */
export async function userOfToken(
  authenticate: ServerOptions['authenticate'],
  token: string,
): Promise<{ readonly user: string; readonly expires_ms?: number }> {
  if (authenticate === undefined) return { user: '' };
  try {
    const found = await authenticate(token);
    if (typeof found.user === 'string' && utf8Length(found.user) <= maxNameBytes) return found;
  } catch (error) {
    throw asJoineryError(error, 'unauthorised');
  }
  throw new JoineryError('unauthorised', {
    expected: `a user's name of at most ${maxNameBytes} bytes from the server's authenticate hook`,
    got: 'something else',
    remedy: 'Correct the hook.',
  });
}

/** The host's `report`, which is on its own when it throws. */
export function guardReport(report: ServerOptions['report']): (error: unknown) => void {
  return (error) => {
    try {
      report?.(error);
    } catch {
      // There is nobody left to tell.
    }
  };
}

function invalid(name: string, expected: string, got: string): JoineryError {
  return new JoineryError('invalid-option', {
    expected: `${expected} for limits.${name}`,
    got,
    remedy: 'Correct the option.',
  });
}
