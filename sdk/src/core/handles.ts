/**
 * Handles: how an app reads and writes containers. A handle that was named (`replica.text('body')`) finds its container anew
 * when the structure changed, and creates it at the first write; one that was found in a list or by `get` stays with its
 * container and throws `container-gone` once that was deleted or replaced.
 */

import { JoineryError } from '@joinery/protocol';
import { absent, Bridge, checkIndex, checkKey, type Kind, plain } from './bridge.ts';
import { ContainerHandle } from './container-handle.ts';
import {
  type DeltaStep,
  defaultExpand,
  type Expand,
  type ExpandTable,
  expandOf,
  packDelta,
  type TextRun,
} from './marks.ts';
import { GraphNodes, TreeNodes } from './nodes.ts';
import { type Plain, packValue } from './value.ts';

/** Any handle. */
export type Handle = MapHandle | ListHandle | TextHandle | CounterHandle | SetHandle | TreeHandle | GraphHandle;

/** On which side of a position that is which it stays at. */
export type Stick = 'left' | 'right';

/** The positions at the ends, which name no unit (see crates/types/src/position.rs). */
const endPositions: Readonly<Record<Stick, number>> = { left: 0, right: 1 };

/** What has an order: places in it can be found again. */
abstract class OrderedHandle extends ContainerHandle {
  abstract get length(): number;

  /**
   * The place at `index` (at most `length`) as at most 14 bytes (27 beside an element that was moved), to be found again after edits by anybody: a cursor, a comment's
   * anchor. It holds for every replica that has what is around it, within the document's epoch.
   *
   * @param stick what it stays at: what is on its `left` (what is inserted there comes behind it) or on its `right`
   * @throws JoineryError `index-out-of-range`
   * @example
   * const cursor = text.position(5);
   * text.insert(0, 'Oh: ');
   * text.indexAt(cursor); // 9
   */
  position(index: number, stick: Stick = 'left'): Uint8Array {
    checkIndex(index, this.length);
    const container = this.resolve();
    if (container === absent) {
      if (index > 0) throw outOfRange(index, 0, 0);
      return Uint8Array.of(endPositions[stick]);
    }
    this.bridge.check(this.bridge.core.position_at(container, index, stick === 'right'));
    return this.bridge.output();
  }

  /**
   * The index at which a position is now; where what it stays at was deleted, that at which it stood. Undefined where that isn't
   * here: not yet, or not in this epoch.
   *
   * @throws JoineryError `invalid-position`
   */
  indexAt(position: Uint8Array): number | undefined {
    const container = this.resolve();
    if (container === absent) return Object.values(endPositions).includes(position[0] ?? absent) ? 0 : undefined;
    this.bridge.input(position);
    const index = this.bridge.check(this.bridge.core.index_at(container));
    return index === absent ? undefined : index;
  }
}

/** The handle of a container by its number. */
export function handleOf(bridge: Bridge, container: number): Handle {
  switch (bridge.kindOf(container)) {
    case 'map':
      return new MapHandle(bridge, container);
    case 'list':
      return new ListHandle(bridge, container);
    case 'text':
      return new TextHandle(bridge, container);
    case 'counter':
      return new CounterHandle(bridge, container);
    case 'set':
      return new SetHandle(bridge, container);
    case 'tree':
      return new TreeHandle(bridge, container);
    case 'graph':
      return new GraphHandle(bridge, container);
  }
}

function entry(bridge: Bridge, answer: number): Plain | Handle | undefined {
  if (bridge.check(answer) === plain) return bridge.outputValue();
  return answer === absent ? undefined : handleOf(bridge, answer);
}

/** Keyed values and containers; the last writer of a key wins. */
export class MapHandle extends ContainerHandle {
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
  get(key: string): Plain | Handle | undefined {
    const map = this.resolve();
    if (map === absent) return undefined;
    this.bridge.inputKey(key);
    return entry(this.bridge, this.bridge.core.map_get(map));
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
  map(key: string): MapHandle {
    return new MapHandle(this.bridge, { parent: this, key });
  }
  /** The list at a key; created by the first write into it. */
  list(key: string): ListHandle {
    return new ListHandle(this.bridge, { parent: this, key });
  }
  /** The text at a key; created by the first write into it. */
  text(key: string): TextHandle {
    return new TextHandle(this.bridge, { parent: this, key });
  }
  /** The counter at a key; created by the first write into it. */
  counter(key: string): CounterHandle {
    return new CounterHandle(this.bridge, { parent: this, key });
  }
  /** The set at a key; created by the first write into it. (`set` writes a value.) */
  setOf(key: string): SetHandle {
    return new SetHandle(this.bridge, { parent: this, key });
  }
  /** The tree at a key; created by the first write into it. */
  tree(key: string): TreeHandle {
    return new TreeHandle(this.bridge, { parent: this, key });
  }
  /** The graph at a key; created by the first write into it. */
  graph(key: string): GraphHandle {
    return new GraphHandle(this.bridge, { parent: this, key });
  }

  /** A fresh container at a key; what was there ends, for good. */
  create<K extends Kind>(key: string, kind: K): HandleOfKind<K> {
    const { bridge } = this;
    const number = bridge.kindNumber(kind);
    const map = this.ensureFor(() => checkKey(key));
    const { writer } = bridge;
    bridge.inputKey(key);
    const created = bridge.check(writer.create_child(map, number, bridge.now()));
    bridge.structure += 1;
    return handleOf(bridge, created) as HandleOfKind<K>;
  }

  toJSON(): Record<string, Plain> {
    return this.content({}) as Record<string, Plain>;
  }
}

/** The handle class of a kind. */
export type HandleOfKind<K extends Kind> = Extract<Handle, { readonly kind: K }>;

/** Ordered elements; each is a value or a container. */
export class ListHandle extends OrderedHandle {
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
  get(index: number): Plain | Handle | undefined {
    const list = this.resolve();
    if (list === absent || !Number.isInteger(index) || index < 0 || index >= this.length) return undefined;
    return entry(this.bridge, this.bridge.core.list_get(list, index));
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
  insertContainer<K extends Kind>(index: number, kind: K): HandleOfKind<K> {
    this.#checkRange(index, 0);
    const { bridge } = this;
    const number = bridge.kindNumber(kind);
    const list = this.ensure();
    const created = bridge.check(bridge.writer.list_insert_child(list, index, number));
    bridge.structure += 1;
    return handleOf(bridge, created) as HandleOfKind<K>;
  }

  /** Puts a fresh container into an element; what was there ends, for good. */
  setContainer<K extends Kind>(index: number, kind: K): HandleOfKind<K> {
    this.#checkRange(index, 1);
    const { bridge } = this;
    const number = bridge.kindNumber(kind);
    const created = bridge.check(bridge.writer.list_set_child(this.resolve(), index, number, bridge.now()));
    bridge.structure += 1;
    return handleOf(bridge, created) as HandleOfKind<K>;
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

function outOfRange(index: number, count: number, length: number): JoineryError {
  return new JoineryError('index-out-of-range', {
    expected: `an index and a count within ${length}`,
    got: count === 0 ? `${index}` : `${index} and ${count}`,
    remedy: 'Read the length again before you write.',
  });
}

/** Text that many can edit at once. Indices and lengths are in UTF-16 units, as JavaScript's strings count. */
export class TextHandle extends OrderedHandle {
  readonly kind = 'text';
  #text = '';
  #textOf: readonly [container: number, revision: number] = [absent, 0];

  get length(): number {
    const text = this.resolve();
    return text === absent ? 0 : this.bridge.check(this.bridge.core.text_length(text));
  }

  /**
   * Inserts before `index` (at most `length`). An index inside a surrogate pair means the pair's start; a lone surrogate is
   * stored as U+FFFD.
   *
   * @throws JoineryError `index-out-of-range`
   * @example replica.text('body').insert(0, 'Hello');
   */
  insert(index: number, text: string): void {
    checkIndex(index, this.#knownLength());
    let container = this.resolve();
    if (container === absent) {
      if (index > 0) throw outOfRange(index, 0, 0);
      if (text.length === 0) return;
      container = this.ensure();
    }
    const { bridge } = this;
    const { writer } = bridge;
    if (text.length === 1) {
      bridge.check(writer.text_insert_unit(container, index, text.charCodeAt(0)));
    } else {
      bridge.inputUnits(text);
      bridge.check(writer.text_insert(container, index));
    }
  }

  /**
   * Deletes `count` units from `index` on. Half a surrogate pair takes the whole pair.
   *
   * @throws JoineryError `index-out-of-range`
   */
  delete(index: number, count: number): void {
    const length = this.#knownLength();
    checkIndex(index, length);
    checkIndex(count, length);
    const container = this.resolve();
    if (container === absent) {
      if (index + count > 0) throw outOfRange(index, count, 0);
      return;
    }
    this.bridge.check(this.bridge.writer.text_delete(container, index, count));
  }

  /**
   * Says `key` = `value` of the units from `start` to `end` (not with it): bold, a link, a comment. Half a surrogate pair takes
   * the whole pair. Where it is so already, nothing is written.
   *
   * @param expand whether what is typed at its end is marked too; by the key where it is left out ({@link defaultExpand})
   * @throws JoineryError `index-out-of-range`, `invalid-value`, `limit-exceeded` (a key has at most 1,024 bytes of UTF-8; a
   *   text shows marks with at most 1,000 keys)
   * @example replica.text('body').mark(0, 5, 'bold', true);
   */
  mark(start: number, end: number, key: string, value: Plain, expand: Expand = expandOf(defaultExpand, key)): void {
    const { length } = this;
    checkIndex(start, length);
    checkIndex(end, length);
    if (start > end || end > length) throw outOfRange(start, end - start, length);
    const text = this.resolve();
    if (text === absent) return;
    const { bridge } = this;
    const { writer } = bridge;
    const keyLength = bridge.inputKey(key, value);
    bridge.check(writer.text_mark(text, start, end, keyLength, expand === 'after', bridge.now()));
  }

  /** Takes a key off the units from `start` to `end`. What its marks grew over stays as it is. */
  unmark(start: number, end: number, key: string, expand?: Expand): void {
    this.mark(start, end, key, null, expand);
  }

  /**
   * The text with its marks, as a delta of inserts. Neighbours with equal attributes are one.
   *
   * @example replica.text('body').toDelta(); // [{ insert: 'Hello', attributes: { bold: true } }, { insert: ' world' }]
   */
  toDelta(): TextRun[] {
    const text = this.resolve();
    if (text === absent) return [];
    this.bridge.check(this.bridge.core.text_delta(text));
    return this.bridge.outputValue() as unknown as TextRun[];
  }

  /**
   * Changes text and marks at once: each step inserts, keeps or deletes so many units, from the start on. What follows the last
   * one is kept. When it is refused, nothing was written.
   *
   * @param expand which marks grow ({@link defaultExpand} where it is left out)
   * @throws JoineryError `index-out-of-range`, `invalid-value`, `limit-exceeded`
   * @example text.applyDelta([{ retain: 6 }, { insert: 'bold ', attributes: { bold: true } }, { delete: 3 }]);
   */
  applyDelta(delta: readonly DeltaStep[], expand: ExpandTable = defaultExpand): void {
    if (delta.length === 0) return;
    const before = this.resolve();
    const { bridge } = this;
    const present = before === absent ? [] : this.#markKeys(before);
    const { keys, steps } = packDelta(delta, present, expand);
    const text = this.ensureFor(() => tryOnEmptyText(keys, steps));
    const { writer } = bridge;
    bridge.input(keys, steps);
    bridge.check(writer.text_apply_delta(text, keys.length, bridge.now()));
  }

  #markKeys(text: number): string[] {
    this.bridge.check(this.bridge.core.text_mark_keys(text));
    return this.bridge.outputValue() as string[];
  }

  /** For messages only; the core checks against the real one. */
  #knownLength(): number {
    return this.#text.length;
  }

  /** The text; read from the core only when it has changed. */
  override toString(): string {
    const container = this.resolve();
    if (container === absent) return '';
    const revision = this.bridge.core.container_revision(container);
    if (this.#textOf[0] !== container || this.#textOf[1] !== revision) {
      const isAscii = this.bridge.check(this.bridge.core.text_read(container)) === 1;
      this.#text = this.bridge.outputText(isAscii);
      this.#textOf = [container, revision];
    }
    return this.#text;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Throws what a packed delta is refused with on an empty text: what is refused must not create the text. */
function tryOnEmptyText(keys: Uint8Array, steps: Uint8Array): void {
  const scratch = new Bridge({ agent: 1n, now: () => 0 });
  try {
    scratch.inputKey('text');
    const text = scratch.check(scratch.writer.ensure_child(0, scratch.kindNumber('text'), 0));
    scratch.input(keys, steps);
    scratch.check(scratch.writer.text_apply_delta(text, keys.length, 0));
  } finally {
    scratch.free();
  }
}

/** A number that many can add to at once. */
export class CounterHandle extends ContainerHandle {
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
export class SetHandle extends ContainerHandle {
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

/** Nodes below each other, which are moved and stay what they are. */
export class TreeHandle extends TreeNodes {
  /**
   * The map of a node that wasn't deleted, shown or not.
   *
   * @throws JoineryError `no-such-node`
   */
  data(node: string): MapHandle {
    return new MapHandle(this.bridge, this.mapOf(node));
  }
}

/** Nodes and directed edges between them. */
export class GraphHandle extends GraphNodes {
  /**
   * The map of a node or an edge that wasn't deleted.
   *
   * @throws JoineryError `no-such-node`
   */
  data(id: string): MapHandle {
    return new MapHandle(this.bridge, this.mapOf(id));
  }
}
