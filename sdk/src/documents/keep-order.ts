// Which elements of a list can stay where they are when it becomes another one: pairs of equal elements whose order is
// the same on both sides. Not always the most (that takes a quadratic search), but all of them for what apps do:
// insertions, deletions, one element moved, everything reversed.

import type { Plain } from '../core/index.ts';

/**
 * Pairs [index before, index after], ascending on both sides. Elements are equal when their keys are; keys are compared
 * as those of a `Map`. Equal elements are paired in their order.
 */
export function keepOrder(before: readonly unknown[], after: readonly unknown[]): [number, number][] {
  const shorter = Math.min(before.length, after.length);
  let front = 0;
  while (front < shorter && before[front] === after[front]) front += 1;
  let back = 0;
  while (back < shorter - front && before[before.length - 1 - back] === after[after.length - 1 - back]) back += 1;

  const places = new Map<unknown, number[]>();
  for (let index = before.length - back - 1; index >= front; index -= 1) {
    const known = places.get(before[index]);
    if (known === undefined) places.set(before[index], [index]);
    else known.push(index);
  }
  const middle: [number, number][] = [];
  for (let index = front; index < after.length - back; index += 1) {
    const place = places.get(after[index])?.pop();
    if (place !== undefined) middle.push([place, index]);
  }
  const pairs: [number, number][] = Array.from({ length: front }, (_, index) => [index, index]);
  pairs.push(...longestAscending(middle));
  for (let left = back; left > 0; left -= 1) pairs.push([before.length - left, after.length - left]);
  return pairs;
}

/** A key that is the same for equal plain values. */
export function valueKey(value: Plain): string {
  if (value instanceof Uint8Array) return `bytes ${value.join()}`;
  if (Array.isArray(value)) return `[${value.map(valueKey).join()}]`;
  if (typeof value !== 'object' || value === null) return `${typeof value} ${JSON.stringify(value)}`;
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${JSON.stringify(key)}: ${valueKey(value[key] as Plain)}`).join()}}`;
}

/** The longest run of pairs that ascends on the first side (patience sorting); they ascend on the second already. */
export function longestAscending(pairs: readonly [number, number][]): [number, number][] {
  /** Per length the index of the pair that ends the run with the lowest end. */
  const ends: number[] = [];
  const previous: (number | undefined)[] = [];
  pairs.forEach(([first], index) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const mid = (low + high) >> 1;
      if ((pairs[ends[mid] as number] as [number, number])[0] < first) low = mid + 1;
      else high = mid;
    }
    previous[index] = low > 0 ? ends[low - 1] : undefined;
    ends[low] = index;
  });
  const run: [number, number][] = [];
  for (let index = ends.at(-1); index !== undefined; index = previous[index])
    run.push(pairs[index] as [number, number]);
  return run.reverse();
}
