/**
 * The server's codec: protobufjs on the .proto files themselves. Browsers use a smaller library; that two independent
 * ones read and write the same frames is what keeps both honest. The check of the bytes before is the protocol's own.
 */

import { createRequire } from 'node:module';
import { createCodec, type Frame, type FrameCodec } from '@joinery/protocol';
import protobuf from 'protobufjs';

const schemaPath = createRequire(import.meta.url).resolve('@joinery/protocol/proto/frame.proto');

/** Reads the schema, once per server. */
export function createServerCodec(): FrameCodec {
  const type = new protobuf.Root().loadSync(schemaPath).lookupType('joinery.Frame');
  // The check has seen to it that 64-bit numbers are below 2^53.
  const plain = { longs: Number, defaults: true, arrays: true };
  return createCodec({
    // `toObject` copies no bytes: they stay views into the frame, but as Buffers when protobufjs has them.
    read: (bytes) => type.toObject(type.decode(bytes), plain) as Frame,
    write: (frame) => plainBytes(type.encode(frame).finish()),
  });
}

function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
