// How tabs take turns at the files of the origin private file system: on virtual time, with stand-ins for the browser's handles that
// only one can have. What the real ones do is in tests/browser.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { VirtualDevice, type VirtualTab } from '../testing/virtual-device.ts';
import { VirtualEnvironment } from '../testing/virtual-environment.ts';
import type { LogFolder } from './log-file.ts';
import { openFolder } from './opfs.ts';

const namespace = { server: 'wss://example.org', user: 'ada', name: 'default' };

/** A file of which one handle can be had at a time. */
class FakeFile {
  isOpen = false;
  handles = 0;
  /** What opening fails with, so many times. */
  failures: string[] = [];

  async createSyncAccessHandle() {
    const failure = this.failures.shift() ?? (this.isOpen ? 'NoModificationAllowedError' : undefined);
    if (failure !== undefined) throw Object.assign(new Error('No handle.'), { name: failure });
    this.isOpen = true;
    this.handles += 1;
    const close = (): void => {
      this.isOpen = false;
    };
    return { close, getSize: () => 0 };
  }
}

class FakeFolder {
  readonly children = new Map<string, FakeFolder | FakeFile>();

  async getDirectoryHandle(name: string): Promise<FakeFolder> {
    return this.#child(name, () => new FakeFolder());
  }

  async getFileHandle(name: string): Promise<FakeFile> {
    return this.#child(name, () => new FakeFile());
  }

  #child<Child extends FakeFolder | FakeFile>(name: string, make: () => Child): Child {
    const child = (this.children.get(name) as Child | undefined) ?? make();
    this.children.set(name, child);
    return child;
  }
}

describe('tabs that take turns at files', () => {
  let root: FakeFolder;
  let time: VirtualEnvironment;
  let device: VirtualDevice;
  beforeEach(() => {
    root = new FakeFolder();
    time = new VirtualEnvironment(1);
    device = new VirtualDevice(time);
    vi.stubGlobal('navigator', { storage: { getDirectory: async () => root } });
  });
  afterEach(() => vi.unstubAllGlobals());

  /** Hashing a name takes time of its own, which isn't virtual. */
  async function opened(tab: VirtualTab): Promise<LogFolder> {
    const opening = openFolder(tab, namespace);
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    opening.then(done, done);
    for (let turn = 0; turn < 1_000 && !isDone; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      await time.advance(1);
    }
    expect(isDone).toBe(true);
    return await opening;
  }

  function files(): FakeFile[] {
    const all = root.children.get('joinery') as FakeFolder;
    return [...all.children.values()].flatMap((own) => [...(own as FakeFolder).children.values()] as FakeFile[]);
  }

  test('who has had nothing to do for a while gives them back, and a hash is their folder’s name', async () => {
    const folder = await opened(device.tab());
    expect(files().map(({ isOpen }) => isOpen)).toEqual([true, true]);
    await time.advance(250);
    expect(files().map(({ isOpen }) => isOpen)).toEqual([false, false]);
    expect(device.locks).toEqual([]);
    expect([...(root.children.get('joinery') as FakeFolder).children.keys()]).toEqual([
      expect.stringMatching(/^[0-9a-f]{64}$/),
    ]);
    await folder.close();
  });

  test('who is busy gives them back when another asks', async () => {
    const tabs = [device.tab(), device.tab()] as const;
    const [mine, theirs] = [await opened(tabs[0]), await opened(tabs[1])];
    let [count, got] = [0, -1];
    const busy = (): void => {
      count += 1;
      if (count < 500) mine.exclusive(() => {}).then(() => time.timer(busy, 20));
    };
    busy();
    await time.advance(100);
    theirs.exclusive(() => {
      got = count;
    });
    await time.until(() => got >= 0, 1_000);
    // And goes on afterwards.
    const before = count;
    await time.advance(1_000);
    expect(count - before).toBeGreaterThan(20);
  });

  test('who can’t get them from a frozen tab is told so in time, and gets them when it thaws', async () => {
    const tabs = [device.tab(), device.tab()] as const;
    const [mine, theirs] = [await opened(tabs[0]), await opened(tabs[1])];
    await time.settled(mine.exclusive(() => {}));
    tabs[0].freeze();
    await expect(time.settled(theirs.exclusive(() => {}))).rejects.toMatchObject({ code: 'storage-locked' });
    // Closing does not wait for ever either.
    const late = await time.settled(theirs.exclusive(() => {})).catch(({ code }) => code);
    expect(late).toBe('storage-locked');
    tabs[0].thaw();
    expect(await time.settled(theirs.exclusive(() => 'got'))).toBe('got');
    await time.settled(theirs.close());
    await expect(theirs.exclusive(() => {})).rejects.toMatchObject({ code: 'closed' });
  });

  test('a crash leaves them to the next, and handles that it still has are waited for', async () => {
    const tabs = [device.tab(), device.tab()] as const;
    const [mine, theirs] = [await opened(tabs[0]), await opened(tabs[1])];
    await time.settled(mine.exclusive(() => {}));
    tabs[0].crash();
    time.timer(() => {
      for (const file of files()) file.isOpen = false;
    }, 300);
    expect(await time.settled(theirs.exclusive(() => 'got'))).toBe('got');
  });

  test('handles that have died are got anew, and so are files of a folder that was removed', async () => {
    const folder = await opened(device.tab());
    const died = time.settled(
      folder.exclusive(() => {
        throw Object.assign(new Error('Gone.'), { name: 'InvalidStateError' });
      }),
    );
    await expect(died).rejects.toThrow('Gone.');
    expect(files().map(({ isOpen }) => isOpen)).toEqual([false, false]);
    const [first] = files();
    first?.failures.push('NotFoundError');
    await expect(time.settled(folder.exclusive(() => {}))).rejects.toMatchObject({ code: 'storage-failed' });
    root.children.clear();
    expect(await time.settled(folder.exclusive(() => 'anew'))).toBe('anew');
    expect([files().length, files()[0] === first, device.locks.length]).toEqual([2, false, 1]);
  });

  test('where there are none it is said at once', async () => {
    vi.stubGlobal('navigator', {});
    await expect(opened(device.tab())).rejects.toMatchObject({ code: 'storage-unavailable' });
    const denied = Object.assign(new Error('Denied.'), { name: 'SecurityError' });
    vi.stubGlobal('navigator', { storage: { getDirectory: () => Promise.reject(denied) } });
    await expect(opened(device.tab())).rejects.toMatchObject({ code: 'storage-unavailable' });
    expect(device.locks).toEqual([]);
  });
});
