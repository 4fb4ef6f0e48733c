// Rich text through the boundary: marks, deltas, what grows, and what is refused. How marks merge is tested in Rust.

import { beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../testing/random.ts';
import { type DeltaStep, defaultExpand, expandOf, init, type Plain, Replica, type TextRun } from './index.ts';

beforeAll(() => init());

const code = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
};

const bold = { bold: true };

describe('marks', () => {
  test('bold grows where it is typed on, a link does not, and a comment overlaps another one', () => {
    const replica = new Replica({ agent: 1n });
    const text = replica.text('body');
    text.insert(0, 'one two three');
    text.mark(0, 3, 'bold', true);
    text.mark(4, 7, 'link', 'https://example.com');
    text.mark(4, 9, 'comment:1', true);
    text.mark(6, 13, 'comment:2', { by: 'ada' });
    text.insert(13, '!');
    text.insert(7, 'X');
    text.insert(3, 'Y');
    expect(text.toDelta()).toEqual([
      { insert: 'oneY', attributes: bold },
      { insert: ' ' },
      { insert: 'tw', attributes: { 'comment:1': true, link: 'https://example.com' } },
      { insert: 'o', attributes: { 'comment:1': true, 'comment:2': { by: 'ada' }, link: 'https://example.com' } },
      { insert: 'X t', attributes: { 'comment:1': true, 'comment:2': { by: 'ada' } } },
      { insert: 'hree', attributes: { 'comment:2': { by: 'ada' } } },
      { insert: '!' },
    ]);
    text.unmark(0, text.length, 'comment:2');
    text.unmark(1, 3, 'bold');
    expect(text.toDelta().slice(0, 3)).toEqual([
      { insert: 'o', attributes: bold },
      { insert: 'ne' },
      { insert: 'Y', attributes: bold },
    ]);
    expect(text.toString()).toBe('oneY twoX three!');
  });

  test('what is so already is not written, and what is marked counts as a change', () => {
    const replica = new Replica({ agent: 1n });
    const text = replica.text('body');
    text.mark(0, 0, 'bold', true);
    expect(replica.takeUpdate()).toBeUndefined();
    text.insert(0, 'abc');
    const { revision } = text;
    text.mark(0, 2, 'bold', true);
    expect(text.revision).toBeGreaterThan(revision);
    replica.takeUpdate();
    text.mark(0, 2, 'bold', true);
    text.unmark(2, 3, 'bold');
    expect(replica.takeUpdate()).toBeUndefined();
  });

  test('replicas that mark and type at the same time show the same', () => {
    const [a, b] = [new Replica({ agent: 1n }), new Replica({ agent: 2n })];
    a.text('body').insert(0, 'abcd');
    b.applyUpdate(a.takeUpdate() as Uint8Array);
    a.text('body').mark(1, 3, 'bold', true);
    b.text('body').insert(3, 'X');
    b.text('body').mark(0, 2, 'color', 'red');
    const [fromA, fromB] = [a.takeUpdate() as Uint8Array, b.takeUpdate() as Uint8Array];
    a.applyUpdate(fromB);
    b.applyUpdate(fromA);
    expect(a.text('body').toDelta()).toEqual(b.text('body').toDelta());
    expect(a.text('body').toDelta()).toEqual([
      { insert: 'a', attributes: { color: 'red' } },
      { insert: 'b', attributes: { bold: true, color: 'red' } },
      { insert: 'cX', attributes: bold },
      { insert: 'd' },
    ]);
    const loaded = Replica.load(a.encodeSnapshot());
    expect(loaded.text('body').toDelta()).toEqual(a.text('body').toDelta());
  });

  test('bad ranges, keys and values are refused, and nothing is written', () => {
    const replica = new Replica({ agent: 1n });
    const text = replica.text('body');
    text.insert(0, 'abc');
    replica.takeUpdate();
    expect(code(() => text.mark(0, 4, 'bold', true))).toBe('index-out-of-range');
    expect(code(() => text.mark(2, 1, 'bold', true))).toBe('index-out-of-range');
    expect(code(() => text.mark(-1, 2, 'bold', true))).toBe('index-out-of-range');
    expect(code(() => text.mark(0.5, 2, 'bold', true))).toBe('index-out-of-range');
    expect(code(() => text.mark(0, 2, 'k'.repeat(1025), true))).toBe('limit-exceeded');
    expect(code(() => text.mark(0, 2, '\ufffc', true))).toBe('invalid-value');
    expect(code(() => text.mark(0, 2, 'bold', Number.NaN))).toBe('invalid-value');
    expect(code(() => text.mark(0, 2, 'bold', undefined as unknown as Plain))).toBe('invalid-value');
    expect(replica.takeUpdate()).toBeUndefined();
  });

  test('a table says by key, or by how a key begins, what grows', () => {
    const table = { link: 'none', 'comment:*': 'none', 'comment:open:*': 'after', '*': 'none', bold: 'after' } as const;
    const keys = ['link', 'comment:1', 'comment:open:1', 'bold', 'color', 'comment'];
    expect(keys.map((key) => expandOf(table, key))).toEqual(['none', 'none', 'after', 'after', 'none', 'none']);
    const usual = ['bold', 'link', 'comment:x', 'header', 'links', 'toString', ''];
    expect(usual.map((key) => expandOf(defaultExpand, key))).toEqual([
      'after',
      'none',
      'none',
      'none',
      'after',
      'after',
      'after',
    ]);
  });
});

describe('deltas', () => {
  test('a delta that is applied to an empty text is what is read', () => {
    const delta: TextRun[] = [
      { insert: 'Title' },
      { insert: '\n', attributes: { header: 1 } },
      { insert: 'bold', attributes: bold },
      { insert: { image: 'https://example.com/a.png' }, attributes: { link: 'https://example.com' } },
      { insert: { image: 'https://example.com/a.png' } },
      { insert: ' and 🌍' },
    ];
    const replica = new Replica({ agent: 1n });
    replica.text('body').applyDelta(delta);
    expect(replica.text('body').toDelta()).toEqual(delta);
    expect(replica.text('body').toString()).toBe('Title\nbold\ufffc\ufffc and 🌍');
    expect(replica.toJSON()).toEqual({ body: 'Title\nbold\ufffc\ufffc and 🌍' });
  });

  test('what is inserted has what it says and no more, whatever it is inserted into', () => {
    const replica = new Replica({ agent: 1n });
    const text = replica.text('body');
    text.applyDelta([{ insert: 'ab', attributes: { bold: true, link: 'u' } }, { insert: 'c' }]);
    text.applyDelta([
      { retain: 1 },
      { insert: 'plain' },
      { insert: 'i', attributes: { italic: true } },
      { retain: 1, attributes: { bold: null } },
      { delete: 1 },
      { insert: '!', attributes: { bold: null } },
    ]);
    expect(text.toDelta()).toEqual([
      { insert: 'a', attributes: { bold: true, link: 'u' } },
      { insert: 'plain' },
      { insert: 'i', attributes: { italic: true } },
      { insert: 'b', attributes: { link: 'u' } },
      { insert: '!' },
    ]);
    // A link that was taken off in its middle doesn't take off what is typed behind that.
    text.insert(6, 'X');
    expect(text.toDelta()[1]).toEqual({ insert: 'plain' });
  });

  test('a table of its own decides what grows', () => {
    const replica = new Replica({ agent: 1n });
    const text = replica.text('body');
    text.applyDelta([{ insert: 'ab', attributes: { bold: true, link: 'u' } }], { bold: 'none' });
    text.insert(2, 'X');
    expect(text.toDelta()).toEqual([
      { insert: 'ab', attributes: { bold: true, link: 'u' } },
      { insert: 'X', attributes: { link: 'u' } },
    ]);
  });

  test('a megabyte at once', () => {
    const replica = new Replica({ agent: 1n });
    const long = 'a🌍é'.repeat(400_000);
    replica.text('body').applyDelta([{ insert: long, attributes: bold }, { insert: '.' }]);
    expect(replica.text('body').toDelta()).toEqual([{ insert: long, attributes: bold }, { insert: '.' }]);
  });

  test('a delta that is refused writes nothing, and creates nothing', () => {
    const replica = new Replica({ agent: 1n });
    const refused: [unknown[], string][] = [
      [[{ insert: 'a' }, { retain: 1 }], 'index-out-of-range'],
      [[{ insert: 'a' }, { delete: 1 }], 'index-out-of-range'],
      [[{ insert: 'a' }, { delete: -1 }], 'invalid-value'],
      [[{ insert: 'a' }, { retain: 0.5 }], 'invalid-value'],
      [[{ insert: 'a' }, { insert: 1 }], 'invalid-value'],
      [[{ insert: 'a' }, { insert: ['a'] }], 'invalid-value'],
      [[{ insert: 'a' }, { insert: null }], 'invalid-value'],
      [[{ insert: 'a' }, {}], 'invalid-value'],
      [[{ insert: 'a' }, { insert: 'b', retain: 1 }], 'invalid-value'],
      [[{ insert: 'a' }, { insert: 'b', attributes: [] }], 'invalid-value'],
      [[{ insert: 'a' }, { insert: 'b', attributes: { '\ufffc': 1 } }], 'invalid-value'],
      [[{ insert: 'a' }, { insert: 'b', attributes: { f: () => 1 } }], 'invalid-value'],
      [[{ insert: 'a' }, { insert: 'b', attributes: { ['k'.repeat(1025)]: 1 } }], 'limit-exceeded'],
      [[{ insert: 'a' }, 'b'], 'invalid-value'],
      [[{ insert: 'a' }, null], 'invalid-value'],
    ];
    for (const [delta, expected] of refused) {
      expect(code(() => replica.text('body').applyDelta(delta as DeltaStep[]))).toBe(expected);
      expect(replica.takeUpdate()).toBeUndefined();
    }
    replica.text('body').insert(0, 'x🌍');
    replica.takeUpdate();
    expect(code(() => replica.text('body').applyDelta([{ retain: 2 }, { insert: 'a' }]))).toBe('invalid-value');
    for (const [delta] of refused.slice(2)) {
      expect(code(() => replica.text('body').applyDelta(delta as DeltaStep[]))).toBeDefined();
    }
    expect(replica.takeUpdate()).toBeUndefined();
  });

  test('random deltas do what they say: 2,000 of them, against plain arrays', () => {
    const random = seededRandom(7);
    const below = (limit: number): number => Math.floor(random() * limit);
    const attributes = (off: boolean): Record<string, Plain> => {
      const chosen = ['bold', 'link', 'comment:1'].filter(() => below(3) === 0);
      return Object.fromEntries(chosen.map((key) => [key, off && below(3) === 0 ? null : below(2)]));
    };
    let replica = new Replica({ agent: 1n });
    let model: Unit[] = [];
    for (let round = 0; round < 2000; round += 1) {
      if (round % 100 === 0) {
        replica.free();
        [replica, model] = [new Replica({ agent: BigInt(round + 1) }), []];
      }
      let left = model.length;
      const delta: DeltaStep[] = Array.from({ length: 1 + below(4) }, () => {
        const n = below(Math.min(left, 5) + 1);
        const choice = below(4);
        if (choice === 0) return { insert: 'xyz'.slice(below(3)), attributes: attributes(true) };
        if (choice === 1) return { insert: { image: below(3) }, attributes: attributes(true) };
        left -= n;
        return choice === 2 ? { retain: n, attributes: attributes(true) } : { delete: n };
      });
      replica.text('t').applyDelta(delta);
      model = applied(model, delta);
      const read = replica.text('t').toDelta().flatMap(unitsOf);
      if (JSON.stringify(read) !== JSON.stringify(model)) expect(read, JSON.stringify(delta)).toEqual(model);
    }
  });
});

/** A character or an object, with its attributes. */
type Unit = readonly [unknown, Readonly<Record<string, Plain>>];

function unitsOf({ insert, attributes = {} }: TextRun): Unit[] {
  return typeof insert === 'string' ? [...insert].map((unit) => [unit, attributes]) : [[insert, attributes]];
}

function withAttributes(before: Readonly<Record<string, Plain>>, change: Readonly<Record<string, Plain>>): Unit[1] {
  const entries = Object.entries({ ...before, ...change }).filter(([, value]) => value !== null);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function applied(before: readonly Unit[], delta: readonly DeltaStep[]): Unit[] {
  const after: Unit[] = [];
  let at = 0;
  for (const step of delta) {
    if ('insert' in step) {
      const attributes = withAttributes({}, step.attributes ?? {});
      after.push(...unitsOf({ insert: step.insert, attributes }));
    } else if ('retain' in step) {
      const kept = before.slice(at, at + step.retain);
      after.push(...kept.map(([unit, has]): Unit => [unit, withAttributes(has, step.attributes ?? {})]));
      at += step.retain;
    } else at += step.delete;
  }
  return [...after, ...before.slice(at)];
}
