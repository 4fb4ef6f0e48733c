// The part of the storage contract's suite that is about undo stacks: each in the commit of what it names, so many of a document,
// none across a swap. It is part of `storageSuite`, not a suite of its own.

import { writeEnvelope } from '@joinery/protocol';
import type { DocumentStore, DocumentWrite, Namespace, UndoWrite } from '../storage/storage.ts';
import { keptUndo_bytes, keptUndoStacks } from '../storage/undo-records.ts';
import { assertEqual, assertRejects, type ContractCase } from './contract.ts';
import type { StorageHarness } from './storage-suite.ts';

function write(undo: UndoWrite, more: Partial<DocumentWrite> = {}): DocumentWrite {
  return { document: 'a', incarnation: 0, epoch: 1, at_ms: 1_000, undo, ...more };
}

function one(owner: string, name: string, bytes: Uint8Array | undefined, only = false): UndoWrite {
  return { owner, stacks: [{ name, bytes }], only };
}

async function bytesOf(store: DocumentStore, owner: string, name: string): Promise<number[] | undefined> {
  const { stack } = await store.undo('a', owner, name);
  return stack && [...stack.bytes];
}

export function undoCases(namespace: () => Namespace): readonly ContractCase<StorageHarness>[] {
  return [
    {
      name: 'an undo stack is stored with what it names, or not at all, by owner and name',
      async run({ storage }) {
        const where = namespace();
        const store = await storage.open(where);
        assertEqual(await store.undo('a', 'left', 'body'), { stack: undefined });
        const envelope = writeEnvelope({ agent: 1n, from: 0, to: 1, payload: Uint8Array.of(1) });
        await store.append([write(one('left', 'body', Uint8Array.of(1, 2)), { local: [envelope] })]);
        const bad = store.append([write(one('left', 'body', Uint8Array.of(3)), { local: [Uint8Array.of(255)] })]);
        await assertRejects(bad, 'invalid-envelope');
        const stale = store.append([write(one('left', 'body', Uint8Array.of(4)), { epoch: 2 })]);
        await assertRejects(stale, 'stale-incarnation');
        await store.append([write(one('right', 'body', Uint8Array.of(5)))]);
        await store.append([
          write(one('left', 'title', Uint8Array.of(6))),
          write(one('left', 'title', Uint8Array.of(7))),
        ]);
        await store.close();
        const again = await storage.open(where);
        const stack = { incarnation: 0, epoch: 1, bytes: Uint8Array.of(1, 2) };
        assertEqual(await again.undo('a', 'left', 'body'), { stack });
        assertEqual(await bytesOf(again, 'right', 'body'), [5]);
        assertEqual(await bytesOf(again, 'left', 'title'), [7]);
        await again.append([write(one('left', 'body', undefined))]);
        assertEqual(await bytesOf(again, 'left', 'body'), undefined);
        await again.append([write(one('left', 'other', Uint8Array.of(8), true))]);
        assertEqual(await bytesOf(again, 'left', 'title'), undefined);
        assertEqual(await bytesOf(again, 'left', 'other'), [8]);
        assertEqual(await bytesOf(again, 'right', 'body'), [5]);
        await again.wipe();
        assertEqual(await bytesOf(again, 'right', 'body'), undefined);
        await again.close();
      },
    },
    {
      name: 'of undo stacks so many are kept of a document, none that is too long, and none across a swap',
      async run({ storage }) {
        const store = await storage.open(namespace());
        await store.append([write(one('tab', 'long', new Uint8Array(keptUndo_bytes)))]);
        assertEqual((await bytesOf(store, 'tab', 'long'))?.length, keptUndo_bytes);
        await store.append([write(one('tab', 'long', new Uint8Array(keptUndo_bytes + 1)))]);
        assertEqual(await bytesOf(store, 'tab', 'long'), undefined);
        for (let tab = 0; tab <= keptUndoStacks; tab += 1) {
          await store.append([write(one(`tab ${tab}`, 'body', Uint8Array.of(tab)))]);
        }
        assertEqual(await bytesOf(store, 'tab 0', 'body'), undefined);
        assertEqual(await bytesOf(store, 'tab 1', 'body'), [1]);
        assertEqual(await bytesOf(store, `tab ${keptUndoStacks}`, 'body'), [keptUndoStacks]);
        const nothing = { local: [], rejected: [], agents: [], mapping: new Uint8Array(), clockOffset_ms: undefined };
        const resume = { epoch: 1, position: 3 };
        const state = { expectAgents: new Map<bigint, number>(), snapshot: Uint8Array.of(7), safe: undefined };
        const isSwapped = await store.swap('a', { incarnation: 0, resume, at_ms: 2_000, ...state, ...nothing });
        assertEqual(isSwapped, true);
        assertEqual(await bytesOf(store, 'tab 1', 'body'), undefined);
        await store.append([write(one('tab', 'body', Uint8Array.of(9)), { incarnation: 1 })]);
        assertEqual((await store.undo('a', 'tab', 'body')).stack?.incarnation, 1);
        await store.close();
      },
    },
  ];
}
