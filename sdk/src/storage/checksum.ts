// CRC-32 (IEEE 802.3, reflected, as in zip and PNG): finds torn writes and flipped bits. It is no protection against
// somebody who means harm. Four bytes at a time ("slicing-by-4": Kounavis and Berry, 2005), which takes two fifths of the time.

/** The checksum of each byte, then of each byte with one, two and three zeros behind it. */
const tables = new Int32Array(4 * 256);
for (let index = 0; index < 256; index += 1) {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  tables[index] = value;
}
for (let index = 256; index < tables.length; index += 1) {
  const before = tables[index - 256] as number;
  tables[index] = (before >>> 8) ^ (tables[before & 0xff] as number);
}

/** The checksum of `bytes`, continued from the checksum of what came before them (0 for nothing). */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  let index = 0;
  // All indices are in range by construction. Nothing is called: most that is
  // read is read once, by code that no compiler has optimised yet.
  for (const end = bytes.length - 3; index < end; index += 4) {
    const mixed =
      crc ^
      (bytes[index] as number) ^
      ((bytes[index + 1] as number) << 8) ^
      ((bytes[index + 2] as number) << 16) ^
      ((bytes[index + 3] as number) << 24);
    crc =
      (tables[0x300 + (mixed & 0xff)] as number) ^
      (tables[0x200 + ((mixed >>> 8) & 0xff)] as number) ^
      (tables[0x100 + ((mixed >>> 16) & 0xff)] as number) ^
      (tables[mixed >>> 24] as number);
  }
  for (; index < bytes.length; index += 1) {
    crc = (crc >>> 8) ^ (tables[(crc ^ (bytes[index] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}
