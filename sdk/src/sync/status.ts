// The three things that are told of a client's state, under three names: connection, sync, storage.

import type { JoineryError } from '@joinery/protocol';
import type { Plain } from '../core/index.ts';

/** The connection to the server. */
export interface ConnectionStatus {
  /** `offline` also means: waiting for the next attempt, or switched off by `disconnect()`. */
  readonly state: 'offline' | 'connecting' | 'online';
  /** True after `disconnect()`, until `connect()`. */
  readonly paused: boolean;
  /** Why the last connection or attempt ended; absent once online. */
  readonly lastError?: JoineryError;
}

/** What of this client's own writes the server doesn't have yet, over all documents, open or not. */
export interface SyncStatus {
  /**
   * `blocked`: some document can't be synced until something else is done (it was deleted, or what the server sends of it
   * can't be read); its writes are kept. What the server refuses blocks nothing: it goes to the rejected list. `pending`
   * with nothing counted: storage was not yet asked what earlier sessions have left.
   */
  readonly state: 'idle' | 'pending' | 'blocked';
  /** Batches of writes that are not yet committed by the server (one batch: what was written while one was stored). */
  readonly pending: number;
  /** When the oldest pending batch was written, in milliseconds since 1970 by this device's clock. */
  readonly oldestPendingAt?: number;
  readonly lastError?: JoineryError;
}

/** Where this client keeps its data. */
export interface StorageStatus {
  /** What is really in use: `memory` when IndexedDB was wanted and can't be opened. */
  readonly mode: string;
  /** `failed`: the last write failed; it is kept in memory and tried again. */
  readonly state: 'opening' | 'ready' | 'failed';
  readonly lastError?: JoineryError;
  /** Whether the browser has agreed to keep it when the device runs out of room; absent where that isn't known (yet). */
  readonly persisted?: boolean;
}

/** Immutable: a new object after each change, with unchanged parts being the same objects. */
export interface ClientStatus {
  readonly connection: ConnectionStatus;
  readonly sync: SyncStatus;
  readonly storage: StorageStatus;
}

/** Things that happened to a client and that are no state. */
export type ClientEvent =
  /** The engine (worker) died and was replaced; open documents were opened again and nothing durable is lost. */
  | { readonly type: 'engine-restarted'; readonly error: JoineryError }
  /** The token is another user's. The client closes: what is stored stays, for the user whose it is. */
  | { readonly type: 'user-changed'; readonly error: JoineryError }
  /**
   * The server has deleted a document, for ever. What is still written to it comes to nothing. Told at least once to whoever
   * has it open, or opens it later.
   */
  | { readonly type: 'document-deleted'; readonly document: string }
  /** Nearly all is used of what the browser lets this origin store. Told again after it was less for a while. */
  | { readonly type: 'storage-low'; readonly usage_bytes: number; readonly quota_bytes: number }
  /**
   * Everything was removed from storage, by the browser or by whoever cleared the site's data; while the client was open, or
   * since it was open last. What is in memory is stored again, and all else fetched from the server as it is opened.
   * `unsynced`: at most so many batches of writes were on this device alone and are lost; what another tab still has of them
   * is not.
   */
  | { readonly type: 'storage-evicted'; readonly error: JoineryError; readonly unsynced: number }
  /**
   * What was written on this device and had not reached the server is written over by what came from there: a key of a map or an
   * element of a list, or something that it is in. `path` leads to it as it was before, from the root map on; `mine` was lost, `theirs`
   * is there now; undefined where a key is deleted. Told once, to the client that wrote it, and of what earlier sessions have left to
   * the one that leads the tabs. What merges (texts, counters, sets, nodes, new elements) is no conflict. Not told: what a replacement
   * of the whole document brings (after a refusal or a trim), and of a document with more than 256 unsynced batches, or 64 KiB of them, the older ones.
   */
  | {
      readonly type: 'conflict';
      readonly document: string;
      readonly path: readonly (string | number)[];
      readonly mine: Plain | undefined;
      readonly theirs: Plain | undefined;
    }
  /** What was kept of an undo stack can't be read, or names what the document doesn't have any more. The document is as it was. */
  | { readonly type: 'undo-dropped'; readonly document: string; readonly error: JoineryError }
  /**
   * A newer version of this app has upgraded what is stored. This tab has let go of it: what it hasn't stored yet stays in its memory,
   * and is sent while it is online. Reload it to get the newer version.
   */
  | { readonly type: 'storage-outdated'; readonly error: JoineryError }
  /**
   * Another tab runs another version of this app, and the two don't understand each other: they meet in storage and at the server
   * alone. Told once. `isNewer`: this tab is the one to reload.
   */
  | { readonly type: 'foreign-tab'; readonly isNewer: boolean }
  /** A stored record could not be read. It was set aside in storage; what the server has is fetched again. */
  | { readonly type: 'record-damaged'; readonly document: string; readonly error: JoineryError };
