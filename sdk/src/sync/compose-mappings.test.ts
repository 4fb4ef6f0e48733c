import { JoineryError } from '@joinery/protocol';
import { beforeAll, describe, expect, test } from 'vitest';
import { damage, seededRandom } from '../../../protocol/src/testing/damage.ts';
import { init, Replica } from '../core/index.ts';
import { composeMappings } from './compose-mappings.ts';

beforeAll(() => init());

/** How many times as much as usual is to be done. */
const rounds = Number(process.env.JOINERY_ROUNDS ?? 1);
const now = (): number => 1_700_000_000_000;

function take(replica: Replica): Uint8Array[] {
  const updates: Uint8Array[] = [];
  for (let update = replica.takeUpdate(); update !== undefined; update = replica.takeUpdate()) updates.push(update);
  return updates;
}

/** Two replays, the second of what the first has made; some of it is refused on the way. */
function twoReplays() {
  const base = new Replica({ agent: 1n, now });
  base.text('body').insert(0, 'Hello');
  take(base);
  const snapshot = base.encodeSnapshot();
  const load = (agent: bigint): Replica => Replica.load(snapshot, { agent, now, trustStamps: true });
  const [first, second, third] = [load(2n), load(3n), load(4n)];
  for (let count = 0; count < 12; count += 1) {
    first.text('body').insert(count, 'abc');
    first.root.set(`k${count % 3}`, count);
    first.map('m').set('x', count);
  }
  const replayInto = (from: Replica, into: Replica, refused: number): Uint8Array => {
    const replay = into.beginReplay(from);
    take(from).forEach((envelope, index) => {
      if (index === refused) replay.refuse(envelope);
      else replay.add(envelope);
    });
    const mapping = replay.mapping();
    replay.free();
    return mapping;
  };
  return { mappings: [replayInto(first, second, -1), replayInto(second, third, 0)] as const, load, third };
}

function outcome(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof JoineryError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('mappings composed to one', () => {
  test('of damaged ones are refused, or are mappings: 4,000 of them', { timeout: 60_000 * rounds }, () => {
    const { mappings, load, third } = twoReplays();
    const [before, after] = mappings;
    const from = load(9n);
    const codes = new Map<string, number>();
    damage([before, after], 4_000 * rounds, seededRandom(1), (bad) => {
      const copy = bad.slice();
      for (const given of [
        [bad, after],
        [before, bad],
      ]) {
        let made: Uint8Array | undefined;
        const code = outcome(() => {
          made = composeMappings(given);
        });
        codes.set(code, (codes.get(code) ?? 0) + 1);
        if (code !== 'no error' && code !== 'invalid-update') throw new Error(`${code}: ${copy.join(',')}`);
        if (made === undefined) continue;
        // The core judges what it means; it is no more than what was given, and some parts.
        const mapping = made;
        const read = outcome(() => third.beginReplay(from, { mapping }).free());
        if (!['no error', 'invalid-update'].includes(read)) throw new Error(`${read}: ${copy.join(',')}`);
        expect(mapping.length).toBeLessThan(10 * (before.length + after.length + 100));
      }
      if (Buffer.compare(bad, copy) !== 0) throw new Error(`changed: ${copy.join(',')}`);
    });
    expect(codes.get('no error')).toBeGreaterThan(100 * rounds);
    expect(codes.get('invalid-update')).toBeGreaterThan(1_000 * rounds);
  });

  test('know of elements that a trim found elsewhere, by the names that their author gave them', () => {
    const base = new Replica({ agent: 1n, now });
    for (const value of [1, 2]) base.list('l').push(value);
    take(base);
    const options = { now, trustStamps: true };
    const author = Replica.load(base.encodeSnapshot(), { agent: 2n, ...options });
    for (const value of ['b', 'a', 'z']) author.list('l').insert(1, value);
    const stored = take(author);
    author.list('l').insert(3, 'behind a');
    const unstored = take(author);
    expect(author.list('l').toJSON()).toEqual([1, 'z', 'a', 'behind a', 'b', 2]);
    // What was stored is made again; then others move two of the three away, and the document is trimmed, twice.
    let state = Replica.load(base.encodeSnapshot(), { agent: 3n, ...options });
    const replay = state.beginReplay(author);
    for (const envelope of stored) replay.add(envelope);
    const mappings = [replay.mapping()];
    replay.free();
    const bridges: { agent: bigint; bytes: Uint8Array }[] = [];
    for (const agent of [50n, 60n]) {
      state.list('l').move(
        state
          .list('l')
          .toJSON()
          .indexOf(agent === 50n ? 'a' : 'z'),
        4,
      );
      const bridge = { agent, bytes: state.encodeSnapshot() };
      bridges.push(bridge);
      const next = Replica.load(state.trim(agent), { agent: agent + 1n, ...options });
      const crossing = next.beginReplay(state, { bridges: [bridge], epoch: true });
      mappings.push(crossing.mapping());
      crossing.free();
      state = next;
    }
    const mapping = composeMappings(mappings);
    const last = state.beginReplay(author, { bridges, epoch: true, ...(mapping && { mapping }) });
    for (const envelope of unstored) last.add(envelope);
    expect(state.list('l').toJSON()).toEqual([1, 'behind a', 'b', 2, 'a', 'z']);
  });

  test('of another format are not guessed at', () => {
    const { mappings } = twoReplays();
    const later = mappings[1].slice();
    later[0] = 1;
    expect(outcome(() => composeMappings([mappings[0], later]))).toBe('invalid-update');
    expect(outcome(() => composeMappings([mappings[0], Uint8Array.of(2, ...new Array(9).fill(255))]))).toBe(
      'invalid-update',
    );
    expect(composeMappings([])).toBeUndefined();
    expect(composeMappings([new Uint8Array(0), mappings[0]])).toBe(mappings[0]);
  });
});
