// How an open store notices that its content isn't what it was any more: another tab has wiped it, or the browser has removed
// it, as it may when the device runs out of room or somebody clears the site's data. It does no I/O.
//
// A mark lies among the values from the first commit on: how often everything was wiped (one byte that goes round and is
// never 0 again), then an id that no other store has. Whoever writes looks at it within the same commit, whoever reads within the
// same look.

import { JoineryError } from '@joinery/protocol';

/** The key of the mark's value. */
export const markKey = 'wipes';
const id_bytes = 16;

/**
 * The mark that has to be there now: that of the store, or, where there is none yet, a new one for the caller to write.
 *
 * @param known what this store has seen of it; undefined: nothing, for nothing was ever there
 * @param stored what is there
 * @throws JoineryError `wiped`, `storage-evicted`
 */
export function checkedMark(known: Uint8Array | undefined, stored: Uint8Array | undefined): Uint8Array {
  if (stored === undefined) {
    if (known !== undefined) throw evicted();
    return Uint8Array.of(0, ...crypto.getRandomValues(new Uint8Array(id_bytes)));
  }
  const [wipes = 0] = stored;
  if (known === undefined) {
    // Another tab was the first to write.
    if (wipes > 0) throw wiped();
    return stored;
  }
  if (!isSameId(known, stored)) throw evicted();
  if (wipes !== known[0]) throw wiped();
  return stored;
}

/**
 * The mark as who reads has seen it. That what was seen is gone has to be told to it as well: it would take what it finds for all
 * there is. (Who was wiped is told so when it writes, or asks what is pending.)
 *
 * @throws JoineryError `storage-evicted`
 */
export function seenMark(known: Uint8Array | undefined, stored: Uint8Array | undefined): Uint8Array | undefined {
  if (known === undefined) return stored;
  if (stored === undefined || !isSameId(known, stored)) throw evicted();
  return known;
}

/** What a wiping leaves behind, so that whoever had the store open notices. */
export function wipedMark(mark: Uint8Array): Uint8Array {
  const [wipes = 0, ...id] = mark;
  return Uint8Array.of((wipes % 255) + 1, ...id);
}

/** The browser, or whoever may, has removed everything. */
export function evicted(): JoineryError {
  return new JoineryError('storage-evicted', {
    expected: 'what was stored to be there',
    got: 'a storage from which everything was removed, by the browser or by whoever cleared the data of this site',
    remedy: 'What is in memory is stored again, and the rest fetched from the server. Ask for `client.persist()`.',
  });
}

/** A store that was open when everything was removed. */
function wiped(): JoineryError {
  return new JoineryError('wiped', {
    expected: 'a namespace that is as it was opened',
    got: 'one from which everything was removed since: somebody has signed out',
    remedy: 'Open it again when somebody has signed in.',
  });
}

function isSameId(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => index === 0 || byte === b[index]);
}
