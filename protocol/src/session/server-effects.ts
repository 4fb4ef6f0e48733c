/**
 * What the server's session tells its owner to do, and what the owner tells it about documents. Plain data; the effects
 * of one input are to be carried out in their order.
 */

import type { EnvelopeHeader } from '../envelope.ts';
import type { JoineryError } from '../error.ts';
import type { AckRange, Refusal } from '../messages.ts';
import type { ResumePoint } from './client-effects.ts';

/** Send one frame to the client. */
export interface ServerSendFrame {
  readonly type: 'send-frame';
  readonly frame: Uint8Array;
}

/** Close the link once what was sent has gone out; the client has been told the error. */
export interface CloseConnection {
  readonly type: 'close';
  readonly error: JoineryError;
}

/** Find out whose token this is (empty: none) and answer with `handleAuthenticated` or `handleDenied`. */
export interface CheckToken {
  readonly type: 'check-token';
  readonly token: string;
}

/** Answer with `handleDocument(document, request, state)` or `handleDocumentFailed(document, request, error)`. */
export interface OpenDocument {
  readonly type: 'open-document';
  readonly document: string;
  readonly request: number;
  /** What the client has; undefined when it has nothing. */
  readonly from: ResumePoint | undefined;
}

/** The client follows the document no more. */
export interface CloseDocument {
  readonly type: 'close-document';
  readonly document: string;
}

/** An envelope that a client brings, with its header read. */
export interface BroughtEnvelope {
  readonly header: EnvelopeHeader;
  readonly bytes: Uint8Array;
}

/** Decide on these in their order, commit what is taken, then answer with `handleSettled` (and `handleCommitted`). */
export interface SubmitEnvelopes {
  readonly type: 'submit';
  readonly document: string;
  readonly epoch: number;
  readonly envelopes: readonly BroughtEnvelope[];
  /** To be given back in `handleSettled`. */
  readonly bytes: number;
}

/** Answer with `handleLog(document, request, firstPosition, envelopes)`, dense from `after + 1` on. */
export interface ReadLog {
  readonly type: 'read-log';
  readonly document: string;
  readonly epoch: number;
  readonly request: number;
  readonly after: number;
  readonly limit_bytes: number;
  readonly limit_count: number;
}

/** Tell the document's other clients. */
export interface PassPresence {
  readonly type: 'presence';
  readonly document: string;
  readonly state: Uint8Array;
  readonly gone: boolean;
}

export type ServerEffect =
  | ServerSendFrame
  | CloseConnection
  | CheckToken
  | OpenDocument
  | CloseDocument
  | SubmitEnvelopes
  | ReadLog
  | PassPresence;

/** A document as the owner has it when a client subscribes. */
export interface DocumentState {
  readonly epoch: number;
  /** The highest position. */
  readonly head: number;
  /** The version vector at the head, in the core's encoding. */
  readonly version: Uint8Array;
  /** Where delivery starts: the client's own position, or 0, or the snapshot's. */
  readonly position: number;
  /** The state at `position`, when that is better than the envelopes from the client's position on. */
  readonly snapshot: Uint8Array | undefined;
  /** The snapshot is only what the client's version lacks. */
  readonly delta?: boolean;
}

/** One envelope of a commit. */
export interface CommittedEnvelope {
  readonly bytes: Uint8Array;
  readonly agent: bigint;
  readonly to: number;
  /** The session that brought it. */
  readonly origin: unknown;
}

/**
 * Envelopes that were committed to a document, in dense positions: as many as fit one frame, so one transaction may be
 * told in several of these.
 */
export interface Commit {
  readonly document: string;
  readonly epoch: number;
  readonly firstPosition: number;
  readonly envelopes: readonly CommittedEnvelope[];
  /** All of them as one frame, made once for all the clients that brought none of them. */
  readonly frame: Uint8Array | undefined;
  /** The envelopes' bytes together. */
  readonly bytes: number;
}

/** What became of a submission, but for what was committed (`handleCommitted` tells that). */
export interface Settlement {
  /** As given in the submission. */
  readonly bytes: number;
  /** Envelopes that the server had already. */
  readonly duplicates: readonly AckRange[];
  readonly refusals: readonly Omit<Refusal, 'type' | 'document' | 'epoch' | 'serverTime_ms'>[];
  /** The submission failed as a whole, and may be repeated if the error is retryable. */
  readonly failed?: JoineryError;
}
