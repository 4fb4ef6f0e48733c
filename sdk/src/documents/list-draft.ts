// The draft of an array. It remembers for each element where it came from, so that what a recipe does with ordinary array
// methods (`splice`, `sort`, assigning a filtered copy) becomes deletions, insertions and changes of single elements, and
// what others do to the other elements at the same time is kept.

import type { ListHandle, Plain } from '../core/index.ts';
import { type Content, type DraftNode, type DraftScope, isNode, plainOf } from './draft-node.ts';
import { keepOrder, valueKey } from './keep-order.ts';
import { invalid, isPlainObject, type Path } from './plain.ts';
import { insertAll, writeElement } from './write-value.ts';

/** One element of the draft. */
interface Item {
  /** Its index in the list before the recipe; undefined for a new one. Ascending along the draft. */
  readonly origin: number | undefined;
  content: Content | undefined;
  /** The content was assigned, not read. */
  assigned: boolean;
}

export class ListDraft implements DraftNode {
  readonly kind = 'list';
  readonly proxy: object;
  readonly #scope: DraftScope;
  readonly #handle: ListHandle | undefined;
  readonly #originalLength: number;
  #items: Item[];

  /** @param handle the list that it edits; undefined for an array that is yet to be written. */
  constructor(scope: DraftScope, handle: ListHandle | undefined) {
    this.#scope = scope;
    this.#handle = handle;
    this.#originalLength = handle?.length ?? 0;
    const lengths = { length: this.#originalLength };
    this.#items = Array.from(lengths, (_, origin) => ({ origin, content: undefined, assigned: false }));
    this.proxy = new Proxy([], this.#traps());
    scope.register(this);
  }

  fill(contents: readonly (readonly [key: string, content: Content])[]): void {
    this.#items = contents.map(([, content]) => ({ origin: undefined, content, assigned: true }));
  }

  /** Keeps every element that is among the values and doesn't change places with another; see `keepOrder`. */
  replaceWith(value: object, path: Path = []): void {
    const given = this.#scope.nodeOf(value) === undefined ? value : this.#scope.nodeOf(value)?.toPlain();
    const values = given as readonly unknown[];
    const before = this.#items;
    const keyOf = (content: Content): unknown => (isNode(content) ? content : valueKey(plainOf(content)));
    const kept = keepOrder(
      before.map((item) => keyOf(this.#contentOf(item))),
      // Objects and arrays that are no drafts are new: they equal nothing that is here.
      values.map((inner) => this.#scope.nodeOf(inner) ?? (isNested(inner) ? {} : valueKey(inner as Plain))),
    );
    const items: Item[] = [];
    const changed: number[] = [];
    let [old, next] = [0, 0];
    for (const [keptOld, keptNext] of [...kept, [before.length, values.length] as const]) {
      // Between two kept elements, what can take the place of what was there changes it; the rest is new or gone.
      for (; next < keptNext; next += 1) {
        const item = old < keptOld ? before[old] : undefined;
        if (item !== undefined && this.#takesInPlace(item, values[next])) {
          old += 1;
          changed.push(next);
          items.push(item);
        } else items.push(this.#newItem(values[next], [...path, next]));
      }
      const item = before[keptOld];
      if (item !== undefined) items.push(item);
      [old, next] = [keptOld + 1, keptNext + 1];
    }
    this.#items = items;
    for (const index of changed) this.#assign(index, values[index], [...path, index]);
  }

  toPlain(): Plain {
    return this.#items.map((item) => plainOf(this.#contentOf(item)));
  }

  /** Carries out what was done to it, from the back, so that the indices in front stay what they were. */
  commit(): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    let end = this.#originalLength;
    let fresh: Item[] = [];
    const step = (origin: number): void => {
      if (end > origin + 1) handle.delete(origin + 1, end - origin - 1);
      insertAll(
        handle,
        origin + 1,
        fresh.reverse().map((item) => plainOf(this.#contentOf(item))),
      );
      fresh = [];
      end = origin;
    };
    for (const item of [...this.#items].reverse()) {
      if (item.origin === undefined) fresh.push(item);
      else step(item.origin);
    }
    step(-1);
    this.#items.forEach((item, index) => {
      if (item.origin === undefined || item.content === undefined) return;
      if (item.assigned) writeElement(handle, index, plainOf(item.content));
      else if (isNode(item.content)) item.content.commit();
    });
  }

  #contentOf(item: Item): Content {
    if (item.content !== undefined || item.origin === undefined) return item.content ?? null;
    const content = this.#scope.read(this.#handle?.get(item.origin) ?? null);
    item.content = content;
    return content;
  }

  get #length(): number {
    return this.#items.length;
  }

  #get(index: number): Content | undefined {
    const item = this.#items[index];
    return item && this.#contentOf(item);
  }

  #assign(index: number, value: unknown, path: Path = [index]): void {
    const item = this.#items[index];
    if (item === undefined) {
      if (index !== this.#items.length) throw invalid(path, `an index up to ${this.#items.length}`, `${index}`);
      this.#splice(index, 0, [value]);
      return;
    }
    const found = this.#contentOf(item);
    const node = this.#scope.nodeOf(value);
    if (node !== undefined && node === found) return;
    const fits = isNode(found) && (found.kind === 'list' ? Array.isArray(value) : isPlainObject(value));
    if (isNode(found) && fits) found.replaceWith(value as object, path);
    else {
      item.content = this.#scope.take(value, path);
      item.assigned = true;
    }
  }

  /** Returns what a recipe sees of the deleted elements. */
  #splice(start: number, deleted: number, values: readonly unknown[]): unknown[] {
    const items = values.map((value, offset) => this.#newItem(value, [start + offset]));
    const gone = this.#items.slice(start, start + deleted).map((item) => this.#scope.show(this.#contentOf(item)));
    this.#items.splice(start, deleted, ...items);
    return gone;
  }

  #newItem(value: unknown, path: Path): Item {
    return { origin: undefined, content: this.#scope.take(value, path), assigned: true };
  }

  /** An object takes an object's place, and an array an array's; anything takes that of a plain value. */
  #takesInPlace(item: Item, value: unknown): boolean {
    if (this.#scope.nodeOf(value) !== undefined) return false;
    const content = this.#contentOf(item);
    if (!isNode(content)) return !isNested(value);
    return content.kind === 'list' ? Array.isArray(value) : isPlainObject(value);
  }

  #traps(): ProxyHandler<object> {
    const scope = this.#scope;
    return {
      get: (target, key) => {
        scope.check();
        if (key === 'length') return this.#length;
        const index = indexOf(key);
        if (index !== undefined) {
          const content = this.#get(index);
          return content === undefined ? undefined : scope.show(content);
        }
        return this.#method(key) ?? Reflect.get(target, key);
      },
      set: (_, key, value) => {
        scope.check();
        const index = indexOf(key);
        if (index !== undefined) this.#assign(index, value);
        else if (key === 'length' && Number.isInteger(value) && value <= this.#length) {
          this.#splice(value, this.#length - value, []);
        } else throw invalid([String(key)], 'an index, or a shorter length', String(value));
        return true;
      },
      deleteProperty: (_, key) => {
        throw invalid([String(key)], 'arrays without holes', '`delete`; use `splice`');
      },
      defineProperty: (_, key) => {
        throw invalid([String(key)], 'an assignment', '`defineProperty`');
      },
      has: (target, key) => {
        scope.check();
        const index = indexOf(key);
        return index === undefined ? Reflect.has(target, key) : index < this.#length;
      },
      ownKeys: () => {
        scope.check();
        return [...this.#items.keys()].map(String).concat('length');
      },
      getOwnPropertyDescriptor: (_, key) => {
        scope.check();
        if (key === 'length') return { value: this.#length, writable: true, enumerable: false, configurable: false };
        const content = this.#get(indexOf(key) ?? -1);
        if (content === undefined) return undefined;
        return { value: scope.show(content), writable: true, enumerable: true, configurable: true };
      },
      setPrototypeOf: () => false,
      preventExtensions: () => false,
    };
  }

  /** The methods that change an array; all others are the array's own and read through the proxy. */
  #method(key: string | symbol): ((...given: never[]) => unknown) | undefined {
    switch (key) {
      case 'push':
        return (...values: unknown[]) => {
          this.#splice(this.#length, 0, values);
          return this.#length;
        };
      case 'unshift':
        return (...values: unknown[]) => {
          this.#splice(0, 0, values);
          return this.#length;
        };
      case 'pop':
        return () => (this.#length === 0 ? undefined : this.#splice(this.#length - 1, 1, [])[0]);
      case 'shift':
        return () => this.#splice(0, Math.min(1, this.#length), [])[0];
      case 'splice':
        return (start = 0, ...rest: unknown[]) => {
          const from = relative(Number(start), this.#length);
          const most = this.#length - from;
          const count = rest.length === 0 ? most : Math.min(Math.max(Number(rest[0]) || 0, 0), most);
          return this.#splice(from, Math.trunc(count), rest.slice(1));
        };
      case 'sort':
      case 'reverse':
      case 'fill':
      case 'copyWithin':
        return (...given: unknown[]) => {
          const copy = this.#items.map((item) => this.#scope.show(this.#contentOf(item)));
          (copy[key] as (...given: unknown[]) => unknown)(...given);
          this.replaceWith(copy);
          return this.proxy;
        };
      default:
        return undefined;
    }
  }
}

function isNested(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

/** The index that a property name stands for. */
function indexOf(key: string | symbol): number | undefined {
  if (typeof key !== 'string' || !/^(0|[1-9]\d{0,9})$/.test(key)) return undefined;
  return Number(key);
}

/** An index as array methods take it: from the end where it is negative, and within the length. */
function relative(index: number, length: number): number {
  const whole = Math.trunc(index) || 0;
  return whole < 0 ? Math.max(0, length + whole) : Math.min(whole, length);
}
