// The record codec: what is written is read; anything else is `storage-corrupt` and nothing else.

import { JoineryError, writeEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../testing/random.ts';
import { crc32 } from './checksum.ts';
import {
  decodeEnvelopeRecord,
  decodeRejectedRecord,
  decodeReplacementRecord,
  decodeSnapshotRecord,
  decodeStateRecord,
  decodeValueRecord,
  encodeEnvelopeRecord,
  encodeRejectedRecord,
  encodeReplacementRecord,
  encodeSnapshotRecord,
  encodeStateRecord,
  encodeValueRecord,
  looksRemote,
} from './record.ts';

const bytes = writeEnvelope({ agent: 2n ** 64n - 1n, from: 300, to: 4_000_000, payload: new Uint8Array(40).fill(7) });
const envelope = {
  remote: true,
  own: true,
  clockOffset_ms: -86_400_000,
  epoch: 3,
  position: 70_000,
  at_ms: 1_763_712_000_000,
  bytes,
};
const state = {
  repairs: 2,
  resume: { epoch: 1, position: Number.MAX_SAFE_INTEGER },
  acknowledged: [
    { agent: 1n, to: 5, position: 6 },
    { agent: 2n ** 63n, to: 2 ** 32 - 2, position: 2 ** 40 },
  ],
  incarnation: 3,
  safe: { epoch: 1, position: 9 },
  epoch: 1,
};
const rejected = {
  id: 'ffffffffffffffff-1-2',
  agent: 2n ** 64n - 1n,
  parts: [
    { from: 1, to: 2, code: 'forbidden', message: 'You may not change “title”.', reason: 'refused' },
    { from: 9, to: 400, code: 'key-removed', message: '', reason: 'key-removed' },
  ],
  at_ms: 1_763_712_000_000,
  changes: Uint8Array.of(1, 2),
  envelope: bytes,
};
const replacement = {
  incarnation: 4,
  agents: [{ agent: 7n, covered: 1_000, last: 999 }],
  rejected: [{ agent: 7n, from: 999, to: 1_000, code: 'validation', message: '' }],
  mapping: Uint8Array.of(8, 9),
  bridges: [{ agent: 9n, bytes: Uint8Array.of(3) }],
};

const encoded = [
  encodeEnvelopeRecord('a', envelope),
  encodeSnapshotRecord('a', { epoch: 4, bytes: Uint8Array.of(1, 2, 3) }),
  encodeStateRecord('a', state),
  encodeValueRecord('a', Uint8Array.of(5)),
  encodeRejectedRecord('a', rejected),
  encodeReplacementRecord('a', replacement),
];
const decoders = [
  decodeEnvelopeRecord,
  decodeSnapshotRecord,
  decodeStateRecord,
  decodeValueRecord,
  decodeRejectedRecord,
  decodeReplacementRecord,
];

describe('records', () => {
  test('round-trip', () => {
    const decoded = decodeEnvelopeRecord('a', encoded[0] as Uint8Array);
    expect(decoded).toEqual({ ...envelope, agent: 2n ** 64n - 1n, from: 300, to: 4_000_000 });
    expect(decodeSnapshotRecord('a', encoded[1] as Uint8Array)).toEqual({ epoch: 4, bytes: Uint8Array.of(1, 2, 3) });
    expect(decodeStateRecord('a', encoded[2] as Uint8Array)).toEqual(state);
    expect(decodeValueRecord('a', encoded[3] as Uint8Array)).toEqual(Uint8Array.of(5));
    const { id: _, ...content } = rejected;
    expect(decodeRejectedRecord('a', encoded[4] as Uint8Array)).toEqual(content);
    expect(decodeReplacementRecord('a', encoded[5] as Uint8Array)).toEqual(replacement);
    const none = { repairs: 0, resume: undefined, acknowledged: [], incarnation: 0, safe: undefined, epoch: 0 };
    expect(decodeStateRecord('a', encodeStateRecord('a', none))).toEqual(none);
    for (const clockOffset_ms of [undefined, 0, -1, 1, 86_400_000]) {
      const own = { ...envelope, remote: false, position: 0, clockOffset_ms };
      expect(decodeEnvelopeRecord('a', encodeEnvelopeRecord('a', own))).toMatchObject(own);
    }
  });

  test('of the first format are read: no incarnation, and nothing known of clocks', () => {
    const own = decodeEnvelopeRecord('a', olderFormat(1, 1, [0, 1, 0, 5, ...bytes]));
    expect(own).toMatchObject({ remote: false, own: true, epoch: 1, at_ms: 5, clockOffset_ms: undefined, bytes });
    expect(decodeEnvelopeRecord('a', olderFormat(1, 1, [1, 1, 9, 5, ...bytes]))).toMatchObject({
      remote: true,
      own: false,
    });
    expectCorrupt(() => decodeEnvelopeRecord('a', olderFormat(1, 1, [3, 1, 9, 5, ...bytes])));
    expect(decodeStateRecord('a', olderFormat(1, 3, [2, 1, 7, 1, 5, 0, 0, 0, 0, 0, 0, 0, 3, 4]))).toEqual({
      repairs: 2,
      resume: { epoch: 1, position: 7 },
      acknowledged: [{ agent: 5n, to: 3, position: 4 }],
      incarnation: 0,
      safe: undefined,
      epoch: 1,
    });
  });

  test('of the second format are read: a rejected record is one range', () => {
    const text = (value: string): number[] => [value.length, ...new TextEncoder().encode(value)];
    const body = [5, 0, 0, 0, 0, 0, 0, 0, 3, 4, 9, ...text('forbidden'), ...text('no'), ...text('refused'), 1, 7, 0];
    expect(decodeRejectedRecord('a', olderFormat(2, 5, body))).toEqual({
      agent: 5n,
      parts: [{ from: 3, to: 4, code: 'forbidden', message: 'no', reason: 'refused' }],
      at_ms: 9,
      changes: Uint8Array.of(7),
      envelope: new Uint8Array(),
    });
  });

  test('of the third format are read: what the points tell is the epoch', () => {
    const epochOf = (body: readonly number[]): number => decodeStateRecord('a', olderFormat(3, 3, body)).epoch;
    expect(epochOf([0, 4, 7, 0, 1, 4, 6])).toBe(4);
    expect(epochOf([1, 0, 0, 0, 1, 5, 6])).toBe(5);
    expect(epochOf([0, 0, 0, 0, 1, 0, 0])).toBe(0);
  });

  test('the checksum is CRC-32', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array())).toBe(0);
  });

  test('say whether they are from the server, whatever they are otherwise', () => {
    for (const length of [0, 100, 127, 128, 20_000]) {
      const payload = new Uint8Array(length).fill(255);
      const long = { ...envelope, bytes: writeEnvelope({ agent: 1n, from: 0, to: 1, payload }) };
      for (const kind of [
        { remote: true, own: false },
        { remote: true, own: true },
        { remote: false, own: true, position: 0 },
      ]) {
        const record = encodeEnvelopeRecord('a', { ...long, ...kind });
        expect(looksRemote(record)).toBe(kind.remote);
        expect(decodeEnvelopeRecord('a', record).remote).toBe(kind.remote);
      }
    }
    expect(looksRemote(new Uint8Array())).toBe(false);
    expect(looksRemote(new Uint8Array(20).fill(255))).toBe(false);
  });

  test('belong to one owner and one kind', () => {
    encoded.forEach((record, kind) => {
      decoders.forEach((decode, other) => {
        if (kind === other) expect(() => decode('b', record)).toThrow(JoineryError);
        else expect(() => decode('a', record)).toThrow(JoineryError);
      });
    });
  });

  test('every truncation and every flipped bit is found', () => {
    encoded.forEach((record, kind) => {
      const decode = decoders[kind];
      if (!decode) throw new Error('no decoder');
      for (let length = 0; length < record.length; length += 1)
        expectCorrupt(() => decode('a', record.slice(0, length)));
      for (let bit = 0; bit < record.length * 8; bit += 1) {
        const flipped = record.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expectCorrupt(() => decode('a', flipped));
      }
    });
  });

  test('100,000 broken inputs give a record or a typed error', () => {
    const random = seededRandom(20_251_121);
    const below = (limit: number): number => Math.floor(random() * limit);
    let accepted = 0;
    for (let run = 0; run < 100_000; run += 1) {
      const which = below(6);
      let input = (encoded[which] as Uint8Array).slice();
      const choice = below(3);
      if (choice === 0) input = input.slice(0, below(input.length + 1));
      else if (choice === 1) input = Uint8Array.from({ length: below(200) }, () => below(256));
      for (let flips = choice === 2 ? 1 + below(8) : 0; flips > 0; flips -= 1) {
        input[below(input.length)] = below(256);
      }
      // Half of them with a right checksum, so that what is behind it is tried as well.
      if (below(2) === 0 && input.length >= 4) {
        const checksum = crc32(input.subarray(0, -4), crc32(new TextEncoder().encode('a')));
        new DataView(input.buffer).setUint32(input.length - 4, checksum, true);
      }
      const before = input.slice();
      try {
        (decoders[which] as (owner: string, record: Uint8Array) => unknown)('a', input);
        accepted += 1;
      } catch (error) {
        if (!(error instanceof JoineryError) || error.code !== 'storage-corrupt') throw error;
      }
      expect(input.length === before.length && input.every((byte, index) => byte === before[index])).toBe(true);
    }
    expect(accepted).toBeGreaterThan(0);
  });
});

/** A record as an older format wrote it. */
function olderFormat(version: number, kind: number, body: readonly number[]): Uint8Array {
  const record = Uint8Array.of(0x4a, version, kind, body.length, ...body, 0, 0, 0, 0);
  const checksum = crc32(record.subarray(0, -4), crc32(new TextEncoder().encode('a')));
  new DataView(record.buffer).setUint32(record.length - 4, checksum, true);
  return record;
}

function expectCorrupt(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (error instanceof JoineryError && error.code === 'storage-corrupt') return;
    throw error;
  }
  throw new Error('Expected storage-corrupt, got a record.');
}
