import { describe, expect, test } from 'vitest';
import { MemoryStorage } from '../storage/memory.ts';
import type { DocumentStore } from '../storage/storage.ts';
import { SpaceList } from './space-list.ts';

const namespace = { server: 'ws://server', user: '', name: 'default' };

function open(storage = new MemoryStorage()): Promise<DocumentStore> {
  return storage.open(namespace);
}

function heads(count: number, head = 1, from = 0) {
  return Array.from({ length: count }, (_, index) => ({
    document: `todo/${String(from + index).padStart(5, '0')}`,
    epoch: 1,
    head,
    deleted: false,
  }));
}

const movedOf = (list: SpaceList): string[] => Array.from(list.moved(), ({ document }) => document).sort();

describe('a space’s list', () => {
  test('is stored with its token, and comes back as it was', async () => {
    const store = await open();
    const list = await SpaceList.load('todo', store);
    expect(list.take(heads(10_000), 17)).toHaveLength(10_000);
    list.fetched('todo/00003', 1, 1);
    await list.store();
    const again = await SpaceList.load('todo', store);
    expect([again.token, again.size]).toEqual([17, 10_000]);
    expect([...again.moved()]).toHaveLength(9_999);
    expect(again.take(heads(10_000), 18)).toEqual([]);
    expect((await SpaceList.load('other', store)).size).toBe(0);
  });

  test('goes page by page in the order of ids, without what is deleted', async () => {
    const list = await SpaceList.load('todo', await open());
    list.take(heads(10), 1);
    list.take([{ document: 'todo/00004', epoch: 1, head: 2, deleted: true }], 2);
    const pages: string[][] = [];
    for (let after = '', more = true; more; ) {
      const page = list.page(after, 4);
      pages.push(page.documents.map((id) => id.slice(-1)));
      after = page.documents.at(-1) ?? '';
      more = page.more;
    }
    expect(pages).toEqual([['0', '1', '2', '3'], ['5', '6', '7', '8'], ['9']]);
  });

  test('lacks what the server does not tell when it tells everything anew, but for what it never had', async () => {
    const store = await open();
    const list = await SpaceList.load('todo', store);
    list.take(heads(3), 5);
    for (const { document } of heads(3)) list.fetched(document, 1, 1);
    list.add('todo/mine');
    list.restart();
    list.take(heads(1), 6);
    await list.store();
    expect((await SpaceList.load('todo', store)).token).toBe(0);
    list.take(heads(1, 2, 1), 7);
    const absent = list.absent();
    expect(absent.map(({ document, deleted }) => [document, deleted])).toEqual([
      ['todo/00002', true],
      ['todo/mine', false],
    ]);
    list.take(absent, 7);
    expect(list.page('', 10).documents).toEqual(['todo/00000', 'todo/00001', 'todo/mine']);
    expect(movedOf(list)).toEqual(['todo/00001', 'todo/00002', 'todo/mine']);
    await list.store();
    expect((await SpaceList.load('todo', store)).token).toBe(7);
  });

  test('has what the server no longer tells to be fetched until it was, also by who reads it from storage', async () => {
    const store = await open();
    const list = await SpaceList.load('todo', store);
    // Of the first nothing was fetched since it was told, and of the last nothing is here.
    list.take([...heads(2), { document: 'todo/gone', epoch: 1, head: 1, deleted: true }], 5);
    list.fetched('todo/00001', 1, 1);
    list.add('todo/mine');
    list.restart();
    const absent = list.absent();
    list.take(absent, 7);
    await list.store();
    const again = await SpaceList.load('todo', store);
    expect(movedOf(again)).toEqual(['todo/00000', 'todo/00001', 'todo/mine']);
    // It reached that before the server began to tell everything anew.
    for (const document of ['todo/00000', 'todo/mine']) again.fetched(document, 1, 1);
    again.fetched('todo/mine', 0, 1);
    expect(movedOf(again)).toEqual(['todo/00000', 'todo/00001', 'todo/mine']);
    for (const document of movedOf(again)) again.fetched(document, 0, 0);
    expect(movedOf(again)).toEqual([]);
    // Another one has brought it back.
    again.take(heads(1, 4), 8);
    expect(movedOf(again)).toEqual(['todo/00000']);
  });

  test('is asked for again from the start when a part of it is damaged', async () => {
    const storage = new MemoryStorage();
    const store = await open(storage);
    const list = await SpaceList.load('todo', store);
    list.take(heads(500), 9);
    await list.store();
    const { values } = storage.area(namespace);
    const key = [...values.keys()].find((name) => name.includes('space') && !name.includes('token')) ?? '';
    const record = values.get(key) as Uint8Array;
    values.set(
      key,
      record.map((byte, index) => (index === record.length - 3 ? byte ^ 1 : byte)),
    );
    const again = await SpaceList.load('todo', store);
    expect(again.token).toBe(0);
    expect(again.size).toBeGreaterThan(400);
  });

  test('stores its token after the entries, and neither when storage fails in between', async () => {
    const store = await open();
    const written: string[] = [];
    let failure: Error | undefined;
    const list = await SpaceList.load('todo', {
      readValue: (key) => store.readValue(key),
      changeValue: async (key, change) => {
        if (failure !== undefined && key.includes('token')) throw failure;
        written.push(key);
        return await store.changeValue(key, change);
      },
    });
    list.take(heads(3), 5);
    await list.store();
    expect(written.at(-1)).toContain('token');
    failure = new Error('full');
    list.take(heads(3, 2), 6);
    await expect(list.store()).rejects.toMatchObject({ code: 'storage-failed' });
    expect((await SpaceList.load('todo', store)).token).toBe(5);
    failure = undefined;
    await list.store();
    const again = await SpaceList.load('todo', store);
    expect([again.token, again.get('todo/00001')?.head]).toEqual([6, 2]);
  });

  test('of two tabs that store it, keeps what the newer one knows, also of the other’s', async () => {
    const store = await open();
    const first = await SpaceList.load('todo', store);
    first.take(heads(3), 5);
    await first.store();
    const second = await SpaceList.load('todo', store);
    second.take(heads(3, 2), 6);
    await second.store();
    // The first one wakes, stores what it had not, and is frozen again.
    for (const { document } of heads(3)) first.fetched(document, 1, 1);
    await first.store();
    second.take([{ document: 'todo/other', epoch: 1, head: 1, deleted: false }], 7);
    await second.store();
    const again = await SpaceList.load('todo', store);
    expect([again.token, again.get('todo/00001')?.head]).toEqual([7, 2]);
    // It is told the same at last: what it had to leave is stored with that.
    first.take(heads(3, 2), 6);
    first.take(heads(1, 1, 9), 8);
    await first.store();
    const last = await SpaceList.load('todo', store);
    expect([last.token, last.get('todo/00001')]).toMatchObject([8, { head: 2, fetched: 1 }]);
  });

  test('stores a deletion again that it knew before the server told of it: another tab did not', async () => {
    const store = await open();
    const first = await SpaceList.load('todo', store);
    first.take(heads(1), 5);
    await first.store();
    const second = await SpaceList.load('todo', store);
    const deletion = { document: 'todo/00000', epoch: 1, head: 1, deleted: true };
    first.take([deletion], 5);
    await first.store();
    second.fetched('todo/00000', 1, 1);
    await second.store();
    first.take([deletion], 6);
    await first.store();
    const again = await SpaceList.load('todo', store);
    expect([again.token, again.size]).toEqual([6, 0]);
  });

  test('is told again from where a write was lost', async () => {
    const storage = new MemoryStorage();
    const store = await open(storage);
    const list = await SpaceList.load('todo', store);
    list.take(heads(3), 5);
    await list.store();
    const { values } = storage.area(namespace);
    const before = new Map(values);
    list.take(heads(3, 2), 9);
    await list.store();
    for (const [key, value] of before) if (!key.includes('token')) values.set(key, value);
    expect((await SpaceList.load('todo', store)).token).toBe(5);
  });

  test('stays as it was in storage while the server tells everything anew', async () => {
    const store = await open();
    const list = await SpaceList.load('todo', store);
    list.take(heads(3), 5);
    expect(await list.store()).toBe(true);
    list.restart();
    list.take(heads(2, 3), 106);
    expect(await list.store()).toBe(false);
    const meanwhile = await SpaceList.load('todo', store);
    expect([meanwhile.token, meanwhile.get('todo/00000')?.head]).toEqual([5, 1]);
    list.take(list.absent(), 107);
    expect(await list.store()).toBe(true);
    const again = await SpaceList.load('todo', store);
    expect([again.token, again.size, again.get('todo/00000')?.head]).toEqual([107, 2, 3]);
  });
});
