/** Settings and limits of the server's session, with their defaults. */

import type { FrameCodec } from '../codec.ts';

/** Settings of a `ServerSession`. Every limit has a default in {@link serverSessionDefaults}. */
export interface ServerSessionOptions {
  /** The owner's name of this session; commits name it as their origin. */
  readonly self: unknown;
  /** Names the connection in logs and to other clients (presence). */
  readonly name: string;
  readonly knownTypes: readonly string[];
  /** Default: the codec of browsers. */
  readonly codec?: FrameCodec;
  readonly limits?: Partial<ServerSessionLimits>;
}

export interface ServerSessionLimits {
  /** From the link's start to `hello`, and to a token that was accepted. */
  readonly greetingTimeout_ms: number;
  /** A client that is silent for so long is gone: clients send pings. */
  readonly idleTimeout_ms: number;
  /** Envelopes that wait to be committed, in bytes. */
  readonly window_bytes: number;
  /** Documents that one client may follow at once. */
  readonly documents: number;
  /** Spaces that one client may follow at once. */
  readonly spaces: number;
  /** Documents of one client that are being read at once; further ones wait their turn. */
  readonly opening: number;
  /** States and bridges that wait for one client's credit, in bytes: beyond that no further document is read for it. */
  readonly held_bytes: number;
  /** Closings and deletions of one client that wait for their answer. */
  readonly requests: number;
}

export const serverSessionDefaults: ServerSessionLimits = {
  greetingTimeout_ms: 10_000,
  idleTimeout_ms: 45_000,
  window_bytes: 4 * 1024 * 1024,
  documents: 20_000,
  spaces: 64,
  opening: 64,
  held_bytes: 16 * 1024 * 1024,
  requests: 1_024,
};
