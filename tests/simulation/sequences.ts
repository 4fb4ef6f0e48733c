// What a text and a list should show, from the list of all writes: each token once, unless it was deleted, and where its author
// put it. Where that is not known to be still so (a neighbour was moved, a write was made anew) it is left open.

import { makersOf } from './changes.ts';
import type { Moment } from './history.ts';
import {
  append,
  type Covered,
  checkRegister,
  type Follows,
  Removals,
  tokensOf,
  type Violation,
  type Write,
} from './rules.ts';

interface Inserted {
  readonly token: string;
  /** So often it may be there. */
  readonly most?: number;
  readonly left?: string;
  readonly right?: string;
  /** Of a list's element: where it was put last, one of several where that was at the same time. */
  readonly places?: readonly Place[];
  /** It may not have come through. */
  readonly isPart: boolean;
}

/** The neighbours between which something was put. */
type Place = { readonly left?: string; readonly right?: string };

/** An element's making, or a move of it. */
interface Put {
  readonly one: Covered;
  readonly place: Place;
  readonly isMove: boolean;
}

/** Characters are where they were put, and are gone where they were erased. */
export function checkText({ covered, mayHaveLeft }: Moment, text: string): Violation | undefined {
  const tokens = tokensOf(text);
  if (tokens === undefined) {
    return { property: 'effectExactlyOnce', message: `the text is not made of whole tokens: ${text}` };
  }
  const inserted: Inserted[] = [];
  const erased = new Removals();
  for (const one of covered) {
    const { operation, isOriginal, isPart, copies: most } = one;
    for (const change of operation.changes) {
      if (change.type === 'insert') inserted.push({ ...(isOriginal ? change : { token: change.token }), isPart, most });
      else if (change.type === 'erase') erased.add(change.token, isPart || mayHaveLeft(change.token, one));
    }
  }
  return checkSequence('the text', tokens, inserted, erased);
}

/** Elements are there once, where they were put last, with the value that was written there last. */
export function checkItems(
  { covered, follows, misses, mayHaveLeft }: Moment,
  items: readonly unknown[],
  elementOf: (value: string) => string | undefined,
): Violation | undefined {
  const added: Inserted[] = [];
  const removed = new Removals();
  const writes = new Map<string, Write[]>();
  const makers = makersOf(covered);
  const puts = putsIn(covered);
  for (const one of covered) {
    const { operation, isPart, copies: most } = one;
    const isCopied = most > 1;
    for (const change of operation.changes) {
      if (change.type === 'add') {
        const token = change.element;
        added.push({ token, isPart, most, places: placesOf(token, puts, follows) });
        append(writes, token, { operation, token, isPart: false, isCopied });
      } else if (change.type === 'remove') {
        removed.add(change.element, isPart || mayHaveLeft(change.element, one));
      } else if (change.type === 'change') {
        const { element, token } = change;
        const maker = makers.get(element);
        const over = (maker?.copies ?? 1) > 1 ? change.over : undefined;
        append(writes, element, { operation, token, over, isPart: isPart || misses(one, maker), isCopied });
      }
    }
  }
  const elements: string[] = [];
  for (const value of items) {
    const element = elementOf(String(value));
    if (element === undefined) {
      return { property: 'effectExactlyOnce', message: `an element of the list that nobody wrote: ${String(value)}` };
    }
    elements.push(element);
  }
  const wrong = checkSequence('the list', elements, added, removed);
  if (wrong !== undefined) return wrong;
  for (const [index, element] of elements.entries()) {
    const wrongValue = checkRegister(`element ${element}`, items[index], writes.get(element) ?? [], follows);
    if (wrongValue !== undefined) return wrongValue;
  }
  return undefined;
}

/** By element, all that put it somewhere. */
function putsIn(covered: readonly Covered[]): ReadonlyMap<string, readonly Put[]> {
  const puts = new Map<string, Put[]>();
  for (const one of covered) {
    for (const change of one.operation.changes) {
      if (change.type !== 'add' && change.type !== 'move') continue;
      append(puts, change.element, { one, place: change, isMove: change.type === 'move' });
    }
  }
  return puts;
}

/**
 * Where an element was put last: by the moves that no other was made on, or, where there are none, when it was made. A
 * neighbour counts where its author had seen all that was done to it: it stands where it stood then.
 */
function placesOf(element: string, puts: ReadonlyMap<string, readonly Put[]>, follows: Follows): Place[] {
  const own = puts.get(element) ?? [];
  const isSure = ({ isOriginal, isPart, copies }: Covered): boolean => isOriginal && !isPart && copies === 1;
  // What was made anew stands where its new author's neighbours are, and what may not have come through perhaps nowhere.
  if (!own.every(({ one }) => isSure(one))) return [];
  const last = own.filter(
    (put) =>
      !own.some(
        (other) => other !== put && other.isMove && (!put.isMove || follows(other.one.operation, put.one.operation)),
      ),
  );
  return last.map(({ one, place }) => {
    const stands = (neighbour: string | undefined): string | undefined => {
      const moves = neighbour === undefined ? [] : (puts.get(neighbour) ?? []).filter(({ isMove }) => isMove);
      const isKnown = moves.every((move) => isSure(move.one) && follows(one.operation, move.one.operation));
      return isKnown ? neighbour : undefined;
    };
    const [left, right] = [stands(place.left), stands(place.right)];
    return { ...(left === undefined ? {} : { left }), ...(right === undefined ? {} : { right }) };
  });
}

/** Each inserted one is there once unless it was removed, no other is, and all are between the neighbours they were put. */
function checkSequence(
  what: string,
  shown: readonly string[],
  inserted: readonly Inserted[],
  removed: Removals,
): Violation | undefined {
  const place = new Map<string, number>();
  const copied = new Map(inserted.map(({ token, most = 1 }) => [token, most]));
  const shownTimes = new Map<string, number>();
  for (const [index, token] of shown.entries()) {
    const times = (shownTimes.get(token) ?? 0) + 1;
    const most = copied.get(token) ?? 1;
    if (times > most) return { property: 'effectExactlyOnce', message: `${what} shows ${token} ${times} times` };
    shownTimes.set(token, times);
    // Of several it is not known which one is between the neighbours, and which one was deleted.
    if (most > 1) continue;
    place.set(token, index);
    if (removed.sure.has(token))
      return { property: 'deletedStaysDeleted', message: `${what} shows ${token}, which was deleted` };
  }
  let expected = 0;
  const isBetween = (index: number, { left, right }: Place): boolean => {
    const before = left === undefined ? undefined : place.get(left);
    const after = right === undefined ? undefined : place.get(right);
    return (before === undefined || before < index) && (after === undefined || after > index);
  };
  for (const { token, left, right, places, isPart, most = 1 } of inserted) {
    const times = shownTimes.get(token) ?? 0;
    if (most > 1 && (times > 0 || isPart || removed.possible.has(token))) {
      expected += times;
      continue;
    }
    const index = place.get(token);
    if (index === undefined) {
      if (isPart || removed.possible.has(token)) continue;
      return { property: 'effectExactlyOnce', message: `${what} lacks ${token}` };
    }
    expected += 1;
    const allowed = places ?? [{ ...(left === undefined ? {} : { left }), ...(right === undefined ? {} : { right }) }];
    if (allowed.length > 0 && !allowed.some((between) => isBetween(index, between))) {
      const named = allowed.map((between) => `${between.left} and ${between.right}`).join(', ');
      return { property: 'effectExactlyOnce', message: `${what} has ${token} outside of ${named}` };
    }
  }
  if (expected === shown.length) return undefined;
  const known = new Set(inserted.map(({ token }) => token));
  const stranger = shown.find((token) => !known.has(token));
  return { property: 'causeBeforeEffect', message: `${what} shows ${stranger}, whose write isn't there` };
}
