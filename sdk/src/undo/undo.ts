// What an app has of undo: the handle of one stack of one document. It records and takes back nothing itself; `stacks.ts` does.

import { JoineryError } from '@joinery/protocol';
import { Lease, type Leased } from '../documents/lease.ts';
import { checkKey } from '../documents/plain.ts';
import type { Receipt } from '../documents/receipt.ts';
import { covers, type Parts } from '../storage/undo-parts.ts';

/** What a stack takes down. */
export interface UndoOptions {
  /**
   * The parts of the document that it is about: a key of the root map, or several; a path of keys where a part lies deeper. All that
   * is written in what stands there, and below, can be undone; the write that puts something there can not. So a part is a text, a
   * list, an object, a counter, a tree or a graph; a plain value is written by whatever it is in. All of the document when left out.
   *
   * @example
   * { scope: 'body' } // one text
   * { scope: ['title', ['pages', 'first']] } // two parts: a key, and a path
   */
  readonly scope?: string | readonly (string | readonly string[])[];
  /**
   * What is written within so many milliseconds of the write before is one step with it; 500 when left out, 0: each write is a step.
   * What the stack was opened with first holds for all its handles.
   */
  readonly groupMs?: number;
}

/**
 * Undo and redo of what is written to one document by this client: made by `client.undo(id, options)`.
 *
 * Only what was written through handles of this client, while the stack was open, is taken back, and of that only what still shows:
 * what others have written since stays. Two stacks of one document must not be about the same part; handles of one scope share a
 * stack. Taking back is a write like any other: it syncs, and has a receipt.
 *
 * A stack is kept with its document on this device, for the tab that it belongs to: after a reload the tab goes on with it.
 *
 * @example
 * const history = client.undo('notes', { scope: 'body' });
 * await history.loaded;
 * body.insert(0, 'Hello');
 * history.undo(); // the text is empty again
 * history.redo();
 */
export interface Undo {
  readonly id: string;
  /** Whether the document was read, and what was kept of the stack. */
  readonly isLoaded: boolean;
  /** Resolves when that is so. What is recorded before comes in place of what was kept. */
  readonly loaded: Promise<void>;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** What `transact` called the step that is undone next; undefined for a step without a name. */
  readonly undoLabel: string | undefined;
  readonly redoLabel: string | undefined;
  /**
   * Takes the newest step back, at once; undefined where there was nothing to take back.
   *
   * @throws JoineryError `document-not-loaded`, `closed`
   */
  undo(): Receipt | undefined;
  /** Does again what was undone last; a write in between leaves nothing to be done again. See {@link Undo.undo}. */
  redo(): Receipt | undefined;
  /** Forgets all steps. What is written from now on can be undone. @throws JoineryError `closed` */
  clear(): void;
  /** Calls `listener` when there may be other steps, and after each change of the document. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  /** Releases this handle. With the last one recording ends; the steps are kept for whoever opens the stack again in this tab. */
  close(): void;
}

/** What the handle needs of its stack, in its document. */
export interface UndoAccess {
  readonly document: string;
  readonly isLoaded: boolean;
  readonly loaded: Promise<void>;
  depth(redo: boolean): number;
  label(redo: boolean): string | undefined;
  takeBack(redo: boolean): Receipt | undefined;
  clear(): void;
  subscribe(listener: () => void): () => void;
}

/** The handle over a stack. */
export class OpenUndo implements Undo {
  readonly #access: UndoAccess;
  readonly #lease: Lease;

  constructor(access: UndoAccess, leased: Leased) {
    this.#access = access;
    this.#lease = new Lease(leased);
  }

  get id(): string {
    return this.#access.document;
  }

  get isLoaded(): boolean {
    return this.#access.isLoaded;
  }

  get loaded(): Promise<void> {
    return this.#access.loaded;
  }

  get canUndo(): boolean {
    return this.#access.depth(false) > 0;
  }

  get canRedo(): boolean {
    return this.#access.depth(true) > 0;
  }

  get undoLabel(): string | undefined {
    return this.#access.label(false);
  }

  get redoLabel(): string | undefined {
    return this.#access.label(true);
  }

  undo(): Receipt | undefined {
    this.#lease.check();
    return this.#access.takeBack(false);
  }

  redo(): Receipt | undefined {
    this.#lease.check();
    return this.#access.takeBack(true);
  }

  clear(): void {
    this.#lease.check();
    this.#access.clear();
  }

  subscribe(listener: () => void): () => void {
    this.#lease.check();
    return this.#access.subscribe(listener);
  }

  close(): void {
    this.#lease.end();
  }
}

/** The core's bound. */
const maxParts = 64;
/** Containers nest no deeper. */
const maxPath = 128;

/** @throws JoineryError `invalid-option` for what names no part, `invalid-value` for what is no key */
export function partsOf(scope: UndoOptions['scope']): Parts {
  if (scope === undefined) return [];
  const given: readonly unknown[] = typeof scope === 'string' ? [scope] : scope;
  if (!Array.isArray(given) || given.length === 0 || given.length > maxParts) throw notScope(scope);
  const paths = given.map((part: unknown): readonly string[] => {
    const path: readonly unknown[] = Array.isArray(part) ? part : [part];
    if (path.length === 0 || path.length > maxPath) throw notScope(scope);
    return path.map((key) => {
      if (typeof key !== 'string') throw notScope(scope);
      checkKey(key, []);
      return key;
    });
  });
  // One order, so that one scope has one name; what lies within another part is about that.
  const least = paths.filter(
    (path, at) => !paths.some((other, index) => at !== index && covers(other, path, index < at)),
  );
  return least.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** @throws JoineryError `invalid-option` */
export function groupOf({ groupMs = 500 }: UndoOptions): number {
  if (Number.isFinite(groupMs) && groupMs >= 0) return groupMs;
  throw new JoineryError('invalid-option', {
    expected: 'a number of milliseconds as `groupMs`',
    got: String(groupMs),
    remedy: 'Leave it out, or pass 0 for a step for each write.',
  });
}

function notScope(scope: unknown): JoineryError {
  return new JoineryError('invalid-option', {
    expected: `a key, or up to ${maxParts} parts, each a key or a path of keys, as \`scope\``,
    got: typeof scope === 'string' ? JSON.stringify(scope) : `something else (${typeof scope})`,
    remedy: 'Leave it out for the whole document.',
  });
}
