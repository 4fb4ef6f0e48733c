// The rows of joinery/files: hashing and cutting against other libraries, all in this process and in turns, and hashing
// against native code in a process beside it. A figure of a round is that of the fastest of many short repetitions, which no
// other program on the machine has interrupted; what is compared is the median of the rounds' ratios.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { hash as jitHash } from 'blake3-jit';
import { createBLAKE3 } from 'hash-wasm';
import { chunkBytes, cutPoints, Hasher, hash, init } from 'joinery/files';

/**
 * What a ratio is of: a thing measured, ours and another's, and how much faster ours is meant to be.
 * @typedef {object} Comparison
 * @property {string} row
 * @property {string} other
 * @property {number} [goal]
 * @property {number} ours MB/s, the median
 * @property {number} theirs MB/s, the median
 * @property {number} ratio the median of the ratios
 */

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {number} [goal] how many times as fast ours is meant to be
 * @property {() => unknown | Promise<unknown>} run what is measured
 * @property {() => Promise<number>} [measure] the best time in milliseconds, where it isn't measured here
 * @property {() => string} [result] what every contestant of the row has to agree on
 */

const repetitions = 30;
const sizes = { '64 KiB': 1 << 16, '1 MiB': 1 << 20 };
const cutBytes = 4 << 20;
const crate = fileURLToPath(new URL('../../core-rs/crates/files', import.meta.url));

/**
 * @param {number} rounds
 * @returns {Promise<Comparison[]>}
 */
export async function measureFiles(rounds) {
  await init();
  const comparisons = [];
  for (const [label, length] of Object.entries(sizes)) {
    const contestants = await hashContestants(randomBytes(length));
    const native = startNative(length);
    if (native !== undefined) contestants.push(native);
    comparisons.push(...(await compare(`BLAKE3 of ${label}`, length, contestants, rounds)));
    native?.stop();
  }
  comparisons.push(...(await compare('FastCDC of 4 MiB', cutBytes, cutContestants(randomBytes(cutBytes)), rounds)));
  return comparisons;
}

/** @param {Uint8Array} bytes @returns {Promise<Contestant[]>} */
async function hashContestants(bytes) {
  const hex = (/** @type {Uint8Array} */ digest) => Buffer.from(digest).toString('hex');
  const hashWasm = await createBLAKE3();
  const fallback = await loadFallback();
  const ours = new Hasher();
  /** @type {readonly [name: string, goal: number | undefined, digest: () => Uint8Array][]} */
  const digests = [
    ['joinery', undefined, () => hash(bytes)],
    ['joinery, incremental', undefined, () => ours.reset().update(bytes).digest()],
    ['joinery without vectors', undefined, () => fallback.hash(bytes)],
    ['blake3-jit', 1.5, () => jitHash(bytes)],
    ['hash-wasm', 2, () => hashWasm.init().update(bytes).digest('binary')],
  ];
  return digests.map(([name, goal, run]) => ({ name, ...(goal && { goal }), run, result: () => hex(run()) }));
}

/** @param {Uint8Array} bytes @returns {Contestant[]} */
function cutContestants(bytes) {
  const { compute_chunks: computeChunks } = createRequire(import.meta.url)('@dstanesc/wasm-chunking-fastcdc-node');
  const ends = () => cutPoints(bytes).join();
  return [
    { name: 'joinery', run: () => cutPoints(bytes), result: ends },
    {
      name: 'joinery, hashes too',
      run: () => chunkBytes(bytes),
      result: () =>
        chunkBytes(bytes)
          .map(({ offset, length }) => offset + length)
          .join(),
    },
    {
      // An older FastCDC, whose cuts are others: it is held to cover the input.
      name: '@dstanesc/wasm-chunking-fastcdc-node',
      goal: 1.2,
      run: () => computeChunks(bytes, 16_384, 65_536, 262_144),
      result() {
        const offsets = [...computeChunks(bytes, 16_384, 65_536, 262_144)];
        const sound = offsets.every((offset, index) => index === 0 || offset - offsets[index - 1] <= 262_144);
        return sound && offsets[0] === 0 && offsets.at(-1) === bytes.length ? ends() : 'no cover of the input';
      },
    },
  ];
}

/**
 * @param {string} row
 * @param {number} bytes
 * @param {readonly Contestant[]} contestants the first one is ours
 * @param {number} rounds
 * @returns {Promise<Comparison[]>}
 */
async function compare(row, bytes, contestants, rounds) {
  const [ours] = contestants;
  if (ours === undefined) return [];
  const expected = ours.result?.();
  for (const { name, result } of contestants) {
    const got = result?.();
    if (got !== undefined && got !== expected)
      throw new Error(`${row}: ${name} gives ${got}, ${ours.name} ${expected}`);
  }
  /** @type {Map<string, number[]>} */
  const speeds = new Map(contestants.map(({ name }) => [name, []]));
  // The first round is for the compilers.
  for (let round = -1; round < rounds; round++) {
    for (const contestant of contestants) {
      const best_ms = await (contestant.measure?.() ?? measure(contestant.run));
      if (round >= 0) speeds.get(contestant.name)?.push(bytes / 1000 / best_ms);
    }
  }
  const own = speeds.get(ours.name) ?? [];
  return contestants.slice(1).map(({ name, goal }) => {
    const theirs = speeds.get(name) ?? [];
    const ratios = own.map((speed, round) => speed / (theirs[round] ?? Number.NaN));
    return {
      row,
      other: name,
      ...(goal && { goal }),
      ours: median(own),
      theirs: median(theirs),
      ratio: median(ratios),
    };
  });
}

/** @param {() => unknown} run */
function measure(run) {
  let best_ms = Number.POSITIVE_INFINITY;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const start = performance.now();
    run();
    best_ms = Math.min(best_ms, performance.now() - start);
  }
  return best_ms;
}

/**
 * The crate `blake3` with whatever this processor has, or nothing where there is no cargo.
 * @param {number} bytes
 * @returns {(Contestant & { stop: () => void }) | undefined}
 */
function startNative(bytes) {
  const built = spawnSync('cargo', ['build', '--release', '--quiet', '--locked', '--example', 'measure'], {
    cwd: crate,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (built.status !== 0) {
    console.log('cargo could not build the native example: no comparison with native code');
    return undefined;
  }
  const program = join(crate, 'target', 'release', 'examples', 'measure');
  const child = spawn(program, [String(bytes)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const expected = Buffer.from(hash(randomBytes(bytes))).toString('hex');
  return {
    name: 'native',
    goal: 1 / 3, // of all that the processor has, AVX-512 on servers
    run: () => {},
    async measure() {
      child.stdin.write(`${repetitions}\n`);
      const [line] = await once(lines, 'line');
      const [nanoseconds, digest] = line.split(' ');
      if (digest !== expected) throw new Error(`native code gives ${digest}, joinery ${expected}`);
      return Number(nanoseconds) / 1e6;
    },
    stop: () => child.stdin.end(),
  };
}

/** A second instance of joinery/files, of the module that is for browsers without vectors. */
async function loadFallback() {
  const path = fileURLToPath(import.meta.resolve('joinery/files'));
  const { FilesModule } = await import(join(path, '..', 'module.js'));
  const wasm = readFileSync(join(path, '..', 'pkg', 'joinery_files.wasm'));
  /** @type {import('../../sdk/src/files/module.ts').FilesModule} */
  const module = await FilesModule.instantiate(await WebAssembly.compile(wasm));
  const handle = module.check(module.exports.create_hasher());
  return {
    hash(/** @type {Uint8Array} */ bytes) {
      module.exports.reset(handle);
      module.stageEach(bytes, (length) => module.check(module.exports.update(handle, length)));
      module.exports.digest(handle, 32);
      return module.staged(32);
    },
  };
}

/** Xorshift32 from seed 1, as native code makes its input. @param {number} length */
function randomBytes(length) {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  });
}

/** @param {readonly number[]} samples */
function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
