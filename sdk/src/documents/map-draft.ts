// The draft of an object: what was read as a draft, assigned and deleted, over the map as it was.

import type { MapHandle, Plain } from '../core/index.ts';
import { type Content, type DraftNode, type DraftScope, isNode, plainOf } from './draft-node.ts';
import { checkKey, invalid, isPlainObject, type Path, setOwn } from './plain.ts';
import { writeKey } from './write-value.ts';

export class MapDraft implements DraftNode {
  readonly kind = 'map';
  readonly proxy: object;
  readonly #scope: DraftScope;
  readonly #handle: MapHandle | undefined;
  /** What was read as a draft or assigned; undefined for what was deleted. */
  readonly #entries = new Map<string, { content: Content | undefined; assigned: boolean }>();

  /** @param handle the map that it edits; undefined for an object that is yet to be written. */
  constructor(scope: DraftScope, handle: MapHandle | undefined) {
    this.#scope = scope;
    this.#handle = handle;
    this.proxy = new Proxy({}, this.#traps());
    scope.register(this);
  }

  fill(contents: readonly (readonly [key: string, content: Content])[]): void {
    for (const [key, content] of contents) this.#put(key, content);
  }

  replaceWith(value: object, path: Path): void {
    // A draft of something else is copied; an object may hold drafts of what is here, which then stay.
    const node = this.#scope.nodeOf(value);
    const given = node === undefined ? value : (node.toPlain() as object);
    const members = Object.entries(given).filter(([, inner]) => inner !== undefined);
    const names = new Set(members.map(([key]) => key));
    for (const key of this.#keys()) if (!names.has(key)) this.#remove(key);
    for (const [key, inner] of members) this.#assign(key, inner, [...path, key]);
  }

  toPlain(): Plain {
    const plain: { [key: string]: Plain } = {};
    for (const key of this.#keys()) setOwn(plain, key, plainOf(this.#get(key) ?? null));
    return plain;
  }

  commit(): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    for (const [key, { content, assigned }] of this.#entries) {
      if (content === undefined) handle.delete(key);
      else if (assigned) writeKey(handle, key, plainOf(content));
      else if (isNode(content)) content.commit();
    }
  }

  #get(key: string): Content | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined) return entry.content;
    const found = this.#handle?.get(key);
    if (found === undefined) return undefined;
    const content = this.#scope.read(found);
    // A draft must be the same one when it is read again.
    if (isNode(content)) this.#entries.set(key, { content, assigned: false });
    return content;
  }

  #put(key: string, content: Content): void {
    checkKey(key, [key]);
    this.#entries.set(key, { content, assigned: true });
  }

  #assign(key: string, value: unknown, path: Path): void {
    if (value === undefined) {
      this.#remove(key);
      return;
    }
    const found = this.#get(key);
    const node = this.#scope.nodeOf(value);
    if (node !== undefined && node === found) return;
    const fits = isNode(found) && (found.kind === 'list' ? Array.isArray(value) : isPlainObject(value));
    if (isNode(found) && fits) found.replaceWith(value as object, path);
    else this.#put(key, this.#scope.take(value, path));
  }

  #remove(key: string): void {
    this.#entries.set(key, { content: undefined, assigned: true });
  }

  #keys(): string[] {
    const keys = (this.#handle?.keys() ?? []).filter((key) => {
      const entry = this.#entries.get(key);
      return entry === undefined || entry.content !== undefined;
    });
    const known = new Set(keys);
    for (const [key, { content }] of this.#entries) if (content !== undefined && !known.has(key)) keys.push(key);
    return keys;
  }

  /** Every string is a key, `constructor` and `__proto__` too: a draft of an object has nothing but its data. */
  #traps(): ProxyHandler<object> {
    const scope = this.#scope;
    return {
      get: (_, key) => {
        scope.check();
        const content = typeof key === 'string' ? this.#get(key) : undefined;
        return content === undefined ? undefined : scope.show(content);
      },
      set: (_, key, value) => {
        scope.check();
        if (typeof key !== 'string') throw invalid([], 'a string as key', 'a symbol');
        this.#assign(key, value, [key]);
        return true;
      },
      defineProperty: (_, key, descriptor) => {
        scope.check();
        if (typeof key !== 'string' || !('value' in descriptor)) throw invalid([], 'a plain value', 'an accessor');
        this.#assign(key, descriptor.value, [key]);
        return true;
      },
      deleteProperty: (_, key) => {
        scope.check();
        if (typeof key === 'string' && this.#get(key) !== undefined) this.#remove(key);
        return true;
      },
      has: (_, key) => {
        scope.check();
        return typeof key === 'string' && this.#get(key) !== undefined;
      },
      ownKeys: () => {
        scope.check();
        return this.#keys();
      },
      getOwnPropertyDescriptor: (_, key) => {
        scope.check();
        const content = typeof key === 'string' ? this.#get(key) : undefined;
        if (content === undefined) return undefined;
        return { value: scope.show(content), writable: true, enumerable: true, configurable: true };
      },
      setPrototypeOf: () => false,
      preventExtensions: () => false,
    };
  }
}
