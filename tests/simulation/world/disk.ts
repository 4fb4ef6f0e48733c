// A device's disk: the SDK's own storage in memory, with a disk's ways around it. What is written takes time, is visible
// before it is durable, fails when the disk is full, and loses its end when the power goes. Two copies are kept: what
// programs see, and what is left after a power cut.

import { JoineryError, readEnvelope } from '@joinery/protocol';
import { isSafe } from '../../../sdk/src/storage/assemble.ts';
import { type MemoryArea, MemoryStorage } from '../../../sdk/src/storage/memory.ts';
import { decodeEnvelopeRecord, decodeStateRecord } from '../../../sdk/src/storage/record.ts';
import type { DocumentStore, DocumentWrite, Namespace, Storage, Swap } from '../../../sdk/src/storage/storage.ts';
import type { Log } from '../log.ts';
import { type Random, roll, stream } from '../random.ts';
import type { Timeline } from '../timeline.ts';

/** Who uses the disk; see `TabEnvironment`. */
export interface DiskUser {
  readonly alive: boolean;
  effect(): boolean;
  enter(run: () => void): void;
}

export type DiskState = 'working' | 'full' | 'failing' | 'slow';

/** A method of a store with its arguments, whatever they are. */
interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
}
type Method = (...args: readonly unknown[]) => Promise<unknown>;

/** A write that programs can see and that a power cut may undo. */
interface Unflushed extends Call {
  readonly namespace: Namespace;
  readonly finish: () => void;
}

/** Methods that leave the disk as it was. `load` is none of them: it sets damaged records aside. */
const reading = new Set(['read', 'documents', 'pending', 'damaged', 'readValue', 'replacements', 'rejected']);
const sector_bytes = 512;

export class Disk {
  readonly device: string;
  readonly #shared: boolean;
  readonly #timeline: Timeline;
  readonly #log: Log;
  readonly #random: Random;
  readonly #namespaces = new Map<string, Namespace>();
  #visible = new MemoryStorage();
  #durable = new MemoryStorage();
  #unflushed: Unflushed[] = [];
  /** Counts power cuts: what was under way before one is gone. */
  #life = 0;
  #lastApply_ms = 0;
  #lastFlush_ms = 0;
  state: DiskState = 'working';
  /** Records were damaged, so that what it holds may need the server to be whole again. */
  damaged = false;

  /** @param shared the tabs of the device know that they all have it */
  constructor(device: string, timeline: Timeline, log: Log, seed: number, shared = false) {
    this.#shared = shared;
    this.device = device;
    this.#timeline = timeline;
    this.#log = log;
    this.#random = stream(seed, 'disk', device);
  }

  /** The disk as one tab uses it. */
  storage(user: DiskUser): Storage {
    return {
      mode: 'simulated',
      shared: this.#shared,
      open: async (namespace) => {
        await this.#turn(user, undefined);
        this.#namespaces.set(JSON.stringify(namespace), namespace);
        return this.#store(namespace, user);
      },
    };
  }

  /** What is left of the disk after a power cut is what it shows from now on. */
  async powerCut(thrown: number): Promise<void> {
    this.#life += 1;
    const left = this.#unflushed;
    this.#unflushed = [];
    // A journal keeps the order: a first part of what was under way survives, the last of it perhaps in part.
    const count = roll(thrown, left.length + 1);
    for (const [index, call] of left.slice(0, count).entries()) {
      const torn = index === count - 1 && call.name === 'append' && roll(thrown, 3, 1) === 0;
      if (torn) await this.#tear(call, roll(thrown, 1 << 16, 2));
      else await this.#carryOut(this.#durable, call);
    }
    this.#visible = this.#copy(this.#durable);
    this.#lastApply_ms = this.#lastFlush_ms = this.#timeline.now_ms;
  }

  /** Everything that the other disk shows is on this one now; what was here is gone. */
  copyFrom(other: Disk): void {
    this.#life += 1;
    this.#unflushed = [];
    for (const [key, namespace] of other.#namespaces) this.#namespaces.set(key, namespace);
    this.#durable = this.#copy(other.#visible);
    this.#visible = this.#copy(other.#visible);
    // A damaged record is damaged in the copy as well.
    this.damaged = other.damaged;
    for (const [document, envelope] of this.#ownEnvelopes()) this.#tellStored(document, envelope);
  }

  /**
   * Flips one bit of a record whose loss the server can make good; of none that a commit under way has replaced or removed, for
   * what that commit found is decided.
   */
  flipBit(thrown: number): void {
    const records: { visible: Uint8Array | undefined; durable: Uint8Array }[] = [];
    for (const namespace of this.#namespaces.values()) {
      const seen = this.#visible.area(namespace);
      for (const [id, document] of this.#durable.area(namespace).documents) {
        const visible = seen.documents.get(id);
        if (document.snapshot) records.push({ visible: visible?.snapshot, durable: document.snapshot });
        if (document.state) records.push({ visible: visible?.state, durable: document.state });
        for (const [key, record] of document.log) {
          if (isReplaceable(id, document.state, record))
            records.push({ visible: visible?.log.get(key), durable: record });
        }
      }
    }
    const standing = records.filter(({ visible, durable }) => visible !== undefined && isSame(visible, durable));
    const hit = standing[roll(thrown, standing.length)];
    if (hit === undefined) return;
    this.damaged = true;
    const bit = roll(thrown, hit.durable.length * 8, 1);
    for (const bytes of new Set([hit.visible, hit.durable])) {
      if (bytes !== undefined && bytes.length > bit >> 3) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    }
    this.#log.trace(`flipped bit ${bit}`);
  }

  *#ownEnvelopes(): Generator<[string, { agent: bigint; from: number; to: number }]> {
    for (const namespace of this.#namespaces.values()) {
      for (const [id, document] of this.#durable.area(namespace).documents) {
        for (const record of document.log.values()) {
          const envelope = decoded(id, record);
          if (envelope !== undefined && !envelope.remote) yield [id, envelope];
        }
      }
    }
  }

  #store(namespace: Namespace, user: DiskUser): DocumentStore {
    let closed = false;
    const call = async (name: string, args: readonly unknown[]): Promise<unknown> => {
      if (name === 'close') {
        closed = true;
        return undefined;
      }
      if (closed) throw new JoineryError('closed', 'The store is closed; open it again.');
      return await this.#call(namespace, user, { name, args });
    };
    const target = {} as DocumentStore;
    // Whatever methods the contract has: all go the same way. A store is no promise.
    return new Proxy(target, {
      get: (_, name) =>
        typeof name !== 'string' || name === 'then' ? undefined : (...args: readonly unknown[]) => call(name, args),
    });
  }

  async #call(namespace: Namespace, user: DiskUser, call: Call): Promise<unknown> {
    const isWrite = !reading.has(call.name);
    await this.#turn(user, isWrite && call.name !== 'load' ? 'write' : 'read');
    this.#log.trace(`${this.device} ${call.name}`);
    const result = await this.#carryOut(this.#visible, { ...call, namespace });
    if (!isWrite || call.name === 'load') {
      if (isWrite) this.#flush({ ...call, namespace, finish: () => {} });
      return await new Promise((resolve) => user.enter(() => resolve(result)));
    }
    return await new Promise((resolve) => {
      this.#flush({ ...call, namespace, finish: () => user.enter(() => resolve(result)) });
    });
  }

  /** Waits until the disk gets to it. Never resolves for those who are gone by then. */
  #turn(user: DiskUser, kind: 'read' | 'write' | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!user.effect()) return;
      const life = this.#life;
      const failure = kind === undefined ? undefined : this.#failure(kind);
      this.#lastApply_ms = Math.max(this.#lastApply_ms, this.#timeline.now_ms + this.#latency_ms());
      const survives = this.#random() < 0.5;
      this.#timeline.after(this.#lastApply_ms - this.#timeline.now_ms, () => {
        if (life !== this.#life) return;
        if (failure !== undefined) user.enter(() => reject(failure));
        // What a tab that died had already asked for may still be done.
        else if (user.alive || survives) resolve();
      });
    });
  }

  #flush(call: Unflushed): void {
    const life = this.#life;
    this.#unflushed.push(call);
    this.#lastFlush_ms = Math.max(this.#lastFlush_ms, this.#timeline.now_ms + this.#latency_ms());
    this.#timeline.after(this.#lastFlush_ms - this.#timeline.now_ms, () => {
      if (life !== this.#life) return;
      this.#unflushed.shift();
      this.#carryOut(this.#durable, call).then(() => {
        if (call.name === 'append') this.#stored(call.args[0] as readonly DocumentWrite[]);
        if (call.name === 'swap') this.#stored([swapped(call.args)]);
        call.finish();
      });
    });
  }

  async #carryOut(
    storage: MemoryStorage,
    { name, args, namespace }: Call & { namespace: Namespace },
  ): Promise<unknown> {
    const store = (await storage.open(namespace)) as unknown as Readonly<Record<string, Method>>;
    const method = store[name];
    if (method === undefined) throw new Error(`Expected a method of a store, got ${name}.`);
    return await method.apply(store, [...args]);
  }

  /** Of a commit the records up to a sector's end are on the disk, one of them in part. */
  async #tear(call: Unflushed, offset: number): Promise<void> {
    const area = this.#durable.area(call.namespace);
    const before = new Map(Array.from(area.documents, ([id, { log, state }]) => [id, { log: new Map(log), state }]));
    await this.#carryOut(this.#durable, call);
    let left = sector_bytes * (1 + (offset >> 9)) - (offset & (sector_bytes - 1));
    for (const [id, document] of area.documents) {
      const old = before.get(id);
      document.state = old?.state;
      for (const [key, record] of document.log) {
        if (old?.log.get(key) === record) continue;
        if (left <= 0) {
          const known = old?.log.get(key);
          if (known === undefined) document.log.delete(key);
          else document.log.set(key, known);
        } else if (record.length > left) {
          const torn = new Uint8Array(record.length);
          torn.set(record.subarray(0, left));
          document.log.set(key, torn);
        }
        left -= record.length;
      }
    }
  }

  #stored(writes: readonly Pick<DocumentWrite, 'document' | 'local'>[]): void {
    for (const { document, local = [] } of writes) {
      for (const bytes of local) this.#tellStored(document, readEnvelope(bytes));
    }
  }

  #tellStored(document: string, { agent, from, to }: { agent: bigint; from: number; to: number }): void {
    this.#log.add({ type: 'stored', device: this.device, document, agent, from, to });
  }

  #failure(kind: 'read' | 'write'): JoineryError | undefined {
    if (this.state === 'failing') return new JoineryError('storage-failed', 'The simulated disk fails. Try again.');
    if (this.state !== 'full' || kind === 'read') return undefined;
    return new JoineryError('storage-full', 'The simulated disk is full. Make room.');
  }

  #latency_ms(): number {
    const random = this.#random();
    return this.state === 'slow' ? 50 + random * 1_000 : random * 8;
  }

  #copy(storage: MemoryStorage): MemoryStorage {
    const copy = new MemoryStorage();
    for (const namespace of this.#namespaces.values()) {
      Object.assign(copy.area(namespace), structuredClone(storage.area(namespace)) satisfies MemoryArea);
    }
    return copy;
  }
}

function swapped([document, swap]: readonly unknown[]): Pick<DocumentWrite, 'document' | 'local'> {
  return { document: document as string, local: (swap as Swap).local };
}

function decoded(document: string, record: Uint8Array) {
  try {
    return decodeEnvelopeRecord(document, record);
  } catch {
    return undefined;
  }
}

/** Whether the server has what is in the record, also after it was restored from its backup. */
function isReplaceable(document: string, state: Uint8Array | undefined, record: Uint8Array): boolean {
  const envelope = decoded(document, record);
  if (envelope === undefined) return false;
  try {
    return isSafe(envelope, decodeStateRecord(document, state ?? new Uint8Array(0)));
  } catch {
    return envelope.remote && !envelope.own;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
