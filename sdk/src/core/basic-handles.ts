/**
 * The handles of maps, lists, counters and sets: how an app reads and writes them, in each build of the core. A handle that was named
 * (`replica.map('settings')`) finds its container anew when the structure changed, and creates it at the first write; one that was
 * found in a list or by `get` stays with its container and throws `container-gone` once that was deleted or replaced.
 */

import { JoineryError } from '@joinery/protocol';
import { absent, type Bridge, checkIndex, checkKey, plain } from './bridge.ts';
import { ContainerHandle } from './container-handle.ts';
import type { BasicCore, Kind } from './module.ts';
import { type Plain, packValue } from './value.ts';

type AnyHandle = ContainerHandle<BasicCore>;

/** By kind, what handles a build gives. */
export interface BasicHandles {
  map: AnyHandle;
  list: AnyHandle;
  counter: AnyHandle;
  set: AnyHandle;
}

/** Any of them. */
type HandleOf<T extends BasicHandles> = Extract<T[keyof T], AnyHandle>;

function entry<H extends AnyHandle>(bridge: Bridge<BasicCore>, answer: number): Plain | H | undefined {
  if (bridge.check(answer) === plain) return bridge.outputValue();
  return answer === absent ? undefined : bridge.handleOf<H>(answer);
}

/** Keyed values and containers; the last writer of a key wins. */
export class BasicMapHandle<T extends BasicHandles> extends ContainerHandle<BasicCore> {
  readonly kind = 'map';

  /**
   * Writes a value; whatever container was at the key ends, for good.
   *
   * @throws JoineryError `invalid-value`, `limit-exceeded` (a key has at most 1,024 bytes of UTF-8), `container-gone`
   * @example replica.map('settings').set('theme', 'dark');
   */
  set(key: string, value: Plain): void {
    const map = this.ensureFor(() => {
      checkKey(key);
      packValue(value);
    });
    const { bridge } = this;
    const { writer } = bridge;
    const keyLength = bridge.inputKey(key, value);
    bridge.structure += bridge.check(writer.map_set(map, keyLength, bridge.now()));
  }

  /** The value at a key, a handle where a container is there, or undefined. */
  get(key: string): Plain | HandleOf<T> | undefined {
    const map = this.resolve();
    if (map === absent) return undefined;
    this.bridge.inputKey(key);
    return entry<HandleOf<T>>(this.bridge, this.bridge.core.map_get(map));
  }

  has(key: string): boolean {
    const map = this.resolve();
    if (map === absent) return false;
    this.bridge.inputKey(key);
    return this.bridge.check(this.bridge.core.map_get(map)) !== absent;
  }

  /** Deletes a key; false if there was nothing. */
  delete(key: string): boolean {
    const map = this.resolve();
    if (map === absent) return false;
    const { bridge } = this;
    const { writer } = bridge;
    bridge.inputKey(key);
    const deleted = bridge.check(writer.map_delete(map, bridge.now())) === 1;
    bridge.structure += 1;
    return deleted;
  }

  /** The keys, in ascending order of their UTF-8 bytes. */
  keys(): string[] {
    const map = this.resolve();
    if (map === absent) return [];
    this.bridge.check(this.bridge.core.map_keys(map));
    return this.bridge.outputValue() as string[];
  }

  get size(): number {
    return this.keys().length;
  }

  /** The map at a key; created by the first write into it. */
  map(key: string): T['map'] {
    return this.bridge.open<T['map']>('map', { parent: this, key });
  }
  /** The list at a key; created by the first write into it. */
  list(key: string): T['list'] {
    return this.bridge.open<T['list']>('list', { parent: this, key });
  }
  /** The counter at a key; created by the first write into it. */
  counter(key: string): T['counter'] {
    return this.bridge.open<T['counter']>('counter', { parent: this, key });
  }
  /** The set at a key; created by the first write into it. (`set` writes a value.) */
  setOf(key: string): T['set'] {
    return this.bridge.open<T['set']>('set', { parent: this, key });
  }

  /** A fresh container at a key; what was there ends, for good. */
  create<K extends keyof T & Kind>(key: string, kind: K): T[K] {
    const { bridge } = this;
    const number = bridge.kindNumber(kind);
    const map = this.ensureFor(() => checkKey(key));
    const { writer } = bridge;
    bridge.inputKey(key);
    const created = bridge.check(writer.create_child(map, number, bridge.now()));
    bridge.structure += 1;
    return bridge.handleOf<AnyHandle>(created) as T[K];
  }

  toJSON(): Record<string, Plain> {
    return this.content({}) as Record<string, Plain>;
  }
}

/** Ordered elements; each is a value or a container. */
export class BasicListHandle<T extends BasicHandles> extends ContainerHandle<BasicCore> {
  readonly kind = 'list';

  get length(): number {
    const list = this.resolve();
    return list === absent ? 0 : this.bridge.check(this.bridge.core.list_length(list));
  }

  /**
   * Inserts one value before `index` (at most `length`).
   *
   * @throws JoineryError `index-out-of-range`, `invalid-value`
   */
  insert(index: number, value: Plain): void {
    this.#checkRange(index, 0);
    const list = this.ensureFor(() => packValue(value));
    const { writer } = this.bridge;
    this.bridge.inputValue(value);
    this.bridge.check(writer.list_insert(list, index));
  }

  push(value: Plain): void {
    this.insert(this.length, value);
  }

  /** Replaces the element's value; whatever container was in it ends, for good. */
  set(index: number, value: Plain): void {
    this.#checkRange(index, 1);
    const { bridge } = this;
    const { writer } = bridge;
    bridge.inputValue(value);
    bridge.check(writer.list_set(this.resolve(), index, bridge.now()));
    bridge.structure += 1;
  }

  /** The element's value, a handle where it holds a container, or undefined beyond the end. */
  get(index: number): Plain | HandleOf<T> | undefined {
    const list = this.resolve();
    if (list === absent || !Number.isInteger(index) || index < 0 || index >= this.length) return undefined;
    return entry<HandleOf<T>>(this.bridge, this.bridge.core.list_get(list, index));
  }

  /**
   * Moves an element, with all that is in it: it is at `to` in the list without it, where `splice` would put it back in. Of
   * moves at the same time the last one wins, and what others write into the element is kept; one that another deletes stays
   * deleted. To where it is already, nothing is written.
   *
   * @throws JoineryError `index-out-of-range`
   * @example list.move(0, list.length - 1); // the first becomes the last
   */
  move(from: number, to: number): void {
    this.#checkRange(from, 1);
    this.#checkRange(to, 1);
    const { bridge } = this;
    bridge.check(bridge.writer.list_move(this.resolve(), from, to, bridge.now()));
  }

  /** Deletes `count` elements from `index` on, for good. */
  delete(index: number, count = 1): void {
    this.#checkRange(index, count);
    if (count === 0) return;
    this.bridge.check(this.bridge.writer.list_delete(this.resolve(), index, count));
    this.bridge.structure += 1;
  }

  /** Inserts a fresh container before `index`. */
  insertContainer<K extends keyof T & Kind>(index: number, kind: K): T[K] {
    this.#checkRange(index, 0);
    const { bridge } = this;
    const number = bridge.kindNumber(kind);
    const list = this.ensure();
    const created = bridge.check(bridge.writer.list_insert_child(list, index, number));
    bridge.structure += 1;
    return bridge.handleOf<AnyHandle>(created) as T[K];
  }

  /** Puts a fresh container into an element; what was there ends, for good. */
  setContainer<K extends keyof T & Kind>(index: number, kind: K): T[K] {
    this.#checkRange(index, 1);
    const { bridge } = this;
    const number = bridge.kindNumber(kind);
    const created = bridge.check(bridge.writer.list_set_child(this.resolve(), index, number, bridge.now()));
    bridge.structure += 1;
    return bridge.handleOf<AnyHandle>(created) as T[K];
  }

  toJSON(): Plain[] {
    return this.content([]) as Plain[];
  }

  /** Checked here too, so that a bad index doesn't create the list. */
  #checkRange(index: number, count: number): void {
    const { length } = this;
    checkIndex(index, length);
    checkIndex(count, length);
    if (index + count > length) throw outOfRange(index, count, length);
  }
}

export function outOfRange(index: number, count: number, length: number): JoineryError {
  return new JoineryError('index-out-of-range', {
    expected: `an index and a count within ${length}`,
    got: count === 0 ? `${index}` : `${index} and ${count}`,
    remedy: 'Read the length again before you write.',
  });
}

/** A number that many can add to at once. */
export class CounterHandle extends ContainerHandle<BasicCore> {
  readonly kind = 'counter';

  get value(): number {
    const counter = this.resolve();
    if (counter === absent) return 0;
    const value = this.bridge.core.counter_value(counter);
    if (Number.isNaN(value)) throw this.bridge.refusal();
    return value;
  }

  /**
   * Adds a whole number (a negative one takes away).
   *
   * @throws JoineryError `invalid-value` for what is no safe integer; `limit-exceeded` beyond 2^53 − 1 in all
   */
  increment(amount = 1): void {
    if (!Number.isSafeInteger(amount)) {
      throw new JoineryError('invalid-value', {
        expected: 'a whole number below 2^53',
        got: String(amount),
        remedy: 'Count in a unit that makes it whole.',
      });
    }
    if (amount === 0) return;
    const counter = this.ensure();
    this.bridge.check(this.bridge.writer.counter_add(counter, amount));
  }

  /** Takes a whole number away. */
  decrement(amount = 1): void {
    this.increment(-amount);
  }

  toJSON(): number {
    return this.value;
  }
}

/** Distinct values; an add wins over a concurrent delete. */
export class SetHandle extends ContainerHandle<BasicCore> {
  readonly kind = 'set';

  add(value: Plain): void {
    const set = this.ensureFor(() => packValue(value));
    const { writer } = this.bridge;
    this.bridge.inputValue(value);
    this.bridge.check(writer.set_add(set));
  }

  /** Removes a value; false if it wasn't in. */
  delete(value: Plain): boolean {
    const set = this.resolve();
    if (set === absent) return false;
    const { writer } = this.bridge;
    this.bridge.inputValue(value);
    return this.bridge.check(writer.set_delete(set)) === 1;
  }

  has(value: Plain): boolean {
    const set = this.resolve();
    if (set === absent) return false;
    this.bridge.inputValue(value);
    return this.bridge.check(this.bridge.core.set_has(set)) === 1;
  }

  get size(): number {
    return this.values().length;
  }

  /** The values, sorted: null, booleans, numbers, strings by code points, then the rest; the same at every replica. */
  values(): Plain[] {
    return this.content([]) as Plain[];
  }

  toJSON(): Plain[] {
    return this.values();
  }
}
