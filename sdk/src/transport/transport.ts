// The transport contract: something that moves frames between this client and the server. What it guarantees:
//
// 1. A link's events come in this order: `opened` at most once, then `frame` any number of times, then `closed` exactly
//    once, also after a failed attempt. None of them comes during the call of `connect`, `send` or `close` itself.
// 2. Frames arrive whole, in order, at most once; or the link closes. (The session numbers them and closes one that doesn't.)
// 3. After `close()` no `frame` comes any more; `closed` still does.
// 4. `send` never throws and never waits: what can't be sent any more is dropped, and the link closes.
//
// A transport neither reconnects nor reads frames.

import type { JoineryError } from '@joinery/protocol';

export interface LinkEvents {
  opened(): void;
  /** The bytes are the receiver's from now on. */
  frame(bytes: Uint8Array): void;
  /** `error` says why when it wasn't `close()` of this side. */
  closed(error: JoineryError | undefined): void;
}

export interface Link {
  /** Sends one frame. Before `opened` and after `closed` it does nothing. */
  send(frame: Uint8Array): void;
  close(): void;
  /** What `send` has taken and the network has not, in bytes. */
  readonly buffered_bytes: number;
}

export interface Transport {
  /** Starts an attempt to connect. It may be called again while other links are open. */
  connect(url: string, events: LinkEvents): Link;
}
