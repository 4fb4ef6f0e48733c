/**
 * The messages of the protocol as the sessions see them: plain data with one `type` each. `codec.ts` turns them into
 * frames and back. What each field means stands in `proto/`.
 */

export interface ClientHello {
  readonly type: 'client-hello';
  readonly protocolMin: number;
  readonly protocolMax: number;
  readonly knownTypes: readonly string[];
  readonly name: string;
  readonly credit_bytes: number;
}

export interface ServerHello {
  readonly type: 'server-hello';
  readonly protocol: number;
  readonly knownTypes: readonly string[];
  readonly serverTime_ms: number;
  readonly window_bytes: number;
  readonly maxFrame_bytes: number;
  readonly session: string;
}

export interface Authenticate {
  readonly type: 'authenticate';
  readonly token: string;
}

export interface Authenticated {
  readonly type: 'authenticated';
  readonly user: string;
  readonly expires_ms: number;
}

export interface Subscription {
  readonly channel: number;
  readonly document: string;
  readonly epoch: number;
  readonly position: number;
  /** Instead of a position; empty otherwise. */
  readonly version: Uint8Array;
  /** The epoch from which on bridges are wanted; 0 for none. */
  readonly bridgeFrom: number;
}

export interface Subscribe {
  readonly type: 'subscribe';
  readonly subscriptions: readonly Subscription[];
}

export interface Unsubscribe {
  readonly type: 'unsubscribe';
  readonly channel: number;
}

export interface SubscribedMessage {
  readonly type: 'subscribed';
  readonly channel: number;
  readonly epoch: number;
  readonly head: number;
  readonly version: Uint8Array;
  readonly position: number;
  readonly snapshotFollows: boolean;
  readonly safe: number;
}

export interface SnapshotPart {
  readonly type: 'snapshot';
  readonly channel: number;
  readonly position: number;
  readonly total_bytes: number;
  readonly offset: number;
  readonly part: Uint8Array;
  readonly delta: boolean;
}

export interface Envelopes {
  readonly type: 'envelopes';
  readonly channel: number;
  readonly firstPosition: number;
  readonly envelopes: readonly Uint8Array[];
}

export interface AckRange {
  readonly agent: bigint;
  readonly to: number;
  readonly position: number;
  readonly count: number;
}

export interface Ack {
  readonly type: 'ack';
  readonly channel: number;
  readonly ranges: readonly AckRange[];
}

export interface Refusal {
  readonly type: 'refusal';
  readonly channel: number;
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly code: string;
  readonly message: string;
  readonly last: number;
  /** Of a `gap`: what the server lacks. */
  readonly missing: { readonly agent: bigint; readonly seq: number } | undefined;
  readonly serverTime_ms: number;
}

export interface Presence {
  readonly type: 'presence';
  readonly channel: number;
  readonly client: string;
  readonly state: Uint8Array;
  readonly gone: boolean;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  /** Of a subscription; else 0. */
  readonly channel: number;
  /** Of the closing of its agents; else empty. Without channel and document the error is the connection's. */
  readonly document: string;
  readonly epoch: number;
}

export interface Ping {
  readonly type: 'ping';
  readonly nonce: number;
}

export interface Pong {
  readonly type: 'pong';
  readonly nonce: number;
  readonly serverTime_ms: number;
}

export interface Credit {
  readonly type: 'credit';
  readonly bytes: number;
}

export interface Close {
  readonly type: 'close';
  readonly document: string;
  readonly epoch: number;
  readonly agents: readonly bigint[];
}

export interface ClosedAgent {
  readonly agent: bigint;
  readonly last: number;
}

export interface Closed {
  readonly type: 'closed';
  readonly document: string;
  readonly epoch: number;
  readonly agents: readonly ClosedAgent[];
}

export interface BridgePart {
  readonly type: 'bridge';
  readonly channel: number;
  readonly epoch: number;
  readonly agent: bigint;
  readonly total_bytes: number;
  readonly offset: number;
  readonly part: Uint8Array;
}

export interface Safe {
  readonly type: 'safe';
  readonly channel: number;
  readonly position: number;
}

export interface DeleteDocument {
  readonly type: 'delete-document';
  readonly document: string;
}

export interface Deleted {
  readonly type: 'deleted';
  readonly document: string;
  /** Empty when the deletion is committed. */
  readonly code: string;
  readonly message: string;
}

export interface FollowSpace {
  readonly type: 'follow-space';
  readonly space: string;
  readonly token: number;
}

export interface UnfollowSpace {
  readonly type: 'unfollow-space';
  readonly space: string;
}

/** Where one document of a space stands. */
export interface SpaceHead {
  readonly document: string;
  readonly epoch: number;
  readonly head: number;
  readonly deleted: boolean;
}

export interface SpaceHeads {
  readonly type: 'space-heads';
  readonly space: string;
  readonly token: number;
  readonly entries: readonly SpaceHead[];
  readonly more: boolean;
  readonly restarted: boolean;
  /** Empty when the space is followed. */
  readonly code: string;
  readonly message: string;
}

export type Message =
  | ClientHello
  | ServerHello
  | Authenticate
  | Authenticated
  | Subscribe
  | Unsubscribe
  | SubscribedMessage
  | SnapshotPart
  | Envelopes
  | Ack
  | Refusal
  | Presence
  | ErrorMessage
  | Ping
  | Pong
  | Credit
  | Close
  | Closed
  | BridgePart
  | Safe
  | DeleteDocument
  | Deleted
  | FollowSpace
  | UnfollowSpace
  | SpaceHeads;
