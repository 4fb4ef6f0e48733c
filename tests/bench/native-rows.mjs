// `npm run bench -- --row native`: the core without JavaScript and WebAssembly (core-rs/crates/bench, with criterion), and how much
// longer the same text takes through both. It needs cargo, and the crates of that benchmark once from the network.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const crate = fileURLToPath(new URL('../../core-rs/crates/bench', import.meta.url));
const results = join(crate, 'target', 'criterion');
const patience_ms = 1_800_000;

/** At most a third of what the system that this project is to surpass says of itself, in nanoseconds. @type {Readonly<Record<string, number>>} */
const goals_ns = {
  'single LWW set': 371 / 3,
  'merge of 100 fields': 74_000 / 3,
  'batch of 1,000 sets': 533_000 / 3,
  'delta of 100 fields': 68_000 / 3,
  'vector clock tick': 133 / 3,
};
/** How many times as long as natively the same text may take. */
const wasmGoal = 1.5;
const liveGoal_bytes = 900_000;
const typed = 'text B4/type, an update per edit';

/**
 * @typedef {object} Native
 * @property {Record<string, { median_ns: number, goal_ns?: number }>} benchmarks
 * @property {{ loaded_live_bytes: number, edited_live_bytes: number }} memory of the loaded text
 * @property {number} [wasmToNative]
 */

/**
 * Measures and prints.
 * @param {import('./trace.mjs').Trace} trace
 * @param {number | undefined} wasm_ms what typing the trace takes through `joinery/core`
 * @returns {Native}
 */
export function measureNative(trace, wasm_ms) {
  const folder = mkdtempSync(join(tmpdir(), 'joinery-bench-'));
  try {
    const file = join(folder, 'trace');
    writeFileSync(file, packed(trace));
    const cargo = (/** @type {readonly string[]} */ args) =>
      execFileSync('cargo', args, {
        cwd: crate,
        encoding: 'utf8',
        env: { ...process.env, JOINERY_TRACE: file, CARGO_TARGET_DIR: join(crate, 'target') },
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout: patience_ms,
      });
    rmSync(results, { recursive: true, force: true });
    cargo(['bench', '--quiet']);
    const memory = JSON.parse(cargo(['run', '--release', '--quiet']).trim().split('\n').at(-1) ?? '{}');
    const benchmarks = readResults();
    return print({ benchmarks, memory }, wasm_ms);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What criterion has written. @returns {Native['benchmarks']} */
function readResults() {
  /** @type {Native['benchmarks']} */
  const found = {};
  for (const entry of readdirSync(results, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.name !== 'benchmark.json' || !path.includes(`${join('new', 'benchmark.json')}`)) continue;
    const { full_id: id } = JSON.parse(readFileSync(path, 'utf8'));
    const estimates = join(entry.parentPath, 'estimates.json');
    if (!existsSync(estimates)) continue;
    const goal_ns = goals_ns[id];
    const median_ns = JSON.parse(readFileSync(estimates, 'utf8')).median.point_estimate;
    found[id] = { median_ns, ...(goal_ns !== undefined && { goal_ns }) };
  }
  return found;
}

/** @param {Native} native @param {number | undefined} wasm_ms @returns {Native} */
function print(native, wasm_ms) {
  const verdict = (/** @type {number} */ value, /** @type {number} */ goal, /** @type {string} */ said) =>
    ` (goal ≤ ${said}: ${value <= goal ? 'met' : 'MISSED'})`;
  for (const [name, { median_ns, goal_ns }] of Object.entries(native.benchmarks)) {
    const goal = goal_ns === undefined ? '' : verdict(median_ns, goal_ns, inUnits(goal_ns));
    console.log(`native ${name}: ${inUnits(median_ns)}${goal}`);
  }
  const { loaded_live_bytes: live, edited_live_bytes: edited } = native.memory;
  const told = `${live.toLocaleString('en')} bytes live, ${edited.toLocaleString('en')} after an edit`;
  console.log(`native text loaded: ${told}${verdict(live, liveGoal_bytes, liveGoal_bytes.toLocaleString('en'))}`);
  const native_ns = native.benchmarks[typed]?.median_ns;
  if (wasm_ms === undefined || native_ns === undefined) return native;
  const wasmToNative = (wasm_ms * 1e6) / native_ns;
  const goal = verdict(wasmToNative, wasmGoal, wasmGoal.toFixed(1));
  console.log(`WebAssembly ÷ native, text typed with an update per edit: ${wasmToNative.toFixed(2)}${goal}\n`);
  return { ...native, wasmToNative };
}

/** @param {number} ns */
function inUnits(ns) {
  if (ns >= 1e6) return `${(ns / 1e6).toFixed(2)} ms`;
  return ns >= 1e3 ? `${(ns / 1e3).toFixed(2)} µs` : `${ns.toFixed(1)} ns`;
}

/** The edits as varints, as core-rs/crates/bench/src/lib.rs reads them. @param {import('./trace.mjs').Trace} trace */
function packed(trace) {
  /** @type {number[]} */
  const bytes = [];
  const varint = (/** @type {number} */ number) => {
    let rest = number;
    while (rest >= 0x80) {
      bytes.push((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    bytes.push(rest);
  };
  for (const { position, deleted, inserted } of trace.edits) {
    for (const number of [position, deleted, inserted.length]) varint(number);
    for (let unit = 0; unit < inserted.length; unit++) varint(inserted.charCodeAt(unit));
  }
  return Uint8Array.from(bytes);
}
