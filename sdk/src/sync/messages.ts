// What the main thread and the engine (worker) say to each other over their port: plain data only, so that it may be
// cloned. Documents are named by channel, a number for one opening of one document: what still comes for an earlier
// opening is not mistaken for the next one's.

import { JoineryError } from '@joinery/protocol';
import type { Bridge } from '../core/replay.ts';
import type { RejectedWrite, Replacement, StoredRejection, UndoWrite } from '../storage/storage.ts';
import type { Conflict } from './conflicts.ts';
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
  /** What was added to this device's clock when they were written. */
  readonly clockOffset_ms: number;
  /** Writes that came to nothing when they were brought into this incarnation. */
  readonly rejected: readonly RejectedWrite[];
  /** The answer is to say what of the document the server doesn't have. */
  readonly asks: boolean;
  /** Undo stacks as they are with these envelopes. */
  readonly undo?: UndoWrite | undefined;
}

/** The highest seq of an agent. */
export type AgentSeq = readonly [agent: bigint, to: number];

/** Operations of one agent: `from` exclusive, `to` inclusive. */
export type AgentSeqs = readonly [agent: bigint, from: number, to: number];

// Spaces that are open are named by `handle`, as openings of documents are by `channel`.

export type ToEngine =
  /**
   * Open a document. `unstored`: what was written to it here and is not known to be stored (after a restart of the
   * engine); `awaited`: what is stored and not known to be synced; `retries`: see `retry`.
   */
  | {
      readonly type: 'open';
      readonly channel: number;
      readonly document: string;
      /** Of the replica that is there; undefined when there is none yet. */
      readonly incarnation: number | undefined;
      readonly unstored: readonly EnvelopeBatch[];
      readonly awaited: readonly AgentSeq[];
      readonly retries: readonly string[];
    }
  | ({
      readonly type: 'append';
      readonly channel: number;
      readonly incarnation: number;
      /** Which replica of that incarnation it is from, as the engine has counted; 0 where another engine gave it. */
      readonly turn: number;
    } & EnvelopeBatch)
  /** The replica follows a `replaced`: these are what is stored and waited for now. */
  | { readonly type: 'followed'; readonly channel: number; readonly awaited: readonly AgentSeq[] }
  /** Writes an entry of the rejected list again, and removes it, in one commit; answered with `retried`. */
  | { readonly type: 'retry'; readonly channel: number; readonly id: string }
  /** What is kept of an undo stack? Answered with `undo`. Without an owner only where no other tab has the same storage. */
  | {
      readonly type: 'undo';
      readonly channel: number;
      readonly name: string;
      readonly owner: string | undefined;
    }
  /** Removes an entry of the rejected list. */
  | { readonly type: 'discard'; readonly document: string; readonly id: string }
  /** So many bytes of `updates` and `state` were joined here: as many more may be sent. */
  | { readonly type: 'taken'; readonly channel: number; readonly bytes: number }
  /** The main replica is lost: send its content again. */
  | { readonly type: 'reload'; readonly channel: number }
  /** `awaits`: there are writes of which more is to be told. */
  | { readonly type: 'close'; readonly channel: number; readonly awaits: boolean }
  /** Open a space's list. */
  | { readonly type: 'open-space'; readonly handle: number; readonly space: string }
  | { readonly type: 'close-space'; readonly handle: number }
  /** Answered with `space-page`: up to so many documents behind `after` in the order of their ids. */
  | {
      readonly type: 'list-space';
      readonly handle: number;
      readonly request: number;
      readonly after: string;
      readonly limit: number;
    }
  /** The ids of all stored documents are asked for, or the state of one of them; answered with `stored`. */
  | { readonly type: 'read-stored'; readonly request: number; readonly document: string | undefined }
  /** Delete a document for ever; answered with `deletion`. */
  | { readonly type: 'delete'; readonly document: string }
  /** Take part in a document's presence; `message`: what this tab shows, as `presence/message.ts` writes it. */
  | { readonly type: 'open-presence'; readonly document: string; readonly message: Uint8Array | undefined }
  | { readonly type: 'presence'; readonly document: string; readonly message: Uint8Array }
  /** The others are to tell again what they show. */
  | { readonly type: 'ask-presence'; readonly document: string }
  | { readonly type: 'close-presence'; readonly document: string }
  | { readonly type: 'connect' }
  | { readonly type: 'disconnect' }
  | { readonly type: 'network'; readonly online: boolean }
  /**
   * Store what is under way, then end; answered with `ended`. With `signOut` nobody is remembered, and with `wipe` nothing
   * stays on the device; where something is unsynced, without `force`, it is answered with `stays` instead.
   */
  | { readonly type: 'end'; readonly signOut?: SignOut };

export interface SignOut {
  readonly wipe: boolean;
  readonly force: boolean;
}

export type FromEngine =
  // Some carry the status that they change, so that no write is counted twice or not at all in between.
  /** The stored document: at most one snapshot, then envelopes. */
  | {
      readonly type: 'loaded';
      readonly channel: number;
      readonly incarnation: number;
      readonly turn: number;
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
  /**
   * Another incarnation (or the same, in another epoch) has taken the place of the one that the main replica has: it is to
   * be loaded as a new replica, and what is not yet stored to be brought into it. `replacements`: the swaps since the main
   * replica's incarnation (`complete`: none is missing). `bridges`: those of all of them, oldest first, as far as they are
   * there.
   */
  | {
      readonly type: 'replaced';
      readonly channel: number;
      readonly incarnation: number;
      readonly turn: number;
      readonly snapshot: Uint8Array;
      readonly replacements: readonly Replacement[];
      readonly complete: boolean;
      readonly epochChanged: boolean;
      readonly bridges: readonly Bridge[];
      /** Of this tab's agents what the state has by other names, though no swap tells of it. */
      readonly carried: readonly AgentSeq[];
      /** Of these nobody here can tell whether the state has them, by other names. */
      readonly unanswered: readonly AgentSeq[];
      /**
       * The rejected list as it is now: what is told by a receipt has to be found there. Undefined: it can't be read, or was
       * told before.
       */
      readonly rejections: readonly StoredRejection[] | undefined;
      readonly status: EngineStatus;
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
  /**
   * An entry of the rejected list was written again by `updates`, and stored. `written`: where that is; undefined where there
   * was nothing to do, or nobody can tell any more. With `error` nothing was written.
   */
  | {
      readonly type: 'retried';
      readonly channel: number;
      readonly id: string;
      readonly updates: readonly Uint8Array[];
      readonly written: AgentSeqs | undefined;
      readonly error: ErrorData | undefined;
      readonly status: EngineStatus;
    }
  /** What is kept of an undo stack, if anything; `owner`: whose it is in storage, undefined where it isn't kept. */
  | {
      readonly type: 'undo';
      readonly channel: number;
      readonly name: string;
      readonly owner: string | undefined;
      readonly bytes: Uint8Array | undefined;
      readonly error: ErrorData | undefined;
    }
  /** The rejected list, whole. */
  | { readonly type: 'rejections'; readonly entries: readonly StoredRejection[] }
  | {
      readonly type: 'rejected';
      readonly channel: number;
      readonly agent: bigint;
      readonly from: number;
      readonly to: number;
      readonly error: ErrorData;
      readonly status: EngineStatus;
    }
  /** A space's list was read or has changed. `documents`: which of them; undefined: any. */
  | {
      readonly type: 'space';
      readonly handle: number;
      readonly size: number;
      readonly complete: boolean;
      readonly documents: readonly string[] | undefined;
    }
  | { readonly type: 'space-failed'; readonly handle: number; readonly error: ErrorData }
  /** `documents`: the ids, sorted; `state`: that of the document; undefined where it was not asked for or is not there. */
  | {
      readonly type: 'stored';
      readonly request: number;
      readonly documents: readonly string[] | undefined;
      readonly state: Uint8Array | undefined;
      readonly error: ErrorData | undefined;
    }
  /** `next`: the `after` of the next page; undefined: it was the last one. */
  | {
      readonly type: 'space-page';
      readonly handle: number;
      readonly request: number;
      readonly documents: readonly string[];
      readonly next: string | undefined;
    }
  /** `kept`: in storage, until the server has it; the other two are final. */
  | {
      readonly type: 'deletion';
      readonly document: string;
      readonly state: 'kept' | 'done' | 'refused';
      readonly error: ErrorData | undefined;
    }
  /** Own writes have lost to others'. */
  | { readonly type: 'conflicts'; readonly document: string; readonly conflicts: readonly Conflict[] }
  /** So much of a document is pending; else told with a status. */
  | { readonly type: 'pending'; readonly channel: number; readonly pending: DocumentPending }
  /** The server has said before that this document is deleted, and it was opened since. */
  | { readonly type: 'deleted'; readonly document: string }
  /**
   * What another one says of itself, by this connection of the server's (empty: a tab of this browser); undefined: that
   * connection has ended.
   */
  | {
      readonly type: 'presence';
      readonly document: string;
      readonly client: string;
      readonly message: Uint8Array | undefined;
    }
  /** It speaks to the other tabs by this channel and as this tab: the page does so itself when it is left. */
  | { readonly type: 'tabs'; readonly channel: string; readonly tab: string }
  | { readonly type: 'status'; readonly status: EngineStatus }
  | { readonly type: 'damaged'; readonly document: string; readonly error: ErrorData }
  /** A newer version of this code has taken storage over: nothing is stored any more. */
  | { readonly type: 'storage-outdated'; readonly error: ErrorData }
  | { readonly type: 'foreign-tab'; readonly isNewer: boolean }
  /** What to add to this device's clock to get the server's, in milliseconds. */
  | { readonly type: 'clock'; readonly offset_ms: number }
  /** The server says that the token is another user's: nothing is synced any more. */
  | { readonly type: 'user-changed'; readonly error: ErrorData }
  | { readonly type: 'ended'; readonly error: ErrorData | undefined }
  /** It does not sign out, and goes on: so much is unsynced. */
  | { readonly type: 'stays'; readonly pending: number; readonly rejected: number }
  /** Everything was removed from storage while the engine had it open: it must be replaced. */
  | { readonly type: 'evicted'; readonly error: ErrorData }
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
  /**
   * The store that is open; undefined before, and where it doesn't outlive the page or can't tell. `name`: the same for the
   * same data; `isNew`: nothing was stored when it was opened, nor since.
   */
  readonly store: { readonly name: string; readonly isNew: boolean } | undefined;
  /** Of the document that it is told with. */
  readonly document?: DocumentPending;
}

/** Envelopes of one document that the engine has and the server doesn't. */
export interface DocumentPending {
  readonly count: number;
  readonly oldestAt_ms: number | undefined;
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
