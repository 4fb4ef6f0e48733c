// The rejected list as an app sees it: what was written here and will never be synced as it is. Every tab of a device shows
// the same list, for it lies in storage; this only reads it out and passes on what is to be done with an entry.

import { JoineryError } from '@joinery/protocol';
import type { Change } from '../core/change.ts';
import { unpackValue } from '../core/value.ts';
import type { Receipt } from '../documents/receipt.ts';
import type { StoredRejection } from '../storage/storage.ts';

/**
 * What the server refused of the writes that went there together, or what rests on such a one, or what has no place in the
 * document any more. What else was in them is synced.
 */
export interface RejectedWriteEntry {
  /** Names it on all tabs of this device, for ever. */
  readonly id: string;
  readonly document: string;
  /** Which operations: those of this agent (16 hexadecimal digits) with `from < seq <= to`, in ascending ranges. */
  readonly operations: {
    readonly agent: string;
    readonly ranges: readonly { readonly from: number; readonly to: number }[];
  };
  /** What they would have changed, with paths as they were when it was rejected; empty where it can't be read. */
  readonly changes: readonly Change[];
  /** Why: the server's error, or `rests-on-refused`, `parent-missing`, `key-removed`, `storage-corrupt`, `stale-incarnation`. */
  readonly error: JoineryError;
  /** When it was rejected, in milliseconds since 1970 by this device's clock. */
  readonly at_ms: number;
}

/**
 * What was rejected and not yet dealt with, oldest first. With 1,000 entries, or 8 MiB in them, the list is full: a document of
 * which something more would have to go there is not synced any more then, and shown as blocked with `rejected-list-full` in
 * `status.sync`, until there is room. Nothing is ever dropped to make it.
 */
export interface RejectedList {
  /** The same array as long as nothing changes. */
  readonly entries: readonly RejectedWriteEntry[];
  /** Calls `listener` after each change. Returns what ends it. */
  subscribe(listener: () => void): () => void;
  /** All entries as JSON, to be kept or looked at elsewhere; with the envelopes as they were made, in hexadecimal digits. */
  export(): string;
  /**
   * Writes its changes again, as new operations on what the document holds now, and takes it off the list in the same
   * commit: however many tabs ask for it at once, it is written once. The receipt is that of the new write. What the document
   * has no place for any more is left out.
   *
   * @throws JoineryError `not-found` when there is no such entry (any more), or nothing of it can be written (it stays, then)
   */
  retry(id: string): Promise<Receipt>;
  /** Takes it off the list, for good. */
  discard(id: string): void;
}

export interface RejectedListContext {
  readonly rejections: readonly StoredRejection[];
  subscribeRejections(listener: () => void): () => void;
  discard(document: string, id: string): void;
  /** Writes what the entry would have changed, and takes it off the list. */
  writeAgain(document: string, id: string): Promise<Receipt>;
}

export class StoredRejectedList implements RejectedList {
  readonly #context: RejectedListContext;
  /** Written again or discarded, and still told of: nothing is done with an entry twice. */
  readonly #dealt = new Set<string>();
  #of: readonly StoredRejection[] | undefined;
  #entries: readonly RejectedWriteEntry[] = [];

  constructor(context: RejectedListContext) {
    this.#context = context;
  }

  get entries(): readonly RejectedWriteEntry[] {
    const { rejections } = this.#context;
    if (this.#of !== rejections) {
      this.#of = rejections;
      const ids = new Set(rejections.map(({ id }) => id));
      for (const id of this.#dealt) if (!ids.has(id)) this.#dealt.delete(id);
      const known = new Map(this.#entries.map((entry) => [entry.id, entry]));
      this.#entries = Object.freeze(rejections.map((one) => known.get(one.id) ?? entryOf(one)));
    }
    return this.#entries;
  }

  subscribe(listener: () => void): () => void {
    return this.#context.subscribeRejections(listener);
  }

  export(): string {
    const entries = this.#context.rejections.map((rejection) => {
      const { id, document, operations, changes, error, at_ms } = entryOf(rejection);
      const { code, message } = error;
      const hex = Array.from(rejection.envelope, (byte) => byte.toString(16).padStart(2, '0')).join('');
      return { id, document, at_ms, error: { code, message }, operations, changes, envelope: hex };
    });
    // Bytes within a value have no form of their own in JSON.
    return JSON.stringify(entries, (_, value: unknown) => (value instanceof Uint8Array ? Array.from(value) : value));
  }

  async retry(id: string): Promise<Receipt> {
    const entry = this.#find(id);
    if (entry === undefined || entry.changes.length === 0) throw notFound(id, entry !== undefined);
    this.#dealt.add(id);
    try {
      return await this.#context.writeAgain(entry.document, id);
    } catch (error) {
      this.#dealt.delete(id);
      throw error;
    }
  }

  discard(id: string): void {
    const entry = this.#find(id);
    if (entry === undefined) return;
    this.#dealt.add(id);
    this.#context.discard(entry.document, id);
  }

  #find(id: string): RejectedWriteEntry | undefined {
    const entry = this.entries.find((one) => one.id === id);
    return this.#dealt.has(id) ? undefined : entry;
  }
}

/** What is thrown where an entry can't be written again. */
export function notFound(id: string, isKnown: boolean): JoineryError {
  return new JoineryError('not-found', {
    expected: isKnown ? 'something of the write that the document has a place for' : 'the id of an entry of `rejected`',
    got: isKnown ? 'nothing' : id,
    remedy: isKnown ? 'Export it, or discard it.' : 'Look at `rejected.entries` again.',
  });
}

function entryOf({ id, document, agent, parts, at_ms, changes }: StoredRejection): RejectedWriteEntry {
  const ranges = parts.map(({ from, to }) => ({ from, to }));
  const operations = { agent: agent.toString(16).padStart(16, '0'), ranges };
  const { code, message } = parts[0] ?? { code: 'internal', message: 'Expected to know why it was rejected.' };
  const error = new JoineryError(code, message);
  return Object.freeze({ id, document, operations, changes: changesOf(changes), error, at_ms });
}

/** What a stored rejection would have changed; nothing where that can't be read. */
export function changesOf(packed: Uint8Array): readonly Change[] {
  try {
    return unpackValue(packed) as unknown as readonly Change[];
  } catch (error) {
    if (error instanceof JoineryError) return [];
    throw error;
  }
}
