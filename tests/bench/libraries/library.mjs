// What a library has to do in the benchmark, so that every row asks the same of each. How it does that is its own file's: the
// best way that its documentation and its authors' own benchmarks know, told there.

/**
 * A replica of one document with one text and one map. Each edit is a transaction of its own, outside of `transact`.
 * @typedef {object} BenchReplica
 * @property {(position: number, deleted: number, inserted: string) => void} edit deletes, then inserts, in the text
 * @property {(key: string, value: number) => void} set writes to the map
 * @property {(edits: () => void) => void} transact makes one transaction of several edits
 * @property {(update: Uint8Array) => void} apply joins what another replica did
 * @property {(updates: readonly Uint8Array[]) => void} applyAll joins many updates, in one call where there is one
 * @property {() => unknown} version what this replica has seen, to ask others for the rest
 * @property {(version: unknown) => Uint8Array} since what a replica of that version lacks
 * @property {() => string} text
 * @property {() => Record<string, unknown>} map
 * @property {() => Uint8Array} save the whole state, in the form that is read back the soonest
 * @property {() => void} free gives memory back that no collector does
 */

/**
 * What can be asked of a library, or of a row: where a library can't, `lacks` says why.
 * @typedef {'text' | 'map' | 'differences' | 'plain state' | 'without removals' | 'linear memory' | 'wire' | 'lite'} Ability
 */

/**
 * @typedef {object} ReplicaOptions
 * @property {number} [agent] a small number of one of many that write in one document, which all of them begin with text and
 *   map; left out by who begins a document alone, and by who receives that: then the library takes one at random
 * @property {(update: Uint8Array) => void} [send] gets the update of every transaction made here; without it none is made
 */

/**
 * Forms of the whole state, each the smallest that there is of its sort.
 * @typedef {object} Forms
 * @property {Uint8Array} full with all that is needed to join any replica, without a compressor where it can be had so
 * @property {Uint8Array} [without] the same without records of what was removed
 * @property {boolean} isCompressed whether a compressor of the library's own has been at work on it
 */

/**
 * @typedef {object} Library
 * @property {string} name
 * @property {Partial<Record<Ability, string>>} lacks why it can't, in one line
 * @property {() => Promise<void>} init once, before anything else; not measured
 * @property {(options?: ReplicaOptions) => BenchReplica} create
 * @property {(state: Uint8Array, options?: ReplicaOptions) => BenchReplica} load of what `save` gave
 * @property {(replica: BenchReplica) => Forms} forms
 */

/** The libraries that are compared, the first one ours. */
export const libraryNames = ['joinery', 'yjs', 'loro', 'automerge', 'json-joy', 'diamond-types'];

/**
 * @param {string} name
 * @returns {Promise<Library>}
 */
export async function openLibrary(name) {
  if (!libraryNames.includes(name)) throw new Error(`expected a library of ${libraryNames.join(', ')}, got "${name}"`);
  return (await import(`./${name}.mjs`)).library;
}
