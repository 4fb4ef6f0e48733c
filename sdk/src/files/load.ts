/**
 * Loads the files module once per JavaScript realm, the variant with vector instructions where there are any. It is a module of
 * its own: who hashes nothing loads none of it.
 */

import { JoineryError } from '@joinery/protocol';
import { type CoreSource, compile, unavailable } from '../core/compile.ts';
import { FilesModule } from './module.ts';

let loaded: FilesModule | undefined;
let loading: Promise<WebAssembly.Module> | undefined;

/**
 * Makes hashing and chunking ready. Calling it again is free and gives the same module, whatever the source.
 *
 * @param source where to take the module from; needed only where files can't be found beside the script.
 * @returns the compiled module; posted to a worker and given to its `init`, it is not compiled twice.
 * @throws JoineryError `core-unavailable` when it can't be fetched or compiled; the next call tries again.
 * @example
 * import { hash, init } from 'joinery/files';
 * await init();
 * hash(new TextEncoder().encode('Hello'));
 */
export function init(source?: CoreSource): Promise<WebAssembly.Module> {
  loading ??= load(source).catch((error: unknown) => {
    loading = undefined;
    throw unavailable('the WebAssembly module for files', error);
  });
  return loading;
}

/** The loaded module. */
export function filesModule(): FilesModule {
  if (loaded === undefined) {
    throw new JoineryError('not-initialised', {
      expected: 'the loaded module for files',
      got: 'none',
      remedy: 'Await `init()` of joinery/files first.',
    });
  }
  return loaded;
}

async function load(source: CoreSource | undefined): Promise<WebAssembly.Module> {
  // Bundlers find a file by just this form, so there is one of it for each.
  const beside = WebAssembly.validate(vectorProbe)
    ? new URL('./pkg/joinery_files_simd.wasm', import.meta.url)
    : new URL('./pkg/joinery_files.wasm', import.meta.url);
  const module = await compile(source ?? beside, import.meta.url);
  loaded = await FilesModule.instantiate(module);
  return module;
}

/** A module of one function that makes a vector and takes its lanes' lowest bits: valid only where there are vectors. */
const vectorProbe = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // the header
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // a type: from nothing to v128
  ...[0x03, 0x02, 0x01, 0x00], // a function of that type
  ...[0x0a, 0x0a, 0x01, 0x08, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x62, 0x0b], // i32.const 0, i8x16.splat, i8x16.popcnt
]);
