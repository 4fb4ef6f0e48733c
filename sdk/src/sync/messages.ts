// What the main thread and the engine (worker) say to each other over their port: plain data only, so that it may be
// cloned. Documents are named by channel, a number for one opening of one document: what still comes for an earlier
// opening is not mistaken for the next one's.

import { JoineryError } from '@joinery/protocol';
import type { ConnectionStatus, StorageStatus } from './status.ts';

/** An error as data: class and code survive the way through a port. */
export interface ErrorData {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** Own envelopes on their way to storage; `batch` names them in the answers. */
export interface EnvelopeBatch {
  readonly batch: number;
  /** May be empty, for its answer alone. */
  readonly envelopes: readonly Uint8Array[];
  /** The answer is to say what of the document the server doesn't have. */
  readonly asks: boolean;
}

/** The highest seq of an agent. */
export type AgentSeq = readonly [agent: bigint, to: number];

export type ToEngine =
  /**
   * Open a document. `unstored`: what was written to it here and is not known to be stored (after a restart of the
   * engine); `awaited`: what is stored and not known to be synced.
   */
  | {
      readonly type: 'open';
      readonly channel: number;
      readonly document: string;
      readonly unstored: readonly EnvelopeBatch[];
      readonly awaited: readonly AgentSeq[];
    }
  | ({ readonly type: 'append'; readonly channel: number } & EnvelopeBatch)
  /** So many bytes of `updates` and `state` were joined here: as many more may be sent. */
  | { readonly type: 'taken'; readonly channel: number; readonly bytes: number }
  /** The main replica is lost: send its content again. */
  | { readonly type: 'reload'; readonly channel: number }
  | { readonly type: 'close'; readonly channel: number }
  | { readonly type: 'connect' }
  | { readonly type: 'disconnect' }
  | { readonly type: 'network'; readonly online: boolean }
  /** Store what is under way, then end; answered with `ended`. */
  | { readonly type: 'end' };

export type FromEngine =
  // Some carry the status that they change, so that no write is counted twice or not at all in between.
  /** The stored document: at most one snapshot, then envelopes. */
  | {
      readonly type: 'loaded';
      readonly channel: number;
      readonly snapshot: Uint8Array | undefined;
      readonly updates: readonly Uint8Array[];
      readonly status: EngineStatus;
    }
  /** The document can't be opened. */
  | { readonly type: 'failed'; readonly channel: number; readonly error: ErrorData }
  | {
      readonly type: 'updates';
      readonly channel: number;
      readonly updates: readonly Uint8Array[];
      readonly bytes: number;
    }
  /** The whole state, in place of many updates: to be loaded as a new replica. */
  | { readonly type: 'state'; readonly channel: number; readonly snapshot: Uint8Array; readonly bytes: number }
  /** The batch is stored. `unsynced`: what of the document the server doesn't have, where that was asked for. */
  | {
      readonly type: 'durable';
      readonly channel: number;
      readonly batch: number;
      readonly unsynced: readonly AgentSeq[];
      readonly status: EngineStatus;
    }
  /** The batch can't be stored now; the engine has it in memory, sends it, and tries again. */
  | { readonly type: 'kept'; readonly channel: number; readonly batch: number; readonly status: EngineStatus }
  | {
      readonly type: 'synced';
      readonly channel: number;
      readonly seqs: readonly AgentSeq[];
      readonly status: EngineStatus;
    }
  | {
      readonly type: 'rejected';
      readonly channel: number;
      readonly agent: bigint;
      readonly from: number;
      readonly to: number;
      readonly error: ErrorData;
      readonly status: EngineStatus;
    }
  | { readonly type: 'status'; readonly status: EngineStatus }
  | { readonly type: 'damaged'; readonly document: string; readonly error: ErrorData }
  /** What to add to this device's clock to get the server's, in milliseconds. */
  | { readonly type: 'clock'; readonly offset_ms: number }
  | { readonly type: 'ended'; readonly error: ErrorData | undefined }
  /** The engine can't go on (its core has trapped): it must be replaced. */
  | { readonly type: 'fatal'; readonly error: ErrorData };

/** The engine's part of the client's status. */
export interface EngineStatus {
  readonly connection: Omit<ConnectionStatus, 'lastError' | 'paused'> & { readonly lastError?: ErrorData };
  readonly sync: {
    readonly blocked: boolean;
    /** Storage was asked what earlier sessions have left: before, there may be more than `pending`. */
    readonly counted: boolean;
    /** Stored or kept envelopes that the server doesn't have. */
    readonly pending: number;
    readonly oldestPendingAt?: number;
    readonly lastError?: ErrorData;
  };
  readonly storage: Omit<StorageStatus, 'lastError'> & { readonly lastError?: ErrorData };
}

/** One end of the way between main thread and engine. Messages arrive whole, in order, each in its own turn. */
export interface EnginePort<Out> {
  post(message: Out, transfer?: readonly ArrayBuffer[]): void;
}

export function errorData(error: JoineryError): ErrorData {
  return { code: error.code, message: error.message, retryable: error.retryable };
}

export function errorFrom(data: ErrorData): JoineryError {
  return new JoineryError(data.code, data.message, { retryable: data.retryable });
}
