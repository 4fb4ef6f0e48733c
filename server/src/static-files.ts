/**
 * The built files of a web app: which there are is read once, so no request can name any other. Files under `assets/` have
 * their hash in their names and are kept by browsers for ever; all others are asked for again each time.
 */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { JoineryError } from '@joinery/protocol';

export interface StaticFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
}

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.gz': 'application/gzip',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};

/** A web app is small: what is larger than this in all is another folder by mistake. */
const maxTotalBytes = 64 * 1024 * 1024;

/**
 * Reads a folder of web files: URL path → file; `/` is `index.html`.
 *
 * @throws JoineryError `invalid-option` when there is none, or too much.
 */
export function readStaticFiles(folder: string): ReadonlyMap<string, StaticFile> {
  const files = new Map<string, StaticFile>();
  let total = 0;
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  } catch (error) {
    throw new JoineryError(
      'invalid-option',
      { expected: 'a folder of web files', got: folder, remedy: 'Build them first, or leave the option out.' },
      { cause: error },
    );
  }
  for (const name of names) {
    const body = new Uint8Array(readFileSync(join(folder, name)));
    total += body.length;
    if (total > maxTotalBytes) {
      throw new JoineryError('invalid-option', {
        expected: `web files of at most ${maxTotalBytes} bytes`,
        got: `more, in ${folder}`,
        remedy: 'Name the folder of the built app.',
      });
    }
    const path = `/${name.split(sep).join('/')}`;
    files.set(path, staticFile(path, body));
  }
  const index = files.get('/index.html');
  if (index !== undefined) files.set('/', index);
  return files;
}

function staticFile(path: string, body: Uint8Array<ArrayBuffer>): StaticFile {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return {
    body,
    etag,
    headers: {
      'content-type': types[extname(path).toLowerCase()] ?? 'application/octet-stream',
      'cache-control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      'x-content-type-options': 'nosniff',
      etag,
    },
  };
}
