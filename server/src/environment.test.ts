/** What a simulator runs takes the world from its arguments: nothing that it reaches imports Node or asks for the time. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const roots = ['./connection.ts', './documents/documents.ts', './storage/memory.ts'];
const packages = ['@joinery/protocol', 'joinery/core'];
/** Time, turns and randomness of the process. */
const ambient =
  /\b(Date\.now|new Date|performance\.|setTimeout|setInterval|setImmediate|Math\.random|process\.|crypto\.)/;

it('reaches no Node, no socket, no database and no clock from what a simulator runs', () => {
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = (url: URL): void => {
    if (seen.has(url.href)) return;
    seen.add(url.href);
    const source = readFileSync(fileURLToPath(url), 'utf8');
    const name = url.pathname.split('/src/').at(-1);
    const code = source.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    if (ambient.test(code)) found.push(`${name}: ${ambient.exec(code)?.[0]}; take it from the environment`);
    // Types are gone at run time; options.ts is only asked for them.
    for (const [, names = '', path = ''] of code.matchAll(/^(?:import|export) ([^;]*?)from '([^']+)'/gms)) {
      if (names.startsWith('type ')) continue;
      if (path.startsWith('.')) visit(new URL(path, url));
      else if (!packages.includes(path)) found.push(`${name}: imports ${path}; pass it as an argument`);
    }
  };
  for (const root of roots) visit(new URL(root, import.meta.url));
  expect(found).toEqual([]);
  expect(seen.size).toBeGreaterThan(12);
});
