// B2 after crdt-benchmarks (js-lib/b2.js, B2.4): two write in one text at the same time, words in and a few characters out at
// random places, and every few edits each asks the other for what it hasn't got, by version. Nobody keeps updates: what is sent
// is worked out from the version that both had after the last exchange.

import { checkText, measure } from '../measure.mjs';
import { mulberry32 } from '../trace.mjs';

/** How often they exchange, and how much each writes in between. */
const exchanges = 600;
const editsPerTurn = 10;
const letters = 'abcdefghijklmnopqrstuvwxyz';
const beginning = letters.repeat(4).slice(0, 100);

/** @param {import('../libraries/library.mjs').BenchReplica} replica @param {number} length @param {(limit: number) => number} below */
function writeSome(replica, length, below) {
  let now = length;
  for (let edit = 0; edit < editsPerTurn; edit++) {
    const position = below(now + 1);
    if (position === now || below(2) === 0) {
      const inserted = letters.slice(0, 3 + below(7));
      replica.edit(position, 0, inserted);
      now += inserted.length;
    } else {
      const deleted = 1 + below(Math.min(9, now - position));
      replica.edit(position, deleted, '');
      now -= deleted;
    }
  }
}

/** @type {import('./workload.mjs').Workload} */
export const twoTyping = {
  name: 'two-typing',
  needs: 'differences',
  cells: {
    B2: (library, { seed }) => {
      const { result, times } = measure(
        ({ one, other }) => {
          const random = mulberry32(seed);
          const below = (/** @type {number} */ limit) => Math.floor(random() * limit);
          let bytes = 0;
          let { length } = beginning;
          let [ofOne, ofOther] = [one.version(), other.version()];
          for (let exchange = 0; exchange < exchanges; exchange++) {
            writeSome(one, length, below);
            writeSome(other, length, below);
            const [there, back] = [one.since(ofOne), other.since(ofOther)];
            bytes += there.length + back.length;
            other.apply(there);
            one.apply(back);
            [ofOne, ofOther] = [one.version(), other.version()];
            // As an editor that shows the text, and as whoever picks the next place in it.
            length = one.text().length;
          }
          return { one, other, bytes };
        },
        () => {
          const [one, other] = [library.create({ agent: 1 }), library.create({ agent: 2 })];
          const before = one.version();
          one.edit(0, 0, beginning);
          other.apply(one.since(before));
          return { one, other };
        },
        ({ one, other }) => {
          one.free();
          other.free();
        },
      );
      checkText(result.other.text(), result.one.text());
      if (result.one.text() === '') throw new Error('expected a text');
      return { ...times, bytes: result.bytes };
    },
  },
};
