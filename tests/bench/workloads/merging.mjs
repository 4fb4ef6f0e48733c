// What several people wrote at the same time. Each agent of the trace has a replica of its own, which merges exactly what the
// trace names; that is prepared, and gives an update for each transaction. A replica that has nothing yet merges all of them.

import { checkText, measure } from '../measure.mjs';
import { all } from './workload.mjs';

/** Who merges all of it is none of the writers. */
const reader = 1_000;

/**
 * Plays a concurrent trace.
 * @param {import('../libraries/library.mjs').Library} library
 * @param {import('../concurrent-trace.mjs').ConcurrentTrace} trace
 */
function play(library, trace) {
  /** @type {Uint8Array[][]} the updates of each agent's transactions, in order */
  const written = Array.from({ length: trace.agents }, () => []);
  const replicas = written.map((updates, agent) => library.create({ agent, send: (update) => updates.push(update) }));
  /** @type {Uint8Array[]} of all, in the trace's order */
  const updates = [];
  const bring = (/** @type {number} */ agent, /** @type {readonly { agent: number, index: number }[]} */ arriving) => {
    for (const dot of arriving) replicas[agent]?.apply(written[dot.agent]?.[dot.index] ?? new Uint8Array(0));
  };
  for (const { agent, arriving, edits } of trace.transactions) {
    bring(agent, arriving);
    const replica = replicas[agent];
    const made = written[agent];
    if (replica === undefined || made === undefined) throw new Error('expected a replica for each agent');
    const before = made.length;
    const writeAll = () => {
      for (const { position, deleted, inserted } of edits) replica.edit(position, deleted, inserted);
    };
    if (edits.length === 1) writeAll();
    else replica.transact(writeAll);
    if (made.length !== before + 1) throw new Error(`expected one update, got ${made.length - before}`);
    updates.push(made[before] ?? new Uint8Array(0));
  }
  for (const [agent, arriving] of trace.atEnd.entries()) bring(agent, arriving);
  const texts = replicas.map((replica) => replica.text());
  for (const replica of replicas) replica.free();
  return { updates, texts };
}

const free = (/** @type {import('../libraries/library.mjs').BenchReplica} */ replica) => replica.free();

/** @type {import('./workload.mjs').Workload} */
export const merging = {
  name: 'merging',
  needs: 'text',

  prepare: (library, { concurrent }) => {
    const { updates, texts } = play(library, concurrent);
    const [text = ''] = texts;
    for (const other of texts) checkText(other, text);
    // Where two type at one place, each library has an order of its own; but nobody may lose a character.
    if (text.length !== concurrent.endContent.length) {
      throw new Error(`expected a text of ${concurrent.endContent.length} units, got one of ${text.length}`);
    }
    return { updates, text: [Buffer.from(text)] };
  },

  cells: {
    merge: (library, _, input) => {
      const updates = all(input, 'updates');
      const receive = () => {
        const replica = library.create({ agent: reader });
        for (const update of updates) replica.apply(update);
        replica.text();
        return replica;
      };
      const { result, times } = measure(receive, undefined, free);
      checkText(result.text(), Buffer.from(all(input, 'text')[0] ?? []).toString());
      return times;
    },

    'merge bulk': (library, _, input) => {
      const updates = all(input, 'updates');
      const receive = () => {
        const replica = library.create({ agent: reader });
        replica.applyAll(updates);
        replica.text();
        return replica;
      };
      const { result, times } = measure(receive, undefined, free);
      checkText(result.text(), Buffer.from(all(input, 'text')[0] ?? []).toString());
      return times;
    },

    // The whole session: every agent's own edits with their updates, and what arrives in between, at all replicas.
    'merge session': (library, { concurrent }) => {
      const { result, times } = measure(() => play(library, concurrent));
      for (const text of result.texts) checkText(text, result.texts[0] ?? '');
      return times;
    },
  },
};
