// How undo stacks lie in a storage's area of values: one value for each stack, and one for each document that lists them, so that
// they have a bound. What is in a stack's bytes is the core's; in which commit they are written, and read, is the stores'.

import { asJoineryError } from '@joinery/protocol';
import { decodeValueRecord } from './record.ts';
import type { DamagedRecord, DocumentWrite, StoredUndo } from './storage.ts';
import { overlap, partsIn } from './undo-parts.ts';

/** So many stacks are kept of a document, of all tabs together; those that were written longest ago go first. */
export const keptUndoStacks = 16;
/** So long a stack may be. */
export const keptUndo_bytes = 1024 * 1024;

type Entry = readonly [owner: string, name: string, at_ms: number];

const head_bytes = 12;

/** The key of the list of a document's stacks. */
export function undoListKey(document: string): string {
  return JSON.stringify(['undo', document]);
}

export function undoKey(document: string, owner: string, name: string): string {
  return JSON.stringify(['undo', document, owner, name]);
}

/** Values to be written; undefined deletes. */
export type ValueChanges = Map<string, Uint8Array | undefined>;

/**
 * What a write does to a document's stacks.
 *
 * @param list the value at `undoListKey`
 */
export function undoChanges(list: Uint8Array | undefined, write: DocumentWrite): ValueChanges {
  const changes: ValueChanges = new Map();
  const { document, incarnation, epoch, at_ms, undo } = write;
  if (undo === undefined) return changes;
  const { owner, stacks, only } = undo;
  let entries = readList(list);
  const drop = (dropped: (entry: Entry) => boolean): void => {
    for (const entry of entries) if (dropped(entry)) changes.set(undoKey(document, entry[0], entry[1]), undefined);
    entries = entries.filter((entry) => !dropped(entry));
  };
  if (only) {
    const written = stacks.map(({ name }) => partsIn(name));
    drop((entry) => entry[0] === owner && written.some((parts) => overlap(parts, partsIn(entry[1]))));
  }
  for (const { name, bytes } of stacks) {
    drop((entry) => entry[0] === owner && entry[1] === name);
    if (bytes === undefined || bytes.length > keptUndo_bytes) continue;
    entries.push([owner, name, at_ms]);
    changes.set(undoKey(document, owner, name), packed({ incarnation, epoch, bytes }));
  }
  const excess = new Set(entries.slice(0, Math.max(0, entries.length - keptUndoStacks)));
  drop((entry) => excess.has(entry));
  const text = entries.length === 0 ? undefined : new TextEncoder().encode(JSON.stringify(entries));
  changes.set(undoListKey(document), text);
  return changes;
}

/** What a swap does to them: they name what is not there any more. */
export function undoDropped(document: string, list: Uint8Array | undefined): ValueChanges {
  const changes: ValueChanges = new Map();
  if (list === undefined) return changes;
  for (const [owner, name] of readList(list)) changes.set(undoKey(document, owner, name), undefined);
  return changes.set(undoListKey(document), undefined);
}

/** What a record has; or why it is to be set aside. */
export function readUndo(
  document: string,
  key: string,
  record: Uint8Array,
): { readonly stack: StoredUndo } | { readonly damaged: DamagedRecord } {
  try {
    const value = decodeValueRecord(key, record);
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const [incarnation, epoch] = [view.getUint32(0, true), view.getFloat64(4, true)];
    return { stack: { incarnation, epoch, bytes: value.slice(head_bytes) } };
  } catch (error) {
    const reason = asJoineryError(error, 'storage-corrupt').message;
    return { damaged: { document, area: 'value', bytes: record, reason } };
  }
}

function packed({ incarnation, epoch, bytes }: StoredUndo): Uint8Array {
  const value = new Uint8Array(head_bytes + bytes.length);
  const view = new DataView(value.buffer);
  view.setUint32(0, incarnation, true);
  view.setFloat64(4, epoch, true);
  value.set(bytes, head_bytes);
  return value;
}

/** It is written by this file alone, under a checksum. */
function readList(list: Uint8Array | undefined): Entry[] {
  return list === undefined ? [] : (JSON.parse(new TextDecoder().decode(list)) as Entry[]);
}
