// B3 after crdt-benchmarks (js-lib/b3.js): 1,500 clients write at the same time, each one thing, knowing nothing of each other;
// one document takes all of it, one by one or in one call.

import { checkMap, measure } from '../measure.mjs';
import { all } from './workload.mjs';

const clients = 1_500;

/** @type {Record<string, { write: (replica: import('../libraries/library.mjs').BenchReplica, client: number) => void, check: (replica: import('../libraries/library.mjs').BenchReplica) => void }>} */
const scripts = {
  'one key': {
    write: (replica, client) => replica.set('v', client),
    // Who wins is each library's to say.
    check: (replica) => {
      const { v, ...rest } = replica.map();
      if (typeof v !== 'number' || v < 0 || v >= clients || Object.keys(rest).length > 0) {
        throw new Error(`expected the number of a client, got ${JSON.stringify(v)}: the result is wrong`);
      }
    },
  },
  'own keys': {
    write: (replica, client) => replica.set(`v${client}`, client),
    check: (replica) =>
      checkMap(
        replica.map(),
        Object.fromEntries(Array.from({ length: clients }, (_, client) => [`v${client}`, client])),
      ),
  },
  text: {
    write: (replica, client) => replica.edit(0, 0, `<${client}>`),
    check: (replica) => {
      const found = replica
        .text()
        .split(/[<>]+/)
        .filter((part) => part !== '')
        .map(Number)
        .sort((a, b) => a - b);
      if (found.length === clients && found.every((client, index) => client === index)) return;
      throw new Error(`expected the text of ${clients} clients, got that of ${found.length}: the result is wrong`);
    },
  },
};

/** @param {import('../libraries/library.mjs').Library} library @param {string} name */
function updatesOf(library, name) {
  /** @type {Uint8Array[]} */
  const updates = [];
  for (let client = 0; client < clients; client++) {
    const replica = library.create({ agent: client, send: (update) => updates.push(update) });
    scripts[name]?.write(replica, client);
    replica.free();
  }
  if (updates.length !== clients) throw new Error(`expected an update of each client, got ${updates.length}`);
  return updates;
}

/** @param {string} name @returns {import('./workload.mjs').Workload} */
function workloadOf(name) {
  const script = scripts[name];
  if (script === undefined) throw new Error(`no such script: ${name}`);
  /** @param {import('../libraries/library.mjs').Library} library @param {(replica: import('../libraries/library.mjs').BenchReplica) => void} join */
  const run = (library, join) => {
    const receive = () => {
      const replica = library.create({ agent: clients });
      join(replica);
      return replica;
    };
    const { result, times } = measure(receive, undefined, (replica) => replica.free());
    script.check(result);
    return times;
  };
  return {
    name: `many-clients-${name.replace(' ', '-')}`,
    needs: name === 'text' ? 'text' : 'map',
    prepare: (library) => ({ updates: updatesOf(library, name) }),
    cells: {
      [`B3 ${name}`]: (library, _, input) =>
        run(library, (replica) => {
          for (const update of all(input, 'updates')) replica.apply(update);
        }),
      [`B3 ${name}, bulk`]: (library, _, input) => run(library, (replica) => replica.applyAll(all(input, 'updates'))),
    },
  };
}

/** @type {readonly import('./workload.mjs').Workload[]} */
export const manyClients = Object.keys(scripts).map(workloadOf);
