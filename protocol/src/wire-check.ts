/**
 * Checks the bytes of a frame against the schema and its limits before anything is read from them, for pbf trusts its
 * input: it would read past a message's end. After this check the generated reader can't fail, and allocates no more
 * than a small multiple of the frame's length.
 *
 * Stricter than protobuf asks: a singular field may come once, and a frame holds exactly one message. Fields that this
 * version doesn't know are passed over, so that a newer peer may add some.
 */

import { maxEnvelopeBytes } from './envelope.ts';
import { JoineryError } from './error.ts';
import {
  maxAgentsPerClose,
  maxChannel,
  maxDocumentIdBytes,
  maxEntriesPerSpaceHeads,
  maxEnvelopesPerFrame,
  maxErrorMessageBytes,
  maxFrameBytes,
  maxKnownTypes,
  maxNameBytes,
  maxPresenceBytes,
  maxRangesPerAck,
  maxSnapshotPartBytes,
  maxSubscriptionsPerFrame,
  maxTokenBytes,
  maxTypeNameBytes,
  maxVersionBytes,
} from './limits.ts';

interface Field {
  readonly name: string;
  readonly type: 'number' | 'bytes' | 'string' | 'message';
  /** The highest number, or the greatest length in bytes. */
  readonly max: number;
  /** How often the field may come. */
  readonly count: number;
  readonly fields: Shape;
}

/** A message's fields by their number. */
type Shape = ReadonlyMap<number, Field>;

const empty: Shape = new Map();
const field = (name: string, type: Field['type'], max: number, count = 1, fields = empty): Field => ({
  name,
  type,
  max,
  count,
  fields,
});
const shape = (...fields: Field[]): Shape => new Map(fields.map((entry, index) => [index + 1, entry]));

const uint32 = (name: string) => field(name, 'number', 2 ** 32 - 1);
const uint64 = (name: string) => field(name, 'number', Number.MAX_SAFE_INTEGER);
const bool = (name: string) => field(name, 'number', 1);
const agent = (name: string, count = 1) => field(name, 'bytes', 8, count);
const text = (name: string, max: number, count = 1) => field(name, 'string', max, count);
const bytes = (name: string, max: number, count = 1) => field(name, 'bytes', max, count);
const message = (name: string, fields: Shape, count = 1) => field(name, 'message', maxFrameBytes, count, fields);
const space = text('space', maxDocumentIdBytes);
const channel = field('channel', 'number', maxChannel);
const document = text('document', maxDocumentIdBytes);
const epoch = uint64('epoch');
const position = uint64('position');
const version = bytes('version', maxVersionBytes);

/** The schema of proto/frame.proto with a limit for each field; a test holds it against the .proto files. */
export const frameShape: Shape = shape(
  message(
    'client_hello',
    shape(
      uint32('protocol_min'),
      uint32('protocol_max'),
      text('known_types', maxTypeNameBytes, maxKnownTypes),
      text('name', maxNameBytes),
      uint64('credit_bytes'),
    ),
  ),
  message(
    'server_hello',
    shape(
      uint32('protocol'),
      text('known_types', maxTypeNameBytes, maxKnownTypes),
      uint64('server_time_ms'),
      uint64('window_bytes'),
      uint32('max_frame_bytes'),
      text('session', maxNameBytes),
    ),
  ),
  message('authenticate', shape(text('token', maxTokenBytes))),
  message('authenticated', shape(text('user', maxNameBytes), uint64('expires_ms'))),
  message(
    'subscribe',
    shape(
      message(
        'subscriptions',
        shape(channel, document, epoch, position, version, uint64('bridge_from')),
        maxSubscriptionsPerFrame,
      ),
    ),
  ),
  message('unsubscribe', shape(channel)),
  message('subscribed', shape(epoch, uint64('head'), version, position, bool('snapshot_follows'), uint64('safe'))),
  message(
    'snapshot',
    shape(position, uint64('total_bytes'), uint64('offset'), bytes('part', maxSnapshotPartBytes), bool('delta')),
  ),
  message('envelopes', shape(uint64('first_position'), bytes('envelopes', maxEnvelopeBytes, maxEnvelopesPerFrame))),
  message(
    'ack',
    shape(message('ranges', shape(agent('agent'), uint32('to'), position, uint32('count')), maxRangesPerAck)),
  ),
  message(
    'refusal',
    shape(
      agent('agent'),
      uint32('from'),
      uint32('to'),
      text('code', maxNameBytes),
      text('message', maxErrorMessageBytes),
      uint32('last'),
      agent('missing_agent'),
      uint32('missing_seq'),
      uint64('server_time_ms'),
    ),
  ),
  message('presence', shape(text('client', maxNameBytes), bytes('state', maxPresenceBytes), bool('gone'))),
  message(
    'error',
    shape(text('code', maxNameBytes), text('message', maxErrorMessageBytes), bool('retryable'), document, epoch),
  ),
  channel,
  uint64('number'),
  message('credit', shape(uint64('bytes'))),
  message('close', shape(document, epoch, agent('agents', maxAgentsPerClose))),
  message(
    'closed',
    shape(document, epoch, message('agents', shape(agent('agent'), uint32('last')), maxAgentsPerClose)),
  ),
  message(
    'bridge',
    shape(epoch, agent('agent'), uint64('total_bytes'), uint64('offset'), bytes('part', maxSnapshotPartBytes)),
  ),
  message('safe', shape(position)),
  message('delete_document', shape(document)),
  message('deleted', shape(document, text('code', maxNameBytes), text('message', maxErrorMessageBytes))),
  message('follow_space', shape(space, uint64('token'))),
  message('unfollow_space', shape(space)),
  message(
    'space_heads',
    shape(
      space,
      uint64('token'),
      message('entries', shape(document, epoch, uint64('head'), bool('deleted')), maxEntriesPerSpaceHeads),
      bool('more'),
      bool('restarted'),
      text('code', maxNameBytes),
      text('message', maxErrorMessageBytes),
    ),
  ),
  message('ping', shape(uint64('nonce'))),
  message('pong', shape(uint64('nonce'), uint64('server_time_ms'))),
);

/**
 * Checks a whole frame.
 *
 * @throws JoineryError `invalid-frame`, or `frame-too-large`.
 */
export function checkFrame(frame: Uint8Array): void {
  if (frame.length > maxFrameBytes) {
    throw new JoineryError('frame-too-large', {
      expected: `a frame of at most ${maxFrameBytes} bytes`,
      got: `${frame.length} bytes`,
      remedy: 'Send the envelopes in several frames.',
    });
  }
  const messages = checkFields({ bytes: frame, offset: 0 }, frame.length, frameShape, 'the frame');
  if (messages !== 1) throw invalid('exactly one message that this version knows', `${messages}`);
}

interface Cursor {
  readonly bytes: Uint8Array;
  offset: number;
}

/** Returns how many known messages there were. Recursion goes no deeper than the schema: three levels. */
function checkFields(cursor: Cursor, end: number, fields: Shape, where: string): number {
  let messages = 0;
  // Most messages have few fields: an array that is scanned costs less than a map.
  const counts: number[] = [];
  while (cursor.offset < end) {
    const tag = readNumber(cursor, end, where);
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (number < 1 || number > 0x1fff_ffff) throw invalid(`a field number in ${where}`, `${number}`);
    const rule = fields.get(number);
    if (rule === undefined) {
      skip(cursor, end, wireType, where);
      continue;
    }
    const count = (counts[number] ?? 0) + 1;
    counts[number] = count;
    if (count > rule.count) throw invalid(`${rule.name} at most ${rule.count} times in ${where}`, 'more');
    if (rule.type === 'number') {
      if (wireType !== 0) throw invalid(`wire type 0 for ${rule.name}`, `${wireType}`);
      const value = readNumber(cursor, end, rule.name);
      if (value > rule.max) throw invalid(`at most ${rule.max} for ${rule.name}`, `${value}`);
      continue;
    }
    if (wireType !== 2) throw invalid(`wire type 2 for ${rule.name}`, `${wireType}`);
    const length = readNumber(cursor, end, rule.name);
    if (length > end - cursor.offset) throw invalid(`${length} bytes for ${rule.name}`, `${end - cursor.offset}`);
    if (length > rule.max) throw invalid(`at most ${rule.max} bytes for ${rule.name}`, `${length}`);
    if (rule.type === 'message') {
      messages += 1;
      checkFields(cursor, cursor.offset + length, rule.fields, rule.name);
      continue;
    }
    if (rule.type === 'string') checkUtf8(cursor.bytes, cursor.offset, cursor.offset + length, rule.name);
    cursor.offset += length;
  }
  return messages;
}

function skip(cursor: Cursor, end: number, wireType: number, where: string): void {
  if (wireType === 0) {
    readNumber(cursor, end, where);
    return;
  }
  let length: number;
  if (wireType === 1) length = 8;
  else if (wireType === 5) length = 4;
  else if (wireType === 2) length = readNumber(cursor, end, where);
  else throw invalid(`wire type 0, 1, 2 or 5 in ${where}`, `${wireType}`);
  if (length > end - cursor.offset) throw invalid(`${length} bytes in ${where}`, `${end - cursor.offset}`);
  cursor.offset += length;
}

/** A varint that a number holds exactly. */
function readNumber(cursor: Cursor, end: number, where: string): number {
  let value = 0;
  let scale = 1;
  for (let index = 0; index < 8; index += 1) {
    if (cursor.offset >= end) throw invalid(`more bytes in ${where}`, 'the end');
    const byte = cursor.bytes[cursor.offset] ?? 0;
    cursor.offset += 1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      if (value > Number.MAX_SAFE_INTEGER) throw invalid(`at most 2^53 - 1 in ${where}`, `${value}`);
      return value;
    }
    scale *= 128;
  }
  throw invalid(`at most 2^53 - 1 in ${where}`, 'a longer number');
}

/** Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
function checkUtf8(source: Uint8Array, start: number, end: number, name: string): void {
  let index = start;
  while (index < end) {
    const first = source[index] ?? 0;
    index += 1;
    if (first < 0x80) continue;
    let more: number;
    let low = 0x80;
    let high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) more = 1;
    else if (first >= 0xe0 && first <= 0xef) {
      more = 2;
      if (first === 0xe0) low = 0xa0;
      if (first === 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
      more = 3;
      if (first === 0xf0) low = 0x90;
      if (first === 0xf4) high = 0x8f;
    } else throw invalid(`UTF-8 in ${name}`, `byte ${first}`);
    for (; more > 0; more -= 1) {
      const next = index < end ? (source[index] ?? 0) : 0;
      if (next < low || next > high) throw invalid(`UTF-8 in ${name}`, `byte ${next} within a character`);
      low = 0x80;
      high = 0xbf;
      index += 1;
    }
  }
}

function invalid(expected: string, got: string): JoineryError {
  return new JoineryError('invalid-frame', {
    expected,
    got,
    remedy: 'The frame was not used; the sender may speak another version of the protocol.',
  });
}
