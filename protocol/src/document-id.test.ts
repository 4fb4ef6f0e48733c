import { describe, expect, it } from 'vitest';
import { checkDocumentId, checkSpace, isDocumentId, utf8Length } from './document-id.ts';
import { JoineryError } from './error.ts';

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof JoineryError) return error.code;
    throw error;
  }
  return 'no error';
};

/** Neither ids nor names of spaces. */
const bad: readonly (readonly [string, unknown])[] = [
  ['NUL', 'a\u0000'],
  ['a control character', 'a\nb'],
  ['a control character of C1', '\u0085'],
  ['a byte order mark', '\ufeffa'],
  ['the first half of a pair', 'a\ud83d'],
  ['the second half of a pair', '\ude00a'],
  ['a pair the wrong way round', '\ude00\ud83d'],
  ['257 bytes', 'x'.repeat(257)],
  ['257 bytes in 129 units', `x${'ä'.repeat(128)}`],
  ['a long text', 'x'.repeat(10_000_000)],
  ['a number', 5],
  ['nothing', undefined],
  ['null', null],
  ['an array of one id', ['a']],
  ['what has a length', { length: 3 }],
];

describe('ids', () => {
  it.each(bad)('are not %s', (_, id) => {
    expect(isDocumentId(id as string)).toBe(false);
    expect(codeOf(() => checkDocumentId(id as string))).toBe('invalid-document-id');
    expect(codeOf(() => checkSpace(id as string))).toBe('invalid-space');
  });

  it('are any other text, up to 256 bytes', () => {
    for (const id of [
      '..',
      '.',
      '/',
      '//',
      'a/../b',
      '%',
      '%2F',
      '\\',
      '__proto__',
      ' ',
      '\u{10ffff}',
      'ä'.repeat(128),
    ]) {
      expect(checkDocumentId(id)).toBe(id);
      expect(utf8Length(id)).toBe(new TextEncoder().encode(id).length);
      expect(codeOf(() => checkSpace(id))).toBe(id.includes('/') ? 'invalid-space' : 'no error');
    }
    // There is a space without a name, but no document.
    expect(codeOf(() => checkDocumentId(''))).toBe('invalid-document-id');
    expect(checkSpace('')).toBe('');
  });
});
