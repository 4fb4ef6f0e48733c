import type { ClientStatus } from 'joinery';
import { expect, test } from 'vitest';
import { statusSentence, statusTone } from './status-sentence.ts';

const status = (
  connection: Partial<ClientStatus['connection']> = {},
  sync: Partial<ClientStatus['sync']> = {},
  storage: Partial<ClientStatus['storage']> = {},
): ClientStatus => ({
  connection: { state: 'online', paused: false, ...connection },
  sync: { state: 'idle', pending: 0, ...sync },
  storage: { mode: 'indexeddb', state: 'ready', ...storage },
});

test.each([
  [status(), 'Online. Everything is synced.', 'calm'],
  [status({}, { state: 'pending', pending: 0 }), 'Online. Opening.', 'calm'],
  [status({}, { state: 'pending', pending: 1 }), 'Online. Sending what was written.', 'waiting'],
  [status({ state: 'connecting' }), 'Connecting.', 'waiting'],
  [status({ state: 'offline', paused: true }), 'Offline by choice. Try writing something.', 'away'],
  [
    status({ state: 'offline', paused: true }, { pending: 2 }),
    'Offline by choice. Your writes wait on this device.',
    'away',
  ],
  [status({ state: 'offline' }), 'No connection. Trying again by itself.', 'away'],
  [status({ state: 'offline' }, { pending: 2 }), 'No connection. Your writes wait on this device.', 'away'],
])('%j', (given, sentence, tone) => {
  expect(statusSentence(given)).toBe(sentence);
  expect(statusTone(given)).toBe(tone);
});

test('a failure is said before anything else', () => {
  expect(statusSentence(status({ state: 'offline' }, { pending: 2 }, { state: 'failed' }))).toContain('can’t store');
  expect(statusSentence(status({}, { state: 'blocked', pending: 1 }))).toContain('refused');
  expect(statusTone(status({ state: 'offline' }, { state: 'blocked' }))).toBe('wrong');
});
