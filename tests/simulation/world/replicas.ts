// Every replica that lives in a run, whoever made it (tabs, engines, the server): so that the harness sees the state of all
// of them without asking the code under test. It puts itself before a few methods of `Replica`, and changes nothing of what
// they do.

import { readEnvelope } from '@joinery/protocol';
import { decodeVersion, Replay, Replica } from 'joinery/core';
import type { Content, Graph, LogRecord, Version } from '../log.ts';

type EnvelopeName = Extract<LogRecord, { readonly type: 'replayed' }>['into'];

interface Seen {
  readonly id: number;
  revision: number;
  version: Version;
}

let living = new Map<Replica, Seen>();
/** How far each agent's writes are known. */
let known = new Map<bigint, number>();
let replayed: (record: Extract<LogRecord, { readonly type: 'replayed' }>) => void = () => {};
let count = 0;

const { applyUpdate, applyUpdates, takeUpdate, free } = Replica.prototype;
Replica.prototype.applyUpdate = function (bytes) {
  note(this);
  return applyUpdate.call(this, bytes);
};
Replica.prototype.applyUpdates = function (list) {
  note(this);
  applyUpdates.call(this, list);
};
Replica.prototype.takeUpdate = function () {
  note(this);
  return takeUpdate.call(this);
};
/** The one thing that is asked of a replica before anything is written to it, also when it was only just made for that. */
const seq = propertyOf(Replica.prototype, 'seq');
Object.defineProperty(Replica.prototype, 'seq', {
  ...seq,
  get(this: Replica) {
    note(this);
    return seq.get?.call(this);
  },
});
Replica.prototype.free = function () {
  living.delete(this);
  free.call(this);
};

const { beginReplay } = Replica.prototype;
const { add } = Replay.prototype;
const intoOf = new WeakMap<Replay, Replica>();
Replica.prototype.beginReplay = function (from, options) {
  const replay = beginReplay.call(this, from, options);
  intoOf.set(replay, this);
  return replay;
};
Replay.prototype.add = function (envelope) {
  const into = intoOf.get(this);
  const { agent, from, to } = readEnvelope(envelope);
  const before = into && reachedBy(into);
  const outcome = add.call(this, envelope);
  const after = into && reachedBy(into);
  if (after !== undefined) known.set(after.agent, after.seq);
  const made = { agent: after?.agent ?? 0n, from: before?.seq ?? 0, to: after?.seq ?? 0 };
  const names = Array.from({ length: to - from }, (_, index) => nameOf(this, agent, from + 1 + index, made));
  const rejected = outcome.rejected.map((range) => ({ from: range.from, to: range.to }));
  replayed({ type: 'replayed', agent, from, to, into: made, names, rejected });
  return outcome;
};

/** Of an object, or of what it inherits from. */
function propertyOf(object: object, name: string): PropertyDescriptor {
  return Object.getOwnPropertyDescriptor(object, name) ?? propertyOf(Object.getPrototypeOf(object), name);
}

/** What an operation has become just now; 0 for nothing. */
function nameOf(replay: Replay, agent: bigint, seq: number, made: EnvelopeName): number {
  const name = replay.translate(agent, seq);
  return name !== undefined && name.agent === made.agent && name.seq > made.from ? name.seq : 0;
}

function reachedBy(replica: Replica): { readonly agent: bigint; readonly seq: number } | undefined {
  const { agent } = replica;
  return agent === undefined ? undefined : { agent, seq: decodeVersion(replica.version()).get(agent) ?? 0 };
}

function note(replica: Replica): void {
  if (living.has(replica)) return;
  count += 1;
  living.set(replica, { id: count, revision: -1, version: new Map() });
}

export type ReplicaState = Omit<Extract<LogRecord, { readonly type: 'state' }>, 'type'>;

/** What was written in a replica just now. */
export interface FreshWrite {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly before: Version;
}

/** Forgets and frees what an earlier run has left; tells of what is replayed from now on. */
export function resetReplicas(tell: typeof replayed): void {
  known = new Map();
  replayed = tell;
  const left = living;
  living = new Map();
  count = 0;
  for (const replica of left.keys()) {
    try {
      free.call(replica);
    } catch {
      // A core that has trapped gives nothing back.
    }
  }
}

export class OwnWrites {
  /** Runs something that may write to one replica of this thread; tells what it wrote. */
  during(run: () => void): FreshWrite | undefined {
    run();
    for (const replica of living.keys()) {
      const { agent } = replica;
      if (agent === undefined) continue;
      const version = decodeVersion(replica.version());
      const to = version.get(agent) ?? 0;
      const from = known.get(agent) ?? 0;
      if (to <= from) continue;
      known.set(agent, to);
      const before = new Map(version);
      if (from === 0) before.delete(agent);
      else before.set(agent, from);
      return { agent, from, to, before };
    }
    return undefined;
  }
}

/** Looks at those that have changed since they were looked at before. */
export function lookAround(look: (state: ReplicaState) => void): void {
  for (const [replica, seen] of living) {
    const { revision } = replica;
    if (revision === seen.revision) continue;
    seen.revision = revision;
    const before = seen.version;
    seen.version = decodeVersion(replica.version());
    const content = contentOf(replica.toJSON(), replica.text('text').toDelta());
    const digest = fingerprint(replica.encodeSnapshot());
    look({ replica: seen.id, version: seen.version, before, content, digest, waiting: replica.pendingCount });
  }
}

/** @param runs the text as a delta: what is plain has no marks in it */
export function contentOf(value: Readonly<Record<string, unknown>>, runs: Content['runs']): Content {
  const { text, counter, fields, items, tree, graph } = value;
  return {
    text: typeof text === 'string' ? text : '',
    counter: typeof counter === 'number' ? counter : 0,
    fields: typeof fields === 'object' && fields !== null ? { ...fields } : {},
    items: Array.isArray(items) ? items : [],
    runs,
    tree: Array.isArray(tree) ? tree : [],
    graph: typeof graph === 'object' && graph !== null ? (graph as Graph) : { nodes: [], edges: [] },
  };
}

/** FNV-1a, twice, with the length: enough to tell states of one run apart. */
export function fingerprint(bytes: Uint8Array): string {
  let low = 0x811c9dc5;
  let high = 0x01000193 ^ bytes.length;
  for (const byte of bytes) {
    low = Math.imul(low ^ byte, 0x01000193);
    high = Math.imul(high ^ byte, 0x85ebca6b) + (low >>> 13);
  }
  return `${bytes.length}:${(high >>> 0).toString(16)}${(low >>> 0).toString(16)}`;
}
