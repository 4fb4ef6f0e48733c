// The large update: 10 MB in 10,000 entries, written in 1,000 transactions, for each SDK in the form in which it comes from elsewhere.
// To Joinery it comes from its server; to the others as bytes that are fetched.

import { mkdirSync, writeFileSync } from 'node:fs';
import * as automerge from '@automerge/automerge';
import { createClient } from 'joinery';
import { LoroDoc } from 'loro-crdt';
import { createMergeableStore } from 'tinybase';
import { WebSocket } from 'ws';
import { Doc, encodeStateAsUpdate } from 'yjs';
import { ServerProcess } from '../../harness/server-process.mjs';
import { mulberry32 } from '../trace.mjs';
import { pagesFolder } from './build-pages.mjs';

export const entries = 10_000;
const Socket = /** @type {NonNullable<import('joinery').ClientOptions['WebSocket']>} */ (
  /** @type {unknown} */ (WebSocket)
);
const characters = 1_000;
const entriesPerTransaction = 10;
export const document = 'large';
export const lastMarker = 'the-last-entry-of-all';

/** The entries: letters that nothing compresses well. @returns {[key: string, value: string][]} */
function content() {
  const random = mulberry32(7);
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-';
  const value = () => Array.from({ length: characters }, () => letters[Math.floor(random() * letters.length)]).join('');
  return Array.from({ length: entries }, (_, index) => [
    `entry ${index}`,
    index === entries - 1 ? lastMarker : value(),
  ]);
}

/** @param {readonly [string, string][]} all */
function* transactions(all) {
  for (let at = 0; at < all.length; at += entriesPerTransaction) {
    yield Object.fromEntries(all.slice(at, at + entriesPerTransaction));
  }
}

/** A server that has it. @returns {Promise<ServerProcess>} */
async function serverWith(/** @type {readonly [string, string][]} */ all) {
  const server = new ServerProcess();
  await server.start();
  const client = createClient({
    url: `${server.url.replace('http', 'ws')}/sync`,
    storage: 'memory',
    WebSocket: Socket,
  });
  const large = client.document(document);
  await large.loaded;
  for (const transaction of transactions(all)) large.update(transaction);
  await client.counter(document, 'done').increment().synced;
  await client.close();
  return server;
}

/** @type {Record<string, (all: readonly [string, string][]) => Promise<Uint8Array>>} */
const makers = {
  raw: async (all) => Buffer.from(JSON.stringify(Object.fromEntries(all))),
  yjs: async (all) => {
    const doc = new Doc();
    const map = doc.getMap('fields');
    for (const transaction of transactions(all)) {
      doc.transact(() => {
        for (const [key, value] of Object.entries(transaction)) map.set(key, value);
      });
    }
    return encodeStateAsUpdate(doc);
  },
  tinybase: async (all) => {
    const store = createMergeableStore();
    for (const transaction of transactions(all)) store.setPartialRow('fields', 'row', transaction);
    return Buffer.from(JSON.stringify(store.getMergeableContent()));
  },
  'automerge-repo': async (all) => {
    let doc = automerge.init();
    for (const transaction of transactions(all)) {
      doc = automerge.change(doc, (draft) => {
        Object.assign(/** @type {object} */ (draft), transaction);
      });
    }
    return automerge.save(doc);
  },
  loro: async (all) => {
    const doc = new LoroDoc();
    const map = doc.getMap('fields');
    for (const transaction of transactions(all)) {
      for (const [key, value] of Object.entries(transaction)) map.set(key, value);
      doc.commit();
    }
    return doc.export({ mode: 'update' });
  },
};

/** Makes it ready for these SDKs. @param {readonly { folder: string, subject: string }[]} subjects */
export async function prepareLarge(subjects) {
  const all = content();
  /** @type {ServerProcess | undefined} */
  let server;
  for (const { folder, subject } of subjects) {
    if (subject === 'joinery') {
      server ??= await serverWith(all);
    } else {
      mkdirSync(`${pagesFolder}${folder}`, { recursive: true });
      writeFileSync(`${pagesFolder}${folder}/large.bin`, (await makers[subject]?.(all)) ?? new Uint8Array());
    }
  }
  return {
    ...{ document, entries, last: lastMarker, update: 'large.bin', url: `${server?.url.replace('http', 'ws')}/sync` },
    dispose: async () => await server?.dispose(),
  };
}
