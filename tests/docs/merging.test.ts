// The stories of docs/merging.md, run as they stand there against the built packages: what each prints is what its comments say,
// whichever of the two joins first, and its picture is what it draws (scripts/draw-merging.mjs).

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs', 'merging.md'), 'utf8');
// Inside the workspace, so that `joinery` is found as a user's bundler would find it.
const folder = join(root, 'node_modules', '.cache', 'joinery', 'merging');

/** Each program, under the heading that it stands below. */
const programs = [...page.matchAll(/^#+ ([^\n]*)$|^```ts\n(.*?)^```$/gms)].reduce<{ title: string; code: string }[]>(
  (found, [, title, code], index, parts) => {
    if (title !== undefined || code === undefined) return found;
    const above = parts.slice(0, index).findLast(([, heading]) => heading !== undefined)?.[1] ?? '';
    found.push({ title: above, code });
    return found;
  },
  [],
);
const [setUp, ...stories] = programs;

/** What the comments say comes out: behind what prints one line, or below a loop that prints several. */
function said(code: string): string {
  const printed = code.slice(code.search(/^(?:for \(const run|console\.log)/m));
  return [...printed.matchAll(/\/\/ (.*)$/gm)].map(([, comment]) => `${comment}\n`).join('');
}

function run(title: string, code: string): string {
  const file = join(folder, `${title.replaceAll(/\W+/g, '-').toLowerCase()}.mjs`);
  writeFileSync(file, `${setUp?.code}\n${code}`);
  return execFileSync(process.execPath, [file], { encoding: 'utf8', timeout: 20_000 });
}

beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('what comes out when two people edit the same thing', () => {
  it('is told of every type', () => {
    const titles = stories.map(({ title }) => title).join();
    for (const type of ['Map', 'List', 'Text', 'Bold', 'Counter', 'Set', 'Tree', 'Graph', 'Things in things']) {
      expect(titles).toContain(type);
    }
    expect([...page.matchAll(/^!\[/gm)]).toHaveLength(stories.length);
  });

  it.each(stories.map(({ title, code }) => [title, code] as const))('%s', (title, code) => {
    expect(said(code)).not.toBe('');
    expect(run(title, code)).toBe(said(code));
    // The other one joins first, and says the same.
    const otherWay = code.replaceAll(/\bmeet\(ada, ben\)/g, 'meet(ben, ada)');
    expect(otherWay).not.toBe(code);
    expect(run(title, otherWay)).toBe(said(code));
  });

  it('is drawn as it came out', () => {
    const output = execFileSync(process.execPath, [join(root, 'scripts', 'draw-merging.mjs'), '--check'], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(output).toBe(`${stories.length} pictures are what their stories draw\n`);
  });
});
