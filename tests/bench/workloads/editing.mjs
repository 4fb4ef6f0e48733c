// A text as one person wrote it: typed, sent to another replica, stored and loaded again.

import { deflateRawSync } from 'node:zlib';
import { checkText, linearMemory, measure, processMemory, totalBytes } from '../measure.mjs';
import { all, only, sender, writer } from './workload.mjs';

/** @param {import('../libraries/library.mjs').BenchReplica} replica @param {import('../trace.mjs').Trace} trace */
function write(replica, trace) {
  for (const { position, deleted, inserted } of trace.edits) replica.edit(position, deleted, inserted);
}

/** Another replica with the whole text. @param {import('../libraries/library.mjs').Library} library @param {import('./workload.mjs').Input} input */
function received(library, input) {
  const replica = library.create();
  replica.applyAll(all(input, 'updates'));
  return replica;
}

/**
 * The whole trace, written to a new replica each time.
 * @template {{ replica: import('../libraries/library.mjs').BenchReplica }} Written
 * @param {import('../trace.mjs').Trace} trace
 * @param {() => Written} begin
 * @param {typeof write} edit
 */
function measureWriting(trace, begin, edit) {
  const { result, times } = measure(
    (written) => {
      edit(written.replica, trace);
      return written;
    },
    begin,
    ({ replica }) => replica.free(),
  );
  checkText(result.replica.text(), trace.endContent);
  return { result, times };
}

/** The first edit after loading: one letter in the middle. @param {import('../libraries/library.mjs').BenchReplica} replica @param {string} text */
function editOnce(replica, text) {
  replica.edit(text.length >> 1, 0, 'x');
}

/** @param {string} text */
function editedOnce(text) {
  return `${text.slice(0, text.length >> 1)}x${text.slice(text.length >> 1)}`;
}

/** The text, without the trace: reading that leaves more memory in use than any document needs. @param {import('./workload.mjs').Input} input */
function expected(input) {
  return Buffer.from(only(input, 'text')).toString();
}

const free = (/** @type {import('../libraries/library.mjs').BenchReplica} */ replica) => replica.free();

/** @type {import('./workload.mjs').Workload} */
export const editing = {
  name: 'editing',
  needs: 'text',

  prepare: (library, { trace }) => {
    const { replica, updates } = writer(library);
    write(replica, trace);
    return { updates, state: [replica.save()], text: [Buffer.from(trace.endContent)] };
  },

  cells: {
    // Every edit of the trace is made here, each a transaction of its own, and its update taken as bytes and sent.
    type: (library, { trace }) => {
      const { result, times } = measureWriting(trace, () => sender(library), write);
      return { ...times, bytes: result.bytesSent() };
    },

    // The same, and all updates are kept, an array each.
    'type, kept': (library, { trace }) => measureWriting(trace, () => writer(library), write).times,

    // All edits in one transaction, and its update taken.
    batch: (library, { trace }) => {
      const { result, times } = measureWriting(
        trace,
        () => writer(library),
        (replica) => replica.transact(() => write(replica, trace)),
      );
      return { ...times, bytes: totalBytes(result.updates) };
    },

    // Every edit's update arrives from elsewhere, one by one; then the text is read.
    remote: (library, _, input) => {
      const updates = all(input, 'updates');
      const receive = () => {
        const replica = library.create();
        for (const update of updates) replica.apply(update);
        replica.text();
        return replica;
      };
      const { result, times } = measure(receive, undefined, free);
      checkText(result.text(), expected(input));
      return times;
    },

    // They arrive together.
    bulk: (library, _, input) => {
      const receive = () => {
        const replica = received(library, input);
        replica.text();
        return replica;
      };
      const { result, times } = measure(receive, undefined, free);
      checkText(result.text(), expected(input));
      return times;
    },

    // The whole state as bytes. A letter is written before each run: what was encoded before is of no use.
    encode: (library, _, input) => {
      const replica = received(library, input);
      checkText(replica.text(), expected(input));
      const { result, times } = measure(
        () => replica.save(),
        () => editOnce(replica, expected(input)),
      );
      checkText(library.load(result).text(), replica.text());
      return { ...times, bytes: result.length };
    },

    // A stored state becomes a replica, and its text is read.
    load: (library, _, input) => {
      const state = only(input, 'state');
      const load = () => {
        const replica = library.load(state);
        replica.text();
        return replica;
      };
      const { result, times } = measure(load, undefined, free);
      checkText(result.text(), expected(input));
      return { ...times, bytes: state.length };
    },

    // The same, and a letter is written: what reads lazily has to pay now.
    'first edit': (library, _, input) => {
      const state = only(input, 'state');
      const { result, times } = measure(
        (updates) => {
          const replica = library.load(state, { send: (update) => updates.push(update) });
          editOnce(replica, replica.text());
          return { replica, updates };
        },
        () => /** @type {Uint8Array[]} */ ([]),
        ({ replica }) => replica.free(),
      );
      checkText(result.replica.text(), editedOnce(expected(input)));
      if (result.updates.length === 0) throw new Error('expected an update of the edit');
      return times;
    },

    // What weighs how much at rest. Those without a compressor of their own get the one that every browser has.
    sizes: (library, _, input) => {
      const replica = received(library, input);
      checkText(replica.text(), expected(input));
      const { full, without, isCompressed } = library.forms(replica);
      const packed = (/** @type {Uint8Array} */ form) => (isCompressed ? form.length : deflateRawSync(form).length);
      return {
        ...(!isCompressed && { plain_bytes: full.length }),
        ...(!isCompressed && without !== undefined && { plain_without_bytes: without.length }),
        packed_bytes: packed(full),
        ...(without !== undefined && { packed_without_bytes: packed(without) }),
      };
    },

    // What a loaded text holds, and what it holds once it was edited. The text that was read is let go of.
    memory: (library, _, input) => {
      const state = only(input, 'state');
      // What loading needs of code, and the first page of what it keeps, is no memory of the document.
      checkText(library.load(library.create({ agent: 1 }).save()).text(), '');
      const empty = processMemory();
      const emptyLinear = linearMemory();
      const replica = library.load(state);
      const { length } = replica.text();
      if (length !== expected(input).length) throw new Error('expected the whole text');
      const loaded = processMemory();
      const loadedLinear = linearMemory();
      editOnce(replica, expected(input));
      const edited = processMemory();
      const editedLinear = linearMemory();
      checkText(replica.text(), editedOnce(expected(input)));
      return {
        ...(loadedLinear > 0 && {
          loaded_linear_bytes: loadedLinear,
          loaded_grown_linear_bytes: loadedLinear - emptyLinear,
        }),
        loaded_held_bytes: loaded.heap - empty.heap + loadedLinear - emptyLinear,
        loaded_rss_bytes: loaded.rss - empty.rss,
        edited_held_bytes: edited.heap - empty.heap + editedLinear - emptyLinear,
        edited_rss_bytes: edited.rss - empty.rss,
      };
    },
  },
};
