// The engine's side by itself: what it passes on and to whom, when it answers, and when it speaks of itself.

import { describe, expect, test } from 'vitest';
import { VirtualEnvironment } from '../testing/virtual-environment.ts';
import { encodeState, readPresenceMessage, writeAsk, writeState } from './message.ts';
import { silence_ms } from './peers.ts';
import { beat_ms, type PresenceBody, Relay } from './relay.ts';

function setUp({ leads = true } = {}) {
  const time = new VirtualEnvironment();
  const server: string[] = [];
  const tabs: PresenceBody[] = [];
  const main: unknown[] = [];
  const heard = { server: (_: string): void => {} };
  const relay = new Relay({
    environment: time,
    leads,
    toServer: (document, message) => {
      server.push(readPresenceMessage(message)?.kind ?? 'none');
      heard.server(document);
    },
    toTabs: (body) => tabs.push(body),
    toMain: (...given) => main.push(given),
  });
  const clear = (): void => {
    for (const list of [server, tabs, main]) list.length = 0;
  };
  return { time, server, tabs, main, relay, clear, heard };
}

const shown = writeState(new Uint8Array(8).fill(1), 1, encodeState({ at: 1 }).json);
const gone = writeState(new Uint8Array(8).fill(1), 2, undefined);
const theirs = writeState(new Uint8Array(8).fill(2), 1, encodeState({ at: 2 }).json);
const fromTab = (message: Uint8Array): PresenceBody => ({ type: 'presence', document: 'a', client: '', message });

describe('a relay', () => {
  test('answers any number of questions once, and not where it has just spoken', async () => {
    const { time, server, relay, clear } = setUp();
    relay.open('a', undefined);
    relay.fromServer('a', 'c', writeAsk());
    await time.advance(1_000);
    // It has nothing to show.
    expect(server).toEqual(['ask']);
    relay.tell('a', shown);
    await time.advance(1_000);
    clear();
    for (let count = 0; count < 1_000; count += 1) relay.fromServer('a', 'c', writeAsk());
    await time.advance(1_000);
    expect(server).toEqual(['state']);
    clear();
    relay.fromServer('a', 'c', writeAsk());
    relay.tell('a', shown);
    await time.advance(1_000);
    expect(server).toEqual(['state']);
  });

  test('tells again what is shown, more than twice in the time in which others give up, and ends with it', async () => {
    const { time, server, tabs, relay, clear } = setUp();
    relay.open('a', shown);
    clear();
    await time.advance(beat_ms * 3);
    expect(server.length).toBeGreaterThanOrEqual(3);
    expect(tabs).toHaveLength(server.length);
    relay.tell('a', gone);
    clear();
    await time.advance(beat_ms * 10);
    expect(server).toEqual([]);
  });

  test('of a leader carries what a tab says to the server, and what came from there to the tabs, never back', () => {
    const { server, tabs, relay } = setUp();
    relay.fromServer('a', 'c', theirs);
    // Nobody there takes part, as far as it knows.
    expect(tabs).toEqual([]);
    relay.fromTab(fromTab(shown));
    expect(server).toEqual(['state']);
    relay.fromServer('a', 'c', theirs);
    expect(tabs).toEqual([{ type: 'presence', document: 'a', client: 'c', message: theirs }]);
    relay.fromTab({ type: 'presence', document: 'a', client: 'c', message: theirs });
    expect(server).toEqual(['state']);
    relay.released('a');
    relay.fromServer('a', 'c', undefined);
    expect(tabs).toHaveLength(1);
  });

  test('of a tab that follows tells the tabs and its main thread, and nothing to a server', async () => {
    const { time, server, tabs, main, relay } = setUp({ leads: false });
    relay.open('a', shown);
    relay.fromTab(fromTab(theirs));
    relay.fromTab({ type: 'presence', document: 'a', client: 'c', message: undefined });
    await time.advance(beat_ms);
    expect(server).toEqual([]);
    expect(tabs.length).toBeGreaterThan(2);
    expect(main).toEqual([
      ['a', '', theirs],
      ['a', 'c', undefined],
    ]);
    relay.close('a');
    relay.fromTab(fromTab(theirs));
    expect(main).toHaveLength(2);
  });

  test('of a new leader asks for those whom a tab that introduces itself has not heard', () => {
    const { server, tabs, relay, clear } = setUp();
    const introduction: PresenceBody = { type: 'presence-open', documents: ['a', 'b'] };
    relay.fromTab(introduction);
    expect(server).toEqual(['ask', 'ask']);
    clear();
    relay.fromTab(introduction);
    expect([server, tabs]).toEqual([[], []]);
  });

  test('tells the server who has left, also who said so before it served the document, while that may be news', async () => {
    const { time, server, relay, clear } = setUp();
    relay.fromTab(fromTab(shown));
    relay.fromTab(fromTab(gone));
    clear();
    relay.subscribed('b');
    expect(server).toEqual([]);
    relay.subscribed('a');
    expect(server).toEqual(['gone', 'ask']);
    clear();
    await time.advance(silence_ms);
    relay.subscribed('a');
    expect(server).toEqual(['ask']);
  });

  test('remembers the last 256 that have left', () => {
    const { server, relay, clear } = setUp();
    for (let tab = 0; tab < 300; tab += 1) {
      relay.fromTab(fromTab(writeState(new Uint8Array(8).fill(tab), 1, undefined)));
    }
    clear();
    relay.subscribed('a');
    expect(server.filter((kind) => kind === 'gone')).toHaveLength(256);
  });

  test('sends no flood of states to the server, and what it left out a little later', async () => {
    const { time, server, relay, clear, heard } = setUp();
    const documents = Array.from({ length: 1_000 }, (_, index) => `${index}`);
    for (const document of documents) relay.open(document, shown);
    const states = (): number => server.filter((kind) => kind === 'state').length;
    expect(states()).toBe(500);
    for (const document of documents) relay.tell(document, gone);
    expect(server.filter((kind) => kind === 'gone')).toHaveLength(1_000);
    clear();
    // Each gets its turn in time.
    for (const document of documents) relay.tell(document, shown);
    const told = new Map<string, number>();
    const longest_ms = { value: 0 };
    heard.server = (document) => {
      const now_ms = time.monotonic();
      longest_ms.value = Math.max(longest_ms.value, now_ms - (told.get(document) ?? 0));
      told.set(document, now_ms);
    };
    await time.advance(beat_ms * 10);
    expect(told.size).toBe(1_000);
    expect(longest_ms.value).toBeLessThanOrEqual(beat_ms * 1.5);
    for (const at_ms of told.values()) expect(time.monotonic() - at_ms).toBeLessThanOrEqual(beat_ms * 1.5);
  });

  test('ends with everything that it had planned', async () => {
    const { time, server, relay, clear } = setUp();
    relay.open('a', shown);
    relay.fromServer('a', 'c', writeAsk());
    clear();
    relay.stop();
    await time.advance(beat_ms * 5);
    expect(server).toEqual([]);
  });
});
