// What lies where in a file of records, for tests that damage one. It reads nothing that is damaged.

import {
  decodeFrame,
  decodeHeader,
  type FoundOperation,
  frameHead_bytes,
  header_bytes,
} from '../storage/log-format.ts';

/** All operations of a whole file, in order, each with where in the file its record is. */
export function operationsOf(content: Uint8Array): FoundOperation[] {
  const found: FoundOperation[] = [];
  const { salt = 0 } = decodeHeader(content) ?? {};
  for (let at = header_bytes; at < content.length; ) {
    const length = frameHead_bytes + new DataView(content.buffer, content.byteOffset + at).getUint32(2, true);
    for (const one of decodeFrame(salt, content.subarray(at, at + length)).found)
      found.push({ ...one, at: at + one.at });
    at += length;
  }
  return found;
}
