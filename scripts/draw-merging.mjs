// Draws the pictures of docs/merging.md from what its programs do: each story is run as it stands on the page; what both had
// before, what each had apart, and what both have afterwards is taken down, and drawn. So no picture says what doesn't come out.
//
//   node scripts/draw-merging.mjs            writes docs/merging/*.svg
//   node scripts/draw-merging.mjs --check    writes nothing; fails where a picture is not what its story draws
//
// It needs the built packages. What each story prints is the business of tests/docs/merging.test.ts.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { drawStory } from './merging-picture.mjs';
import { root } from './run.mjs';

const page = join(root, 'docs', 'merging.md');
// Inside the workspace, so that `joinery` is found as a user's bundler would find it.
const folder = join(root, 'node_modules', '.cache', 'joinery', 'draw-merging');

/** A story's program, the file of its picture below docs/, and what that shows. */
/** @typedef {{ picture: string, title: string, code: string }} Story */

/** @returns {{ setUp: string, stories: Story[] }} */
function readPage() {
  const text = readFileSync(page, 'utf8');
  const parts = [...text.matchAll(/^!\[([^\]]*)\]\((merging\/\w+\.svg)\)$|^```ts\n(.*?)^```$/gms)];
  const [setUp, ...rest] = parts;
  /** @type {Story[]} */
  const stories = [];
  for (const [at, [, title = '', picture]] of rest.entries()) {
    const code = rest[at + 1]?.[3];
    if (picture === undefined) continue;
    if (code === undefined) throw new Error(`expected a program behind ${picture}, found none`);
    stories.push({ picture, title, code });
  }
  if (setUp?.[3] === undefined) throw new Error('expected the first lines of all stories before the first picture');
  return { setUp: setUp[3], stories };
}

/**
 * Runs a story, and takes down what each had. `offline` and `meet` are the page's own; what is put around them only looks.
 * @param {string} setUp @param {Story} story @param {number} number
 */
async function run(setUp, { code }, number) {
  const watched = `${setUp}
export const seen = {};
const [plainOffline, plainMeet] = [offline, meet];
offline = (write) => {
  const both = plainOffline(write);
  seen.before = __look(both[0]);
  return both;
};
meet = (ada, ben) => {
  [seen.ada, seen.ben] = [__look(ada), __look(ben)];
  const result = plainMeet(ada, ben);
  [seen.both, seen.bothOfBen] = [__look(ada), __look(ben)];
  return result;
};
const console = { log() {} };
function __look(replica) {
  const texts = {};
  for (const key of replica.root.keys()) {
    const found = replica.root.get(key);
    if (found?.kind === 'text') texts[key] = found.toDelta();
  }
  return { value: replica.toJSON(), texts };
}
${code}`;
  const file = join(folder, `story-${number}.mjs`);
  writeFileSync(file, watched);
  const { seen } = await import(pathToFileURL(file).href);
  if (JSON.stringify(seen.both) !== JSON.stringify(seen.bothOfBen))
    throw new Error(`Ada and Ben see two things: ${code}`);
  return seen;
}

const isCheck = process.argv.includes('--check');
mkdirSync(folder, { recursive: true });
mkdirSync(join(root, 'docs', 'merging'), { recursive: true });
const { setUp, stories } = readPage();
const stale = [];
for (const [number, story] of stories.entries()) {
  const svg = drawStory(story.title, await run(setUp, story, number));
  const file = join(root, 'docs', story.picture);
  if (!isCheck) writeFileSync(file, svg);
  else if (readIfThere(file) !== svg) stale.push(story.picture);
}
rmSync(folder, { recursive: true, force: true });
if (stale.length > 0) {
  console.error(`Not what their stories draw: ${stale.join(', ')}. Run: node scripts/draw-merging.mjs`);
  process.exitCode = 1;
} else {
  console.log(`${stories.length} pictures ${isCheck ? 'are what their stories draw' : 'drawn'}`);
}

/** @param {string} file */
function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
