import { maxPresenceBytes } from '@joinery/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeState,
  encodeState,
  maxState_bytes,
  maxTurn,
  peerId,
  readPresenceMessage,
  writeAsk,
  writeState,
} from './message.ts';

const name = Uint8Array.of(0, 1, 2, 3, 4, 5, 0xfe, 0xff);

describe('a message', () => {
  test('is read as it was written', () => {
    const { json } = encodeState({ name: 'Ada' });
    expect(readPresenceMessage(writeAsk())).toEqual({ kind: 'ask' });
    for (const turn of [0, 1, maxTurn]) {
      const peer = '000102030405feff';
      expect(readPresenceMessage(writeState(name, turn, json))).toEqual({ kind: 'state', peer, turn, json });
      expect(readPresenceMessage(writeState(name, turn, undefined))).toEqual({ kind: 'gone', peer, turn });
    }
    expect(peerId(name)).toBe('000102030405feff');
  });

  test('fits where the largest state is in it', () => {
    const overhead = JSON.stringify({ text: '' }).length;
    const largest = encodeState({ text: 'x'.repeat(maxState_bytes - overhead) });
    expect(writeState(name, 1, largest.json).length).toBe(maxPresenceBytes);
    expect(() => encodeState({ text: 'x'.repeat(maxState_bytes - overhead + 1) })).toThrow(/at most 4082 bytes/);
  });

  test('of another format, or damaged, is none', () => {
    const whole = writeState(name, 1, undefined);
    const other = whole.slice();
    other[0] = 2;
    const kind = whole.slice();
    kind[1] = 9;
    const bad = [
      new Uint8Array(0),
      other,
      kind,
      whole.subarray(0, 13),
      Uint8Array.of(...whole, 0),
      Uint8Array.of(1, 0, 0),
    ];
    for (const bytes of bad) expect(readPresenceMessage(bytes)).toBeUndefined();
    expect(readPresenceMessage(writeState(name, 1, new Uint8Array(maxPresenceBytes)))).toBeUndefined();
  });

  test('of any bytes is read, or is none', () => {
    const bytes = fc.uint8Array({ maxLength: 64 });
    fc.assert(
      fc.property(bytes, fc.constantFrom(0, 1, 2, 3), (rest, kind) => {
        const message = readPresenceMessage(Uint8Array.of(1, kind, ...rest));
        if (message?.kind === 'state') decodeState(message.json);
      }),
    );
  });
});

describe('a state', () => {
  test('is copied and frozen, deep down', () => {
    const given = { list: [{ at: 1 }], gone: undefined, nothing: null };
    const { state, json } = encodeState(given);
    given.list.push({ at: 2 });
    for (const value of [state, decodeState(json)] as { list: object[] }[]) {
      expect(value).toEqual({ list: [{ at: 1 }], nothing: null });
      expect([value, value.list, value.list[0]].every((part) => Object.isFrozen(part))).toBe(true);
    }
  });

  test('may have any key, and changes no prototype', () => {
    const given = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as object;
    const { state, json } = encodeState(given);
    for (const value of [state, decodeState(json) as object]) {
      expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('comes back as it went, lone surrogates too', () => {
    const plain = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue());
    fc.assert(
      fc.property(plain, (given) => {
        const json = JSON.stringify(given);
        if (json.length > 1_000) return;
        expect(JSON.stringify(decodeState(encodeState(given).json))).toBe(json);
      }),
    );
    expect(decodeState(encodeState({ x: '\ud800' }).json)).toEqual({ x: '\ud800' });
  });

  test('that another one tells is none where it is no object, no JSON, or nested without end', () => {
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
    const deep = `${'{"a":'.repeat(600)}1${'}'.repeat(600)}`;
    for (const bad of ['', '1', 'null', '[]', '{', '"x"', deep]) expect(decodeState(bytes(bad))).toBeUndefined();
    expect(decodeState(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d))).toBeUndefined();
  });
});
