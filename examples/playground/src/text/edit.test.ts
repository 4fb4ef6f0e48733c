import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyEdit, findEdit, mapSelection, rebaseEdit } from './edit.ts';

const caretAt = (before: string, position: number, after: string): number => {
  const edit = findEdit(before, after);
  return edit === undefined ? position : mapSelection(before, { start: position, end: position }, edit).start;
};

/** Few letters, so that repeats and overlaps are common, and a pair of pairs that share a surrogate. */
const text = fc.array(fc.constantFrom('a', 'b', '\n', '😀', '😁'), { maxLength: 12 }).map((parts) => parts.join(''));

describe('findEdit', () => {
  test('finds nothing in equal texts', () => {
    expect(findEdit('same', 'same')).toBeUndefined();
  });

  test('finds insertion, deletion and replacement', () => {
    expect(findEdit('milk', 'milky')).toEqual({ index: 4, deleted: 0, inserted: 'y' });
    expect(findEdit('bread', 'bed')).toEqual({ index: 1, deleted: 3, inserted: 'e' });
    expect(findEdit('', 'new')).toEqual({ index: 0, deleted: 0, inserted: 'new' });
    expect(findEdit('old', '')).toEqual({ index: 0, deleted: 3, inserted: '' });
  });

  test('lets the caret choose among equal replacements', () => {
    expect(findEdit('aaa', 'aaaa', 2)).toEqual({ index: 1, deleted: 0, inserted: 'a' });
    expect(findEdit('aaa', 'aa', 1)).toEqual({ index: 1, deleted: 1, inserted: '' });
    expect(findEdit('one one', 'one one one', 8)).toEqual({ index: 4, deleted: 0, inserted: 'one ' });
  });

  test('does not trust a caret that makes the change bigger', () => {
    expect(findEdit('abcdef', 'Xabcdef', 7)).toEqual({ index: 0, deleted: 0, inserted: 'X' });
  });

  test('does not cut a surrogate pair', () => {
    expect(findEdit('x😀y', 'x😁y')).toEqual({ index: 1, deleted: 2, inserted: '😁' });
  });

  test('turns any text into any other, with any caret', () => {
    fc.assert(
      fc.property(text, text, fc.option(fc.nat(30), { nil: undefined }), (before, after, caret) => {
        const edit = findEdit(before, after, caret);
        expect(edit === undefined ? before : applyEdit(before, edit)).toBe(after);
        if (edit !== undefined) {
          expect(edit.inserted.isWellFormed()).toBe(true);
          expect(before.slice(0, edit.index).isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('mapSelection', () => {
  test('moves a caret with what changes before it, and only that', () => {
    expect(caretAt('world', 2, 'hello world')).toBe(8);
    expect(caretAt('hello world', 2, 'hello')).toBe(2);
    expect(caretAt('hello world', 8, 'world')).toBe(2);
  });

  test('keeps a caret before text inserted at it', () => {
    expect(caretAt('ab', 1, 'aXb')).toBe(1);
    expect(caretAt('ab', 2, 'abX')).toBe(2);
  });

  test('does not let a selection grow by text inserted at its borders', () => {
    const grow = (index: number) => mapSelection('abcd', { start: 1, end: 3 }, { index, deleted: 0, inserted: 'XY' });
    expect(grow(1)).toEqual({ start: 3, end: 5 });
    expect(grow(3)).toEqual({ start: 1, end: 3 });
    expect(grow(2)).toEqual({ start: 1, end: 5 });
  });

  test('closes a selection whose text was deleted', () => {
    expect(mapSelection('abcdef', { start: 2, end: 4 }, { index: 1, deleted: 4, inserted: '' })).toEqual({
      start: 1,
      end: 1,
    });
  });

  test('finds the caret again between two changes told as one', () => {
    const before = 'The quick brown fox jumps';
    const after = 'A very quick brown fox leaps';
    expect(after.slice(caretAt(before, before.indexOf('brown'), after))).toBe('brown fox leaps');
  });

  test('stays inside the text, in order', () => {
    fc.assert(
      fc.property(text, text, fc.nat(24), fc.nat(24), (before, after, a, b) => {
        const edit = findEdit(before, after);
        if (edit === undefined) return;
        const start = Math.min(a, b, before.length);
        const mapped = mapSelection(before, { start, end: Math.min(Math.max(a, b), before.length) }, edit);
        expect(mapped.start).toBeGreaterThanOrEqual(0);
        expect(mapped.end).toBeGreaterThanOrEqual(mapped.start);
        expect(mapped.end).toBeLessThanOrEqual(after.length);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('rebaseEdit', () => {
  const both = (before: string, local: string, remote: string): string => {
    const mine = findEdit(before, local);
    const theirs = findEdit(before, remote);
    if (mine === undefined || theirs === undefined) throw new Error('expected two changes');
    return rebaseEdit(before, mine, theirs).reduce(applyEdit, remote);
  };

  test('shifts an edit behind a remote one', () => {
    expect(both('bread milk', 'bread milk!', 'some bread milk')).toBe('some bread milk!');
    expect(both('bread milk', 'Bread milk', 'bread')).toBe('Bread');
  });

  test('keeps what the other side inserted inside a deletion', () => {
    expect(both('abcdef', 'af', 'abcXdef')).toBe('aXf');
    expect(both('abcdef', 'aZf', 'abcXdef')).toBe('aZXf');
  });

  test('deletes once what both deleted', () => {
    expect(both('abcdef', 'aef', 'abf')).toBe('af');
    expect(both('abcdef', 'abf', 'aef')).toBe('af');
    expect(both('abcdef', 'af', 'abef')).toBe('af');
    expect(both('abcdef', 'abef', 'af')).toBe('af');
  });

  test('types on where the text around was replaced', () => {
    expect(both('hello', 'hel-lo', 'HELLO')).toContain('-');
  });

  test('always applies to the remote text', () => {
    fc.assert(
      fc.property(text, text, text, (before, local, remote) => {
        const mine = findEdit(before, local);
        const theirs = findEdit(before, remote);
        if (mine === undefined || theirs === undefined) return;
        let now = remote;
        for (const edit of rebaseEdit(before, mine, theirs)) {
          expect(edit.index).toBeGreaterThanOrEqual(0);
          expect(edit.index + edit.deleted).toBeLessThanOrEqual(now.length);
          now = applyEdit(now, edit);
        }
        for (const letter of mine.inserted) expect(now).toContain(letter);
      }),
      { numRuns: 2000 },
    );
  });
});
