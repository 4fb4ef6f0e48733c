// The storage contract as cases, for every implementation to run where it really runs. It tests what `storage.ts`
// promises and nothing about how a storage does it.

import { writeEnvelope } from '@joinery/protocol';
import type { DocumentStore, DocumentWrite, Namespace, Storage } from '../storage/storage.ts';
import { assert, assertEqual, assertRejects, type ContractCase } from './contract.ts';
import { seededRandom } from './random.ts';
import { swapCases } from './storage-suite-swap.ts';
import { undoCases } from './storage-suite-undo.ts';

export interface StorageHarness {
  readonly storage: Storage;
  /** Flips a bit in the middle of one stored record of the area, behind the storage's back. */
  damage(namespace: Namespace, document: string, area: 'log' | 'snapshot' | 'state'): Promise<void>;
}

let namespaces = 0;

/** A namespace that no case has used. */
function freshNamespace(user = 'ada'): Namespace {
  namespaces += 1;
  return { server: `wss://${Math.random().toString(36).slice(2)}.example/sync`, user, name: `case-${namespaces}` };
}

/** An envelope with a payload that tells agent and range. */
function envelope(agent: number, from: number, to: number): Uint8Array {
  return writeEnvelope({ agent: BigInt(agent), from, to, payload: Uint8Array.of(agent, from, to) });
}

function local(document: string, ...envelopes: Uint8Array[]): DocumentWrite {
  return { document, incarnation: 0, epoch: 0, at_ms: 1_000, local: envelopes };
}

function remote(document: string, firstPosition: number, ...envelopes: Uint8Array[]): DocumentWrite {
  const resume = { epoch: 1, position: firstPosition + envelopes.length - 1, repairs: 0 };
  return { document, incarnation: 0, epoch: 1, at_ms: 2_000, remote: { firstPosition, envelopes }, resume };
}

/** The log in a form to compare: agent:from-to, with `+` where the server has it. */
async function logOf(store: DocumentStore, document: string): Promise<string[]> {
  const { log } = await store.load(document);
  return log.map(({ agent, from, to, acknowledged }) => `${agent}:${from}-${to}${acknowledged ? '+' : ''}`).sort();
}

const snapshot = {
  incarnation: 0,
  replaces: undefined,
  epoch: 1,
  bytes: Uint8Array.of(9, 9, 9),
  covers: new Map([[1n, 2]]),
};

export const storageSuite: readonly ContractCase<StorageHarness>[] = [
  {
    name: 'an unknown document is an empty one',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      const nothing = { snapshot: undefined, log: [], resume: undefined, repairs: 0, damaged: [] };
      const expected = { ...nothing, incarnation: 0, epoch: 0 };
      assertEqual(await store.load('nothing'), expected);
      assertEqual(await store.documents(), []);
      assertEqual(await store.pending(), []);
      await store.close();
    },
  },
  {
    name: 'what was appended is there after opening again, byte for byte',
    async run({ storage }) {
      const namespace = freshNamespace();
      const first = await storage.open(namespace);
      const bytes = envelope(1, 0, 2);
      const given = bytes.slice();
      await first.append([local('a', given), remote('a', 1, envelope(2, 0, 5))]);
      given.fill(0);
      await first.close();
      const second = await storage.open(namespace);
      const { log, resume } = await second.load('a');
      const own = log.find(({ agent }) => agent === 1n);
      const range = { agent: 1n, from: 0, to: 2 };
      assertEqual(own, { ...range, bytes, epoch: 1, at_ms: 1_000, own: true, acknowledged: false, safe: false });
      assertEqual(log.find(({ agent }) => agent === 2n)?.acknowledged, true);
      assertEqual(resume, { epoch: 1, position: 1 });
      await second.close();
    },
  },
  {
    name: 'one append is one commit: when a part of it is no envelope, nothing is stored',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      const bad = store.append([local('a', envelope(1, 0, 1)), local('b', Uint8Array.of(255)), remote('c', 1)]);
      await assertRejects(bad, 'invalid-envelope');
      assertEqual(await store.documents(), []);
      assertEqual(await logOf(store, 'a'), []);
      await store.close();
    },
  },
  {
    name: 'an append of a thousand documents is all there',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      const ids = Array.from({ length: 1_000 }, (_, index) => `document-${String(index).padStart(4, '0')}`);
      await store.append(ids.map((id) => local(id, envelope(1, 0, 1))));
      assertEqual(await store.documents(), ids);
      assertEqual(await logOf(store, 'document-0999'), ['1:0-1']);
      assertEqual((await store.pending()).length, 1_000);
      await store.close();
    },
  },
  {
    name: 'documents that are loaded at once are what each is alone, whatever lies between them',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      const ids = Array.from({ length: 60 }, (_, index) => `document-${String(index).padStart(2, '0')}`);
      await store.append(ids.map((id, index) => local(id, envelope(index + 1, 0, 1))));
      await store.append(ids.map((id, index) => local(id, envelope(index + 1, 1, 2))));
      const compaction = { incarnation: 0, replaces: undefined, epoch: 0, covers: new Map() };
      for (const id of ids.slice(10, 20)) await store.compact(id, { ...compaction, bytes: Uint8Array.of(1, 2, 3) });
      const unknown = ['document-', 'document-10x', 'document-99', 'z'];
      // All of them; some with others between; few among very many.
      for (const wanted of [ids, ids.filter((_, index) => index % 3 !== 1), [ids[0] ?? '', ids[59] ?? '']]) {
        const together = [...unknown, ...wanted, ...wanted.slice(0, 2)].reverse();
        const loaded = await Promise.all(together.map((id) => store.load(id)));
        for (const [index, id] of together.entries()) assertEqual(loaded[index], await store.load(id), id);
      }
      assertEqual((await store.load('document-15')).snapshot?.bytes, Uint8Array.of(1, 2, 3));
      assertEqual(await logOf(store, 'document-59'), ['60:0-1', '60:1-2']);
      await store.close();
    },
  },
  {
    name: 'ids are opaque: those that look like paths, keys or nothing special stay apart',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      const ids = ['__proto__', 'a', 'a/b', 'a:0', 'a\u{10ffff}', 'ab', 'constructor', '\u{1f600}', 'é'.repeat(128)];
      for (const [index, id] of ids.entries()) await store.append([local(id, envelope(index + 1, 0, 1))]);
      for (const [index, id] of ids.entries()) assertEqual(await logOf(store, id), [`${index + 1}:0-1`], id);
      assertEqual(await store.documents(), [...ids].sort());
      await store.close();
    },
  },
  {
    name: 'namespaces share nothing',
    async run({ storage }) {
      const namespace = freshNamespace();
      const others = [
        { ...namespace, user: 'bob' },
        { ...namespace, name: 'other' },
        { ...namespace, server: `${namespace.server}/x` },
      ];
      const store = await storage.open(namespace);
      await store.append([local('a', envelope(1, 0, 1))]);
      await store.writeValue('key', Uint8Array.of(1));
      for (const other of others) {
        const stranger = await storage.open(other);
        assertEqual(await stranger.documents(), []);
        assertEqual(await stranger.readValue('key'), undefined);
        await stranger.close();
      }
      await store.close();
    },
  },
  {
    name: 'a resume point never goes back',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      const at = (position: number): DocumentWrite => ({
        document: 'a',
        incarnation: 0,
        epoch: 2,
        at_ms: 0,
        resume: { epoch: 2, position, repairs: 0 },
      });
      for (const [position, expected] of [
        [5, 5],
        [3, 5],
        [6, 6],
      ] as const) {
        await store.append([at(position)]);
        assertEqual((await store.load('a')).resume, { epoch: 2, position: expected });
      }
      await store.append([at(8), at(4)]);
      assertEqual((await store.load('a')).resume, { epoch: 2, position: 8 });
      await store.close();
    },
  },
  {
    name: 'an acknowledgement holds for all lower envelopes of its agent, and for no other',
    async run({ storage }) {
      const namespace = freshNamespace();
      const store = await storage.open(namespace);
      await store.append([local('a', envelope(1, 0, 1), envelope(1, 1, 4), envelope(1, 4, 5), envelope(2, 0, 3))]);
      await store.append([local('b', envelope(1, 0, 1))]);
      const acknowledge = (to: number): DocumentWrite => ({
        document: 'a',
        incarnation: 0,
        epoch: 1,
        at_ms: 0,
        acknowledged: [{ agent: 1n, to, position: 7 }],
      });
      await store.append([acknowledge(4)]);
      await store.append([acknowledge(1)]);
      const expected = ['1:0-1+', '1:1-4+', '1:4-5', '2:0-3'];
      assertEqual(await logOf(store, 'a'), expected);
      const byId = (await store.pending()).sort((a, b) => (a.document < b.document ? -1 : 1));
      assertEqual(byId, [
        { document: 'a', envelopes: 2, oldestAt_ms: 1_000 },
        { document: 'b', envelopes: 1, oldestAt_ms: 1_000 },
      ]);
      await store.close();
      const again = await storage.open(namespace);
      assertEqual(await logOf(again, 'a'), expected);
      await again.close();
    },
  },
  {
    name: 'an envelope that is appended twice is there once, and one that comes back from the server is acknowledged',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      await store.append([local('a', envelope(1, 0, 1), envelope(1, 0, 1))]);
      await store.append([local('a', envelope(1, 0, 1))]);
      assertEqual(await logOf(store, 'a'), ['1:0-1']);
      await store.append([remote('a', 1, envelope(1, 0, 1))]);
      assertEqual(await logOf(store, 'a'), ['1:0-1+']);
      await store.close();
    },
  },
  {
    name: 'an envelope of one tab that another tab gets from the server is nobody’s to send, whichever is stored first',
    async run({ storage }) {
      const namespace = freshNamespace();
      const [tab, other] = [await storage.open(namespace), await storage.open(namespace)];
      const [first, second, third] = [envelope(1, 0, 1), envelope(1, 1, 2), envelope(1, 2, 3)];
      await tab.append([local('a', first)]);
      await other.append([remote('a', 1, first, second)]);
      assertEqual(await other.pending(), [], 'what is pending after the local one, then the one from the server');
      await tab.append([local('a', second, third)]);
      assertEqual(await logOf(other, 'a'), ['1:0-1+', '1:1-2+', '1:2-3']);
      assertEqual(await other.pending(), [{ document: 'a', envelopes: 1, oldestAt_ms: 1_000 }]);
      const acknowledged = [{ agent: 1n, to: 3, position: 3 }];
      await other.append([{ document: 'a', incarnation: 0, epoch: 1, at_ms: 0, acknowledged }]);
      await tab.append([local('a', third)]);
      assertEqual(await other.pending(), [], 'what is pending after a local one that was acknowledged before');
      await Promise.all([tab.close(), other.close()]);
    },
  },
  {
    name: 'envelopes are read by agent and start, in the order asked for',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      await store.append([local('a', envelope(1, 0, 1), envelope(1, 1, 2), envelope(2, 0, 1))]);
      const keys = [
        { agent: 2n, from: 0 },
        { agent: 3n, from: 0 },
        { agent: 1n, from: 1 },
      ];
      assertEqual(await store.read('a', keys), [envelope(2, 0, 1), undefined, envelope(1, 1, 2)]);
      await store.close();
    },
  },
  {
    name: 'compaction removes what the snapshot covers and the server has, and nothing else',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      await store.append([
        local('a', envelope(1, 0, 1), envelope(1, 1, 2), envelope(1, 2, 3)),
        remote('a', 1, envelope(2, 0, 4), envelope(3, 0, 1)),
        { document: 'a', incarnation: 0, epoch: 1, at_ms: 0, acknowledged: [{ agent: 1n, to: 1, position: 3 }] },
        { document: 'a', incarnation: 0, epoch: 1, at_ms: 0, safe: { epoch: 1, position: 3 } },
      ]);
      const covers = new Map([
        [1n, 2],
        [2n, 3],
        [3n, 1],
      ]);
      const tag = await store.compact('a', { ...snapshot, covers });
      assert(tag !== undefined, 'the first compaction succeeds');
      // 1:0-1 and 3:0-1 are covered and the server's; 1:1-2 isn't acknowledged, 1:2-3 and 2:0-4 aren't covered.
      assertEqual(await logOf(store, 'a'), ['1:1-2', '1:2-3', '2:0-4+']);
      const stored = await store.load('a');
      assertEqual(stored.snapshot, { tag, epoch: 1, bytes: Uint8Array.of(9, 9, 9) });
      assertEqual(stored.resume, { epoch: 1, position: 2 });
      await store.close();
    },
  },
  {
    name: 'compaction is void when the stored snapshot is not the one that the new one includes',
    async run({ storage }) {
      const namespace = freshNamespace();
      const [tab, other] = [await storage.open(namespace), await storage.open(namespace)];
      await tab.append([remote('a', 1, envelope(1, 0, 1), envelope(1, 1, 2), envelope(1, 2, 3))]);
      const tag = await tab.compact('a', { ...snapshot, covers: new Map([[1n, 1]]) });
      assertEqual(await other.compact('a', { ...snapshot, covers: new Map([[1n, 3]]) }), undefined);
      assertEqual(await other.compact('a', { ...snapshot, replaces: 'another' }), undefined);
      assertEqual(await logOf(other, 'a'), ['1:1-2+', '1:2-3+']);
      const bytes = Uint8Array.of(8);
      const next = await other.compact('a', { ...snapshot, replaces: tag, bytes, covers: new Map([[1n, 2]]) });
      assert(next !== undefined && next !== tag, 'the second snapshot has another tag');
      assertEqual((await tab.load('a')).snapshot, { tag: next, epoch: 1, bytes });
      assertEqual(await logOf(tab, 'a'), ['1:2-3+']);
      await Promise.all([tab.close(), other.close()]);
    },
  },
  {
    name: 'of compactions at once exactly one succeeds',
    async run({ storage }) {
      const namespace = freshNamespace();
      const tabs = await Promise.all(Array.from({ length: 4 }, () => storage.open(namespace)));
      const attempts = tabs.map((tab, index) => tab.compact('a', { ...snapshot, bytes: Uint8Array.of(index) }));
      const won = (await Promise.all(attempts)).filter((tag) => tag !== undefined);
      assertEqual(won.length, 1, 'the number of compactions that succeeded');
      assertEqual((await tabs[0]?.load('a'))?.snapshot?.tag, won[0]);
      await Promise.all(tabs.map((tab) => tab.close()));
    },
  },
  {
    name: "the server's snapshot is stored with its resume point",
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      await store.compact('a', { ...snapshot, resume: { epoch: 1, position: 40, repairs: 0 } });
      assertEqual((await store.load('a')).resume, { epoch: 1, position: 40 });
      assertEqual(await store.documents(), ['a']);
      await store.close();
    },
  },
  {
    name: 'two tabs append to one document and lose nothing',
    async run({ storage }) {
      const namespace = freshNamespace();
      const tabs = await Promise.all([storage.open(namespace), storage.open(namespace)]);
      await Promise.all(
        tabs.flatMap((tab, index) =>
          Array.from({ length: 20 }, (_, seq) => tab.append([local('a', envelope(index + 1, seq, seq + 1))])),
        ),
      );
      assertEqual((await logOf(tabs[0], 'a')).length, 40, 'the number of envelopes');
      await Promise.all(tabs.map((tab) => tab.close()));
    },
  },
  {
    name: 'values are kept, replaced and deleted',
    async run({ storage }) {
      const namespace = freshNamespace();
      const store = await storage.open(namespace);
      await store.writeValue('key', Uint8Array.of(1));
      await store.writeValue('other', Uint8Array.of());
      await store.writeValue('key', Uint8Array.of(2, 3));
      await store.close();
      const again = await storage.open(namespace);
      assertEqual(await again.readValue('key'), Uint8Array.of(2, 3));
      assertEqual(await again.readValue('other'), Uint8Array.of());
      await again.writeValue('key', undefined);
      assertEqual(await again.readValue('key'), undefined);
      await again.close();
    },
  },
  ...(['log', 'snapshot', 'state'] as const).map(
    (area): ContractCase<StorageHarness> => ({
      name: `a damaged record (${area}) is set aside once, reported, and makes the document be fetched again`,
      async run(harness) {
        const namespace = freshNamespace();
        const store = await harness.storage.open(namespace);
        await store.append([remote('a', 1, envelope(1, 0, 1))]);
        await store.compact('a', { ...snapshot, covers: new Map() });
        await harness.damage(namespace, 'a', area);
        const found = await store.load('a');
        assertEqual([found.damaged.length, found.damaged[0]?.area], [1, area], 'what was reported');
        assertEqual(found.resume, undefined, 'the resume point');
        assertEqual(found.log.length, area === 'log' ? 0 : 1, 'the number of envelopes');
        assertEqual(found.snapshot === undefined, area === 'snapshot', 'the absence of the snapshot');
        assertEqual((await store.load('a')).damaged, [], 'what the second load reports');
        const aside = await store.damaged();
        assertEqual([aside.length, aside[0]?.document, aside[0]?.area], [1, 'a', area], 'what was set aside');
        // A tab that doesn't know of the damage must not make the document look complete again.
        await store.append([remote('a', 2, envelope(1, 1, 2))]);
        const later = await store.load('a');
        assertEqual(later.resume, undefined, "the resume point after an unknowing tab's write");
        const repaired = { epoch: 1, position: 2, repairs: later.repairs };
        await store.append([{ document: 'a', incarnation: 0, epoch: 1, at_ms: 0, resume: repaired }]);
        assertEqual((await store.load('a')).resume, { epoch: 1, position: 2 });
        await store.close();
      },
    }),
  ),
  {
    name: 'a closed store answers with `closed`, and closing again does no harm',
    async run({ storage }) {
      const store = await storage.open(freshNamespace());
      await store.close();
      await store.close();
      await assertRejects(store.append([local('a', envelope(1, 0, 1))]), 'closed');
      await assertRejects(store.load('a'), 'closed');
      await assertRejects(store.compact('a', snapshot), 'closed');
      await assertRejects(store.documents(), 'closed');
    },
  },
  ...swapCases(freshNamespace),
  ...undoCases(freshNamespace),
  {
    name: 'random commits from three tabs leave what a naive model says',
    async run({ storage }) {
      for (let seed = 1; seed <= 5; seed += 1) await runModel(storage, seed);
    },
  },
];

/** Appends, acknowledges and compacts at random, and holds the log against plain sets. */
async function runModel(storage: Storage, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const namespace = freshNamespace(`model-${seed}`);
  const tabs = await Promise.all([0, 1, 2].map(() => storage.open(namespace)));
  const written = new Map<number, number>();
  const acknowledged = new Map<number, number>();
  const removed = new Set<string>();
  let tag: string | undefined;
  for (let step = 0; step < 60; step += 1) {
    const tab = tabs[below(3)] as DocumentStore;
    const agent = 1 + below(4);
    const top = written.get(agent) ?? 0;
    const choice = below(10);
    if (choice < 6) {
      await tab.append([local('m', envelope(agent, top, top + 1))]);
      written.set(agent, top + 1);
    } else if (choice < 8) {
      const to = below(top + 1);
      if (to === 0) continue;
      await tab.append([
        {
          document: 'm',
          incarnation: 0,
          epoch: 1,
          at_ms: 0,
          acknowledged: [{ agent: BigInt(agent), to, position: 1 }],
          safe: { epoch: 1, position: 1 },
        },
      ]);
      acknowledged.set(agent, Math.max(to, acknowledged.get(agent) ?? 0));
    } else {
      const covers = new Map([...written].map(([name, to]) => [BigInt(name), below(to + 1)]));
      const next = await tab.compact('m', {
        incarnation: 0,
        replaces: tag,
        epoch: 1,
        bytes: Uint8Array.of(step),
        covers,
      });
      assert(next !== undefined, `the compaction of step ${step}, seed ${seed} succeeds`);
      tag = next;
      for (const [name, to] of covers) {
        for (let seq = 1; seq <= Math.min(to, acknowledged.get(Number(name)) ?? 0); seq += 1) {
          removed.add(`${name}:${seq - 1}-${seq}`);
        }
      }
    }
  }
  const expected: string[] = [];
  for (const [agent, top] of written) {
    for (let seq = 1; seq <= top; seq += 1) {
      const name = `${agent}:${seq - 1}-${seq}`;
      if (!removed.has(name)) expected.push(name + (seq <= (acknowledged.get(agent) ?? 0) ? '+' : ''));
    }
  }
  assertEqual(await logOf(tabs[0] as DocumentStore, 'm'), expected.sort(), `the log of seed ${seed}`);
  await Promise.all(tabs.map((tab) => tab.close()));
}
