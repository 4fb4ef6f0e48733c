// What the drafts of objects and arrays have in common: their place in one run of a recipe, and how values go in and out.

import { JoineryError } from '@joinery/protocol';
import { type Handle, type ListHandle, ListHandle as ListHandleClass, MapHandle, type Plain } from '../core/index.ts';
import { copyPlain, invalid, isPlainObject, isScalar, maxDepth, type Path } from './plain.ts';
import { isHandle } from './write-value.ts';

/** A place's content in a draft: a value that can't be changed in place, or a draft. */
export type Content = null | boolean | number | string | Uint8Array | FrozenPlain | DraftNode;

/** What a set holds, and objects and arrays that were stored as one value. */
export interface FrozenPlain {
  readonly frozen: Plain;
}

/** The draft of one container, or of an object or array that is yet to be written. */
export interface DraftNode {
  readonly kind: 'map' | 'list';
  /** What a recipe sees. */
  readonly proxy: object;
  /** Its content as plain data, of its own. */
  toPlain(): Plain;
  /** Carries out what was done to it. */
  commit(): void;
  /** Makes it hold just this (an object or an array, as its kind is), changing in place what is there already. */
  replaceWith(value: object, path: Path): void;
  /** Takes the content of a new object or array. */
  fill(contents: readonly (readonly [key: string, content: Content])[]): void;
}

/** Makes the drafts; here, so that this file needs to know neither. */
export interface DraftKinds {
  map(scope: DraftScope, handle: MapHandle | undefined): DraftNode;
  list(scope: DraftScope, handle: ListHandle | undefined): DraftNode;
}

/** One run of a recipe. */
export class DraftScope {
  readonly #kinds: DraftKinds;
  readonly #nodes = new WeakMap<object, DraftNode>();
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

  /** What is at a place of a container. */
  read(found: Plain | Handle): Content {
    if (!isHandle(found)) return isNested(found) ? { frozen: freezeDeep(found) } : found;
    if (found instanceof MapHandle) return this.#kinds.map(this, found);
    if (found instanceof ListHandleClass) return this.#kinds.list(this, found);
    // Texts, counters and sets are shown as plain data; assigning changes them in place.
    const plain = found.toJSON();
    return isNested(plain) ? { frozen: freezeDeep(plain) } : plain;
  }

  /** What an app assigned, as content of its own. A draft that is assigned elsewhere is copied. */
  take(value: unknown, path: Path): Content {
    const node = this.nodeOf(value);
    if (node !== undefined) return this.take(node.toPlain(), path);
    if (isScalar(value, path)) return value instanceof Uint8Array ? value.slice() : value;
    if (path.length > maxDepth) throw invalid(path, `at most ${maxDepth} levels`, 'more (or a circle)');
    if (Array.isArray(value)) {
      const draft = this.#kinds.list(this, undefined);
      draft.fill(Array.from(value, (inner: unknown, index) => [`${index}`, this.take(inner, [...path, index])]));
      return draft;
    }
    // What is neither is told by the function whose task that is.
    if (!isPlainObject(value)) return { frozen: copyPlain(value, path) };
    const draft = this.#kinds.map(this, undefined);
    const members = Object.entries(value).filter(([, inner]) => inner !== undefined);
    draft.fill(members.map(([key, inner]) => [key, this.take(inner, [...path, key])]));
    return draft;
  }

  /** What a recipe sees of content. */
  show(content: Content): unknown {
    if (isNode(content)) return content.proxy;
    return isFrozen(content) ? content.frozen : content;
  }
}

export function isNode(content: Content | undefined): content is DraftNode {
  return typeof content === 'object' && content !== null && 'commit' in content;
}

/** Plain data of content, of its own. */
export function plainOf(content: Content): Plain {
  if (isNode(content)) return content.toPlain();
  return isFrozen(content) ? content.frozen : content;
}

function isFrozen(content: Content): content is FrozenPlain {
  return typeof content === 'object' && content !== null && 'frozen' in content;
}

function isNested(value: Plain): value is Plain[] | { [key: string]: Plain } {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

function freezeDeep<Value extends Plain>(value: Value): Value {
  if (!isNested(value)) return value;
  for (const inner of Object.values(value)) freezeDeep(inner);
  return Object.freeze(value);
}
