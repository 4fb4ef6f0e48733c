// Which writes of this device, not yet at the server, have lost to a write from elsewhere: found by looking at their slots right before
// and right after what comes is joined. A slot is a key of a map, or an element of a list, also in nodes' data; what merges (texts,
// counters, sets, nodes, what is put into a list) has none. It changes nothing, and knows nothing of storage.
//
// Who had seen a write when he wrote over it is no conflict: his envelope says so, and that he could see it means that the server has it.

import { asJoineryError, readEnvelope } from '@joinery/protocol';
import type { Change, Plain, Replica } from '../core/index.ts';
import { equalValues } from '../documents/shared-value.ts';
import { type Found, type Path, Places } from './places.ts';

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
  /** The container that is there. */
  readonly container: number | undefined;
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
    const isReached = reach(replica, updates);
    // The last write to a place is the one that shows.
    const last = new Map<string, Slot>();
    for (const slot of slots) {
      const { path } = slot.change;
      if (!path.includes(-1) && isReached(path)) last.set(JSON.stringify(path), slot);
    }
    const places = new Places(replica);
    const mine: Slot[] = [];
    for (const slot of last.values()) {
      const found = places.at(slot.change.path);
      if (!isMine(slot.change, found)) continue;
      mine.push({ ...slot, shown: found?.content(), container: found?.container });
    }
    return mine;
  }

  /** They are joined: which of these have lost? */
  after(replica: Replica, updates: readonly Uint8Array[], slots: Slots): Conflict[] {
    this.#note(updates);
    if (slots.length === 0) return [];
    const places = new Places(replica);
    const now = new Map<Own, readonly Change[]>();
    const lost: (Conflict & { readonly at: string })[] = [];
    for (const { own, nth, change, shown, container } of slots) {
      if (!now.has(own)) now.set(own, slotChanges(replica, own.bytes));
      const path = now.get(own)?.[nth]?.path ?? change.path;
      const found = path.includes(-1) ? undefined : places.at(path);
      // What is in a container merges, as long as it is that one.
      if (container !== undefined && found?.container === container) continue;
      const theirs = found?.content();
      if (same(theirs, shown)) continue;
      lost.push({ path: change.path, mine: shown, theirs, at: JSON.stringify(change.path).slice(0, -1) });
    }
    // What is in something that is gone as a whole is told with that.
    const outer = lost.filter((one) => !lost.some((other) => one !== other && one.at.startsWith(`${other.at},`)));
    return outer.slice(0, told_count).map(({ path, mine, theirs }) => ({ path, mine, theirs }));
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
    const places = new Places(replica);
    const lost: Conflict[] = [];
    for (const [place, { kind, path, value: written }] of mine) {
      // What a container had in it is not to be seen any more.
      if (kind === 'create' || lost.length >= told_count) continue;
      const winner = theirs.findLast((change) => JSON.stringify(change.path) === place);
      if (winner === undefined) continue;
      const found = path.includes(-1) ? undefined : places.at(path)?.content();
      const given = kind === 'delete' ? undefined : written;
      if (same(found, given)) continue;
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
  return changes.map((change, nth) => ({ own, nth, change, shown: undefined, container: undefined }));
}

function slotChanges(replica: Replica, bytes: Uint8Array): Change[] {
  const changes = describe(replica, bytes) ?? [];
  return changes.filter(({ container, kind }) => {
    if (container !== 'map' && container !== 'list') return false;
    return kind === 'set' || kind === 'create' || (container === 'map' && kind === 'delete');
  });
}

/** Undefined where it is too long to be told, or not to be read. */
function describe(replica: Replica, bytes: Uint8Array): Change[] | undefined {
  try {
    return replica.describe(bytes);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    asJoineryError(error);
    return undefined;
  }
}

function isMine(change: Change, found: Found | undefined): boolean {
  if (change.kind === 'create') return found?.kind === change.value;
  if (change.kind === 'delete') return found === undefined;
  return found?.container === undefined && same(found?.content(), change.value);
}

/** Whether what is about to be joined can change what shows at a path: with a state, and beside what waits, anything can. */
function reach(replica: Replica, updates: readonly Uint8Array[]): (path: Path) => boolean {
  if (updates.length === 0 || replica.pendingCount > 0) return () => true;
  const reached = new Set<string>();
  for (const update of updates) {
    const changes = describe(replica, update);
    if (changes === undefined) return () => true;
    for (const { container, kind, path } of changes) {
      if (!replacing.has(kind)) continue;
      const areNodes = container === 'tree' || container === 'graph';
      // A node takes along what is below it, or at it.
      reached.add(placesOf(areNodes ? path.slice(0, -1) : path).at(-1) ?? '');
    }
  }
  return (path) => placesOf(path).some((place) => reached.has(place));
}

/** What else an envelope does merges. */
const replacing: ReadonlySet<Change['kind']> = new Set(['set', 'create', 'delete', 'remove', 'move']);

/** The place of a path and of all that it leads through, outermost first. Elements of a list are one: indices are told of one moment. */
function placesOf(path: Path): string[] {
  const places = [''];
  for (const step of path) places.push(`${places.at(-1)}${typeof step === 'number' ? '#' : JSON.stringify(step)},`);
  return places;
}

function same(a: Plain | undefined, b: Plain | undefined): boolean {
  return equalValues(a, b);
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
