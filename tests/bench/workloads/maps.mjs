// A map as an app's records are: a thousand fields that are rewritten again and again, and two that wrote beside each other.

import { checkMap, measure } from '../measure.mjs';
import { all, writer } from './workload.mjs';

const fields = 1_000;
const rewrites = 10;
/** Fields of each of two documents that merge. */
const merged = 100;

const nameOf = (/** @type {number} */ field) => `field ${field}`;

/** @param {import('../libraries/library.mjs').BenchReplica} replica */
function rewrite(replica) {
  for (let round = 0; round < rewrites; round++) {
    for (let field = 0; field < fields; field++) replica.set(nameOf(field), round * fields + field);
  }
}

const rewritten = Object.fromEntries(
  Array.from({ length: fields }, (_, field) => [nameOf(field), (rewrites - 1) * fields + field]),
);

/** One with a hundred fields of its own. @param {import('../libraries/library.mjs').Library} library @param {number} agent */
function hundred(library, agent) {
  /** @type {Uint8Array[]} */
  const updates = [];
  const replica = library.create({ agent, send: (update) => updates.push(update) });
  replica.transact(() => {
    for (let field = 0; field < merged; field++) replica.set(`${agent}: ${nameOf(field)}`, field);
  });
  return { replica, updates };
}

/** @type {import('./workload.mjs').Workload} */
export const maps = {
  name: 'maps',
  needs: 'map',

  prepare: (library) => {
    const { replica, updates } = writer(library);
    rewrite(replica);
    return { updates };
  },

  cells: {
    // Each set a transaction of its own, with its update.
    'map local': (library) => {
      const { result, times } = measure(
        (written) => {
          rewrite(written.replica);
          return written;
        },
        () => writer(library),
        ({ replica }) => replica.free(),
      );
      checkMap(result.replica.map(), rewritten);
      if (result.updates.length < fields * rewrites) throw new Error('expected an update of each set');
      return { ...times, bytes: library.forms(result.replica).full.length };
    },

    'map remote': (library, _, input) => {
      const updates = all(input, 'updates');
      const receive = () => {
        const replica = library.create();
        for (const update of updates) replica.apply(update);
        return replica;
      };
      const { result, times } = measure(receive, undefined, (replica) => replica.free());
      checkMap(result.map(), rewritten);
      return times;
    },

    // Two of a hundred fields each take over the other's: what each has written, in one update, as it comes over a network.
    'map merge': (library) => {
      const { result, times } = measure(
        ({ one, other }) => {
          one.replica.applyAll(other.updates);
          other.replica.applyAll(one.updates);
          return { one, other };
        },
        () => ({ one: hundred(library, 1), other: hundred(library, 2) }),
        ({ one, other }) => {
          one.replica.free();
          other.replica.free();
        },
      );
      checkMap(result.one.replica.map(), result.other.replica.map());
      if (Object.keys(result.one.replica.map()).length !== 2 * merged) throw new Error('expected all fields');
      return times;
    },
  },
};
