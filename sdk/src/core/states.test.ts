// Versions compared, and states and updates joined without a replica to keep.

import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { applyUpdate, compareVersions, computeUpdate, encodeVersion, init, mergeUpdates, Replica } from './index.ts';

beforeAll(() => init());

const version = (entries: Record<string, number>): Uint8Array =>
  encodeVersion(new Map(Object.entries(entries).map(([agent, seq]) => [BigInt(agent), seq])));

/** What a snapshot shows. */
function shown(state: Uint8Array): unknown {
  const replica = Replica.load(state);
  const value = replica.toJSON();
  replica.free();
  return value;
}

/** A document by several authors: the envelopes in the order they were written, and the state after each. */
function history(edits: readonly (readonly [author: number, at: number, kind: number])[]) {
  const authors = [1n, 2n, 3n].map((agent) => new Replica({ agent, now: () => 1_000 }));
  const states: Uint8Array[] = [];
  const updates: Uint8Array[] = [];
  const whole = new Replica({ now: () => 1_000 });
  for (const [index, [author, at, kind]] of edits.entries()) {
    const replica = authors[author % 3] as Replica;
    const text = replica.text('body');
    if (kind % 4 === 0) replica.root.set(`k${at % 3}`, index);
    else if (kind % 4 === 1 && text.length > 0) text.delete(at % text.length, 1);
    else if (kind % 4 === 2) replica.counter('count').increment(at);
    else text.insert(at % (text.length + 1), String.fromCharCode(97 + (index % 26)));
    const update = replica.takeUpdate();
    if (update === undefined) continue;
    updates.push(update);
    whole.applyUpdate(update);
    states.push(whole.encodeSnapshot());
    // Half of them hear of it at once.
    if (kind % 2 === 0) for (const other of authors) other.applyUpdate(whole.exportUpdate(other.version()));
  }
  for (const replica of [...authors, whole]) replica.free();
  return { states, updates };
}

const histories = fc.array(fc.tuple(fc.nat(2), fc.nat(50), fc.nat(7)), { minLength: 2, maxLength: 25 }).map(history);

describe('compareVersions', () => {
  it.each([
    [{}, {}, 'equal'],
    [{ 1: 3 }, { 1: 3 }, 'equal'],
    [{}, { 1: 1 }, 'before'],
    [{ 1: 3 }, { 1: 4 }, 'before'],
    [{ 1: 3 }, { 1: 3, 2: 1 }, 'before'],
    [{ 1: 4, 2: 1 }, { 1: 4 }, 'after'],
    [{ 1: 4 }, { 1: 3, 2: 1 }, 'concurrent'],
    [{ 1: 1 }, { 2: 1 }, 'concurrent'],
  ] as const)('%j to %j is %s', (a, b, order) => {
    expect(compareVersions(version(a), version(b))).toBe(order);
  });

  it('refuses what is no version', () => {
    const broken = () => compareVersions(version({}), Uint8Array.of(1));
    expect(broken).toThrow(expect.objectContaining({ code: 'invalid-version' }));
  });
});

describe('updates between states', () => {
  it('bring one state to a later one', () => {
    fc.assert(
      fc.property(histories, fc.nat(), fc.nat(), ({ states }, first, second) => {
        if (states.length === 0) return;
        const [from, to] = [first % states.length, second % states.length].sort((a, b) => a - b);
        const [old, recent] = [states[from ?? 0] as Uint8Array, states[to ?? 0] as Uint8Array];
        expect(applyUpdate(old, computeUpdate(old, recent))).toEqual(recent);
      }),
    );
  });

  it('merge into one that does the same', () => {
    fc.assert(
      fc.property(histories, fc.nat(), ({ states, updates }, at) => {
        if (states.length < 2) return;
        const cut = at % (states.length - 1);
        const [base, end] = [states[cut] as Uint8Array, states.at(-1) as Uint8Array];
        // In any order: backwards is the hardest.
        const merged = mergeUpdates(updates.slice(cut + 1).reverse(), base);
        expect(applyUpdate(base, merged)).toEqual(end);
        const all = mergeUpdates(updates);
        expect(shown(applyUpdate(new Replica().encodeSnapshot(), all))).toEqual(shown(end));
      }),
    );
  });

  it('are smaller merged than apart: what is overwritten is gone', () => {
    const replica = new Replica();
    const updates = Array.from({ length: 100 }, (_, index) => {
      replica.root.set('title', `draft ${index}`);
      return replica.takeUpdate() as Uint8Array;
    });
    const sizeOf = (list: readonly Uint8Array[]): number => list.reduce((sum, { length }) => sum + length, 0);
    expect(mergeUpdates(updates).length).toBeLessThan(sizeOf(updates) / 20);
  });

  it('refuse what rests on something that is not given', () => {
    const { updates } = history([
      [0, 0, 3],
      [0, 1, 3],
    ]);
    const waits = expect.objectContaining({ code: 'update-waits' });
    expect(() => mergeUpdates(updates.slice(1))).toThrow(waits);
    expect(() => applyUpdate(new Replica().encodeSnapshot(), updates[1] as Uint8Array)).toThrow(waits);
    const ahead = new Replica({ now: () => 10_000_000 });
    ahead.root.set('title', 'tomorrow');
    const update = ahead.takeUpdate() as Uint8Array;
    expect(() => mergeUpdates([update], undefined, { now: () => 0 })).toThrow(waits);
    expect(mergeUpdates([update], undefined, { trustStamps: true }).length).toBeGreaterThan(0);
  });

  it('refuse what is no state', () => {
    expect(() => computeUpdate(Uint8Array.of(1, 2, 3), Uint8Array.of())).toThrow(
      expect.objectContaining({ code: 'invalid-snapshot' }),
    );
  });
});
