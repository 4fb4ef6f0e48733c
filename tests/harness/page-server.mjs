// Serves the built test page (tests/browser/page) on a port of its own, so that pages and the sync server have separate
// lives. Static files only.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where scripts/build-test-page.mjs leaves the page. */
export const pageFolder = fileURLToPath(new URL('../browser/dist', import.meta.url));

/** @type {Record<string, string>} */
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
};

// Pages that are isolated from other origins get exact clocks (5 µs instead of 100 µs).
const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

/** Starts it, and resolves to its address and a function that ends it. Another folder than the test page's may be given. */
export async function servePage(folder = pageFolder) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const path = normalize(
      join(folder, pathname.endsWith('/') ? `${pathname}index.html` : decodeURIComponent(pathname)),
    );
    if (!path.startsWith(normalize(join(folder, sep)))) {
      response.writeHead(403).end();
      return;
    }
    readFile(path).then(
      (bytes) => {
        const type = types[extname(path)] ?? 'text/plain';
        response.writeHead(200, { 'content-type': type, ...isolation }).end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a port, got none');
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://localhost:${address.port}`, close };
}
