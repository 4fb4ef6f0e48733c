// Editing traces of several agents: a recorded one from a file, or a synthetic one from a seed. What each agent's replica has to
// merge before a transaction is worked out here, once, for all libraries. It applies nothing.

import { mulberry32, readTraceFile } from './trace.mjs';

/** The transaction of an agent by its number among that agent's. @typedef {{ agent: number, index: number }} Dot */

/**
 * @typedef {object} ConcurrentTransaction
 * @property {number} agent
 * @property {readonly Dot[]} arriving what the agent's replica merges before it writes
 * @property {readonly import('./trace.mjs').Edit[]} edits
 */

/**
 * @typedef {object} ConcurrentTrace
 * @property {string} name
 * @property {number} agents
 * @property {readonly ConcurrentTransaction[]} transactions
 * @property {readonly (readonly Dot[])[]} atEnd what each agent lacks behind the last transaction
 * @property {string} endContent the text after all is merged, but for the order of what was written at one place at once
 */

/**
 * A transaction as the file has it.
 * @typedef {object} Recorded
 * @property {readonly number[]} parents indices of transactions before it
 * @property {number} agent
 * @property {readonly (readonly [position: number, deleted: number, inserted: string])[]} patches
 */

/**
 * Reads a concurrent trace: `{kind: "concurrent", numAgents, endContent, txns: [{parents, agent, patches}]}`.
 * @param {string} path
 * @returns {ConcurrentTrace}
 */
export function readConcurrentTrace(path) {
  const { name, file } = readTraceFile(path);
  if (file.kind !== 'concurrent') throw new Error(`expected a concurrent editing trace in ${path}`);
  return arrange(name, file.numAgents, file.txns, file.endContent);
}

/**
 * Works out what arrives when.
 * @param {string} name
 * @param {number} agents
 * @param {readonly Recorded[]} recorded
 * @param {string} endContent
 * @returns {ConcurrentTrace}
 */
function arrange(name, agents, recorded, endContent) {
  /** @type {Dot[]} */
  const dots = [];
  /** Of each transaction: how many transactions of each agent it has seen, its own included. @type {number[][]} */
  const versions = [];
  const nothing = new Array(agents).fill(0);
  /** How far each agent's replica is, and how much each has written. */
  const replicas = Array.from({ length: agents }, () => [...nothing]);
  const heads = [...nothing];
  /** Agents' transactions by their place in the file. @type {number[][]} */
  const places = Array.from({ length: agents }, () => []);

  const missing = (/** @type {number[]} */ has, /** @type {readonly number[]} */ wanted) => {
    const found = wanted.flatMap((count, other) => (places[other] ?? []).slice(has[other] ?? 0, count));
    // What an earlier one rests on comes before it.
    found.sort((a, b) => a - b);
    for (const [other, count] of wanted.entries()) has[other] = Math.max(has[other] ?? 0, count);
    return found.map((place) => dots[place] ?? { agent: 0, index: 0 });
  };

  const transactions = recorded.map(({ parents, agent, patches }, place) => {
    const version = [...nothing];
    for (const parent of parents) {
      for (const [other, count] of (versions[parent] ?? []).entries()) {
        version[other] = Math.max(version[other] ?? 0, count);
      }
    }
    const has = replicas[agent];
    if (has === undefined) throw new Error(`expected an agent below ${agents}, found ${agent}`);
    if (version.some((count, other) => count < (has[other] ?? 0))) {
      throw new Error(`expected transaction ${place} of ${name} to follow what its agent had seen`);
    }
    const arriving = missing(has, version);
    const index = heads[agent] ?? 0;
    heads[agent] = index + 1;
    has[agent] = index + 1;
    version[agent] = index + 1;
    dots.push({ agent, index });
    versions.push(version);
    places[agent]?.push(place);
    const edits = patches.map(([position, deleted, inserted]) => ({ position, deleted, inserted }));
    return { agent, arriving, edits };
  });
  const atEnd = replicas.map((has) => missing(has, heads));
  return { name, agents, transactions, atEnd, endContent };
}

/**
 * Several people write at the same time, and hear of each other now and then. Each deletes only what it has just typed itself, so
 * that how long a text is follows from what was merged, whatever order a library gives to what was typed at one place.
 * @param {number} count how many transactions
 * @param {number} agents
 * @param {number} seed the same seed gives the same trace
 * @returns {ConcurrentTrace}
 */
export function synthesizeConcurrentTrace(count, agents, seed) {
  const random = mulberry32(seed);
  const below = (/** @type {number} */ limit) => Math.floor(random() * limit);
  /** Of each agent: the places of its transactions, and the length that each of these has added. */
  const own = Array.from({ length: agents }, () => /** @type {{ place: number, added: number }[]} */ ([]));
  const writers = own.map(() => ({ seen: new Array(agents).fill(0), length: 0, cursor: 0, typed: 0 }));
  /** @type {Recorded[]} */
  const recorded = [];
  const hear = (/** @type {number} */ agent, /** @type {number} */ other) => {
    const writer = writers[agent];
    const theirs = writers[other];
    if (writer === undefined || theirs === undefined) return;
    // Whoever is heard passes on what it has heard.
    const known = theirs.seen.map((seen, of) => (of === other ? (own[of]?.length ?? 0) : seen));
    for (const [of, upTo] of known.entries()) {
      if (of === agent) continue;
      for (const { added } of (own[of] ?? []).slice(writer.seen[of], upTo)) writer.length += added;
      writer.seen[of] = Math.max(writer.seen[of] ?? 0, upTo);
    }
    writer.cursor = below(writer.length + 1);
    writer.typed = 0;
  };
  for (let place = 0; place < count; place++) {
    const agent = below(agents);
    const writer = writers[agent];
    const mine = own[agent];
    if (writer === undefined || mine === undefined) continue;
    const parents = new Set(mine.length === 0 ? [] : [mine.at(-1)?.place ?? 0]);
    if (random() < 0.05) {
      const other = (agent + 1 + below(agents - 1)) % agents;
      const last = own[other]?.at(-1);
      if (last !== undefined) parents.add(last.place);
      hear(agent, other);
    }
    const isDeletion = writer.typed > 0 && random() < 0.1;
    const added = isDeletion ? -1 : 1;
    if (isDeletion) writer.cursor -= 1;
    const patch = /** @type {const} */ ([
      writer.cursor,
      isDeletion ? 1 : 0,
      isDeletion ? '' : 'etaoin shr'.charAt(below(10)),
    ]);
    recorded.push({ parents: [...parents], agent, patches: [patch] });
    mine.push({ place, added });
    writer.length += added;
    writer.typed += added;
    if (!isDeletion) writer.cursor += 1;
    if (random() < 0.05) {
      writer.cursor = below(writer.length + 1);
      writer.typed = 0;
    }
  }
  const length = own.flat().reduce((sum, { added }) => sum + added, 0);
  return arrange(`synthetic-${count}-of-${agents}-seed-${seed}`, agents, recorded, ' '.repeat(length));
}
