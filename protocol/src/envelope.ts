/**
 * Reads (and, for tests and tools, writes) the clear header that every envelope starts with. It never looks into the
 * payload: only the core does. The bytes are those that the core's `takeUpdate()` returns:
 *
 * ```
 * byte 0    0x10 | flags    high nibble: format version 1; flags: 1 sealed, 2 count, 4 deps, 8 stamp follow
 * 8 bytes   agent, little endian
 * varint    from: the seq before the first, so that the range is (from, to]
 * [varint   count = to - from, at least 2; without its flag the count is 1]
 * [varint   number of deps, at least 1, then for each by ascending agent: 8 bytes agent, varint seq]
 * [varint   highest stamp]
 * rest      payload
 * ```
 *
 * A varint is LEB128 of at most 10 bytes in its shortest form. The reader is total: any bytes give a header or an
 * `invalid-envelope`, and memory is bounded by the input's length.
 */

import { JoineryError } from './error.ts';

/** The largest envelope, in bytes, header included. */
export const maxEnvelopeBytes = 1024 * 1024;
/** Seqs are dense from 1 and stay below 2^32 - 1. */
export const maxSeq = 2 ** 32 - 2;
/** The most other agents that an envelope may name as its causes. */
export const maxDeps = 65_536;

const formatVersion = 1;
const sealedFlag = 1;
const countFlag = 2;
const depsFlag = 4;
const stampFlag = 8;
const agentBytes = 8;
const stampLimit = 1n << 64n;

/** One other agent's operation that an envelope was written on. */
export interface Dot {
  readonly agent: bigint;
  readonly seq: number;
}

/** The clear part of an envelope. */
export interface EnvelopeHeader {
  /** 0 = plain operations, 1 = sealed. */
  readonly kind: number;
  readonly agent: bigint;
  /** The seq before the first one; the envelope covers (from, to]. */
  readonly from: number;
  readonly to: number;
  /** Other agents' operations that this one was written on since the agent's previous envelope. */
  readonly deps: readonly Dot[];
  /** The highest hybrid clock stamp: 48 bits of milliseconds, 16 bits of counter. */
  readonly stamp: bigint | undefined;
  /** Where the payload starts. */
  readonly payloadOffset: number;
}

/** What {@link writeEnvelope} needs: the header's fields and the opaque payload. */
export interface EnvelopeFields {
  readonly kind?: number;
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly deps?: readonly Dot[];
  readonly stamp?: bigint | undefined;
  readonly payload: Uint8Array;
}

/**
 * Whether bytes begin as an envelope that names no stamp does: nothing in it has a time. It reads one byte and checks nothing else.
 *
 * @example
 * isTimeless(replica.takeUpdate()); // true after a keystroke, false after a map's `set`
 */
export function isTimeless(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  return first >> 4 === formatVersion && (first & stampFlag) === 0;
}

/**
 * Reads an envelope's header.
 *
 * @throws JoineryError `invalid-envelope` when the bytes are no envelope of this version or pass a limit.
 * @example
 * const { agent, from, to } = readEnvelope(bytes);
 */
export function readEnvelope(bytes: Uint8Array): EnvelopeHeader {
  if (bytes.length > maxEnvelopeBytes) {
    throw invalid(`at most ${maxEnvelopeBytes} bytes`, `${bytes.length} bytes`);
  }
  const cursor: Cursor = { bytes, offset: 0 };
  const first = readByte(cursor, 'the format byte');
  if (first >> 4 !== formatVersion) throw invalid(`format version ${formatVersion}`, `format version ${first >> 4}`);
  const kind = first & sealedFlag;

  const agent = readAgent(cursor);
  const from = readSeq(cursor, 'from');
  const count = first & countFlag ? readSeq(cursor, 'count') : 1;
  const to = from + count;
  if (first & countFlag && count < 2) throw invalid('a stated count of at least 2', `${count}`);
  if (to > maxSeq) throw invalid(`a last seq of at most ${maxSeq}`, `${to}`);

  const depCount = first & depsFlag ? readSeq(cursor, 'the number of deps') : 0;
  if (first & depsFlag && depCount === 0) throw invalid('at least one stated dep', 'none');
  // A dep takes 9 bytes or more, so the count can't claim memory that the input doesn't have.
  const depRoom = Math.floor((bytes.length - cursor.offset) / (agentBytes + 1));
  if (depCount > Math.min(maxDeps, depRoom)) {
    throw invalid(`at most ${Math.min(maxDeps, depRoom)} deps in what is left`, `${depCount}`);
  }
  const deps: Dot[] = [];
  for (let index = 0; index < depCount; index += 1) {
    const dep = { agent: readAgent(cursor), seq: readSeq(cursor, 'a dep') };
    if (dep.seq < 1 || dep.seq > maxSeq) throw invalid(`a dep's seq from 1 to ${maxSeq}`, `${dep.seq}`);
    if (dep.agent === agent) throw invalid('deps on other agents only', "the envelope's own agent");
    const last = deps.at(-1);
    if (last !== undefined && last.agent >= dep.agent) throw invalid('deps by ascending agent', 'another order');
    deps.push(dep);
  }

  const stamp = first & stampFlag ? readVarint(cursor, 'the stamp') : undefined;
  // No clock could write above the highest one, so the core refuses it too.
  if (stamp === stampLimit - 1n) throw invalid('a stamp below 2^64 - 1', `${stamp}`);
  return { kind, agent, from, to, deps, stamp, payloadOffset: cursor.offset };
}

/** Writes an envelope; the inverse of {@link readEnvelope}. It trusts its caller about the ranges. */
export function writeEnvelope(fields: EnvelopeFields): Uint8Array {
  const deps = fields.deps ?? [];
  const count = fields.to - fields.from;
  const flags =
    (fields.kind ?? 0) |
    (count > 1 ? countFlag : 0) |
    (deps.length > 0 ? depsFlag : 0) |
    (fields.stamp === undefined ? 0 : stampFlag);
  const out: number[] = [(formatVersion << 4) | flags];
  pushAgent(out, fields.agent);
  pushVarint(out, BigInt(fields.from));
  if (count > 1) pushVarint(out, BigInt(count));
  if (deps.length > 0) pushVarint(out, BigInt(deps.length));
  for (const dep of deps) {
    pushAgent(out, dep.agent);
    pushVarint(out, BigInt(dep.seq));
  }
  if (fields.stamp !== undefined) pushVarint(out, fields.stamp);
  const bytes = new Uint8Array(out.length + fields.payload.length);
  bytes.set(out);
  bytes.set(fields.payload, out.length);
  return bytes;
}

interface Cursor {
  readonly bytes: Uint8Array;
  offset: number;
}

function readByte(cursor: Cursor, what: string): number {
  const byte = cursor.bytes[cursor.offset];
  if (byte === undefined) throw invalid(`more bytes for ${what}`, `the end at byte ${cursor.offset}`);
  cursor.offset += 1;
  return byte;
}

function readAgent(cursor: Cursor): bigint {
  const { bytes, offset } = cursor;
  if (bytes.length - offset < agentBytes) throw invalid('8 bytes for an agent', `${bytes.length - offset}`);
  cursor.offset += agentBytes;
  return new DataView(bytes.buffer, bytes.byteOffset + offset, agentBytes).getBigUint64(0, true);
}

/** A varint that must fit a seq; plain numbers keep the hot path free of BigInt. */
function readSeq(cursor: Cursor, what: string): number {
  let value = 0;
  let scale = 1;
  for (let index = 0; index < 5; index += 1) {
    const byte = readByte(cursor, what);
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) {
      if (byte === 0 && index > 0) throw invalid(`the shortest varint for ${what}`, 'a longer one');
      if (value > maxSeq) throw invalid(`at most ${maxSeq} for ${what}`, `${value}`);
      return value;
    }
  }
  throw invalid(`at most ${maxSeq} for ${what}`, 'a longer varint');
}

function readVarint(cursor: Cursor, what: string): bigint {
  let value = 0n;
  for (let index = 0; index < 10; index += 1) {
    const byte = readByte(cursor, what);
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) {
      if (byte === 0 && index > 0) throw invalid(`the shortest varint for ${what}`, 'a longer one');
      if (value >= stampLimit) throw invalid(`64 bits for ${what}`, 'more');
      return value;
    }
  }
  throw invalid(`a varint of at most 10 bytes for ${what}`, 'a longer one');
}

function pushAgent(out: number[], agent: bigint): void {
  for (let shift = 0n; shift < 64n; shift += 8n) out.push(Number((agent >> shift) & 0xffn));
}

function pushVarint(out: number[], value: bigint): void {
  let rest = value;
  while (rest >= 0x80n) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
}

function invalid(expected: string, got: string): JoineryError {
  return new JoineryError('invalid-envelope', {
    expected: `an envelope with ${expected}`,
    got,
    remedy: 'The envelope was not used; fetch it again from where it came.',
  });
}
