// Joinery's core in the benchmark: the replica alone, without storage or network.

import { init, Replica } from 'joinery/core';

/** @type {WeakMap<import('./library.mjs').BenchReplica, Replica>} */
const replicas = new WeakMap();

/** @param {Replica} replica @param {import('./library.mjs').ReplicaOptions} options @returns {import('./library.mjs').BenchReplica} */
function wrap(replica, { send }) {
  const text = replica.text('text');
  const map = replica.map('map');
  let isOpen = false;
  const sendAll = () => {
    if (send === undefined || isOpen) return;
    // One call gives all that a small transaction wrote; what a large one leaves is asked for in `transact`.
    const update = replica.takeUpdate();
    if (update !== undefined) send(update);
  };
  /** @type {import('./library.mjs').BenchReplica} */
  const wrapped = {
    edit: (position, deleted, inserted) => {
      if (deleted > 0) text.delete(position, deleted);
      if (inserted !== '') text.insert(position, inserted);
      sendAll();
    },
    set: (key, value) => {
      map.set(key, value);
      sendAll();
    },
    // Whatever is written between two takes is sent together.
    transact: (edits) => {
      isOpen = true;
      edits();
      isOpen = false;
      if (send === undefined) return;
      for (let update = replica.takeUpdate(); update !== undefined; update = replica.takeUpdate()) send(update);
    },
    apply: (update) => {
      replica.applyUpdate(update);
    },
    applyAll: (updates) => replica.applyUpdates(updates),
    version: () => replica.version(),
    since: (version) => replica.exportUpdate(/** @type {Uint8Array} */ (version)),
    text: () => text.toString(),
    map: () => map.toJSON(),
    save: () => replica.encodeSnapshot(),
    free: () => replica.free(),
  };
  replicas.set(wrapped, replica);
  return wrapped;
}

/** Replicas' agents are given in the order of their numbers. @param {import('./library.mjs').ReplicaOptions} options */
function agentOf({ agent }) {
  return agent === undefined ? {} : { agent: (BigInt(agent + 1) << 48n) | 0x5a5a_17c0_ffeen };
}

/** @type {import('./library.mjs').Library} */
export const library = {
  name: 'joinery',
  lacks: {},
  init: async () => {
    await init();
  },
  create: (options = {}) => wrap(new Replica(agentOf(options)), options),
  load: (state, options = {}) => wrap(Replica.load(state, agentOf(options)), options),
  // A trimmed document has fresh ids and no removal records: what a server makes of one now and then.
  forms: (replica) => {
    const found = replicas.get(replica);
    if (found === undefined) throw new Error('expected a replica of this library');
    return { full: found.encodeSnapshot(), without: found.trim(0x7c15_9e37_79b9_7f4an), isCompressed: false };
  },
};
