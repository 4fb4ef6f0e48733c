// A space as an app has it: the list of its documents, page by page. It holds no list of its own, however long that is;
// what it shows is asked for from the engine, which has it from storage.

import type { JoineryError } from '@joinery/protocol';

/** A space that is open. Release it with `close`. */
export interface Space {
  /** What stands before the first slash of its documents' ids; '' for those without one. */
  readonly id: string;
  /**
   * Resolves when the list stored on this device is read: it can be used then, also offline. Rejects with a JoineryError
   * (`storage-failed`, `closed`).
   */
  readonly loaded: Promise<void>;
  /** How many documents are in the list; 0 until it is loaded. */
  readonly size: number;
  /** Whether the list has everything that the server has, as far as this is known now; false while offline. */
  readonly complete: boolean;
  /** Why the server doesn't tell of the space; absent while it does. */
  readonly lastError: JoineryError | undefined;
  /**
   * One page: up to `limit` ids (1 to 4,096, 256 when left out) in their order, behind `after`.
   *
   * @throws JoineryError `invalid-option`, `closed`, `storage-failed`
   */
  page(options?: { readonly after?: string; readonly limit?: number }): Promise<SpacePage>;
  /**
   * The ids of all documents, in their order. What is added or deleted meanwhile is seen if it lies ahead.
   *
   * @example
   * for await (const id of client.space('team').documents()) console.log(id);
   */
  documents(): AsyncIterable<string>;
  /** Calls `listener` after the list has changed, with the ids that changed; undefined: too many to tell. */
  subscribe(listener: (documents: readonly string[] | undefined) => void): () => void;
  /** Idempotent. The list is kept up no more, and what was asked rejects with `closed`. */
  close(): void;
}

export interface SpacePage {
  readonly documents: readonly string[];
  /** The `after` of the next page; undefined when this is the last one. */
  readonly next: string | undefined;
}

/** A deletion that was asked for. */
export interface Deletion {
  /** Resolves when it is kept on this device: it will be brought to the server, whatever happens. */
  readonly durable: Promise<void>;
  /** Resolves when the server has deleted the document for ever. Rejects when it refuses, or with `closed`. */
  readonly synced: Promise<void>;
}
