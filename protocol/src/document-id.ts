/**
 * What a document's id may be: 1 to 256 bytes of well-formed UTF-8 without control characters. What stands before its
 * first slash names the document's space; no other character has a meaning, and an id is never a path.
 */

import { JoineryError } from './error.ts';
import { maxDocumentIdBytes } from './limits.ts';

// U+FEFF too: decoders take it for a byte order mark and drop it.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const unwanted = /[\u0000-\u001f\u007f-\u009f\ufeff]|\p{Surrogate}/u;

/** Whether the text may be a document's id. */
export function isDocumentId(id: string): boolean {
  // Without types anything may come: a number has no length that is too long.
  if (typeof id !== 'string' || id.length === 0 || id.length > maxDocumentIdBytes || unwanted.test(id)) return false;
  return utf8Length(id) <= maxDocumentIdBytes;
}

/**
 * Returns the id if it may be one.
 *
 * @throws JoineryError `invalid-document-id`.
 */
export function checkDocumentId(id: string): string {
  if (isDocumentId(id)) return id;
  throw new JoineryError('invalid-document-id', {
    expected: `a document id of 1 to ${maxDocumentIdBytes} bytes of UTF-8 without control characters`,
    got: typeof id === 'string' ? JSON.stringify(id.slice(0, 64)) : typeof id,
    remedy: 'Choose another id.',
  });
}

/** The space of a document: what stands before the first slash of its id, '' where there is none. */
export function spaceOf(document: string): string {
  return document.slice(0, Math.max(0, document.indexOf('/')));
}

/**
 * Returns the space's name if it may be one: what may be a document's id, without a slash, or ''.
 *
 * @throws JoineryError `invalid-space`.
 */
export function checkSpace(space: string): string {
  if (space === '' || (isDocumentId(space) && !space.includes('/'))) return space;
  throw new JoineryError('invalid-space', {
    expected: `a space of at most ${maxDocumentIdBytes} bytes of UTF-8 without slashes and control characters`,
    got: typeof space === 'string' ? JSON.stringify(space.slice(0, 64)) : typeof space,
    remedy: 'Choose another name.',
  });
}

/** How many bytes the text takes in UTF-8; a lone surrogate counts 3, as its replacement would. */
export function utf8Length(text: string): number {
  let length = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) length += 1;
    else if (unit < 0x800) length += 2;
    else if (unit >= 0xd800 && unit < 0xdc00 && index + 1 < text.length) {
      const next = text.charCodeAt(index + 1);
      if (next >= 0xdc00 && next < 0xe000) {
        length += 4;
        index += 1;
      } else length += 3;
    } else length += 3;
  }
  return length;
}
