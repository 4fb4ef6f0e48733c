// What a handle needs of an open document. The handles turn an app's calls into operations on the replica; where the
// replica comes from, and what becomes of what was written, is the business of whoever implements this.

import { JoineryError } from '@joinery/protocol';
import type { Patch, PatchOrigin, Replica } from '../core/index.ts';
import type { Receipt } from './receipt.ts';

/**
 * Where a change comes from: it was written here (`local`) or by others (`remote`); another state has taken the document's place, as
 * after a refusal or a trim (`replaced`); or its state was read (`loaded`): then the patches begin with an empty document.
 */
export type ObservedOrigin = PatchOrigin | 'replaced' | 'loaded';

/** Hears of changes; see `DocumentHandle.observe`. */
export type PatchListener = (patches: readonly Patch[], origin: ObservedOrigin) => void;

export interface DocumentAccess {
  readonly id: string;
  /** Whether what is stored was read. */
  readonly isLoaded: boolean;
  /** The replica; undefined until it is loaded. It may become another one at any time: don't keep it. */
  readonly replica: Replica | undefined;
  /** Changes whenever what can be read has changed, and never comes back. */
  readonly revision: number;
  /** Rejects with a JoineryError when what is stored can't be read. */
  readonly loaded: Promise<void>;
  /** The whole document as plain, frozen data; undefined until it is loaded. */
  readonly value: unknown;
  /**
   * Runs `write` on the replica, at once. Where it throws in the middle, what it had written until then stays written.
   *
   * @param key of the root map, where it writes nowhere else
   * @throws JoineryError `document-not-loaded`, and whatever `write` throws
   */
  write(write: (replica: Replica) => void, key?: string): Receipt;
  /** The same; before the document is loaded it is run then, and what it throws the receipt is rejected with. */
  writeKeyed(write: (replica: Replica) => void, key?: string): Receipt;
  /** See `DocumentHandle.transact`. */
  transact(label: string, run: () => unknown): Receipt;
  subscribe(listener: () => void): () => void;
  /** Envelopes that are not at the server, and since when. */
  readonly unsynced: { readonly count: number; readonly oldestAt_ms: number | undefined };
  subscribePending(listener: () => void): () => void;
  /** See `DocumentHandle.observe`. */
  observe(listener: PatchListener): () => void;
}

/** What needs the document was called before it was loaded. */
export function notLoaded(id: string): JoineryError {
  return new JoineryError('document-not-loaded', {
    expected: `the document ${JSON.stringify(id)} to be loaded`,
    got: 'a call that has to read it first',
    remedy: 'Wait for `loaded`; keys can be set before.',
  });
}
