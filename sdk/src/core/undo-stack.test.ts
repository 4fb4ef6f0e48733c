import { beforeAll, describe, expect, it } from 'vitest';
import { init, Replica } from './index.ts';

beforeAll(() => init());

const now = (): number => 1_700_000_000_000;

function replica(agent: bigint): Replica {
  return new Replica({ agent, now });
}

function send(from: Replica, to: Replica): void {
  for (let update = from.takeUpdate(); update !== undefined; update = from.takeUpdate()) to.applyUpdate(update);
}

describe('an undo stack', () => {
  it('takes steps back and does them again, with their labels', () => {
    const mine = replica(1n);
    const undo = mine.undoStack();
    mine.text('body').insert(0, 'Hello');
    mine.root.set('title', 'Draft');
    expect(undo.boundary({ name: 'typing', caret: 0 })).toBe(true);
    expect(undo.boundary()).toBe(false);
    mine.list('todo').push('a');
    mine.list('todo').push('b');
    mine.list('todo').delete(0, 1);
    expect([undo.undoDepth, undo.canRedo, undo.undoLabel]).toEqual([2, false, undefined]);
    expect(undo.undo()).toBe(true);
    expect(mine.toJSON()).toEqual({ body: 'Hello', title: 'Draft' });
    expect(undo.undoLabel).toEqual({ name: 'typing', caret: 0 });
    expect(undo.setLabel('list', 'redo')).toBe(true);
    expect(undo.undo()).toBe(true);
    expect(undo.undo()).toBe(false);
    expect(mine.toJSON()).toEqual({});
    expect(undo.redo()).toBe(true);
    expect(undo.redoLabel).toBe('list');
    expect(undo.redo()).toBe(true);
    expect(mine.toJSON()).toEqual({ body: 'Hello', title: 'Draft', todo: ['b'] });
    expect(undo.redo()).toBe(false);
  });

  it('goes on after a reload where a node had no data yet, which a state does not hold', () => {
    const mine = replica(1n);
    const tree = mine.tree('outline');
    const node = tree.create(null);
    const scoped = mine.undoStack({ scope: [tree.data(node).text('body')] });
    const undo = mine.undoStack();
    tree.data(node).set('done', true);
    undo.boundary();
    expect(undo.undo()).toBe(true);
    expect(tree.data(node).toJSON()).toEqual({});
    const loaded = Replica.load(mine.encodeSnapshot(), { agent: 2n, now });
    const [body, again] = [loaded.undoStack({ state: scoped.encode() }), loaded.undoStack({ state: undo.encode() })];
    expect(again.encode()).toEqual(undo.encode());
    expect(again.redo()).toBe(true);
    const data = loaded.tree('outline').data(node);
    expect(data.toJSON()).toEqual({ done: true });
    data.text('body').insert(0, 'x');
    expect(body.undoDepth).toBe(1);
  });

  it('leaves what others wrote, and a handle finds the container that came back', () => {
    const [mine, theirs] = [replica(1n), replica(2n)];
    const undo = mine.undoStack();
    const body = mine.text('body');
    body.insert(0, 'one two');
    undo.boundary();
    mine.root.delete('body');
    undo.boundary();
    expect(undo.undo()).toBe(true);
    expect(body.toString()).toBe('one two');
    send(mine, theirs);
    theirs.text('body').insert(3, ' and');
    send(theirs, mine);
    expect(undo.undo()).toBe(true);
    expect(body.toString()).toBe(' and');
    expect(undo.redo()).toBe(true);
    expect(body.toString()).toBe('one and two');
    send(mine, theirs);
    expect(theirs.toJSON()).toEqual(mine.toJSON());
  });

  it('records only within its scope, also what is not there yet', () => {
    const mine = replica(1n);
    const body = mine.map('page').text('body');
    const undo = mine.undoStack({ scope: [body] });
    const all = mine.undoStack();
    body.insert(0, 'Hello');
    mine.root.set('title', 'Draft');
    expect([undo.undoDepth, all.undoDepth]).toEqual([1, 1]);
    expect(undo.undo()).toBe(true);
    expect(mine.toJSON()).toEqual({ page: { body: '' }, title: 'Draft' });
    expect(all.undo()).toBe(true);
    expect(mine.toJSON()).toEqual({});
    all.stop();
    all.stop();
    expect(() => all.undo()).toThrow(expect.objectContaining({ code: 'freed' }));
    const other = replica(2n);
    expect(() => other.undoStack({ scope: [body] })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    undo.clear();
    expect(undo.canRedo).toBe(false);
  });

  it('goes on in a replica that was loaded anew, under another agent', () => {
    const mine = replica(1n);
    const undo = mine.undoStack();
    const text = mine.text('body');
    text.insert(0, 'Hello world');
    undo.boundary('typed');
    text.delete(5, 6);
    undo.boundary();
    undo.undo();
    const state = undo.encode();
    const loaded = Replica.load(mine.encodeSnapshot(), { agent: 2n, now, trustStamps: true });
    const again = loaded.undoStack({ state });
    expect([...again.encode()]).toEqual([...state]);
    expect(again.redo()).toBe(true);
    expect(loaded.text('body').toString()).toBe('Hello');
    expect(again.undo()).toBe(true);
    expect(again.undoLabel).toBe('typed');
    expect(again.undo()).toBe(true);
    expect(loaded.toJSON()).toEqual({});
    expect(() => loaded.undoStack({ state: state.subarray(1) })).toThrow(
      expect.objectContaining({ code: 'invalid-undo' }),
    );
    // Another document's operations aren't known here.
    expect(() => replica(3n).undoStack({ state })).toThrow(expect.objectContaining({ code: 'invalid-undo' }));
    const scope = [loaded.text('body')];
    expect(() => loaded.undoStack({ state, scope })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('takes no agent where there is nothing to take back', () => {
    const mine = new Replica();
    const undo = mine.undoStack();
    expect([undo.undo(), undo.redo(), mine.agent]).toEqual([false, false, undefined]);
    mine.root.set('a', 1);
    expect([undo.undo(), mine.toJSON()]).toEqual([true, {}]);
    mine.free();
    expect(() => undo.undo()).toThrow(expect.objectContaining({ code: 'freed' }));
  });

  it('takes marks and nodes back', () => {
    const mine = replica(1n);
    const text = mine.text('body');
    text.insert(0, 'bold');
    const tree = mine.tree('outline');
    const node = tree.create(null);
    tree.data(node).set('title', 'One');
    const undo = mine.undoStack();
    text.mark(0, 2, 'bold', true);
    tree.delete(node);
    expect(undo.undo()).toBe(true);
    expect(text.toDelta()).toEqual([{ insert: 'bold' }]);
    expect(tree.toJSON()).toMatchObject([{ data: { title: 'One' } }]);
    expect(undo.redo()).toBe(true);
    expect(text.toDelta()).toEqual([{ insert: 'bo', attributes: { bold: true } }, { insert: 'ld' }]);
    expect(tree.toJSON()).toEqual([]);
  });

  it('goes along with a replay', () => {
    const server = replica(1n);
    server.text('body').insert(0, 'one two');
    const from = Replica.load(server.encodeSnapshot(), { agent: 2n, now, trustStamps: true });
    const undo = from.undoStack();
    from.text('body').delete(3, 4);
    undo.boundary('cut');
    const envelope = from.takeUpdate();
    const trimmed = server.trim(9n);
    const bridges = [{ agent: 9n, bytes: server.encodeSnapshot() }];
    const into = Replica.load(trimmed, { agent: 3n, now, trustStamps: true });
    const replay = into.beginReplay(from, { bridges, epoch: true });
    if (envelope !== undefined) replay.add(envelope);
    const carried = replay.carryUndo(undo);
    expect(() => replay.carryUndo(carried)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    replay.free();
    expect(into.text('body').toString()).toBe('one');
    expect(carried.undoLabel).toBe('cut');
    expect(carried.undo()).toBe(true);
    expect(into.text('body').toString()).toBe('one two');
  });
});
