// One cell of the benchmark: one row for one library, measured once, in a process of its own (so no cell warms up or
// fills the heap of another). It prints one line of JSON; bench.mjs starts it and takes medians.
//
//   node cell.mjs '{"row": "type", "library": "yjs", "trace": …, "folder": "/tmp/…"}'

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openLibrary } from './libraries/library.mjs';
import { mulberry32, readTrace, synthesizeTrace } from './trace.mjs';

/**
 * What a cell measured. Times are of the measured part alone.
 * @typedef {object} Measurement
 * @property {number} [cpu_ms] of the whole process: user and system, every thread
 * @property {number} [wall_ms]
 * @property {number} [bytes] how much the result weighs: all updates, or the snapshot
 * @property {number} [p50_us] of single calls
 * @property {number} [p99_us]
 * @property {number} [max_us]
 */

/**
 * What a cell is told.
 * @typedef {object} CellOptions
 * @property {string} row
 * @property {string} library
 * @property {TraceSource} trace
 * @property {string} folder where `prepare` leaves what `remote` and `load` start from
 */

/** @typedef {{ file: string } | { count: number, seed: number }} TraceSource */

/** @type {Record<string, (library: import('./libraries/library.mjs').Library, options: CellOptions) => Measurement>} */
const rows = {
  // Not a row of the table: it writes the input of other rows.
  prepare: (library, options) => {
    const { replica, updates } = typeTrace(library, openTrace(options.trace));
    writeUpdates(join(options.folder, `${library.name}.updates`), updates);
    writeFileSync(join(options.folder, `${library.name}.snapshot`), replica.snapshot());
    return {};
  },

  // Every edit of the trace is made here, and its update taken.
  type: (library, options) => {
    const trace = openTrace(options.trace);
    const { result, ...times } = measure(() => typeTrace(library, trace));
    check(result.replica.text(), trace.endContent);
    return { ...times, bytes: result.updates.reduce((sum, update) => sum + update.length, 0) };
  },

  // Every edit's update arrives from elsewhere, one by one.
  remote: (library, options) => {
    const trace = openTrace(options.trace);
    const updates = readUpdates(join(options.folder, `${library.name}.updates`));
    const { result, ...times } = measure(() => {
      const replica = library.create();
      for (const update of updates) replica.apply(update);
      return replica.text();
    });
    check(result, trace.endContent);
    return times;
  },

  // A snapshot becomes a replica, and its text is read.
  load: (library, options) => {
    const trace = openTrace(options.trace);
    const snapshot = new Uint8Array(readFileSync(join(options.folder, `${library.name}.snapshot`)));
    const { result, ...times } = measure(() => library.load(snapshot).text());
    check(result, trace.endContent);
    return { ...times, bytes: snapshot.length };
  },

  // A number under one of 1,000 keys, with its update.
  'map set': (library) => {
    const random = mulberry32(1);
    const replica = library.create();
    let call = 0;
    return sample(5_000, () => {
      replica.set(`key ${Math.floor(random() * 1000)}`, call++);
      replica.takeUpdates();
    });
  },

  // One character at random places of a text of 100,000, with its update: what one key press costs.
  'insert in 100,000 characters': (library) => {
    const random = mulberry32(1);
    const replica = library.create();
    const letters = Array.from({ length: 100_000 }, () => String.fromCharCode(97 + Math.floor(random() * 26)));
    replica.insert(0, letters.join(''));
    replica.takeUpdates();
    let length = 100_000;
    const samples = sample(5_000, () => {
      replica.insert(Math.floor(random() * length), 'x');
      replica.takeUpdates();
      length += 1;
    });
    check(String(replica.text().length), String(length));
    return samples;
  },
};

/** @param {TraceSource} source */
function openTrace(source) {
  return 'file' in source ? readTrace(source.file) : synthesizeTrace(source.count, source.seed);
}

/**
 * @param {import('./libraries/library.mjs').Library} library
 * @param {import('./trace.mjs').Trace} trace
 */
function typeTrace(library, trace) {
  const replica = library.create();
  /** @type {Uint8Array[]} */
  const updates = [];
  for (const { position, deleted, inserted } of trace.edits) {
    if (deleted > 0) replica.delete(position, deleted);
    if (inserted !== '') replica.insert(position, inserted);
    for (const update of replica.takeUpdates()) updates.push(update);
  }
  return { replica, updates };
}

/**
 * @template T
 * @param {() => T} action
 */
function measure(action) {
  globalThis.gc?.();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const result = action();
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { result, cpu_ms: (user + system) / 1000, wall_ms: wall };
}

/**
 * Times single calls, after as many untimed ones as make the compiler settle.
 * @param {number} count
 * @param {() => void} action
 * @returns {Measurement}
 */
function sample(count, action) {
  for (let call = 0; call < count / 5; call++) action();
  const times = new Float64Array(count);
  for (let call = 0; call < count; call++) {
    const start = performance.now();
    action();
    times[call] = performance.now() - start;
  }
  times.sort();
  const at = (/** @type {number} */ share) => (times[Math.min(count - 1, Math.floor(count * share))] ?? 0) * 1000;
  return { p50_us: at(0.5), p99_us: at(0.99), max_us: at(1) };
}

/** A fast wrong answer is no result. @param {string} got @param {string} expected */
function check(got, expected) {
  if (got === expected) return;
  throw new Error(`expected a text of ${expected.length} units, got another one of ${got.length}: the result is wrong`);
}

/** Each update after its length as four bytes. @param {string} path @param {readonly Uint8Array[]} updates */
function writeUpdates(path, updates) {
  const parts = updates.flatMap((update) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(update.length);
    return [length, update];
  });
  writeFileSync(path, Buffer.concat(parts));
}

/** @param {string} path */
function readUpdates(path) {
  const bytes = readFileSync(path);
  const updates = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = bytes.readUInt32LE(offset);
    // A copy: a view would keep the whole file's buffer alive in whatever holds on to the update.
    updates.push(new Uint8Array(bytes.subarray(offset + 4, offset + 4 + length)));
    offset += 4 + length;
  }
  return updates;
}

/** @type {CellOptions} */
const options = JSON.parse(process.argv[2] ?? '{}');
const run = rows[options.row];
if (run === undefined) throw new Error(`expected a row of ${Object.keys(rows).join(', ')}, got "${options.row}"`);
const library = await openLibrary(options.library);
await library.init();
console.log(JSON.stringify(run(library, options)));
