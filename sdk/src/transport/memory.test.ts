// Runs the transport contract's suite against frames in memory, and tests what is theirs alone: faults on demand.

import { describe, expect, test } from 'vitest';
import { systemEnvironment } from '../environment.ts';
import { seededRandom } from '../testing/random.ts';
import { type ServerEnd, transportSuite } from '../testing/transport-suite.ts';
import { type AcceptedLink, MemoryNetwork } from './memory.ts';

const environment = systemEnvironment();

function harness(network: MemoryNetwork) {
  const url = 'memory:server';
  return {
    transport: network.transport(),
    url,
    deadUrl: 'memory:nobody',
    accept: () => new Promise<ServerEnd>((resolve) => network.listen(url, (link) => resolve(serverEnd(link)))),
  };
}

function serverEnd(link: AcceptedLink): ServerEnd {
  const early: Uint8Array[] = [];
  let listener = (frame: Uint8Array): void => void early.push(frame);
  link.listen({ opened: () => {}, frame: (frame) => listener(frame), closed: () => {} });
  return {
    send: (frame) => link.send(frame),
    close: () => link.close(),
    onFrame(next) {
      for (const frame of early) next(frame);
      listener = next;
    },
  };
}

describe.each([
  ['at once', { environment }],
  ['with delays', { environment: { ...environment, random: seededRandom(7) }, delay_ms: [0, 3] as const }],
])('frames in memory, %s', (_, options) => {
  for (const { name, run } of transportSuite) test(name, () => run(harness(new MemoryNetwork(options))));
});

describe('faults in memory', () => {
  test('a lost frame closes the link at both ends', async () => {
    const network = new MemoryNetwork({ environment: { ...environment, random: () => 0.01 }, loss: 0.05 });
    const ends: string[] = [];
    await new Promise<void>((resolve) => {
      network.listen('memory:server', (link) =>
        link.listen({ opened: () => {}, frame: () => ends.push('frame'), closed: () => ends.push('server') }),
      );
      const link = network.transport().connect('memory:server', {
        opened: () => link.send(Uint8Array.of(1)),
        frame: () => {},
        closed: (error) => {
          ends.push(error?.code ?? 'none');
          resolve();
        },
      });
    });
    await Promise.resolve();
    expect(ends.sort()).toEqual(['connection-failed', 'server']);
    expect(network.openLinks).toBe(0);
  });

  test('cutting ends every link, and an unreachable network takes no attempt', async () => {
    const network = new MemoryNetwork({ environment });
    const url = 'memory:server';
    network.listen(url, (link) => link.listen({ opened: () => {}, frame: () => {}, closed: () => {} }));
    const outcome = (when: 'opened' | 'closed') =>
      new Promise<string>((resolve) => {
        network.transport().connect(url, {
          opened: () => (when === 'opened' ? network.cut() : undefined),
          frame: () => {},
          closed: (error) => resolve(error?.message ?? ''),
        });
      });
    expect(await outcome('opened')).toContain('the link to stay open');
    network.reachable = false;
    expect(await outcome('closed')).toContain('no network');
    expect(network.openLinks).toBe(0);
  });
});
