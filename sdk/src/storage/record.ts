// How records look on disk, for every storage. A record is
//
//   'J'  format version  kind  varint length of the body  body  CRC-32 (4 bytes, little endian)
//
// The checksum starts with the owner's name (the document's id, or the key of a value), so that an intact record in the
// wrong place is a damaged one. Bodies:
//
//   envelope     flags (1: from the server, 2: from the server and written here, 4: with a clock offset)  epoch
//                position (0 if not from the server)  time in ms  [clock offset in ms, zigzag]  envelope bytes
//   snapshot     epoch  the core's snapshot bytes
//   state        repairs  epoch and position of the resume point (0, 0: none)  count, then (agent: 8 bytes, to, position)…
//                incarnation  epoch and position of `safe` (0, 0: none)  epoch of the incarnation (0: none)
//   value        bytes
//   rejected     agent  time in ms  count, then (from, to, code, message, reason)…  changes  envelope
//   replacement  incarnation  count, then (agent, covered, last)…  count, then (agent, from, to, code, message)…  mapping
//                count, then (agent, bytes of a last state)…
//
// Texts, changes, mappings, states and envelopes that something follows are lengths, then bytes. Numbers are LEB128 varints up to 2^53 − 1 in their shortest form. The decoder is total: any bytes give a record or a
// `storage-corrupt`, and it allocates nothing beyond the input's length.
//
// Format 1 had no incarnations: its state records end after the acknowledgements, and its envelopes have flag 1 alone. In
// format 2 a rejected record is one range: agent, from, to, time, code, message, reason, changes, envelope. Up to format 3 a
// state record ends after `safe`, and the points tell of the epoch. All formats are read, format 4 is written.

import { JoineryError, type ResumePoint, readEnvelope } from '@joinery/protocol';
import { crc32 } from './checksum.ts';
import type { Acknowledgement, EpochEnd, RejectedPart, RejectedRange, RejectedWrite, Replacement } from './storage.ts';

const magic = 0x4a;
const formatVersion = 4;
const oldestFormatVersion = 1;
/** Magic, format, kind. */
const headerBytes = 3;
const checksumBytes = 4;
const kinds = { envelope: 1, snapshot: 2, state: 3, value: 4, rejected: 5, replacement: 6 } as const;
const utf8 = new TextEncoder();
const utf8Reader = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const remoteFlag = 1;
const ownFlag = 2;
const offsetFlag = 4;

export interface EnvelopeRecord {
  /** It came from the server. */
  readonly remote: boolean;
  /** It was written on this device; one that isn't remote always was. */
  readonly own: boolean;
  readonly epoch: number;
  readonly position: number;
  readonly at_ms: number;
  /** What this device added to its clock to get the server's when it wrote the envelope; undefined where none is known. */
  readonly clockOffset_ms: number | undefined;
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
  /** Several for an agent, ascending, where they differ in what is safe. */
  readonly acknowledged: readonly Acknowledgement[];
  readonly incarnation: number;
  /** Up to where the server's backup holds the log. */
  readonly safe: ResumePoint | undefined;
  /** The one that the incarnation is in; 0 while none is known. */
  readonly epoch: number;
}

export function encodeEnvelopeRecord(owner: string, record: EnvelopeRecord): Uint8Array {
  const body = new Writer(32 + record.bytes.length);
  const { remote, own, clockOffset_ms } = record;
  const offset = clockOffset_ms === undefined ? undefined : Math.round(clockOffset_ms);
  body.number((remote ? remoteFlag : 0) | (remote && own ? ownFlag : 0) | (offset === undefined ? 0 : offsetFlag));
  body.number(record.epoch);
  body.number(remote ? record.position : 0);
  body.number(record.at_ms);
  if (offset !== undefined) body.number(offset < 0 ? -offset * 2 - 1 : offset * 2);
  body.bytes(record.bytes);
  return seal(owner, kinds.envelope, body.view());
}

export function decodeEnvelopeRecord(owner: string, record: Uint8Array): DecodedEnvelope {
  const body = unseal(owner, kinds.envelope, record);
  const flags = body.number();
  const remote = (flags & remoteFlag) !== 0;
  if (flags > (body.version === 1 ? remoteFlag : 7) || (flags & ownFlag && !remote)) {
    throw corrupt('known flags', `${flags}`);
  }
  const epoch = body.number();
  const position = body.number();
  if (!remote && position !== 0) throw corrupt('no position in a local record', `${position}`);
  const at_ms = body.number();
  const zigzag = flags & offsetFlag ? body.number() : undefined;
  const clockOffset_ms = zigzag === undefined ? undefined : zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  const own = !remote || (flags & ownFlag) !== 0;
  const bytes = body.rest();
  try {
    const { agent, from, to } = readEnvelope(bytes);
    return { remote, own, epoch, position, at_ms, clockOffset_ms, bytes, agent, from, to };
  } catch (error) {
    throw corrupt('an envelope', 'something else', error);
  }
}

/**
 * Whether an envelope record says that it came from the server, without a look at its checksum: of a damaged one it is
 * anything. For whoever has nothing to do with those, which are most.
 */
export function looksRemote(record: Uint8Array): boolean {
  // Magic, version, kind, then the body's length in up to 8 bytes, then the flags.
  let at = 3;
  while ((record[at] ?? 0) >= 0x80) at += 1;
  return ((record[at + 1] ?? 0) & remoteFlag) !== 0;
}

export function encodeSnapshotRecord(owner: string, record: SnapshotRecord): Uint8Array {
  const body = new Writer(16 + record.bytes.length);
  body.number(record.epoch);
  body.bytes(record.bytes);
  return seal(owner, kinds.snapshot, body.view());
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
  body.number(state.incarnation);
  body.number(state.safe?.epoch ?? 0);
  body.number(state.safe?.position ?? 0);
  body.number(state.epoch);
  return seal(owner, kinds.state, body.view());
}

export function decodeStateRecord(owner: string, record: Uint8Array): StateRecord {
  const body = unseal(owner, kinds.state, record);
  const repairs = body.number();
  const resume = point(body.number(), body.number());
  const acknowledged: Acknowledgement[] = [];
  for (let count = body.count(10); count > 0; count -= 1) {
    acknowledged.push({ agent: body.agent(), to: body.number(), position: body.number() });
  }
  const isFirst = body.version === 1;
  const incarnation = isFirst ? 0 : body.number();
  const safe = isFirst ? undefined : point(body.number(), body.number());
  const epoch = body.version < 4 ? (resume?.epoch ?? safe?.epoch ?? 0) : body.number();
  body.end();
  return { repairs, resume, acknowledged, incarnation, safe, epoch };
}

export function encodeRejectedRecord(owner: string, write: RejectedWrite): Uint8Array {
  const body = new Writer(64 + write.changes.length + write.envelope.length);
  body.agent(write.agent);
  body.number(write.at_ms);
  body.number(write.parts.length);
  for (const { from, to, code, message, reason } of write.parts) {
    body.number(from);
    body.number(to);
    for (const text of [code, message, reason]) body.block(utf8.encode(text));
  }
  body.block(write.changes);
  body.block(write.envelope);
  return seal(owner, kinds.rejected, body.view());
}

export function decodeRejectedRecord(owner: string, record: Uint8Array): Omit<RejectedWrite, 'id'> {
  const body = unseal(owner, kinds.rejected, record);
  const agent = body.agent();
  let at_ms = 0;
  const parts: RejectedPart[] = [];
  if (body.version < 3) {
    const [from, to] = [body.number(), body.number()];
    at_ms = body.number();
    parts.push({ from, to, ...rejectionOf(body) });
  } else {
    at_ms = body.number();
    for (let count = body.count(5); count > 0; count -= 1) {
      const [from, to] = [body.number(), body.number()];
      parts.push({ from, to, ...rejectionOf(body) });
    }
    if (parts.length === 0) throw corrupt('what was rejected', 'nothing');
  }
  const [changes, envelope] = [body.block(), body.block()];
  body.end();
  return { agent, parts, at_ms, changes, envelope };
}

function rejectionOf(body: Reader): Pick<RejectedPart, 'code' | 'message' | 'reason'> {
  const [code, message, reason] = [body.text(), body.text(), body.text()];
  return { code, message, reason };
}

export function encodeReplacementRecord(owner: string, replacement: Replacement): Uint8Array {
  const { agents, rejected, mapping, bridges } = replacement;
  const body = new Writer(64 + agents.length * 24 + rejected.length * 64 + mapping.length);
  body.number(replacement.incarnation);
  body.number(agents.length);
  for (const { agent, covered, last } of agents) {
    body.agent(agent);
    body.number(covered);
    body.number(last);
  }
  body.number(rejected.length);
  for (const { agent, from, to, code, message } of rejected) {
    body.agent(agent);
    body.number(from);
    body.number(to);
    body.block(utf8.encode(code));
    body.block(utf8.encode(message));
  }
  body.block(mapping);
  body.number(bridges.length);
  for (const { agent, bytes } of bridges) {
    body.agent(agent);
    body.block(bytes);
  }
  return seal(owner, kinds.replacement, body.view());
}

export function decodeReplacementRecord(owner: string, record: Uint8Array): Replacement {
  const body = unseal(owner, kinds.replacement, record);
  const incarnation = body.number();
  const agents: Replacement['agents'][number][] = [];
  for (let count = body.count(10); count > 0; count -= 1) {
    agents.push({ agent: body.agent(), covered: body.number(), last: body.number() });
  }
  const rejected: RejectedRange[] = [];
  for (let count = body.count(12); count > 0; count -= 1) {
    const [agent, from, to] = [body.agent(), body.number(), body.number()];
    rejected.push({ agent, from, to, code: body.text(), message: body.text() });
  }
  const mapping = body.block();
  const bridges: EpochEnd[] = [];
  for (let count = body.count(9); count > 0; count -= 1) bridges.push({ agent: body.agent(), bytes: body.block() });
  body.end();
  return { incarnation, agents, rejected, mapping, bridges };
}

export function encodeValueRecord(owner: string, value: Uint8Array): Uint8Array {
  return seal(owner, kinds.value, value);
}

export function decodeValueRecord(owner: string, record: Uint8Array): Uint8Array {
  return unseal(owner, kinds.value, record).rest();
}

/** Zeros stand for none. */
function point(epoch: number, position: number): ResumePoint | undefined {
  return epoch === 0 && position === 0 ? undefined : { epoch, position };
}

function seal(owner: string, kind: number, body: Uint8Array): Uint8Array {
  const record = new Writer(headerBytes + numberLength(body.length) + body.length + checksumBytes);
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
  if (version < oldestFormatVersion || version > formatVersion) {
    throw corrupt(`record format ${oldestFormatVersion} to ${formatVersion}`, `format ${version}`);
  }
  reader.version = version;
  const got = reader.byte();
  if (got !== kind) throw corrupt(`a record of kind ${kind}`, `kind ${got}`);
  const length = reader.number();
  if (length !== reader.remaining) throw corrupt(`a body of ${length} bytes`, `${reader.remaining}`);
  return reader;
}

function numberLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
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

  /** Bytes with their length before them. */
  block(value: Uint8Array): void {
    this.number(value.length);
    this.bytes(value);
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written, in a buffer of just its size; the writer is of no more use. */
  take(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.view());
    this.#bytes = grown;
  }
}

class Reader {
  /** The format of the record. */
  version = formatVersion;
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

  /** A number of things of at least so many bytes each. */
  count(least_bytes: number): number {
    const count = this.number();
    if (count > this.remaining / least_bytes) throw corrupt(`room for ${count} entries`, `${this.remaining} bytes`);
    return count;
  }

  block(): Uint8Array {
    const length = this.number();
    if (length > this.remaining) throw corrupt(`${length} more bytes`, `${this.remaining}`);
    this.#offset += length;
    return this.#bytes.slice(this.#offset - length, this.#offset);
  }

  text(): string {
    try {
      return utf8Reader.decode(this.block());
    } catch (error) {
      throw corrupt('UTF-8', 'something else', error);
    }
  }

  rest(): Uint8Array {
    return this.#bytes.slice(this.#offset);
  }

  end(): void {
    if (this.remaining > 0) throw corrupt('the end', `${this.remaining} more bytes`);
  }
}

function corrupt(expected: string, got: string, cause?: unknown): JoineryError {
  return new JoineryError(
    'storage-corrupt',
    { expected, got, remedy: 'The record is set aside; what the server has is fetched again.' },
    { cause },
  );
}
