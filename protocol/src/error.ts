/**
 * The one root class of every error that Joinery throws, sends or reports, and the registry of its codes.
 * It is not a place for logic: what happens after an error is decided where it is caught, by `code` and `retryable`.
 */

import { maxNameBytes } from './limits.ts';

/**
 * Every code with whether trying the same thing again can succeed. A code, once published, keeps its meaning.
 * A peer of a newer version may send a code that is not listed here; it arrives as the string it is.
 */
export const errorCodes = {
  // The core: what an app does to its data.
  'index-out-of-range': { retryable: false },
  'invalid-value': { retryable: false },
  'schema-violation': { retryable: false },
  'wrong-type': { retryable: false },
  'container-gone': { retryable: false },
  'no-such-node': { retryable: false },
  'move-into-itself': { retryable: false },
  'limit-exceeded': { retryable: false },
  'not-initialised': { retryable: true },
  'core-unavailable': { retryable: true },
  'no-agent': { retryable: false },
  freed: { retryable: false },
  // Bytes that can't be read.
  'invalid-update': { retryable: false },
  'invalid-snapshot': { retryable: false },
  'unsupported-container': { retryable: false },
  'invalid-version': { retryable: false },
  'invalid-position': { retryable: false },
  'update-waits': { retryable: true },
  'invalid-envelope': { retryable: false },
  'invalid-frame': { retryable: false },
  'invalid-document-id': { retryable: false },
  'invalid-space': { retryable: false },
  'pending-full': { retryable: true },
  // The document's state at the server.
  gap: { retryable: true },
  clock: { retryable: false },
  'epoch-changed': { retryable: false },
  'document-deleted': { retryable: false },
  'not-backed-up': { retryable: true },
  'closed-agent': { retryable: false },
  validation: { retryable: false },
  'document-not-loaded': { retryable: true },
  'not-subscribed': { retryable: true },
  // Who one is and what one may do.
  unauthorised: { retryable: false },
  forbidden: { retryable: false },
  'user-changed': { retryable: false },
  'unsynced-work': { retryable: false },
  // The connection.
  'upgrade-needed': { retryable: false },
  'protocol-violation': { retryable: false },
  'frame-too-large': { retryable: false },
  'rate-limited': { retryable: true },
  'too-many-connections': { retryable: true },
  'too-many-documents': { retryable: false },
  'too-many-spaces': { retryable: false },
  'flow-control': { retryable: true },
  'slow-consumer': { retryable: true },
  timeout: { retryable: true },
  'connection-failed': { retryable: true },
  'server-closing': { retryable: true },
  // Storage, local and at the server.
  'storage-failed': { retryable: true },
  'storage-unavailable': { retryable: false },
  'storage-full': { retryable: true },
  'storage-locked': { retryable: true },
  'storage-corrupt': { retryable: false },
  'storage-moved': { retryable: false },
  'storage-occupied': { retryable: false },
  'storage-too-new': { retryable: false },
  'stale-incarnation': { retryable: false },
  'stale-compaction': { retryable: true },
  // The rest.
  'invalid-option': { retryable: false },
  'port-in-use': { retryable: false },
  'invalid-request': { retryable: false },
  'not-found': { retryable: false },
  'method-not-allowed': { retryable: false },
  closed: { retryable: false },
  internal: { retryable: true },
} as const satisfies Record<string, { readonly retryable: boolean }>;

/** A code that this version knows. */
export type ErrorCode = keyof typeof errorCodes;

/** The parts of a message: what was expected, what came, what to do about it. */
export interface ErrorParts {
  readonly expected: string;
  readonly got: string;
  readonly remedy: string;
}

/** Options of {@link JoineryError}; `retryable` stands in the registry and is given only for codes that came from a peer. */
export interface JoineryErrorOptions {
  readonly cause?: unknown;
  readonly retryable?: boolean;
}

/**
 * An error with a stable code.
 *
 * @example
 * try {
 *   text.insert(99, 'x');
 * } catch (error) {
 *   if (error instanceof JoineryError && error.code === 'index-out-of-range') showHint(error.message);
 *   else throw error;
 * }
 */
export class JoineryError extends Error {
  /** Stable and meant for programs; one of {@link errorCodes} unless a newer peer sent it. */
  readonly code: string;
  /** Whether the same action may succeed later without a change by the caller. */
  readonly retryable: boolean;

  constructor(code: ErrorCode | (string & {}), message: string | ErrorParts, options: JoineryErrorOptions = {}) {
    const text =
      typeof message === 'string' ? message : `Expected ${message.expected}, got ${message.got}. ${message.remedy}`;
    super(text, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'JoineryError';
    this.code = code;
    this.retryable = options.retryable ?? (isErrorCode(code) ? errorCodes[code].retryable : false);
  }
}

/** Whether this version knows the code. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

/** Whether a message can carry it as a code, and it says something there. */
export function isSendableCode(code: unknown): code is string {
  // 3 bytes of UTF-8 are the most that a UTF-16 unit takes.
  return typeof code === 'string' && code !== '' && code.length * 3 <= maxNameBytes;
}

/** The error itself if it is a {@link JoineryError}, else one of the given code with the original as its cause. */
export function asJoineryError(error: unknown, code: ErrorCode = 'internal'): JoineryError {
  try {
    if (error instanceof JoineryError) return error;
    return new JoineryError(code, String(error instanceof Error ? error.message : error), { cause: error });
  } catch {
    // Anything can be thrown, and not everything can be looked at.
    return new JoineryError(code, 'Something was thrown that is no error.');
  }
}
