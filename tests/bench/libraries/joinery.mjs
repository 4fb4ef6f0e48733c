// Joinery's core in the benchmark: the replica alone, without storage or network.

import { init, Replica } from 'joinery/core';

/** @param {Replica} replica @returns {import('./library.mjs').BenchReplica} */
function wrap(replica) {
  const text = replica.text('text');
  const map = replica.map('map');
  return {
    insert: (position, inserted) => text.insert(position, inserted),
    delete: (position, count) => text.delete(position, count),
    set: (key, value) => map.set(key, value),
    takeUpdates: () => {
      const updates = [];
      for (let update = replica.takeUpdate(); update !== undefined; update = replica.takeUpdate()) updates.push(update);
      return updates;
    },
    apply: (update) => {
      replica.applyUpdate(update);
    },
    text: () => text.toString(),
    snapshot: () => replica.encodeSnapshot(),
  };
}

/** @type {import('./library.mjs').Library} */
export const library = {
  name: 'joinery',
  init: async () => {
    await init();
  },
  create: () => wrap(new Replica()),
  load: (snapshot) => wrap(Replica.load(snapshot)),
};
