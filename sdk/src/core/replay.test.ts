import { beforeAll, describe, expect, it } from 'vitest';
import { type Change, init, type Replay, type ReplayOptions, Replica } from './index.ts';

beforeAll(() => init());

const now = (): number => 1_700_000_000_000;

function load(snapshot: Uint8Array, agent?: bigint): Replica {
  return Replica.load(snapshot, { agent, now, trustStamps: true });
}

function take(replica: Replica): Uint8Array[] {
  const updates: Uint8Array[] = [];
  for (let update = replica.takeUpdate(); update !== undefined; update = replica.takeUpdate()) updates.push(update);
  return updates;
}

/** The server's state, and a replica that wrote on it offline: one envelope an edit. */
function offline(edits: readonly ((replica: Replica) => void)[]) {
  const server = new Replica({ agent: 1n, now });
  server.root.set('title', 'Draft');
  server.text('body').insert(0, 'Hello world');
  take(server);
  const from = load(server.encodeSnapshot(), 2n);
  const envelopes = edits.map((edit) => {
    edit(from);
    const [envelope] = take(from);
    if (envelope === undefined) throw new Error('an edit wrote nothing');
    return envelope;
  });
  return { server, from, envelopes, into: load(server.encodeSnapshot(), 3n) };
}

function nth(envelopes: readonly Uint8Array[], at: number): Uint8Array {
  const envelope = envelopes[at];
  if (envelope === undefined) throw new Error(`no envelope ${at}`);
  return envelope;
}

function begin(from: Replica, into: Replica, options?: ReplayOptions): Replay {
  return into.beginReplay(from, options);
}

describe('replay', () => {
  it('brings what the server has not taken into its state, without what was refused', () => {
    const { server, from, envelopes, into } = offline([
      (replica) => replica.text('body').insert(5, ','),
      (replica) => replica.root.set('secret', 1),
      (replica) => replica.text('body').insert(12, '!'),
      (replica) => replica.map('note').set('by', 'me'),
      (replica) => replica.map('note').set('to', 'you'),
    ]);
    const replay = begin(from, into);
    expect(replay.add(nth(envelopes, 0))).toEqual({ applied: 1, rejected: [] });
    expect(replay.refuse(nth(envelopes, 1))).toEqual({
      applied: 0,
      rejected: [{ from: 1, to: 2, reason: 'refused' }],
    });
    expect(replay.add(nth(envelopes, 2)).rejected).toEqual([]);
    expect(replay.refuse(nth(envelopes, 3)).rejected).toEqual([{ from: 3, to: 5, reason: 'refused' }]);
    expect(replay.add(nth(envelopes, 4)).rejected).toEqual([{ from: 5, to: 6, reason: 'rests-on-refused' }]);
    expect(into.toJSON()).toEqual({ title: 'Draft', body: 'Hello, world!' });
    expect(replay.translate(2n, 1)).toEqual({ agent: 3n, seq: 1 });
    expect(replay.translate(2n, 2)).toBeUndefined();
    expect(replay.translate(2n, 3)).toEqual({ agent: 3n, seq: 2 });
    server.applyUpdates(take(into));
    expect(server.toJSON()).toEqual(into.toJSON());
    replay.free();
    expect(() => replay.mapping()).toThrow(expect.objectContaining({ code: 'freed' }));
  });

  it('goes on where an earlier replay ended', () => {
    const { from, envelopes, into } = offline([
      (replica) => replica.text('body').insert(11, ' and'),
      (replica) => replica.text('body').insert(15, ' all'),
    ]);
    const first = begin(from, into);
    first.add(nth(envelopes, 0));
    const mapping = first.mapping();
    first.free();
    const second = begin(from, into, { mapping });
    expect(second.add(nth(envelopes, 0))).toEqual({ applied: 4, rejected: [] });
    expect(second.add(nth(envelopes, 1))).toEqual({ applied: 4, rejected: [] });
    expect(into.text('body').toString()).toBe('Hello world and all');
    second.free();
  });

  it('crosses a trim by its bridge, and keeps removed keys removed', () => {
    const { server, from, envelopes } = offline([
      (replica) => replica.text('body').insert(5, ','),
      (replica) => replica.root.set('title', 'Mine'),
    ]);
    server.text('body').delete(0, 1);
    server.text('body').insert(0, 'J');
    server.root.delete('title');
    const bytes = server.encodeSnapshot();
    const trimmed = server.trim(9n);
    expect(server.trim(9n)).toEqual(trimmed);
    const into = load(trimmed, 3n);
    expect(into.toJSON()).toEqual(server.toJSON());
    const replay = begin(from, into, { bridges: [{ agent: 9n, bytes }], epoch: true });
    expect(replay.add(nth(envelopes, 0)).rejected).toEqual([]);
    expect(replay.add(nth(envelopes, 1)).rejected).toEqual([{ from: 1, to: 2, reason: 'key-removed' }]);
    expect(into.toJSON()).toEqual({ body: 'Jello, world' });
    replay.free();
  });

  it('puts the stamps of a clock right that was a day ahead', () => {
    const day = 86_400_000;
    const { server } = offline([]);
    const from = Replica.load(server.encodeSnapshot(), { agent: 2n, now: () => now() + day, trustStamps: true });
    from.root.set('title', 'Earlier');
    const envelopes = take(from);
    const other = Replica.load(server.encodeSnapshot(), { agent: 4n, now: () => now() + 1000, trustStamps: true });
    other.root.set('title', 'Later');
    const into = load(other.encodeSnapshot(), 3n);
    const replay = begin(from, into, { clock: { serverTime_ms: now() + 2000, correction_ms: day } });
    expect(replay.add(nth(envelopes, 0))).toEqual({ applied: 1, rejected: [] });
    expect(into.root.get('title')).toBe('Later');
    replay.free();
  });

  it('keeps what won over what, where the clock was off by something else each time', () => {
    const day = 86_400_000;
    const [from, other] = [new Replica({ agent: 2n, now }), new Replica({ agent: 4n, now: () => now() + 1000 })];
    from.root.set('title', 'Earlier');
    other.root.set('title', 'Later');
    const [earlier, later] = [nth(take(from), 0), nth(take(other), 0)];
    from.applyUpdate(later);
    const into = new Replica({ agent: 3n, now });
    const serverTime_ms = now() + 2000;
    const replay = begin(from, into, { clock: { serverTime_ms, correction_ms: 0 } });
    replay.add(earlier);
    replay.correct({ serverTime_ms, correction_ms: day });
    replay.add(later);
    replay.free();
    expect(into.toJSON()).toEqual(from.toJSON());
  });

  it('puts no stamp below what its author had overwritten, though only a synced envelope names that', () => {
    const { server, from, envelopes } = offline([
      (replica) => replica.root.set('note', 'synced'),
      (replica) => replica.root.delete('title'),
    ]);
    server.applyUpdate(nth(envelopes, 0));
    const into = load(server.encodeSnapshot(), 3n);
    const replay = begin(from, into, { clock: { serverTime_ms: now() + 2000, correction_ms: 60_000 } });
    expect(replay.add(nth(envelopes, 1))).toEqual({ applied: 1, rejected: [] });
    expect(into.root.get('title')).toBeUndefined();
    replay.free();
  });

  it('refuses bad input with a code and changes nothing', () => {
    const { from, envelopes, into } = offline([(replica) => replica.root.set('title', 'Mine')]);
    const code = (expected: string) => expect.objectContaining({ code: expected });
    expect(() => begin(from, from)).toThrow(code('invalid-option'));
    expect(() => begin(from, into, { mapping: Uint8Array.of(9) })).toThrow(code('invalid-update'));
    expect(() => begin(from, into, { bridges: [{ agent: 1n, bytes: Uint8Array.of(1) }] })).toThrow(
      code('invalid-snapshot'),
    );
    expect(() => begin(from, into, { clock: { serverTime_ms: Number.NaN, correction_ms: 0 } })).toThrow(
      code('invalid-option'),
    );
    expect(() => into.trim(-1n)).toThrow(code('invalid-option'));
    const replay = begin(from, into);
    expect(() => replay.correct({ serverTime_ms: now(), correction_ms: 0 })).toThrow(code('invalid-option'));
    const before = into.encodeSnapshot();
    expect(() => replay.add(Uint8Array.of(1, 2, 3))).toThrow(code('invalid-update'));
    expect(() => replay.refuse(nth(envelopes, 0).subarray(0, 12))).toThrow(code('invalid-update'));
    expect(into.encodeSnapshot()).toEqual(before);
    replay.free();
  });
});

describe('describe', () => {
  it('tells each change with its path, before the envelope joins and after', () => {
    const { server, envelopes } = offline([
      (replica) => {
        replica.root.set('title', 'Mine');
        replica.text('body').insert(5, ', 🌍');
        replica.text('body').delete(0, 1);
        replica.list('tasks').insert(0, 'a');
        replica.list('tasks').insert(1, 'b');
        replica.list('tasks').set(1, 'c');
        replica.list('tasks').delete(0, 1);
        replica.counter('votes').increment(3);
        replica.set('tags').add('x');
        replica.set('tags').delete('x');
        replica.map('note').set('by', 'me');
        replica.root.delete('title');
      },
    ]);
    const expected: Change[] = [
      { container: 'map', kind: 'set', path: ['title'], value: 'Mine' },
      { container: 'text', kind: 'insert', path: ['body', 5], value: ', 🌍' },
      { container: 'text', kind: 'remove', path: ['body', 0], value: 1 },
      { container: 'map', kind: 'create', path: ['tasks'], value: 'list' },
      { container: 'list', kind: 'insert', path: ['tasks', 0], value: ['a'] },
      { container: 'list', kind: 'insert', path: ['tasks', 1], value: ['b'] },
      { container: 'list', kind: 'set', path: ['tasks', 1], value: 'c' },
      { container: 'list', kind: 'remove', path: ['tasks', 0], value: 1 },
      { container: 'map', kind: 'create', path: ['votes'], value: 'counter' },
      { container: 'counter', kind: 'increment', path: ['votes'], value: 3 },
      { container: 'map', kind: 'create', path: ['tags'], value: 'set' },
      { container: 'set', kind: 'add', path: ['tags'], value: 'x' },
      { container: 'set', kind: 'remove', path: ['tags'], value: 'x' },
      { container: 'map', kind: 'create', path: ['note'], value: 'map' },
      { container: 'map', kind: 'set', path: ['note', 'by'], value: 'me' },
      { container: 'map', kind: 'delete', path: ['title'] },
    ];
    expect(server.describe(nth(envelopes, 0))).toEqual(expected);
    // By a part: each operation is told once, of a run of characters those.
    const parts = [
      { from: 0, to: 1 },
      { from: 1, to: 4 },
      { from: 4, to: 6 },
      { from: 6, to: 2 ** 32 - 1 },
    ];
    const told = parts.map((part) => server.describe(nth(envelopes, 0), [part]));
    expect(told.slice(0, 2)).toEqual([[expected[0]], [{ ...expected[1], value: ', 🌍' }]]);
    expect(told[2]).toEqual([
      { ...expected[1], path: ['body', 8], value: '🌍' },
      { container: 'text', kind: 'remove', path: ['body', 0], value: 1 },
    ]);
    expect(told[3]).toEqual(expected.slice(3));
    expect(server.describe(nth(envelopes, 0), parts)).toEqual(told.flat());
    expect(server.describe(nth(envelopes, 0), [])).toEqual([]);
    for (const bad of [
      [{ from: -1, to: 3 }],
      [{ from: 3, to: 3 }],
      [{ from: 0, to: 2 ** 32 }],
      [{ from: 0, to: 0.5 }],
      [...parts].reverse(),
      [parts[0], parts[0]],
    ]) {
      expect(() => server.describe(nth(envelopes, 0), bad as typeof parts)).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      );
    }
    const ascending = (count: number) => Array.from({ length: count }, (_, from) => ({ from, to: from + 1 }));
    expect(server.describe(nth(envelopes, 0), ascending(2 ** 20)).length).toBeGreaterThan(expected.length);
    expect(() => server.describe(nth(envelopes, 0), ascending(2 ** 20 + 1))).toThrow(
      expect.objectContaining({ code: 'limit-exceeded' }),
    );
    const before = server.version();
    expect(() => server.describe(Uint8Array.of(0x10))).toThrow(expect.objectContaining({ code: 'invalid-update' }));
    expect(server.version()).toEqual(before);
    server.applyUpdate(nth(envelopes, 0));
    const paths = server.describe(nth(envelopes, 0)).map(({ kind, path }) => [kind, path[0]]);
    expect(paths).toEqual(expected.map(({ kind, path }) => [kind, path[0]]));
  });
});
