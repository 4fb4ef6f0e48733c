// What a recipe holds: drafts and objects are references, as plain data is, wherever else they are put meanwhile. And what
// is written of it: containers that nobody changed are the same ones afterwards.

import { beforeAll, describe, expect, test } from 'vitest';
import { type Handle, init, type ListHandle, type MapHandle, Replica } from '../core/index.ts';
import { runRecipe } from './draft.ts';
import { type Mergeable, mergeKeys } from './write-value.ts';

beforeAll(() => init());

// biome-ignore lint/suspicious/noExplicitAny: recipes in tests edit data of every shape
type Anything = any;
type Recipe = (draft: Anything) => void;

const content = {
  items: [{ t: 'A' }, { t: 'B' }, { t: 'C' }],
  x: { name: 'x', in: { deep: [1, 2] } },
  y: { name: 'y', other: true },
  current: { t: 'old', marks: [1] },
  history: [{ t: 'older' }],
  tags: ['b', 'c', 'a'],
};

function replicaOf(value: Record<string, unknown>): Replica {
  const replica = new Replica();
  mergeKeys(replica.root, value as { [key: string]: Mergeable });
  return replica;
}

function update(replica: Replica, recipe: Recipe): void {
  runRecipe(replica.root, recipe as (draft: never) => void);
}

/** Runs a recipe on a draft and on plain data; both must come to the same, as seen from inside too. */
function bothOf(value: Record<string, unknown>, recipe: Recipe): Record<string, Anything> {
  const replica = replicaOf(value);
  const plain = structuredClone(value);
  let inside: unknown;
  update(replica, (draft) => {
    recipe(draft);
    inside = JSON.parse(JSON.stringify(draft));
  });
  recipe(plain);
  const expected = JSON.parse(JSON.stringify(plain)) as Record<string, Anything>;
  expect(inside).toEqual(expected);
  expect(replica.toJSON()).toEqual(expected);
  return expected;
}

describe('a recipe that holds references does what plain JavaScript does', () => {
  const named: [string, Recipe][] = [
    [
      'swaps elements with a variable',
      (d) => {
        const kept = d.items[0];
        d.items[0] = d.items[1];
        d.items[1] = kept;
      },
    ],
    [
      'swaps elements by destructuring',
      ({ items }) => {
        [items[0], items[2]] = [items[2], items[0]];
      },
    ],
    [
      'swaps keys with a variable',
      (d) => {
        const kept = d.x;
        d.x = d.y;
        d.y = kept;
      },
    ],
    [
      'swaps keys by destructuring',
      (d) => {
        [d.x, d.y] = [d.y, d.x];
      },
    ],
    [
      'swaps what is of different kinds',
      (d) => {
        [d.x, d.items, d.tags] = [d.items, d.tags, d.x];
      },
    ],
    [
      'swaps and edits afterwards, through the variables and the places',
      (d) => {
        const [first, second] = d.items;
        [d.items[0], d.items[1]] = [second, first];
        first.seen = 'first';
        d.items[0].seen = 'second';
      },
    ],
    [
      'archives, then replaces',
      (d) => {
        d.history.push(d.current);
        d.current = { t: 'new' };
      },
    ],
    [
      'replaces, then archives',
      (d) => {
        const old = d.current;
        d.current = { t: 'new' };
        d.history.push(old);
      },
    ],
    [
      'edits what it has replaced',
      (d) => {
        const old = d.current;
        d.current = { t: 'new', marks: [] };
        old.marks.push(2);
        d.history.unshift(old);
        old.closed = true;
      },
    ],
    [
      'replaces an element and keeps the old one elsewhere',
      (d) => {
        const old = d.items[1];
        d.items[1] = { t: 'new' };
        d.items.push(old);
        old.moved = true;
      },
    ],
    [
      'edits an element that it moved',
      ({ items }) => {
        const moved = items.shift();
        items.push(moved);
        moved.t = 'changed';
      },
    ],
    [
      'edits an element that it moved to another array',
      (d) => {
        const [moved] = d.items.splice(1, 1);
        d.history.push(moved);
        moved.t = 'changed';
        d.history.at(-1).again = true;
      },
    ],
    [
      'edits an object after it pushed it',
      ({ items }) => {
        const made: Anything = { t: 'D', list: [] };
        items.push(made);
        made.t = 'changed';
        made.list.push({ n: 1 });
        made.list[0].n = 2;
        items.at(-1).via = 'the array';
      },
    ],
    [
      'edits an array after it assigned it',
      (d) => {
        const made: Anything = [d.items[0]];
        d.made = made;
        made.push(d.items[2], 'x');
        d.items[0].t = 'in both';
      },
    ],
    [
      'finds what it put there',
      (d) => {
        const made = { t: 'D' };
        d.items.push(made);
        d.index = d.items.indexOf(made);
        d.same = d.items[3] === made && d.items.includes(d.items[0]);
        d.x.made = made;
        d.shared = d.x.made === d.items[3];
      },
    ],
    [
      'puts one object at two places',
      (d) => {
        const made = { n: 1 };
        [d.one, d.two] = [made, made];
        d.one.n = 2;
      },
    ],
    [
      'puts one draft at two places',
      (d) => {
        d.copy = d.x;
        d.items.push(d.x, d.items[0]);
        d.copy.name = 'everywhere';
        d.items[0].t = 'twice';
      },
    ],
    [
      'sorts, holding an element',
      ({ items }) => {
        const [first] = items;
        items.sort((a: Anything, b: Anything) => (a.t < b.t ? 1 : -1));
        first.t = 'was first';
      },
    ],
    ['sorts without a function', (d) => [d.tags.sort(), d.tags.push(10, 9, null), d.tags.sort(), d.items.sort()]],
    [
      'reverses, holding an element',
      ({ items }) => {
        const [first, second] = items;
        items.reverse();
        first.t = 'was first';
        second.t = 'was second';
        items[0].t = 'is first';
      },
    ],
    [
      'splices elements out and in again',
      ({ items }) => {
        const gone = items.splice(0, 2, { t: 'new' });
        items.splice(1, 0, ...gone);
        gone[0].t = 'back';
      },
    ],
    [
      'copies within',
      ({ items }) => {
        items.copyWithin(0, 1);
        items[0].t = 'B and at one place only';
        items[2].t = 'C at two places';
      },
    ],
    [
      'fills with an object',
      ({ items, tags }) => {
        items.fill({ t: 'same' }, 1);
        items[1].t = 'changed at both';
        tags.fill('z', -1);
      },
    ],
    ['fills with a draft', (d) => [d.items.fill(d.x), Object.assign(d.items[1], { name: 'filled' })]],
    [
      'deletes a key, then adds it again',
      (d) => {
        const old = d.x;
        delete d.x;
        old.name = 'edited while it was out';
        d.x = old;
        delete d.y;
        d.y = { fresh: true };
      },
    ],
    [
      'assigns to themselves',
      (d) => {
        for (const key of Object.keys(d)) {
          const value = d[key];
          d[key] = value;
        }
        d.items[1] = d.items.at(1);
        d.items[1].t = 'edited';
      },
    ],
    [
      'assigns from another branch and from within',
      (d) => {
        d.items[0] = d.x;
        d.y.list = d.items;
        d.x = d.x.in;
        d.x.deep.push(3);
      },
    ],
    [
      'takes an array out of itself',
      (d) => {
        const old = d.items;
        d.items = old.filter(({ t }: Anything) => t !== 'B');
        old[0].t = 'in both';
        old.push({ t: 'only in the old one' });
        d.items.push({ t: 'only in the new one' });
        d.history = old;
      },
    ],
    [
      'equal values are no references',
      (d) => {
        const old = d.items[0];
        old.t = 'edited';
        d.items = [{ t: 'A' }, { t: 'B' }];
      },
    ],
    [
      'object keys that are parts of objects',
      (d) => {
        const parsed = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}');
        d.parsed = parsed;
        d.items[0] = parsed;
        d.x.constructor = { name: 3 };
      },
    ],
  ];

  test.each(named)('%s', (_, recipe) => {
    bothOf(content, recipe);
  });

  test('the swaps and the archive come to what they say', () => {
    const swap: Recipe = ({ items }) => {
      [items[0], items[1]] = [items[1], items[0]];
    };
    expect(bothOf(content, swap).items).toEqual([{ t: 'B' }, { t: 'A' }, { t: 'C' }]);
    const archived = bothOf(content, (d) => {
      const old = d.current;
      d.current = { t: 'new' };
      d.history.push(old);
    });
    expect(archived.history).toEqual([{ t: 'older' }, { t: 'old', marks: [1] }]);
    expect(archived.current).toEqual({ t: 'new' });
  });

  test('byte arrays that are changed in place', () => {
    const replica = replicaOf({ bytes: Uint8Array.of(1, 2), list: [Uint8Array.of(3)] });
    const given = Uint8Array.of(5);
    update(replica, (draft) => {
      draft.bytes[0] = 9;
      draft.list[0][0] = 8;
      draft.given = given;
      given[0] = 6;
    });
    given[0] = 7;
    expect(replica.toJSON()).toEqual({
      bytes: Uint8Array.of(9, 2),
      list: [Uint8Array.of(8)],
      given: Uint8Array.of(6),
    });
  });

  test('`__proto__` as a key: held, replaced and moved', () => {
    const replica = new Replica();
    const key = '__proto__';
    update(replica, (draft) => {
      draft[key] = { n: 1 };
    });
    update(replica, (draft) => {
      const old = draft[key];
      draft[key] = { n: 2 };
      draft.history = [old];
      old.n = 3;
    });
    expect(JSON.stringify(replica.toJSON())).toBe('{"__proto__":{"n":2},"history":[{"n":3}]}');
    expect(({} as Anything).n).toBeUndefined();
  });
});

describe('a recipe that can’t be written has written nothing', () => {
  const circles: [string, Recipe][] = [
    ['the draft in itself', (d) => Object.assign(d, { self: d })],
    ['a draft in one that is in it', (d) => Object.assign(d.x.in, { up: d.x })],
    ['an array in its element', ({ items }) => Object.assign(items[0], { up: items })],
    ['two drafts in each other', (d) => [Object.assign(d.x, { y: d.y }), Object.assign(d.y, { x: d.x })]],
    [
      'an object in itself, in place of a container',
      (d) => {
        const made: Anything = { name: 'x' };
        made.in = made;
        d.x = made;
      },
    ],
    [
      'an array in itself, in place of a container',
      (d) => {
        d.items = [];
        d.items.push(d.items);
      },
    ],
    [
      'a swap of a draft with what is in it',
      (d) => {
        const outer = d.x;
        d.x = outer.in;
        d.x.outer = outer;
      },
    ],
    [
      'an object that holds a draft that holds the object',
      (d) => {
        const made = { items: d.items };
        d.items.push(made);
      },
    ],
  ];

  test.each(circles)('%s', (_, recipe) => {
    const replica = replicaOf(content);
    const before = replica.revision;
    const spoiled: Recipe = (draft) => {
      draft.items.shift();
      draft.fresh = { made: [1] };
      recipe(draft);
    };
    expect(() => update(replica, spoiled)).toThrow(expect.objectContaining({ code: 'invalid-value' }));
    expect(replica.revision).toBe(before);
    expect(replica.toJSON()).toEqual(content);
  });

  test('an object that became no plain data after it was assigned', () => {
    const replica = replicaOf(content);
    const before = replica.revision;
    const late: Recipe = (draft) => {
      const made: Anything = {};
      draft.items.unshift(made);
      made.when = [new Date(0)];
    };
    expect(() => update(replica, late)).toThrow('["items"][0]["when"][0]');
    expect(replica.revision).toBe(before);
  });

  test('an error after a swap', () => {
    const replica = replicaOf(content);
    const before = replica.revision;
    const failing: Recipe = (draft) => {
      [draft.x, draft.y] = [draft.y, draft.x];
      draft.items.reverse();
      throw new Error('no');
    };
    expect(() => update(replica, failing)).toThrow('no');
    expect(replica.revision).toBe(before);
  });

  test('elements that are back where they were: not a single operation', () => {
    const replica = replicaOf(content);
    const before = replica.revision;
    update(replica, ({ items, tags }) => {
      items.push(items.pop());
      items.unshift(items.shift());
      items.reverse();
      items.reverse();
      [items[0], items[2]] = [items[2], items[0]];
      [items[0], items[2]] = [items[2], items[0]];
      items.splice(1, 0, ...items.splice(1, 2));
      [tags[0], tags[1]] = [tags[1], tags[0]];
      [tags[0], tags[1]] = [tags[1], tags[0]];
    });
    expect(replica.revision).toBe(before);
  });

  test('no change: not a single operation', () => {
    const replica = replicaOf({ ...content, bytes: Uint8Array.of(1) });
    const before = replica.revision;
    update(replica, (draft) => {
      for (const key of Object.keys(draft)) {
        const value = draft[key];
        draft[key] = value;
      }
      draft.items = [...draft.items];
      draft.x = { ...draft.x, in: { ...draft.x.in } };
      draft.y = structuredClone(content.y);
      draft.items.reverse();
      draft.items.reverse();
      draft.items.push(draft.items.pop());
      const gone = draft.current;
      delete draft.current;
      draft.current = gone;
      [draft.x, draft.y] = [draft.y, draft.x];
      [draft.x, draft.y] = [draft.y, draft.x];
    });
    expect(replica.revision).toBe(before);
  });
});

describe('containers that a recipe leaves as they are', () => {
  /** Elements with a text and a map each, and the handles of these. */
  function withTexts(): { replica: Replica; texts: Handle[]; maps: Handle[] } {
    const replica = new Replica();
    const list = replica.list('items');
    const [texts, maps]: [Handle[], Handle[]] = [[], []];
    for (const name of ['A', 'B', 'C', 'D']) {
      const element = list.insertContainer(list.length, 'map');
      element.set('name', name);
      const text = element.create('body', 'text');
      text.insert(0, `Text ${name}`);
      texts.push(text);
      maps.push(element.create('inner', 'map'));
    }
    return { replica, texts, maps };
  }

  /** Writes through handles from before a recipe; returns what arrived, by element name. */
  function writtenBy(replica: Replica, texts: readonly Handle[]): string[] {
    const arrived: string[] = [];
    texts.forEach((text, index) => {
      const name = 'ABCD'.charAt(index);
      try {
        (text as unknown as { insert(at: number, value: string): void }).insert(0, `!${name}`);
      } catch {
        return;
      }
      const found = (replica.toJSON().items as Anything[]).find((element) => element.name === name);
      if (String(found?.body).startsWith(`!${name}`)) arrived.push(name);
    });
    return arrived;
  }

  const cases: [string, Recipe, string][] = [
    ['an edited sibling', ({ items }) => Object.assign(items[1], { extra: 1 }), 'ABCD'],
    ['a sibling that was replaced', ({ items }) => Object.assign(items, { 1: { name: 'new' } }), 'ACD'],
    ['a sibling that was removed', ({ items }) => items.splice(1, 1), 'ACD'],
    ['new siblings', ({ items }) => [items.unshift({ name: 'new' }), items.splice(2, 0, 1, 2)], 'ABCD'],
    ['one that moved to the end', ({ items }) => items.push(items.shift()), 'ABCD'],
    [
      'a filtered array',
      (d) => Object.assign(d, { items: d.items.filter((_: unknown, at: number) => at !== 2) }),
      'ABD',
    ],
    ['a sort that moves one', ({ items }) => items.sort((a: Anything) => (a.name === 'D' ? -1 : 0)), 'ABCD'],
    ['everything reversed', ({ items }) => items.reverse(), 'ABCD'],
    [
      'a sorted and filtered copy',
      (d) => Object.assign(d, { items: d.items.filter(({ name }: Anything) => name !== 'B').reverse() }),
      'ACD',
    ],
    [
      'a rotation with a new one and one that goes',
      ({ items }) => {
        items.splice(1, 1);
        items.unshift(items.pop(), { name: 'new' });
      },
      'ACD',
    ],
    [
      'a swap of the last two',
      ({ items }) => {
        [items[2], items[3]] = [items[3], items[2]];
      },
      'ABCD',
    ],
    ['a key beside them', (d) => Object.assign(d, { items: d.items, other: [1] }), 'ABCD'],
  ];

  test.each(cases)('stay the same beside %s', (_, recipe, kept) => {
    const { replica, texts, maps } = withTexts();
    update(replica, recipe);
    const arrived = writtenBy(replica, texts);
    expect(arrived.join('')).toBe(kept);
    for (const name of arrived) (maps['ABCD'.indexOf(name)] as MapHandle).set('alive', true);
  });

  /** What both show after one did the one thing and another, at the same time, the other. */
  function together(items: unknown[], one: Recipe, other: Recipe): unknown {
    const first = replicaOf({ items });
    const second = Replica.load(first.encodeSnapshot());
    update(first, one);
    update(second, other);
    const firsts = first.exportUpdate();
    first.applyUpdate(second.exportUpdate());
    second.applyUpdate(firsts);
    expect(second.toJSON()).toEqual(first.toJSON());
    return first.toJSON().items;
  }

  test.each([0, 1, 2])('a swap of two elements keeps an edit that another made to the one at %i', (at) => {
    const items = together(
      [{ t: 'A' }, { t: 'B' }, { t: 'C' }],
      (d) => {
        [d.items[0], d.items[1]] = [d.items[1], d.items[0]];
      },
      (d) => Object.assign(d.items[at], { done: true }),
    ) as { t: string; done?: true }[];
    expect(items.map(({ t }) => t)).toEqual(['B', 'A', 'C']);
    expect(items.find(({ done }) => done)?.t).toBe('ABC'.charAt(at));
  });

  test('an element that both moved is there once', () => {
    const [a, b, c] = [{ t: 'A' }, { t: 'B' }, { t: 'C' }];
    const items = together(
      [a, b, c],
      (d) => d.items.push(d.items.shift()),
      (d) => d.items.splice(1, 0, d.items.shift()),
    );
    expect([
      [b, c, a],
      [b, a, c],
    ]).toContainEqual(items);
  });

  test('of two that changed places the one moves that was taken out', () => {
    const ways: [Recipe, string[]][] = [
      [(d) => d.items.push(d.items.shift()), ['x', 'b', 'a']],
      [(d) => d.items.unshift(d.items.pop()), ['b', 'a', 'x']],
    ];
    for (const [recipe, expected] of ways) {
      const merged = together(['a', 'b'], recipe, (d) => d.items.splice(1, 0, 'x'));
      expect(merged).toEqual(expected);
    }
  });

  test('an element that one moved and the other deleted is gone', () => {
    const items = together(
      [{ t: 'A' }, { t: 'B' }],
      (d) => d.items.reverse(),
      (d) => d.items.pop(),
    );
    expect(items).toEqual([{ t: 'A' }]);
  });

  test('plain values that are sorted, or taken out and put in again, are moved', () => {
    const sorted = together(
      ['c', 'a', 'b', 3],
      (d) => d.items.sort(),
      (d) => d.items.splice(0, 1),
    );
    expect(sorted).toEqual([3, 'a', 'b']);
    const again = together(
      ['a', 'b', 'a'],
      (d) => d.items.unshift(d.items.splice(1, 1)[0]),
      (d) => d.items.splice(1, 1),
    );
    expect(again).toEqual(['a', 'a']);
  });

  test('a move is written as one, and nothing else is', () => {
    const replica = replicaOf({ items: Array.from({ length: 50 }, (_, n) => ({ n })) });
    while (replica.takeUpdate() !== undefined);
    const before = Replica.load(replica.encodeSnapshot());
    update(replica, ({ items }) => items.splice(7, 0, items.splice(40, 1)[0]));
    const changes = before.describe(replica.takeUpdate() as Uint8Array);
    expect(changes).toEqual([{ container: 'list', kind: 'move', path: ['items', 40], value: 7 }]);
    expect(replica.takeUpdate()).toBeUndefined();
    expect((replica.toJSON().items as { n: number }[])[7]).toEqual({ n: 40 });
  });

  test('a replaced key keeps its container, and what is equal in it', () => {
    const replica = replicaOf(content);
    const deep = (replica.map('x').get('in') as MapHandle).get('deep') as ListHandle;
    update(replica, (draft) => {
      draft.x = { name: 'new', in: { deep: [1, 2], more: 1 } };
    });
    deep.push(3);
    expect(replica.toJSON().x).toEqual({ name: 'new', in: { deep: [1, 2, 3], more: 1 } });
  });
});
