// B1 of crdt-benchmarks (dmonad/crdt-benchmarks, js-lib/b1.js): 6,000 edits of one text by one writer, each a transaction of its
// own, at the writer (local) and at somebody who gets the updates one by one (remote).

import { ClientSession, readEnvelope, ServerSession } from '@joinery/protocol';
import { checkText, measure, totalBytes } from '../measure.mjs';
import { mulberry32 } from '../trace.mjs';
import { all, writer } from './workload.mjs';

const count = 6_000;
/** As a server's are: the time in 1,024ths of a millisecond. */
const epoch = 1_795_300_000_000 * 1_024;
/** Documents that a client has opened before the one that is typed in. */
const openedBefore = 200;
const letters = 'abcdefghijklmnopqrstuvwxyz';

/**
 * @typedef {object} Script
 * @property {readonly import('../trace.mjs').Edit[]} edits
 * @property {string} text after them
 */

/** @type {Record<string, (seed: number) => Script>} */
const scripts = {
  // B1.1
  append: (seed) => write(seed, (below) => ({ position: 'end', deleted: 0, inserted: word(below, 1, 1) })),
  // B1.4
  'random insert': (seed) =>
    write(seed, (below, length) => ({ position: below(length + 1), deleted: 0, inserted: word(below, 1, 1) })),
  // B1.7: inserts a word or deletes some, at random places.
  'random edits': (seed) =>
    write(seed, (below, length) => {
      const position = below(length + 1);
      if (position === length || below(2) === 0) return { position, deleted: 0, inserted: word(below, 2, 10) };
      return { position, deleted: 1 + below(Math.min(9, length - position)), inserted: '' };
    }),
};

/**
 * @param {number} seed
 * @param {(below: (limit: number) => number, length: number) => { position: number | 'end', deleted: number, inserted: string }} next
 * @returns {Script}
 */
function write(seed, next) {
  const random = mulberry32(seed);
  const below = (/** @type {number} */ limit) => Math.floor(random() * limit);
  let text = '';
  const edits = [];
  for (let index = 0; index < count; index++) {
    const { deleted, inserted, ...at } = next(below, text.length);
    const position = at.position === 'end' ? text.length : at.position;
    text = text.slice(0, position) + inserted + text.slice(position + deleted);
    edits.push({ position, deleted, inserted });
  }
  return { edits, text };
}

/** @param {(limit: number) => number} below @param {number} min @param {number} max */
function word(below, min, max) {
  const length = min + below(max - min + 1);
  return Array.from({ length }, () => letters.charAt(below(letters.length))).join('');
}

/** @param {import('../libraries/library.mjs').BenchReplica} replica @param {Script} script */
function play(replica, script) {
  for (const { position, deleted, inserted } of script.edits) replica.edit(position, deleted, inserted);
}

/** @param {import('../libraries/library.mjs').Library} library @param {Script} script */
function updatesOf(library, script) {
  const { replica, updates } = writer(library);
  play(replica, script);
  checkText(replica.text(), script.text);
  return updates;
}

/**
 * A client's session and a server's, joined by nothing: what one sends for the updates the other takes at once.
 *
 * @param {readonly Uint8Array[]} updates
 * @returns {{ up: Uint8Array[], down: Uint8Array[] }} the frames from when the document is open
 */
function send(updates) {
  const self = {};
  const client = new ClientSession({ random: () => 0.5, knownTypes: ['text'] });
  const server = new ServerSession({ self, name: 'bench', knownTypes: ['text'] }, 0);
  /** @type {{ up: Uint8Array[], down: Uint8Array[] }} */
  const frames = { up: [], down: [] };
  let written = 0;
  let head = 0;
  /** @param {import('@joinery/protocol').ServerEffect[]} effects */
  const serve = (effects) => {
    for (const effect of effects) {
      if (effect.type === 'send-frame') {
        frames.down.push(effect.frame);
        run(client.handleFrame(1, effect.frame, 0));
      } else if (effect.type === 'check-token') serve(server.handleAuthenticated('', 0));
      else if (effect.type === 'open-document') {
        const state = { epoch, head: 0, version: new Uint8Array(0), position: 0, snapshot: undefined };
        serve(server.handleDocument(effect.document, effect.request, state));
      } else if (effect.type === 'submit') {
        const { document, envelopes, bytes } = effect;
        const committed = envelopes.map(({ header, bytes: envelope }) => {
          return { bytes: envelope, agent: header.agent, to: header.to, origin: self };
        });
        const commit = { document, epoch, firstPosition: head + 1, envelopes: committed, frame: undefined, bytes };
        head += envelopes.length;
        serve(server.handleCommitted(commit));
        serve(server.handleSettled(document, epoch, { bytes, duplicates: [], refusals: [] }, 0));
      } else throw new Error(`not expected: ${effect.type}`);
    }
  };
  /** @param {import('@joinery/protocol').ClientEffect[]} effects */
  const run = (effects) => {
    for (const effect of effects) {
      if (effect.type === 'open-link') run(client.handleOpened(effect.link, 0));
      else if (effect.type === 'send-frame') {
        frames.up.push(effect.frame);
        serve(server.handleFrame(effect.frame, 0, 0));
      } else if (effect.type === 'need-envelopes') {
        const { document, request, sent } = effect;
        const update = document === 'notes/2026' ? updates[written - 1] : undefined;
        const header = update === undefined ? undefined : readEnvelope(update);
        const isNew = header !== undefined && header.to > (sent.get(header.agent) ?? 0);
        run(client.handleEnvelopes(document, request, update !== undefined && isNew ? [update] : [], 0));
      }
    }
  };
  run(client.handleConnect(0));
  for (let index = 0; index < openedBefore; index++) run(client.handleSubscribe(`other/${index}`, undefined, 0));
  run(client.handleSubscribe('notes/2026', undefined, 0));
  frames.up.length = 0;
  frames.down.length = 0;
  for (const _ of updates) {
    written += 1;
    run(client.handleChanged('notes/2026', 0));
  }
  if (head !== updates.length || frames.up.length !== head || frames.down.length !== head) {
    throw new Error(`${updates.length} keystrokes, ${frames.up.length} frames, ${frames.down.length} answers`);
  }
  return frames;
}

/** @param {string} name */
function scriptOf(name) {
  const found = scripts[name];
  if (found === undefined) throw new Error(`no such script: ${name}`);
  return found;
}

/** @param {string} name @returns {Record<string, import('./workload.mjs').Cell>} */
function cellsOf(name) {
  return {
    [`B1 ${name}, local`]: (library, { seed }) => {
      const script = scriptOf(name)(seed);
      const { result, times } = measure(
        (written) => {
          play(written.replica, script);
          return written;
        },
        () => writer(library),
        ({ replica }) => replica.free(),
      );
      checkText(result.replica.text(), script.text);
      return { ...times, bytes_per_update: totalBytes(result.updates) / count };
    },
    [`B1 ${name}, remote`]: (library, { seed }, input) => {
      const { text } = scriptOf(name)(seed);
      const updates = all(input, name);
      const receive = () => {
        const replica = library.create();
        for (const update of updates) replica.apply(update);
        replica.text();
        return replica;
      };
      const { result, times } = measure(receive, undefined, (replica) => replica.free());
      checkText(result.text(), text);
      return times;
    },
  };
}

/** @type {import('./workload.mjs').Workload} */
export const randomEdits = {
  name: 'random-edits',
  needs: 'text',
  prepare: (library, { seed }) =>
    Object.fromEntries(Object.entries(scripts).map(([name, script]) => [name, updatesOf(library, script(seed))])),
  cells: {
    ...cellsOf('append'),
    ...cellsOf('random insert'),
    ...cellsOf('random edits'),

    // What a keystroke weighs on its way to the server and what its acknowledgement weighs: the frames of the SDK's session and
    // the server's, each keystroke sent by itself and acknowledged before the next one.
    wire: (library, _, input) => {
      if (library.lacks.wire !== undefined) return {};
      const append = send(all(input, 'append'));
      const random = send(all(input, 'random insert'));
      return {
        append_bytes: totalBytes(append.up) / count,
        random_insert_bytes: totalBytes(random.up) / count,
        ack_bytes: totalBytes(random.down) / count,
      };
    },
  },
};
