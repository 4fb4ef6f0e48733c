// B1 of crdt-benchmarks (dmonad/crdt-benchmarks, js-lib/b1.js): 6,000 edits of one text by one writer, each a transaction of its
// own, at the writer (local) and at somebody who gets the updates one by one (remote).

import { pbfCodec } from '@joinery/protocol';
import { checkText, measure, totalBytes } from '../measure.mjs';
import { mulberry32 } from '../trace.mjs';
import { all, writer } from './workload.mjs';

const count = 6_000;
/** As a server's are: the time in 1,024ths of a millisecond. */
const epoch = 1_795_300_000_000 * 1_024;
const letters = 'abcdefghijklmnopqrstuvwxyz';

/**
 * @typedef {object} Script
 * @property {readonly import('../trace.mjs').Edit[]} edits
 * @property {string} text after them
 */

/** @type {Record<string, (seed: number) => Script>} */
const scripts = {
  // B1.1
  append: (seed) => write(seed, (below) => ({ position: 'end', deleted: 0, inserted: word(below, 1, 1) })),
  // B1.4
  'random insert': (seed) =>
    write(seed, (below, length) => ({ position: below(length + 1), deleted: 0, inserted: word(below, 1, 1) })),
  // B1.7: inserts a word or deletes some, at random places.
  'random edits': (seed) =>
    write(seed, (below, length) => {
      const position = below(length + 1);
      if (position === length || below(2) === 0) return { position, deleted: 0, inserted: word(below, 2, 10) };
      return { position, deleted: 1 + below(Math.min(9, length - position)), inserted: '' };
    }),
};

/**
 * @param {number} seed
 * @param {(below: (limit: number) => number, length: number) => { position: number | 'end', deleted: number, inserted: string }} next
 * @returns {Script}
 */
function write(seed, next) {
  const random = mulberry32(seed);
  const below = (/** @type {number} */ limit) => Math.floor(random() * limit);
  let text = '';
  const edits = [];
  for (let index = 0; index < count; index++) {
    const { deleted, inserted, ...at } = next(below, text.length);
    const position = at.position === 'end' ? text.length : at.position;
    text = text.slice(0, position) + inserted + text.slice(position + deleted);
    edits.push({ position, deleted, inserted });
  }
  return { edits, text };
}

/** @param {(limit: number) => number} below @param {number} min @param {number} max */
function word(below, min, max) {
  const length = min + below(max - min + 1);
  return Array.from({ length }, () => letters.charAt(below(letters.length))).join('');
}

/** @param {import('../libraries/library.mjs').BenchReplica} replica @param {Script} script */
function play(replica, script) {
  for (const { position, deleted, inserted } of script.edits) replica.edit(position, deleted, inserted);
}

/** @param {import('../libraries/library.mjs').Library} library @param {Script} script */
function updatesOf(library, script) {
  const { replica, updates } = writer(library);
  play(replica, script);
  checkText(replica.text(), script.text);
  return updates;
}

/** @param {string} name */
function scriptOf(name) {
  const found = scripts[name];
  if (found === undefined) throw new Error(`no such script: ${name}`);
  return found;
}

/** @param {string} name @returns {Record<string, import('./workload.mjs').Cell>} */
function cellsOf(name) {
  return {
    [`B1 ${name}, local`]: (library, { seed }) => {
      const script = scriptOf(name)(seed);
      const { result, times } = measure(
        (written) => {
          play(written.replica, script);
          return written;
        },
        () => writer(library),
        ({ replica }) => replica.free(),
      );
      checkText(result.replica.text(), script.text);
      return { ...times, bytes_per_update: totalBytes(result.updates) / count };
    },
    [`B1 ${name}, remote`]: (library, { seed }, input) => {
      const { text } = scriptOf(name)(seed);
      const updates = all(input, name);
      const receive = () => {
        const replica = library.create();
        for (const update of updates) replica.apply(update);
        replica.text();
        return replica;
      };
      const { result, times } = measure(receive, undefined, (replica) => replica.free());
      checkText(result.text(), text);
      return times;
    },
  };
}

/** @type {import('./workload.mjs').Workload} */
export const randomEdits = {
  name: 'random-edits',
  needs: 'text',
  prepare: (library, { seed }) =>
    Object.fromEntries(Object.entries(scripts).map(([name, script]) => [name, updatesOf(library, script(seed))])),
  cells: {
    ...cellsOf('append'),
    ...cellsOf('random insert'),
    ...cellsOf('random edits'),

    // What a keystroke weighs on its way to the server: the frame that the SDK sends, with the envelope and its header, for a
    // document with an id of ten characters, each keystroke sent by itself.
    wire: (library, _, input) => {
      if (library.lacks.wire !== undefined) return {};
      const frames = (/** @type {readonly Uint8Array[]} */ updates) =>
        updates.map((envelope, index) =>
          pbfCodec.encode(
            {
              type: 'envelopes',
              document: 'notes/2026',
              epoch,
              firstPosition: 0,
              envelopes: [envelope],
            },
            index + 10,
          ),
        );
      return {
        append_bytes: totalBytes(frames(all(input, 'append'))) / count,
        random_insert_bytes: totalBytes(frames(all(input, 'random insert'))) / count,
      };
    },
  },
};
