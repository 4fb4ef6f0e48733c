// One cell of the benchmark: one workload for one library, measured once, in a process of its own (so no cell warms up or
// fills the heap of another). It prints one line of JSON; core-rows.mjs starts it and takes medians.
//
//   node --expose-gc cell.mjs '{"cell": "type", "library": "yjs", "trace": …, "folder": "/tmp/…"}'

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConcurrentTrace, synthesizeConcurrentTrace } from './concurrent-trace.mjs';
import { openLibrary } from './libraries/library.mjs';
import { watchMemories } from './measure.mjs';
import { openTrace } from './trace.mjs';
import { workloadOf } from './workloads/workloads.mjs';

/**
 * What a cell is told.
 * @typedef {object} CellOptions
 * @property {string} cell
 * @property {boolean} [prepares] writes what the cells of its family begin with, and measures nothing
 * @property {string} library
 * @property {import('./trace.mjs').TraceSource} trace
 * @property {import('./trace.mjs').TraceSource} concurrent
 * @property {number} seed
 * @property {string} folder for what is prepared
 */

/** How many people write in a synthetic trace of several. */
const syntheticAgents = 2;

/** @type {CellOptions} */
const options = JSON.parse(process.argv[2] ?? '{}');
watchMemories();
const library = await openLibrary(options.library);
await library.init();
const workload = workloadOf(options.cell);
/** Traces are read by who needs them. @type {import('./workloads/workload.mjs').Context} */
const context = {
  get trace() {
    return openTrace(options.trace);
  },
  get concurrent() {
    const source = options.concurrent;
    if ('file' in source) return readConcurrentTrace(source.file);
    return synthesizeConcurrentTrace(source.count, syntheticAgents, source.seed);
  },
  seed: options.seed,
};
const path = join(options.folder, `${library.name}.${workload.name}`);
if (options.prepares) {
  const input = workload.prepare?.(library, context) ?? {};
  for (const [name, list] of Object.entries(input)) writeList(`${path}.${name}`, list);
  writeFileSync(path, JSON.stringify(Object.keys(input)));
} else {
  /** @type {string[]} */
  const names = workload.prepare === undefined ? [] : JSON.parse(readFileSync(path, 'utf8'));
  /** Read when they are asked for: some cells measure memory. @type {import('./workloads/workload.mjs').Input} */
  const input = {};
  for (const name of names) {
    /** @type {Uint8Array[] | undefined} */
    let list;
    Object.defineProperty(input, name, {
      get: () => {
        list ??= readList(`${path}.${name}`);
        return list;
      },
    });
  }
  const run = workload.cells[options.cell];
  if (run === undefined) throw new Error(`no such cell: ${options.cell}`);
  console.log(JSON.stringify(run(library, context, input)));
}

/** Each after its length as four bytes. @param {string} path @param {readonly Uint8Array[]} list */
function writeList(path, list) {
  const parts = list.flatMap((bytes) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [length, bytes];
  });
  writeFileSync(path, Buffer.concat(parts));
}

/** @param {string} path */
function readList(path) {
  const bytes = readFileSync(path);
  const list = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = bytes.readUInt32LE(offset);
    // A copy: a view would keep the whole file's buffer alive in whatever holds on to it.
    list.push(new Uint8Array(bytes.subarray(offset + 4, offset + 4 + length)));
    offset += 4 + length;
  }
  return list;
}
