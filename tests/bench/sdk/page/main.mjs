// What the benchmark of SDKs has a page do, one function a cell. The SDK is one of ../subjects, put in by the build; nothing here
// knows which. It runs in the page alone: processes, figures of threads and goals are ../sdk-rows.mjs's and ../cells.mjs's.

import * as subject from 'subject';
import { find } from './find.mjs';

/** So long a write may take to be found in storage. */
const patience_ms = 20_000;
const characters = 100_000;
const fieldsEach = 10;

/** @type {Worker | undefined} */
let witness;
let questions = 0;

/** By who promises nothing: a look from this thread, without a worker that would have to be started. */
const seenHere = (/** @type {string} */ marker) => find(subject.place, marker, patience_ms);

/** The same, where it can be told: see `compresses`. Who compresses has said that it is stored. @param {string} marker */
async function seenIfPlain(marker) {
  return subject.compresses ? now_ms() : await seen(marker);
}

/** Resolves to when the text was seen in storage, in ms since 1970. @param {string} marker @returns {Promise<number>} */
function seen(marker) {
  witness ??= new Worker(new URL('./witness.mjs', import.meta.url), { type: 'module' });
  const [worker, id] = [witness, ++questions];
  worker.postMessage({ id, place: subject.place, marker, within_ms: patience_ms });
  return new Promise((resolve, reject) => {
    worker.addEventListener('message', function listen({ data }) {
      if (data.id !== id) return;
      worker.removeEventListener('message', listen);
      if (data.error === undefined) resolve(data.at_ms);
      else reject(new Error(data.error));
    });
  });
}

const now_ms = () => performance.timeOrigin + performance.now();
const pause = (/** @type {number} */ delay_ms) => new Promise((resolve) => setTimeout(resolve, delay_ms));
/** @param {number} index */
const markerOf = (index) => `marker-${String(index).padStart(6, '0')}-end`;

/** @param {boolean} condition @param {string} what */
function expect(condition, what) {
  if (!condition) throw new Error(`${subject.name}: expected ${what}: the result is wrong`);
}

/** From the navigation's start to the first document that is stored. */
async function coldStart() {
  const fields = await subject.openFields('first', { fresh: true });
  const marker = markerOf(0);
  fields.set('title', marker);
  // Who promises nothing is asked by a look into the storage, from this thread: a worker would have to be started first.
  if (fields.stored !== undefined) await fields.stored();
  else await seenHere(marker);
  const took_ms = performance.now();
  await seen(marker);
  return { cold_ms: took_ms };
}

/** Writes the text that another process opens. */
async function storeText() {
  const text = await subject.openText('long');
  text.insert(0, 'The quick brown fox jumps over it. '.repeat(3000).slice(0, characters));
  text.insert(characters, markerOf(1));
  await text.stored?.();
  await seenIfPlain(markerOf(1));
}

/** Everything is loaded and a small document open. */
async function startText() {
  await subject.openFields('first', { fresh: false });
}

/** Opens the stored text and reads it. */
async function openText() {
  performance.mark('open-begin');
  const start = performance.now();
  const text = await subject.openText('long');
  const { length } = text.toString();
  const wall_ms = performance.now() - start;
  performance.mark('open-end');
  expect(length === characters + markerOf(1).length, `a text of ${characters} characters and a marker, got ${length}`);
  return { wall_ms };
}

/** Sets a field, again and again, each in a task of its own. @param {{ edits: number, spacing_ms: number }} options */
async function setFields({ edits, spacing_ms }) {
  const fields = await subject.openFields('edited', { fresh: true });
  fields.set('field', 'warm');
  await pause(300);
  const times = [];
  for (let edit = 0; edit < edits; edit++) {
    performance.mark(`edit-${edit}`);
    const start = performance.now();
    fields.set(`field ${edit % fieldsEach}`, markerOf(edit));
    times.push((performance.now() - start) * 1000);
    await pause(spacing_ms);
  }
  performance.mark(`edit-${edits}`);
  // Which may be compressed by now.
  await seenIfPlain(markerOf(edits - 1));
  return times;
}

/** Inserts a letter into the long text, again and again. @param {{ edits: number, spacing_ms: number }} options */
async function insertLetters({ edits, spacing_ms }) {
  const text = await subject.openText('long');
  text.insert(0, 'w');
  await pause(300);
  const before = text.toString().length;
  const times = [];
  for (let edit = 0; edit < edits; edit++) {
    const index = ((edit * 7919) % 1000) * Math.floor(characters / 1000);
    performance.mark(`edit-${edit}`);
    const start = performance.now();
    text.insert(index, 'x');
    times.push((performance.now() - start) * 1000);
    await pause(spacing_ms);
  }
  performance.mark(`edit-${edits}`);
  expect(text.toString().length === before + edits, `${edits} more characters`);
  return times;
}

/** From an edit to its being seen in storage from a worker. @param {{ edits: number }} options */
async function reachStorage({ edits }) {
  const fields = await subject.openFields('reached', { fresh: true });
  fields.set('field', markerOf(999_999));
  await seen(markerOf(999_999));
  const times = [];
  const promised = [];
  for (let edit = 0; edit < edits; edit++) {
    await pause(20 + (edit % 7));
    const start = now_ms();
    fields.set('field', markerOf(edit));
    const found = subject.compresses ? undefined : seen(markerOf(edit));
    if (fields.stored !== undefined) {
      await fields.stored();
      promised.push(now_ms() - start);
    }
    times.push(((await found) ?? now_ms()) - start);
  }
  return { times, promised };
}

/** Many edits in one task, until all are stored. @param {{ edits: number }} options */
async function storeEdits({ edits }) {
  const fields = await subject.openFields('many', { fresh: true });
  fields.set('field', markerOf(999_999));
  await fields.stored?.();
  await seen(markerOf(999_999));
  await pause(300);
  const start = now_ms();
  for (let edit = 0; edit < edits; edit++) fields.set(`field ${edit % fieldsEach}`, markerOf(edit));
  if (fields.stored !== undefined) {
    await fields.stored();
    const took_ms = now_ms() - start;
    await seenIfPlain(markerOf(edits - 1));
    return { stored_ms: took_ms };
  }
  return { stored_ms: (await seen(markerOf(edits - 1))) - start };
}

/** Many edits in one task, told of at its end; the process is killed then. @param {{ edits: number }} options */
async function editAndDie({ edits }) {
  const fields = await subject.openFields('killed', { fresh: true });
  fields.set('field', markerOf(999_999));
  await fields.stored?.();
  await seen(markerOf(999_999));
  await pause(300);
  // In a task of its own, as an event's.
  setTimeout(() => {
    for (let edit = 0; edit < edits; edit++) fields.set(`edit ${edit}`, edit);
    window.edited(now_ms());
  });
}

/** How many of them are there. @param {{ edits: number }} options */
async function countKept({ edits }) {
  const fields = await subject.openFields('killed', { fresh: false });
  const values = fields.values();
  let kept = 0;
  for (let edit = 0; edit < edits; edit++) if (values[`edit ${edit}`] === edit) kept += 1;
  return { kept };
}

/** @param {number} index */
const fieldsOf = (index) =>
  Object.fromEntries(
    Array.from({ length: fieldsEach }, (_, field) => [`field ${field}`, `value ${field} of document ${index}`]),
  );

/** @param {{ documents: number }} options */
async function storeDocuments({ documents }) {
  await subject.openFields('first', { fresh: true });
  await pause(300);
  const start = performance.now();
  await subject.storeMany(documents, fieldsOf);
  const stored_ms = performance.now() - start;
  await seenIfPlain(`value 9 of document ${documents - 1}`);
  return { stored_ms };
}

/** In another process. @param {{ documents: number }} options */
async function openDocuments({ documents }) {
  await subject.start();
  const start = performance.now();
  const ids = await subject.listIds();
  const list_ms = performance.now() - start;
  expect(ids.length === documents, `${documents} ids, got ${ids.length}`);
  const begin = performance.now();
  const held = await subject.openMany(ids);
  const open_ms = performance.now() - begin;
  for (const index of [0, 1, documents >> 1, documents - 1]) {
    const [got, wanted] = [held.read(index), fieldsOf(index)];
    expect(
      Object.entries(wanted).every(([key, value]) => got[key] === value),
      `the fields of document ${index}`,
    );
  }
  Object.assign(window, { held });
  return { list_ms, open_ms };
}

/** Notes when each edit of another tab is seen. @param {{ edits: number }} options */
async function listen({ edits }) {
  const fields = await subject.openShared('shared');
  const times = new Array(edits).fill(0);
  let next = 0;
  const done = new Promise((resolve) => {
    fields.subscribe(() => {
      const at_ms = now_ms();
      const last = Number(fields.values().sequence ?? -1);
      for (; next <= last; next++) times[next] = at_ms;
      if (next >= edits) resolve(undefined);
    });
  });
  Object.assign(window, { arrivals: done.then(() => times) });
}

/** @param {{ edits: number }} options */
async function speak({ edits }) {
  const fields = await subject.openShared('shared');
  await pause(500);
  const times = [];
  for (let sequence = 0; sequence < edits; sequence++) {
    times.push(now_ms());
    fields.set('sequence', sequence);
    await pause(20 + ((sequence * 7) % 13));
  }
  return times;
}

/** Makes ready for the large update. @param {Parameters<typeof subject.openLarge>[0]} options */
async function awaitLarge(options) {
  Object.assign(window, { large: await subject.openLarge(options) });
}

/** Takes it, and resolves when it can be read and is stored. @param {{ entries: number, last: string }} options */
async function takeLarge({ entries, last }) {
  performance.mark('open-begin');
  const start = now_ms();
  await window.large.take();
  const applied_ms = now_ms() - start;
  const found = await seenIfPlain(last);
  performance.mark('open-end');
  const took_ms = Math.max(found - start, applied_ms);
  const values = window.large.values();
  const length = Object.keys(values).filter((key) => key.startsWith('entry ')).length;
  expect(length === entries, `${entries} entries, got ${length}`);
  expect(values[`entry ${entries - 1}`] === last, 'the last entry');
  return { applied_ms, took_ms };
}

window.cells = {
  coldStart,
  storeText,
  startText,
  openText,
  setFields,
  insertLetters,
  reachStorage,
  storeEdits,
  editAndDie,
  countKept,
  storeDocuments,
  openDocuments,
  listen,
  speak,
  awaitLarge,
  takeLarge,
};

// Who measures the start can't ask for it: that the question comes through another process would count.
if (location.hash === '#cold') window.cold = coldStart();
