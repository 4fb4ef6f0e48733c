// What is sent, and in which order: the outbox, the causal order of a log, and the pieces of the feed.

import { type Dot, readEnvelope, writeEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../testing/random.ts';
import { causalOrder } from './causal-order.ts';
import { Feed } from './feed.ts';
import type { FromEngine } from './messages.ts';
import { Outbox, RetainedBytes } from './outbox.ts';

function envelope(agent: number, from: number, to = from + 1, deps: Dot[] = [], length = 1) {
  const bytes = writeEnvelope({ agent: BigInt(agent), from, to, deps, payload: new Uint8Array(length) });
  return { agent: BigInt(agent), from, to, bytes };
}

const names = (envelopes: readonly { agent: bigint; from: number }[]): string[] =>
  envelopes.map(({ agent, from }) => `${agent}:${from}`);

describe('causalOrder', () => {
  test('places what was written on another agent’s envelope after it', () => {
    const log = [
      envelope(1, 1, 2, [{ agent: 2n, seq: 2 }]),
      envelope(2, 1, 2, [{ agent: 1n, seq: 1 }]),
      envelope(1, 0),
      envelope(2, 0),
    ];
    expect(names(causalOrder(log))).toEqual(['1:0', '2:0', '2:1', '1:1']);
  });

  test('keeps what waits for something that is not in the log, and even a circle', () => {
    expect(names(causalOrder([envelope(1, 5, 6, [{ agent: 9n, seq: 3 }])]))).toEqual(['1:5']);
    const circle = [envelope(1, 0, 1, [{ agent: 2n, seq: 1 }]), envelope(2, 0, 1, [{ agent: 1n, seq: 1 }])];
    expect(names(causalOrder(circle)).sort()).toEqual(['1:0', '2:0']);
  });

  test('random logs in any order: nothing before its cause, nothing lost', () => {
    const random = seededRandom(2);
    const below = (limit: number): number => Math.floor(random() * limit);
    for (let run = 0; run < 300; run += 1) {
      const tops = [0, 0, 0, 0];
      const log = Array.from({ length: 30 }, () => {
        const agent = below(4);
        const from = tops[agent] ?? 0;
        const other = below(4);
        const seq = tops[other] ?? 0;
        const deps = other !== agent && seq > 0 ? [{ agent: BigInt(other), seq }] : [];
        tops[agent] = from + 1 + below(3);
        return envelope(agent, from, tops[agent], deps);
      });
      const shuffled = log.map((item) => ({ item, key: random() })).sort((a, b) => a.key - b.key);
      const ordered = causalOrder(shuffled.map(({ item }) => item));
      const reached = new Map<bigint, number>();
      for (const { agent, from, to, bytes } of ordered) {
        expect(reached.get(agent) ?? 0).toBe(from);
        for (const dep of readEnvelope(bytes).deps) expect(reached.get(dep.agent) ?? 0).toBeGreaterThanOrEqual(dep.seq);
        reached.set(agent, to);
      }
      expect(ordered).toHaveLength(30);
    }
  });

  test('is linear: 20,000 envelopes that wait for each other by turns', () => {
    const log = Array.from({ length: 20_000 }, (_, index) => {
      const [agent, from] = [(index % 2) + 1, index >> 1];
      const cause = agent === 1 ? from : from + 1;
      return envelope(agent, from, from + 1, cause > 0 ? [{ agent: agent === 1 ? 2n : 1n, seq: cause }] : []);
    });
    expect(names(causalOrder([...log].reverse()))).toEqual(names(log));
  });
});

describe('the outbox', () => {
  const everything = { sent: new Map<bigint, number>(), limit_bytes: 1_000_000, limit_count: 1_000 };

  function filled(): Outbox {
    const outbox = new Outbox(new RetainedBytes());
    for (const item of [envelope(1, 0), envelope(2, 0), envelope(1, 1), envelope(1, 2)]) {
      outbox.add({ ...item, clockOffset_ms: undefined }, item.bytes, 5, true);
    }
    return outbox;
  }

  test('gives what was not sent, in its order, within the limits and at least one', () => {
    const outbox = filled();
    expect(names(outbox.select(everything))).toEqual(['1:0', '2:0', '1:1', '1:2']);
    expect(names(outbox.select({ ...everything, sent: new Map([[1n, 2]]) }))).toEqual(['2:0', '1:2']);
    expect(names(outbox.select({ ...everything, limit_count: 2 }))).toEqual(['1:0', '2:0']);
    expect(names(outbox.select({ ...everything, limit_bytes: 1 }))).toEqual(['1:0']);
  });

  test('forgets what is acknowledged, of each agent up to the seq', () => {
    const outbox = filled();
    expect(outbox.acknowledge([{ agent: 1n, to: 2, position: 9 }]).count).toBe(2);
    expect(names(outbox.select(everything))).toEqual(['2:0', '1:2']);
    expect(outbox.acknowledge([{ agent: 7n, to: 9, position: 9 }]).count).toBe(0);
    expect([outbox.size, outbox.oldestAt_ms, outbox.holds(1n), outbox.holds(3n)]).toEqual([2, 5, true, false]);
  });

  test('remembers what is acknowledged, also of agents it has nothing of', () => {
    const outbox = filled();
    outbox.acknowledge([{ agent: 1n, to: 2, position: 9 }]);
    outbox.note({ agent: 7n, to: 3, position: 4 });
    outbox.note({ agent: 7n, to: 1, position: 5 });
    expect(outbox.acknowledgementOf(envelope(1, 1))).toEqual({ agent: 1n, to: 2, position: 9 });
    expect(outbox.acknowledgementOf(envelope(1, 2))).toBeUndefined();
    expect(outbox.acknowledgementOf(envelope(7, 2))?.position).toBe(4);
    expect(outbox.acknowledgementOf(envelope(8, 0))).toBeUndefined();
  });

  test('hands over what it knows of the server in short notes', () => {
    const last = { agent: 2n ** 64n - 1n, to: 2 ** 32 - 2, position: Number.MAX_SAFE_INTEGER };
    const [before, after] = [filled(), filled()];
    expect(before.notes).toBeUndefined();
    before.acknowledge([{ agent: 1n, to: 2, position: 0 }, last]);
    expect(before.notes?.length).toBeLessThan(60);
    after.takeNotes(before.notes ?? '');
    expect(after.notes).toBe(before.notes);
    expect(after.acknowledgementOf(envelope(1, 1))).toEqual({ agent: 1n, to: 2, position: 0 });
    expect(after.acknowledgementOf(last)).toEqual(last);
    expect(after.isLost(new Map([[1n, 2]]))).toBe(true);
  });

  test('sends what is not stored only when it is told to, and nothing of its agent behind it', () => {
    const outbox = new Outbox(new RetainedBytes());
    const [first, second, other] = [envelope(1, 0), envelope(1, 1), envelope(2, 0)];
    const entry = outbox.add({ ...first, clockOffset_ms: undefined }, first.bytes, 0, false);
    outbox.add({ ...second, clockOffset_ms: undefined }, second.bytes, 0, true);
    outbox.add({ ...other, clockOffset_ms: undefined }, other.bytes, 0, true);
    expect(names(outbox.select(everything))).toEqual(['2:0']);
    outbox.sendAll = true;
    expect(outbox.select(everything)).toHaveLength(3);
    outbox.sendAll = false;
    outbox.stored(entry);
    expect(names(outbox.select(everything))).toEqual(['1:0', '1:1', '2:0']);
    expect(outbox.select(everything)[0]?.bytes).toBe(first.bytes);
  });

  test('keeps no more bytes than it may', () => {
    const retained = new RetainedBytes(100);
    const outbox = new Outbox(retained);
    const entries = Array.from({ length: 10 }, (_, seq) => {
      const item = envelope(1, seq, seq + 1, [], 30);
      return outbox.add({ ...item, clockOffset_ms: undefined }, item.bytes, 0, false);
    });
    for (const entry of entries) outbox.stored(entry);
    const kept = entries.filter(({ bytes }) => bytes !== undefined);
    expect(kept.length).toBe(Math.floor(100 / (entries[0]?.length ?? 1)));
    outbox.acknowledge([{ agent: 1n, to: 10, position: 10 }]);
    expect(retained.take(100)).toBe(true);
  });
});

describe('the feed', () => {
  function setUp() {
    const posted: FromEngine[] = [];
    const feed = new Feed(1, { post: (message) => posted.push(message) }, { encode: () => new Uint8Array(5_000) });
    const sizes = (): string[] =>
      posted.map((message) => ('bytes' in message ? `${message.type} ${message.bytes}` : message.type));
    return { feed, posted, sizes };
  }

  const updates = (count: number, length: number): Uint8Array[] =>
    Array.from({ length: count }, () => new Uint8Array(length));

  test('makes pieces of 64 kB, a few at once, and goes on as they are taken', () => {
    const { feed, sizes } = setUp();
    feed.push(updates(600, 1_000));
    expect(sizes()).toEqual(Array.from({ length: 5 }, () => 'updates 65000'));
    feed.taken(65_000);
    expect(sizes()).toHaveLength(6);
    for (let taken = 0; taken < 20; taken += 1) feed.taken(65_000);
    expect(sizes().at(-1)).toBe('updates 15000');
  });

  test('sends an envelope that is larger than a piece alone', () => {
    const { feed, sizes } = setUp();
    feed.push([new Uint8Array(10), new Uint8Array(200_000), new Uint8Array(10)]);
    expect(sizes()).toEqual(['updates 10', 'updates 200000', 'updates 10']);
  });

  test('sends the state in place of what piles up, when what is on its way has been taken', () => {
    const { feed, sizes } = setUp();
    feed.push(updates(300, 1_000));
    feed.push(updates(2_000, 1_000));
    const before = sizes().length;
    feed.push(updates(10, 1_000));
    expect(sizes()).toHaveLength(before);
    for (let taken = 0; taken < before; taken += 1) feed.taken(65_000);
    expect(sizes().slice(before)).toEqual(['state 5000']);
    feed.taken(5_000);
    feed.push(updates(1, 7));
    expect(sizes().at(-1)).toBe('updates 7');
  });
});
