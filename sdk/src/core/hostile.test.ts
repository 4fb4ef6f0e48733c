// Damaged bytes at every door of the core that came with refusals and trims, through its public names: mappings, bridges,
// snapshots to be trimmed, envelopes to be described and replayed. The core's own tests damage the same from within; here is
// what the boundary makes of it: typed errors, nothing changed, and no memory that is never given back.

import { crc32 } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { damage, seededRandom } from '../../../protocol/src/testing/damage.ts';

import { init, JoineryError, type ReplayOptions, Replica } from './index.ts';
import { coreMemory } from './load.ts';

beforeAll(() => init());

/** How many times as much as usual is to be done. */
const rounds = Number(process.env.JOINERY_ROUNDS ?? 1);
const inputs = 2_000 * rounds;
const patience = { timeout: 60_000 * rounds };

const now = (): number => 1_700_000_000_000;
const options = (agent: bigint) => ({ agent, now, trustStamps: true });

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof JoineryError) return error.code;
    throw error;
  }
  return 'no error';
}

function take(replica: Replica): Uint8Array[] {
  const updates: Uint8Array[] = [];
  for (let update = replica.takeUpdate(); update !== undefined; update = replica.takeUpdate()) updates.push(update);
  return updates;
}

/** A bit of everything. */
function edit(replica: Replica, random: () => number): void {
  const below = (limit: number): number => Math.floor(random() * limit);
  const key = `k${below(4)}`;
  switch (below(8)) {
    case 0: {
      const text = replica.text('body');
      text.insert(below(text.length + 1), 'ab😀');
      break;
    }
    case 1: {
      const text = replica.text('body');
      const from = below(text.length + 1);
      text.delete(from, below(text.length - from + 1));
      break;
    }
    case 2: {
      const list = replica.list('list');
      list.insert(below(list.length + 1), [below(9), key]);
      break;
    }
    case 3: {
      const list = replica.list('list');
      if (list.length > 0) list.delete(below(list.length), 1);
      break;
    }
    case 4:
      replica.map('map').map(key).set(key, below(9));
      break;
    case 5:
      replica.counter('votes').increment(below(9) - 4);
      break;
    case 6: {
      const set = replica.set('tags');
      if (below(2) === 0) set.add(key);
      else set.delete(key);
      break;
    }
    default:
      if (below(3) === 0) replica.root.delete('map');
      else replica.root.set(key, below(9));
  }
}

/** A server's state, a replica that wrote on it offline, and what a replay of that gives. */
function scene(seed: number) {
  const random = seededRandom(seed);
  const server = new Replica(options(1n));
  for (let count = 0; count < 30; count += 1) edit(server, random);
  take(server);
  const snapshot = server.encodeSnapshot();
  const from = Replica.load(snapshot, options(2n));
  const envelopes: Uint8Array[] = [];
  for (let count = 0; count < 30; count += 1) {
    edit(from, random);
    envelopes.push(...take(from));
  }
  const trimmed = server.trim(9n);
  const into = Replica.load(snapshot, options(3n));
  const replay = into.beginReplay(from);
  for (const envelope of envelopes) replay.add(envelope);
  const mapping = replay.mapping();
  replay.free();
  into.free();
  return { server, from, snapshot, trimmed, envelopes, mapping };
}

/** A damaged snapshot with the checksum that belongs to it, so that what is behind the checksum is tried too. */
function sealed(body: Uint8Array): Uint8Array {
  const snapshot = new Uint8Array(13 + body.length);
  snapshot.set(new TextEncoder().encode('JNRY\u0003'));
  const view = new DataView(snapshot.buffer);
  view.setUint32(5, body.length, true);
  view.setUint32(9, crc32(body), true);
  snapshot.set(body, 13);
  return snapshot;
}

/** It can be read, and its state rebuilds it. */
function expectSound(replica: Replica): void {
  const snapshot = replica.encodeSnapshot();
  const again = Replica.load(snapshot, options(8n));
  const [ours, theirs] = [JSON.stringify(replica.toJSON()), JSON.stringify(again.toJSON())];
  again.free();
  if (ours !== theirs) throw new Error(`${ours} is stored as ${theirs}`);
}

const refusals = ['invalid-update', 'invalid-snapshot', 'limit-exceeded'];
/** Nothing of this run needs more than that at a time. */
const room_bytes = 64 * 1024 * 1024;

/** Runs damaged inputs; `use` tells whether it was taken. */
function assail(samples: readonly Uint8Array[], seed: number, use: (input: Uint8Array) => string): Map<string, number> {
  const outcomes = new Map<string, number>();
  const before = coreMemory().buffer.byteLength;
  damage(samples, inputs, seededRandom(seed), (input) => {
    const copy = input.slice();
    const outcome = use(input);
    if (outcome !== 'no error' && !refusals.includes(outcome)) throw new Error(`${outcome}: ${copy.join(',')}`);
    if (Buffer.compare(input, copy) !== 0) throw new Error(`the input was changed: ${copy.join(',')}`);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  });
  expect(coreMemory().buffer.byteLength - before).toBeLessThan(room_bytes);
  // Damage that is never taken, or always, would prove little.
  expect(outcomes.get('no error') ?? 0).toBeGreaterThan(inputs / 200);
  expect(outcomes.size).toBeGreaterThan(1);
  return outcomes;
}

/** Begins a replay, gives it everything, and tells what came of it. */
function replayAll(from: Replica, state: Uint8Array, given: ReplayOptions, envelopes: readonly Uint8Array[]): string {
  const into = Replica.load(state, options(3n));
  try {
    const before = into.encodeSnapshot();
    const code = codeOf(() => {
      const replay = into.beginReplay(from, given);
      try {
        for (const envelope of envelopes) replay.add(envelope);
        replay.mapping();
      } finally {
        replay.free();
      }
    });
    if (code === 'no error') expectSound(into);
    else if (Buffer.compare(into.encodeSnapshot(), before) !== 0) throw new Error(`${code}, and changed`);
    return code;
  } finally {
    into.free();
  }
}

describe('damaged', () => {
  it('mappings are refused, or lead to a sound document', patience, () => {
    const { from, snapshot, mapping, envelopes } = scene(1);
    const outcomes = assail([mapping], 11, (bad) => replayAll(from, snapshot, { mapping: bad }, envelopes));
    expect(outcomes.has('invalid-update')).toBe(true);
  });

  it('bridges are refused, or lead to a sound document', patience, () => {
    const { from, snapshot, trimmed, envelopes } = scene(2);
    const replayAcross = (bytes: Uint8Array): string =>
      replayAll(from, trimmed, { bridges: [{ agent: 9n, bytes }], epoch: true }, envelopes);
    const outcomes = assail([snapshot.subarray(13)], 12, (bad) => replayAcross(sealed(bad)));
    expect(outcomes.size).toBeGreaterThan(1);
    damage([snapshot], 500 * rounds, seededRandom(13), (bad) => {
      // Cut behind its last byte it is as it was.
      if (bad.length === snapshot.length && Buffer.compare(bad, snapshot) === 0) return;
      expect(refusals).toContain(replayAcross(bad));
    });
  });

  it('snapshots that are taken are trimmed to what they show, or refused', patience, () => {
    const { snapshot } = scene(3);
    assail([snapshot.subarray(13)], 14, (bad) => {
      let replica: Replica | undefined;
      const loading = codeOf(() => {
        replica = Replica.load(sealed(bad), options(4n));
      });
      if (replica === undefined) return loading;
      const state = replica.encodeSnapshot();
      let trimmed = new Uint8Array(0);
      const code = codeOf(() => {
        trimmed = (replica as Replica).trim(9n) as Uint8Array<ArrayBuffer>;
      });
      if (Buffer.compare(replica.encodeSnapshot(), state) !== 0) throw new Error('changed');
      if (code === 'no error') {
        const again = Replica.load(trimmed, options(5n));
        const shown = [JSON.stringify(again.toJSON()), JSON.stringify(replica.toJSON())];
        if (shown[0] !== shown[1]) throw new Error(`trimmed to ${shown[0]} from ${shown[1]}`);
        again.free();
      }
      replica.free();
      return code;
    });
  });

  it('envelopes are described or refused, and nothing changes', patience, () => {
    const { server, from, envelopes } = scene(4);
    const before = [server, from].map((replica) => replica.encodeSnapshot());
    const random = seededRandom(17);
    const below = (limit: number): number => Math.floor(random() * limit);
    assail(envelopes, 15, (bad) => {
      const replica = bad.length % 2 === 0 ? server : from;
      const parts: { from: number; to: number }[] = [];
      for (let [at, left] = [below(60), below(6)]; left > 0; left -= 1) {
        parts.push({ from: at + below(3), to: at + 3 + below(3) });
        at += 5;
      }
      return codeOf(() => {
        for (const { container, kind, path } of replica.describe(bad)) {
          if (typeof container !== 'string' || typeof kind !== 'string' || !Array.isArray(path)) throw new Error(kind);
        }
        const told = replica.describe(bad, parts);
        expect(told).toEqual(parts.flatMap((part) => replica.describe(bad, [part])));
      });
    });
    expect([server, from].map((replica) => replica.encodeSnapshot())).toEqual(before);
  });

  it(
    'envelopes are replayed or refused: every operation is told of once, and a refusal changes nothing',
    patience,
    () => {
      const { from, snapshot, envelopes } = scene(5);
      let into = Replica.load(snapshot, options(3n));
      let replay = into.beginReplay(from);
      let used = 0;
      assail(envelopes, 16, (bad) => {
        used += 1;
        if (used % 50 === 0) {
          expectSound(into);
          replay.free();
          into.free();
          into = Replica.load(snapshot, options(3n));
          replay = into.beginReplay(from);
          for (const envelope of envelopes.slice(0, used % 7)) replay.add(envelope);
        }
        const before = [into.encodeSnapshot(), replay.mapping()];
        const code = codeOf(() => {
          const { applied, rejected } = used % 3 === 0 ? replay.refuse(bad) : replay.add(bad);
          if (!Number.isInteger(applied) || applied < 0) throw new Error(`${applied} applied`);
          let reached = 0;
          for (const { from: low, to } of rejected) {
            if (low < reached || to <= low) throw new Error(`rejected ${low} to ${to} behind ${reached}`);
            reached = to;
          }
        });
        const after = [into.encodeSnapshot(), replay.mapping()];
        const isSame = before.every((bytes, index) => Buffer.compare(bytes, after[index] as Uint8Array) === 0);
        if (code !== 'no error' && !isSame) throw new Error(`${code}, and changed`);
        return code;
      });
      replay.free();
      into.free();
    },
  );
});

describe('what is no option', () => {
  it('of a replay is told by its code, and nothing has begun', () => {
    const { from, snapshot, envelopes } = scene(6);
    const into = Replica.load(snapshot, options(3n));
    const bad: [string, ReplayOptions][] = [
      ['invalid-option', { bridges: [{ agent: -1n, bytes: snapshot }] }],
      ['invalid-option', { bridges: [{ agent: 2n ** 64n, bytes: snapshot }] }],
      ['limit-exceeded', { bridges: Array.from({ length: 65 }, () => ({ agent: 9n, bytes: snapshot })) }],
      ['invalid-snapshot', { bridges: [{ agent: 9n, bytes: new Uint8Array(0) }] }],
      ['invalid-option', { clock: { serverTime_ms: -1, correction_ms: 0 } }],
      ['invalid-option', { clock: { serverTime_ms: 1, correction_ms: Number.POSITIVE_INFINITY } }],
    ];
    const before = into.encodeSnapshot();
    for (const [code, given] of bad) expect(codeOf(() => into.beginReplay(from, given))).toBe(code);
    expect(into.encodeSnapshot()).toEqual(before);
    const replay = into.beginReplay(from);
    for (const agent of [-1n, 2n ** 64n]) expect(codeOf(() => replay.translate(agent, 1))).toBe('invalid-option');
    for (const seq of [-1, 0, 1.5, 2 ** 32, Number.NaN]) expect(replay.translate(2n, seq)).toBeUndefined();
    // Whose replicas are gone.
    from.free();
    expect(codeOf(() => replay.add(envelopes[0] as Uint8Array))).toBe('freed');
    into.free();
    expect(codeOf(() => replay.mapping())).toBe('freed');
    replay.free();
    expect(codeOf(() => replay.translate(2n, 1))).toBe('freed');
    replay.free();
  });
});
