/** The host's hooks when they go wrong: whatever they throw or answer, no link is lost over it and nothing is held for ever. */

import { JoineryError } from '@joinery/protocol';
import { init, type Replica } from 'joinery/core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Accept } from './documents/acceptance.ts';
import { userOfToken } from './options.ts';
import { MemoryStorage } from './storage/memory.ts';
import { TestWorld } from './testing/test-server.ts';
import { rejection, VirtualWorld } from './testing/virtual-world.ts';

beforeAll(() => init());

let world: VirtualWorld;
let storage: MemoryStorage;
beforeEach(() => {
  world = new VirtualWorld(1);
  storage = new MemoryStorage({ epoch: 1_000 });
});

const add = (count: number) => (replica: Replica) => replica.counter('c').increment(count);
const links = (client: ReturnType<VirtualWorld['client']>): number => client.seen('open-link').length;
/** Codes that no message can carry, or that mean something else there. */
const badCodes: readonly unknown[] = ['', 'x'.repeat(300), 'é'.repeat(200), undefined, 7, 'gap'];

function hostile(): unknown[] {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const throwing = Object.defineProperty(new Error('x'), 'message', {
    get: () => {
      throw new Error('no message');
    },
  });
  return [undefined, null, 'no', 42, Symbol('no'), Object.create(null), throwing, proxy];
}

describe('an accept hook', () => {
  it('that throws what is no error is asked again, and holds up nothing', async () => {
    const thrown = hostile();
    const count = thrown.length;
    const accept: Accept = () => {
      if (thrown.length > 0) throw thrown.shift();
    };
    const client = world.client(world.node(storage, { accept })).connect();
    client.write(add(1));
    // Each is answered at once: nobody waits until an answer is given up.
    await world.run(25_000);
    for (let left = thrown.length; left > 0; left -= 1) await world.run(30_000);
    expect([client.pending, client.rejected.length, links(client)]).toEqual([0, 0, 1]);
    expect(world.reported).toHaveLength(count);
  });

  it('that refuses with a code that can’t be sent refuses all the same', async () => {
    const codes = [...badCodes];
    const accept: Accept = () => {
      if (codes.length > 0) throw new JoineryError(codes.shift() as string, 'No.');
    };
    const client = world.client(world.node(storage, { accept })).connect();
    for (let count = 0; count < badCodes.length; count += 1) {
      client.write(add(1));
      await world.run(5_000);
    }
    client.write(add(100));
    await world.run(5_000);
    expect([client.pending, client.rejected.length, links(client)]).toEqual([0, badCodes.length, 1]);
    expect(client.replica.toJSON()).toEqual({ c: 100 });
    expect(client.seen('refused').map(({ error }) => error.code)).toEqual(badCodes.map(() => 'validation'));
  });
});

describe('an acceptDeletion hook', () => {
  it('that refuses with a code that can’t be sent, or means something else, refuses all the same', async () => {
    const codes = [...badCodes];
    const acceptDeletion = () => {
      throw new JoineryError(codes.shift() as string, 'No.');
    };
    const client = world.client(world.node(storage, { acceptDeletion })).connect();
    client.write(add(1));
    await world.run(1_000);
    for (let asked = 0; asked < badCodes.length; asked += 1) {
      client.run(client.session.handleDeleteDocument('notes', world.now));
      await world.run(1_000);
    }
    expect(client.seen('deletion-refused').map(({ error }) => error.code)).toEqual(badCodes.map(() => 'validation'));
    expect([client.seen('document-deleted').length, links(client)]).toEqual([0, 1]);
  });

  it('that throws what is no error is asked again, and holds up nothing', async () => {
    const thrown = hostile();
    const acceptDeletion = () => {
      if (thrown.length > 0) throw thrown.shift();
    };
    const client = world.client(world.node(storage, { acceptDeletion })).connect();
    client.write(add(1));
    await world.run(1_000);
    client.run(client.session.handleDeleteDocument('notes', world.now));
    await world.run(300_000);
    expect([client.seen('deletion-refused').length, client.seen('document-deleted').length]).toEqual([0, 1]);
    expect([thrown.length, links(client)]).toEqual([0, 1]);
  });
});

describe('an authenticate hook', () => {
  it('that names no user is no leave to come in', async () => {
    for (const user of ['x'.repeat(257), undefined, null, 7]) {
      const authenticate = async () => ({ user: user as string });
      expect(await rejection(userOfToken(authenticate, 'token'))).toBe('unauthorised');
    }
    expect(await userOfToken(async () => ({ user: 'x'.repeat(256) }), 'token')).toEqual({ user: 'x'.repeat(256) });
    const world = new VirtualWorld(2);
    const client = world.client(world.node(storage), { user: 'x'.repeat(300) }).connect();
    await world.run(5_000);
    expect(client.seen('need-token').at(-1)?.refused?.code).toBe('unauthorised');
  });
});

describe('a report hook', () => {
  it('that throws is on its own', async () => {
    const server = new TestWorld();
    let refusals = 0;
    await server.start({
      report: () => {
        throw new Error('the logger is down');
      },
      accept: () => {
        refusals += 1;
        if (refusals === 1) throw new Error('not today');
      },
    });
    const client = server.client();
    client.write((replica) => add(1)(replica));
    await client.synced();
    expect(refusals).toBe(2);
    await server.end();
  });
});
