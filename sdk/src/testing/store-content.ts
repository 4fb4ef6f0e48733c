// Random contents of a store, and all that a store has in a form to compare: for tests of what moves records.

import { writeEnvelope } from '@joinery/protocol';
import type {
  DamagedRecord,
  DocumentStore,
  MoveMark,
  Namespace,
  PendingDocument,
  Storage,
} from '../storage/storage.ts';
import { assert } from './contract.ts';

export interface StoreContent {
  /** Where each record lies, with its bytes in hex; sorted. */
  readonly records: readonly (readonly [place: string, bytes: string])[];
  readonly damaged: readonly DamagedRecord[];
  readonly mark: MoveMark | undefined;
  readonly pending: readonly PendingDocument[];
  readonly documents: readonly string[];
}

/** Commits of a client's life, by a seed: documents, acknowledged and not, snapshots, swaps, rejected writes, values, damage. */
export async function fillStore(store: DocumentStore, random: () => number): Promise<void> {
  const below = (limit: number): number => Math.floor(random() * limit);
  const bytes = (): Uint8Array => Uint8Array.from({ length: 1 + below(40) }, () => below(256));
  for (let document = 0; document < 4; document += 1) {
    const id = `document-${document}/ü`;
    const agent = BigInt(1 + document * 10 + below(5));
    const count = 1 + below(5);
    for (let from = 0; from < count; from += 1) {
      const local = [writeEnvelope({ agent, from, to: from + 1, payload: bytes() })];
      await store.append([
        { document: id, incarnation: 0, epoch: 0, at_ms: 1_000 + from, local, clockOffset_ms: below(9) },
      ]);
    }
    const acknowledged = [{ agent, to: 1 + below(count), position: count }];
    const remote = {
      firstPosition: count + 1,
      envelopes: [writeEnvelope({ agent: 99n, from: 0, to: 1, payload: bytes() })],
    };
    const resume = { epoch: 1, position: count + 1, repairs: 0 };
    await store.append([{ document: id, incarnation: 0, epoch: 1, at_ms: 2_000, acknowledged, remote, resume }]);
    if (random() < 0.5) {
      const covers = new Map([[99n, 1]]);
      await store.compact(id, { incarnation: 0, replaces: undefined, epoch: 1, bytes: bytes(), covers });
    }
    if (random() < 0.6) {
      const part = { from: 0, to: 1, code: 'forbidden', message: 'No.', reason: 'refused' };
      const rejected = [
        { id: `${document}-entry`, agent, parts: [part], at_ms: 3, changes: bytes(), envelope: bytes() },
      ];
      const isSwapped = await store.swap(id, {
        incarnation: 0,
        expectAgents: new Map([[agent, count]]),
        snapshot: bytes(),
        resume: { epoch: 2, position: 1 },
        safe: { epoch: 2, position: 1 },
        at_ms: 4_000,
        local: [writeEnvelope({ agent: agent + 1_000n, from: 0, to: 1, payload: bytes() })],
        clockOffset_ms: undefined,
        rejected,
        agents: [{ agent, covered: count, last: 1 }],
        mapping: bytes(),
      });
      assert(isSwapped, 'a swap of a document that nobody else has is done');
    }
    await store.writeValue(`value-${document}`, bytes());
  }
  // A record that can't be read is set aside, by the load that finds it.
  const broken = { area: 'log', document: 'document-0/ü', name: '00000000000000ff:0', bytes: bytes() } as const;
  await store.raw?.change({ expect: undefined, mark: undefined, put: [broken] });
  await store.load('document-0/ü');
  // And one that nobody has met yet.
  await store.raw?.change({ expect: undefined, mark: undefined, put: [{ ...broken, document: 'document-1/ü' }] });
}

/** All that a store shows, and its records. */
export async function contentOf(storage: Storage, namespace: Namespace): Promise<StoreContent> {
  const store = await storage.open(namespace);
  const { names, damaged, mark } = await (store.raw as NonNullable<DocumentStore['raw']>).survey();
  const key = ({ area, document, name }: (typeof names)[number]): string => `${area} ${document} ${name}`;
  const sorted = [...names].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const bytes = await store.raw?.read(sorted);
  const records = sorted.map((name, index) => [key(name), hex(bytes?.[index])] as const);
  const pending = [...(await store.pending())].sort((a, b) => (a.document < b.document ? -1 : 1));
  const found = { records, damaged, mark, pending, documents: await store.documents() };
  await store.close();
  return found;
}

function hex(bytes: Uint8Array = new Uint8Array(0)): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
