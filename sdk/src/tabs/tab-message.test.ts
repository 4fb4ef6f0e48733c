import { describe, expect, test } from 'vitest';
import { seededRandom } from '../testing/random.ts';
import { readTabMessage, type TabBody, tabFormat } from './tab-message.ts';

const error = { code: 'forbidden', message: 'no', retryable: false };
const bodies: readonly TabBody[] = [
  { type: 'hello' },
  { type: 'alive', connected: true, introduces: false },
  {
    type: 'beat',
    claims: false,
    state: {
      connection: { state: 'online', lastError: error },
      clockOffset_ms: -5.5,
      counted: true,
      pending: [{ document: 'a', envelopes: 1, oldestAt_ms: 1 }],
      morePending: { envelopes: 0, oldestAt_ms: 0 },
      trouble: { error, blocked: true },
    },
  },
  { type: 'ask', to: 't' },
  { type: 'hold', holds: [{ document: 'a', awaited: [[1n, 2]] }] },
  { type: 'release', documents: ['a', 'b'] },
  { type: 'spaces', spaces: ['', 's'] },
  { type: 'delete', document: 's/a' },
  {
    type: 'space',
    space: 's',
    token: 7,
    complete: true,
    heads: [{ document: 's/a', epoch: 1, head: 2, deleted: false }],
  },
  { type: 'space', space: 's', token: 7, complete: false, heads: undefined },
  { type: 'deletion', document: 's/a', state: 'refused', error },
  { type: 'deleted', document: 's/a' },
  { type: 'presence', document: 'a', client: 'c', message: undefined },
  { type: 'presence', document: 'a', client: '', message: Uint8Array.of(1) },
  { type: 'presence-open', documents: ['a'] },
  {
    type: 'news',
    items: [
      {
        type: 'envelopes',
        document: 'a',
        incarnation: 1,
        epoch: 2,
        local: true,
        at_ms: 3,
        clockOffset_ms: -4,
        envelopes: [Uint8Array.of(1)],
      },
      { type: 'records', document: 'a', incarnation: 0, epoch: 0, version: Uint8Array.of(0) },
      { type: 'synced', document: 'a', incarnation: 0, epoch: 2, acknowledged: [{ agent: 1n, to: 2, position: 3 }] },
    ],
  },
];
const sent = (body: TabBody): unknown => ({ ...structuredClone(body), joinery: tabFormat, tab: 't', term: 1 });

/** What is nowhere right. (A hole is what `structuredClone` keeps of an array's.) */
const junk: readonly (() => unknown)[] = [
  () => null,
  () => Number.NaN,
  () => -1,
  () => 1.5,
  () => 2 ** 60,
  () => Number.POSITIVE_INFINITY,
  () => -1n,
  () => 2n ** 64n,
  () => Symbol.iterator,
  () => 'x'.repeat(5_000),
  () => ['online'],
  () => ({ length: 2 }),
  () => new Array(3),
  () => new Array(100_000).fill(null),
  () => new DataView(new ArrayBuffer(8)),
  () => Object.create(null),
];

/** Every place in a message: the object and the key. */
function places(value: unknown, found: [object, string][] = []): [object, string][] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return found;
  for (const key of Object.keys(value)) {
    found.push([value, key]);
    places((value as Record<string, unknown>)[key], found);
  }
  return found;
}

describe('a message between tabs', () => {
  test('is read as it was sent', () => {
    for (const body of bodies) expect(readTabMessage(sent(body))).toMatchObject(body);
  });

  test('with anything in any place of it is not heard, and nothing is thrown', () => {
    let heard = 0;
    for (const body of bodies) {
      const { length } = places(sent(body));
      for (let at = 0; at < length; at += 1) {
        for (const make of junk) {
          const message = sent(body);
          const [object, key] = places(message)[at] as [Record<string, unknown>, string];
          object[key] = make();
          if (readTabMessage(message) === undefined) continue;
          heard += 1;
          // A clock may be off by anything, what is oldest of any time, a message any text, and a list of names is one of those.
          expect(['clockOffset_ms', 'oldestAt_ms', 'message', 'documents', 'spaces']).toContain(key);
        }
      }
    }
    expect(heard).toBeGreaterThan(0);
  });

  test('that lacks something, or is none at all, is not heard', () => {
    const random = seededRandom(1);
    const optional = new Set(['state', 'lastError', 'clockOffset_ms', 'trouble', 'version', 'error', 'heads']);
    for (const body of bodies) {
      const { length } = places(sent(body));
      for (let at = 0; at < length; at += 1) {
        const message = sent(body);
        const [object, key] = places(message)[at] as [Record<string, unknown>, string];
        // A presence without a message says that a connection has ended.
        if (key === 'message' && body.type === 'presence') continue;
        if (optional.has(key) || (Array.isArray(object) && Number(key) === object.length - 1)) continue;
        // Of an array it leaves a hole.
        delete object[key];
        expect(readTabMessage(message), `${body.type} without ${key}`).toBeUndefined();
      }
    }
    for (let count = 0; count < 1_000; count += 1) {
      const made = junk[Math.floor(random() * junk.length)]?.();
      expect(readTabMessage(made)).toBeUndefined();
      expect(readTabMessage({ joinery: tabFormat, tab: 't', term: 1, type: made })).toBeUndefined();
    }
  });
});
