// The one subscription lifecycle that every framework binding wraps: a document is opened with the first who subscribes
// and closed with the last, however often components mount, and what is read in between is the same for all of them.
// It renders nothing and knows no framework.

import type { Client } from './client.ts';
import type { CounterDocument } from './documents/counter.ts';
import type { DocumentHandle, DocumentOptions } from './documents/document.ts';
import { noIssues, type SchemaIssue } from './documents/schema.ts';
import type { TextDocument } from './documents/text.ts';
import type { Peer } from './presence/peers.ts';
import type { Presence } from './presence/presence.ts';
import type { ClientStatus } from './sync/status.ts';
import type { Undo, UndoOptions } from './undo/undo.ts';

/** Something to subscribe to, in the form of `useSyncExternalStore`. */
export interface Observation<Snapshot, Handle> {
  /** Opens with the first listener; the returned function closes with the last. */
  subscribe(listener: () => void): () => void;
  /** The same object as long as nothing changes. What is shown while nobody has subscribed is empty. */
  getSnapshot(): Snapshot;
  /** What is shown where nothing can be open, as on a server that renders. */
  getEmptySnapshot(): Snapshot;
  /** Runs with the open handle, or with one that is opened for it. */
  use<Result>(run: (handle: Handle) => Result): Result;
}

export interface TextSnapshot {
  readonly value: string;
  readonly isLoaded: boolean;
}

export interface CounterSnapshot {
  readonly value: number;
  readonly isLoaded: boolean;
}

/** A document's value, and where it doesn't fit its schema. */
export interface DocumentSnapshot<T extends object> {
  readonly value: T | undefined;
  readonly issues: readonly SchemaIssue[];
}

/** @param options to be the same object's `schema` each time: another one is another observation */
export function observeDocument<T extends object>(
  client: Client,
  id: string,
  options: DocumentOptions<T> = {},
): Observation<DocumentSnapshot<T>, DocumentHandle<T>> {
  return shared(client, JSON.stringify(['document', id, schemaNumber(options.schema)]), () =>
    observe(
      () => client.document<T>(id, options),
      ({ value, issues }): DocumentSnapshot<T> => ({ value, issues }),
      { value: undefined, issues: noIssues },
    ),
  );
}

/** Tells schemas apart by name, as long as they live. */
function schemaNumber(schema: object | undefined): number {
  if (schema === undefined) return 0;
  let number = schemaNumbers.get(schema);
  if (number === undefined) {
    schemasSeen += 1;
    number = schemasSeen;
    schemaNumbers.set(schema, number);
  }
  return number;
}

const schemaNumbers = new WeakMap<object, number>();
let schemasSeen = 0;

export function observeText(client: Client, id: string, key?: string): Observation<TextSnapshot, TextDocument> {
  return shared(client, JSON.stringify(['text', id, key]), () =>
    observe(() => client.text(id, key), valueAndLoaded, { value: '', isLoaded: false }),
  );
}

export function observeCounter(
  client: Client,
  id: string,
  key?: string,
): Observation<CounterSnapshot, CounterDocument> {
  return shared(client, JSON.stringify(['counter', id, key]), () =>
    observe(() => client.counter(id, key), valueAndLoaded, { value: 0, isLoaded: false }),
  );
}

const noPeers: readonly never[] = Object.freeze([]);

/** What a client shows of itself, and what others show. */
export interface PresenceSnapshot<T extends object = Record<string, unknown>> {
  readonly self: T | undefined;
  readonly peers: readonly Peer<T>[];
}

export function observePresence<T extends object>(
  client: Client,
  documentId: string,
): Observation<PresenceSnapshot<T>, Presence<T>> {
  const empty: PresenceSnapshot<T> = { self: undefined, peers: noPeers };
  return shared(client, JSON.stringify(['presence', documentId]), () =>
    observe(
      () => client.presence<T>(documentId),
      ({ self, peers }): PresenceSnapshot<T> => ({ self, peers }),
      empty,
    ),
  );
}

export interface UndoSnapshot {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  readonly undoLabel: string | undefined;
  readonly redoLabel: string | undefined;
  readonly isLoaded: boolean;
}

export function observeUndo(client: Client, id: string, options: UndoOptions = {}): Observation<UndoSnapshot, Undo> {
  const { scope, groupMs } = options;
  const nothing = { canUndo: false, canRedo: false, undoLabel: undefined, redoLabel: undefined, isLoaded: false };
  return shared(client, JSON.stringify(['undo', id, scope, groupMs]), () =>
    observe<UndoSnapshot, Undo>(
      () => client.undo(id, options),
      ({ canUndo, canRedo, undoLabel, redoLabel, isLoaded }) => ({ canUndo, canRedo, undoLabel, redoLabel, isLoaded }),
      nothing,
    ),
  );
}

export function observeStatus(client: Client): Observation<ClientStatus, Client> {
  return {
    subscribe: (listener) => client.subscribeStatus(listener),
    getSnapshot: () => client.status,
    getEmptySnapshot: () => client.status,
    use: (run) => run(client),
  };
}

interface Closable {
  subscribe(listener: () => void): () => void;
  close(): void;
}

function observe<Snapshot, Handle extends Closable>(
  open: () => Handle,
  read: (handle: Handle) => Snapshot,
  empty: Snapshot,
): Observation<Snapshot, Handle> {
  let handle: Handle | undefined;
  let listeners = 0;
  let last = empty;
  return {
    subscribe(listener) {
      handle ??= open();
      listeners += 1;
      const stop = handle.subscribe(listener);
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        stop();
        listeners -= 1;
        if (listeners > 0) return;
        handle?.close();
        handle = undefined;
        last = empty;
      };
    },
    getSnapshot() {
      if (handle === undefined) return empty;
      const next = read(handle);
      if (!sameSnapshot(last, next)) last = next;
      return last;
    },
    getEmptySnapshot: () => empty,
    use(run) {
      if (handle !== undefined) return run(handle);
      const own = open();
      try {
        return run(own);
      } finally {
        own.close();
      }
    },
  };
}

/** One observation for all who ask for the same, as long as their client lives. */
function shared<Made extends object>(client: Client, name: string, make: () => Made): Made {
  let known = observations.get(client);
  if (known === undefined) {
    known = new Map();
    observations.set(client, known);
  }
  let found = known.get(name)?.deref();
  if (found === undefined) {
    found = make();
    // Weakly: an observation lasts as long as a component holds it, and ids come and go.
    known.set(name, new WeakRef(found));
    cleared.register(found, { known, name });
  }
  return found as Made;
}

const observations = new WeakMap<Client, Map<string, WeakRef<object>>>();

const cleared = new FinalizationRegistry<{ known: Map<string, WeakRef<object>>; name: string }>(({ known, name }) => {
  if (known.get(name)?.deref() === undefined) known.delete(name);
});

function valueAndLoaded<Value>(handle: { readonly value: Value; readonly isLoaded: boolean }) {
  return { value: handle.value, isLoaded: handle.isLoaded };
}

/** Values are compared by identity, the objects made above by their parts. */
function sameSnapshot(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (!isMade(a) || !isMade(b)) return false;
  return Object.keys(a).every((key) => Object.is(a[key], b[key]));
}

/** Those of one observation have the same keys; what comes from a document is frozen. */
function isMade(snapshot: unknown): snapshot is Readonly<Record<string, unknown>> {
  return typeof snapshot === 'object' && snapshot !== null && !Object.isFrozen(snapshot);
}
