/**
 * Loads the lite core once per JavaScript realm: from a file in Node, by `fetch` in browsers and workers, or from a module that
 * another thread has compiled. It is a module of its own: nothing of the full core is loaded with it.
 */

import { type CoreSource, compile, notInitialised, unavailable } from '../core/compile.ts';
import { type BasicCore, CoreModule } from '../core/module.ts';
import { coresOf } from './core.ts';
import { handles } from './handles.ts';

let loaded: CoreModule<BasicCore> | undefined;
let loading: Promise<WebAssembly.Module> | undefined;

/**
 * Makes the core ready. Calling it again is free and gives the same module, whatever the source.
 *
 * @param source where to take the core from; needed only where files can't be found beside the script.
 * @returns the compiled module; posted to a worker and given to its `init`, it is not compiled twice.
 * @throws JoineryError `core-unavailable` when it can't be fetched or compiled; the next call tries again.
 * @example
 * import { init, Replica } from 'joinery/lite';
 * await init();
 * const replica = new Replica();
 */
export function init(source?: CoreSource): Promise<WebAssembly.Module> {
  loading ??= load(source).catch((error: unknown) => {
    loading = undefined;
    throw unavailable('the WebAssembly core', error);
  });
  return loading;
}

async function load(source: CoreSource | undefined): Promise<WebAssembly.Module> {
  const module = await compile(source ?? new URL('./pkg/joinery_lite.wasm', import.meta.url), import.meta.url);
  const { exports } = await WebAssembly.instantiate(module, {});
  loaded = new CoreModule(exports.memory as WebAssembly.Memory, coresOf(exports), handles);
  return module;
}

/** The loaded core. */
export function liteModule(): CoreModule<BasicCore> {
  if (loaded === undefined) throw notInitialised();
  return loaded;
}
