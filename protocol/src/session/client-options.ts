/** Settings and limits of the client's session, with their defaults. */

import { maxChannel } from '../limits.ts';

/** Settings of a `ClientSession`. Every limit has a default in {@link clientSessionDefaults}. */
export interface ClientSessionOptions {
  /** Uniform in [0, 1); spreads reconnects. */
  readonly random: () => number;
  /** The container types that the core knows; told to the server. */
  readonly knownTypes: readonly string[];
  /** Ask for a token with `need-token` before every connection. Default false: connect as nobody in particular. */
  readonly authenticate?: boolean;
  /**
   * The user whose data this is. When a token is another one's the session gives up with `user-changed`, before it has
   * told the server anything. Default: the first user that the server names.
   */
  readonly user?: string | undefined;
  /** A name for the server's logs, at most 128 bytes. */
  readonly name?: string;
  readonly limits?: Partial<ClientSessionLimits>;
}

export interface ClientSessionLimits {
  /** The first back-off is a random time up to this. */
  readonly backoffBase_ms: number;
  /** No back-off is longer than this. */
  readonly backoffCap_ms: number;
  /** A connection that lasted so long ends the doubling of the back-off. */
  readonly stableAfter_ms: number;
  /** From `need-token` until its answer; then it is asked for again after a back-off. */
  readonly tokenTimeout_ms: number;
  /** From `open-link` until the server has answered the greeting. */
  readonly handshakeTimeout_ms: number;
  /** A ping is sent when nothing came for so long. */
  readonly heartbeatInterval_ms: number;
  /** The link is given up when nothing came for so long after a ping. */
  readonly heartbeatTimeout_ms: number;
  /** The same, for the ping that tests an open link when the network came back. */
  readonly probeTimeout_ms: number;
  /** The link is given up when no envelope or subscription was answered for so long. */
  readonly answerTimeout_ms: number;
  /** Envelopes on their way to the server, in bytes; the server may allow less. */
  readonly inFlight_bytes: number;
  /** Envelopes on their way to the server. */
  readonly inFlight_count: number;
  /** Envelopes in one frame, in bytes (a single larger envelope goes alone). */
  readonly batch_bytes: number;
  /** What the server may send before it is consumed, in bytes. */
  readonly credit_bytes: number;
  /** The largest snapshot that is put together. */
  readonly snapshot_bytes: number;
  /** Documents that are subscribed at once. */
  readonly documents: number;
  /** Subscriptions over one link, one after the other; then another link is opened. */
  readonly channels: number;
}

export const clientSessionDefaults: ClientSessionLimits = {
  backoffBase_ms: 250,
  backoffCap_ms: 15_000,
  stableAfter_ms: 2_000,
  tokenTimeout_ms: 30_000,
  handshakeTimeout_ms: 10_000,
  heartbeatInterval_ms: 10_000,
  heartbeatTimeout_ms: 5_000,
  probeTimeout_ms: 2_000,
  answerTimeout_ms: 30_000,
  inFlight_bytes: 4 * 1024 * 1024,
  inFlight_count: 4_096,
  batch_bytes: 256 * 1024,
  credit_bytes: 8 * 1024 * 1024,
  snapshot_bytes: 64 * 1024 * 1024,
  documents: 20_000,
  channels: maxChannel,
};
