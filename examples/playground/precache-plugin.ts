// A small Vite plugin: once everything is built, it tells the service worker what there is to keep. It lists the files
// that were really written (pages, scripts, workers, WebAssembly, icons), whoever wrote them.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

const PLACEHOLDER = '__PRECACHE__';

/** @param fileName the built service worker, in the output folder; it names `__PRECACHE__` exactly once */
export function precache(fileName: string): Plugin {
  return {
    name: 'joinery-playground:precache',
    apply: 'build',
    writeBundle: {
      order: 'post',
      sequential: true,
      handler({ dir }) {
        if (dir === undefined) throw new Error('expected an output folder');
        const workerPath = join(dir, fileName);
        const worker = readFileSync(workerPath, 'utf8');
        const mentions = worker.split(PLACEHOLDER).length - 1;
        if (mentions !== 1) throw new Error(`${fileName} names ${PLACEHOLDER} ${mentions} times; expected once`);
        const paths = listFiles(dir).filter((path) => path !== `/${fileName}` && !path.endsWith('.map'));
        const hash = createHash('sha256').update(worker);
        for (const path of paths) hash.update(`${path}\0`).update(readFileSync(join(dir, path)));
        const list = JSON.stringify({ version: hash.digest('hex').slice(0, 16), paths });
        writeFileSync(
          workerPath,
          worker.replace(PLACEHOLDER, () => list),
        );
      },
    },
  };
}

/** Every file below the folder, as the path in its address, in a stable order. */
function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length).replaceAll('\\', '/'))
    .sort();
}
