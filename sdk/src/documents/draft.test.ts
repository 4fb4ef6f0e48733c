// Recipes: what a draft does is what plain JavaScript does to plain data, with operations as small as the change.

import { JoineryError } from '@joinery/protocol';
import { beforeAll, describe, expect, test } from 'vitest';
import { init, Replica } from '../core/index.ts';
import { seededRandom } from '../testing/random.ts';
import { runRecipe } from './draft.ts';
import { type Mergeable, mergeKeys } from './write-value.ts';

beforeAll(() => init());

// biome-ignore lint/suspicious/noExplicitAny: recipes in tests edit data of every shape
type Anything = any;
type Recipe = (draft: Anything) => void;

/** Two replicas with the same content. */
function pair(content: Record<string, unknown>): [Replica, Replica] {
  const first = new Replica();
  mergeKeys(first.root, content as { [key: string]: Mergeable });
  return [first, Replica.load(first.encodeSnapshot())];
}

function update(replica: Replica, recipe: Recipe): void {
  runRecipe(replica.root, recipe as (draft: never) => void);
}

/** Both write at the same time, and then have each other's. */
function concurrently(content: Record<string, unknown>, first: Recipe, second: Recipe): unknown {
  const [a, b] = pair(content);
  update(a, first);
  update(b, second);
  const [fromA, fromB] = [a.exportUpdate(), b.exportUpdate()];
  a.applyUpdate(fromB);
  b.applyUpdate(fromA);
  expect(a.toJSON()).toEqual(b.toJSON());
  return a.toJSON();
}

describe('a recipe', () => {
  const content = {
    title: 'List',
    items: [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }],
    tags: ['a', 'b'],
    deep: { x: { y: 1 } },
  };

  const same: [string, Recipe][] = [
    ['assigns', (d) => Object.assign(d, { title: 'Other', fresh: null })],
    ['deletes a key', (d) => delete d.title],
    ['sets a key to undefined', (d) => Object.assign(d.deep, { x: undefined, z: 1 })],
    ['edits what is nested', (d) => Object.assign(d.deep.x, { y: 2, z: [1, [2, { w: 3 }]] })],
    ['edits an element', (d) => Object.assign(d.items[2], { n: 33, done: true })],
    ['replaces an element', (d) => d.items.splice(1, 1, { other: true })],
    ['assigns an element', (d) => Object.assign(d.items, { 1: { n: 'new' }, 3: 'plain' })],
    [
      'pushes, unshifts, pops and shifts',
      (d) => [d.items.push({ n: 5 }, 6), d.items.unshift(0), d.items.pop(), d.items.shift()],
    ],
    ['splices from the end', (d) => d.items.splice(-2, 1, 'x', 'y')],
    ['splices with odd arguments', (d) => [d.items.splice(1, Number.NaN), d.tags.splice(0.5), d.tags.splice()]],
    ['filters', (d) => Object.assign(d, { items: d.items.filter(({ n }: Anything) => n % 2 === 0) })],
    ['maps', (d) => Object.assign(d, { items: d.items.map((item: Anything) => ({ ...item, seen: true })) })],
    ['sorts', (d) => d.items.sort((a: Anything, b: Anything) => b.n - a.n)],
    ['reverses', (d) => d.items.reverse()],
    ['fills', (d) => d.tags.fill('z', 1)],
    ['truncates', (d) => Object.assign(d.items, { length: 1 })],
    ['moves', (d) => d.items.push(d.items.shift())],
    ['swaps values', (d) => Object.assign(d, { tags: [d.tags[1], d.tags[0], ...d.tags] })],
    ['copies a draft elsewhere', (d) => Object.assign(d, { copy: d.deep, again: [d.items[0], d.items[0]] })],
    [
      'edits what it made',
      (d) => [Object.assign(d, { made: { list: [{}] } }), Object.assign(d.made.list[0], { k: 1 }), d.made.list.push(2)],
    ],
    ['edits, then removes', (d) => [Object.assign(d.items[0], { n: 9 }), d.items.shift(), delete d.deep.x]],
    ['removes, then adds anew', (d) => [delete d.deep, Object.assign(d, { deep: { q: 1 } })]],
    ['changes kinds', (d) => Object.assign(d, { title: { now: 'map' }, items: 'text', deep: [1], tags: { a: 1 } })],
    ['loops', (d) => d.items.forEach((item: Anything, index: number) => void Object.assign(item, { index }))],
    ['empties', (d) => Object.assign(d, { items: [], deep: {} })],
    ['concatenates', (d) => Object.assign(d, { tags: d.tags.concat(['c'], d.tags) })],
    ['spreads itself', (d) => Object.assign(d, { deep: { ...d.deep, ...d.deep.x, items: d.items } })],
  ];

  test.each(same)('%s as plain JavaScript does', (_, recipe) => {
    const [replica] = pair(content);
    const plain = structuredClone(content);
    update(replica, recipe);
    recipe(plain);
    expect(replica.toJSON()).toEqual(JSON.parse(JSON.stringify(plain)));
  });

  test('reads like plain data', () => {
    const [replica] = pair({ ...content, bytes: Uint8Array.of(1, 2) });
    replica.text('body').insert(0, 'text');
    replica.counter('count').increment(5);
    replica.set('members').add('x');
    update(replica, (draft) => {
      expect(Object.keys(draft).sort()).toEqual([
        'body',
        'bytes',
        'count',
        'deep',
        'items',
        'members',
        'tags',
        'title',
      ]);
      expect(draft.body).toBe('text');
      expect(draft.count).toBe(5);
      expect(draft.members).toEqual(['x']);
      expect(draft.bytes).toEqual(Uint8Array.of(1, 2));
      expect('title' in draft && !('nothing' in draft)).toBe(true);
      expect(draft.nothing).toBeUndefined();
      expect(Array.isArray(draft.items)).toBe(true);
      expect(draft.items.length).toBe(4);
      expect(draft.items.at(-1).n).toBe(4);
      expect(draft.items[7]).toBeUndefined();
      expect(draft.items.indexOf(draft.items[2])).toBe(2);
      expect(JSON.parse(JSON.stringify(draft.items))).toEqual(content.items);
      expect([...draft.tags].join()).toBe('a,b');
      expect({ ...draft.deep.x }).toEqual({ y: 1 });
    });
  });

  test('changes texts, counters and sets in place when they are assigned', () => {
    const merged = concurrently(
      {},
      () => {},
      () => {},
    );
    expect(merged).toEqual({});
    const first = new Replica();
    first.text('body').insert(0, 'one two three');
    first.counter('count').increment(10);
    for (const member of ['a', 'b']) first.set('members').add(member);
    const second = Replica.load(first.encodeSnapshot());
    update(first, (draft) => Object.assign(draft, { body: 'one 2 three', count: 12, members: ['b', 'c'] }));
    update(second, (draft) =>
      Object.assign(draft, { body: 'one two three four', count: 15, members: ['a', 'b', 'd'] }),
    );
    first.applyUpdate(second.exportUpdate());
    expect(first.toJSON()).toEqual({ body: 'one 2 three four', count: 17, members: ['b', 'c', 'd'] });
  });

  test('that throws has written nothing', () => {
    const [replica] = pair(content);
    const before = replica.revision;
    const failing: Recipe = (draft) => {
      draft.title = 'changed';
      draft.items.length = 0;
      throw new Error('no');
    };
    expect(() => update(replica, failing)).toThrow('no');
    expect(replica.revision).toBe(before);
    expect(replica.toJSON()).toEqual(content);
  });

  test.each<[string, Recipe]>([
    ['a function', (d) => Object.assign(d, { f: () => {} })],
    ['NaN', (d) => Object.assign(d.deep, { n: Number.NaN })],
    ['a Date', (d) => d.items.push({ at: new Date(0) })],
    ['a symbol as key', (d) => Object.assign(d, { [Symbol('x')]: 1 })],
    ['a hole', (d) => Object.assign(d.items, { 9: 1 })],
    ['undefined in an array', (d) => d.items.push(undefined)],
    ['a deleted element', (d) => delete d.items[0]],
    ['a class instance', (d) => Object.assign(d, { m: new Map() })],
    ['a circle', (d) => Object.assign(d, { c: circle() })],
    ['a long key', (d) => Object.assign(d, { ['k'.repeat(1_025)]: 1 })],
    ['a promise', async (d) => Object.assign(d, { title: 'late' })],
  ])('that assigns %s is refused and has written nothing', (_, recipe) => {
    const [replica] = pair(content);
    const before = replica.revision;
    expect(() => update(replica, recipe)).toThrow(expect.objectContaining({ code: 'invalid-value' }));
    expect(replica.revision).toBe(before);
  });

  test('can’t be continued after its end', () => {
    const [replica] = pair(content);
    let kept: Anything;
    update(replica, (draft) => {
      kept = draft.items;
    });
    expect(() => kept.push(1)).toThrow(JoineryError);
    expect(() => kept[0]).toThrow(expect.objectContaining({ code: 'closed' }));
  });

  test('keeps keys that look like parts of objects as what they are: keys', () => {
    const replica = new Replica();
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length'];
    update(replica, (draft) => {
      for (const name of names) {
        expect(draft[name]).toBeUndefined();
        draft[name] = { [`in ${name}`]: name };
        draft[name].more = [name];
      }
    });
    mergeKeys(replica.root, JSON.parse('{"__proto__": {"polluted": true}}'));
    const value = replica.toJSON();
    expect(Object.keys(value).sort()).toEqual([...names].sort());
    expect(Object.getOwnPropertyDescriptor(value, '__proto__')?.value).toMatchObject({ polluted: true });
    expect(({} as Anything).polluted).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});

describe('recipes at the same time', () => {
  const items = [{ t: 'a' }, { t: 'b' }, { t: 'c' }];

  test('a filtered array and an edit of what is left are both kept', () => {
    const merged = concurrently(
      { items },
      (d) => Object.assign(d, { items: d.items.filter(({ t }: Anything) => t !== 'a') }),
      (d) => Object.assign(d.items[1], { done: true }),
    );
    expect(merged).toEqual({ items: [{ t: 'b', done: true }, { t: 'c' }] });
  });

  test('a spread copy writes only what is new in it', () => {
    const merged = concurrently(
      { items },
      (d) => Object.assign(d.items, { 0: { ...d.items[0], done: true } }),
      (d) => Object.assign(d.items[0], { t: 'changed' }),
    );
    expect(merged).toEqual({ items: [{ t: 'changed', done: true }, { t: 'b' }, { t: 'c' }] });
  });

  test('insertions on both sides are both there', () => {
    const merged = concurrently(
      { items },
      (d) => d.items.push({ t: 'x' }),
      (d) => d.items.unshift({ t: 'y' }),
    ) as { items: { t: string }[] };
    expect(merged.items.map(({ t }) => t)).toEqual(['y', 'a', 'b', 'c', 'x']);
  });

  test('two who make the same list offline share it', () => {
    const merged = concurrently(
      {},
      (d) => Object.assign(d, { items: [{ t: 'x' }] }),
      (d) => Object.assign(d, { items: [{ t: 'y' }] }),
    ) as { items: { t: string }[] };
    expect(merged.items.map(({ t }) => t).sort()).toEqual(['x', 'y']);
  });

  test('arrays given as a whole change only the elements that differ', () => {
    const [a, b] = pair({ tags: ['a', 'b', 'c', 'd'] });
    mergeKeys(a.root, { tags: ['a', 'c', 'd', 'e'] });
    mergeKeys(b.root, { tags: ['a', 'b', 'c', 'd', 'x'] });
    a.applyUpdate(b.exportUpdate());
    expect((a.toJSON().tags as string[]).sort()).toEqual(['a', 'c', 'd', 'e', 'x']);
  });
});

describe('random values', () => {
  test('written as a whole, one after another, are what is read', () => {
    const random = seededRandom(4);
    const below = (limit: number): number => Math.floor(random() * limit);
    const list = (depth: number): Anything[] =>
      Array.from({ length: below(6) }, () => {
        const choice = below(depth > 1 ? 3 : 5);
        if (choice === 3) return list(depth + 1);
        return choice === 4 ? { n: below(3), inner: list(depth + 1) } : [below(4), `s${below(4)}`, null][choice];
      });
    const replica = new Replica();
    for (let run = 0; run < 1_000; run += 1) {
      const items = list(0);
      mergeKeys(replica.root, { items });
      if (JSON.stringify(sorted(replica.toJSON())) !== JSON.stringify(sorted({ items }))) {
        throw new Error(`run ${run}: ${JSON.stringify(replica.toJSON())} is not ${JSON.stringify(items)}`);
      }
    }
  });
});

describe('random recipes', () => {
  test('do to a draft what they do to plain data, 2,000 times', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const replica = new Replica();
      let plain: Anything = {};
      for (let round = 0; round < 10; round += 1) {
        const recipe = randomRecipe(seed * 1_000 + round);
        update(replica, recipe);
        recipe(plain);
        plain = JSON.parse(JSON.stringify(plain));
        if (JSON.stringify(sorted(replica.toJSON())) !== JSON.stringify(sorted(plain))) {
          throw new Error(
            `seed ${seed}, round ${round}: ${JSON.stringify(replica.toJSON())} is not ${JSON.stringify(plain)}`,
          );
        }
      }
      replica.free();
    }
  });
});

/** A few random edits at random places; the same for the same seed, whatever it is run on. */
function randomRecipe(seed: number): Recipe {
  return (draft) => {
    const random = seededRandom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const value = (depth: number): Anything => {
      const choice = below(depth > 2 ? 3 : 6);
      if (choice === 3) return Array.from({ length: below(4) }, () => value(depth + 1));
      if (choice >= 4)
        return Object.fromEntries(Array.from({ length: below(4) }, () => [`k${below(5)}`, value(depth + 1)]));
      return [below(3), `s${below(3)}`, null][choice];
    };
    for (let edit = 0; edit < 4; edit += 1) {
      let at = draft;
      for (let depth = below(3); depth > 0; depth -= 1) {
        const inner = Object.keys(at)
          .filter((key) => typeof at[key] === 'object' && at[key] !== null)
          .sort();
        if (inner.length === 0) break;
        at = at[inner[below(inner.length)] as string];
      }
      if (Array.isArray(at)) editArray(at, below, value);
      else if (below(4) === 0) delete at[`k${below(5)}`];
      else at[`k${below(5)}`] = value(0);
    }
  };
}

function editArray(at: Anything[], below: (limit: number) => number, value: (depth: number) => Anything): void {
  switch (below(8)) {
    case 0:
      at.push(value(1));
      break;
    case 1:
      at.unshift(value(1), value(1));
      break;
    case 2:
      at.splice(below(at.length + 1), below(3), value(1));
      break;
    case 3:
      if (at.length > 0) at[below(at.length)] = value(1);
      break;
    case 4:
      at.reverse();
      break;
    case 5:
      at.sort((a, b) => (JSON.stringify(sorted(a)) < JSON.stringify(sorted(b)) ? -1 : 1));
      break;
    case 6:
      at.pop();
      break;
    default:
      at.length = below(at.length + 1);
  }
}

/** With the keys of objects in order, for replicas don't keep the order of keys. */
function sorted(value: Anything): Anything {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

function circle(): Anything {
  const made: Anything = {};
  made.self = made;
  return made;
}
