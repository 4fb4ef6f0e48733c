// What a family of workloads says of itself. Each cell of it runs in a process of its own; what several of them begin with is
// prepared once per library in another process, so that no cell is warmed up by making its own input.

/**
 * What the run was started with.
 * @typedef {object} Context
 * @property {import('../trace.mjs').Trace} trace
 * @property {import('../concurrent-trace.mjs').ConcurrentTrace} concurrent
 * @property {number} seed
 */

/** Lists of updates, or single states, by name. @typedef {Record<string, readonly Uint8Array[]>} Input */

/**
 * @typedef {object} Workload
 * @property {string} name
 * @property {import('../libraries/library.mjs').Ability} needs
 * @property {(library: import('../libraries/library.mjs').Library, context: Context) => Input} [prepare]
 * @property {Record<string, Cell>} cells
 */

/**
 * @typedef {(library: import('../libraries/library.mjs').Library, context: Context, input: Input) => import('../measure.mjs').Measurement} Cell
 */

/** One that has to be there. @param {Input} input @param {string} name */
export function only(input, name) {
  const bytes = input[name]?.[0];
  if (bytes === undefined) throw new Error(`expected prepared "${name}"`);
  return bytes;
}

/** @param {Input} input @param {string} name */
export function all(input, name) {
  const list = input[name];
  if (list === undefined) throw new Error(`expected prepared "${name}"`);
  return list;
}

/** A replica that begins a document, and the list that its updates go to. @param {import('../libraries/library.mjs').Library} library */
export function writer(library) {
  /** @type {Uint8Array[]} */
  const updates = [];
  return { replica: library.create({ send: (update) => updates.push(update) }), updates };
}

/**
 * A replica that begins a document, and how many bytes of updates it gave: each is written behind the one before, as who sends or
 * stores it does, and let go of. A list of them all measures how the collector keeps hundreds of thousands of small arrays.
 * @param {import('../libraries/library.mjs').Library} library
 */
export function sender(library) {
  let log = new Uint8Array(65_536);
  let length = 0;
  const replica = library.create({
    send: (update) => {
      if (length + update.length > log.length) {
        const longer = new Uint8Array(2 * (length + update.length));
        longer.set(log);
        log = longer;
      }
      log.set(update, length);
      length += update.length;
    },
  });
  return { replica, bytesSent: () => length };
}
