import { describe, expect, test } from 'vitest';
import { onePaneHref, readLocation, syncUrl, twoPanesHref } from './location.ts';

describe('readLocation', () => {
  test('shows two clients in one room when nothing is asked for', () => {
    const { room, panes, problem } = readLocation('');
    expect(room).toBe('workbench');
    expect(panes.map((pane) => [pane.key, pane.clientName])).toEqual([
      ['a', 'ada'],
      ['b', 'ben'],
    ]);
    expect(problem).toBeUndefined();
  });

  test('shows one client, by its name', () => {
    expect(readLocation('?pane=one').panes).toMatchObject([{ key: 'a', clientName: 'solo' }]);
    expect(readLocation('?pane=one&client=ben').panes).toMatchObject([
      { key: 'a', clientName: 'ben', device: 'phone' },
    ]);
    const other = readLocation('?pane=one&client=cleo&room=r-1');
    expect(other).toMatchObject({ room: 'r-1', panes: [{ clientName: 'cleo', title: 'Cleo’s browser' }] });
  });

  test('leaves out names that can’t be used, and says so', () => {
    const { room, panes, problem } = readLocation('?pane=one&client=a%20b&room=../x');
    expect(room).toBe('workbench');
    expect(panes).toMatchObject([{ clientName: 'solo' }]);
    expect(problem).toContain('room and the client');
    expect(readLocation(`?room=${'x'.repeat(48)}`).problem).toBeUndefined();
    expect(readLocation(`?room=${'x'.repeat(49)}`).problem).toContain('room');
  });

  test('reads what it writes', () => {
    expect(readLocation(onePaneHref('r', 'cleo'))).toMatchObject({ room: 'r', panes: [{ clientName: 'cleo' }] });
    expect(readLocation(twoPanesHref('r'))).toMatchObject({ room: 'r', panes: [{ key: 'a' }, { key: 'b' }] });
  });
});

test('syncUrl follows the page', () => {
  expect(syncUrl({ protocol: 'http:', host: 'localhost:8787' })).toBe('ws://localhost:8787/sync');
  expect(syncUrl({ protocol: 'https:', host: 'example.org' })).toBe('wss://example.org/sync');
});
