// How a cell measures: processor time of a whole process, single calls, memory; and how it checks what came out. It knows no
// library.

/**
 * What a cell measured: figures by name, their unit last. Times are of the measured part alone.
 * @typedef {Record<string, number>} Measurement
 */

/** A run this long is its own warm-up; shorter ones are repeated. */
const longRun_ms = 2_000;
/** Before anything counts, so much time is spent on runs that don't; then so much on runs that do, and at most so many. */
const warmUp_ms = 1_000;
const measured_ms = 1_000;
const runsMax = 15;

/**
 * Processor time of all threads, user's and system's (`cpu_ms`), which other work on the machine changes less than the time that
 * went by (`wall_ms`): medians of repeated runs once the compilers have settled, for what a cell measures is the library, not how
 * a process starts. `first_ms` is the processor time of the first run, cold. Gives the last run's result.
 * @template T
 * @template B
 * @param {(prepared: B) => T} run
 * @param {() => B} [before] makes what each run starts from; not measured
 * @param {(result: T) => void} [dispose] gives back what a run has made, but for the last one; not measured
 * @returns {{ result: T, times: { cpu_ms: number, wall_ms: number, first_ms: number } }}
 */
export function measure(run, before = () => /** @type {B} */ (undefined), dispose = (_result) => {}) {
  // What was prepared isn't to be collected later. The second one finishes what the first leaves to other threads, whose time would
  // count. Not before each run: collecting what a run left behind throws away code that was optimised for it.
  globalThis.gc?.();
  globalThis.gc?.();
  let { result, ...first } = runOnce(run, before);
  let counted = [first];
  if (first.cpu_ms < longRun_ms) {
    for (let spent = first.cpu_ms; spent < warmUp_ms; ) {
      dispose(result);
      const { result: latest, ...times } = runOnce(run, before);
      result = latest;
      spent += Math.max(1, times.cpu_ms);
    }
    counted = [];
    for (let spent = 0; counted.length === 0 || (spent < measured_ms && counted.length < runsMax); ) {
      dispose(result);
      const { result: latest, ...times } = runOnce(run, before);
      result = latest;
      counted.push(times);
      spent += times.cpu_ms;
    }
  }
  const of = (/** @type {'cpu_ms' | 'wall_ms'} */ figure) => median(counted.map((times) => times[figure]));
  return { result, times: { cpu_ms: of('cpu_ms'), wall_ms: of('wall_ms'), first_ms: first.cpu_ms } };
}

/**
 * @template T
 * @template B
 * @param {(prepared: B) => T} run
 * @param {() => B} before
 */
function runOnce(run, before) {
  const prepared = before();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const result = run(prepared);
  const wall_ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { result, cpu_ms: (user + system) / 1000, wall_ms };
}

/** @param {readonly number[]} samples */
export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/**
 * Times single calls, after as many untimed ones as make the compiler settle.
 * @param {number} count
 * @param {() => void} action
 * @returns {Measurement}
 */
export function sample(count, action) {
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

/** Linear memories of all WebAssembly modules of this process, most of which their libraries keep to themselves. @type {WebAssembly.Memory[]} */
const memories = [];

/** Sees every linear memory that comes from now on: to be called before a library is loaded. */
export function watchMemories() {
  const Instance = WebAssembly.Instance;
  WebAssembly.Instance = /** @type {typeof Instance} */ (
    new Proxy(Instance, {
      construct(target, args) {
        const instance = Reflect.construct(target, args);
        if (instance.exports.memory instanceof WebAssembly.Memory) memories.push(instance.exports.memory);
        return instance;
      },
    })
  );
}

/** Bytes of the linear memories. */
export function linearMemory() {
  return memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
}

/**
 * What this process holds now, after collections until no more comes free: JavaScript's heap and array buffers, and how much of
 * the machine's memory is in use for it.
 */
export function processMemory() {
  let before = Number.POSITIVE_INFINITY;
  for (;;) {
    globalThis.gc?.();
    const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
    if (heapUsed + arrayBuffers >= before) return { heap: heapUsed + arrayBuffers, rss };
    before = heapUsed + arrayBuffers;
  }
}

/** A fast wrong answer is no result. @param {string} got @param {string} expected */
export function checkText(got, expected) {
  if (got === expected) return;
  throw new Error(`expected a text of ${expected.length} units, got another one of ${got.length}: the result is wrong`);
}

/** @param {Record<string, unknown>} got @param {Record<string, unknown>} expected */
export function checkMap(got, expected) {
  const sorted = (/** @type {Record<string, unknown>} */ map) =>
    JSON.stringify(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
  if (sorted(got) === sorted(expected)) return;
  throw new Error(`expected a map of ${Object.keys(expected).length} keys, got another one: the result is wrong`);
}

/** @param {readonly Uint8Array[]} updates */
export function totalBytes(updates) {
  return updates.reduce((sum, update) => sum + update.length, 0);
}
