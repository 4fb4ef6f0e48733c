/**
 * What the client's session tells its owner to do: the whole output of `ClientSession`. Effects are plain data, are
 * returned by every `handle…` in the order in which they are to be carried out, and hold no callbacks.
 */

import type { Dot } from '../envelope.ts';
import type { JoineryError } from '../error.ts';
import type { SpaceHead } from '../messages.ts';

/** Where a client is in a document's log at the server: it has everything up to and including `position`. */
export interface ResumePoint {
  /** The log's epoch, as the server said it. */
  readonly epoch: number;
  /** Dense from 1; 0 means nothing yet. */
  readonly position: number;
  /** For a client that has something but no position (then 0): its version vector, in the core's encoding. */
  readonly version?: Uint8Array;
}

/** The state of the connection, as an app may show it. */
export type ConnectionState = 'offline' | 'connecting' | 'online';

/** The connection as a whole; every change of it comes as one effect. */
export interface ConnectionStatus {
  /** `online` means: connected, agreed on a protocol version and authenticated. */
  readonly state: ConnectionState;
  /** When the next attempt starts, in the session's time; only while one is waited for. */
  readonly retryAt?: number;
  /** Attempts since the last connection that worked. */
  readonly attempts: number;
  /** Why the last connection ended or could not be made. */
  readonly error?: JoineryError;
}

/** Open a new link to the server and answer with `handleOpened(link)` or `handleClosed(link, error)`. */
export interface OpenLink {
  readonly type: 'open-link';
  /** The link's name in later inputs and effects; never used twice. */
  readonly link: number;
}

/** Close this link; nothing that it still delivers will be looked at. */
export interface CloseLink {
  readonly type: 'close-link';
  readonly link: number;
}

/** Send one frame over the link. Frames are to arrive whole, once and in order, or the link to close: the sessions see to it. */
export interface SendFrame {
  readonly type: 'send-frame';
  readonly link: number;
  readonly frame: Uint8Array;
}

export interface ConnectionChanged {
  readonly type: 'connection';
  readonly status: ConnectionStatus;
}

/**
 * Answer with `handleToken` or `handleTokenFailed`; no attempt is made until then. The last one holds: what comes for an
 * earlier one, or after `handleDisconnect`, is not to be passed on.
 */
export interface NeedToken {
  readonly type: 'need-token';
  /** Why the token that was given before was not accepted: another one is needed. */
  readonly refused?: JoineryError;
}

/**
 * A sample of the server's clock. The wall clock's offset is `serverTime_ms - (wall clock now)` plus about half of
 * `roundTrip_ms`; the sample with the shortest round trip of a connection is the best one.
 */
export interface ServerClock {
  readonly type: 'server-clock';
  readonly serverTime_ms: number;
  readonly roundTrip_ms: number;
}

/**
 * The server has the document at `head`. Envelopes of the log that `version` covers are synced from now on.
 * What follows is a snapshot (at most one) and the envelopes up to `head`, then `caught-up`.
 */
export interface Subscribed {
  readonly type: 'subscribed';
  readonly document: string;
  readonly epoch: number;
  readonly head: number;
  /** The server's version vector at `head`, in the core's encoding; empty when the server has nothing. */
  readonly version: Uint8Array;
  /** True when the server does not continue from where the client was, but sends the document from its start. */
  readonly restarted: boolean;
  /** A state comes first: the log does not reach back to where the client was, or is much longer than its state. */
  readonly stateFollows: boolean;
  /** As in {@link SafeMoved}. */
  readonly safe: number;
}

/**
 * The state of the document at `position`, to be joined and stored before the envelopes that follow: the whole state, or
 * (`delta`) what the version that was subscribed with lacks.
 */
export interface SnapshotArrived {
  readonly type: 'snapshot';
  readonly document: string;
  readonly epoch: number;
  readonly position: number;
  readonly bytes: Uint8Array;
  readonly delta: boolean;
  /** To be given to `handleConsumed` once it is joined (and stored). */
  readonly credit_bytes: number;
}

/** Envelopes of the log in dense positions from `firstPosition` on; duplicates of known ones are possible. */
export interface EnvelopesArrived {
  readonly type: 'envelopes';
  readonly document: string;
  readonly epoch: number;
  readonly firstPosition: number;
  readonly envelopes: readonly Uint8Array[];
  /** The resume point once these are stored. */
  readonly position: number;
  /** To be given to `handleConsumed` once they are joined (and stored). */
  readonly credit_bytes: number;
}

/** Everything up to the head that the server named in `subscribed` has arrived; told once per subscription. */
export interface CaughtUp {
  readonly type: 'caught-up';
  readonly document: string;
  readonly position: number;
}

/**
 * Answer with `handleEnvelopes(document, request, envelopes)`: those of the log that are not yet acknowledged and whose
 * `to` is above `sent` for their agent (0 where it names none), of every agent in the log, each agent's in order, an
 * envelope after those it was written on, at most `limit_bytes` together (but at least one, if there is one) and at most
 * `limit_count`. An empty answer means that there is none; the next ones are announced with `handleChanged`.
 */
export interface NeedEnvelopes {
  readonly type: 'need-envelopes';
  readonly document: string;
  readonly epoch: number;
  /** Names this question; an answer to an older one is ignored. */
  readonly request: number;
  /** Agent → highest seq on its way to the server over this connection. */
  readonly sent: ReadonlyMap<bigint, number>;
  readonly limit_bytes: number;
  readonly limit_count: number;
}

/** The server has committed every envelope of the agent up to `to`; it holds for all lower ones as well. */
export interface Acknowledged {
  readonly type: 'acknowledged';
  readonly document: string;
  readonly epoch: number;
  readonly agent: bigint;
  readonly to: number;
  /** The position of the envelope that ends at `to`. */
  readonly position: number;
  /** The resume point: it moves by an acknowledgement too, since a client's own envelopes aren't sent back to it. */
  readonly resume: number;
}

/**
 * The server refuses this envelope for good (a `gap` is handled here and never shows up so). The session sends nothing
 * of this agent in this document any more: what follows would be a gap. The code is what the server's hook threw, or
 * `clock`, `closed-agent` (this incarnation was ended by another tab, or before a crash: replay, refuse nothing) or
 * `invalid-…`. The way on is `handleReplace`.
 */
export interface Refused {
  readonly type: 'refused';
  readonly document: string;
  readonly epoch: number;
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly error: JoineryError;
  /** The server's time when it refused, so that `clock` can be dealt with. */
  readonly serverTime_ms: number;
}

/** The server lacks what an envelope rests on and no one has brought it yet; it is tried again with a back-off. */
export interface Blocked {
  readonly type: 'blocked';
  readonly document: string;
  readonly agent: bigint;
  readonly missing: Dot;
  readonly error: JoineryError;
}

/**
 * The server has the document in another epoch: nothing is sent or taken until `handleReplace` (or `handleSubscribe`) is
 * called.
 */
export interface EpochChanged {
  readonly type: 'epoch-changed';
  readonly document: string;
  /** The epoch that the client was in. */
  readonly from: number;
  /** The epoch that the server is in. */
  readonly epoch: number;
}

/** The document can't be synced now. Retryable: the session tries again by itself. Else: not until `handleSubscribe`. */
export interface DocumentFailed {
  readonly type: 'document-failed';
  readonly document: string;
  readonly error: JoineryError;
}

/**
 * The first answer to `handleReplace`: the agents are closed, and the server never accepts anything of theirs again that is
 * above these seqs; whatever of them is above was not synced. The replacing begins anew with this effect when a link was
 * lost before `caught-up`: what came since the last one is to be dropped.
 *
 * Then come `bridge`s, `subscribed`, at most one `snapshot`, `envelopes`, and `caught-up`: the state to replay into, which
 * is at or after the closing. Nothing of the log is asked for until `handleReplaced`.
 */
export interface AgentsClosed {
  readonly type: 'agents-closed';
  readonly document: string;
  /** The epoch that the document is in. */
  readonly epoch: number;
  /** Each of the agents that were named → its last seq that the server ever accepted, in any epoch; 0 for none. */
  readonly last: ReadonlyMap<bigint, number>;
}

/** The last state of an epoch since the one that is replaced, oldest first; those that the server lost are left out. */
export interface BridgeArrived {
  readonly type: 'bridge';
  readonly document: string;
  /** The epoch that this was the last state of. */
  readonly epoch: number;
  /** The agent of the trim that ended it: `Replica.trim(agent)` of this state is the next epoch's first. */
  readonly agent: bigint;
  readonly bytes: Uint8Array;
  /** To be given to `handleConsumed` when the bytes are of no more use. */
  readonly credit_bytes: number;
}

/**
 * What the server's backup holds of the document has changed. Own envelopes at positions above are to be kept although
 * they are acknowledged: after a restore they are brought again. Where the server makes no backups it is
 * `everythingSafe` (2^53 - 1). It falls when the document enters a new epoch that the backup doesn't know (to 0), and when the
 * first backup is made. Positions are those of this epoch; once it is 1 or more, everything of earlier epochs is safe too.
 */
export interface SafeMoved {
  readonly type: 'safe';
  readonly document: string;
  readonly epoch: number;
  readonly position: number;
}

/** The document is deleted, for ever: nothing is sent or taken any more. Told for followed ones, and for own deletions. */
export interface DocumentDeleted {
  readonly type: 'document-deleted';
  readonly document: string;
}

/** The server refuses to delete the document. */
export interface DeletionRefused {
  readonly type: 'deletion-refused';
  readonly document: string;
  readonly error: JoineryError;
}

/** Where documents of a followed space stand: those that changed since the last token, or all. */
export interface SpaceChanged {
  readonly type: 'space';
  readonly space: string;
  /** To be stored when the entries are taken in, and given to `handleFollowSpace` next time. */
  readonly token: number;
  readonly entries: readonly SpaceHead[];
  /** Another page is on its way; else everything is known that the server knew. */
  readonly more: boolean;
  /** The given token was unknown: this is the first page of all documents. */
  readonly restarted: boolean;
}

/** The space can't be followed now; retried with the next link, if the error is retryable. */
export interface SpaceFailed {
  readonly type: 'space-failed';
  readonly space: string;
  readonly error: JoineryError;
}

/** Whose token the server accepted; told for each link, before it is `online`. */
export interface Authenticated {
  readonly type: 'authenticated';
  /** Empty for nobody in particular. */
  readonly user: string;
  /** Milliseconds since 1970; 0 when it doesn't end. */
  readonly expires_ms: number;
}

/** The session gives up (`upgrade-needed`, say): it makes no attempt until `handleConnect` is called again. */
export interface SessionFailed {
  readonly type: 'session-failed';
  readonly error: JoineryError;
}

/** What another client of the document says about itself; never stored. */
export interface PresenceArrived {
  readonly type: 'presence';
  readonly document: string;
  /** Names the other client for as long as its connection lasts. */
  readonly client: string;
  /** Undefined when the other client left the document. */
  readonly state: Uint8Array | undefined;
}

export type ClientEffect =
  | OpenLink
  | CloseLink
  | SendFrame
  | ConnectionChanged
  | NeedToken
  | ServerClock
  | Subscribed
  | SnapshotArrived
  | EnvelopesArrived
  | CaughtUp
  | NeedEnvelopes
  | Acknowledged
  | Refused
  | Blocked
  | EpochChanged
  | DocumentFailed
  | AgentsClosed
  | BridgeArrived
  | SafeMoved
  | DocumentDeleted
  | DeletionRefused
  | SpaceChanged
  | SpaceFailed
  | Authenticated
  | SessionFailed
  | PresenceArrived;
