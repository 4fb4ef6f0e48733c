// Yjs in the benchmark, as its documentation says to use it: an update for each edit, and a state update as snapshot.

import * as Y from 'yjs';

/** @param {Y.Doc} doc @returns {import('./library.mjs').BenchReplica} */
function wrap(doc) {
  const text = doc.getText('text');
  const map = doc.getMap('map');
  /** @type {Uint8Array[]} */
  let updates = [];
  doc.on('update', (/** @type {Uint8Array} */ update, /** @type {unknown} */ origin) => {
    if (origin !== 'remote') updates.push(update);
  });
  return {
    insert: (position, inserted) => text.insert(position, inserted),
    delete: (position, count) => text.delete(position, count),
    set: (key, value) => {
      map.set(key, value);
    },
    takeUpdates: () => {
      const taken = updates;
      updates = [];
      return taken;
    },
    apply: (update) => Y.applyUpdate(doc, update, 'remote'),
    text: () => text.toString(),
    snapshot: () => Y.encodeStateAsUpdate(doc),
  };
}

/** @type {import('./library.mjs').Library} */
export const library = {
  name: 'yjs',
  init: async () => {},
  create: () => wrap(new Y.Doc()),
  load: (snapshot) => {
    const doc = new Y.Doc();
    const replica = wrap(doc);
    Y.applyUpdate(doc, snapshot, 'remote');
    return replica;
  },
};
