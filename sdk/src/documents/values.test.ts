// The small functions on plain data: sharing, comparing, checking, and finding the smallest change.

import { JoineryError } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../testing/random.ts';
import { keepOrder, valueKey } from './keep-order.ts';
import { copyPlain } from './plain.ts';
import { WriteReceipt } from './receipt.ts';
import { equalValues, shareValue } from './shared-value.ts';
import { textChange } from './text-change.ts';

describe('shareValue', () => {
  const before = shareValue(undefined, {
    a: { b: [1, { c: 2 }] },
    d: [{ e: 1 }, { e: 2 }, { e: 3 }],
    f: Uint8Array.of(1),
  });

  test('gives the old value when nothing changed, and freezes what is new', () => {
    expect(shareValue(before, structuredClone(before))).toBe(before);
    expect(Object.isFrozen(before) && Object.isFrozen((before as { a: object }).a)).toBe(true);
  });

  test('keeps what did not change', () => {
    const copy = structuredClone(before) as { a: { b: unknown[] }; d: { e: number }[]; f: Uint8Array };
    copy.d.splice(1, 0, { e: 9 });
    const old = before as typeof copy;
    const next = shareValue(before, copy) as typeof copy;
    expect(next).not.toBe(before);
    expect([next.a, next.f, next.d[0], next.d[2], next.d[3]]).toEqual([old.a, old.f, old.d[0], old.d[1], old.d[2]]);
    expect(next.a).toBe(old.a);
    expect(next.f).toBe(old.f);
    expect(next.d[0]).toBe(old.d[0]);
    expect(next.d[2]).toBe(old.d[1]);
    expect(next.d[3]).toBe(old.d[2]);
    expect(next.d[1]).toEqual({ e: 9 });
  });

  test('handles keys that look like parts of objects', () => {
    const odd = JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}');
    const shared = shareValue(odd, JSON.parse('{"__proto__": {"a": 1}, "constructor": 3}')) as object;
    expect(Object.keys(shared)).toEqual(['__proto__', 'constructor']);
    expect(equalValues(shared, odd)).toBe(false);
    expect(({} as { a?: number }).a).toBeUndefined();
  });

  test('random values: equal to the new one, whatever the old one was', () => {
    const random = seededRandom(3);
    const below = (limit: number): number => Math.floor(random() * limit);
    const value = (depth: number): unknown => {
      const choice = below(depth > 3 ? 3 : 6);
      if (choice === 3) return Array.from({ length: below(5) }, () => value(depth + 1));
      if (choice >= 4)
        return Object.fromEntries(Array.from({ length: below(4) }, () => [`k${below(4)}`, value(depth + 1)]));
      return [below(3), Uint8Array.of(below(3)), null][choice];
    };
    let last: unknown;
    for (let run = 0; run < 5_000; run += 1) {
      const next = value(0);
      const wanted = structuredClone(next);
      last = shareValue(last, next);
      expect(equalValues(last, wanted)).toBe(true);
    }
  });
});

describe('textChange', () => {
  test.each([
    ['', 'a', { index: 0, deleted: 0, inserted: 'a' }],
    ['abc', 'abc', undefined],
    ['abc', 'abxc', { index: 2, deleted: 0, inserted: 'x' }],
    ['aaa', 'aa', { index: 2, deleted: 1, inserted: '' }],
    ['one two', 'one 2', { index: 4, deleted: 3, inserted: '2' }],
    // The two share their first half: the pair is replaced as a whole.
    ['a\u{1f600}b', 'a\u{1f601}b', { index: 1, deleted: 2, inserted: '\u{1f601}' }],
    ['\u{1f600}', '\u{1f5ff}\u{1f600}', { index: 0, deleted: 0, inserted: '\u{1f5ff}' }],
  ])('%j → %j', (before, after, expected) => expect(textChange(before, after)).toEqual(expected));

  test('random strings: carried out, it gives the new one, and cuts no pair', () => {
    const random = seededRandom(5);
    const letters = ['a', 'b', '\u{1f600}', '\u{1f601}', '\u{2f800}'];
    const text = (): string =>
      Array.from({ length: Math.floor(random() * 8) }, () => letters[Math.floor(random() * letters.length)]).join('');
    for (let run = 0; run < 20_000; run += 1) {
      const [before, after] = [text(), text()];
      const change = textChange(before, after);
      if (change === undefined) {
        expect(before).toBe(after);
        continue;
      }
      const rest = before.slice(change.index + change.deleted);
      expect(before.slice(0, change.index) + change.inserted + rest).toBe(after);
      for (const part of [before.slice(0, change.index), change.inserted, rest]) expect(part.isWellFormed()).toBe(true);
    }
  });
});

describe('keepOrder', () => {
  test('pairs equal elements, ascending on both sides', () => {
    const random = seededRandom(11);
    const list = (): number[] => Array.from({ length: Math.floor(random() * 12) }, () => Math.floor(random() * 6));
    for (let run = 0; run < 5_000; run += 1) {
      const [before, after] = [list(), list()];
      const pairs = keepOrder(before, after);
      for (const [index, [old, next]] of pairs.entries()) {
        expect(before[old]).toBe(after[next]);
        const [lastOld, lastNext] = pairs[index - 1] ?? [-1, -1];
        expect(old > lastOld && next > lastNext).toBe(true);
      }
    }
  });

  test('keeps all but what was removed, inserted or moved', () => {
    const before = Array.from({ length: 20_000 }, (_, index) => index);
    expect(
      keepOrder(
        before,
        before.filter((index) => index % 2 === 0),
      ),
    ).toHaveLength(10_000);
    expect(keepOrder(before, [...before.slice(1), 0])).toHaveLength(19_999);
    expect(keepOrder(before, [...before].reverse())).toHaveLength(1);
  });

  test('valueKey is the same for equal values only', () => {
    const values = [1, '1', null, true, [1], ['1'], { a: 1, b: 2 }, { a: 1 }, Uint8Array.of(1), 'null', [[]], []];
    const keys = values.map((value) => valueKey(copyPlain(value)));
    expect(new Set(keys).size).toBe(values.length);
    expect(valueKey({ b: 2, a: 1 })).toBe(valueKey({ a: 1, b: 2 }));
  });
});

describe('copyPlain', () => {
  test('copies what is plain, and leaves undefined out', () => {
    const bytes = Uint8Array.of(1);
    const copy = copyPlain({ a: [1, null, { b: undefined }], bytes }) as { bytes: Uint8Array };
    expect(copy).toEqual({ a: [1, null, {}], bytes });
    expect(copy.bytes).not.toBe(bytes);
  });

  test.each([
    [{ a: { b: [1, undefined] } }, '["a"]["b"][1]'],
    [{ a: Number.POSITIVE_INFINITY }, '["a"]'],
    [10n, 'the top'],
    [{ list: [new (class Point {})()] }, '["list"][0]'],
  ])('names the path of what is not', (value, path) => {
    expect(() => copyPlain(value)).toThrow(expect.objectContaining({ code: 'invalid-value' }));
    expect(() => copyPlain(value)).toThrow(path);
  });

  test('refuses what is too large', () => {
    expect(() => copyPlain('x'.repeat(2 ** 20))).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
    expect(() => copyPlain(new Uint8Array(2 ** 20))).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
    let nested: unknown = 1;
    for (let depth = 0; depth < 40; depth += 1) nested = [nested];
    expect(() => copyPlain(nested)).toThrow(expect.objectContaining({ code: 'invalid-value' }));
  });
});

describe('WriteReceipt', () => {
  test('moves on, tells its listeners, and resolves promises asked for before and after', async () => {
    const receipt = new WriteReceipt();
    const seen: string[] = [];
    receipt.subscribe(() => seen.push(receipt.state));
    const { durable } = receipt;
    receipt.markDurable();
    await durable;
    receipt.markSynced();
    receipt.markSynced();
    await Promise.all([receipt.durable, receipt.synced]);
    expect(seen).toEqual(['durable', 'synced']);
  });

  test('a rejection nobody looks at is no unhandled rejection, and one that is looked at is typed', async () => {
    const error = new JoineryError('forbidden', 'no');
    const [ignored, watched] = [new WriteReceipt(), new WriteReceipt()];
    void ignored.synced;
    for (const receipt of [ignored, watched]) {
      receipt.markDurable();
      receipt.markRejected(error);
      receipt.markSynced();
    }
    await expect(watched.synced).rejects.toBe(error);
    await watched.durable;
    expect([watched.state, watched.error]).toEqual(['rejected', error]);
  });

  test('what was never stored will not be durable', async () => {
    const receipt = new WriteReceipt();
    receipt.markRejected(new JoineryError('internal', 'lost'));
    await expect(receipt.durable).rejects.toThrow('lost');
  });
});
