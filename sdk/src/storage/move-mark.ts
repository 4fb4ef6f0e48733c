// The mark of a move in a store: where it lies, how it looks, and which marks shut a store. What the marks are for is told in
// `migrate.ts`.

import { JoineryError } from '@joinery/protocol';
import type { MoveMark } from './storage.ts';
import { markKey } from './store-mark.ts';

/** The value that it is. */
export const moveKey = 'moved';

const writer = new TextEncoder();
const reader = new TextDecoder();

/** Whether a value is the store's own: it isn't moved, nor removed with the rest. */
export function isOwnValue(key: string): boolean {
  return key === moveKey || key === markKey;
}

export function encodeMark(mark: MoveMark): Uint8Array {
  return writer.encode(JSON.stringify(mark));
}

/** @throws JoineryError `storage-corrupt`: it must not be taken for none */
export function decodeMark(bytes: Uint8Array | undefined): MoveMark | undefined {
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(reader.decode(bytes)) as MoveMark;
  } catch (error) {
    throw new JoineryError('storage-corrupt', 'It can’t be read whether this storage was moved.', { cause: error });
  }
}

export function isSameMark(a: MoveMark | undefined, b: MoveMark | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && equal(encodeMark(a), encodeMark(b)));
}

/** What every use of a store with this mark fails with; undefined where it may be used. */
export function shutBy(mark: MoveMark | undefined): JoineryError | undefined {
  if (mark === undefined || mark.state === 'arrived') return undefined;
  const got = mark.state === 'arriving' ? 'one that is being moved here' : `one that was moved to ${mark.to}`;
  return new JoineryError('storage-moved', {
    expected: 'a storage that has all there is',
    got,
    remedy: 'Open the client again: it finds where everything is.',
  });
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
