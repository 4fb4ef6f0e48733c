import { readEnvelope } from '@joinery/protocol';
import { beforeAll, expect, test, vi } from 'vitest';
import { init, Replica } from '../core/index.ts';
import { unpackValue } from '../core/value.ts';
import { correctionOf, replayLog } from './replay-log.ts';

beforeAll(() => init());

const hour_ms = 3_600_000;
const written_ms = 1_700_000_000_000;

test('what needs no correction comes above what it overwrote, though that was put right', () => {
  let now_ms = written_ms;
  const from = new Replica({ now: () => now_ms });
  const taken = (clockOffset_ms: number) => {
    const bytes = from.takeUpdate() ?? new Uint8Array();
    const { agent, from: before, to } = readEnvelope(bytes);
    return { agent, from: before, to, bytes, acknowledged: false, clockOffset_ms };
  };
  from.root.set('title', 'old');
  const first = taken(0);
  // The device's clock is set back, and the tab goes on by the one that never goes back.
  now_ms += 10_000;
  from.root.delete('title');
  const second = taken(hour_ms);
  const into = new Replica({ now: () => now_ms });
  const { local, rejected } = replayLog({
    ...{ from, into, log: [first, second], last: new Map(), damaged: [], refused: () => undefined, bridges: [] },
    epochChanged: false,
    clock: { serverTime_ms: now_ms + 1_000, offset_ms: hour_ms, sets_ms: [], refused: false },
    at_ms: now_ms,
  });
  expect([local.length, rejected]).toEqual([2, []]);
  expect(into.toJSON()).toEqual({});
});

test('an envelope of which every other write comes to nothing is passed over once to tell them', () => {
  const options = { now: () => written_ms, trustStamps: true };
  const server = new Replica({ agent: 1n, ...options });
  for (const key of ['kept', 'gone']) server.map(key).set('first', true);
  const from = Replica.load(server.encodeSnapshot(), { agent: 2n, ...options });
  const count = 1_000;
  for (let n = 0; n < count; n += 1) from.map(n % 2 === 0 ? 'kept' : 'gone').set(`key ${n}`, n);
  const bytes = from.takeUpdate() ?? new Uint8Array();
  server.root.delete('gone');
  const into = Replica.load(server.encodeSnapshot(), { agent: 3n, ...options });
  const describe = vi.spyOn(from, 'describe');
  const log = [{ ...readEnvelope(bytes), bytes, acknowledged: false, clockOffset_ms: undefined }];
  const { rejected } = replayLog({
    ...{ from, into, log, last: new Map(), damaged: [], refused: () => undefined, bridges: [] },
    ...{ epochChanged: false, clock: undefined, at_ms: written_ms },
  });
  expect(describe).toHaveBeenCalledTimes(1);
  expect(rejected.map(({ parts }) => parts.length)).toEqual([count / 2]);
  const odd = Array.from({ length: count / 2 }, (_, index) => 2 * index + 1);
  const lost = odd.map((n) => ({ container: 'map', kind: 'set', path: ['gone', `key ${n}`], value: n }));
  expect(unpackValue(rejected[0]?.changes ?? new Uint8Array())).toEqual(lost);
});

test('what the server took once comes back after a restored backup as it was, whatever the clock says now', () => {
  let now_ms = written_ms;
  const options = { now: () => now_ms };
  const other = new Replica(options);
  other.root.set('title', 'theirs, earlier');
  const into = Replica.load(other.encodeSnapshot(), options);
  now_ms += 10_000;
  const from = new Replica(options);
  from.root.set('title', 'mine, later');
  const bytes = from.takeUpdate() ?? new Uint8Array();
  // The device's clock was an hour behind then, and is right now: taken for unsynced, it would have been an hour ahead.
  const log = [{ ...readEnvelope(bytes), bytes, acknowledged: true, clockOffset_ms: hour_ms }];
  replayLog({
    ...{ from, into, log, last: new Map(), damaged: [], refused: () => undefined, bridges: [] },
    ...{
      epochChanged: false,
      clock: { serverTime_ms: now_ms, offset_ms: 0, sets_ms: [], refused: false },
      at_ms: now_ms,
    },
  });
  expect(into.toJSON()).toEqual({ title: 'mine, later' });
});

test('what is written by a corrected clock is behind where the device has slept, and never ahead', () => {
  const now = (offset_ms: number) => ({ serverTime_ms: written_ms, offset_ms, sets_ms: [], refused: false });
  // The clock was measured, and set forward since, or back while the device slept: by which of the two isn't known.
  expect(correctionOf(2 * hour_ms, now(hour_ms))).toBeUndefined();
  expect(correctionOf(hour_ms, now(2 * hour_ms))).toBe(-hour_ms);
  // It was never measured.
  expect([correctionOf(0, now(-hour_ms)), correctionOf(undefined, now(hour_ms))]).toEqual([hour_ms, -hour_ms]);
});

test.each([-hour_ms, hour_ms])(
  'after a restored backup no stamp is changed, though the clock seems to be off by %d ms',
  (offset_ms) => {
    const now_ms = written_ms + 10_000;
    const from = new Replica({ now: () => written_ms });
    from.root.set('title', 'seen, and perhaps overwritten, by who brings that back');
    const bytes = from.takeUpdate() ?? new Uint8Array();
    const log = [{ ...readEnvelope(bytes), bytes, acknowledged: false, clockOffset_ms: 0 }];
    const given = { from, log, last: new Map(), damaged: [], refused: () => undefined, bridges: [], at_ms: now_ms };
    const clock = { serverTime_ms: now_ms, offset_ms, sets_ms: [], refused: false };
    const stampOf = (epochChanged: boolean): bigint | undefined => {
      const into = new Replica({ now: () => now_ms });
      const { local } = replayLog({ ...given, into, epochChanged, clock });
      return readEnvelope(local[0] ?? new Uint8Array()).stamp;
    };
    expect(stampOf(true)).toBe(readEnvelope(bytes).stamp);
    expect(stampOf(false)).not.toBe(readEnvelope(bytes).stamp);
  },
);

test('after a restored backup stamps are kept that are ahead by no more than the server allows', () => {
  const minute_ms = 60_000;
  const from = new Replica({ now: () => written_ms + minute_ms });
  from.root.set('title', 'by a clock that is a minute ahead');
  const bytes = from.takeUpdate() ?? new Uint8Array();
  const stampOf = (refused: boolean): bigint => {
    const into = new Replica({ now: () => written_ms });
    const { local } = replayLog({
      ...{ from, into, log: [{ ...readEnvelope(bytes), bytes, acknowledged: true, clockOffset_ms: 0 }] },
      ...{ last: new Map(), damaged: [], refused: () => undefined, bridges: [], epochChanged: false },
      ...{ clock: { serverTime_ms: written_ms, offset_ms: 0, sets_ms: [], refused }, at_ms: written_ms },
    });
    return (readEnvelope(local[0] ?? new Uint8Array()).stamp ?? 0n) >> 16n;
  };
  expect([stampOf(false), stampOf(true)]).toEqual([BigInt(written_ms + minute_ms), BigInt(written_ms)]);
});
