// diamond-types in the benchmark, by its package for Node: `Doc` is an operation log with a branch of it checked out, which is
// what an editor needs, and `getPatchSince` the last local version is its way to what was just written. Positions are counted in
// code points; traces have none beyond the basic plane. (crdt-benchmarks uses an `OpLog` without a text, and checks it out when asked.)

import { Doc } from 'diamond-types-node';

/** @type {WeakMap<import('./library.mjs').BenchReplica, Doc>} */
const docs = new WeakMap();

/** @param {Doc} doc @param {import('./library.mjs').ReplicaOptions} options @returns {import('./library.mjs').BenchReplica} */
function wrap(doc, { send }) {
  let isOpen = false;
  let sent = doc.getLocalVersion();
  const sendRest = () => {
    if (send === undefined || isOpen) return;
    send(doc.getPatchSince(sent));
    sent = doc.getLocalVersion();
  };
  /** @type {import('./library.mjs').BenchReplica} */
  const wrapped = {
    edit: (position, deleted, inserted) => {
      if (deleted > 0) doc.del(position, deleted);
      if (inserted !== '') doc.ins(position, inserted);
      sendRest();
    },
    set: () => {
      throw new Error('diamond-types has texts only');
    },
    transact: (edits) => {
      isOpen = true;
      edits();
      isOpen = false;
      sendRest();
    },
    apply: (update) => {
      doc.mergeBytes(update);
      // What came from elsewhere is nothing to send.
      if (send !== undefined) sent = doc.getLocalVersion();
    },
    applyAll: (updates) => {
      for (const update of updates) doc.mergeBytes(update);
      if (send !== undefined) sent = doc.getLocalVersion();
    },
    version: () => doc.getLocalVersion(),
    since: (version) => doc.getPatchSince(/** @type {Uint32Array} */ (version)),
    text: () => doc.get(),
    map: () => ({}),
    save: () => doc.toBytes(),
    free: () => doc.free(),
  };
  docs.set(wrapped, doc);
  return wrapped;
}

/** As long as a random name would be that many devices can take without asking. @param {import('./library.mjs').ReplicaOptions} options */
function nameOf({ agent }) {
  return agent === undefined ? Math.random().toString(36).slice(2, 12).padEnd(10, '0') : `agent${agent}`;
}

/** @type {import('./library.mjs').Library} */
export const library = {
  name: 'diamond-types',
  lacks: {
    lite: 'has one module',
    map: 'has texts only',
    'without removals': 'keeps the whole history',
    'plain state': 'always compresses its states',
    wire: 'brings no wire of its own in its package',
  },
  init: async () => {},
  create: (options = {}) => wrap(new Doc(nameOf(options)), options),
  load: (state, options = {}) => wrap(Doc.fromBytes(state, nameOf(options)), options),
  forms: (replica) => {
    const doc = docs.get(replica);
    if (doc === undefined) throw new Error('expected a replica of this library');
    return { full: doc.toBytes(), isCompressed: true };
  },
};
