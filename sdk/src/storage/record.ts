// How records look on disk, for every storage. A record is
//
//   'J'  format version (1)  kind  varint length of the body  body  CRC-32 (4 bytes, little endian)
//
// The checksum starts with the owner's name (the document's id, or the key of a value), so that an intact record in the
// wrong place is a damaged one. Bodies:
//
//   envelope  flags (bit 0: from the server)  epoch  position (0 if not from the server)  time in ms  envelope bytes
//   snapshot  epoch  the core's snapshot bytes
//   state     repairs  epoch and position of the resume point (0, 0: none)  count, then (agent: 8 bytes, to, position)…
//   value     bytes
//
// Numbers are LEB128 varints up to 2^53 − 1 in their shortest form. The decoder is total: any bytes give a record or a
// `storage-corrupt`, and it allocates nothing beyond the input's length.

import { JoineryError, type ResumePoint, readEnvelope } from '@joinery/protocol';
import { crc32 } from './checksum.ts';
import type { Acknowledgement } from './storage.ts';

const magic = 0x4a;
const formatVersion = 1;
const checksumBytes = 4;
const kinds = { envelope: 1, snapshot: 2, state: 3, value: 4 } as const;
const utf8 = new TextEncoder();

export interface EnvelopeRecord {
  readonly remote: boolean;
  readonly epoch: number;
  readonly position: number;
  readonly at_ms: number;
  readonly bytes: Uint8Array;
}

/** An envelope record with the range that its envelope's header states. */
export interface DecodedEnvelope extends EnvelopeRecord {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
}

export interface SnapshotRecord {
  readonly epoch: number;
  readonly bytes: Uint8Array;
}

/** What is known of a document beside its content. */
export interface StateRecord {
  readonly repairs: number;
  readonly resume: ResumePoint | undefined;
  readonly acknowledged: readonly Acknowledgement[];
}

export function encodeEnvelopeRecord(owner: string, record: EnvelopeRecord): Uint8Array {
  const body = new Writer(32 + record.bytes.length);
  body.number(record.remote ? 1 : 0);
  body.number(record.epoch);
  body.number(record.remote ? record.position : 0);
  body.number(record.at_ms);
  body.bytes(record.bytes);
  return seal(owner, kinds.envelope, body.take());
}

export function decodeEnvelopeRecord(owner: string, record: Uint8Array): DecodedEnvelope {
  const body = unseal(owner, kinds.envelope, record);
  const flags = body.number();
  if (flags > 1) throw corrupt('known flags', `${flags}`);
  const remote = flags === 1;
  const epoch = body.number();
  const position = body.number();
  if (!remote && position !== 0) throw corrupt('no position in a local record', `${position}`);
  const at_ms = body.number();
  const bytes = body.rest();
  try {
    const { agent, from, to } = readEnvelope(bytes);
    return { remote, epoch, position, at_ms, bytes, agent, from, to };
  } catch (error) {
    throw corrupt('an envelope', 'something else', error);
  }
}

export function encodeSnapshotRecord(owner: string, record: SnapshotRecord): Uint8Array {
  const body = new Writer(16 + record.bytes.length);
  body.number(record.epoch);
  body.bytes(record.bytes);
  return seal(owner, kinds.snapshot, body.take());
}

export function decodeSnapshotRecord(owner: string, record: Uint8Array): SnapshotRecord {
  const body = unseal(owner, kinds.snapshot, record);
  return { epoch: body.number(), bytes: body.rest() };
}

/** Two snapshots with one tag are the same bytes, as far as a checksum can tell. */
export function snapshotTag(record: Uint8Array): string {
  return `${record.length}-${crc32(record).toString(16)}`;
}

export function encodeStateRecord(owner: string, state: StateRecord): Uint8Array {
  const body = new Writer(32 + state.acknowledged.length * 24);
  body.number(state.repairs);
  body.number(state.resume?.epoch ?? 0);
  body.number(state.resume?.position ?? 0);
  body.number(state.acknowledged.length);
  for (const { agent, to, position } of state.acknowledged) {
    body.agent(agent);
    body.number(to);
    body.number(position);
  }
  return seal(owner, kinds.state, body.take());
}

export function decodeStateRecord(owner: string, record: Uint8Array): StateRecord {
  const body = unseal(owner, kinds.state, record);
  const repairs = body.number();
  const epoch = body.number();
  const position = body.number();
  const count = body.number();
  if (count > body.remaining / 10) throw corrupt(`room for ${count} acknowledgements`, `${body.remaining} bytes`);
  const acknowledged: Acknowledgement[] = [];
  for (let index = 0; index < count; index += 1) {
    acknowledged.push({ agent: body.agent(), to: body.number(), position: body.number() });
  }
  if (body.remaining > 0) throw corrupt('the end', `${body.remaining} more bytes`);
  return { repairs, resume: epoch === 0 && position === 0 ? undefined : { epoch, position }, acknowledged };
}

export function encodeValueRecord(owner: string, value: Uint8Array): Uint8Array {
  return seal(owner, kinds.value, value);
}

export function decodeValueRecord(owner: string, record: Uint8Array): Uint8Array {
  return unseal(owner, kinds.value, record).rest();
}

function seal(owner: string, kind: number, body: Uint8Array): Uint8Array {
  const record = new Writer(16 + body.length);
  record.byte(magic);
  record.byte(formatVersion);
  record.byte(kind);
  record.number(body.length);
  record.bytes(body);
  const checksum = crc32(record.view(), crc32(utf8.encode(owner)));
  for (let shift = 0; shift < 32; shift += 8) record.byte((checksum >>> shift) & 0xff);
  return record.take();
}

function unseal(owner: string, kind: number, record: Uint8Array): Reader {
  if (record.length < 4 + checksumBytes) throw corrupt('a record', `${record.length} bytes`);
  const end = record.length - checksumBytes;
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const checksum = crc32(record.subarray(0, end), crc32(utf8.encode(owner)));
  if (view.getUint32(end, true) !== checksum) throw corrupt('a matching checksum', 'another one');
  const reader = new Reader(record.subarray(0, end));
  if (reader.byte() !== magic) throw corrupt('a record', 'something else');
  const version = reader.byte();
  if (version !== formatVersion) throw corrupt(`record format ${formatVersion}`, `format ${version}`);
  const got = reader.byte();
  if (got !== kind) throw corrupt(`a record of kind ${kind}`, `kind ${got}`);
  const length = reader.number();
  if (length !== reader.remaining) throw corrupt(`a body of ${length} bytes`, `${reader.remaining}`);
  return reader;
}

class Writer {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  number(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new JoineryError('internal', `A stored number must be a whole number from 0 to 2^53 - 1, got ${value}.`);
    }
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  agent(value: bigint): void {
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setBigUint64(this.#length, value, true);
    this.#length += 8;
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written, in a buffer of just its size. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.view());
    this.#bytes = grown;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  byte(): number {
    const value = this.#bytes[this.#offset];
    if (value === undefined) throw corrupt('more bytes', 'the end');
    this.#offset += 1;
    return value;
  }

  number(): number {
    let value = 0;
    let scale = 1;
    for (let index = 0; index < 8; index += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte >= 0x80) continue;
      if (byte === 0 && index > 0) throw corrupt('the shortest form of a number', 'a longer one');
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
    throw corrupt('a number up to 2^53 - 1', 'a larger one');
  }

  agent(): bigint {
    if (this.remaining < 8) throw corrupt('8 bytes of an agent', `${this.remaining}`);
    const value = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#offset, 8).getBigUint64(0, true);
    this.#offset += 8;
    return value;
  }

  rest(): Uint8Array {
    return this.#bytes.slice(this.#offset);
  }
}

function corrupt(expected: string, got: string, cause?: unknown): JoineryError {
  return new JoineryError(
    'storage-corrupt',
    { expected, got, remedy: 'The record is set aside; what the server has is fetched again.' },
    { cause },
  );
}
