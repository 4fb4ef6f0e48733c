// Editing traces of one writer: a recorded one from a file, or a synthetic one from a seed. Both come as flat edits. It applies
// nothing; traces of several agents are concurrent-trace.mjs.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/**
 * @typedef {object} Edit
 * @property {number} position in UTF-16 units
 * @property {number} deleted how many units are deleted there first
 * @property {string} inserted what is inserted there then
 */

/**
 * @typedef {object} Trace
 * @property {string} name
 * @property {readonly Edit[]} edits from the empty text on
 * @property {string} endContent the text after the last edit
 */

/**
 * The content of a trace's file, gzipped or not, and the trace's name.
 * @param {string} path
 */
export function readTraceFile(path) {
  const bytes = readFileSync(path);
  const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const file = JSON.parse((gzipped ? gunzipSync(bytes) : bytes).toString('utf8'));
  if (!Array.isArray(file.txns)) throw new Error(`expected an editing trace in ${path}`);
  return { name: path.replace(/^.*[\\/]/, '').replace(/\.json(\.gz)?$/, ''), file };
}

/**
 * Reads a sequential trace: `{startContent, endContent, txns: [{patches: [[position, deleted, inserted]]}]}`.
 * @param {string} path
 * @returns {Trace}
 */
export function readTrace(path) {
  const { name, file } = readTraceFile(path);
  if (file.kind === 'concurrent') throw new Error(`expected a sequential editing trace in ${path}`);
  /** @type {Edit[]} */
  const edits = file.startContent === '' ? [] : [{ position: 0, deleted: 0, inserted: file.startContent }];
  for (const { patches } of file.txns) {
    for (const [position, deleted, inserted] of patches) edits.push({ position, deleted, inserted });
  }
  return { name, edits, endContent: file.endContent };
}

/** Where a trace comes from. @typedef {{ file: string } | { count: number, seed: number }} TraceSource */

/** @param {TraceSource} source @returns {Trace} */
export function openTrace(source) {
  return 'file' in source ? readTrace(source.file) : synthesizeTrace(source.count, source.seed);
}

/**
 * Writes as a person does: bursts of typing with now and then a correction, and jumps to other places.
 * @param {number} count how many edits
 * @param {number} seed the same seed gives the same trace
 * @returns {Trace}
 */
export function synthesizeTrace(count, seed) {
  const random = mulberry32(seed);
  const below = (/** @type {number} */ limit) => Math.floor(random() * limit);
  const letters = 'eeeetttaaaooiinnsshhrrdlucmfwypvbgk     ,.\n';
  /** @type {Edit[]} */
  const edits = [];
  let text = '';
  let cursor = 0;
  while (edits.length < count) {
    if (random() < 0.02) cursor = below(text.length + 1);
    if (random() < 0.2 && cursor > 0) {
      cursor -= 1;
      edits.push({ position: cursor, deleted: 1, inserted: '' });
      text = text.slice(0, cursor) + text.slice(cursor + 1);
    } else {
      const inserted = letters.charAt(below(letters.length));
      edits.push({ position: cursor, deleted: 0, inserted });
      text = text.slice(0, cursor) + inserted + text.slice(cursor);
      cursor += 1;
    }
  }
  return { name: `synthetic-${count}-seed-${seed}`, edits, endContent: text };
}

/** A small generator of numbers in [0, 1) from a seed. @param {number} seed */
export function mulberry32(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
