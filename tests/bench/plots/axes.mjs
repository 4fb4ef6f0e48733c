// What the plots are of: a text that grows along one axis while the others stay, its document loaded and edited. Each point is a
// cell of its own.

import { checkText, linearMemory, measure, processMemory } from '../measure.mjs';
import { mulberry32 } from '../trace.mjs';

/** @typedef {import('../libraries/library.mjs').Library} Library */

/**
 * @typedef {object} Axis
 * @property {string} title of what grows
 * @property {readonly number[]} amounts
 * @property {(library: Library, amount: number) => { updates: Uint8Array[], isShared: boolean }} write as updates for a replica that has nothing
 */

/** How long the text of the other axes is kept, in characters. */
const steadyLength = 5_000;
const word = 'joinery ';
const seed = 1;

/** @type {Record<string, Axis>} */
export const axes = {
  size: {
    title: 'characters in the text, typed by one in words at random places',
    amounts: [12_500, 25_000, 50_000, 100_000, 200_000],
    write: (library, amount) => {
      const random = mulberry32(seed);
      /** @type {Uint8Array[]} */
      const updates = [];
      const replica = library.create({ send: (update) => updates.push(update) });
      for (let length = 0; length < amount; length += word.length) {
        replica.edit(Math.floor(random() * (length + 1)), 0, word);
      }
      return { updates, isShared: false };
    },
  },
  agents: {
    title: 'people, each of whom wrote a word of the text, one after the other',
    amounts: [125, 250, 500, 1_000, 2_000],
    write: (library, amount) => {
      const random = mulberry32(seed);
      /** @type {Uint8Array[]} */
      const updates = [];
      for (let agent = 0; agent < amount; agent += 1) {
        const replica = library.create({ agent, send: (update) => updates.push(update) });
        replica.edit(0, 0, word.slice(0, 1 + Math.floor(random() * word.length)));
      }
      return { updates, isShared: true };
    },
  },
  history: {
    title: `edits in all, of a text that is kept at ${steadyLength.toLocaleString('en')} characters`,
    amounts: [12_500, 25_000, 50_000, 100_000, 200_000],
    write: (library, amount) => {
      const random = mulberry32(seed);
      /** @type {Uint8Array[]} */
      const updates = [];
      const replica = library.create({ send: (update) => updates.push(update) });
      let length = 0;
      for (let edit = 0; edit < amount; edit += 1) {
        const isFull = length >= steadyLength;
        replica.edit(Math.floor(random() * (isFull ? length : length + 1)), isFull ? 1 : 0, isFull ? '' : 'x');
        length += isFull ? -1 : 1;
      }
      return { updates, isShared: false };
    },
  },
};

/**
 * What a document of that amount costs: joining all updates in one call, loading it to its text, what it holds then, its bytes.
 * @param {Library} library
 * @param {Axis} axis
 * @param {number} amount
 * @returns {import('../measure.mjs').Measurement}
 */
export function measurePoint(library, axis, amount) {
  const { updates, isShared } = axis.write(library, amount);
  const reader = isShared ? { agent: axis.amounts.at(-1) ?? 0 } : {};
  const { result: joined, times: joining } = measure(
    () => {
      const replica = library.create(reader);
      replica.applyAll(updates);
      return replica;
    },
    undefined,
    (replica) => replica.free(),
  );
  const text = joined.text();
  const state = joined.save();
  const load = () => {
    const replica = library.load(state);
    replica.text();
    return replica;
  };
  const { result: loaded, times: loading } = measure(load, undefined, (replica) => replica.free());
  checkText(loaded.text(), text);
  const before = processMemory().heap + linearMemory();
  // Several, for linear memory grows by pages and more.
  const copies = Array.from({ length: 10 }, () => library.load(state));
  for (const copy of copies) copy.edit(0, 0, 'x');
  const held_bytes = Math.max(0, processMemory().heap + linearMemory() - before) / copies.length;
  for (const copy of copies) checkText(copy.text(), `x${text}`);
  return { join_ms: joining.cpu_ms, load_ms: loading.cpu_ms, held_bytes, state_bytes: state.length };
}
