// One tab's view of who is there, fed with messages by hand, on virtual time.

import { describe, expect, test, vi } from 'vitest';
import { VirtualEnvironment } from '../testing/virtual-environment.ts';
import { encodeState, maxTurn, readPresenceMessage, writeState } from './message.ts';
import { grace_ms, peerLimit_count, silence_ms } from './peers.ts';
import { Room } from './room.ts';

/** A peer that says what a test tells it to. */
class Other {
  readonly name: Uint8Array;

  constructor(number: number) {
    this.name = new Uint8Array(8);
    new DataView(this.name.buffer).setUint32(0, number);
  }

  shows(turn: number, state: object): Uint8Array {
    return writeState(this.name, turn, encodeState(state).json);
  }

  gone(turn: number): Uint8Array {
    return writeState(this.name, turn, undefined);
  }
}

function setUp(seed = 1) {
  const time = new VirtualEnvironment(seed);
  const told: Uint8Array[] = [];
  const ask = vi.fn();
  const room = new Room('notes', {
    environment: time,
    tell: (_, message) => told.push(message),
    ask,
    notify: (listener) => listener(),
  });
  const states = () => room.peers.map(({ state }) => state);
  const lastTold = () => readPresenceMessage(told.at(-1) ?? new Uint8Array(0));
  return { time, told, ask, room, states, lastTold };
}

describe('of one peer', () => {
  test('the highest turn holds, in whatever order and however often messages come', () => {
    const { room, states } = setUp();
    const other = new Other(1);
    const messages = [other.shows(2, { at: 2 }), other.shows(1, { at: 1 }), other.shows(2, { at: 2 })];
    for (const message of messages) {
      room.receive('c', message);
      expect(states()).toEqual([{ at: 2 }]);
    }
    const before = room.peers;
    room.receive('', other.shows(2, { at: 2 }));
    expect(room.peers).toBe(before);
    room.receive('', other.shows(maxTurn, { at: 3 }));
    expect(states()).toEqual([{ at: 3 }]);
  });

  test('what comes late, after it has left, is not believed', async () => {
    const { time, room, states } = setUp();
    const other = new Other(1);
    room.receive('c', other.shows(1, { at: 1 }));
    room.receive('c', other.gone(3));
    for (const late of [other.shows(2, { at: 2 }), other.shows(3, { at: 3 }), other.gone(1)]) room.receive('c', late);
    expect(states()).toEqual([]);
    await time.advance(50_000);
    room.receive('', other.shows(2, { at: 2 }));
    expect(states()).toEqual([]);
    // It shows something again.
    room.receive('c', other.shows(4, { at: 4 }));
    expect(states()).toEqual([{ at: 4 }]);
    // An earlier leaving is late as well.
    room.receive('c', other.gone(3));
    expect(states()).toEqual([{ at: 4 }]);
  });

  test('who leaves before anything of it was heard is not shown by what comes later', () => {
    const { room, states } = setUp();
    room.receive('c', new Other(1).gone(2));
    room.receive('c', new Other(1).shows(1, { at: 1 }));
    expect(states()).toEqual([]);
  });

  test('silence ends it, and any word of it, also the same one, puts that off', async () => {
    const { time, room, states } = setUp();
    const other = new Other(1);
    room.receive('c', other.shows(1, { at: 1 }));
    await time.advance(silence_ms - 1);
    room.receive('c', other.shows(1, { at: 1 }));
    await time.advance(silence_ms - 1);
    expect(states()).toHaveLength(1);
    const heard = vi.fn();
    room.subscribe(heard);
    await time.advance(1);
    expect([states(), heard.mock.calls.length]).toEqual([[], 1]);
    room.receive('c', other.shows(1, { at: 1 }));
    expect(states()).toHaveLength(1);
  });
});

describe('a connection that ends', () => {
  test('takes with it those who are not heard by another one soon', async () => {
    const { time, room, states } = setUp();
    const [stays, moves, goes] = [new Other(1), new Other(2), new Other(3)];
    room.receive('d', stays.shows(1, { who: 'stays' }));
    room.receive('c', moves.shows(1, { who: 'moves' }));
    room.receive('c', goes.shows(1, { who: 'goes' }));
    room.receive('c', undefined);
    expect(states()).toHaveLength(3);
    await time.advance(1_000);
    room.receive('e', moves.shows(1, { who: 'moves' }));
    await time.advance(grace_ms);
    expect(states()).toEqual([{ who: 'stays' }, { who: 'moves' }]);
    // It is heard by another one by now: that the first ended is no news of it.
    room.receive('c', undefined);
    await time.advance(grace_ms + 1_000);
    expect(states()).toEqual([{ who: 'stays' }, { who: 'moves' }]);
  });
});

describe('a tab that has slept', () => {
  test('asks who is there, and takes nobody for gone whom it could not hear; once', async () => {
    const { time, ask, room, states } = setUp();
    const [alive, dead] = [new Other(1), new Other(2)];
    room.receive('c', alive.shows(1, { who: 'alive' }));
    room.receive('c', dead.shows(1, { who: 'dead' }));
    let slept_ms = 100_000;
    const monotonic = time.monotonic.bind(time);
    vi.spyOn(time, 'monotonic').mockImplementation(() => monotonic() + slept_ms);
    await time.advance(5_000);
    expect([ask.mock.calls.length, states().length]).toEqual([1, 2]);
    room.receive('c', alive.shows(1, { who: 'alive' }));
    slept_ms += 100_000;
    await time.advance(grace_ms);
    expect(states()).toEqual([{ who: 'alive' }]);
  });
});

describe('a name that somebody else has too', () => {
  test('is given up for another one, and the state is told by that', async () => {
    const { time, room, lastTold } = setUp();
    room.set({ who: 'me' });
    const first = lastTold() as { peer: string; turn: number };
    const twin = new Other(0);
    twin.name.set(Uint8Array.from(first.peer.match(/../g) ?? [], (hex) => Number.parseInt(hex, 16)));
    // What was told here comes back: nobody else.
    room.receive('c', twin.shows(1, { who: 'me' }));
    await time.advance(100);
    expect(lastTold()).toMatchObject(first);
    expect(room.peers).toEqual([]);
    room.receive('c', twin.shows(2, { who: 'twin' }));
    await time.advance(100);
    expect(lastTold()).toMatchObject({ kind: 'state', turn: 1 });
    expect((lastTold() as { peer: string }).peer).not.toBe(first.peer);
    room.receive('c', twin.shows(2, { who: 'twin' }));
    expect(room.peers).toMatchObject([{ id: first.peer, state: { who: 'twin' } }]);
  });

  test('two tabs take different ones', () => {
    expect(setUp(1).room.message).toBeUndefined();
    const told = [setUp(1), setUp(2)].map(({ room, lastTold }) => {
      room.set({});
      return (lastTold() as { peer: string }).peer;
    });
    expect(new Set(told).size).toBe(2);
  });
});

describe('bounds', () => {
  test('more peers than the limit are not shown until one leaves, and nobody’s leaving is forgotten for it', () => {
    const { room } = setUp();
    for (let number = 1; number <= peerLimit_count + 10; number += 1) {
      room.receive('c', new Other(number).shows(1, { number }));
    }
    expect(room.peers).toHaveLength(peerLimit_count);
    const last = new Other(peerLimit_count + 1);
    room.receive('c', new Other(1).gone(2));
    room.receive('c', last.shows(1, { last: true }));
    expect(room.peers.at(-1)?.state).toEqual({ last: true });
    // So many leavings are remembered, and no more.
    for (let number = 1; number <= 3_000; number += 1) room.receive('c', new Other(number).gone(5));
    room.receive('c', new Other(3_000).shows(4, {}));
    expect(room.peers).toHaveLength(0);
  });

  test('what is no message, or no state, changes nothing', () => {
    const { room } = setUp();
    const other = new Other(1);
    room.receive('c', Uint8Array.of(9, 9, 9));
    room.receive('c', writeState(other.name, 1, new TextEncoder().encode('[1]')));
    expect(room.peers).toEqual([]);
    room.receive('c', other.shows(1, { fine: true }));
    room.receive('c', writeState(other.name, 2, new TextEncoder().encode('{')));
    expect(room.peers).toMatchObject([{ state: { fine: true } }]);
  });
});

describe('what is told', () => {
  test('is nothing where nothing was ever shown, and the leaving once', () => {
    const { room, told, lastTold } = setUp();
    room.leave();
    room.comeBack();
    expect(told).toEqual([]);
    room.set({ at: 1 });
    room.leave();
    room.leave();
    room.end();
    expect(told).toHaveLength(2);
    expect(lastTold()).toMatchObject({ kind: 'gone', turn: 2 });
  });
});
