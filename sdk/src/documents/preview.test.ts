// What is said that will come of an update, before anything is written, against what comes of it. Recipes have the random test
// of `draft-random.test.ts` for it; here are partial values, and what a document may have beside maps and lists.

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { init, type Plain, Replica } from '../core/index.ts';
import { copyPartial } from './document.ts';
import { runRecipe } from './draft.ts';
import { shareValue } from './shared-value.ts';
import { mergeKeys, previewMerge, writeKey } from './write-value.ts';

beforeAll(() => init());

/** Values over few keys, so that they meet; `undefined` where a key is to go. */
const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(1, 'x', true, null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), tie('value'), { maxKeys: 3 }),
  ),
}));
const anyObject = fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), anyValue, { maxKeys: 4 });
const withGaps = (value: unknown, gaps: readonly boolean[]): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([key, inner], at) => [key, gaps[at] ? undefined : withGaps(inner, gaps)]);
  return Object.fromEntries(entries);
};

/** A document with everything. */
function full(): Replica {
  const replica = new Replica();
  replica.text('text').insert(0, 'hello');
  replica.counter('counter').increment(3);
  replica.set('set').add('x');
  replica.tree('tree').create(null);
  replica.graph('graph').addNode();
  writeKey(replica.root, 'map', { a: { b: 1 }, list: [{ c: 1 }, [2]] });
  return replica;
}

describe('a preview', () => {
  test('of a partial value is what the document is afterwards', () => {
    fc.assert(
      fc.property(anyObject, anyObject, fc.array(fc.boolean(), { maxLength: 4 }), (first, second, gaps) => {
        const replica = new Replica();
        mergeKeys(replica.root, copyPartial(first, []));
        const partial = copyPartial(withGaps(second, gaps), []);
        const current = shareValue(undefined, replica.toJSON()) as object;
        const said = previewMerge(replica.root, current, partial);
        mergeKeys(replica.root, partial);
        expect(said).toEqual(replica.toJSON());
        expect(Object.keys(said).sort()).toEqual(Object.keys(replica.toJSON()).sort());
        replica.free();
      }),
    );
  });

  test.each<[string, Record<string, unknown>]>([
    ['an object in place of a graph', { graph: { a: 1 } }],
    ['an object in place of a list', { map: { list: { a: 1 } } }],
    ['an object in place of a text', { text: { a: 1 } }],
    ['another text, number and member', { text: 'other', counter: 7, set: ['y'] }],
    ['nothing', { text: undefined, graph: undefined, map: { a: undefined } }],
  ])('of a partial value that has %s', (_, given) => {
    const replica = full();
    const partial = copyPartial(given, []);
    const said = previewMerge(replica.root, replica.toJSON(), partial);
    mergeKeys(replica.root, partial);
    expect(said).toEqual(replica.toJSON());
  });

  test.each<[string, (draft: Record<string, never>) => void]>([
    ['changes what is no map and no list', (d) => Object.assign(d, { text: 'other', counter: 7, set: ['y'] })],
    ['reads everything', (d) => void JSON.stringify(d)],
    ['puts something in the place of a container', (d) => Object.assign(d, { text: 1, map: [d.map] })],
    ['changes what it has put elsewhere', (d) => Object.assign((d as Loose).map.list[0], { c: (d as Loose).map.a })],
    ['changes inside what it has moved', (d) => (d as Loose).map.list.reverse()[1].c++],
  ])('of a recipe that %s', (_, recipe) => {
    const replica = full();
    const current = shareValue(undefined, replica.toJSON()) as object;
    let said: unknown;
    runRecipe(replica.root, recipe as (draft: never) => void, {
      current,
      check: (next) => {
        said = next;
      },
    });
    expect(said).toEqual(replica.toJSON());
  });

  test('of a recipe shares what the recipe left as it was', () => {
    const replica = new Replica();
    const list: Plain = [{ at: 1 }, { at: 2 }];
    for (const key of ['left', 'changed']) writeKey(replica.root, key, { list });
    const current = shareValue(undefined, replica.toJSON()) as { left: object; changed: { list: object[] } };
    let said = current;
    const check = (next: object): void => {
      said = next as typeof current;
    };
    runRecipe(
      replica.root,
      (draft: never) => void Object.assign((draft as typeof current).changed.list[1] ?? {}, { at: 3 }),
      {
        current,
        check,
      },
    );
    expect(said.changed.list).toEqual([{ at: 1 }, { at: 3 }]);
    expect([said.left === current.left, said.changed.list[0] === current.changed.list[0]]).toEqual([true, true]);
    // What was moved is still itself.
    const before = shareValue(current, replica.toJSON()) as typeof current;
    const move = ({ changed: { list } }: typeof current): void => void list.push(list.shift() as object);
    runRecipe(replica.root, move as (draft: never) => void, { current: before, check });
    expect(said.changed.list).toEqual([{ at: 3 }, { at: 1 }]);
    expect(said.changed.list.map((element) => before.changed.list.indexOf(element))).toEqual([1, 0]);
  });
});

// biome-ignore lint/suspicious/noExplicitAny: recipes in tests edit data of every shape
type Loose = any;
