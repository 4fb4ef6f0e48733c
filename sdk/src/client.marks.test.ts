// Rich text through whole clients: two that mark and type, what a table of one's own says, and a refused write that is tried again.

import { describe, expect, test } from 'vitest';
import { World } from './testing/world.ts';

describe('rich text', () => {
  test('what one marks while the other types shows the same to both, with receipts and after a reload', async () => {
    const world = await World.create();
    const [a, b] = [world.client(), world.client()].map((client) => client.text('notes'));
    if (a === undefined || b === undefined) throw new Error('two clients');
    expect(a.toDelta()).toEqual([]);
    expect(() => a.mark(0, 0, 'bold', true)).toThrow(expect.objectContaining({ code: 'document-not-loaded' }));
    await world.time.settled(Promise.all([a.loaded, b.loaded]));
    await world.time.settled(a.insert(0, 'Hello world').synced);
    await world.time.until(() => b.value === 'Hello world');
    let changes = 0;
    b.subscribe(() => {
      changes += 1;
    });
    const marked = a.mark(0, 5, 'bold', true);
    expect(marked.state).toBe('local');
    const typed = b.insert(5, '!');
    await world.time.settled(Promise.all([marked.synced, typed.synced]));
    const expected = [{ insert: 'Hello!', attributes: { bold: true } }, { insert: ' world' }];
    for (const text of [a, b]) {
      await world.time.until(() => text.value === 'Hello! world' && text.toDelta().length === 2);
      expect(text.toDelta()).toEqual(expected);
    }
    expect(changes).toBeGreaterThan(1);
    const receipt = b.applyDelta([{ retain: 7 }, { insert: { image: 'x' } }, { delete: 5 }]);
    await world.time.settled(receipt.synced);
    const again = world.client().text('notes');
    await world.time.settled(again.loaded);
    await world.time.until(() => again.value !== '');
    expect(again.toDelta()).toEqual([
      { insert: 'Hello!', attributes: { bold: true } },
      { insert: ' ' },
      { insert: { image: 'x' } },
    ]);
    await world.time.settled(again.unmark(0, 6, 'bold').synced);
    expect(again.toDelta()[0]).toEqual({ insert: 'Hello! ' });
  });

  test('a handle’s own table says what grows', async () => {
    const world = await World.create();
    const client = world.client();
    const text = client.text('notes', 'body', { expand: { bold: 'none', 'tag:*': 'none', link: 'after' } });
    await world.time.settled(text.loaded);
    text.insert(0, 'ab');
    for (const key of ['bold', 'italic', 'link', 'tag:1', 'comment:1']) text.mark(0, 2, key, 1);
    text.insert(2, 'c');
    expect(text.toDelta()[1]).toEqual({ insert: 'c', attributes: { italic: 1, link: 1 } });
    text.applyDelta([{ retain: 3 }, { insert: 'd', attributes: { bold: 1, 'tag:2': 1 } }]);
    text.insert(4, 'e');
    expect(text.toDelta().at(-1)).toEqual({ insert: 'e' });
    text.close();
    expect(() => text.mark(0, 1, 'bold', 1)).toThrow(expect.objectContaining({ code: 'closed' }));
  });
});
