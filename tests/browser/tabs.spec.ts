// Five tabs of one origin in real browsers: Web Locks, BroadcastChannel, IndexedDB and workers as they are. Who leads is read
// from the browser's own list of locks. Times are printed; what is asserted is that things happen, within wide bounds.

import { type BrowserContext, expect, type Page } from '@playwright/test';
import { edit, openShared, readContent, syncUrl, test, waitUntilSynced } from './shared-page.ts';

const tabs_count = 5;
const kills = 50;

interface Tab {
  page: Page;
  readonly name: string;
}

/** The client with this lock leads; each worker also holds one that tells which tab it is of. */
const leaderLock = / leader$/;

class Tabs {
  readonly all: Tab[] = [];
  readonly #context: BrowserContext;
  readonly #pageUrl: string;
  readonly #url: string;
  readonly #connect: boolean;

  constructor(context: BrowserContext, pageUrl: string, options: { url: string; connect: boolean }) {
    this.#context = context;
    this.#pageUrl = pageUrl;
    this.#url = options.url;
    this.#connect = options.connect;
  }

  async open(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const tab = { page: await this.#context.newPage(), name: `tab${index}` };
      this.all.push(tab);
      await this.load(tab);
    }
  }

  async load({ page }: Tab): Promise<void> {
    await openShared(page, this.#pageUrl, { url: this.#url, name: 'tabs', prefix: 'tabs', connect: this.#connect });
  }

  /** Marks a tab's present worker, so that `leader` finds it. */
  async mark(tab: Tab): Promise<void> {
    await expect.poll(() => tab.page.workers().length).toBe(1);
    await tab.page.workers()[0]?.evaluate(
      (name) =>
        new Promise<void>((resolve) => {
          navigator.locks.request(`marks ${name} ${Math.random()}`, () => {
            resolve();
            return new Promise(() => {});
          });
        }),
      tab.name,
    );
  }

  /** The tab that leads; undefined while nobody does. */
  async leader(seen: Tab = this.all[0] as Tab): Promise<Tab | undefined> {
    const held = await seen.page.evaluate(async () => (await navigator.locks.query()).held ?? []);
    const client = held.find(({ name }) => leaderLock.test(name ?? ''))?.clientId;
    const mark = held.find(({ name, clientId }) => name?.startsWith('marks ') && clientId === client)?.name;
    return this.all.find(({ name }) => name === mark?.split(' ')[1]);
  }
}

const inAllEngines = { tag: '@engines' };

test('what one tab writes offline shows in the four others', inAllEngines, async ({ context, pageUrl }) => {
  // Nobody listens there: everything stays on this device.
  const tabs = new Tabs(context, pageUrl, { url: 'ws://localhost:9/sync', connect: false });
  await tabs.open(tabs_count);
  const edits = 40;
  const pages = tabs.all.map(({ page }) => page);
  // The first write of a browser's life waits for a new log in storage: that is not what is measured.
  await edit(pages[0] as Page, 'first', 1);
  await expect.poll(async () => (await readContent(pages.at(-1) as Page)).items.length).toBe(1);
  await Promise.all(pages.map((page) => page.evaluate(recordArrivals)));
  await Promise.all(tabs.all.map(({ page, name }) => page.evaluate(writeSpaced, [name, edits] as const)));
  for (const page of pages) {
    await expect.poll(async () => (await readContent(page)).items.length).toBe(edits * tabs_count + 1);
  }
  const contents = await Promise.all(pages.map(readContent));
  for (const content of contents) expect(content).toEqual(contents[0]);

  const all = await Promise.all(
    pages.map((page) => page.evaluate(() => (window as unknown as { arrivals: Arrivals }).arrivals)),
  );
  const written = new Map(all.flatMap(({ written }) => written));
  const delays_ms = all.flatMap(({ arrived }) =>
    arrived.flatMap(([id, at]) => {
      const from = written.get(id);
      return from === undefined ? [] : [at - from];
    }),
  );
  expect(delays_ms).toHaveLength(edits * tabs_count * (tabs_count - 1));
  print('from an edit in one tab to its showing in another', delays_ms);
});

test('a reload storm loses nothing and ends with one leader', inAllEngines, async ({ context, pageUrl, server }) => {
  const tabs = new Tabs(context, pageUrl, { url: syncUrl(server), connect: true });
  await tabs.open(tabs_count);
  const expected: string[] = [];
  for (let round = 0; round < 6; round += 1) {
    await Promise.all(
      tabs.all.map(async (tab, index) => {
        const author = `${tab.name}-round${round}`;
        await edit(tab.page, author, 2);
        expected.push(`${author}-0`, `${author}-1`);
        // Not all of them wait for what they wrote to be told.
        if ((round + index) % 2 === 0) await tab.page.reload();
        await tabs.load(tab);
      }),
    );
  }
  for (const { page } of tabs.all) {
    await expect.poll(async () => [...(await readContent(page)).items].sort()).toEqual([...expected].sort());
    await waitUntilSynced(page);
  }
  const contents = await Promise.all(tabs.all.map(({ page }) => readContent(page)));
  for (const content of contents) expect(content).toEqual(contents[0]);
  const locks = await tabs.all[0]?.page.evaluate(() => navigator.locks.query());
  expect(locks?.held?.filter(({ name }) => leaderLock.test(name ?? ''))).toHaveLength(1);
  expect(locks?.pending?.filter(({ name }) => leaderLock.test(name ?? ''))).toHaveLength(tabs_count - 1);
});

test(
  'each time the tab that leads is closed another one goes on, and the last one too',
  inAllEngines,
  async ({ context, pageUrl, server }) => {
    const tabs = new Tabs(context, pageUrl, { url: syncUrl(server), connect: true });
    // Whoever came first leads, and the next after it.
    await tabs.open(tabs_count);
    for (let closed = 0; closed < tabs_count - 1; closed += 1) {
      const [leader, next, last] = [tabs.all[closed], tabs.all[closed + 1], tabs.all.at(-1)] as [Tab, Tab, Tab];
      await edit(leader.page, leader.name, 1);
      await next.page.evaluate(watchLeader);
      await leader.page.close();
      await next.page.evaluate(() => (window as unknown as { led: Promise<number> }).led);
      await edit(last.page, `${last.name}-${closed}`, 1);
      await waitUntilSynced(last.page);
    }
    const { page } = tabs.all.at(-1) as Tab;
    const authors = tabs.all
      .slice(0, -1)
      .flatMap(({ name }, closed) => [`${name}-0`, `tab${tabs_count - 1}-${closed}-0`]);
    expect([...(await readContent(page)).items].sort()).toEqual(authors.sort());
    // What the leaders wrote and had not synced, the next ones brought to the server.
    const late = await context.newPage();
    await openShared(late, pageUrl, { url: syncUrl(server), name: 'late', prefix: 'tabs', connect: true });
    await expect.poll(async () => [...(await readContent(late)).items].sort()).toEqual(authors);
  },
);

test(`a leader killed ${kills} times is replaced each time`, async ({ context, pageUrl, server }) => {
  test.setTimeout(300_000);
  const tabs = new Tabs(context, pageUrl, { url: syncUrl(server), connect: true });
  await tabs.open(3);
  for (const tab of tabs.all) await tabs.mark(tab);
  const leads_ms: number[] = [];
  const synced_ms: number[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    await expect.poll(async () => (await tabs.leader()) !== undefined).toBe(true);
    const leader = (await tabs.leader()) as Tab;
    const other = tabs.all.find((tab) => tab !== leader) as Tab;
    // It looks from when it was told to, in its own time, until it sees another holder.
    await other.page.evaluate(watchLeader);
    const killedAt = await clock(other.page);
    if (kill % 5 === 0) await leader.page.close({ runBeforeUnload: false });
    else await leader.page.workers()[0]?.evaluate(() => self.close());
    const ledAt = await other.page.evaluate(() => (window as unknown as { led: Promise<number> }).led);
    leads_ms.push(ledAt - killedAt);
    const syncedAt = await other.page.evaluate(async () => {
      await window.shared.counter.increment().synced;
      return performance.timeOrigin + performance.now();
    });
    synced_ms.push(syncedAt - killedAt);
    if (kill % 5 === 0) {
      leader.page = await context.newPage();
      await tabs.load(leader);
    }
    await tabs.mark(leader);
  }
  print('from the kill of a leader to the next one', leads_ms);
  print('from the kill of a leader to a write of another tab synced', synced_ms);
  expect(Math.max(...leads_ms)).toBeLessThan(1_000);
  for (const { page } of tabs.all) {
    await expect.poll(async () => (await readContent(page)).counter).toBe(kills);
    await waitUntilSynced(page);
  }
});

test('a frozen leader is replaced, and harmless when it thaws', async ({ context, pageUrl, server }) => {
  test.setTimeout(120_000);
  const tabs = new Tabs(context, pageUrl, { url: syncUrl(server), connect: true });
  await tabs.open(3);
  for (const tab of tabs.all) await tabs.mark(tab);
  await expect.poll(async () => (await tabs.leader()) !== undefined).toBe(true);
  const frozen = (await tabs.leader()) as Tab;
  const [first, second] = tabs.all.filter((tab) => tab !== frozen) as [Tab, Tab];
  await first.page.evaluate(watchLeader);
  const frozenAt = await clock(first.page);
  // Nothing runs in its worker meanwhile, and its locks, sockets and channels stay. (With `Page.setWebLifecycleState` the
  // worker of the frozen page went on leading.)
  const thawed = frozen.page.workers()[0]?.evaluate(() => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
  });
  const ledAt = await first.page.evaluate(() => (window as unknown as { led: Promise<number> }).led);
  print('from the freezing of a leader to the next one', [ledAt - frozenAt]);
  expect(ledAt - frozenAt).toBeLessThan(5_000);
  await Promise.all([edit(first.page, 'first', 3), edit(second.page, 'second', 3)]);
  await waitUntilSynced(first.page);
  await thawed;
  await expect.poll(async () => (await readContent(frozen.page)).items.length).toBe(6);
  await edit(frozen.page, 'thawed', 3);
  for (const { page } of tabs.all) {
    await expect.poll(async () => (await readContent(page)).items.length).toBe(9);
    await waitUntilSynced(page);
  }
  const contents = await Promise.all(tabs.all.map(({ page }) => readContent(page)));
  for (const content of contents) expect(content).toEqual(contents[0]);
  expect(await tabs.leader(first)).not.toBe(frozen);
});

/** In ms since 1970, exactly, by this page. */
function clock(page: Page): Promise<number> {
  return page.evaluate(() => performance.timeOrigin + performance.now());
}

/** Runs in the page: leaves a promise of the time at which another one than now leads. */
function watchLeader(): void {
  const holder = async (): Promise<string | undefined> => {
    const { held } = await navigator.locks.query();
    return held?.find(({ name }) => name?.endsWith(' leader'))?.clientId;
  };
  const watch = async (): Promise<number> => {
    const before = await holder();
    for (;;) {
      const now = await holder();
      if (now !== undefined && now !== before) return performance.timeOrigin + performance.now();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  Object.assign(window, { led: watch() });
}

interface Arrivals {
  readonly written: [id: string, at: number][];
  readonly arrived: [id: string, at: number][];
}

/** Runs in the page: notes when each item of the list is seen for the first time. */
function recordArrivals(): void {
  const arrivals: Arrivals = { written: [], arrived: [] };
  Object.assign(window, { arrivals });
  const seen = new Set<string>();
  const { list } = window.shared;
  list.subscribe(() => {
    const at = performance.timeOrigin + performance.now();
    for (const { id } of list.value?.items ?? []) {
      if (seen.has(id)) continue;
      seen.add(id);
      if (!arrivals.written.some(([own]) => own === id)) arrivals.arrived.push([id, at]);
    }
  });
}

/** Runs in the page: writes items with pauses, and notes when. */
async function writeSpaced([name, count]: readonly [string, number]): Promise<void> {
  const { arrivals } = window as unknown as { arrivals: Arrivals };
  const { list } = window.shared;
  for (let index = 0; index < count; index += 1) {
    const id = `${name}-${index}`;
    arrivals.written.push([id, performance.timeOrigin + performance.now()]);
    list.update((draft) => {
      draft.items ??= [];
      draft.items.push({ id });
    });
    await new Promise((resolve) => setTimeout(resolve, 100 + ((index * 37) % 50)));
  }
}

function print(what: string, values_ms: readonly number[]): void {
  const sorted = [...values_ms].sort((a, b) => a - b);
  const at = (part: number): string => (sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN).toFixed(1);
  const text = `${what}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(1)} ms (${sorted.length})`;
  test.info().annotations.push({ type: 'measure', description: text });
  console.log(text);
}
