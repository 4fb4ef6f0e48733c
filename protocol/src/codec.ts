/**
 * Messages to frames and back. The bytes are checked before anything is read and after anything is written, so both
 * directions are total: `decode` gives a message or a typed error for any bytes, and `encode` refuses what `decode` would.
 * What lies between the check and the messages is a protobuf library: here pbf's generated code, which is small enough
 * for browsers; elsewhere any other that reads and writes proto/frame.proto.
 */

import { PbfReader, PbfWriter } from 'pbf';
import { checkDocumentId, checkSpace, spaceOf } from './document-id.ts';
import { JoineryError } from './error.ts';
import { type Frame, readFrame, writeFrame } from './gen/frame.generated.ts';
import type { Message } from './messages.ts';
import { checkFrame } from './wire-check.ts';

/** Writes and reads frames. */
export interface FrameCodec {
  /**
   * Writes a message as one frame. A message of a channel that is to go to many is written with channel 0, which no frame that
   * is sent has, and completed for each by {@link completeFrame}.
   *
   * @param number how many frames were sent over the link before it; default 0
   * @throws JoineryError `invalid-frame` or `frame-too-large` when a field passes its limit.
   */
  encode(message: Message, number?: number): Uint8Array;
  /**
   * Reads one frame. Byte fields of the message are views into the frame, not copies.
   *
   * @throws JoineryError `invalid-frame`, `frame-too-large`, `invalid-document-id` or `invalid-space`.
   */
  decode(frame: Uint8Array): { readonly number: number; readonly message: Message };
}

/** A frame without what stands beside its message. */
type Body = Omit<Frame, 'channel' | 'number'>;

/** A protobuf library at work on proto/frame.proto, field names in camel case, 64-bit numbers as numbers. */
export interface ProtobufLibrary {
  /** Called with checked bytes only. */
  read(bytes: Uint8Array): Frame;
  /** The message alone: channel and number are put there afterwards. */
  write(body: Body, size_bytes: number): Uint8Array;
}

const nothing = new Uint8Array(0);
/** Before the varint of field 14, `channel` in proto/frame.proto. */
const channelTag = 0x70;
/** Before the varint of field 15, `number` in proto/frame.proto. */
const numberTag = 0x78;

/** A codec on top of a protobuf library. */
export function createCodec(library: ProtobufLibrary): FrameCodec {
  return {
    encode(message, number = 0) {
      const written = library.write(toBody(message), 64 + payloadSize(message));
      const frame = completeFrame(written, frameChannel(message), number);
      checkFrame(frame);
      return frame;
    },
    decode(frame) {
      checkFrame(frame);
      const read = library.read(frame);
      const message = fromFrame(read);
      checkChannel(message, read.channel);
      if ('document' in message) {
        // An error of the connection, or of a subscription, names no document.
        if (message.type !== 'error' || message.document !== '') checkDocumentId(message.document);
      } else if (message.type === 'subscribe') {
        for (const subscription of message.subscriptions) checkDocumentId(subscription.document);
      } else if ('space' in message) {
        checkSpace(message.space);
        if (message.type === 'space-heads')
          for (const { document } of message.entries) checkOf(message.space, document);
      }
      return { number: read.number, message };
    },
  };
}

/**
 * The codec of browsers, and the default everywhere.
 *
 * @example
 * socket.send(pbfCodec.encode({ type: 'ping', nonce: 1 }));
 */
export const pbfCodec: FrameCodec = createCodec({
  read: (bytes) => readFrame(new PbfReader(bytes)),
  write(frame, size_bytes) {
    const writer = new PbfWriter(new Uint8Array(size_bytes));
    writeFrame(frame as Frame, writer);
    return writer.finish();
  },
});

/** A frame that was written without channel or number, with them: so what goes to many is written once. */
export function completeFrame(frame: Uint8Array, channel: number, number: number): Uint8Array {
  const fields: number[] = [];
  // As everywhere in protobuf, 0 is what isn't there.
  if (channel !== 0) pushField(fields, channelTag, channel);
  if (number !== 0) pushField(fields, numberTag, number);
  if (fields.length === 0) return frame;
  const complete = new Uint8Array(frame.length + fields.length);
  complete.set(frame);
  complete.set(fields, frame.length);
  return complete;
}

function pushField(out: number[], tag: number, value: number): void {
  out.push(tag);
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) + 0x80);
  out.push(rest);
}

/** The channel that stands beside the message. `Subscribe` and `Unsubscribe` name theirs in themselves: they begin and end them. */
function frameChannel(message: Message): number {
  return 'channel' in message && message.type !== 'unsubscribe' ? message.channel : 0;
}

/** A message of a channel has one, and no other has. */
function checkChannel(message: Message, beside: number): void {
  if (beside !== frameChannel(message)) throw invalid(`no channel beside ${message.type}`, `${beside}`);
  if (message.type === 'error') {
    if (message.channel !== 0 && message.document !== '') throw invalid('a channel or a document', 'both');
    return;
  }
  const channels = message.type === 'subscribe' ? message.subscriptions : 'channel' in message ? [message] : [];
  if (channels.some(({ channel }) => channel === 0)) throw invalid(`a channel of ${message.type}`, 'none');
}

function toBody(message: Message): Body {
  switch (message.type) {
    case 'client-hello':
      return {
        clientHello: {
          protocolMin: message.protocolMin,
          protocolMax: message.protocolMax,
          knownTypes: [...message.knownTypes],
          name: message.name,
          creditBytes: message.credit_bytes,
        },
      };
    case 'server-hello':
      return {
        serverHello: {
          protocol: message.protocol,
          knownTypes: [...message.knownTypes],
          serverTimeMs: message.serverTime_ms,
          windowBytes: message.window_bytes,
          maxFrameBytes: message.maxFrame_bytes,
          session: message.session,
        },
      };
    case 'authenticate':
      return { authenticate: message };
    case 'authenticated':
      return { authenticated: { user: message.user, expiresMs: message.expires_ms } };
    case 'subscribe':
      return { subscribe: { subscriptions: [...message.subscriptions] } };
    case 'unsubscribe':
      return { unsubscribe: message };
    case 'subscribed':
      return { subscribed: message };
    case 'snapshot':
      return { snapshot: { ...message, totalBytes: message.total_bytes } };
    case 'envelopes':
      return { envelopes: { ...message, envelopes: message.envelopes as Uint8Array[] } };
    case 'ack':
      return {
        ack: { ...message, ranges: message.ranges.map((range) => ({ ...range, agent: agentBytes(range.agent) })) },
      };
    case 'refusal':
      return {
        refusal: {
          ...message,
          agent: agentBytes(message.agent),
          missingAgent: message.missing === undefined ? undefined : agentBytes(message.missing.agent),
          missingSeq: message.missing?.seq ?? 0,
          serverTimeMs: message.serverTime_ms,
        },
      };
    case 'presence':
      return { presence: message };
    case 'error':
      return { error: message };
    case 'ping':
      return { ping: message };
    case 'pong':
      return { pong: { nonce: message.nonce, serverTimeMs: message.serverTime_ms } };
    case 'credit':
      return { credit: message };
    case 'close':
      return { close: { ...message, agents: message.agents.map(agentBytes) } };
    case 'closed':
      return {
        closed: { ...message, agents: message.agents.map(({ agent, last }) => ({ agent: agentBytes(agent), last })) },
      };
    case 'bridge':
      return { bridge: { ...message, agent: agentBytes(message.agent), totalBytes: message.total_bytes } };
    case 'safe':
      return { safe: message };
    case 'delete-document':
      return { deleteDocument: message };
    case 'deleted':
      return { deleted: message };
    case 'follow-space':
      return { followSpace: message };
    case 'unfollow-space':
      return { unfollowSpace: message };
    case 'space-heads':
      return { spaceHeads: { ...message, entries: [...message.entries] } };
  }
}

function fromFrame(frame: Frame): Message {
  const { channel } = frame;
  if (frame.envelopes) return { type: 'envelopes', channel, ...frame.envelopes };
  if (frame.ack) {
    const ranges = frame.ack.ranges.map((range) => ({
      agent: agentOf(range.agent),
      to: range.to,
      position: range.position,
      count: range.count,
    }));
    return { type: 'ack', channel, ranges };
  }
  if (frame.ping) return { type: 'ping', ...frame.ping };
  if (frame.pong) return { type: 'pong', nonce: frame.pong.nonce, serverTime_ms: frame.pong.serverTimeMs };
  if (frame.credit) return { type: 'credit', ...frame.credit };
  if (frame.presence) return { type: 'presence', channel, ...frame.presence, state: bytesOf(frame.presence.state) };
  if (frame.subscribe) {
    const subscriptions = frame.subscribe.subscriptions.map((entry) => ({ ...entry, version: bytesOf(entry.version) }));
    return { type: 'subscribe', subscriptions };
  }
  if (frame.unsubscribe) return { type: 'unsubscribe', ...frame.unsubscribe };
  if (frame.subscribed) {
    return { type: 'subscribed', channel, ...frame.subscribed, version: bytesOf(frame.subscribed.version) };
  }
  if (frame.snapshot) {
    const { position, totalBytes, offset, part, delta } = frame.snapshot;
    return { type: 'snapshot', channel, position, total_bytes: totalBytes, offset, part: bytesOf(part), delta };
  }
  if (frame.safe) return { type: 'safe', channel, ...frame.safe };
  if (frame.spaceHeads) return { type: 'space-heads', ...frame.spaceHeads };
  if (frame.close) {
    const { document, epoch, agents } = frame.close;
    return { type: 'close', document, epoch, agents: agents.map(agentOf) };
  }
  if (frame.closed) {
    const { document, epoch } = frame.closed;
    const agents = frame.closed.agents.map(({ agent, last }) => ({ agent: agentOf(agent), last }));
    return { type: 'closed', document, epoch, agents };
  }
  if (frame.bridge) {
    const { epoch, agent, totalBytes, offset, part } = frame.bridge;
    const [of, bytes] = [agentOf(agent), bytesOf(part)];
    return { type: 'bridge', channel, epoch, agent: of, total_bytes: totalBytes, offset, part: bytes };
  }
  if (frame.deleteDocument) return { type: 'delete-document', ...frame.deleteDocument };
  if (frame.deleted) return { type: 'deleted', ...frame.deleted };
  if (frame.followSpace) return { type: 'follow-space', ...frame.followSpace };
  if (frame.unfollowSpace) return { type: 'unfollow-space', ...frame.unfollowSpace };
  if (frame.refusal) {
    const { from, to, code, message, last, missingAgent, missingSeq, serverTimeMs } = frame.refusal;
    const missing =
      missingAgent === undefined || missingAgent.length === 0
        ? undefined
        : { agent: agentOf(missingAgent), seq: missingSeq };
    const agent = agentOf(frame.refusal.agent);
    return {
      type: 'refusal',
      channel,
      agent,
      from,
      to,
      code,
      message,
      last,
      missing,
      serverTime_ms: serverTimeMs,
    };
  }
  if (frame.error) return { type: 'error', channel, ...frame.error };
  if (frame.clientHello) {
    const { protocolMin, protocolMax, knownTypes, name, creditBytes } = frame.clientHello;
    return { type: 'client-hello', protocolMin, protocolMax, knownTypes, name, credit_bytes: creditBytes };
  }
  if (frame.serverHello) {
    const { protocol, knownTypes, serverTimeMs, windowBytes, maxFrameBytes, session } = frame.serverHello;
    return {
      type: 'server-hello',
      protocol,
      knownTypes,
      serverTime_ms: serverTimeMs,
      window_bytes: windowBytes,
      maxFrame_bytes: maxFrameBytes,
      session,
    };
  }
  if (frame.authenticate) return { type: 'authenticate', ...frame.authenticate };
  if (frame.authenticated) {
    return { type: 'authenticated', user: frame.authenticated.user, expires_ms: frame.authenticated.expiresMs };
  }
  throw invalid('a message that this version knows', 'none');
}

/** A space's page tells of its own documents only. */
function checkOf(space: string, document: string): void {
  if (spaceOf(checkDocumentId(document)) === space) return;
  throw new JoineryError('invalid-space', {
    expected: `documents of the space ${JSON.stringify(space)}`,
    got: JSON.stringify(document.slice(0, 64)),
    remedy: 'The frame was not used.',
  });
}

/** 8 bytes, little endian, as in an envelope's header. */
function agentBytes(agent: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, agent, true);
  return bytes;
}

function agentOf(bytes: Uint8Array | undefined): bigint {
  if (bytes?.length !== 8) throw invalid('an agent of 8 bytes', `${bytes?.length ?? 0} bytes`);
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
}

/** Libraries differ in what they give for absent bytes. */
function bytesOf(bytes: Uint8Array | undefined): Uint8Array {
  return bytes === undefined || bytes.length === 0 ? nothing : bytes;
}

/** Spares the writer from growing its buffer several times for a big frame. */
function payloadSize(message: Message): number {
  if (message.type === 'envelopes') {
    return message.envelopes.reduce((sum, envelope) => sum + envelope.length + 8, 0);
  }
  if (message.type === 'snapshot' || message.type === 'bridge') return message.part.length;
  if (message.type === 'subscribed') return message.version.length;
  if (message.type === 'space-heads') return 64 * message.entries.length;
  return 0;
}

function invalid(expected: string, got: string): JoineryError {
  return new JoineryError('invalid-frame', { expected, got, remedy: 'The frame was not used.' });
}
