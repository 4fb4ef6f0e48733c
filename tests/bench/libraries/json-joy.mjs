// json-joy in the benchmark, as its own ones use it (json-crdt/__bench__ in its repository: util/editors/json-joy.ts for local
// edits, util/concurrent-trace-patch-builder.ts for merging): edits through the API of a node, a patch `flush`ed after each
// transaction, in the binary codec, which is the smallest and the quickest of its patch codecs; `applyPatch` for one and
// `applyBatch` for many. The state is of the structural binary codec, the one behind `Model.toBinary` and `Model.load`.

import { Model, Patch, s } from 'json-joy/lib/json-crdt/index.js';

const schema = s.obj({ text: s.str(''), map: s.map({}) });

/** @type {WeakMap<import('./library.mjs').BenchReplica, Model>} */
const models = new WeakMap();

/** @param {Model} model @param {import('./library.mjs').ReplicaOptions} options @returns {import('./library.mjs').BenchReplica} */
function wrap(model, { send }) {
  // Found when they are first needed: who receives a document has none at first.
  /** @type {ReturnType<typeof model.api.str> | undefined} */
  let textNode;
  /** @type {ReturnType<typeof model.api.obj> | undefined} */
  let mapNode;
  const text = () => {
    textNode ??= model.api.str(['text']);
    return textNode;
  };
  const map = () => {
    mapNode ??= model.api.obj(['map']);
    return mapNode;
  };
  let isOpen = false;
  const flush = () => {
    if (isOpen) return;
    const patch = model.api.flush();
    if (send !== undefined) send(patch.toBinary());
  };
  /** @type {import('./library.mjs').BenchReplica} */
  const wrapped = {
    edit: (position, deleted, inserted) => {
      if (deleted > 0) text().del(position, deleted);
      if (inserted !== '') text().ins(position, inserted);
      flush();
    },
    set: (key, value) => {
      map().set({ [key]: value });
      flush();
    },
    transact: (edits) => {
      isOpen = true;
      edits();
      isOpen = false;
      flush();
    },
    apply: (update) => model.applyPatch(Patch.fromBinary(update)),
    applyAll: (updates) => model.applyBatch(updates.map((update) => Patch.fromBinary(update))),
    version: () => undefined,
    since: () => {
      throw new Error('json-joy tells no differences by version');
    },
    text: () => text().view(),
    map: () => /** @type {Record<string, unknown>} */ (map().view()),
    save: () => model.toBinary(),
    free: () => {},
  };
  models.set(wrapped, model);
  return wrapped;
}

/** @param {import('./library.mjs').ReplicaOptions} options */
function sidOf({ agent }) {
  // Sessions below 65,536 are reserved.
  return agent === undefined ? Model.sid() : 1_000_000 + agent;
}

/** @type {import('./library.mjs').Library} */
export const library = {
  name: 'json-joy',
  lacks: {
    lite: 'has one module',
    differences: 'tells no differences by version: who sends keeps the patches',
    'without removals': 'always writes the ids of what was deleted',
    'linear memory': 'is JavaScript, without a linear memory',
    wire: 'brings no wire of its own in its package',
  },
  init: async () => {},
  // What many begin together is written in the name of the session that all share, so that text and map are the same in each.
  // Who begins alone writes it as its own, which makes all that it sends later smaller; who receives that begins with nothing.
  create: (options = {}) => {
    const model = Model.create(undefined, sidOf(options));
    if (options.agent !== undefined) {
      model.setSchema(schema);
      model.api.flush();
    } else if (options.send !== undefined) {
      model.api.set(schema);
      options.send(model.api.flush().toBinary());
    }
    return wrap(model, options);
  },
  load: (state, options = {}) => wrap(Model.load(state, sidOf(options)), options),
  forms: (replica) => {
    const model = models.get(replica);
    if (model === undefined) throw new Error('expected a replica of this library');
    return { full: model.toBinary(), isCompressed: false };
  },
};
