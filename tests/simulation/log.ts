// The harness's own log: what happened in a run, as plain data that no code under test has touched. Checkers read it and
// nothing else. A hash over all of it, and over every frame and every stored byte, tells whether two runs are the same.

import type { Change } from './changes.ts';

/** Agent → highest seq. */
export type Version = ReadonlyMap<bigint, number>;

/** A document's content as plain data. */
export interface Content {
  readonly text: string;
  readonly counter: number;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly items: readonly unknown[];
  /** The text with its marks, in pieces of equal ones. */
  readonly runs: readonly { readonly insert: unknown; readonly attributes?: Readonly<Record<string, unknown>> }[];
  readonly tree: readonly TreeNode[];
  readonly graph: Graph;
}

type Data = Readonly<Record<string, unknown>>;
export interface TreeNode {
  readonly id: string;
  readonly data: Data;
  readonly children: readonly TreeNode[];
}
export interface Graph {
  readonly nodes: readonly { readonly id: string; readonly data: Data }[];
  readonly edges: readonly { readonly id: string; readonly from: string; readonly to: string; readonly data: Data }[];
}

/** One write of an app: all of it or nothing. */
export interface Operation {
  /** Counted from 1 in the whole run. */
  readonly id: number;
  readonly tab: string;
  readonly document: string;
  /** Its dots: of this agent those above `from`, up to `to`. */
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  /** What its author had seen. */
  readonly before: Version;
  readonly changes: readonly Change[];
}

export interface EnvelopeRange {
  readonly document: string;
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
}

export type LogRecord =
  | { readonly type: 'write'; readonly operation: Operation }
  /** An envelope's operations were made again as those of another agent; none where `to` is `from`. */
  | {
      readonly type: 'replayed';
      readonly agent: bigint;
      readonly from: number;
      readonly to: number;
      readonly into: { readonly agent: bigint; readonly from: number; readonly to: number };
      /** The new seq of each of its operations; 0 for one that made none. */
      readonly names: readonly number[];
      /** What of it did not come through. */
      readonly rejected: readonly { readonly from: number; readonly to: number }[];
    }
  /** Everything that is stored on one device is on another one as well. */
  | { readonly type: 'cloned'; readonly from: string; readonly to: string }
  /** A document begins anew: one agent's operations stand for everything that the version covers. */
  | {
      readonly type: 'trimmed';
      readonly document: string;
      readonly agent: bigint;
      readonly seq: number;
      readonly version: Version;
    }
  /** A replica, anywhere, is in a state that it wasn't in when it was last looked at. */
  | {
      readonly type: 'state';
      readonly replica: number;
      readonly version: Version;
      /** The version when it was looked at before. */
      readonly before: Version;
      readonly content: Content;
      readonly digest: string;
      readonly waiting: number;
    }
  /** The app was told. */
  | {
      readonly type: 'receipt';
      readonly operation: number;
      readonly state: 'durable' | 'synced' | 'rejected';
      readonly code?: string;
    }
  /** An own envelope is on the device's disk, whatever happens to the device. */
  | ({ readonly type: 'stored'; readonly device: string } & EnvelopeRange)
  /** The harness destroyed what was stored: nobody can be blamed for these. */
  | ({ readonly type: 'destroyed'; readonly device: string } & EnvelopeRange)
  /** Committed in the server's database. */
  | ({
      readonly type: 'committed';
      readonly epoch: number;
      readonly position: number;
      readonly user: string;
    } & EnvelopeRange)
  /** What anybody may do from now on. */
  | { readonly type: 'right'; readonly document: string; readonly write: boolean }
  /** The host was asked about an envelope, and this is what it says. */
  | ({ readonly type: 'asked'; readonly taken: boolean } & EnvelopeRange)
  /** The server's database went back to what it was some time ago, with some documents to before a trim or a deletion. */
  | { readonly type: 'restored'; readonly undoneTrims: readonly string[]; readonly undoneDeletions: readonly string[] }
  /** The server has deleted a document. */
  | { readonly type: 'deleted'; readonly document: string }
  /** What an app, or the server, has in the space's list. `life`: which of the tab's clients it was. */
  | { readonly type: 'listed'; readonly where: string; readonly life?: number; readonly documents: readonly string[] }
  /** The same when all was healed. */
  | {
      readonly type: 'last-listed';
      readonly where: string;
      readonly complete: boolean;
      readonly documents: readonly string[];
    }
  /** An app has opened a document. */
  | { readonly type: 'opened'; readonly tab: string; readonly document: string }
  /** An app has asked for a document's deletion, or was told how far that is. */
  | {
      readonly type: 'deletion';
      readonly tab: string;
      readonly life: number;
      readonly document: string;
      readonly state: 'asked' | 'durable' | 'synced' | 'refused';
      readonly code?: string;
    }
  /** The server's answer to an envelope: never. */
  | ({ readonly type: 'refused'; readonly code: string } & EnvelopeRange)
  /** A client told its app of a refusal: by a receipt, in its rejected list, or by its state. */
  | ({ readonly type: 'surfaced'; readonly tab: string } & EnvelopeRange)
  | { readonly type: 'connecting'; readonly tab: string }
  | { readonly type: 'frame'; readonly tab: string; readonly way: 'up' | 'down'; readonly bytes: number }
  /** All faults are over, and everything that was down is up. */
  | { readonly type: 'healed' }
  /** A tab, long after. */
  | {
      readonly type: 'settled';
      readonly tab: string;
      readonly connection: string;
      readonly sync: string;
      readonly pending: number;
      readonly storage: string;
      /** Codes of what it says went wrong last. */
      readonly errors: readonly string[];
    }
  /** How a document stands at the end: at the server, in a tab, or on a disk that was read without a network. */
  | {
      readonly type: 'final';
      readonly where: string;
      readonly document: string;
      readonly version: Version | undefined;
      readonly content: Content;
    }
  /** Code under test reported or threw what it should not. */
  | { readonly type: 'fault'; readonly where: string; readonly message: string };

export interface LogEntry {
  readonly at_ms: number;
  readonly event: number;
  readonly record: LogRecord;
}

/** Told of each entry as it is written. */
export type LogListener = (entry: LogEntry) => void;

export class Log {
  readonly #clock: { readonly now_ms: number; readonly events: number };
  readonly #listeners: LogListener[] = [];
  #low = 0x9e3779b9;
  #high = 0x85ebca6b;

  constructor(clock: { readonly now_ms: number; readonly events: number }) {
    this.#clock = clock;
  }

  /** Names everything that has happened so far. */
  get hash(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0');
  }

  listen(listener: LogListener): void {
    this.#listeners.push(listener);
  }

  add(record: LogRecord): void {
    const { now_ms, events } = this.#clock;
    // A state's digest stands for all of it.
    this.trace(record.type === 'state' ? `${record.replica} ${record.digest}` : describe(record));
    const entry = { at_ms: now_ms, event: events, record };
    for (const listener of this.#listeners) listener(entry);
  }

  /** Takes something into the hash that no checker has to know of. */
  trace(what: string, bytes?: Uint8Array): void {
    this.#mix(Math.round(this.#clock.now_ms * 1000));
    for (let index = 0; index < what.length; index += 1) this.#mix(what.charCodeAt(index));
    if (bytes !== undefined) for (const byte of bytes) this.#mix(byte);
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul((this.#high ^ value) + (this.#low >>> 15), 0x85ebca77);
  }
}

/** One line that says it all: for the hash, and for people. */
export function describe(record: LogRecord): string {
  return JSON.stringify(record, (_, value: unknown) => {
    if (typeof value === 'bigint') return value.toString(16);
    if (value instanceof Map) return Object.fromEntries(Array.from(value, ([key, inner]) => [String(key), inner]));
    return value;
  });
}
