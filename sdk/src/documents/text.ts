// The handle of one text in a document.

import {
  type DeltaStep,
  defaultExpand,
  type ExpandTable,
  expandOf,
  type Plain,
  type Replica,
  type Stick,
  type TextHandle,
  type TextRun,
} from '../core/index.ts';
import { type DocumentAccess, notLoaded } from './access.ts';
import type { Leased } from './lease.ts';
import { OpenPart } from './open-part.ts';
import type { Receipt } from './receipt.ts';
import { changeText, checkKind } from './write-value.ts';

/** How a text handle marks. */
export interface TextOptions {
  /**
   * Which marks grow at their end, by key; `comment:*` is every key that begins so. It goes over the usual table: links,
   * comments and what is said of a line don't grow, everything else does.
   */
  readonly expand?: ExpandTable;
}

/** A text that several people edit at once. Indices and lengths are in UTF-16 units, as in JavaScript strings. */
export interface TextDocument {
  readonly id: string;
  /** The key of the text in its document's root map. */
  readonly key: string;
  /** The text; empty until what is stored was read. */
  readonly value: string;
  readonly length: number;
  /** Whether what is stored was read. */
  readonly isLoaded: boolean;
  /** Resolves when what is stored was read: from then on every write is allowed. */
  readonly loaded: Promise<void>;
  /** @throws JoineryError `index-out-of-range`, `document-not-loaded`, `wrong-type`, `closed` */
  insert(index: number, text: string): Receipt;
  /** @throws JoineryError `index-out-of-range`, `document-not-loaded`, `wrong-type`, `closed` */
  delete(index: number, length: number): Receipt;
  /**
   * Makes the text equal to `next` by one deletion and one insertion between the common beginning and the common end.
   *
   * @example
   * textarea.oninput = () => body.replace(textarea.value);
   */
  replace(next: string): Receipt;
  /**
   * The place at `index` as at most 14 bytes, to be found again after edits by anybody, on any device: a cursor, a comment's anchor.
   *
   * @param stick what it stays at: the character on its `left` (the default) or on its `right`
   * @throws JoineryError `index-out-of-range`, `document-not-loaded`, `closed`
   */
  position(index: number, stick?: Stick): Uint8Array;
  /**
   * The index at which a position is now; where its character was deleted, that at which it stood. Undefined where its character
   * isn't here: not yet, or the server has begun a new epoch of the document (it was trimmed, or restored from a backup).
   *
   * @throws JoineryError `invalid-position`
   */
  indexAt(position: Uint8Array): number | undefined;
  /**
   * Says `key` = `value` of the units from `start` to `end` (not with it). Whether what is typed at its end is marked too is by
   * the handle's table ({@link TextOptions.expand}). Where it is so already, nothing is written.
   *
   * @throws JoineryError `index-out-of-range`, `invalid-value`, `limit-exceeded`, `document-not-loaded`, `wrong-type`, `closed`
   *
   * @example
   * body.mark(0, 5, 'bold', true);
   * body.mark(6, 11, 'link', 'https://example.com');
   */
  mark(start: number, end: number, key: string, value: Plain): Receipt;
  /** Takes a key off the units from `start` to `end`. */
  unmark(start: number, end: number, key: string): Receipt;
  /** The text with its marks and embedded objects, in the form of Quill; empty until what is stored was read. */
  toDelta(): TextRun[];
  /**
   * Changes text and marks at once: each step inserts, keeps or deletes so many units, from the start on. When it is refused,
   * nothing was written.
   *
   * @throws JoineryError `index-out-of-range`, `invalid-value`, `limit-exceeded`, `document-not-loaded`, `wrong-type`, `closed`
   *
   * @example
   * quill.on('text-change', (delta, _, source) => source === 'user' && body.applyDelta(delta.ops));
   */
  applyDelta(delta: readonly DeltaStep[]): Receipt;
  /** Batches of the document that are not yet at the server, and since when; see `DocumentHandle.pending`. */
  readonly pending: number;
  readonly oldestPendingAt: number | undefined;
  subscribePending(listener: () => void): () => void;
  /** Writes of `run` are one step to undo; see `DocumentHandle.transact`. */
  transact(label: string, run: () => void): Receipt;
  /** Calls `listener` after each change of the document. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  close(): void;
}

/** The handle over an open document. */
export class OpenText extends OpenPart implements TextDocument {
  readonly #expand: ExpandTable;
  /** The handle in the replica that it is of. */
  #found: { readonly replica: Replica; readonly text: TextHandle } | undefined;

  constructor(access: DocumentAccess, key: string, leased: Leased, { expand }: TextOptions = {}) {
    super(access, key, leased);
    this.#expand = { ...defaultExpand, ...expand };
  }

  get value(): string {
    const { replica } = this.access;
    return replica === undefined ? '' : this.#text(replica).toString();
  }

  get length(): number {
    const { replica } = this.access;
    return replica === undefined ? 0 : this.#text(replica).length;
  }

  insert(index: number, text: string): Receipt {
    return this.#write((handle) => handle.insert(index, text));
  }

  delete(index: number, length: number): Receipt {
    return this.#write((handle) => handle.delete(index, length));
  }

  replace(next: string): Receipt {
    return this.#write((handle) => changeText(handle, next));
  }

  position(index: number, stick?: Stick): Uint8Array {
    this.lease.check();
    const { replica } = this.access;
    if (replica === undefined) throw notLoaded(this.id);
    return this.#text(replica).position(index, stick);
  }

  indexAt(position: Uint8Array): number | undefined {
    const { replica } = this.access;
    return replica === undefined ? undefined : this.#text(replica).indexAt(position);
  }

  mark(start: number, end: number, key: string, value: Plain): Receipt {
    return this.#write((handle) => handle.mark(start, end, key, value, expandOf(this.#expand, key)));
  }

  unmark(start: number, end: number, key: string): Receipt {
    return this.mark(start, end, key, null);
  }

  toDelta(): TextRun[] {
    const { replica } = this.access;
    return replica === undefined ? [] : this.#text(replica).toDelta();
  }

  applyDelta(delta: readonly DeltaStep[]): Receipt {
    return this.#write((handle) => handle.applyDelta(delta, this.#expand));
  }

  #write(write: (text: TextHandle) => void): Receipt {
    this.lease.check();
    return this.access.write((replica) => {
      const text = this.#text(replica);
      // The first write would end whatever else is at the key.
      if (text.length === 0) checkKind(replica.root, this.key, 'text');
      write(text);
    }, this.key);
  }

  #text(replica: Replica): TextHandle {
    if (this.#found?.replica !== replica) this.#found = { replica, text: replica.text(this.key) };
    return this.#found.text;
  }
}
