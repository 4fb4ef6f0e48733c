// The hooks: each is an observation in `useSyncExternalStore`, with the writes beside it. Writes are the same functions
// from render to render.

import { useMemo, useSyncExternalStore } from 'react';
import type { DocumentHandle, DocumentOptions } from '../documents/document.ts';
import type { Receipt } from '../documents/receipt.ts';
import type { SchemaIssue } from '../documents/schema.ts';
import {
  type Observation,
  observeCounter,
  observeDocument,
  observePresence,
  observeStatus,
  observeText,
  observeUndo,
} from '../observe.ts';
import type { Peer } from '../presence/peers.ts';
import type { Presence } from '../presence/presence.ts';
import type { ClientStatus } from '../sync/status.ts';
import type { UndoOptions } from '../undo/undo.ts';
import { useJoineryClient } from './provider.ts';

/**
 * A document's value, its `update`, and where the value doesn't fit the schema, if it has one: see `DocumentHandle`. The value is
 * undefined until what is stored was read. Make the schema outside of the component: another one opens the document anew.
 *
 * @example
 * function Title() {
 *   const [notes, update] = useSyncDocument<{ title?: string }>('notes');
 *   return <input value={notes?.title ?? ''} onChange={(event) => update({ title: event.target.value })} />;
 * }
 */
export function useSyncDocument<T extends object = Record<string, unknown>>(
  id: string,
  { schema }: DocumentOptions<T> = {},
): readonly [value: T | undefined, update: DocumentHandle<T>['update'], issues: readonly SchemaIssue[]] {
  const client = useJoineryClient();
  const observation = useMemo(() => observeDocument<T>(client, id, { schema }), [client, id, schema]);
  const { value, issues } = useObservation(observation);
  const update = useMemo<DocumentHandle<T>['update']>(
    () => (change) => observation.use((handle) => handle.update(change)),
    [observation],
  );
  return [value, update, issues];
}

export interface SyncText {
  readonly value: string;
  /** Whether what is stored was read; writes throw `document-not-loaded` before. */
  readonly loaded: boolean;
  readonly insert: (index: number, text: string) => Receipt;
  readonly delete: (index: number, length: number) => Receipt;
  readonly replace: (next: string) => Receipt;
}

/**
 * The text under `key` (`text` when left out) of a document.
 *
 * @example
 * function Body() {
 *   const { value, loaded, replace } = useSyncText('notes', 'body');
 *   return <textarea disabled={!loaded} value={value} onChange={(event) => replace(event.target.value)} />;
 * }
 */
export function useSyncText(id: string, key?: string): SyncText {
  const client = useJoineryClient();
  const observation = useMemo(() => observeText(client, id, key), [client, id, key]);
  const snapshot = useObservation(observation);
  const writes = useMemo(
    () => ({
      insert: (index: number, text: string) => observation.use((handle) => handle.insert(index, text)),
      delete: (index: number, length: number) => observation.use((handle) => handle.delete(index, length)),
      replace: (next: string) => observation.use((handle) => handle.replace(next)),
    }),
    [observation],
  );
  return useMemo(() => ({ value: snapshot.value, loaded: snapshot.isLoaded, ...writes }), [snapshot, writes]);
}

export interface SyncCounter {
  readonly value: number;
  readonly loaded: boolean;
  readonly increment: (amount?: number) => Receipt;
  readonly decrement: (amount?: number) => Receipt;
}

/** The counter under `key` (`counter` when left out) of a document. */
export function useSyncCounter(id: string, key?: string): SyncCounter {
  const client = useJoineryClient();
  const observation = useMemo(() => observeCounter(client, id, key), [client, id, key]);
  const snapshot = useObservation(observation);
  const writes = useMemo(
    () => ({
      increment: (amount = 1) => observation.use((handle) => handle.increment(amount)),
      decrement: (amount = 1) => observation.use((handle) => handle.decrement(amount)),
    }),
    [observation],
  );
  return useMemo(() => ({ value: snapshot.value, loaded: snapshot.isLoaded, ...writes }), [snapshot, writes]);
}

export interface SyncPresence<T extends object = Record<string, unknown>> {
  /** What this client shows. */
  readonly self: T | undefined;
  /** The others who show something; the same array as long as nothing changes. */
  readonly peers: readonly Peer<T>[];
  readonly set: Presence<T>['set'];
  readonly update: Presence<T>['update'];
}

/**
 * Who else is at a document, and what each shows. What is set is shown as long as a component with this hook is mounted.
 *
 * @example
 * function Avatars() {
 *   const { peers, set } = usePresence<{ name: string }>('notes');
 *   useEffect(() => set({ name: 'Ada' }), [set]);
 *   return peers.map(({ id, state }) => <span key={id}>{state.name}</span>);
 * }
 */
export function usePresence<T extends object = Record<string, unknown>>(documentId: string): SyncPresence<T> {
  const client = useJoineryClient();
  const observation = useMemo(() => observePresence<T>(client, documentId), [client, documentId]);
  const snapshot = useObservation(observation);
  const writes = useMemo<Pick<SyncPresence<T>, 'set' | 'update'>>(
    () => ({
      set: (state) => observation.use((presence) => presence.set(state)),
      update: (partial) => observation.use((presence) => presence.update(partial)),
    }),
    [observation],
  );
  return useMemo(() => ({ ...snapshot, ...writes }), [snapshot, writes]);
}

export interface SyncUndo {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  readonly undoLabel: string | undefined;
  readonly redoLabel: string | undefined;
  /** Whether the document was read, and what was kept of its steps. */
  readonly loaded: boolean;
  readonly undo: () => Receipt | undefined;
  readonly redo: () => Receipt | undefined;
  readonly clear: () => void;
}

/**
 * Undo and redo of what is written to a document, or to parts of it, while a component with this hook is mounted.
 *
 * @example
 * function History() {
 *   const { canUndo, undoLabel, undo } = useUndo('notes', { scope: 'body' });
 *   return <button disabled={!canUndo} onClick={undo}>Undo {undoLabel}</button>;
 * }
 */
export function useUndo(id: string, options: UndoOptions = {}): SyncUndo {
  const client = useJoineryClient();
  // An object of options that is made in the component is another one each time.
  const given = JSON.stringify([options.scope, options.groupMs]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const observation = useMemo(() => observeUndo(client, id, options), [client, id, given]);
  const snapshot = useObservation(observation);
  const calls = useMemo(
    () => ({
      undo: () => observation.use((handle) => handle.undo()),
      redo: () => observation.use((handle) => handle.redo()),
      clear: () => observation.use((handle) => handle.clear()),
    }),
    [observation],
  );
  return useMemo(() => {
    const { isLoaded, ...state } = snapshot;
    return { ...state, loaded: isLoaded, ...calls };
  }, [snapshot, calls]);
}

/** The client's status: connection, sync and storage. */
export function useSyncStatus(): ClientStatus {
  const client = useJoineryClient();
  return useObservation(useMemo(() => observeStatus(client), [client]));
}

function useObservation<Snapshot, Handle>(observation: Observation<Snapshot, Handle>): Snapshot {
  return useSyncExternalStore(observation.subscribe, observation.getSnapshot, observation.getEmptySnapshot);
}
