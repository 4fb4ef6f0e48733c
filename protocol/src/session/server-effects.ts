/**
 * What the server's session tells its owner to do, and what the owner tells it about documents. Plain data; the effects
 * of one input are to be carried out in their order.
 */

import type { EnvelopeHeader } from '../envelope.ts';
import type { JoineryError } from '../error.ts';
import type { AckRange, Refusal, SpaceHead } from '../messages.ts';
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
  /** The state's bridges are wanted from this epoch on; 0 for none. */
  readonly bridgeFrom: number;
}

/**
 * Close these agents for ever, those that wrote nothing yet included, in one transaction; then answer with
 * `handleAgentsClosed`, or with `handleCloseFailed`. What the client brought before and is not decided on may be refused.
 */
export interface CloseAgents {
  readonly type: 'close-agents';
  readonly document: string;
  readonly agents: readonly bigint[];
}

/** Delete the document for ever; answer with `handleDeleted`. */
export interface RequestDeletion {
  readonly type: 'delete-document';
  readonly document: string;
}

/** The client follows the space: `handleSpaceChanged` is called from here on when something in it changes. */
export interface FollowSpaceEffect {
  readonly type: 'follow-space';
  readonly space: string;
}

export interface UnfollowSpaceEffect {
  readonly type: 'unfollow-space';
  readonly space: string;
}

/** Answer with `handleSpace(space, request, page)` or `handleSpaceFailed(space, request, error)`. */
export interface ReadSpace {
  readonly type: 'read-space';
  readonly space: string;
  readonly request: number;
  /** The client's token; 0 for none. */
  readonly after: number;
  readonly limit_count: number;
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

/** Answer with `handleLog(document, request, firstPosition, envelopes)`, dense from `after + 1` on, or `handleLogFailed`. */
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
  | PassPresence
  | CloseAgents
  | RequestDeletion
  | FollowSpaceEffect
  | UnfollowSpaceEffect
  | ReadSpace;

/** The last state of an epoch that a trim ended. */
export interface Bridge {
  readonly epoch: number;
  /** The trim's agent. */
  readonly agent: bigint;
  readonly bytes: Uint8Array;
}

/** What has changed in a space since a token. */
export interface SpacePage {
  readonly token: number;
  readonly entries: readonly SpaceHead[];
  readonly more: boolean;
  /** The token that was asked with is unknown: this is the first page of all. */
  readonly restarted: boolean;
}

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
  /** Up to where the backup holds the log; default: everything is safe. */
  readonly safe?: number;
  /** Those that were asked for, oldest first. */
  readonly bridges?: readonly Bridge[];
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
  /** All of them as one frame without channel and number, made once for all the clients that brought none of them. */
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
  readonly refusals: readonly Omit<Refusal, 'type' | 'channel' | 'serverTime_ms'>[];
  /** The submission failed as a whole, and may be repeated if the error is retryable. */
  readonly failed?: JoineryError;
}
