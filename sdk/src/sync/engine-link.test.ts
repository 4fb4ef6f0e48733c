// The main thread's side of the engine, with engines that do as a test says. On virtual time.

import { JoineryError } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { VirtualEnvironment } from '../testing/virtual-environment.ts';
import { EngineLink, type RunningEngine } from './engine-link.ts';
import type { FromEngine, ToEngine } from './messages.ts';

const unavailable = new JoineryError('core-unavailable', 'no network');

/** A link whose engines are started by `start`, which may fail, and record what they are told. */
function setUp(start: () => void = () => {}) {
  const time = new VirtualEnvironment();
  const engines: { told: ToEngine['type'][]; say: (message: FromEngine) => void; die: () => void; ended: boolean }[] =
    [];
  const link = new EngineLink({
    environment: time,
    storageMode: 'memory',
    connect: true,
    client: 'test',
    userChanged: () => {},
    start: async (receive, died): Promise<RunningEngine> => {
      start();
      const engine = {
        told: [] as ToEngine['type'][],
        say: receive,
        die: () => died(new Error('killed')),
        ended: false,
      };
      engines.push(engine);
      return {
        post: (message) => engine.told.push(message.type),
        terminate: () => {
          engine.ended = true;
        },
      };
    },
  });
  return { time, link, engines };
}

describe('the link to the engine', () => {
  test('tells an engine what is open and wanted, also the next one', async () => {
    const { time, link, engines } = setUp();
    link.open('a');
    await time.advance(0);
    expect(engines[0]?.told).toEqual(['open', 'connect']);
    link.setConnected(false);
    time.setOnline(false);
    const events: string[] = [];
    link.subscribeEvents(({ type }) => events.push(type));
    engines[0]?.die();
    await time.advance(1_000);
    expect(engines[0]?.ended).toBe(true);
    expect(engines[1]?.told).toEqual(['open', 'network']);
    expect(events).toEqual(['engine-restarted']);
    // What the dead one still says is not listened to.
    engines[0]?.say({ type: 'clock', offset_ms: 5 });
    engines[0]?.die();
    await time.advance(1_000);
    expect(engines).toHaveLength(2);
  });

  test('tries again to start, ever more seldom, and at once when the network is back', async () => {
    let starts = 0;
    let works = false;
    const { time, link, engines } = setUp(() => {
      starts += 1;
      if (!works) throw unavailable;
    });
    await time.advance(300_000);
    expect(starts).toBeLessThan(20);
    expect(link.status.storage).toMatchObject({ state: 'failed', lastError: { code: 'core-unavailable' } });
    works = true;
    time.setOnline(false);
    time.setOnline(true);
    await time.advance(0);
    expect(engines).toHaveLength(1);
    expect(link.status.storage).toEqual({ mode: 'memory', state: 'opening' });
    expect(link.status.storage.lastError).toBeUndefined();
  });

  test('ends without an engine: with an error only if something was written', async () => {
    const idle = setUp(() => {
      throw unavailable;
    });
    await idle.time.advance(10);
    await idle.time.settled(idle.link.end());
    const busy = setUp(() => {
      throw unavailable;
    });
    const document = busy.link.open('a');
    const receipt = document.writeKeyed(() => {});
    await busy.time.advance(10);
    await expect(busy.time.settled(busy.link.end())).rejects.toBe(unavailable);
    expect([receipt.state, receipt.error?.code]).toEqual(['rejected', 'closed']);
    expect(() => document.writeKeyed(() => {})).toThrow(expect.objectContaining({ code: 'closed' }));
  });

  test('gives the same status object as long as nothing changes, and tells of changes once', async () => {
    const { time, link, engines } = setUp();
    await time.advance(0);
    const before = link.status;
    let told = 0;
    link.subscribeStatus(() => {
      told += 1;
    });
    const status = {
      connection: { state: 'offline' as const },
      sync: { blocked: false, counted: false, pending: 0 },
      storage: { mode: 'memory', state: 'opening' as const },
      store: undefined,
    };
    engines[0]?.say({ type: 'status', status });
    await time.advance(0);
    expect(link.status).toBe(before);
    expect(told).toBe(0);
    engines[0]?.say({ type: 'status', status: { ...status, connection: { state: 'connecting' } } });
    engines[0]?.say({ type: 'status', status: { ...status, connection: { state: 'online' } } });
    await time.advance(0);
    expect(told).toBe(1);
    expect(link.status.connection).toEqual({ state: 'online', paused: false });
    expect(link.status.storage).toBe(before.storage);
  });
});
