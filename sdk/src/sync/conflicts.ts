// Which writes of this device, not yet at the server, have lost to a write from elsewhere: found by looking at their slots right before
// and right after what comes is joined. A slot is a key of a map, or an element of a list, also in nodes' data; what merges (texts,
// counters, sets, nodes, what is put into a list) has none. It changes nothing, and knows nothing of storage.
//
// Who had seen a write when he wrote over it is no conflict: his envelope says so, and that he could see it means that the server has it.

import { asJoineryError, readEnvelope } from '@joinery/protocol';
import type { Change, Plain, Replica } from '../core/index.ts';
import { equalValues } from '../documents/shared-value.ts';

/** A write that has lost. Undefined: the key was deleted. */
export interface Conflict {
  /** Keys of maps, indices of lists, ids of nodes, from the root map on. */
  readonly path: readonly (string | number)[];
  readonly mine: Plain | undefined;
  readonly theirs: Plain | undefined;
}

interface Own {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
  /** By an earlier session. */
  readonly isLeft: boolean;
  /** Looked into, and there is a slot in it. */
  hasSlots: boolean | undefined;
}

interface Slot {
  readonly own: Own;
  /** Which of the slots of its envelope. */
  readonly nth: number;
  readonly change: Change;
  /** What the document shows at its place. */
  readonly shown: Plain | undefined;
}

/** What is known before something is joined. */
export type Slots = readonly Slot[];

/** Of one document so much is looked after; of what is older nothing is told. */
const kept_count = 256;
const kept_bytes = 64 * 1024;
/** What came last, for own writes that were made before it was known where they are written. */
const recent_count = 32;
const recent_bytes = 16 * 1024;
/** So many are told at a time. */
const told_count = 100;

const none: Slots = [];

export class Conflicts {
  #own: Own[] = [];
  #recent: Uint8Array[] = [];

  /** An own envelope is in the replica, and not at the server. */
  add(bytes: Uint8Array, isLeft: boolean): void {
    const { agent, from, to } = readEnvelope(bytes);
    if (this.#own.some((own) => own.agent === agent && own.from === from)) return;
    this.#own.push({ agent, from, to, bytes, isLeft, hasSlots: undefined });
    this.#own = newest(this.#own, kept_count, kept_bytes, (own) => own.bytes.length);
  }

  /** The server has everything. */
  settled(): void {
    this.#own = [];
  }

  /** Another incarnation has begun, or the document is closed. */
  clear(): void {
    this.#own = [];
    this.#recent = [];
  }

  /**
   * These are about to be joined. @param isUnsynced whether the server lacks an own envelope
   * @param updates whose headers tell what they rest on; none for a state
   */
  before(replica: Replica, updates: readonly Uint8Array[], isUnsynced: (own: Own) => boolean): Slots {
    if (this.#own.length === 0) return none;
    const seen = seenBy(updates);
    this.#own = this.#own.filter(
      (own) => own.hasSlots !== false && isUnsynced(own) && own.to > (seen.get(own.agent) ?? 0),
    );
    if (this.#own.length === 0) return none;
    const slots = this.#own.flatMap((own) => slotsOf(replica, own));
    if (slots.length === 0) return none;
    const value = replica.toJSON();
    // The last write to a place is the one that shows.
    const last = new Map<string, Slot>();
    for (const slot of slots) {
      if (slot.change.path.includes(-1)) continue;
      const shown = at(value, slot.change.path);
      last.set(JSON.stringify(slot.change.path), { ...slot, shown });
    }
    return [...last.values()].filter((slot) => isMine(slot, slot.shown));
  }

  /** They are joined: which of these have lost? */
  after(replica: Replica, updates: readonly Uint8Array[], slots: Slots): Conflict[] {
    this.#note(updates);
    if (slots.length === 0) return [];
    const value = replica.toJSON();
    const now = new Map<Own, readonly Change[]>();
    let theirs: readonly Change[] | undefined;
    const lost: (Conflict & { readonly at: string })[] = [];
    for (const { own, nth, change, shown } of slots) {
      if (!now.has(own)) now.set(own, slotChanges(replica, own.bytes));
      const path = now.get(own)?.[nth]?.path ?? change.path;
      const found = path.includes(-1) ? undefined : at(value, path);
      if (same(found, shown)) continue;
      if (change.kind === 'create') {
        theirs ??= updates.flatMap((update) => slotChanges(replica, update));
        // Two of one kind are one container.
        if (!isReplaced(change, path, found, theirs)) continue;
      }
      lost.push({ path: change.path, mine: shown, theirs: found, at: JSON.stringify(change.path).slice(0, -1) });
    }
    // What is in something that is gone as a whole is told with that.
    const outer = lost.filter((one) => !lost.some((other) => one !== other && one.at.startsWith(`${other.at},`)));
    return outer.slice(0, told_count).map(({ path, mine, theirs: found }) => ({ path, mine, theirs: found }));
  }

  /** Own envelopes have joined, behind what had come since they were written: which of them have lost to that? */
  late(replica: Replica, envelopes: readonly Uint8Array[]): Conflict[] {
    if (this.#recent.length === 0) return [];
    const seen = seenBy(envelopes);
    const unseen = this.#recent.filter((bytes) => {
      const { agent, to } = readEnvelope(bytes);
      return to > (seen.get(agent) ?? 0);
    });
    if (unseen.length === 0) return [];
    const theirs = unseen.flatMap((bytes) => slotChanges(replica, bytes));
    const mine = new Map<string, Change>();
    for (const bytes of envelopes) {
      for (const change of slotChanges(replica, bytes)) mine.set(JSON.stringify(change.path), change);
    }
    if (theirs.length === 0 || mine.size === 0) return [];
    const value = replica.toJSON();
    const lost: Conflict[] = [];
    for (const [place, { kind, path, value: written }] of mine) {
      // What a container had in it is not to be seen any more.
      if (kind === 'create' || lost.length >= told_count) continue;
      const found = path.includes(-1) ? undefined : at(value, path);
      const given = kind === 'delete' ? undefined : written;
      if (same(found, given)) continue;
      const winner = theirs.findLast((change) => JSON.stringify(change.path) === place);
      if (winner === undefined) continue;
      const isTheirs = winner.kind === 'create' ? found !== undefined : same(found, winner.value);
      if (isTheirs) lost.push({ path, mine: given, theirs: found });
    }
    return lost;
  }

  #note(updates: readonly Uint8Array[]): void {
    if (updates.length === 0) return;
    const size = ({ length }: Uint8Array): number => length;
    // Copies: what came in a large frame must not keep all of that.
    const young = newest([...updates], recent_count, recent_bytes, size).map((update) => update.slice());
    this.#recent = newest([...this.#recent, ...young], recent_count, recent_bytes, size);
  }
}

/** Agent → up to which seq these rest on it. */
function seenBy(updates: readonly Uint8Array[]): Map<bigint, number> {
  const seen = new Map<bigint, number>();
  for (const update of updates) {
    for (const { agent, seq } of readEnvelope(update).deps) seen.set(agent, Math.max(seq, seen.get(agent) ?? 0));
  }
  return seen;
}

function slotsOf(replica: Replica, own: Own): Slot[] {
  const changes = slotChanges(replica, own.bytes);
  own.hasSlots = changes.length > 0;
  return changes.map((change, nth) => ({ own, nth, change, shown: undefined }));
}

function slotChanges(replica: Replica, bytes: Uint8Array): Change[] {
  let changes: Change[];
  try {
    changes = replica.describe(bytes);
  } catch (error) {
    // Too long to be told, or not to be read: of that nothing is told.
    if (error instanceof WebAssembly.RuntimeError) throw error;
    asJoineryError(error);
    return [];
  }
  return changes.filter(({ container, kind }) => {
    if (container !== 'map' && container !== 'list') return false;
    return kind === 'set' || kind === 'create' || (container === 'map' && kind === 'delete');
  });
}

function isMine({ change }: Slot, shown: Plain | undefined): boolean {
  if (change.kind === 'set') return same(shown, change.value);
  if (change.kind === 'delete') return shown === undefined;
  return shapeOf(shown) === shapes[change.value as string];
}

function isReplaced(
  { value: kind }: Change,
  path: Change['path'],
  found: Plain | undefined,
  theirs: readonly Change[],
): boolean {
  const shape = shapes[kind as string];
  if (shapeOf(found) !== shape) return true;
  const place = JSON.stringify(path);
  return theirs.some(
    (change) => change.kind === 'set' && JSON.stringify(change.path) === place && same(found, change.value),
  );
}

/** What containers are as plain values. */
const shapes: Readonly<Record<string, string>> = {
  map: 'object',
  list: 'array',
  text: 'string',
  counter: 'number',
  set: 'array',
  tree: 'array',
  graph: 'object',
};

function shapeOf(value: Plain | undefined): string {
  return Array.isArray(value) ? 'array' : typeof value;
}

function same(a: Plain | undefined, b: Plain | undefined): boolean {
  return equalValues(a, b);
}

/** What a document shows at a path; undefined where there is nothing. */
function at(root: unknown, path: Change['path']): Plain | undefined {
  let here: unknown = root;
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    if (Array.isArray(here)) here = typeof step === 'number' ? here[step] : dataOf(here, step);
    else if (Object.hasOwn(here, step)) here = Reflect.get(here, step);
    else here = graphData(here, step);
  }
  return here as Plain | undefined;
}

function graphData(graph: object, id: string | number): unknown {
  const { nodes, edges } = graph as { readonly nodes?: unknown; readonly edges?: unknown };
  for (const items of [nodes, edges]) {
    const found = Array.isArray(items) ? dataOf(items, id) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The data of a node of this id, below any of these. */
function dataOf(nodes: readonly unknown[], id: string | number): unknown {
  const waiting = [...nodes];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    const { id: own, data, children } = node as { id?: unknown; data?: unknown; children?: unknown };
    if (own === id) return data;
    if (Array.isArray(children)) for (const child of children) waiting.push(child);
  }
  return undefined;
}

/** The last ones, within a number and a size. */
function newest<Item>(items: Item[], count: number, bytes: number, size: (item: Item) => number): Item[] {
  let sum = 0;
  let first = items.length;
  while (first > 0 && items.length - first < count) {
    sum += size(items[first - 1] as Item);
    if (sum > bytes) break;
    first -= 1;
  }
  return first === 0 ? items : items.slice(first);
}
