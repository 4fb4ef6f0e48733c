// Two versions of an app on one device: the older one is told, loses nothing, and changes nothing that the newer one has.

import { JoineryError } from '@joinery/protocol';
import { expect, test, vi } from 'vitest';
import { MemoryStorage } from './storage/memory.ts';
import type { DocumentStore, Storage } from './storage/storage.ts';
import { tabFormat } from './tabs/tab-message.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';

test('a tab whose storage a newer version takes over says so, keeps what it could not store, and syncs it', async () => {
  const world = await World.create();
  const inner = new MemoryStorage();
  const tooNew = new JoineryError('storage-too-new', 'A newer version of this app has upgraded it.');
  let isUpgraded = false;
  const storage: Storage = {
    mode: 'memory',
    open: async (namespace, events) => {
      if (isUpgraded) throw tooNew;
      const store = await inner.open(namespace);
      const append: typeof store.append = async (writes) => {
        if (!isUpgraded) return await store.append(writes);
        events?.lost?.(tooNew);
        throw tooNew;
      };
      return new Proxy(store, {
        get: (_, name: keyof DocumentStore) => {
          const member = store[name];
          if (name === 'append') return append;
          return typeof member === 'function' ? member.bind(store) : member;
        },
      });
    },
  };
  const client = world.client(undefined, { storage });
  const events: string[] = [];
  client.subscribeEvents((event) => events.push('error' in event ? `${event.type}: ${event.error.code}` : event.type));
  const text = client.text('notes');
  await world.time.until(() => client.status.connection.state === 'online' && text.isLoaded);
  isUpgraded = true;
  const receipt = text.insert(0, 'not stored');
  await world.time.until(() => client.status.storage.state === 'failed');
  expect(client.status.storage).toMatchObject({ mode: 'memory', lastError: { code: 'storage-too-new' } });
  expect(events).toContain('storage-outdated: storage-too-new');
  expect(text.value).toBe('not stored');
  // The server has it: nothing was lost.
  await world.time.until(() => receipt.state === 'synced', 60_000);
});

test.each([
  [1, true],
  [-1, false],
])('a tab of another version (%i) is not heard, and told of once', async (difference, isNewer) => {
  const world = await World.create();
  const device = new VirtualDevice(world.time);
  const [mine, theirs] = [device.tab(), device.tab()];
  const joined = vi.spyOn(mine.tabs, 'channel');
  const client = world.client(new MemoryStorage({ shared: true }), {}, mine);
  const events: unknown[] = [];
  client.subscribeEvents((event) => events.push(event));
  await world.time.until(() => joined.mock.calls.length > 0);
  const [[name = ''] = []] = joined.mock.calls;
  const channel = theirs.tabs.channel(name, () => {});
  for (let times = 0; times < 3; times += 1) {
    channel.post({ joinery: tabFormat + difference, tab: 'other', term: 9, type: 'wiped' });
    channel.post({ joinery: 'nonsense', type: 'wiped' });
  }
  await world.time.advance(100);
  expect(events).toEqual([{ type: 'foreign-tab', isNewer }]);
});
