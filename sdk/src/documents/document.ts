// The handle of a whole document: its value as plain data, and writes to it.

import type { DocumentAccess, PatchListener } from './access.ts';
import { type RecipeCheck, runRecipe } from './draft.ts';
import { Lease, type Leased } from './lease.ts';
import { checkKey, copyPlain, invalid, isPlainObject, maxDepth, type Path, setOwn } from './plain.ts';
import type { Receipt } from './receipt.ts';
import { type DocumentSchema, noIssues, type SchemaIssue } from './schema.ts';
import type { StandardSchema } from './standard-schema.ts';
import { type Mergeable, mergeKeys, previewMerge } from './write-value.ts';

/** What `update` takes as a partial value: given keys are written, objects merge key by key, `undefined` deletes a key. */
export type Partially<T> = T extends Uint8Array | readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: Partially<T[K]> | undefined }
    : T;

/** The mutable view that a recipe gets. */
export type Draft<T> = T extends Uint8Array ? T : T extends object ? { -readonly [K in keyof T]: Draft<T[K]> } : T;

/** How a document is opened. */
export interface DocumentOptions<T extends object> {
  /** What the document has to look like; any validator with the interface of Standard Schema (zod, valibot, arktype …). */
  readonly schema?: StandardSchema<T> | undefined;
}

/** A document as plain data. Objects are maps, arrays are lists; both merge. Everything else is last-writer-wins. */
export interface DocumentHandle<T extends object = Record<string, unknown>> {
  readonly id: string;
  /**
   * The document as plain, frozen data, or undefined until what is stored was read. The same object as long as nothing
   * changes, and unchanged parts stay the same objects.
   */
  readonly value: T | undefined;
  /** Whether what is stored was read. */
  readonly isLoaded: boolean;
  /** Resolves when what is stored was read: from then on `value` is defined and every write is allowed. */
  readonly loaded: Promise<void>;
  /**
   * Writes to the document, at once. A partial value is merged key by key; arrays in it are changed to what is given by
   * the fewest insertions and deletions. A recipe edits a draft with ordinary assignments and array methods: all of it is
   * written, or, when it throws, nothing.
   *
   * A partial value may be given before the document is loaded; it is written then.
   *
   * Where the handle has a schema, an update with which the document would not fit it is refused with a {@link SchemaViolation}
   * and changes nothing. A value that is written before the document is loaded is looked at when it is: its receipt rejects.
   *
   * @throws JoineryError `invalid-value`, `limit-exceeded`, `schema-violation`, `document-not-loaded` (a recipe before `loaded`),
   *   `closed`
   *
   * @example
   * todo.update({ title: 'Groceries' });
   * todo.update((draft) => {
   *   draft.items.push({ title: 'Milk', done: false });
   *   draft.items[0].done = true;
   * });
   */
  update(change: Partially<T> | ((draft: Draft<T>) => void)): Receipt;
  /**
   * Batches of writes to this document that are not yet committed by the server, of this device: also of its other tabs and of
   * earlier sessions. All documents together: `client.status.sync`.
   */
  readonly pending: number;
  /** When the oldest of them was written, in milliseconds since 1970 by this device's clock; undefined where nothing is pending. */
  readonly oldestPendingAt: number | undefined;
  /** Calls `listener` after each change of `pending` or `oldestPendingAt`. Returns the function that ends it. */
  subscribePending(listener: () => void): () => void;
  /**
   * Runs `run`, which may write through any handles of this document: all of it is one step to undo, with `label` as its name, is told
   * to listeners once, and has one receipt. When `run` throws, the document is as it was before, nothing was written, and the error
   * is passed on. `run` is done when it returns; within another `transact` it is part of that one, and taken back with that one.
   * It costs what it takes to write down the document's state.
   *
   * @throws JoineryError `invalid-value` (a label that is no text of at most 1,000 characters, an asynchronous `run`),
   *   `document-not-loaded`, `closed`, and whatever `run` throws
   *
   * @example
   * notes.transact('Add a chapter', () => {
   *   notes.update({ chapters: 3 });
   *   body.insert(body.length, 'Chapter 3');
   * });
   */
  transact(label: string, run: () => void): Receipt;
  /**
   * Where `value` doesn't fit the schema that the handle was opened with: the same array as long as `value` is the same. Empty
   * where it fits, where there is no schema, and before the document is loaded.
   *
   * What others write is never refused by a schema here: they may have another version of it, or none. So look here before
   * relying on the type.
   *
   * @throws JoineryError `invalid-option` when the schema is asynchronous
   */
  readonly issues: readonly SchemaIssue[];
  /** Calls `listener` after each change of `value`. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  /**
   * Calls `listener` with what each change has changed, path by path, and where it comes from: for mirrors in stores, databases and
   * editors. Writes of one task may come together. Done to the value of before, the patches give the value of after; the first ones
   * go with the value that is there now, or, before the document is loaded, with an empty object: whatever it had, a mirror begins
   * with that again when the origin is `loaded`. Before anybody observes, this costs nothing.
   *
   * @example
   * let mirror = todo.value ?? {};
   * todo.observe((patches, origin) => {
   *   mirror = applyPatches(origin === 'loaded' ? {} : mirror, patches);
   * });
   */
  observe(listener: PatchListener): () => void;
  /** Releases this handle; the document is closed with its last handle. Writes that were made go on their way. */
  close(): void;
}

/** The handle over an open document. */
export class OpenDocumentHandle<T extends object> implements DocumentHandle<T> {
  readonly #access: DocumentAccess;
  readonly #schema: DocumentSchema | undefined;
  readonly #lease: Lease;

  constructor(access: DocumentAccess, leased: Leased, schema?: DocumentSchema) {
    this.#access = access;
    this.#schema = schema;
    this.#lease = new Lease(leased);
  }

  get id(): string {
    return this.#access.id;
  }

  get value(): T | undefined {
    return this.#access.value as T | undefined;
  }

  get isLoaded(): boolean {
    return this.#access.isLoaded;
  }

  get loaded(): Promise<void> {
    return this.#access.loaded;
  }

  update(change: Partially<T> | ((draft: Draft<T>) => void)): Receipt {
    this.#lease.check();
    if (typeof change === 'function') {
      return this.#access.write((replica) =>
        runRecipe(replica.root, change as (draft: never) => void, this.#recipeCheck()),
      );
    }
    const partial = copyPartial(change, []);
    return this.#access.writeKeyed((replica) => {
      const check = this.#recipeCheck();
      check?.check(previewMerge(replica.root, check.current, partial));
      mergeKeys(replica.root, partial);
    });
  }

  get issues(): readonly SchemaIssue[] {
    const { value } = this;
    return value === undefined || this.#schema === undefined ? noIssues : this.#schema.issuesOf(value);
  }

  /** While the document is being written to: it is loaded then. */
  #recipeCheck(): RecipeCheck | undefined {
    const schema = this.#schema;
    if (schema === undefined) return undefined;
    const current = (this.#access.value ?? {}) as object;
    return { current, check: (next) => schema.check(current, next) };
  }

  transact(label: string, run: () => void): Receipt {
    this.#lease.check();
    return this.#access.transact(label, run);
  }

  get pending(): number {
    return this.#access.unsynced.count;
  }

  get oldestPendingAt(): number | undefined {
    return this.#access.unsynced.oldestAt_ms;
  }

  subscribePending(listener: () => void): () => void {
    this.#lease.check();
    return this.#access.subscribePending(listener);
  }

  subscribe(listener: () => void): () => void {
    this.#lease.check();
    return this.#access.subscribe(listener);
  }

  observe(listener: PatchListener): () => void {
    this.#lease.check();
    return this.#access.observe(listener);
  }

  close(): void {
    this.#lease.end();
  }
}

/** A checked copy of a partial value, with `undefined` where a key is to go. */
export function copyPartial(value: unknown, path: Path): { [key: string]: Mergeable } {
  if (!isPlainObject(value)) throw invalid(path, 'an object with the keys to write', typeof value);
  if (path.length > maxDepth) throw invalid(path, `at most ${maxDepth} levels`, 'more (or a circle)');
  const copy: { [key: string]: Mergeable } = {};
  for (const [key, inner] of Object.entries(value)) {
    checkKey(key, path);
    const at = [...path, key];
    const copied =
      inner === undefined ? undefined : isPlainObject(inner) ? copyPartial(inner, at) : copyPlain(inner, at);
    setOwn<Mergeable>(copy, key, copied);
  }
  return copy;
}
