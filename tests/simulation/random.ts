// Chance in a simulation: one stream for each purpose, all from one seed. So what one part draws doesn't move what another
// gets, and a run stays nearly the same when a choice is taken out of it. Not for anything that has to be unguessable.

import { seededRandom } from '../../sdk/src/testing/random.ts';

/** Uniform in [0, 1). */
export type Random = () => number;

/** The stream of this seed with this name. */
export function stream(seed: number, ...name: readonly (string | number)[]): Random {
  let hash = 0x811c9dc5 ^ seed;
  for (const part of name) {
    for (const character of `${part}/`) {
      hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
    }
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return seededRandom((hash ^ (hash >>> 16)) >>> 0);
}

/** A whole number from `least` to `most`, both included. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** One of several. */
export function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('Expected something to pick from, got nothing.');
  return item;
}

/** A whole number below 2^32 that is drawn at one place and used, by `roll`, at another. */
export function dice(random: Random): number {
  return Math.floor(random() * 2 ** 32);
}

/** What a drawn number says about one of `count` possibilities; `turn` makes several throws of one. */
export function roll(thrown: number, count: number, turn = 0): number {
  return Math.floor(stream(thrown, turn)() * count);
}
