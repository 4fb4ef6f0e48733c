import { expect, test } from 'vitest';
import { crc32 } from './checksum.ts';

const bytes = new TextEncoder().encode('123456789');

test('it is the checksum that zip and PNG have', () => {
  // The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
  expect(crc32(bytes)).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
  // Bit by bit, at each length and place: four bytes at a time must not make a difference.
  const many = Uint8Array.from({ length: 41 }, (_, index) => (index * 97) & 0xff);
  for (let from = 0; from < 5; from += 1) {
    for (let to = from; to <= many.length; to += 1)
      expect(crc32(many.subarray(from, to))).toBe(bitwise(many.subarray(from, to)));
  }
});

test('it goes on from what came before', () => {
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)))).toBe(0xcbf43926);
  }
});

function bitwise(of: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of of) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
