// The draft of an array. It remembers for each element where it came from, so that what a recipe does with ordinary array
// methods (`splice`, `sort`, assigning a filtered copy) becomes deletions, insertions, moves and changes of single elements,
// and what others do to the elements at the same time is kept.

import type { ListHandle, Plain } from '../core/index.ts';
import type { Contents, DraftNode, DraftScope } from './draft-node.ts';
import { keepOrder, longestAscending, valueKey } from './keep-order.ts';
import { invalid, type Path } from './plain.ts';
import { insertAll, writeElement } from './write-value.ts';

/** One element of the draft. */
interface Item {
  /** The index in the list before the recipe of the element that this one is or took the place of; each at most once. */
  readonly origin: number | undefined;
  /** What was assigned or inserted; undefined for the element as it was read, or wasn't yet. */
  readonly value: unknown;
}

export class ListDraft implements DraftNode {
  readonly kind = 'list';
  readonly proxy: object;
  readonly #scope: DraftScope;
  readonly #handle: ListHandle;
  readonly #originalLength: number;
  /** By their index in the list, the elements that were read as objects: each is the same one when it is read again. */
  readonly #originals = new Map<number, object>();
  readonly #originOf = new Map<unknown, number>();
  #items: Item[];
  /** Whether anything was assigned, inserted, deleted or moved. */
  #changed = false;

  /** @param handle the list that it edits */
  constructor(scope: DraftScope, handle: ListHandle) {
    this.#scope = scope;
    this.#handle = handle;
    this.#originalLength = handle.length;
    const lengths = { length: this.#originalLength };
    this.#items = Array.from(lengths, (_, origin) => ({ origin, value: undefined }));
    this.proxy = new Proxy([], this.#traps());
    scope.register(this);
  }

  contents(): Contents {
    return this.#items.map((item, index) => [index, this.#shown(item)]);
  }

  /** Elements that a recipe moved are still themselves: those that kept their order stay, the others are moved. */
  planOwn(path: Path): void {
    if (!this.#changed) {
      for (const [index, original] of this.#originals) this.#planElement(index, original, index, path);
      return;
    }
    const taken = new Set<number>();
    const origins: (number | undefined)[] = [];
    const take = (choose: (item: Item) => number | undefined): void => {
      this.#items.forEach((item, index) => {
        const origin = origins[index] === undefined ? choose(item) : undefined;
        if (origin === undefined || taken.has(origin)) return;
        taken.add(origin);
        origins[index] = origin;
      });
    };
    const elementOf = ({ origin, value }: Item) => (value === undefined ? origin : this.#originOf.get(value));
    // An element is first of all where it was, else where it was put. A value that was assigned over an element changes it,
    // unless that element is still there elsewhere.
    take((item) => (elementOf(item) === item.origin ? item.origin : undefined));
    take(elementOf);
    take((item) => item.origin);
    // A plain value that was taken out and put in again, here or elsewhere, is known by being equal.
    const gone = this.#goneValues(taken);
    if (gone.size > 0) take(({ value }) => gone.get(value)?.pop());
    const known = origins.flatMap((origin, index) =>
      origin === undefined ? [] : [[origin, index] as [number, number]],
    );
    const putIn = new Set(origins.filter((_, index) => this.#items[index]?.origin === undefined));
    this.#planItems(this.#items, new Map(known.map(([origin, index]) => [index, origin])), path, putIn);
  }

  preview(current: unknown): Plain {
    if (!Array.isArray(current)) return this.#scope.copy(this.proxy, []);
    const shown = current as readonly Plain[];
    let isSame = this.#items.length === shown.length;
    const next = this.#items.map((item, index) => {
      const element = this.#previewOf(item, shown);
      isSame &&= element === shown[index];
      return element;
    });
    return isSame ? (current as Plain) : next;
  }

  #previewOf({ origin, value }: Item, shown: readonly Plain[]): Plain {
    // What was moved is still itself, and nobody has read what there is no original of.
    const from = value === undefined ? origin : this.#originOf.get(value);
    if (from === undefined) return this.#scope.copy(value, []);
    const original = this.#originals.get(from);
    return original === undefined ? (shown[from] as Plain) : this.#scope.preview(original, original, shown[from]);
  }

  /** By their values, the elements without objects that are no longer there, the first one last. */
  #goneValues(taken: ReadonlySet<number>): Map<unknown, number[]> {
    const gone = new Map<unknown, number[]>();
    if (taken.size === this.#originalLength || taken.size === this.#items.length) return gone;
    for (let origin = this.#originalLength - 1; origin >= 0; origin -= 1) {
      if (taken.has(origin)) continue;
      const value = this.#original(origin);
      if (typeof value === 'object') continue;
      const known = gone.get(value);
      if (known === undefined) gone.set(value, [origin]);
      else known.push(origin);
    }
    return gone;
  }

  /**
   * Keeps every element that is among the values, and of those that are equal to one what doesn't change places; see
   * `keepOrder`.
   */
  planContents(contents: Contents, path: Path): void {
    const values = contents.map(([, value]) => value);
    const taken = new Set<number>();
    const after = values.map((value, index) => {
      const origin = this.#originOf.get(value);
      if (origin === undefined || taken.has(origin)) return valueKey(this.#scope.copy(value, [...path, index]));
      taken.add(origin);
      return origin;
    });
    const before = this.#handle.toJSON().map((value, origin) => (taken.has(origin) ? origin : valueKey(value)));
    const origins = new Map<number, number>();
    let [old, next] = [0, 0];
    for (const [keptOld, keptNext] of [...keepOrder(before, after), [before.length, values.length] as const]) {
      // Between two kept elements, what can take the place of what was there changes it; the rest is new or gone.
      for (; next < keptNext; next += 1) {
        while (old < keptOld && taken.has(old)) old += 1;
        if (old >= keptOld || !this.#takesInPlace(old, values[next])) continue;
        origins.set(next, old);
        old += 1;
      }
      if (keptNext < values.length) origins.set(keptNext, keptOld);
      [old, next] = [keptOld + 1, keptNext + 1];
    }
    after.forEach((origin, index) => {
      if (typeof origin === 'number') origins.set(index, origin);
    });
    this.#planItems(
      values.map((value) => ({ origin: undefined, value })),
      origins,
      path,
    );
  }

  /**
   * @param origins by the index of each item that was there before, where that was. All others are inserted.
   * @param putIn origins of what the recipe took out and put in again
   */
  #planItems(
    items: readonly Item[],
    origins: ReadonlyMap<number, number>,
    path: Path,
    putIn: ReadonlySet<number | undefined> = new Set(),
  ): void {
    const [scope, handle] = [this.#scope, this.#handle];
    const kept = [...origins.values()].sort((a, b) => a - b);
    // From the back, so that the indices in front stay what they were.
    [-1, ...kept].reverse().reduce((end, origin) => {
      const count = end - origin - 1;
      if (count > 0) scope.plan(() => handle.delete(origin + 1, count));
      return origin;
    }, this.#originalLength);
    const order = [...origins].sort(([a], [b]) => a - b).map(([, origin]) => origin);
    this.#planMoves(kept, order, putIn);
    // From the front: all that is there is in its order by now.
    for (let index = 0; index < items.length; index += 1) {
      const first = index;
      const fresh: Plain[] = [];
      for (; index < items.length && !origins.has(index); index += 1) {
        fresh.push(scope.copy(this.#shown(items[index] as Item), [...path, index]));
      }
      if (fresh.length > 0) scope.plan(() => insertAll(handle, first, fresh));
    }
    items.forEach((item, index) => {
      const origin = origins.get(index);
      // What nobody has read or assigned is as it was.
      if (origin === undefined || (item.value === undefined && !this.#originals.has(origin))) return;
      this.#planElement(origin, this.#shown(item), index, path);
    });
  }

  /**
   * Plans what brings elements into another order: as many as can stay, stay, and each other one goes right behind the one
   * that is to be in front of it. Where either of two could stay (they changed places), it is not what was taken out.
   */
  #planMoves(before: readonly number[], after: readonly number[], putIn: ReadonlySet<number | undefined>): void {
    const handle = this.#handle;
    const places = after.map((origin, index): [number, number] => [origin, index]);
    const most = longestAscending(places);
    const untouched = longestAscending(places.filter(([origin]) => !putIn.has(origin)));
    const kept = untouched.length === most.length ? untouched : most;
    const staying = new Set(kept.map(([origin]) => origin));
    if (staying.size === after.length) return;
    const order = [...before];
    after.forEach((origin, index) => {
      if (staying.has(origin)) return;
      const from = order.indexOf(origin);
      order.splice(from, 1);
      const front = after[index - 1];
      const to = front === undefined ? 0 : order.indexOf(front) + 1;
      order.splice(to, 0, origin);
      this.#scope.plan(() => handle.move(from, to));
    });
  }

  /** @param index where the element is once the others have come and gone */
  #planElement(origin: number, value: unknown, index: number, path: Path): void {
    const handle = this.#handle;
    this.#scope.place(this.#original(origin), value, [...path, index], (copied) => writeElement(handle, index, copied));
  }

  #original(origin: number): unknown {
    const known = this.#originals.get(origin);
    if (known !== undefined) return known;
    const shown = this.#scope.read(this.#handle.get(origin) ?? null);
    if (typeof shown === 'object' && shown !== null) {
      this.#originals.set(origin, shown);
      this.#originOf.set(shown, origin);
    }
    return shown;
  }

  #shown({ origin, value }: Item): unknown {
    return value === undefined && origin !== undefined ? this.#original(origin) : value;
  }

  get #length(): number {
    return this.#items.length;
  }

  #get(index: number): unknown {
    const item = this.#items[index];
    return item && this.#shown(item);
  }

  #assign(index: number, value: unknown): void {
    if (index > this.#length) throw invalid([index], `an index up to ${this.#length}`, `${index}`);
    this.#scope.accept(value, [index]);
    this.#changed = true;
    this.#items[index] = { origin: this.#items[index]?.origin, value };
  }

  /** Returns what a recipe sees of the deleted elements. */
  #splice(start: number, deleted: number, values: readonly unknown[]): unknown[] {
    values.forEach((value, offset) => {
      this.#scope.accept(value, [start + offset]);
    });
    const gone = this.#items.slice(start, start + deleted).map((item) => this.#shown(item));
    this.#changed = true;
    this.#items.splice(start, deleted, ...values.map((value) => ({ origin: undefined, value })));
    return gone;
  }

  #sort(compare: unknown): void {
    const order = typeof compare === 'function' ? (compare as (a: unknown, b: unknown) => number) : undefined;
    const shown = this.#items.map((item) => ({ item, value: this.#shown(item) }));
    if (order !== undefined) shown.sort((a, b) => order(a.value, b.value));
    else {
      // As arrays do without a function; drafts of objects have no `toString` that would say so.
      const textOf = (value: unknown): string =>
        this.#scope.nodeOf(value)?.kind === 'map' ? '[object Object]' : String(value);
      const texts = new Map(shown.map((entry) => [entry, textOf(entry.value)]));
      shown.sort((a, b) => {
        const [first, second] = [texts.get(a) ?? '', texts.get(b) ?? ''];
        return first < second ? -1 : Number(first > second);
      });
    }
    this.#changed = true;
    this.#items = shown.map(({ item }) => item);
  }

  /** A value takes a plain value's place, an object an object's and an array an array's. A draft is of another place. */
  #takesInPlace(origin: number, value: unknown): boolean {
    if (this.#scope.nodeOf(value) !== undefined) return false;
    return this.#scope.nodeOf(this.#original(origin))?.kind === this.#scope.partsOf(value)?.kind;
  }

  #traps(): ProxyHandler<object> {
    const scope = this.#scope;
    return {
      get: (target, key) => {
        scope.check();
        if (key === 'length') return this.#length;
        const index = indexOf(key);
        if (index !== undefined) return this.#get(index);
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
        const value = this.#get(indexOf(key) ?? -1);
        return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true };
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
        return (compare?: unknown) => {
          this.#sort(compare);
          return this.proxy;
        };
      case 'reverse':
        return () => {
          this.#changed = true;
          this.#items.reverse();
          return this.proxy;
        };
      case 'fill':
      case 'copyWithin':
        return (...given: unknown[]) => {
          const before = this.#items.map((item) => this.#shown(item));
          const after = [...before];
          (after[key] as (...given: unknown[]) => unknown)(...given);
          after.forEach((value, index) => {
            if (!Object.is(value, before[index])) this.#assign(index, value);
          });
          return this.proxy;
        };
      default:
        return undefined;
    }
  }
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
