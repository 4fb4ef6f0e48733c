// The draft of an object: what was read as a draft, assigned and deleted, over the map as it was.

import type { MapHandle, Plain } from '../core/index.ts';
import type { Contents, DraftNode, DraftScope } from './draft-node.ts';
import { checkKey, invalid, isPlainObject, type Path, setOwn } from './plain.ts';
import { writeKey } from './write-value.ts';

export class MapDraft implements DraftNode {
  readonly kind = 'map';
  readonly proxy: object;
  readonly #scope: DraftScope;
  readonly #handle: MapHandle;
  /** What was read as an object, so that it is the same one when it is read again. */
  readonly #originals = new Map<string, object>();
  /** What was assigned; undefined for what was deleted. */
  readonly #assigned = new Map<string, unknown>();

  /** @param handle the map that it edits */
  constructor(scope: DraftScope, handle: MapHandle) {
    this.#scope = scope;
    this.#handle = handle;
    this.proxy = new Proxy({}, this.#traps());
    scope.register(this);
  }

  contents(): Contents {
    return this.#keys().map((key) => [key, this.#get(key)]);
  }

  planOwn(path: Path): void {
    for (const [key, value] of this.#assigned) this.#planKey(key, value, path);
    for (const [key, original] of this.#originals) {
      if (!this.#assigned.has(key)) this.#planKey(key, original, path);
    }
  }

  preview(current: unknown): Plain {
    if (!isPlainObject(current)) return this.#scope.copy(this.proxy, []);
    const changes = new Map<string, Plain | undefined>();
    const note = (key: string, value: unknown): void => {
      const [original, shown] = [this.#originals.get(key), current[key]];
      const next = value === undefined ? undefined : this.#scope.preview(value, original, shown);
      if (next !== shown || (next === undefined && Object.hasOwn(current, key))) changes.set(key, next);
    };
    for (const [key, value] of this.#assigned) note(key, value);
    for (const [key, original] of this.#originals) if (!this.#assigned.has(key)) note(key, original);
    if (changes.size === 0) return current as Plain;
    const next: { [key: string]: Plain } = {};
    for (const [key, value] of Object.entries(current)) if (!changes.has(key)) setOwn(next, key, value as Plain);
    for (const [key, value] of changes) if (value !== undefined) setOwn(next, key, value);
    return next;
  }

  planContents(contents: Contents, path: Path): void {
    const keys = new Set(contents.map(([key]) => key));
    for (const key of this.#handle.keys()) if (!keys.has(key)) this.#planKey(key, undefined, path);
    for (const [key, value] of contents) this.#planKey(`${key}`, value, path);
  }

  #planKey(key: string, value: unknown, path: Path): void {
    const handle = this.#handle;
    if (value !== undefined) {
      checkKey(key, path);
      this.#scope.place(this.#original(key), value, [...path, key], (copied) => writeKey(handle, key, copied));
    } else if (handle.has(key)) this.#scope.plan(() => handle.delete(key));
  }

  #original(key: string): unknown {
    const known = this.#originals.get(key);
    if (known !== undefined) return known;
    const found = this.#handle.get(key);
    if (found === undefined) return undefined;
    const shown = this.#scope.read(found);
    if (typeof shown === 'object' && shown !== null) this.#originals.set(key, shown);
    return shown;
  }

  #get(key: string): unknown {
    return this.#assigned.has(key) ? this.#assigned.get(key) : this.#original(key);
  }

  #assign(key: string, value: unknown): void {
    if (value !== undefined) {
      checkKey(key, [key]);
      this.#scope.accept(value, [key]);
    }
    this.#assigned.set(key, value);
  }

  #keys(): string[] {
    const keys = new Set(this.#handle.keys());
    for (const [key, value] of this.#assigned) {
      if (value === undefined) keys.delete(key);
      else keys.add(key);
    }
    return [...keys];
  }

  /** Every string is a key, `constructor` and `__proto__` too: a draft of an object has nothing but its data. */
  #traps(): ProxyHandler<object> {
    const scope = this.#scope;
    return {
      get: (_, key) => {
        scope.check();
        return typeof key === 'string' ? this.#get(key) : undefined;
      },
      set: (_, key, value) => {
        scope.check();
        if (typeof key !== 'string') throw invalid([], 'a string as key', 'a symbol');
        this.#assign(key, value);
        return true;
      },
      defineProperty: (_, key, descriptor) => {
        scope.check();
        if (typeof key !== 'string' || !('value' in descriptor)) throw invalid([], 'a plain value', 'an accessor');
        this.#assign(key, descriptor.value);
        return true;
      },
      deleteProperty: (_, key) => {
        scope.check();
        if (typeof key === 'string' && this.#get(key) !== undefined) this.#assign(key, undefined);
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
        const value = typeof key === 'string' ? this.#get(key) : undefined;
        return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true };
      },
      setPrototypeOf: () => false,
      preventExtensions: () => false,
    };
  }
}
