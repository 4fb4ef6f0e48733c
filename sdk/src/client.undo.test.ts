// Undo and redo through clients: what one step is, what is taken back and what stays, what a reload, a dead engine, another tab, a
// refusal and a trim leave of it. On virtual time.

import { describe, expect, test, vi } from 'vitest';
import type { Client } from './client.ts';
import { TextHandle } from './core/index.ts';
import { MemoryStorage } from './storage/memory.ts';
import { undoKey } from './storage/undo-records.ts';
import type { ClientEvent } from './sync/status.ts';
import { ControlledStorage } from './testing/controlled-storage.ts';
import { VirtualDevice } from './testing/virtual-device.ts';
import { World } from './testing/world.ts';
import type { Undo } from './undo/undo.ts';

const namespace = { server: 'ws://server/sync', user: '', name: 'default' };

async function loaded(world: World, ...all: readonly { readonly loaded: Promise<void> }[]): Promise<void> {
  await world.time.settled(Promise.all(all.map((one) => one.loaded)));
}

function eventsOf(client: Client): ClientEvent[] {
  const events: ClientEvent[] = [];
  client.subscribeEvents((event) => events.push(event));
  return events;
}

/** How far it can go, and what the next steps are called. */
function shown({ canUndo, canRedo, undoLabel, redoLabel }: Undo) {
  return { canUndo, canRedo, undoLabel, redoLabel };
}

describe('undo', () => {
  test('takes back what was written here, step by step, and does it again', async () => {
    const world = await World.create();
    const [mine, theirs] = [world.client(), world.client()];
    const text = mine.text('notes');
    const history = mine.undo('notes');
    const other = theirs.text('notes');
    await loaded(world, text, history, other);
    expect(shown(history)).toEqual({ canUndo: false, canRedo: false, undoLabel: undefined, redoLabel: undefined });
    expect([history.undo(), history.redo()]).toEqual([undefined, undefined]);
    text.insert(0, 'Hel');
    await world.time.advance(300);
    text.insert(3, 'lo');
    await world.time.advance(600);
    text.insert(5, ' world');
    await world.untilSynced();
    await world.time.until(() => other.value === 'Hello world');
    other.insert(5, ',');
    await world.time.until(() => text.value === 'Hello, world');
    const receipt = history.undo();
    expect(text.value).toBe('Hello,');
    await world.time.settled(receipt?.synced ?? Promise.reject());
    expect(world.server.value('notes')).toEqual({ text: 'Hello,' });
    history.undo();
    expect([text.value, history.canUndo, history.canRedo]).toEqual([',', false, true]);
    history.redo();
    history.redo();
    expect([text.value, history.canRedo]).toEqual(['Hello, world', false]);
    history.undo();
    text.insert(0, '>');
    expect(history.redo()).toBe(undefined);
    await world.untilSynced();
    await world.time.until(() => other.value === text.value);
  });

  test('of two texts each has its own, and what no scope is about can’t be undone', async () => {
    const world = await World.create();
    const client = world.client();
    const [left, right] = [client.text('page', 'left'), client.text('page', 'right')];
    const page = client.document<{ title?: string; deep?: { note?: string } }>('page');
    const [undoLeft, undoRight] = [client.undo('page', { scope: 'left' }), client.undo('page', { scope: ['right'] })];
    const deep = client.undo('page', { scope: [['deep']] });
    await loaded(world, page, undoLeft, undoRight, deep);
    left.insert(0, 'a');
    right.insert(0, 'b');
    page.update({ title: 'T', deep: { note: 'x' } });
    await world.time.advance(1_000);
    left.insert(1, 'A');
    right.insert(1, 'B');
    page.update({ deep: { note: 'y' } });
    undoLeft.undo();
    expect(page.value).toEqual({ left: 'a', right: 'bB', title: 'T', deep: { note: 'y' } });
    undoRight.undo();
    undoRight.undo();
    deep.undo();
    expect(page.value).toEqual({ left: 'a', right: '', title: 'T', deep: { note: 'x' } });
    expect(undoRight.undo()).toBe(undefined);
    expect(() => client.undo('page')).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    for (const scope of [['left', 'x'], [['left', 'x']]]) {
      expect(() => client.undo('page', { scope })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    }
    const again = client.undo('page', { scope: 'left' });
    expect(again.canUndo).toBe(true);
    undoLeft.close();
    expect(() => undoLeft.undo()).toThrow(expect.objectContaining({ code: 'closed' }));
    again.undo();
    expect(page.value).toMatchObject({ left: '' });
  });

  test('refuses what is no scope', async () => {
    const world = await World.create();
    const client = world.client();
    for (const scope of [[], [[]], [1], 5, [['a', {}]]] as unknown as string[][]) {
      expect(() => client.undo('page', { scope })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    }
    for (const groupMs of [-1, Number.NaN, '5' as unknown as number]) {
      expect(() => client.undo('page', { groupMs })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    }
    for (let at = 0; at < 16; at += 1) client.undo('page', { scope: `part ${at}` });
    expect(() => client.undo('page', { scope: 'more' })).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
  });

  test('a group lasts as long as nothing else is in between and the next write comes in time', async () => {
    const world = await World.create();
    const client = world.client();
    const body = client.text('notes', 'body');
    const count = client.counter('notes', 'count');
    const history = client.undo('notes', { scope: 'body', groupMs: 100 });
    const each = client.undo('notes', { scope: 'count', groupMs: 0 });
    await loaded(world, body, history, each);
    for (let at = 0; at < 10; at += 1) {
      body.insert(at, 'x');
      count.increment();
      await world.time.advance(60);
    }
    await world.time.advance(60);
    body.insert(0, 'y');
    // What is written elsewhere keeps no group open.
    for (let at = 0; at < 3; at += 1) {
      await world.time.advance(60);
      count.increment();
    }
    body.insert(0, 'z');
    history.undo();
    expect(body.value).toBe(`y${'x'.repeat(10)}`);
    history.undo();
    history.undo();
    expect([body.value, history.canUndo]).toEqual(['', false]);
    each.undo();
    expect(count.value).toBe(12);
  });
});

describe('transact', () => {
  test('is one step with a label over several handles, told once, with one receipt', async () => {
    const world = await World.create();
    const client = world.client();
    const notes = client.document<{ title?: string; tags?: string[] }>('notes');
    const [body, count, tree] = [client.text('notes', 'body'), client.counter('notes', 'n'), client.tree('notes')];
    const history = client.undo('notes');
    await loaded(world, notes, history);
    body.insert(0, 'before ');
    const seen: unknown[] = [];
    notes.subscribe(() => seen.push(notes.value));
    await Promise.resolve();
    seen.length = 0;
    const receipt = notes.transact('Fill in', () => {
      notes.update({ title: 'T', tags: ['a'] });
      body.transact('inner', () => body.insert(body.length, 'text'));
      count.increment(2);
      tree.create(null, 0, { name: 'one' });
    });
    expect(seen).toHaveLength(1);
    await world.time.settled(receipt.synced);
    expect(shown(history)).toMatchObject({ canUndo: true, undoLabel: 'Fill in' });
    body.insert(0, '>');
    expect(history.undoLabel).toBe(undefined);
    history.undo();
    const { title, body: text, n } = { body: '', n: 0, ...notes.value };
    expect([title, text, n]).toEqual(['T', 'before text', 2]);
    history.undo();
    expect(notes.value).toEqual({ body: 'before ' });
    expect(shown(history)).toMatchObject({ canUndo: true, redoLabel: 'Fill in' });
    history.redo();
    expect(notes.value).toMatchObject({ title: 'T', tags: ['a'], body: 'before text', n: 2 });
    await world.untilSynced();
    expect(world.server.value('notes')).toEqual(notes.value);
  });

  test('writes nothing when the function throws, and forgets no step', async () => {
    const world = await World.create();
    const [client, other] = [world.client(), world.client()];
    const notes = client.document<{ title?: string; list?: string[] }>('notes');
    const [body, theirs] = [client.text('notes', 'body'), other.document('notes')];
    const history = client.undo('notes');
    await loaded(world, notes, history, theirs);
    const patches: string[] = [];
    notes.observe((all, origin) => patches.push(`${origin} ${all.length}`));
    body.insert(0, 'Hello');
    notes.update({ title: 'A', list: ['x'] });
    await world.time.advance(1_000);
    body.delete(0, 1);
    history.undo();
    expect(shown(history)).toMatchObject({ canUndo: true, canRedo: true });
    const last = body.insert(0, '');
    const before = notes.value;
    let inner: { state: string } | undefined;
    const failing = () =>
      notes.transact('bad', () => {
        body.delete(0, 3);
        inner = notes.update({ title: 'B', list: [] });
        throw new Error('no');
      });
    expect(failing).toThrow('no');
    expect(notes.value).toEqual(before);
    expect(inner?.state).toBe('rejected');
    await world.untilSynced();
    expect(world.server.value('notes')).toEqual(before);
    await world.time.until(() => JSON.stringify(theirs.value) === JSON.stringify(notes.value));
    await world.time.settled(last.durable);
    expect(shown(history)).toMatchObject({ canUndo: true, canRedo: true });
    history.redo();
    expect(body.value).toBe('ello');
    history.undo();
    history.undo();
    expect(notes.value).toEqual({});
    const asynchronous = async (): Promise<void> => {
      body.insert(0, 'x');
    };
    expect(() => notes.transact('later', asynchronous as unknown as () => void)).toThrow(
      expect.objectContaining({ code: 'invalid-value' }),
    );
    expect(() => notes.transact('x'.repeat(1_001), () => body.insert(0, 'x'))).toThrow(
      expect.objectContaining({ code: 'invalid-value' }),
    );
    expect(() => notes.transact('undo', () => void history.undo())).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    );
    expect(notes.value).toEqual({});
    body.insert(0, 'after');
    await world.untilSynced();
    expect(world.server.value('notes')).toEqual({ body: 'after' });
    expect(client.status.sync).toMatchObject({ pending: 0 });
  });

  test('sends nothing of what is taken back, whatever is closed while the function runs', async () => {
    for (const part of ['stack', 'document', 'client']) {
      const world = await World.create();
      const storage = new MemoryStorage();
      const client = world.client(storage);
      const [notes, text] = [client.document('notes'), client.text('notes')];
      const history = client.undo('notes');
      await loaded(world, notes, text, history);
      const closed: Promise<void>[] = [];
      const failing = () =>
        notes.transact('bad', () => {
          text.insert(0, 'bad');
          if (part === 'client') closed.push(client.close());
          else history.close();
          if (part === 'document') for (const handle of [text, notes]) handle.close();
          throw new Error('no');
        });
      expect(failing).toThrow('no');
      await world.time.settled(Promise.all(closed));
      await world.time.advance(1_000);
      const again = world.client(storage).document('notes');
      await loaded(world, again);
      await world.untilSynced();
      expect([part, again.value, world.server.value('notes')]).toEqual([part, {}, {}]);
    }
  });

  test('gives no receipt for what a trap has taken, also where the function catches that', async () => {
    const world = await World.create();
    const client = world.client();
    const text = client.text('notes');
    const history = client.undo('notes');
    await loaded(world, text, history);
    const trap = (): void => {
      const insert = vi.spyOn(TextHandle.prototype, 'insert').mockImplementation(() => {
        throw new WebAssembly.RuntimeError('unreachable');
      });
      expect(() => text.insert(0, 'x')).toThrow(expect.objectContaining({ code: 'internal' }));
      insert.mockRestore();
    };
    for (const act of [trap, () => text.transact('inner', trap)]) {
      let inner: { state: string } | undefined;
      const failing = () =>
        text.transact('lost', () => {
          inner = text.insert(0, 'lost');
          act();
        });
      expect(failing).toThrow(expect.objectContaining({ code: 'internal' }));
      expect(inner?.state).toBe('rejected');
      await world.time.until(() => text.isLoaded);
      expect(history.canUndo).toBe(false);
    }
    text.transact('kept', () => text.insert(0, 'kept'));
    await world.untilSynced();
    expect([world.server.value('notes'), history.undoLabel]).toEqual([{ text: 'kept' }, 'kept']);
  });

  test('writes everything when it is closed while the function runs', async () => {
    const world = await World.create();
    const client = world.client();
    const [notes, text] = [client.document('notes'), client.text('notes')];
    const history = client.undo('notes');
    await loaded(world, notes, text, history);
    const receipt = notes.transact('last', () => {
      text.insert(0, 'a');
      history.close();
      notes.update({ title: 'A' });
      text.close();
      notes.close();
    });
    await world.time.settled(receipt.synced);
    expect(world.server.value('notes')).toEqual({ text: 'a', title: 'A' });
  });

  test('shows nobody half of it, also when the stack is cleared in between', async () => {
    const world = await World.create();
    const client = world.client();
    const text = client.text('notes');
    const history = client.undo('notes');
    await loaded(world, text, history);
    const seen = new Set<string>();
    text.subscribe(() => seen.add(text.value));
    text.transact('two', () => {
      text.insert(0, 'a');
      history.clear();
      text.insert(1, 'b');
    });
    expect([...seen]).toEqual(['ab']);
  });

  test('needs a loaded document', async () => {
    const world = await World.create();
    const notes = world.client().document('notes');
    expect(() => notes.transact('x', () => {})).toThrow(expect.objectContaining({ code: 'document-not-loaded' }));
    await loaded(world, notes);
    const receipt = notes.transact('nothing', () => {});
    await world.time.settled(receipt.synced);
  });
});

/** A client on a storage of its own that has one step, synced. */
async function withOneStep() {
  const world = await World.create();
  const storage = new MemoryStorage();
  const first = world.client(storage);
  const [text, history] = [first.text('notes'), first.undo('notes')];
  await loaded(world, text, history);
  text.insert(0, 'x');
  await world.untilSynced(first);
  return { world, storage, first };
}

describe('what is kept of undo', () => {
  test('a reload goes on with it, in the middle, offline, also what is written before the document is there', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const first = world.client(storage, { connect: false });
    const text = first.text('notes');
    const history = first.undo('notes');
    await loaded(world, text, history);
    text.insert(0, 'one');
    text.transact('cut', () => text.delete(0, 2));
    text.transact('add', () => text.insert(1, ' two'));
    history.undo();
    expect(shown(history)).toEqual({ canUndo: true, canRedo: true, undoLabel: 'cut', redoLabel: 'add' });
    await world.time.settled(first.close());

    const second = world.client(storage);
    const again = second.undo('notes');
    const count = second.counter('notes', 'n');
    const now = second.text('notes');
    await loaded(world, now, again);
    expect(shown(again)).toEqual({ canUndo: true, canRedo: true, undoLabel: 'cut', redoLabel: 'add' });
    again.redo();
    expect(now.value).toBe('e two');
    again.undo();
    again.undo();
    expect(now.value).toBe('one');
    await world.untilSynced(second);
    await world.time.settled(second.close());

    const third = world.client(storage);
    third.counter('notes', 'n').increment();
    const last = third.undo('notes');
    const end = third.text('notes');
    await loaded(world, end, last);
    expect(shown(last)).toMatchObject({ canUndo: true, canRedo: false });
    last.undo();
    last.undo();
    expect([end.value, third.counter('notes', 'n').value, last.canUndo]).toEqual(['', 0, false]);
    count.close();
  });

  test('a stack that was closed is taken up by whoever opens it next, and other stacks by nobody else', async () => {
    const world = await World.create();
    const client = world.client();
    const [body, title] = [client.text('notes', 'body'), client.text('notes', 'title')];
    const [undoBody, undoTitle] = [client.undo('notes', { scope: 'body' }), client.undo('notes', { scope: 'title' })];
    await loaded(world, body, undoBody, undoTitle);
    body.insert(0, 'b');
    title.insert(0, 't');
    undoBody.close();
    body.insert(1, '!');
    const again = client.undo('notes', { scope: 'body' });
    await loaded(world, again);
    again.undo();
    expect([body.value, title.value, again.canUndo]).toEqual(['!', 't', false]);
    again.close();
    // Another stack takes something of it back: what the closed one had is out of date.
    undoTitle.close();
    const all = client.undo('notes');
    await loaded(world, all);
    title.delete(0, 1);
    all.undo();
    expect(title.value).toBe('t');
    all.close();
    const late = client.undo('notes', { scope: 'title' });
    await loaded(world, late);
    expect(late.canUndo).toBe(false);
  });

  test('an undo leaves the closed stacks that are about something else, and none that was about the same', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const first = world.client(storage, { connect: false });
    const [title, body] = [first.text('notes', 'title'), first.text('notes', 'body')];
    await loaded(world, title, body);
    for (const scope of [undefined, 'title', 'body']) {
      const history = first.undo('notes', scope === undefined ? {} : { scope });
      await loaded(world, history);
      title.insert(0, 't');
      body.insert(0, 'b');
      await world.time.advance(1_000);
      history.close();
      await world.time.advance(1_000);
    }
    await world.time.settled(first.close());
    const next = world.client(storage, { connect: false });
    const now = next.undo('notes', { scope: 'body' });
    await loaded(world, now);
    now.undo();
    await world.time.advance(1_000);
    now.close();
    const other = next.undo('notes', { scope: 'title' });
    await loaded(world, other);
    expect(other.canUndo).toBe(true);
    other.close();
    const all = next.undo('notes');
    await loaded(world, all);
    expect(all.canUndo).toBe(false);
  });

  test('is exactly what storage has of the document, whenever the tab ends', async () => {
    for (let cut_ms = 0; cut_ms < 60; cut_ms += 3) {
      const world = await World.create({ seed: cut_ms + 1 });
      const [device, storage] = [new VirtualDevice(world.time), new MemoryStorage({ shared: true })];
      const tab = device.tab();
      const client = world.client(storage, {}, tab);
      const text = client.text('notes');
      const history = client.undo('notes', { groupMs: 0 });
      await loaded(world, text, history);
      const write = (step: number): void => {
        tab.timer(() => {
          if (step % 4 === 3) history.undo();
          else if (step % 4 === 2) text.delete(0, 1);
          else text.insert(text.length, String(step % 10));
          if (step < 40) write(step + 1);
        }, 1);
      };
      write(0);
      await world.time.advance(cut_ms);
      tab.crash();
      const reloaded = world.client(storage, {}, device.tab(tab));
      const events = eventsOf(reloaded);
      const [now, again] = [reloaded.text('notes'), reloaded.undo('notes', { groupMs: 0 })];
      await loaded(world, now, again);
      // Each deletion was undone right behind it or is the last step: what is left is as if nothing had been deleted.
      for (let step = 0; again.undo() !== undefined; step += 1) expect(step).toBeLessThan(40);
      expect([now.value, events], `${cut_ms} ms`).toEqual(['', []]);
    }
  });

  test('outlives its engine, with what that had not stored', async () => {
    const world = await World.create();
    const storage = new ControlledStorage(new MemoryStorage());
    const client = world.client(storage);
    const text = client.text('notes');
    const history = client.undo('notes');
    await loaded(world, text, history);
    text.transact('one', () => text.insert(0, 'one'));
    await world.untilSynced();
    storage.hold();
    text.transact('two', () => text.insert(3, ' two'));
    history.undo();
    await world.time.advance(50);
    storage.failure = new WebAssembly.RuntimeError('unreachable');
    storage.release();
    await world.time.advance(20);
    storage.failure = undefined;
    await world.untilSynced();
    expect(shown(history)).toEqual({ canUndo: true, canRedo: true, undoLabel: 'one', redoLabel: 'two' });
    await world.time.settled(client.close());
    const next = world.client(storage);
    const [again, now] = [next.undo('notes'), next.text('notes')];
    await loaded(world, again, now);
    expect(shown(again)).toEqual({ canUndo: true, canRedo: true, undoLabel: 'one', redoLabel: 'two' });
    again.undo();
    expect(now.value).toBe('');
  });

  test('is stored again where storage was emptied, with nothing more written to it', async () => {
    const world = await World.create();
    const storage = new MemoryStorage({ shared: true });
    const device = new VirtualDevice(world.time);
    const tab = device.tab();
    const client = world.client(storage, {}, tab);
    const [text, history, other] = [client.text('notes'), client.undo('notes'), client.text('other')];
    await loaded(world, text, history, other);
    text.insert(0, 'kept');
    await world.time.advance(1_000);
    await world.untilSynced(client);
    const area = storage.area(namespace);
    area.documents.clear();
    area.values.clear();
    await world.time.settled(other.insert(0, 'x').synced);
    await world.time.advance(1_000);
    await world.time.settled(client.close());
    const reloaded = world.client(storage, {}, device.tab(tab));
    const [now, again] = [reloaded.text('notes'), reloaded.undo('notes')];
    await loaded(world, now, again);
    expect(again.canUndo).toBe(true);
    again.undo();
    expect(now.value).toBe('');
  });

  test('each tab has its own, a reload takes up the tab’s, and a copy of a tab begins anew', async () => {
    const world = await World.create();
    const [device, storage] = [new VirtualDevice(world.time), new MemoryStorage({ shared: true })];
    const tabs = [device.tab(), device.tab()] as const;
    const open = async (tab: ReturnType<VirtualDevice['tab']>) => {
      const client = world.client(storage, {}, tab);
      const [text, history] = [client.text('notes'), client.undo('notes')];
      await loaded(world, text, history);
      return { client, text, history };
    };
    const [left, right] = [await open(tabs[0]), await open(tabs[1])];
    left.text.insert(0, 'left');
    right.text.insert(0, 'right');
    await world.untilSynced(left.client, right.client);
    await world.time.until(() => left.text.value === right.text.value && left.text.length === 9);
    left.history.undo();
    expect([left.text.value, left.history.canUndo]).toEqual(['right', false]);
    left.history.redo();
    await world.untilSynced(left.client, right.client);
    tabs[1].crash();
    const copy = await open(device.tab(tabs[0]));
    expect(copy.history.canUndo).toBe(false);
    const reloaded = await open(device.tab(tabs[1]));
    expect(reloaded.history.canUndo).toBe(true);
    reloaded.history.undo();
    expect(reloaded.text.value).toBe('left');
    const other = await open(device.tab());
    expect(other.history.canUndo).toBe(false);
    left.history.undo();
    await world.time.until(() => other.text.value === '');
  });

  test('where tabs can’t be told apart nothing is taken up', async () => {
    const world = await World.create();
    const [device, storage] = [new VirtualDevice(world.time, { locks: false }), new MemoryStorage({ shared: true })];
    const tab = device.tab();
    const first = world.client(storage, {}, tab);
    const [text, history] = [first.text('notes'), first.undo('notes')];
    await loaded(world, text, history);
    text.insert(0, 'x');
    await world.untilSynced(first);
    await world.time.settled(first.close());
    const second = world.client(storage, {}, device.tab(tab));
    const [now, again] = [second.text('notes'), second.undo('notes')];
    await loaded(world, now, again);
    expect([now.value, again.canUndo]).toEqual(['x', false]);
  });

  test('a damaged one is dropped and told, and the document is as it was', async () => {
    const { world, storage, first } = await withOneStep();
    await world.time.settled(first.close());
    const key = undoKey('notes', '', '[]');
    const { values, damaged } = storage.area(namespace);
    const record = values.get(key)?.slice();
    if (record === undefined) throw new Error('Expected a stack to be stored.');
    record[record.length >> 1] = (record[record.length >> 1] ?? 0) ^ 1;
    values.set(key, record);
    const second = world.client(storage);
    const events = eventsOf(second);
    const [now, again] = [second.text('notes'), second.undo('notes')];
    await loaded(world, now, again);
    expect(events).toMatchObject([{ type: 'undo-dropped', document: 'notes', error: { code: 'storage-corrupt' } }]);
    expect(damaged).toMatchObject([{ document: 'notes', area: 'value' }]);
    expect([now.value, again.canUndo, values.has(key)]).toEqual(['x', false, false]);
    now.insert(1, 'y');
    again.undo();
    expect(now.value).toBe('x');
  });

  test('signing out with `wipe` leaves nothing', async () => {
    const { world, storage, first } = await withOneStep();
    const { values } = storage.area(namespace);
    expect(values.has(undoKey('notes', '', '[]'))).toBe(true);
    await world.time.settled(first.signOut({ wipe: true }));
    expect([...values.keys()].filter((key) => key.includes('undo'))).toEqual([]);
  });

  test('one that is too long is not kept, and kept again when it is shorter', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const client = world.client(storage);
    const [text, history] = [client.text('notes'), client.undo('notes')];
    await loaded(world, text, history);
    const { values } = storage.area(namespace);
    const key = undoKey('notes', '', '[]');
    text.insert(0, 'x'.repeat(300 * 1024));
    await world.untilSynced();
    text.delete(0, text.length);
    await world.untilSynced();
    await world.time.advance(1_000);
    expect(values.has(key)).toBe(false);
    history.undo();
    await world.time.advance(11_000);
    history.clear();
    text.insert(0, 'y');
    await world.untilSynced();
    expect(values.has(key)).toBe(true);
  });
});

describe('undo and a document that is replaced', () => {
  test('goes along with a refusal, and its steps with what became of them', async () => {
    let isRefusing = false;
    const world = await World.create({ server: { accept: () => (isRefusing ? 'forbidden' : undefined) } });
    const client = world.client();
    const [text, history] = [client.text('notes'), client.undo('notes')];
    const events = eventsOf(client);
    await loaded(world, text, history);
    text.transact('one', () => text.insert(0, 'one'));
    await world.untilSynced();
    isRefusing = true;
    const refused = text.transact('two', () => text.insert(3, ' two'));
    await world.time.until(() => refused.state === 'rejected');
    isRefusing = false;
    expect([text.value, history.undoLabel]).toEqual(['one', 'one']);
    text.transact('three', () => text.delete(0, 1));
    history.undo();
    history.undo();
    expect([text.value, history.canUndo, events]).toEqual(['', false, []]);
    history.redo();
    await world.untilSynced();
    expect(world.server.value('notes')).toEqual({ text: 'one' });
  });

  test('goes along with a trim, and is stored for the new epoch', async () => {
    const world = await World.create();
    const storage = new MemoryStorage();
    const client = world.client(storage);
    const [text, history] = [client.text('notes'), client.undo('notes')];
    const events = eventsOf(client);
    await loaded(world, text, history);
    text.insert(0, 'one');
    text.transact('two', () => text.insert(3, ' two'));
    await world.untilSynced();
    world.server.trim('notes');
    await world.time.advance(1_000);
    text.transact('three', () => text.insert(0, '> '));
    await world.untilSynced();
    expect(shown(history)).toMatchObject({ canUndo: true, undoLabel: 'three' });
    history.undo();
    history.undo();
    expect([text.value, events]).toEqual(['one', []]);
    await world.untilSynced();
    await world.time.settled(client.close());
    const next = world.client(storage);
    const [now, again] = [next.text('notes'), next.undo('notes')];
    await loaded(world, now, again);
    expect(shown(again)).toMatchObject({ canUndo: true, canRedo: true, redoLabel: 'two' });
    again.redo();
    expect(now.value).toBe('one two');
  });
});
