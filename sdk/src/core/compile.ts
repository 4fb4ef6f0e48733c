/**
 * Gets a WebAssembly module from where it lies: a file in Node, `fetch` in browsers and workers, or bytes that the caller has. It
 * instantiates nothing and remembers nothing.
 */

import { JoineryError } from '@joinery/protocol';

/** Where a module comes from when not from beside its script. */
export type CoreSource = WebAssembly.Module | BufferSource | URL | string;

/** Compiles it, if it isn't compiled. A relative address counts from `base`, the script's own. */
export async function compile(source: CoreSource, base: string): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (typeof source !== 'string' && !(source instanceof URL)) return WebAssembly.compile(source);
  const url = new URL(source, base);
  if (url.protocol === 'file:') return WebAssembly.compile(await readFile(url));
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.href} answered ${response.status}`);
  // A server that doesn't know the type of .wasm files is common; streaming refuses it, so the bytes are taken whole.
  if (response.headers.get('content-type')?.startsWith('application/wasm'))
    return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** What `init` throws where a module can't be had. @param what such as `the WebAssembly core` */
export function unavailable(what: string, cause: unknown): JoineryError {
  return new JoineryError(
    'core-unavailable',
    { expected: what, got: String(cause), remedy: 'Check that the .wasm file is served, and try again.' },
    { cause },
  );
}

/** What who needs the core throws where it isn't loaded yet. */
export function notInitialised(): JoineryError {
  return new JoineryError('not-initialised', {
    expected: 'a loaded core',
    got: 'none',
    remedy: 'Await `init()` before the first replica.',
  });
}

/** Node's `fetch` reads no files. The module is asked for at run time, so that no bundler looks for it. */
async function readFile(url: URL): Promise<BufferSource> {
  const fs = globalThis.process?.getBuiltinModule?.('node:fs/promises');
  if (fs === undefined) throw new Error(`no way to read ${url.href}`);
  return new Uint8Array(await fs.readFile(url));
}
