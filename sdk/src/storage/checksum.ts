// CRC-32 (IEEE 802.3, reflected, as in zip and PNG): finds torn writes and flipped bits. It is no protection against
// somebody who means harm.

const table = new Uint32Array(256);
for (let index = 0; index < 256; index += 1) {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  table[index] = value;
}

/** The checksum of `bytes`, continued from the checksum of what came before them (0 for nothing). */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let index = 0; index < bytes.length; index += 1) {
    // Both indices are in range by construction; `| 0` only tells the compiler that they are numbers.
    crc = (crc >>> 8) ^ ((table[(crc ^ ((bytes[index] as number) | 0)) & 0xff] as number) | 0);
  }
  return ~crc >>> 0;
}
