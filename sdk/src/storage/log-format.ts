// How a file of records looks (`log-file.ts` reads and writes it): a header, twice, then a frame for each commit.
//
//   header  "JOINERY"  version (1 byte)  generation (8 bytes)  salt (4)  CRC-32 of these 20 (4); its second copy lies 4,096 bytes on
//   frame   "JA" or "JF"  length of the body (4)  CRC-32 of salt and these 6 (4)  CRC-32 of the body, from that one on (4)  body
//   body    operations, one behind the other:
//           kind  area  lengths of document's id and name (2 each)  length of the record (4)
//           CRC-32 of salt, these 10 and the two names (4)  document's id  name  record
//
// Kinds: 1 put, 2 delete, 3 set aside (the name is the reason), 4 clear. Numbers are little endian, texts UTF-8. "JA" is a commit that
// only adds (see `isAdding`). The salt is random and known to this device alone: what others wrote, which lies in records, can't
// look like a frame to whoever looks for one behind damage. What records are is `record.ts`'s; each has a checksum of its own, so
// damage to one is found when it is read.

import { JoineryError } from '@joinery/protocol';
import { crc32 } from './checksum.ts';
import type { RecordArea } from './records.ts';
import type { DamagedRecord } from './storage.ts';

const magic = Uint8Array.of(0x4a, 0x4f, 0x49, 0x4e, 0x45, 0x52, 0x59);
const copy_bytes = 24;
/** In another sector, so that one that can't be read doesn't cost both. */
const secondCopy = 4096;
/** Both copies, and what lies between. */
export const header_bytes = secondCopy + copy_bytes;
const plainMagic = 0x464a;
const addingMagic = 0x414a;
/** What both magics begin with. */
export const firstByte = 0x4a;
export const frameHead_bytes = 14;
const operationHead_bytes = 14;
/** A commit is one frame. */
export const maxFrame_bytes = 512 * 1024 * 1024;

const areas: readonly (RecordArea | DamagedRecord['area'])[] = [
  'log',
  'snapshot',
  'state',
  'rejected',
  'replacement',
  'value',
];
const utf8 = new TextEncoder();
const utf8Reader = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a commit does, in order. */
export type Operation =
  | {
      readonly kind: 'put';
      readonly area: RecordArea;
      readonly document: string;
      readonly name: string;
      readonly record: Uint8Array;
    }
  | { readonly kind: 'delete'; readonly area: RecordArea; readonly document: string; readonly name: string }
  | { readonly kind: 'set aside'; readonly damaged: DamagedRecord }
  | { readonly kind: 'clear' };

/** Makes what a file of one version has what one of the next has, operation by operation, in order. */
export type Upgrade = (operation: Operation) => readonly Operation[];

/** From version 1 to 2, and so on; a file is written anew for them. One that was released is never changed. */
export const upgrades: readonly Upgrade[] = [];

/** The version that code with these upgrades writes. */
export function versionOf(steps: readonly Upgrade[]): number {
  return 1 + steps.length;
}

/** What a file's header says. */
export interface Header {
  readonly version: number;
  /** From 1 on. */
  readonly generation: number;
  readonly salt: number;
}

export function encodeHeader({ version, generation, salt }: Header): Uint8Array {
  const header = new Uint8Array(header_bytes);
  header.set(magic);
  header[magic.length] = version;
  const view = new DataView(header.buffer);
  view.setBigUint64(8, BigInt(generation), true);
  view.setUint32(16, salt, true);
  view.setUint32(20, crc32(header.subarray(0, 20)), true);
  header.copyWithin(secondCopy, 0, copy_bytes);
  return header;
}

/**
 * A header, of whichever copy is whole; undefined where there is none.
 *
 * @param known the newest version that can be read
 * @throws JoineryError `storage-too-new` where a later version of this code has written it
 */
export function decodeHeader(header: Uint8Array, known = versionOf(upgrades)): Header | undefined {
  for (const at of [0, secondCopy]) {
    const copy = header.slice(at, at + copy_bytes);
    if (copy.length < copy_bytes) continue;
    const view = new DataView(copy.buffer);
    if (view.getUint32(20, true) !== crc32(copy.subarray(0, 20))) continue;
    if (magic.some((byte, index) => copy[index] !== byte)) continue;
    const version = copy[magic.length] ?? 0;
    if (version <= known) {
      return { version, generation: Number(view.getBigUint64(8, true)), salt: view.getUint32(16, true) };
    }
    throw new JoineryError('storage-too-new', {
      expected: `a file of records of version ${known} or lower`,
      got: `one of version ${version}, written by a newer version of this app`,
      remedy: 'Reload this tab to get the newer version.',
    });
  }
  return undefined;
}

/** Whether it only puts what stands by itself: of such a commit each part that is whole is worth something alone. */
export function isAdding(operation: Operation): boolean {
  return operation.kind === 'put' && (operation.area === 'log' || operation.area === 'state');
}

/** One commit. Records' bytes are copied. */
export function encodeFrame(salt: number, operations: readonly Operation[]): Uint8Array {
  const parts = operations.map(partsOf);
  const size = parts.reduce(
    (sum, { document, name, record }) => sum + operationHead_bytes + document.length + name.length + record.length,
    frameHead_bytes,
  );
  if (size > maxFrame_bytes) {
    throw new JoineryError('limit-exceeded', {
      expected: `a commit of at most ${maxFrame_bytes} bytes`,
      got: `${size}`,
      remedy: 'Write less at once.',
    });
  }
  const frame = new Uint8Array(size);
  const view = new DataView(frame.buffer);
  let at = frameHead_bytes;
  for (const { kind, area, document, name, record } of parts) {
    view.setUint8(at, kind);
    view.setUint8(at + 1, area);
    view.setUint16(at + 2, document.length, true);
    view.setUint16(at + 4, name.length, true);
    view.setUint32(at + 6, record.length, true);
    const namesAt = at + operationHead_bytes;
    const recordAt = namesAt + document.length + name.length;
    frame.set(document, namesAt);
    frame.set(name, namesAt + document.length);
    frame.set(record, recordAt);
    view.setUint32(at + 10, namesChecksum(salt, frame, at, recordAt), true);
    at = recordAt + record.length;
  }
  view.setUint16(0, operations.every(isAdding) ? addingMagic : plainMagic, true);
  view.setUint32(2, size - frameHead_bytes, true);
  const head = crc32(frame.subarray(0, 6), salt);
  view.setUint32(6, head, true);
  view.setUint32(10, crc32(frame.subarray(frameHead_bytes), head), true);
  return frame;
}

/** The length of a frame's body by its head; undefined where it is no head that this file's writer has made. */
export function bodyLength(salt: number, head: Uint8Array): number | undefined {
  if (head.length < frameHead_bytes) return undefined;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const start = view.getUint16(0, true);
  if (start !== plainMagic && start !== addingMagic) return undefined;
  return view.getUint32(6, true) === crc32(head.subarray(0, 6), salt) ? view.getUint32(2, true) : undefined;
}

/** Whether a frame is as it was written. Its head is. */
export function isWhole(frame: Uint8Array): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  return view.getUint32(10, true) === crc32(frame.subarray(frameHead_bytes), view.getUint32(6, true));
}

/** Whether a frame's head says that it only adds. */
export function onlyAdds(frame: Uint8Array): boolean {
  return frame[0] === firstByte && frame[1] === addingMagic >> 8;
}

function namesChecksum(salt: number, frame: Uint8Array, at: number, recordAt: number): number {
  return crc32(frame.subarray(at + operationHead_bytes, recordAt), crc32(frame.subarray(at, at + 10), salt));
}

/** An operation with where in the frame its record is: a put's record is read when it is asked for. */
export interface FoundOperation {
  readonly operation: Operation;
  readonly at: number;
}

/**
 * The operations of a frame, in order, up to the first that is damaged itself (its record may be): `isComplete` says whether there is
 * none.
 */
export function decodeFrame(
  salt: number,
  frame: Uint8Array,
): { readonly found: readonly FoundOperation[]; readonly isComplete: boolean } {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const found: FoundOperation[] = [];
  let at = frameHead_bytes;
  while (at < frame.length) {
    if (frame.length - at < operationHead_bytes) return { found, isComplete: false };
    const area = areas[view.getUint8(at + 1)];
    const namesAt = at + operationHead_bytes;
    const nameAt = namesAt + view.getUint16(at + 2, true);
    const recordAt = nameAt + view.getUint16(at + 4, true);
    const end = recordAt + view.getUint32(at + 6, true);
    const isIntact =
      area !== undefined &&
      end <= frame.length &&
      view.getUint32(at + 10, true) === namesChecksum(salt, frame, at, recordAt);
    if (!isIntact) return { found, isComplete: false };
    const document = utf8Reader.decode(frame.subarray(namesAt, nameAt));
    const name = utf8Reader.decode(frame.subarray(nameAt, recordAt));
    const operation = operationOf(view.getUint8(at), area, document, name, frame.subarray(recordAt, end));
    if (operation === undefined) return { found, isComplete: false };
    found.push({ operation, at: recordAt });
    at = end;
  }
  return { found, isComplete: true };
}

function operationOf(
  kind: number,
  area: RecordArea | DamagedRecord['area'],
  document: string,
  name: string,
  record: Uint8Array,
): Operation | undefined {
  if (kind === 4) return { kind: 'clear' };
  if (kind === 2) return { kind: 'delete', area, document, name };
  if (kind === 1) return { kind: 'put', area, document, name, record };
  if (kind !== 3 || area === 'value') return undefined;
  return { kind: 'set aside', damaged: { document, area, bytes: record.slice(), reason: name } };
}

interface Parts {
  readonly kind: number;
  readonly area: number;
  readonly document: Uint8Array;
  readonly name: Uint8Array;
  readonly record: Uint8Array;
}

const nothing = new Uint8Array(0);

function partsOf(operation: Operation): Parts {
  if (operation.kind === 'clear') return { kind: 4, area: 0, document: nothing, name: nothing, record: nothing };
  if (operation.kind === 'set aside') {
    const { document, area, bytes, reason } = operation.damaged;
    return parts(3, area, document, reason.slice(0, 1_000), bytes);
  }
  const { area, document, name } = operation;
  return operation.kind === 'delete'
    ? parts(2, area, document, name, nothing)
    : parts(1, area, document, name, operation.record);
}

function parts(
  kind: number,
  area: RecordArea | DamagedRecord['area'],
  document: string,
  name: string,
  record: Uint8Array,
): Parts {
  const [id, key] = [utf8.encode(document), utf8.encode(name)];
  for (const text of [id, key]) {
    if (text.length <= 0xffff) continue;
    throw new JoineryError('limit-exceeded', {
      expected: 'a name of at most 65,535 bytes of UTF-8',
      got: `${text.length}`,
      remedy: 'Shorten it.',
    });
  }
  return { kind, area: areas.indexOf(area), document: id, name: key, record };
}
