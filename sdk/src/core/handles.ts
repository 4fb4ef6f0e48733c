/**
 * Every handle of the full core: those of basic-handles.ts with what only this build has, and texts, trees and graphs.
 */

import { BasicListHandle, BasicMapHandle, CounterHandle, outOfRange, SetHandle } from './basic-handles.ts';
import { absent, type Bridge, checkIndex } from './bridge.ts';
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
import type { BasicCore, HandleClasses, Kind } from './module.ts';
import { GraphNodes, TreeNodes } from './nodes.ts';
import type { Core } from './pkg/joinery_core.js';
import type { Plain } from './value.ts';

export { CounterHandle, SetHandle };

/** Any handle. */
export type Handle = MapHandle | ListHandle | TextHandle | CounterHandle | SetHandle | TreeHandle | GraphHandle;

/** By kind. */
export interface Handles {
  map: MapHandle;
  list: ListHandle;
  text: TextHandle;
  counter: CounterHandle;
  set: SetHandle;
  tree: TreeHandle;
  graph: GraphHandle;
}

/** The handle class of a kind. */
export type HandleOfKind<K extends Kind> = Handles[K];

/** On which side of a position that is which it stays at. */
export type Stick = 'left' | 'right';

/** The positions at the ends, which name no unit (see crates/types/src/position.rs). */
const endPositions: Readonly<Record<Stick, number>> = { left: 0, right: 1 };

/** Keyed values and containers; the last writer of a key wins. */
export class MapHandle extends BasicMapHandle<Handles> {
  /** The text at a key; created by the first write into it. */
  text(key: string): TextHandle {
    return this.bridge.open<TextHandle>('text', { parent: this, key });
  }
  /** The tree at a key; created by the first write into it. */
  tree(key: string): TreeHandle {
    return this.bridge.open<TreeHandle>('tree', { parent: this, key });
  }
  /** The graph at a key; created by the first write into it. */
  graph(key: string): GraphHandle {
    return this.bridge.open<GraphHandle>('graph', { parent: this, key });
  }
}

/** Ordered elements; each is a value or a container. */
export class ListHandle extends BasicListHandle<Handles> {
  /**
   * The place at `index` (at most `length`) as at most 14 bytes (27 beside an element that was moved), to be found again after edits by anybody: a cursor, a comment's
   * anchor. It holds for every replica that has what is around it, within the document's epoch.
   *
   * @param stick what it stays at: what is on its `left` (what is inserted there comes behind it) or on its `right`
   * @throws JoineryError `index-out-of-range`
   */
  position(index: number, stick: Stick = 'left'): Uint8Array {
    return positionIn(coreOf(this.bridge), this.resolve(), checkIndex(index, this.length), stick);
  }

  /**
   * The index at which a position is now; where what it stays at was deleted, that at which it stood. Undefined where that isn't
   * here: not yet, or not in this epoch.
   *
   * @throws JoineryError `invalid-position`
   */
  indexAt(position: Uint8Array): number | undefined {
    return indexIn(coreOf(this.bridge), this.resolve(), position);
  }
}

/** A bridge of handles that are in this module alone. */
function coreOf(bridge: Bridge<BasicCore>): Bridge<Core> {
  return bridge as Bridge<Core>;
}

function positionIn(bridge: Bridge, container: number, index: number, stick: Stick): Uint8Array {
  if (container === absent) {
    if (index > 0) throw outOfRange(index, 0, 0);
    return Uint8Array.of(endPositions[stick]);
  }
  bridge.check(bridge.core.position_at(container, index, stick === 'right'));
  return bridge.output();
}

function indexIn(bridge: Bridge, container: number, position: Uint8Array): number | undefined {
  if (container === absent) return Object.values(endPositions).includes(position[0] ?? absent) ? 0 : undefined;
  bridge.input(position);
  const index = bridge.check(bridge.core.index_at(container));
  return index === absent ? undefined : index;
}

/** Text that many can edit at once. Indices and lengths are in UTF-16 units, as JavaScript's strings count. */
export class TextHandle extends ContainerHandle {
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
      bridge.inputUnits(text, writer.units(text.length));
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
    const text = this.ensureFor(() => tryOnEmptyText(bridge, keys, steps));
    const { writer } = bridge;
    bridge.input(keys, steps);
    bridge.check(writer.text_apply_delta(text, keys.length, bridge.now()));
  }

  #markKeys(text: number): string[] {
    this.bridge.check(this.bridge.core.text_mark_keys(text));
    return this.bridge.outputValue() as string[];
  }

  /**
   * The place at `index` (at most `length`) as at most 14 bytes, to be found again after edits by anybody: a cursor, a comment's
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
    return positionIn(this.bridge, this.resolve(), checkIndex(index, this.length), stick);
  }

  /**
   * The index at which a position is now; where what it stays at was deleted, that at which it stood. Undefined where that isn't
   * here: not yet, or not in this epoch.
   *
   * @throws JoineryError `invalid-position`
   */
  indexAt(position: Uint8Array): number | undefined {
    return indexIn(this.bridge, this.resolve(), position);
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
function tryOnEmptyText(bridge: Bridge, keys: Uint8Array, steps: Uint8Array): void {
  const scratch = bridge.apart({ agent: 1n, now: () => 0 });
  try {
    scratch.inputKey('text');
    const text = scratch.check(scratch.writer.ensure_child(0, scratch.kindNumber('text'), 0));
    scratch.input(keys, steps);
    scratch.check(scratch.writer.text_apply_delta(text, keys.length, 0));
  } finally {
    scratch.free();
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
    return this.bridge.open<MapHandle>('map', this.mapOf(node));
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
    return this.bridge.open<MapHandle>('map', this.mapOf(id));
  }
}

/** The classes by kind, for the module. */
export const handles = {
  map: MapHandle,
  list: ListHandle,
  text: TextHandle,
  counter: CounterHandle,
  set: SetHandle,
  tree: TreeHandle,
  graph: GraphHandle,
} satisfies HandleClasses;
