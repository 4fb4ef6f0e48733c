// One replacement in a text: finding it between two strings, and carrying a caret or another replacement across it.
// Pure functions on UTF-16 strings. It isn't a general diff: a change is always told as one replaced range, which is
// what one input event does, and a close enough summary of what others did between two frames.

/** Replace `deleted` UTF-16 units at `index` by `inserted`. */
export interface Edit {
  readonly index: number;
  readonly deleted: number;
  readonly inserted: string;
}

/** A selection as a textarea tells it, in UTF-16 units, `start <= end`. */
export interface Selection {
  readonly start: number;
  readonly end: number;
}

/** How much text on each side of a caret is looked for, longest first, when the caret stood in a replaced range. */
const CONTEXT_LENGTHS = [24, 12, 6, 3];

/**
 * The smallest replacement that turns `before` into `after`, or undefined when they are equal. It never cuts a
 * surrogate pair.
 *
 * Where several replacements are equally small (an `a` typed into `aaa`), `caret` decides: the caret's position in
 * `after`, which after typing and deleting alike stands at the end of what changed.
 */
export function findEdit(before: string, after: string, caret?: number): Edit | undefined {
  if (before === after) return undefined;
  const smallest = replacement(before, after, Number.POSITIVE_INFINITY);
  if (caret === undefined) return smallest;
  const atCaret = replacement(before, after, Math.max(0, after.length - caret));
  return size(atCaret) <= size(smallest) ? atCaret : smallest;
}

/** The text after the edit. */
export function applyEdit(text: string, edit: Edit): string {
  return text.slice(0, edit.index) + edit.inserted + text.slice(edit.index + edit.deleted);
}

/**
 * Where a selection in `before` stands once somebody else's edit was applied. A caret stays before text inserted right
 * at it, and a selection does not grow by text inserted at its borders.
 */
export function mapSelection(before: string, selection: Selection, edit: Edit): Selection {
  if (selection.start === selection.end) {
    const caret = mapPosition(before, selection.start, edit, 'before');
    return { start: caret, end: caret };
  }
  const start = mapPosition(before, selection.start, edit, 'after');
  const end = mapPosition(before, selection.end, edit, 'before');
  return { start, end: Math.max(start, end) };
}

/**
 * The same intention as `local`, for a text to which `remote` was applied first; both were made on `before`. It can
 * fall into two edits, when the remote insertion lies inside what was deleted here; apply them in the order given.
 */
export function rebaseEdit(before: string, local: Edit, remote: Edit): Edit[] {
  const localEnd = local.index + local.deleted;
  const remoteEnd = remote.index + remote.deleted;
  if (remote.index >= localEnd) return [local];
  if (remoteEnd <= local.index) {
    return [{ ...local, index: local.index + remote.inserted.length - remote.deleted }];
  }
  if (local.deleted === 0) {
    return [{ ...local, index: mapPosition(before, local.index, remote, 'before') }];
  }
  // They overlap. What both deleted is gone already; what the other side inserted stays, between head and tail.
  const head = Math.max(0, remote.index - local.index);
  const tail = Math.max(0, localEnd - remoteEnd);
  const edits: Edit[] = [];
  if (tail > 0) edits.push({ index: remote.index + remote.inserted.length, deleted: tail, inserted: '' });
  if (head > 0 || local.inserted !== '') {
    edits.push({ index: Math.min(local.index, remote.index), deleted: head, inserted: local.inserted });
  }
  return edits;
}

/** The replacement that keeps at most `suffixMax` units of the common end and then as much as it can of the start. */
function replacement(before: string, after: string, suffixMax: number): Edit {
  const shorter = Math.min(before.length, after.length);
  let suffix = 0;
  const suffixLimit = Math.min(shorter, suffixMax);
  while (suffix < suffixLimit && sameFromEnd(before, after, suffix)) suffix++;
  if (suffix > 0 && isLowSurrogate(before, before.length - suffix)) suffix--;
  let prefix = 0;
  const prefixLimit = shorter - suffix;
  while (prefix < prefixLimit && before.charCodeAt(prefix) === after.charCodeAt(prefix)) prefix++;
  if (prefix > 0 && isHighSurrogate(before, prefix - 1)) prefix--;
  return {
    index: prefix,
    deleted: before.length - suffix - prefix,
    inserted: after.slice(prefix, after.length - suffix),
  };
}

function sameFromEnd(before: string, after: string, suffix: number): boolean {
  return before.charCodeAt(before.length - 1 - suffix) === after.charCodeAt(after.length - 1 - suffix);
}

function isHighSurrogate(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800;
}

function isLowSurrogate(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xdc00;
}

function size(edit: Edit): number {
  return edit.deleted + edit.inserted.length;
}

/** `side` says on which side of text inserted right at the position it stays. */
function mapPosition(before: string, position: number, edit: Edit, side: 'before' | 'after'): number {
  const end = edit.index + edit.deleted;
  if (position < edit.index) return position;
  if (position === edit.index && (side === 'before' || edit.deleted > 0)) return position;
  if (position >= end) return position + edit.inserted.length - edit.deleted;
  return edit.index + positionInside(before, position, edit);
}

/**
 * The offset in `edit.inserted` of a position strictly inside the replaced range. Two people's edits on either side of
 * a caret are summarised as one replacement that contains the text around the caret unchanged: look for that text.
 */
function positionInside(before: string, position: number, edit: Edit): number {
  const end = edit.index + edit.deleted;
  for (const length of CONTEXT_LENGTHS) {
    const left = before.slice(Math.max(edit.index, position - length), position);
    const right = before.slice(position, Math.min(end, position + length));
    const around = onlyOccurrence(edit.inserted, left + right);
    if (around >= 0) return around + left.length;
    const afterLeft = onlyOccurrence(edit.inserted, left);
    if (afterLeft >= 0) return afterLeft + left.length;
    const beforeRight = onlyOccurrence(edit.inserted, right);
    if (beforeRight >= 0) return beforeRight;
  }
  return 0;
}

function onlyOccurrence(text: string, part: string): number {
  if (part === '') return -1;
  const first = text.indexOf(part);
  return first >= 0 && text.indexOf(part, first + 1) < 0 ? first : -1;
}
