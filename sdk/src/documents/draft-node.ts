// What the drafts of objects and arrays have in common: their place in one run of a recipe, and how values go in and out.
//
// A draft behaves as plain data does: what is assigned is held by reference, whether it is a draft or an object of the
// app's, and stays what it is where else it is held. What the recipe made of it all is looked at once it has ended, in
// two steps. First everything is planned: values are copied and checked while the containers are still what they were.
// Then the writes are carried out. So a value that can't be stored, a circle say, is found before anything is written.

import { JoineryError } from '@joinery/protocol';
import { type Handle, ListHandle, MapHandle, type Plain } from '../core/index.ts';
import { checkKey, copyPlain, invalid, isPlainObject, isScalar, maxDepth, type Path, setOwn } from './plain.ts';
import { isHandle } from './write-value.ts';

/** What an object or array holds. Its values are what a recipe sees: drafts are there as their proxies. */
export type Contents = readonly (readonly [key: string | number, value: unknown])[];

/** The draft of one container. It stays with its container, wherever a recipe puts it. */
export interface DraftNode {
  readonly kind: 'map' | 'list';
  /** What a recipe sees. */
  readonly proxy: object;
  /** What it holds by now. */
  contents(): Contents;
  /** Plans the writes that do to the container what the recipe did to the draft. */
  planOwn(path: Path): void;
  /**
   * What the container will show once the writes of `planOwn` are done, where it shows `current` now. What the recipe left as
   * it was is taken over from there, the whole of it where it changed nothing.
   */
  preview(current: unknown): Plain;
  /** Plans the writes that make the container hold something else, whatever was done to the draft; see `place`. */
  planContents(contents: Contents, path: Path): void;
}

/** Makes the drafts; here, so that this file needs to know neither. */
export interface DraftKinds {
  map(scope: DraftScope, handle: MapHandle): DraftNode;
  list(scope: DraftScope, handle: ListHandle): DraftNode;
}

/** One run of a recipe. */
export class DraftScope {
  readonly #kinds: DraftKinds;
  readonly #nodes = new WeakMap<object, DraftNode>();
  readonly #writes: (() => void)[] = [];
  #open = true;

  constructor(kinds: DraftKinds) {
    this.#kinds = kinds;
  }

  /** The draft that a proxy stands for; undefined for anything else. */
  nodeOf(value: unknown): DraftNode | undefined {
    return typeof value === 'object' && value !== null ? this.#nodes.get(value) : undefined;
  }

  register(node: DraftNode): void {
    this.#nodes.set(node.proxy, node);
  }

  end(): void {
    this.#open = false;
  }

  check(): void {
    if (this.#open) return;
    throw new JoineryError('closed', {
      expected: 'a draft to be used inside its recipe',
      got: 'a use of it afterwards',
      remedy: 'Recipes are synchronous; call `update` again for what comes later.',
    });
  }

  /** What a recipe sees of what is at a place of a container. */
  read(found: Plain | Handle): unknown {
    if (!isHandle(found)) return freezeDeep(found);
    if (found instanceof MapHandle) return this.#kinds.map(this, found).proxy;
    if (found instanceof ListHandle) return this.#kinds.list(this, found).proxy;
    // Texts, counters and sets are shown as plain data; assigning changes them in place. Trees and graphs are only shown.
    const shown: unknown = found.toJSON();
    return freezeDeep(shown as Plain);
  }

  /**
   * Refuses at once what can't be stored whatever becomes of it. What objects and arrays hold may change until the recipe
   * ends, and is checked then.
   */
  accept(value: unknown, path: Path): void {
    if (this.nodeOf(value) !== undefined || isScalar(value, path)) return;
    // What is neither is told by the function whose task that is.
    if (!Array.isArray(value) && !isPlainObject(value)) copyPlain(value, path);
  }

  /** The kind and contents of a draft, object or array; undefined for anything else. */
  partsOf(value: unknown): { readonly kind: 'map' | 'list'; readonly contents: Contents } | undefined {
    const node = this.nodeOf(value);
    if (node !== undefined) return { kind: node.kind, contents: node.contents() };
    if (Array.isArray(value)) return { kind: 'list', contents: Array.from(value, (inner, index) => [index, inner]) };
    if (!isPlainObject(value)) return undefined;
    return { kind: 'map', contents: Object.entries(value).filter(([, inner]) => inner !== undefined) };
  }

  /**
   * What a place will show that was given `value`; see `DraftNode.preview`.
   *
   * @param original what the place held before the recipe, as the recipe sees it
   */
  preview(value: unknown, original: unknown, current: unknown): Plain {
    const node = value === original ? this.nodeOf(value) : undefined;
    // What came from elsewhere is not in `current`. That it is plain data, and no circle, was found out when it was planned.
    return node === undefined ? this.copy(value, []) : node.preview(current);
  }

  /**
   * A copy of a value as it is by now, as plain data.
   *
   * @throws JoineryError `invalid-value` for what is no plain data, and for a value that holds itself
   */
  copy(value: unknown, path: Path): Plain {
    return this.#copy(value, path, []);
  }

  /** @param around what the value is in, from the outside: it must not hold any of it. */
  #copy(value: unknown, path: Path, around: readonly unknown[]): Plain {
    if (this.nodeOf(value) === undefined && isScalar(value, path)) {
      return value instanceof Uint8Array ? value.slice() : value;
    }
    if (around.includes(value)) throw invalid(path, 'a value that does not hold itself', 'a circle');
    if (around.length >= maxDepth) throw invalid(path, `at most ${maxDepth} levels`, 'more');
    const parts = this.partsOf(value);
    if (parts === undefined) return copyPlain(value, path);
    const within = [...around, value];
    if (parts.kind === 'list') return parts.contents.map(([key, inner]) => this.#copy(inner, [...path, key], within));
    const copied: { [key: string]: Plain } = {};
    for (const [key, inner] of parts.contents) {
      checkKey(`${key}`, path);
      setOwn(copied, `${key}`, this.#copy(inner, [...path, key], within));
    }
    return copied;
  }

  /**
   * Plans what makes a place hold `value`. A container that is there stays and is changed in place where its kind allows,
   * so that what others do to the rest of it at the same time is kept.
   *
   * @param original what the place held before the recipe, as the recipe sees it
   * @param write writes a value of another kind, or one that is no object and no array, to the place
   */
  place(original: unknown, value: unknown, path: Path, write: (value: Plain) => void): void {
    const node = this.nodeOf(original);
    if (node !== undefined && original === value) {
      node.planOwn(path);
      return;
    }
    // Byte arrays are shown as they are: a recipe may have changed them in place.
    if (Object.is(original, value) && !(value instanceof Uint8Array)) return;
    const parts = node && this.partsOf(value);
    if (node !== undefined && parts?.kind === node.kind) {
      node.planContents(parts.contents, path);
      return;
    }
    const copied = this.copy(value, path);
    this.plan(() => write(copied));
  }

  plan(write: () => void): void {
    this.#writes.push(write);
  }

  /** Carries out what was planned. */
  commit(): void {
    for (const write of this.#writes) write();
  }
}

function freezeDeep(value: Plain): Plain {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  for (const inner of Object.values(value)) freezeDeep(inner);
  Object.freeze(value);
  return value;
}
