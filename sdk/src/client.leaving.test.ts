// What a client does so that nothing is left behind when its page goes: it has the browser ask, and has the service worker woken. On
// virtual time, with a page that takes down what it is asked for.

import { describe, expect, test } from 'vitest';
import type { PageEnvironment } from './environment.ts';
import { MemoryStorage } from './storage/memory.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { World } from './testing/world.ts';

class Page implements PageEnvironment {
  /** Listeners for leaving that are there now. */
  held = 0;
  readonly asked: string[] = [];
  #hidden: (() => void)[] = [];

  subscribeHidden(listener: () => void): () => void {
    this.#hidden.push(listener);
    return () => {
      this.#hidden = this.#hidden.filter((other) => other !== listener);
    };
  }

  holdUnload(): () => void {
    this.held += 1;
    return () => {
      this.held -= 1;
    };
  }

  requestSync(tag: string): void {
    this.asked.push(tag);
  }

  hide(): void {
    for (const listener of this.#hidden) listener();
  }
}

async function setUp() {
  const world = await World.create();
  const page = new Page();
  const storage = new ControlledStorage(new MemoryStorage());
  const client = world.client(storage, {}, { ...world.clock(0), page });
  const text = client.text('notes');
  await world.time.settled(text.loaded);
  await world.untilSynced();
  return { world, page, storage, client, text };
}

describe('leaving a page', () => {
  test('is asked about while something is not durable, and not a moment longer', async () => {
    const { world, page, storage, client, text } = await setUp();
    text.insert(0, 'unheld');
    expect(page.held).toBe(0);
    await world.untilSynced();
    const release = client.preventUnload();
    await Promise.resolve();
    expect(page.held).toBe(0);
    storage.hold();
    const receipt = text.insert(0, 'a');
    await Promise.resolve();
    expect(page.held).toBe(1);
    await world.time.advance(100);
    expect(page.held).toBe(1);
    storage.release();
    await world.time.settled(receipt.durable);
    await world.time.advance(1);
    expect(page.held).toBe(0);
    // Where storage fails it is sent from memory, and not durable before that has come through.
    storage.failure = new Error('no');
    client.disconnect();
    text.insert(0, 'b');
    await world.time.advance(5_000);
    expect([page.held, client.status.storage.state]).toEqual([1, 'failed']);
    release();
    expect(page.held).toBe(0);
    storage.failure = undefined;
    release();
  });

  test('is asked about until all is synced, where that is wanted', async () => {
    const { world, page, client, text } = await setUp();
    const [durable, synced] = [client.preventUnload(), client.preventUnload({ until: 'synced' })];
    client.disconnect();
    await world.time.settled(text.insert(0, 'a').durable);
    await world.time.advance(100);
    expect(page.held).toBe(1);
    durable();
    expect(page.held).toBe(1);
    client.connect();
    await world.untilSynced();
    await world.time.advance(1);
    expect(page.held).toBe(0);
    client.disconnect();
    await world.time.settled(text.insert(0, 'b').durable);
    expect(page.held).toBe(1);
    synced();
    expect(page.held).toBe(0);
    client.preventUnload({ until: 'synced' });
    expect(page.held).toBe(1);
    await world.time.settled(client.close());
    expect(page.held).toBe(0);
    const until = 'never' as 'synced';
    expect(() => client.preventUnload({ until })).toThrow(expect.objectContaining({ code: 'closed' }));
  });

  test('refuses what is no state of a write', async () => {
    const { client } = await setUp();
    expect(() => client.preventUnload({ until: 'never' as 'synced' })).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    );
  });
});

describe('the service worker', () => {
  test('is to be woken once where something is left and there is no way to the server', async () => {
    const { world, page, client, text } = await setUp();
    text.insert(0, 'a');
    await world.untilSynced();
    expect(page.asked).toEqual([]);
    world.server.crash();
    await world.time.advance(10_000);
    expect(page.asked).toEqual([]);
    await world.time.settled(text.insert(0, 'b').durable);
    await world.time.advance(1_000);
    expect(page.asked).toEqual([]);
    await world.time.advance(10_000);
    expect(page.asked).toEqual(['joinery-sync']);
    world.server.start();
    await world.untilSynced();
    world.server.crash();
    await world.time.until(() => client.status.connection.state !== 'online');
    await world.time.settled(text.insert(0, 'c').durable);
    page.hide();
    page.hide();
    expect(page.asked).toHaveLength(2);
    world.server.start();
    await world.untilSynced();
    // Who has switched it off wants nothing to be sent.
    client.disconnect();
    await world.time.settled(text.insert(0, 'd').durable);
    page.hide();
    await world.time.advance(10_000);
    expect(page.asked).toHaveLength(2);
  });
});
