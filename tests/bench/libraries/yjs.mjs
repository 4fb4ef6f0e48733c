// Yjs in the benchmark, as its documentation and crdt-benchmarks (dmonad/crdt-benchmarks, benchmarks/yjs) use it: the update
// event of each transaction, `applyUpdate` one by one, and within one `transact` for many. Updates and states that are timed
// are of the first format, which is the quicker one to write and to read; sizes of the state are of the second, smaller one.

import * as Y from 'yjs';

/** @type {WeakMap<import('./library.mjs').BenchReplica, Y.Doc>} */
const docs = new WeakMap();

/** @param {Y.Doc} doc @param {import('./library.mjs').ReplicaOptions} options @returns {import('./library.mjs').BenchReplica} */
function wrap(doc, { agent, send }) {
  const text = doc.getText('text');
  const map = doc.getMap('map');
  if (agent !== undefined) doc.clientID = agent + 1;
  if (send !== undefined) {
    doc.on('update', (/** @type {Uint8Array} */ update, /** @type {unknown} */ origin) => {
      if (origin !== 'remote') send(update);
    });
  }
  /** @type {import('./library.mjs').BenchReplica} */
  const wrapped = {
    edit: (position, deleted, inserted) => {
      if (deleted === 0) text.insert(position, inserted);
      else if (inserted === '') text.delete(position, deleted);
      else {
        doc.transact(() => {
          text.delete(position, deleted);
          text.insert(position, inserted);
        });
      }
    },
    set: (key, value) => {
      map.set(key, value);
    },
    transact: (edits) => doc.transact(edits),
    apply: (update) => Y.applyUpdate(doc, update, 'remote'),
    applyAll: (updates) => {
      doc.transact(() => {
        for (const update of updates) Y.applyUpdate(doc, update, 'remote');
      }, 'remote');
    },
    version: () => Y.encodeStateVector(doc),
    since: (version) => Y.encodeStateAsUpdate(doc, /** @type {Uint8Array} */ (version)),
    text: () => text.toString(),
    map: () => map.toJSON(),
    save: () => Y.encodeStateAsUpdate(doc),
    free: () => {},
  };
  docs.set(wrapped, doc);
  return wrapped;
}

/** @type {import('./library.mjs').Library} */
export const library = {
  name: 'yjs',
  lacks: {
    lite: 'has one module',
    'without removals': 'always writes the ranges of what was deleted',
    'linear memory': 'is JavaScript, without a linear memory',
    wire: 'brings no wire of its own in its package',
  },
  init: async () => {},
  create: (options = {}) => wrap(new Y.Doc(), options),
  load: (state, options = {}) => {
    const doc = new Y.Doc();
    const replica = wrap(doc, options);
    Y.applyUpdate(doc, state, 'remote');
    return replica;
  },
  forms: (replica) => {
    const doc = docs.get(replica);
    if (doc === undefined) throw new Error('expected a replica of this library');
    return { full: Y.encodeStateAsUpdateV2(doc), isCompressed: false };
  },
};
