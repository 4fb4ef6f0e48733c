/**
 * Loads the WebAssembly core once per JavaScript realm: from a file in Node, by `fetch` in browsers and workers, or from a
 * module that another thread has compiled. It is not an API of the core's data: that is `replica.ts`.
 */

import { JoineryError } from '@joinery/protocol';
import { initSync } from './pkg/joinery_core.js';

/** Where the core comes from when not from beside this file. */
export type CoreSource = WebAssembly.Module | BufferSource | URL | string;

let memory: WebAssembly.Memory | undefined;
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
  loading ??= compile(source)
    .then((module) => {
      memory = initSync({ module }).memory;
      return module;
    })
    .catch((error: unknown) => {
      loading = undefined;
      throw new JoineryError(
        'core-unavailable',
        {
          expected: 'the WebAssembly core',
          got: String(error),
          remedy: 'Check that the .wasm file is served, and try again.',
        },
        { cause: error },
      );
    });
  return loading;
}

/** The core's linear memory. A view of it is void after any call into the core. */
export function coreMemory(): WebAssembly.Memory {
  if (memory === undefined) {
    throw new JoineryError('not-initialised', {
      expected: 'a loaded core',
      got: 'none',
      remedy: 'Await `init()` before the first replica.',
    });
  }
  return memory;
}

async function compile(source: CoreSource | undefined): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source !== undefined && typeof source !== 'string' && !(source instanceof URL))
    return WebAssembly.compile(source);
  const url =
    source === undefined ? new URL('./pkg/joinery_core_bg.wasm', import.meta.url) : new URL(source, import.meta.url);
  if (url.protocol === 'file:') return WebAssembly.compile(await readFile(url));
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.href} answered ${response.status}`);
  // A server that doesn't know the type of .wasm files is common; streaming refuses it, so the bytes are taken whole.
  if (response.headers.get('content-type')?.startsWith('application/wasm'))
    return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** Node's `fetch` reads no files. The module is asked for at run time, so that no bundler looks for it. */
async function readFile(url: URL): Promise<BufferSource> {
  const fs = globalThis.process?.getBuiltinModule?.('node:fs/promises');
  if (fs === undefined) throw new Error(`no way to read ${url.href}`);
  return new Uint8Array(await fs.readFile(url));
}
