// The part of the storage contract's suite that is about incarnations: stale appends, swaps, the rejected list, and what
// is kept until the server's backup has it. It is part of `storageSuite`, not a suite of its own.

import { JoineryError, writeEnvelope } from '@joinery/protocol';
import {
  type Compaction,
  type DocumentStore,
  type DocumentWrite,
  keptReplacements,
  type Namespace,
  type RejectedWrite,
  rejectedId,
  type StaleIncarnation,
  type Swap,
} from '../storage/storage.ts';
import { assert, assertEqual, assertRejects, type ContractCase } from './contract.ts';
import type { StorageHarness } from './storage-suite.ts';

function envelope(agent: number, from: number, to: number): Uint8Array {
  return writeEnvelope({ agent: BigInt(agent), from, to, payload: Uint8Array.of(agent, from, to) });
}

function write(incarnation: number, more: Partial<DocumentWrite>): DocumentWrite {
  return { document: 'a', incarnation, epoch: 1, at_ms: 1_000, ...more };
}

function rejection(agent: bigint, from: number, to: number): RejectedWrite {
  const parts = [{ from, to, code: 'forbidden', message: 'no', reason: 'refused' }];
  const content = { changes: Uint8Array.of(3), envelope: envelope(Number(agent), from, to) };
  return { id: rejectedId({ agent, from, to }), agent, parts, ...content, at_ms: 5_000 };
}

/** A swap of incarnation 0 in which nothing is replayed. */
const plainSwap: Swap = {
  incarnation: 0,
  expectAgents: new Map(),
  snapshot: Uint8Array.of(7),
  resume: { epoch: 1, position: 10 },
  safe: undefined,
  at_ms: 2_000,
  local: [],
  clockOffset_ms: undefined,
  rejected: [],
  agents: [],
  mapping: new Uint8Array(),
};

function compactionOf(byte: number): Compaction {
  return { incarnation: 0, replaces: undefined, epoch: 1, bytes: Uint8Array.of(byte), covers: new Map() };
}

async function logOf(store: DocumentStore): Promise<string[]> {
  const { log } = await store.load('a');
  const marks = log.map(({ agent, from, to, acknowledged, own, safe }) => {
    return `${agent}:${from}-${to}${acknowledged ? '+' : ''}${own ? ' own' : ''}${safe ? ' safe' : ''}`;
  });
  return marks.sort();
}

export function swapCases(namespace: () => Namespace): readonly ContractCase<StorageHarness>[] {
  return [
    {
      name: 'a swap is one commit: the state, the replayed envelopes, the rejected ones, the resume point',
      async run({ storage }) {
        const name = namespace();
        const store = await storage.open(name);
        await store.append([write(0, { local: [envelope(1, 0, 1), envelope(1, 1, 2), envelope(1, 2, 3)] })]);
        await store.append([write(0, { remote: { firstPosition: 1, envelopes: [envelope(2, 0, 4)] } })]);
        const swapped = await store.swap('a', {
          ...plainSwap,
          expectAgents: new Map([[1n, 3]]),
          local: [envelope(3, 0, 1)],
          clockOffset_ms: -50,
          rejected: [rejection(1n, 1, 2)],
          agents: [{ agent: 1n, covered: 3, last: 1 }],
          mapping: Uint8Array.of(6),
          bridges: [{ agent: 9n, bytes: Uint8Array.of(5) }],
        });
        assertEqual(swapped, true);
        await store.close();
        const again = await storage.open(name);
        const stored = await again.load('a');
        assertEqual([stored.incarnation, stored.resume], [1, { epoch: 1, position: 10 }]);
        assertEqual(stored.snapshot?.bytes, Uint8Array.of(7));
        // 1:0-1 is at the server and not yet in its backup; 2 is in the snapshot; the rest of 1 was replayed.
        assertEqual(await logOf(again), ['1:0-1+ own', '3:0-1 own']);
        assertEqual(stored.log.find(({ agent }) => agent === 3n)?.clockOffset_ms, -50);
        assertEqual(await again.rejected(), [{ document: 'a', ...rejection(1n, 1, 2) }]);
        assertEqual(await again.pending(), [{ document: 'a', envelopes: 1, oldestAt_ms: 2_000 }]);
        assertEqual(await again.replacements('a', 0), [
          {
            incarnation: 1,
            agents: [{ agent: 1n, covered: 3, last: 1 }],
            rejected: [{ agent: 1n, from: 1, to: 2, code: 'forbidden', message: 'no' }],
            mapping: Uint8Array.of(6),
            bridges: [{ agent: 9n, bytes: Uint8Array.of(5) }],
          },
        ]);
        assertEqual(await again.replacements('a', 1), []);
        await again.close();
      },
    },
    {
      name: 'an append of an older incarnation stores nothing of its commit and names the document',
      async run({ storage }) {
        const name = namespace();
        const [tab, other] = [await storage.open(name), await storage.open(name)];
        assertEqual(await tab.swap('a', plainSwap), true);
        const late = write(0, { local: [envelope(1, 0, 1)] });
        const failing = other.append([{ ...late, document: 'b' }, late]);
        await assertRejects(failing, 'stale-incarnation');
        assertEqual(await failing.catch((error: StaleIncarnation) => error.document), 'a', 'the document');
        assertEqual([await logOf(other), (await other.load('b')).log, await other.pending()], [[], [], []]);
        await other.append([write(1, { local: [envelope(1, 0, 1)] })]);
        assertEqual(await logOf(tab), ['1:0-1 own']);
        await Promise.all([tab.close(), other.close()]);
      },
    },
    {
      name: 'an incarnation is in one epoch: what is of another one is not stored, nor is what comes with it',
      async run({ storage }) {
        const name = namespace();
        const [tab, other] = [await storage.open(name), await storage.open(name)];
        await tab.append([write(0, { epoch: 0, local: [envelope(1, 0, 1)] })]);
        assertEqual((await tab.load('a')).epoch, 0, 'the epoch while none is known');
        await tab.append([write(0, { epoch: 7, remote: { firstPosition: 1, envelopes: [envelope(2, 0, 1)] } })]);
        const strange = write(0, { epoch: 6, local: [envelope(3, 0, 1)] });
        const failing = other.append([{ ...strange, document: 'b' }, strange]);
        await assertRejects(failing, 'stale-incarnation');
        const told = await failing.catch(({ document, expected }: StaleIncarnation) => ({ document, expected }));
        assertEqual(told, { document: 'a', expected: { incarnation: 0, epoch: 7 } }, 'what the error says');
        assertEqual((await other.load('b')).log, []);
        assertEqual(await other.compact('a', { ...compactionOf(9), epoch: 6 }), undefined, 'a compaction');
        await other.append([write(0, { epoch: 0, local: [envelope(4, 0, 1)] })]);
        assertEqual(await logOf(tab), ['1:0-1 own', '2:0-1+ safe', '4:0-1 own']);
        assertEqual((await tab.load('a')).epoch, 7, 'the epoch of what is stored');
        // One commit that is of two epochs in itself.
        const torn = [1, 2].map((epoch) => write(0, { document: 'c', epoch, local: [envelope(epoch, 0, 1)] }));
        await assertRejects(other.append(torn), 'stale-incarnation');
        assertEqual((await other.load('c')).log, []);
        await Promise.all([tab.close(), other.close()]);
      },
    },
    {
      name: 'a compaction and a swap tell of the epoch as an append does',
      async run({ storage }) {
        const store = await storage.open(namespace());
        assert((await store.compact('a', { ...compactionOf(9), epoch: 7 })) !== undefined, 'it is compacted');
        await assertRejects(store.append([write(0, { epoch: 6 })]), 'stale-incarnation');
        assertEqual(await store.swap('a', { ...plainSwap, resume: { epoch: 8, position: 1 } }), true);
        await assertRejects(store.append([write(1, { epoch: 7 })]), 'stale-incarnation');
        await store.append([write(1, { epoch: 8 })]);
        assertEqual((await store.load('a')).epoch, 8);
        await store.close();
      },
    },
    {
      name: 'where the state record is damaged, what is left of the others tells of the epoch',
      async run({ storage, damage }) {
        const name = namespace();
        const store = await storage.open(name);
        await store.append([write(0, { epoch: 7, local: [envelope(1, 0, 1)] })]);
        await damage(name, 'a', 'state');
        await assertRejects(store.append([write(0, { epoch: 6, local: [envelope(3, 0, 1)] })]), 'stale-incarnation');
        await store.load('a');
        await assertRejects(store.append([write(0, { epoch: 6, local: [envelope(3, 0, 1)] })]), 'stale-incarnation');
        assertEqual((await store.load('a')).epoch, 7);
        await store.close();
      },
    },
    {
      name: 'what was written before an epoch was known is of it as well, and says so where the state record is damaged',
      async run({ storage, damage }) {
        const name = namespace();
        const store = await storage.open(name);
        await store.append([write(0, { epoch: 0, local: [envelope(1, 0, 1)] })]);
        const first = write(0, { epoch: 0, local: [envelope(1, 0, 1), envelope(1, 1, 2)] });
        await store.append([first, write(0, { epoch: 7, resume: { epoch: 7, position: 0, repairs: 0 } })]);
        await store.append([write(0, { epoch: 0, local: [envelope(2, 0, 1)] })]);
        await damage(name, 'a', 'state');
        const { epoch, log, resume } = await store.load('a');
        assertEqual([epoch, log.map((record) => record.epoch), resume], [7, [7, 7, 7], undefined]);
        await store.close();
      },
    },
    {
      name: 'a swap is void when another came first, and of swaps at once exactly one succeeds',
      async run({ storage }) {
        const name = namespace();
        const tabs = await Promise.all([0, 1, 2].map(() => storage.open(name)));
        const attempts = tabs.map((tab, index) => tab.swap('a', { ...plainSwap, local: [envelope(index + 1, 0, 1)] }));
        const won = (await Promise.all(attempts)).indexOf(true);
        assertEqual((await Promise.all(attempts)).filter((swapped) => swapped).length, 1, 'swaps that succeeded');
        assertEqual(await logOf(tabs[0] as DocumentStore), [`${won + 1}:0-1 own`]);
        assertEqual((await tabs[1]?.load('a'))?.incarnation, 1);
        await Promise.all(tabs.map((tab) => tab.close()));
      },
    },
    {
      name: 'a swap is void when the log holds own envelopes that it does not know of',
      async run({ storage }) {
        const store = await storage.open(namespace());
        await store.append([write(0, { local: [envelope(1, 0, 1)] })]);
        const swap = { ...plainSwap, agents: [{ agent: 1n, covered: 1, last: 1 }] };
        assertEqual(await store.swap('a', swap), false, 'a swap that knows of no agent');
        await store.append([write(0, { local: [envelope(1, 1, 2)] })]);
        const expectAgents = new Map([[1n, 1]]);
        assertEqual(await store.swap('a', { ...swap, expectAgents }), false, 'a swap that knows of less');
        assertEqual(await logOf(store), ['1:0-1 own', '1:1-2 own']);
        assertEqual([(await store.load('a')).incarnation, await store.replacements('a', 0)], [0, []]);
        await store.append([write(0, { remote: { firstPosition: 1, envelopes: [envelope(2, 0, 1)] } })]);
        const both = { ...swap, expectAgents: new Map([[1n, 2]]), agents: [{ agent: 1n, covered: 2, last: 2 }] };
        assertEqual(await store.swap('a', both), true, 'a swap that knows of all');
        await store.close();
      },
    },
    {
      name: 'compaction for an older incarnation does nothing',
      async run({ storage }) {
        const store = await storage.open(namespace());
        const compaction = {
          incarnation: 0,
          replaces: undefined,
          epoch: 1,
          bytes: Uint8Array.of(9),
          covers: new Map(),
        };
        const tag = await store.compact('a', compaction);
        assert(tag !== undefined, 'a compaction of the incarnation succeeds');
        assertEqual(await store.swap('a', plainSwap), true);
        const replaces = (await store.load('a')).snapshot?.tag;
        assertEqual(await store.compact('a', { ...compaction, replaces }), undefined);
        assertEqual((await store.load('a')).snapshot?.bytes, Uint8Array.of(7));
        assert((await store.compact('a', { ...compaction, incarnation: 1, replaces })) !== undefined, 'the next can');
        await store.close();
      },
    },
    {
      name: 'own envelopes stay through compactions and swaps until the safe position has passed them',
      async run({ storage }) {
        const store = await storage.open(namespace());
        const own = [envelope(1, 0, 1), envelope(1, 1, 2), envelope(1, 2, 3)];
        await store.append([write(0, { local: own })]);
        for (const to of [1, 2, 3]) {
          await store.append([write(0, { acknowledged: [{ agent: 1n, to, position: to * 2 }] })]);
        }
        // One of them comes back from the server, and one of another author with it.
        await store.append([
          write(0, { remote: { firstPosition: 6, envelopes: [envelope(1, 2, 3), envelope(2, 0, 1)] } }),
        ]);
        const covers = new Map([
          [1n, 3],
          [2n, 1],
        ]);
        const compaction = { incarnation: 0, replaces: undefined, epoch: 1, bytes: Uint8Array.of(9), covers };
        const replaces = await store.compact('a', compaction);
        assertEqual(await logOf(store), ['1:0-1+ own', '1:1-2+ own', '1:2-3+ own']);
        await store.append([write(0, { safe: { epoch: 1, position: 3 } })]);
        await store.append([write(0, { safe: { epoch: 0, position: 9 } })]);
        assertEqual(await logOf(store), ['1:0-1+ own safe', '1:1-2+ own', '1:2-3+ own']);
        const next = await store.compact('a', { ...compaction, replaces });
        assertEqual(await logOf(store), ['1:1-2+ own', '1:2-3+ own']);
        const agents = [{ agent: 1n, covered: 3, last: 3 }];
        const swap = { ...plainSwap, expectAgents: new Map([[1n, 3]]), agents, safe: { epoch: 1, position: 4 } };
        assertEqual(await store.swap('a', swap), true, 'the swap');
        assert(next !== undefined, 'the second compaction succeeds');
        assertEqual(await logOf(store), ['1:2-3+ own']);
        await store.append([write(1, { safe: { epoch: 1, position: 6 } })]);
        assertEqual(await logOf(store), ['1:2-3+ own safe']);
        await store.close();
      },
    },
    {
      name: 'a swap into another epoch keeps nothing of the one before',
      async run({ storage }) {
        const store = await storage.open(namespace());
        await storeWithUnsafe(store);
        await swapIntoAnotherEpoch(store);
      },
    },
    {
      name: 'a swap into another epoch keeps nothing of the one before, also when damage has dropped the resume point',
      async run(harness) {
        const name = namespace();
        const store = await harness.storage.open(name);
        await storeWithUnsafe(store);
        const covers = new Map<bigint, number>();
        await store.compact('a', { incarnation: 0, replaces: undefined, epoch: 1, bytes: Uint8Array.of(9), covers });
        await harness.damage(name, 'a', 'snapshot');
        assertEqual((await store.load('a')).resume, undefined);
        await swapIntoAnotherEpoch(store);
      },
    },
    {
      name: 'the rejected list is kept, told per document, and emptied by name or by the write that deals with it',
      async run({ storage }) {
        const name = namespace();
        const store = await storage.open(name);
        const [one, two, three] = [rejection(1n, 0, 1), rejection(1n, 1, 2), rejection(2n, 0, 1)];
        await store.append([write(0, { rejected: [one, two] }), { ...write(0, { rejected: [three] }), document: 'b' }]);
        await store.append([write(0, { rejected: [one] })]);
        const ids = async (document?: string): Promise<string[]> =>
          (await store.rejected(document)).map(({ id }) => id);
        assertEqual(
          [await ids(), await ids('a'), await ids('b')],
          [[one.id, two.id, three.id], [one.id, two.id], [three.id]],
        );
        await store.append([write(0, { local: [envelope(3, 0, 1)], settled: [one.id] })]);
        // What is dealt with is so once, whoever is quicker.
        for (const gone of [one.id, three.id]) {
          const late = write(0, { local: [envelope(4, 0, 1)], settled: [two.id, gone] });
          await assertRejects(store.append([write(0, { local: [envelope(5, 0, 1)] }), late]), 'not-found');
        }
        assertEqual(await logOf(store), ['3:0-1 own']);
        await store.removeRejected('b', [three.id, one.id, 'unknown']);
        assertEqual(await ids(), [two.id]);
        await store.close();
        const again = await storage.open(name);
        assertEqual(await again.rejected(), [{ document: 'a', ...two }]);
        await again.close();
      },
    },
    {
      name: `the last ${keptReplacements} swaps can be followed`,
      async run({ storage }) {
        const store = await storage.open(namespace());
        const all = keptReplacements + 2;
        for (let incarnation = 0; incarnation < all; incarnation += 1) {
          assertEqual(await store.swap('a', { ...plainSwap, incarnation }), true, `swap ${incarnation}`);
        }
        const after = async (incarnation: number) =>
          (await store.replacements('a', incarnation)).map((replacement) => replacement.incarnation);
        assertEqual(await after(all - 2), [all - 1, all]);
        assertEqual((await after(0)).length, keptReplacements);
        await store.close();
      },
    },
    {
      name: 'a damaged state record does not bring an earlier incarnation back',
      async run(harness) {
        const name = namespace();
        const store = await harness.storage.open(name);
        await store.swap('a', plainSwap);
        await store.swap('a', { ...plainSwap, incarnation: 1 });
        await harness.damage(name, 'a', 'state');
        await assertRejects(store.append([write(0, { local: [envelope(1, 0, 1)] })]), 'stale-incarnation');
        assertEqual((await store.load('a')).incarnation, 2);
        await store.close();
      },
    },
    {
      name: 'a value is changed in one commit, whoever else changes it, and wiping leaves nothing',
      async run({ storage }) {
        const name = namespace();
        const [tab, other] = [await storage.open(name), await storage.open(name)];
        const more = (known: Uint8Array | undefined): Uint8Array => Uint8Array.of(...(known ?? []), known?.length ?? 0);
        const given = await Promise.all([tab, other, tab, other].map((store) => store.changeValue('user', more)));
        assertEqual(given.map(({ length }) => length).sort(), [1, 2, 3, 4]);
        assertEqual(await tab.readValue('user'), Uint8Array.of(0, 1, 2, 3));
        await assertRejects(
          tab.changeValue('user', () => {
            throw new JoineryError('internal', 'no');
          }),
          'internal',
        );
        assertEqual(await other.readValue('user'), Uint8Array.of(0, 1, 2, 3));
        await tab.append([write(0, { local: [envelope(1, 0, 1)], rejected: [rejection(1n, 0, 1)] })]);
        await tab.swap('a', { ...plainSwap, expectAgents: new Map([[1n, 1]]) });
        await other.wipe();
        assertEqual([await tab.documents(), await tab.rejected(), await tab.readValue('user')], [[], [], undefined]);
        await assertRejects(tab.pending(), 'wiped');
        assertEqual((await tab.load('a')).incarnation, 0);
        // Who was asleep meanwhile brings nothing back.
        const late = [
          tab.append([write(0, { local: [envelope(1, 1, 2)] })]),
          tab.swap('a', plainSwap),
          tab.compact('a', compactionOf(1)),
          tab.writeValue('user', Uint8Array.of(1)),
          tab.changeValue('user', () => Uint8Array.of(1)),
        ];
        for (const one of late) await assertRejects(one, 'wiped');
        const next = await storage.open(name);
        assertEqual([await next.documents(), await next.readValue('user')], [[], undefined]);
        await next.append([write(0, { local: [envelope(3, 0, 1)] })]);
        await other.append([write(0, { local: [envelope(3, 1, 2)] })]);
        assertEqual(await logOf(next), ['3:0-1 own', '3:1-2 own']);
        await next.wipe();
        await assertRejects(other.append([write(0, { local: [envelope(3, 2, 3)] })]), 'wiped');
        await next.close();
        await Promise.all([tab.close(), other.close()]);
      },
    },
  ];
}

/** An envelope that the server has and no backup, and one that it doesn't have. */
async function storeWithUnsafe(store: DocumentStore): Promise<void> {
  const resume = { epoch: 1, position: 5, repairs: 0 };
  await store.append([write(0, { local: [envelope(1, 0, 1), envelope(1, 1, 2)], resume })]);
  await store.append([write(0, { acknowledged: [{ agent: 1n, to: 1, position: 5 }] })]);
  await store.append([write(0, { safe: { epoch: 1, position: 4 } })]);
}

/** What `storeWithUnsafe` left is gone behind it, with all that was of the epoch before. */
async function swapIntoAnotherEpoch(store: DocumentStore): Promise<void> {
  const swap = {
    ...plainSwap,
    expectAgents: new Map([[1n, 2]]),
    resume: { epoch: 2, position: 1 },
    local: [envelope(2, 0, 1)],
    agents: [{ agent: 1n, covered: 2, last: 1 }],
  };
  assertEqual(await store.swap('a', swap), true);
  const stored = await store.load('a');
  assertEqual([stored.resume, stored.safe], [{ epoch: 2, position: 1 }, undefined]);
  assertEqual(await logOf(store), ['2:0-1 own']);
  await store.close();
}
