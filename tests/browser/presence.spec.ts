// Presence in real browsers, through the real server: two browsers (contexts of their own), tabs of one that share a connection,
// and what is left of a tab that is navigated away or crashes. Times are printed; what is asserted has wide bounds.

import { expect, type Page } from '@playwright/test';
import { engine } from './engine.ts';
import { openShared, syncUrl, test } from './shared-page.ts';

interface Shown {
  name: string;
  at?: number;
}

interface Watched {
  readonly presence: import('joinery').Presence<Shown & Record<string, unknown>>;
  /** When each state was seen first, by name and number. */
  readonly seen: Map<string, number>;
}

const moves = 30;
/** Well below the 5 s after which others give up who was heard by a connection that has ended. */
const goneWithin_ms = 3_000;
/** Of the tab that leads the next leader tells. WebKitGTK puts a page aside with its locks: they are stolen after 3 s of silence. */
const leaderGoneWithin_ms = engine === 'webkit' ? 8_000 : goneWithin_ms;
let measurements = 0;

type PresenceWindow = Window & { people: Watched };

/** Opens the page's presence, and shows the name where there is one. */
async function join(page: Page, pageUrl: string, url: string, name: string | undefined, connect = true): Promise<void> {
  await openShared(page, pageUrl, { url, name: 'presence', prefix: 'presence', connect });
  await page.evaluate((shown) => {
    const presence = window.shared.client.presence<Shown & Record<string, unknown>>('presence-text');
    const seen = new Map<string, number>();
    presence.subscribe(() => {
      for (const { state } of presence.peers) {
        const key = `${state.name} ${state.at}`;
        if (!seen.has(key)) seen.set(key, performance.timeOrigin + performance.now());
      }
    });
    (window as unknown as PresenceWindow).people = { presence, seen };
    if (shown !== undefined) presence.set({ name: shown });
  }, name);
}

function names(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    (window as unknown as PresenceWindow).people.presence.peers.map(({ state }) => state.name).sort(),
  );
}

/** Shows numbers from `first`, one every 60 ms, and gives when each was set. */
function move(page: Page, first: number): Promise<number[]> {
  return page.evaluate(
    async ([start, steps]) => {
      const { presence } = (window as unknown as PresenceWindow).people;
      const times: number[] = [];
      for (let step = 0; step < steps; step += 1) {
        times.push(performance.timeOrigin + performance.now());
        presence.update({ at: start + step });
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      return times;
    },
    [first, moves] as const,
  );
}

function seenAt(page: Page, name: string, first: number): Promise<(number | undefined)[]> {
  return page.evaluate(
    ([who, start, steps]) => {
      const { seen } = (window as unknown as PresenceWindow).people;
      return Array.from({ length: steps }, (_, step) => seen.get(`${who} ${start + step}`));
    },
    [name, first, moves] as const,
  );
}

function print(what: string, times_ms: readonly number[]): void {
  const sorted = [...times_ms].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
  console.log(`${what}: median ${at(0.5)} ms, longest ${at(1)} ms, of ${sorted.length}`);
}

async function measured(what: string, from: Page, to: Page, name: string): Promise<void> {
  // Numbers that nobody has shown yet.
  measurements += 1;
  const first = measurements * moves;
  const set = await move(from, first);
  await expect.poll(async () => (await seenAt(to, name, first)).at(-1)).toBeDefined();
  const seen = await seenAt(to, name, first);
  const delays_ms = seen.flatMap((at, index) => (at === undefined ? [] : [at - (set[index] as number)]));
  // One that came too soon after another one may have been left out; the last one never.
  expect(delays_ms.length).toBeGreaterThan(moves / 2);
  print(what, delays_ms);
}

const inAllEngines = { tag: '@engines' };

test(
  'two browsers and two tabs of one see each other, and who goes is gone',
  inAllEngines,
  async ({ browser, pageUrl, server }) => {
    const [left, right] = [await browser.newContext(), await browser.newContext()];
    const [ada, eve] = [await left.newPage(), await left.newPage()];
    const bob = await right.newPage();
    await join(ada, pageUrl, syncUrl(server), 'Ada');
    await join(eve, pageUrl, syncUrl(server), 'Eve');
    await join(bob, pageUrl, syncUrl(server), 'Bob');
    await expect.poll(() => names(ada)).toEqual(['Bob', 'Eve']);
    await expect.poll(() => names(eve)).toEqual(['Ada', 'Bob']);
    await expect.poll(() => names(bob)).toEqual(['Ada', 'Eve']);
    await measured('from one browser to another', ada, bob, 'Ada');
    await measured('from the other to a tab that follows', bob, eve, 'Bob');
    await measured('from tab to tab', eve, ada, 'Eve');

    // A tab that follows is navigated away: the leader passes it on.
    const kim = await left.newPage();
    await join(kim, pageUrl, syncUrl(server), 'Kim');
    await expect.poll(() => names(bob)).toEqual(['Ada', 'Eve', 'Kim']);
    let from = Date.now();
    await kim.goto('about:blank');
    await expect.poll(() => names(bob), { intervals: [20], timeout: goneWithin_ms }).toEqual(['Ada', 'Eve']);
    print('from leaving a page (one that followed) to being gone elsewhere', [Date.now() - from]);

    // The tab that leads (Ada's was first) is navigated away: a new leader tells of the other one.
    from = Date.now();
    await ada.goto('about:blank');
    await expect.poll(() => names(eve), { timeout: goneWithin_ms }).toEqual(['Bob']);
    await expect.poll(() => names(bob), { intervals: [20], timeout: leaderGoneWithin_ms }).toEqual(['Eve']);
    print('from leaving a page (the one that led) to being gone elsewhere', [Date.now() - from]);
    await measured('from one browser to another, by the next leader', eve, bob, 'Eve');

    // A page that crashes says nothing: the end of its connection does. Only Chromium has an address that does that; elsewhere it is closed.
    from = Date.now();
    if (engine === 'chromium') await eve.goto('chrome://crash').catch(() => {});
    else await eve.close();
    await expect.poll(() => names(bob), { intervals: [50], timeout: 10_000 }).toEqual([]);
    print('from the end of a page to being gone elsewhere', [Date.now() - from]);
    await Promise.all([left.close(), right.close()]);
  },
);

test(
  'tabs of one browser see each other offline, and nothing is stored',
  inAllEngines,
  async ({ context, pageUrl }) => {
    const url = 'ws://localhost:9/sync';
    const [ada, eve] = [await context.newPage(), await context.newPage()];
    await join(ada, pageUrl, url, 'Ada-the-secret', false);
    await join(eve, pageUrl, url, 'Eve-the-secret', false);
    await expect.poll(() => names(ada)).toEqual(['Eve-the-secret']);
    await expect.poll(() => names(eve)).toEqual(['Ada-the-secret']);
    await measured('from tab to tab, offline', ada, eve, 'Ada-the-secret');
    await ada.evaluate(() => window.shared.text.insert(0, 'stored').durable);
    const stored = await ada.evaluate(readEverything);
    expect(stored).toContain('stored');
    expect(stored).not.toContain('the-secret');
    // Also one that only follows says so when it goes.
    await eve.goto('about:blank');
    await expect.poll(() => names(ada), { timeout: goneWithin_ms }).toEqual([]);
  },
);

// Only Chromium lets a test into a worker.
test('a worker that is killed is replaced, and nobody vanishes', async ({ browser, pageUrl, server }) => {
  const contexts = [await browser.newContext(), await browser.newContext()] as const;
  const [ada, bob] = [await contexts[0].newPage(), await contexts[1].newPage()];
  await join(ada, pageUrl, syncUrl(server), 'Ada');
  await join(bob, pageUrl, syncUrl(server), 'Bob');
  await expect.poll(() => names(bob)).toEqual(['Ada']);
  await bob.evaluate(() => {
    const { people } = window as unknown as PresenceWindow & { vanished: number };
    Object.assign(window, { vanished: 0 });
    people.presence.subscribe(() => {
      if (people.presence.peers.length === 0) (window as unknown as { vanished: number }).vanished += 1;
    });
  });
  await expect.poll(() => ada.workers().length).toBe(1);
  await ada.workers()[0]?.evaluate(() => self.close());
  await measured('from one browser to another, by another worker', ada, bob, 'Ada');
  expect(await names(ada)).toEqual(['Bob']);
  expect(await bob.evaluate(() => (window as unknown as { vanished: number }).vanished)).toBe(0);
  await Promise.all(contexts.map((context) => context.close()));
});

/** All that IndexedDB has for this page, as text. */
async function readEverything(): Promise<string> {
  const parts: string[] = [];
  const decode = (value: unknown): unknown => {
    if (ArrayBuffer.isView(value)) return new TextDecoder('latin1').decode(value);
    if (value instanceof ArrayBuffer) return new TextDecoder('latin1').decode(value);
    return typeof value === 'bigint' ? `${value}` : value;
  };
  for (const { name } of await indexedDB.databases()) {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name as string);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    for (const store of database.objectStoreNames) {
      const rows = await new Promise<unknown[]>((resolve, reject) => {
        const request = database.transaction(store).objectStore(store).getAll();
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      parts.push(JSON.stringify(rows, (_, value: unknown) => decode(value)));
    }
    database.close();
  }
  return parts.join('\n');
}
