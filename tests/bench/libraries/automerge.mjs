// Automerge in the benchmark, as its documentation has it: every replica begins with the same first change ("Initial state"),
// `splice` edits text in a `change`, `getLastLocalChange` is the change that was just made, as bytes, and `applyChanges` takes
// one or many. What `saveSince` gives is no single change: that is `loadIncremental`'s. (crdt-benchmarks asks `saveIncremental` instead, which does the same with more work.)

import * as Automerge from '@automerge/automerge';

/** @typedef {{ text: string, map: Record<string, number> }} Content */

/** What every replica begins with, so that all have the same text and map. */
const beginning = Automerge.save(
  // The same time, too: it is part of what a change is named by.
  Automerge.change(Automerge.init(/** @type {const} */ ({ actor: '00'.repeat(16) })), { time: 0 }, (draft) => {
    Object.assign(draft, { text: '', map: {} });
  }),
);
const textPath = ['text'];

/** Made by `since`. @type {WeakSet<Uint8Array>} */
const differences = new WeakSet();
/** @type {WeakMap<import('./library.mjs').BenchReplica, () => Automerge.Doc<Content>>} */
const docs = new WeakMap();

/** @param {Uint8Array} state @param {import('./library.mjs').ReplicaOptions} options @returns {import('./library.mjs').BenchReplica} */
function open(state, { agent, send }) {
  /** @type {Automerge.Doc<Content>} */
  let doc = Automerge.load(state, agent === undefined ? {} : { actor: (agent + 1).toString(16).padStart(32, '0') });
  /** @type {Content | undefined} */
  let draft;
  const change = (/** @type {(draft: Content) => void} */ write) => {
    if (draft !== undefined) {
      write(draft);
      return;
    }
    doc = Automerge.change(doc, write);
    if (send === undefined) return;
    const made = Automerge.getLastLocalChange(doc);
    if (made !== undefined) send(made);
  };
  /** @type {import('./library.mjs').BenchReplica} */
  const wrapped = {
    edit: (position, deleted, inserted) =>
      change((content) => Automerge.splice(content, textPath, position, deleted, inserted)),
    set: (key, value) =>
      change((content) => {
        content.map[key] = value;
      }),
    transact: (edits) =>
      change((content) => {
        draft = content;
        edits();
        draft = undefined;
      }),
    apply: (update) => {
      if (differences.has(update)) doc = Automerge.loadIncremental(doc, update);
      else [doc] = Automerge.applyChanges(doc, [update]);
    },
    applyAll: (updates) => {
      [doc] = Automerge.applyChanges(doc, [...updates]);
    },
    version: () => Automerge.getHeads(doc),
    since: (version) => {
      const difference = Automerge.saveSince(doc, /** @type {Automerge.Heads} */ (version));
      differences.add(difference);
      return difference;
    },
    text: () => doc.text,
    map: () => Automerge.toJS(doc).map,
    save: () => Automerge.save(doc),
    free: () => Automerge.free(doc),
  };
  docs.set(wrapped, () => doc);
  return wrapped;
}

/** @type {import('./library.mjs').Library} */
export const library = {
  name: 'automerge',
  lacks: {
    lite: 'has one module',
    'without removals': 'keeps the whole history',
    'plain state': 'always compresses its states',
    wire: 'its sync protocol is a conversation about heads, with no message for a single change',
  },
  init: async () => {},
  create: (options = {}) => open(beginning, options),
  load: (state, options = {}) => open(state, options),
  forms: (replica) => {
    const doc = docs.get(replica)?.();
    if (doc === undefined) throw new Error('expected a replica of this library');
    return { full: Automerge.save(doc), isCompressed: true };
  },
};
