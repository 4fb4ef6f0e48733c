/**
 * Loads the WebAssembly core once per JavaScript realm: from a file in Node, by `fetch` in browsers and workers, or from a
 * module that another thread has compiled. It is not an API of the core's data: that is `replica.ts`.
 */

import { type CoreSource, compile, notInitialised, unavailable } from './compile.ts';
import { handles } from './handles.ts';
import { CoreModule } from './module.ts';
import { Core, initSync, room } from './pkg/joinery_core.js';

/** Updates up to so many bytes pass through the room (see crates/wasm). */
const roomBytes = 1024;

let memory: WebAssembly.Memory | undefined;
let loaded: CoreModule<Core> | undefined;
let loading: Promise<WebAssembly.Module> | undefined;

/**
 * Makes the core ready. Calling it again is free and gives the same module, whatever the source.
 *
 * @param source where to take the core from; needed only where files can't be found beside the script.
 * @returns the compiled module; posted to a worker and given to its `init`, it is not compiled twice.
 * @throws JoineryError `core-unavailable` when it can't be fetched or compiled; the next call tries again.
 * @example
 * import { init, Replica } from 'joinery/core';
 * await init();
 * const replica = new Replica();
 */
export function init(source?: CoreSource): Promise<WebAssembly.Module> {
  loading ??= compile(source ?? new URL('./pkg/joinery_core_bg.wasm', import.meta.url), import.meta.url)
    .then((module) => {
      memory = initSync({ module }).memory;
      loaded = new CoreModule(memory, () => new Core(), handles, { address: room(), bytes: roomBytes });
      return module;
    })
    .catch((error: unknown) => {
      loading = undefined;
      throw unavailable('the WebAssembly core', error);
    });
  return loading;
}

/** The core's linear memory. A view of it is void after any call into the core. */
export function coreMemory(): WebAssembly.Memory {
  if (memory === undefined) throw notInitialised();
  return memory;
}

/** The loaded core. */
export function coreModule(): CoreModule<Core> {
  if (loaded === undefined) throw notInitialised();
  return loaded;
}
