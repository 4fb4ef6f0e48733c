import { readEnvelope } from '@joinery/protocol';
import { beforeAll, expect, test } from 'vitest';
import { init, Replica } from '../core/index.ts';
import { replayLog } from './replay-log.ts';

beforeAll(() => init());

const hour_ms = 3_600_000;
const written_ms = 1_700_000_000_000;

test('what needs no correction comes above what it overwrote, though that was put right', () => {
  let now_ms = written_ms;
  const from = new Replica({ now: () => now_ms });
  const taken = (clockOffset_ms: number) => {
    const bytes = from.takeUpdate() ?? new Uint8Array();
    const { agent, from: before, to } = readEnvelope(bytes);
    return { agent, from: before, to, bytes, clockOffset_ms };
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
    clock: { serverTime_ms: now_ms + 1_000, offset_ms: hour_ms, refused: false },
    at_ms: now_ms,
  });
  expect([local.length, rejected]).toEqual([2, []]);
  expect(into.toJSON()).toEqual({});
});
