// What a library has to do in the benchmark, so that every row asks the same of each.

/**
 * A replica of one document with one text and one map.
 * @typedef {object} BenchReplica
 * @property {(position: number, text: string) => void} insert
 * @property {(position: number, count: number) => void} delete
 * @property {(key: string, value: number) => void} set writes to the map
 * @property {() => readonly Uint8Array[]} takeUpdates what was done here since the last call, ready to send
 * @property {(update: Uint8Array) => void} apply joins what another replica did
 * @property {() => string} text
 * @property {() => Uint8Array} snapshot the whole state
 */

/**
 * @typedef {object} Library
 * @property {string} name
 * @property {() => Promise<void>} init once, before anything else; not measured
 * @property {() => BenchReplica} create
 * @property {(snapshot: Uint8Array) => BenchReplica} load
 */

/** The libraries that are compared, the first one ours. */
export const libraryNames = ['joinery', 'yjs'];

/**
 * @param {string} name
 * @returns {Promise<Library>}
 */
export async function openLibrary(name) {
  if (!libraryNames.includes(name)) throw new Error(`expected a library of ${libraryNames.join(', ')}, got "${name}"`);
  return (await import(`./${name}.mjs`)).library;
}
