// Patches in a client: whoever mirrors a document by them has what the document shows, whatever happens to its replica. On virtual time.

import { describe, expect, test } from 'vitest';
import { applyPatches } from './core/index.ts';
import type { ObservedOrigin } from './documents/access.ts';
import type { DocumentHandle } from './documents/document.ts';
import { World } from './testing/world.ts';

interface Board {
  title: string;
  cards: { text: string; done: boolean }[];
}

/** A mirror of a document, and where its changes came from. */
function mirrorOf(handle: DocumentHandle<Board>) {
  const mirror = {
    value: (handle.value ?? {}) as Partial<Board>,
    origins: [] as ObservedOrigin[],
    paths: [] as string[],
  };
  const stop = handle.observe((patches, origin) => {
    mirror.value = applyPatches(origin === 'loaded' ? {} : mirror.value, patches);
    mirror.origins.push(origin);
    mirror.paths.push(...patches.map(({ kind, path }) => `${kind} ${path.join('/')}`));
  });
  return Object.assign(mirror, { stop });
}

async function twoClients() {
  const world = await World.create();
  const [first, second] = [world.client(), world.client()];
  const [mine, theirs] = [first.document<Board>('board'), second.document<Board>('board')];
  return { world, first, second, mine, theirs };
}

describe('patches of a document', () => {
  test('tell what was written here and elsewhere, and where', async () => {
    const { world, mine, theirs } = await twoClients();
    const mirror = mirrorOf(mine);
    await world.time.settled(mine.loaded);
    await world.time.settled(mine.update({ title: 'Plan', cards: [{ text: 'a', done: false }] }).synced);
    expect(mirror.value).toEqual(mine.value);
    await world.time.settled(theirs.loaded);
    await world.time.until(() => theirs.value?.title === 'Plan');
    mirror.origins.splice(0);
    mirror.paths.splice(0);
    const before = mirror.value;
    theirs.update((draft) => {
      draft.cards.push({ text: 'b', done: false });
    });
    await world.time.until(() => mine.value?.cards.length === 2);
    expect(mirror).toMatchObject({ value: mine.value, origins: ['remote'], paths: ['insert cards/1'] });
    expect(mirror.value.cards?.[0]).toBe(before.cards?.[0]);
    mine.update((draft) => {
      if (draft.cards[1] !== undefined) draft.cards[1].done = true;
    });
    expect(mirror.origins).toEqual(['remote', 'local']);
    expect(mirror.paths.at(-1)).toBe('set cards/1/done');
    expect(mirror.value).toEqual(mine.value);
    mirror.stop();
    mine.update({ title: 'unheard' });
    expect(mirror.origins).toHaveLength(2);
  });

  test('go on when another replica takes the place of the one that was observed', async () => {
    const { world, first, mine, theirs } = await twoClients();
    await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
    await world.time.settled(mine.update({ title: 'Plan', cards: [{ text: 'a', done: false }] }).synced);
    const mirror = mirrorOf(mine);
    first.disconnect();
    await world.time.advance(100);
    mine.update({ title: 'offline' });
    await world.time.settled(theirs.update({ cards: [] }).synced);
    world.server.trim('board');
    first.connect();
    await world.time.until(() => mine.value?.cards.length === 0);
    await world.time.advance(1000);
    expect(mirror.value).toEqual(mine.value);
    expect(mine.value).toEqual({ title: 'offline', cards: [] });
    expect(mirror.origins).toContain('replaced');
    expect(mirror.origins).not.toContain('loaded');
  });

  test('of several who listen each hears what comes after it began', async () => {
    const { world, mine } = await twoClients();
    await world.time.settled(mine.loaded);
    const first = mirrorOf(mine);
    mine.update({ title: 'one' });
    mine.update({ title: 'two' });
    const second = mirrorOf(mine);
    mine.update({ cards: [] });
    await world.time.advance(10);
    expect([first.value, second.value]).toEqual([mine.value, mine.value]);
    expect(second.paths).toEqual(['set cards']);
  });

  test('come to everybody in their order, also where one who listens writes, and to nobody who has been ended', async () => {
    const { world, mine, theirs } = await twoClients();
    await world.time.settled(Promise.all([mine.loaded, theirs.loaded]));
    let late: ReturnType<typeof mirrorOf> | undefined;
    const stopFirst = mine.observe((_, origin) => {
      if (origin !== 'remote' || late !== undefined) return;
      mine.update({ title: 'answer' });
      late = mirrorOf(mine);
      ended.stop();
    });
    const second = mirrorOf(mine);
    const ended = mirrorOf(mine);
    theirs.update({ title: 'question' });
    await world.time.until(() => mine.value?.title === 'answer');
    await world.time.advance(10);
    mine.update({ cards: [] });
    expect(second.origins).toEqual(['remote', 'local', 'local']);
    expect([second.value, late?.value]).toEqual([mine.value, mine.value]);
    expect([late?.paths, ended.paths]).toEqual([['set cards'], []]);
    stopFirst();
  });
});
