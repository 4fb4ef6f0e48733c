// The rows of the table of libraries, and the goals that this project has set itself for them (docs/performance.md says where
// they come from). Absolute goals of the text rows are meant for one trace, and judged with that one only.

/** @typedef {import('./libraries/library.mjs').Ability} Ability */

/**
 * At most `factor` times what another library takes, or at most a number.
 * @typedef {{ than: string, factor: number } | { atMost: number, trace?: string }} Goal
 */

/**
 * @typedef {object} Row
 * @property {string} title
 * @property {string} cell the workload's cell; rows that share one are measured together
 * @property {string} figure one that the cell gives, its unit last
 * @property {readonly Goal[]} goals
 * @property {readonly Ability[]} needs why a library may have no figure
 */

/** Whatever library is the best of the others in the row. */
export const bestOther = 'best';
const paper = 'automerge-paper';
const noGoal = /** @type {const} */ ([]);

/** @param {number} factor @returns {Goal} */
const ofBest = (factor) => ({ than: bestOther, factor });
/** @param {number} number @returns {Goal} */
const onPaper = (number) => ({ atMost: number, trace: paper });

/** @type {(title: string, cell: string, figure: string, goals?: readonly Goal[], needs?: readonly Ability[]) => Row} */
const row = (title, cell, figure, goals = noGoal, needs = ['text']) => ({ title, cell, figure, goals, needs });

const typeGoals = [
  { than: 'json-joy', factor: 0.7 },
  { than: 'yjs', factor: 1 / 15 },
];

/** @type {readonly Row[]} */
export const coreRows = [
  row('type, an update per edit', 'type', 'cpu_ms', typeGoals),
  row('  all updates kept', 'type, kept', 'cpu_ms', typeGoals),
  row('  all those updates', 'type', 'bytes', [onPaper(4_600_000)]),
  row('batch', 'batch', 'cpu_ms', [ofBest(0.8)]),
  row('remote, one by one', 'remote', 'cpu_ms', [ofBest(0.6)]),
  row('bulk', 'bulk', 'cpu_ms', [ofBest(0.3)]),
  row('encode whole state', 'encode', 'cpu_ms', [ofBest(1)]),
  row('load to text', 'load', 'cpu_ms', [ofBest(1)]),
  row('load to first edit', 'first edit', 'cpu_ms', [ofBest(0.7)]),
  row('state, no compressor', 'sizes', 'plain_bytes', [onPaper(155_000)], ['text', 'plain state']),
  row(
    '  without removal records',
    'sizes',
    'plain_without_bytes',
    [onPaper(142_000)],
    ['text', 'without removals', 'plain state'],
  ),
  row('state, compressed', 'sizes', 'packed_bytes', [onPaper(68_000)]),
  row('  without removal records', 'sizes', 'packed_without_bytes', [onPaper(58_000)], ['text', 'without removals']),
  row('loaded: linear memory', 'memory', 'loaded_linear_bytes', [onPaper(2_400_000)], ['text', 'linear memory']),
  row('  of which grown', 'memory', 'loaded_grown_linear_bytes', noGoal, ['text', 'linear memory']),
  row('  heap and linear memory', 'memory', 'loaded_held_bytes'),
  row('edited: heap and linear memory', 'memory', 'edited_held_bytes'),
  row('  process memory', 'memory', 'edited_rss_bytes', [onPaper(6_000_000)]),
  row('merge, one by one', 'merge', 'cpu_ms', [ofBest(0.7)]),
  row('merge, bulk', 'merge bulk', 'cpu_ms', [ofBest(0.7)]),
  row('merge, the whole session', 'merge session', 'cpu_ms'),
  row('B1 append, local', 'B1 append, local', 'cpu_ms', [ofBest(1)]),
  row('  an update', 'B1 append, local', 'bytes_per_update'),
  row('B1 append, remote', 'B1 append, remote', 'cpu_ms', [ofBest(1)]),
  row('B1 random insert, local', 'B1 random insert, local', 'cpu_ms'),
  row('  an update', 'B1 random insert, local', 'bytes_per_update', [{ atMost: 19 }]),
  row('  on the wire', 'wire', 'random_insert_bytes', [{ atMost: 28 }], ['text', 'wire']),
  row('  an append on the wire', 'wire', 'append_bytes', [{ atMost: 28 }], ['text', 'wire']),
  row('  its acknowledgement', 'wire', 'ack_bytes', [], ['text', 'wire']),
  row('B1 random insert, remote', 'B1 random insert, remote', 'cpu_ms'),
  row('B1 random edits, local', 'B1 random edits, local', 'cpu_ms', [ofBest(1)]),
  row('B1 random edits, remote', 'B1 random edits, remote', 'cpu_ms', [ofBest(1)]),
  row('B2 two typing, by version', 'B2', 'cpu_ms', [ofBest(0.8)], ['text', 'differences']),
  row('  all differences', 'B2', 'bytes', [{ atMost: 200_000 }], ['text', 'differences']),
  row('B3 one key, one by one', 'B3 one key', 'cpu_ms', [ofBest(1)], ['map']),
  row('B3 one key, bulk', 'B3 one key, bulk', 'cpu_ms', [ofBest(1)], ['map']),
  row('B3 own keys, one by one', 'B3 own keys', 'cpu_ms', [ofBest(1)], ['map']),
  row('B3 own keys, bulk', 'B3 own keys, bulk', 'cpu_ms', [ofBest(1)], ['map']),
  row('B3 text, one by one', 'B3 text', 'cpu_ms'),
  row('B3 text, bulk', 'B3 text, bulk', 'cpu_ms'),
  row('map, 10,000 sets', 'map local', 'cpu_ms', [ofBest(0.7)], ['map']),
  row('map, remote', 'map remote', 'cpu_ms', [ofBest(0.7)], ['map']),
  row('map, state', 'map local', 'bytes', [{ atMost: 23_000 }], ['map']),
  row('map, merge of 100 + 100', 'map merge', 'cpu_ms', [ofBest(0.7)], ['map']),
  ...['p50_us', 'p99_us', 'max_us'].flatMap((figure) => [
    row('map set, a call', 'map set', figure, noGoal, ['map']),
    row('insert in 100,000 characters, a call', 'insert in 100,000 characters', figure),
  ]),
];

/** What an app loads. `modules` is measured without processes and rounds: it doesn't vary. */
export const modulesCell = 'modules';
/** @type {readonly Row[]} */
export const moduleRows = [
  row('module, gzipped', modulesCell, 'module_bytes', [{ atMost: 60_000 }], []),
  row('  its JavaScript', modulesCell, 'script_bytes', noGoal, []),
  row('  its WebAssembly', modulesCell, 'wasm_bytes', noGoal, ['linear memory']),
  row('lite module, gzipped', modulesCell, 'lite_bytes', [{ atMost: 15_000 }], ['lite']),
];
