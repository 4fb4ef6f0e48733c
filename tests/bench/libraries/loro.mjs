// Loro in the benchmark, as its documentation has it (loro.dev: "Sync", "Encoding and export modes"): `subscribeLocalUpdates`
// tells the bytes of each commit, which is quicker than exporting from a version; `importBatch` is its call for many updates;
// snapshots are what it says to store, and `fromSnapshot` reads them lazily. Shallow snapshots have no history.

import { LoroDoc } from 'loro-crdt';

/** @type {WeakMap<import('./library.mjs').BenchReplica, LoroDoc>} */
const docs = new WeakMap();

/** @param {LoroDoc} doc @param {import('./library.mjs').ReplicaOptions} options @returns {import('./library.mjs').BenchReplica} */
function wrap(doc, { agent, send }) {
  if (agent !== undefined) doc.setPeerId(BigInt(agent + 1));
  if (send !== undefined) doc.subscribeLocalUpdates(send);
  const text = doc.getText('text');
  const map = doc.getMap('map');
  let isOpen = false;
  const commit = () => {
    if (!isOpen) doc.commit();
  };
  /** @type {import('./library.mjs').BenchReplica} */
  const wrapped = {
    edit: (position, deleted, inserted) => {
      if (deleted > 0) text.delete(position, deleted);
      if (inserted !== '') text.insert(position, inserted);
      commit();
    },
    set: (key, value) => {
      map.set(key, value);
      commit();
    },
    transact: (edits) => {
      isOpen = true;
      edits();
      isOpen = false;
      commit();
    },
    apply: (update) => {
      doc.import(update);
    },
    applyAll: (updates) => {
      doc.importBatch([...updates]);
    },
    version: () => doc.oplogVersion(),
    since: (version) =>
      doc.export({ mode: 'update', from: /** @type {import('loro-crdt').VersionVector} */ (version) }),
    text: () => text.toString(),
    map: () => map.toJSON(),
    save: () => doc.export({ mode: 'snapshot' }),
    free: () => {
      // Handles hold on to their document.
      for (const held of [text, map, doc]) held.free();
    },
  };
  docs.set(wrapped, doc);
  return wrapped;
}

/** @type {import('./library.mjs').Library} */
export const library = {
  name: 'loro',
  lacks: {
    lite: 'has one module',
    'plain state': 'always compresses its states',
    wire: 'brings no wire of its own in its package',
  },
  init: async () => {},
  create: (options = {}) => wrap(new LoroDoc(), options),
  load: (state, options = {}) => wrap(LoroDoc.fromSnapshot(state), options),
  forms: (replica) => {
    const doc = docs.get(replica);
    if (doc === undefined) throw new Error('expected a replica of this library');
    return {
      full: doc.export({ mode: 'snapshot' }),
      without: doc.export({ mode: 'shallow-snapshot', frontiers: doc.oplogFrontiers() }),
      isCompressed: true,
    };
  },
};
