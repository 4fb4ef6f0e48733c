// The core through its public names, in Node: what an app relies on. The merge rules have their own tests in core-rs.

import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type Handle, init, JoineryError, MapHandle, Replica } from './index.ts';

beforeAll(() => init());

const code = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof JoineryError) return error.code;
    throw error;
  }
  return 'nothing thrown';
};

describe('Replica', () => {
  it('does what its documentation shows', () => {
    const a = new Replica();
    const b = new Replica();
    a.text('body').insert(0, 'Hello');
    b.applyUpdate(a.exportUpdate());
    expect(b.text('body').toString()).toBe('Hello');
    a.free();
    expect(code(() => a.toJSON())).toBe('freed');
  });

  it('reads back every kind of value', () => {
    const replica = new Replica();
    const values = [
      null,
      true,
      false,
      0,
      -1,
      1.5,
      63,
      64,
      -64,
      -65,
      2 ** 52,
      2 ** 53 - 1,
      -(2 ** 53) + 1,
      1e300,
      '',
      'é😀',
      'x'.repeat(300),
      'y'.repeat(20_000),
      new Uint8Array([1, 2, 3]),
      [1, [2, { a: 'b' }]],
      { b: 1, a: { __proto: null }, 'é\ue000😀': 3 },
    ];
    const map = replica.map('m');
    values.forEach((value, index) => {
      map.set(`k${index}`, value);
    });
    values.forEach((value, index) => {
      expect(map.get(`k${index}`)).toEqual(value);
    });
    expect(map.size).toBe(values.length);
    replica.free();
  });

  it('keeps hostile keys apart from prototypes', () => {
    const replica = new Replica();
    replica.map('m').set('__proto__', { polluted: true });
    replica.map('m').set('constructor', 1);
    const json = replica.toJSON();
    expect(Object.keys(json.m as object)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    replica.free();
  });

  it('edits lists, counters and sets, nested too', () => {
    const replica = new Replica();
    const list = replica.list('todos');
    list.push('a');
    list.insert(0, 'b');
    const item = list.insertContainer(2, 'map');
    item.set('title', 'milk');
    item.text('notes').insert(0, 'two litres');
    list.set(0, 'c');
    list.delete(1);
    replica.counter('c').increment(5);
    replica.counter('c').decrement(7);
    const set = replica.set('s');
    for (const value of ['x', 'y', 3]) set.add(value);
    expect(set.delete('y')).toBe(true);
    expect(set.has('y')).toBe(false);
    expect(replica.toJSON()).toEqual({ todos: ['c', { title: 'milk', notes: 'two litres' }], c: -2, s: [3, 'x'] });
    const again = list.get(1) as Handle;
    expect(again).toBeInstanceOf(MapHandle);
    list.delete(1);
    expect(code(() => item.set('title', 'eggs'))).toBe('container-gone');
    expect(code(() => list.get(0))).toBe('nothing thrown');
    replica.free();
  });

  it('moves elements with what is in them', () => {
    const [a, b] = [new Replica({ agent: 1n }), new Replica({ agent: 2n })];
    const list = a.list('l');
    const item = list.insertContainer(0, 'map');
    item.set('k', 1);
    for (const value of ['x', 'y']) list.push(value);
    b.applyUpdate(a.exportUpdate());
    list.move(0, 2);
    expect(list.toJSON()).toEqual(['x', 'y', { k: 1 }]);
    // The handle stays with the container.
    item.set('k', 2);
    (b.list('l').get(0) as MapHandle).set('l', 3);
    b.list('l').move(0, 1);
    a.applyUpdate(b.exportUpdate());
    b.applyUpdate(a.exportUpdate());
    expect(a.encodeSnapshot()).toEqual(b.encodeSnapshot());
    expect(list.toJSON()).toHaveLength(3);
    expect(list.toJSON()).toContainEqual({ k: 2, l: 3 });
    const before = a.revision;
    list.move(1, 1);
    const outside = [-1, 3, 0.5, Number.NaN, 2 ** 32] as const;
    for (const index of outside) {
      expect(code(() => list.move(index, 0))).toBe('index-out-of-range');
      expect(code(() => list.move(0, index))).toBe('index-out-of-range');
    }
    expect(code(() => a.list('none').move(0, 0))).toBe('index-out-of-range');
    expect(a.revision).toBe(before);
    expect(Object.keys(a.toJSON())).toEqual(['l']);
    for (const replica of [a, b]) replica.free();
  });

  it('merges what two created offline under one name', () => {
    const [a, b] = [new Replica({ agent: 1n }), new Replica({ agent: 2n })];
    a.text('body').insert(0, 'one ');
    b.text('body').insert(0, 'two');
    const [ua, ub] = [a.takeUpdate(), b.takeUpdate()];
    if (ua === undefined || ub === undefined) throw new Error('nothing taken');
    a.applyUpdates([ub]);
    b.applyUpdates([ua]);
    expect(a.text('body').toString()).toBe('one two');
    expect(b.toJSON()).toEqual(a.toJSON());
    expect(a.encodeSnapshot()).toEqual(b.encodeSnapshot());
    expect(a.takeUpdate()).toBeUndefined();
    expect(a.covers(b.version())).toBe(true);
    const c = Replica.load(a.encodeSnapshot());
    expect(c.toJSON()).toEqual(a.toJSON());
    for (const replica of [a, b, c]) replica.free();
  });

  it('finds a key again whatever it is made of', () => {
    const replica = new Replica({ agent: 1n });
    const keys = ['', 'plain', 'né', 'ключ', '鍵', '🔑', 'half \ud83d', 'k'.repeat(1024), 'é'.repeat(512)];
    for (const [index, key] of keys.entries()) replica.root.set(key, `${index} ${'long '.repeat(index)}`);
    for (const [index, key] of keys.entries()) expect(replica.root.get(key)).toBe(`${index} ${'long '.repeat(index)}`);
    expect(replica.root.size).toBe(keys.length);
    expect(replica.root.get('half \ufffd')).toBe(replica.root.get('half \ud83d'));
    expect(code(() => replica.root.set('é'.repeat(513), 1))).toBe('limit-exceeded');
    replica.root.set(5 as never, 'five');
    expect(replica.root.get('5')).toBe('five');
    for (const key of keys) expect(replica.root.delete(key)).toBe(true);
    expect(replica.root.keys()).toEqual(['5']);
    replica.free();
  });

  it('joins many updates in one call, up to one that is refused', () => {
    const author = new Replica({ agent: 1n });
    const take = () => author.takeUpdate() ?? new Uint8Array(0);
    const updates = Array.from({ length: 300 }, (_, index) => {
      author.map('map').set(`field ${index}`, 'x'.repeat(index * 20));
      return take();
    });
    const reader = new Replica();
    // Larger than a call takes, and backwards but for the first hundred.
    reader.applyUpdates([...updates.slice(0, 100), ...updates.slice(100).reverse()]);
    expect(reader.pendingCount).toBe(0);
    expect(reader.encodeSnapshot()).toEqual(author.encodeSnapshot());
    const other = new Replica();
    const bad = new Uint8Array([1, 2, 3]);
    expect(code(() => other.applyUpdates([...updates.slice(0, 9), bad, ...updates.slice(9)]))).toBe('invalid-snapshot');
    expect(other.map('map').size).toBe(9);
    other.applyUpdates([]);
    for (const replica of [author, reader, other]) replica.free();
  });

  it('finds what is at a name, however it came and went', () => {
    const [a, b] = [new Replica({ agent: 1n, now: () => 1 }), new Replica({ agent: 2n, now: () => 2 })];
    const exchange = () => {
      for (let update = a.takeUpdate(); update !== undefined; update = a.takeUpdate()) b.applyUpdate(update);
      const updates = [];
      for (let update = b.takeUpdate(); update !== undefined; update = b.takeUpdate()) updates.push(update);
      a.applyUpdates(updates);
    };
    const names = (replica: Replica) => [replica.map('m'), replica.map('m').text('t'), replica.map('m').list('l')];
    const [inA, inB] = [names(a), names(b)];
    const seen = (handles: typeof inA) => handles.map((handle) => handle.toJSON?.() ?? handle.toString());
    const steps: (() => void)[] = [
      () => a.map('m').text('t').insert(0, 'from a'),
      () => b.map('m').set('t', 'a value'),
      () => a.map('m').text('t').insert(0, 'again'),
      () => a.root.set('m', 7),
      () => b.map('m').list('l').push(1),
      () => {
        a.root.set('m', 8);
        b.map('m').list('l').push(2);
      },
      () => b.root.delete('m'),
      () => a.root.create('m', 'map').set('x', 1),
    ];
    for (const [index, step] of steps.entries()) {
      step();
      exchange();
      expect(a.toJSON(), `${index}`).toEqual(b.toJSON());
      expect(seen(inA), `${index}`).toEqual(seen(names(a)));
      expect(seen(inB), `${index}`).toEqual(seen(names(b)));
    }
    for (const replica of [a, b]) replica.free();
  });

  it('refuses bad input with a code and changes nothing', () => {
    const replica = new Replica();
    replica.text('t').insert(0, 'abc');
    const before = replica.encodeSnapshot();
    expect(code(() => replica.text('t').insert(4, 'x'))).toBe('index-out-of-range');
    expect(code(() => replica.text('t').insert(-1, 'x'))).toBe('index-out-of-range');
    expect(code(() => replica.text('t').insert(1.5, 'xy'))).toBe('index-out-of-range');
    expect(code(() => replica.text('t').delete(1, 3))).toBe('index-out-of-range');
    expect(code(() => replica.text('other').insert(1, 'x'))).toBe('index-out-of-range');
    expect(code(() => replica.list('l').delete(0))).toBe('index-out-of-range');
    expect(code(() => replica.root.set('n', Number.NaN))).toBe('invalid-value');
    expect(code(() => replica.root.set('n', new Date() as never))).toBe('invalid-value');
    expect(code(() => replica.root.set('n', 'x'.repeat(2 ** 21)))).toBe('limit-exceeded');
    expect(code(() => replica.root.set('n', 'x'.repeat(2 ** 20)))).toBe('limit-exceeded');
    expect(code(() => replica.root.set('k'.repeat(1025), 1))).toBe('limit-exceeded');
    expect(code(() => replica.counter('c').increment(0.5))).toBe('invalid-value');
    expect(code(() => replica.applyUpdate(new Uint8Array([1, 2, 3])))).toBe('invalid-snapshot');
    expect(code(() => replica.applyUpdate(new Uint8Array(0)))).toBe('invalid-snapshot');
    expect(code(() => replica.exportUpdate(new Uint8Array([9])))).toBe('invalid-version');
    expect(replica.encodeSnapshot()).toEqual(before);
    replica.free();
  });

  it('asks for the time only where an update has one, or may be followed by one that waits', () => {
    let asked = 0;
    const now = () => {
      asked += 1;
      return 1_000_000;
    };
    const author = new Replica({ agent: 1n, now: () => 1_000_000 });
    const take = (): Uint8Array => author.takeUpdate() ?? new Uint8Array(0);
    author.text('text').insert(0, 'a');
    const first = take();
    author.text('text').insert(1, 'b');
    const timeless = take();
    author.root.set('k', 1);
    const timed = take();
    const reader = new Replica({ now });
    reader.applyUpdate(first);
    const before = asked;
    reader.applyUpdate(timeless);
    expect(asked).toBe(before);
    // With its cause it joins at once what waited, though the cause itself has no time.
    for (const join of [
      (replica: Replica) => replica.applyUpdate(timed),
      (replica: Replica) => replica.applyUpdates([timed]),
    ]) {
      const waiting = new Replica({ now });
      waiting.applyUpdate(first);
      join(waiting);
      expect(waiting.pendingCount).toBe(1);
      waiting.applyUpdate(timeless);
      expect([waiting.pendingCount, waiting.toJSON()]).toEqual([0, { k: 1, text: 'ab' }]);
      const afterwards = asked;
      waiting.applyUpdate(timeless);
      expect(asked).toBe(afterwards);
    }
  });

  it('holds back what comes from the future, unless its stamps were checked', () => {
    let now = 1_000_000;
    const author = new Replica({ now: () => now + 600_000 });
    author.root.set('k', 1);
    const update = author.takeUpdate();
    if (update === undefined) throw new Error('nothing taken');
    const wary = new Replica({ now: () => now });
    expect(wary.applyUpdate(update)).toBe(false);
    expect([wary.pendingCount, wary.toJSON()]).toEqual([1, {}]);
    now += 600_000;
    wary.applyUpdates([]);
    expect([wary.pendingCount, wary.toJSON()]).toEqual([0, { k: 1 }]);
    const trusting = Replica.load(author.encodeSnapshot(), { now: () => 0, trustStamps: true });
    trusting.root.set('k', 2);
    author.applyUpdate(trusting.exportUpdate());
    expect(author.toJSON()).toEqual({ k: 2 });
    for (const replica of [author, wary, trusting]) replica.free();
  });

  it('treats surrogate pairs as one', () => {
    const replica = new Replica();
    const text = replica.text('t');
    text.insert(0, 'a😀b');
    text.insert(2, 'x');
    expect(text.toString()).toBe('ax😀b');
    text.delete(3, 1);
    expect(text.toString()).toBe('axb');
    text.insert(3, '\ud83d');
    expect(text.toString()).toBe('axb\ufffd');
    replica.free();
  });

  it('reads a text the same whether a byte a character would do or not', () => {
    const replica = new Replica();
    const text = replica.text('body');
    let expected = '';
    // Up to several leaves of the core's tree; the character that takes more stands first, in the middle or last.
    for (const piece of ['', 'a', 'bc\u007f', 'x'.repeat(3_000), '\u0080', '\u0000', 'é'.repeat(9), '€🌍', 'end']) {
      text.insert(expected.length, piece);
      expected += piece;
      expect(text.toString()).toBe(expected);
      text.insert(0, piece);
      expected = piece + expected;
      expect(text.toString()).toBe(expected);
    }
    for (const wide of ['\u0080', 'é', '€', '🌍']) {
      for (let at = expected.indexOf(wide); at >= 0; at = expected.indexOf(wide)) {
        text.delete(at, wide.length);
        expected = expected.slice(0, at) + expected.slice(at + wide.length);
      }
      expect(text.toString()).toBe(expected);
    }
  });
});

describe('a core that traps', () => {
  it('while a state is loaded is told as the trap that it was, though freeing fails as well', () => {
    const traps = [new WebAssembly.RuntimeError('unreachable'), new WebAssembly.RuntimeError('while freeing')];
    const [apply, free] = (['applyUpdate', 'free'] as const).map((name, index) =>
      vi.spyOn(Replica.prototype, name).mockImplementationOnce(() => {
        throw traps[index];
      }),
    );
    expect(() => Replica.load(new Uint8Array())).toThrow(traps[0]);
    expect(free).toHaveBeenCalledOnce();
    for (const spy of [apply, free]) spy?.mockRestore();
  });
});

describe('a write that is refused', () => {
  it('leaves nothing behind, not even the container that it would have been in', () => {
    const replica = new Replica();
    const long = 'k'.repeat(1_025);
    const never = undefined as never;
    const refused: [string, () => unknown][] = [
      ['invalid-value', () => replica.map('new').map('in it').set('k', never)],
      ['invalid-value', () => replica.map('new').set('k', Number.NaN)],
      ['limit-exceeded', () => replica.map('new').set('k', 'x'.repeat(1_000_000))],
      ['limit-exceeded', () => replica.map('new').set(long, 1)],
      ['limit-exceeded', () => replica.map('new').map(long).set('k', 1)],
      [
        'limit-exceeded',
        () =>
          replica
            .map('new')
            .text(`${'é'.repeat(512)}x`)
            .insert(0, 'x'),
      ],
      ['limit-exceeded', () => replica.map('new').create(long, 'map')],
      ['invalid-option', () => replica.map('new').create('k', 'heap' as never)],
      ['invalid-value', () => replica.list('new').insert(0, never)],
      ['invalid-value', () => replica.map('new').list('in it').push([never])],
      ['invalid-option', () => replica.list('new').insertContainer(0, 'heap' as never)],
      ['invalid-value', () => replica.set('new').add(never)],
      ['invalid-value', () => replica.counter('new').increment(0.5)],
      ['index-out-of-range', () => replica.text('new').insert(1, 'x')],
    ];
    const before = [replica.revision, replica.toJSON(), replica.encodeSnapshot()];
    for (const [expected, write] of refused) expect(code(write)).toBe(expected);
    expect([replica.revision, replica.toJSON(), replica.encodeSnapshot()]).toEqual(before);
    expect(replica.takeUpdate()).toBeUndefined();
    replica.map('new').map('é'.repeat(512)).set('k'.repeat(1_024), 1);
    expect(replica.map('new').map('é'.repeat(512)).size).toBe(1);
  });
});

describe('a relative position', () => {
  it('is found again after edits by others', () => {
    const [mine, theirs] = [new Replica(), new Replica()];
    const text = mine.text('body');
    text.insert(0, 'Hello world');
    const [behind, before] = [text.position(6, 'left'), text.position(6, 'right')];
    expect(Math.max(behind.length, before.length)).toBeLessThanOrEqual(14);
    theirs.applyUpdate(mine.exportUpdate());
    theirs.text('body').insert(6, 'big ');
    theirs.text('body').insert(0, 'Oh: ');
    expect([behind, before].map((position) => theirs.text('body').indexAt(position))).toEqual([10, 14]);
    theirs.text('body').delete(0, theirs.text('body').length);
    expect([behind, before].map((position) => theirs.text('body').indexAt(position))).toEqual([0, 0]);
    mine.applyUpdate(theirs.exportUpdate());
    text.insert(0, 'new');
    expect(text.indexAt(behind)).toBeDefined();
    const list = mine.list('items');
    list.insert(0, 'a');
    list.insert(1, 'b');
    const onB = list.position(1, 'right');
    list.insert(0, 'zero');
    expect(list.indexAt(onB)).toBe(2);
    expect(new Replica().list('items').indexAt(onB)).toBeUndefined();
    expect(code(() => list.position(4))).toBe('index-out-of-range');
    expect(code(() => list.indexAt(Uint8Array.of(9)))).toBe('invalid-position');
  });

  it('at an end stays there, of what does not exist yet too', () => {
    const replica = new Replica();
    const text = replica.text('body');
    const [start, end] = [text.position(0, 'left'), text.position(0, 'right')];
    expect([start, end].map((position) => text.indexAt(position))).toEqual([0, 0]);
    text.insert(0, 'abc');
    expect([start, end].map((position) => text.indexAt(position))).toEqual([0, 3]);
    expect(code(() => replica.text('other').position(1))).toBe('index-out-of-range');
  });
});
