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
  readonly document: string;
  readonly epoch: number;
  readonly position: number;
  /** Instead of a position; empty otherwise. */
  readonly version: Uint8Array;
}

export interface Subscribe {
  readonly type: 'subscribe';
  readonly subscriptions: readonly Subscription[];
}

export interface Unsubscribe {
  readonly type: 'unsubscribe';
  readonly document: string;
}

export interface SubscribedMessage {
  readonly type: 'subscribed';
  readonly document: string;
  readonly epoch: number;
  readonly head: number;
  readonly version: Uint8Array;
  readonly position: number;
  readonly snapshotFollows: boolean;
}

export interface SnapshotPart {
  readonly type: 'snapshot';
  readonly document: string;
  readonly epoch: number;
  readonly position: number;
  readonly total_bytes: number;
  readonly offset: number;
  readonly part: Uint8Array;
  readonly delta: boolean;
}

export interface Envelopes {
  readonly type: 'envelopes';
  readonly document: string;
  readonly epoch: number;
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
  readonly document: string;
  readonly epoch: number;
  readonly ranges: readonly AckRange[];
}

export interface Refusal {
  readonly type: 'refusal';
  readonly document: string;
  readonly epoch: number;
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
  readonly document: string;
  readonly client: string;
  readonly state: Uint8Array;
  readonly gone: boolean;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  /** Empty when the error is the connection's. */
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
  | Credit;
