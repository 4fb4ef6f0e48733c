/**
 * The codec held against protobufjs, which reads the same .proto files, over the vectors in protocol/vectors; against its
 * limits; and against damaged bytes.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { completeFrame, pbfCodec } from './codec.ts';
import { JoineryError } from './error.ts';
import { maxChannel, maxDocumentIdBytes, maxFrameBytes, maxPresenceBytes, maxSubscriptionsPerFrame } from './limits.ts';
import type { Message } from './messages.ts';
import { damage, seededRandom } from './testing/damage.ts';
import { sampleMessages } from './testing/sample-messages.ts';
import { frameShape } from './wire-check.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const frameType = new protobuf.Root().loadSync(path('../proto/frame.proto')).lookupType('joinery.Frame');

/** A frame as bytes in hex, and the same in protobuf's own JSON. */
interface Vector {
  readonly name: string;
  readonly frame: string;
  readonly json: Record<string, unknown>;
}

const vectors: readonly Vector[] = JSON.parse(readFileSync(path('../vectors/frames.json'), 'utf8'));
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof JoineryError) return error.code;
    throw error;
  }
  return 'no error';
};

describe('vectors', () => {
  it('has one of every message', () => {
    expect(vectors.map((vector) => vector.name)).toEqual(Object.keys(sampleMessages));
    const types = new Set(Object.values(sampleMessages).map((message) => message.type));
    expect(types.size).toBe(frameType.oneofsArray[0]?.fieldsArray.length);
  });

  for (const { name, frame, json } of vectors) {
    it(`${name}: both write it so that the other reads the same`, () => {
      const message = sampleMessages[name];
      if (message === undefined) throw new Error(`no sample ${name}`);
      expect(toHex(pbfCodec.encode(message))).toBe(frame);
      expect(pbfCodec.decode(fromHex(frame)).message).toEqual(message);
      expect(frameType.toObject(frameType.decode(fromHex(frame)), { bytes: String, longs: String })).toEqual(json);
      // A plain Uint8Array: protobufjs gives a Buffer, whose slices are Buffers.
      const theirs = Uint8Array.from(frameType.encode(frameType.fromObject(json)).finish());
      expect(pbfCodec.decode(theirs).message).toEqual(message);
    });
  }
});

describe('the number of a frame', () => {
  const ping: Message = { type: 'ping', nonce: 5 };

  it.each([0, 1, 127, 128, 16_383, 16_384, 2 ** 32, 2 ** 49 - 1, Number.MAX_SAFE_INTEGER])(
    '%s is read as it was written, also afterwards',
    (number) => {
      const frame = pbfCodec.encode(ping, number);
      expect(completeFrame(pbfCodec.encode(ping), 0, number)).toEqual(frame);
      expect(pbfCodec.decode(frame)).toEqual({ number, message: ping });
      const theirs = frameType.toObject(frameType.decode(frame), { longs: Number, defaults: true });
      expect(theirs).toMatchObject({ number, ping: { nonce: 5 } });
    },
  );

  it('is nothing that the first version of the protocol would not read: its hello has none', () => {
    const frame = pbfCodec.encode(ping, 0);
    expect(toHex(frame)).toBe('d201020805');
  });

  it('is not a message, may come once, and is at most 2^53 - 1', () => {
    const frame = pbfCodec.encode(ping);
    const number = completeFrame(frame, 0, 7).slice(frame.length);
    for (const bad of [
      number,
      [...frame, ...number, ...number],
      [...frame, 0x78, 255, 255, 255, 255, 255, 255, 255, 31],
    ])
      expect(codeOf(() => pbfCodec.decode(Uint8Array.from(bad)))).toBe('invalid-frame');
  });
});

describe('the channel of a frame', () => {
  const safe: Message = { type: 'safe', channel: 1, position: 5 };
  const ping: Message = { type: 'ping', nonce: 5 };

  it.each([1, 127, 128, 16_384, maxChannel])('%s is read as it was written, also afterwards', (channel) => {
    const message: Message = { ...safe, channel };
    const frame = pbfCodec.encode(message, 7);
    expect(completeFrame(pbfCodec.encode({ ...safe, channel: 0 }), channel, 7)).toEqual(frame);
    expect(pbfCodec.decode(frame)).toEqual({ number: 7, message });
    const theirs = frameType.toObject(frameType.decode(frame), { longs: Number });
    expect(theirs).toEqual({ number: 7, channel, safe: { position: 5 } });
  });

  it('is in place of the document and its epoch: a keystroke has 9 bytes beside its envelope', () => {
    const envelope = new Uint8Array(16);
    const frame = pbfCodec.encode({ type: 'envelopes', channel: 127, firstPosition: 0, envelopes: [envelope] }, 16_383);
    expect(frame.length).toBe(envelope.length + 9);
  });

  it('may come once, and is at most 2^32 - 1', () => {
    const frame = pbfCodec.encode(safe);
    for (const more of [
      [0x70, 1],
      [0x70, 0],
    ])
      expect(codeOf(() => pbfCodec.decode(Uint8Array.of(...frame, ...more)))).toBe('invalid-frame');
    expect(codeOf(() => pbfCodec.encode({ ...safe, channel: maxChannel + 1 }))).toBe('invalid-frame');
    const bare = pbfCodec.encode({ ...safe, channel: 0 });
    for (const bad of [
      [0x70, 0x80, 0x80, 0x80, 0x80, 0x10],
      [0x72, 1, 1],
    ])
      expect(codeOf(() => pbfCodec.decode(Uint8Array.of(...bare, ...bad)))).toBe('invalid-frame');
  });

  it.each(Object.entries(sampleMessages).filter(([, message]) => 'channel' in message && message.type !== 'error'))(
    'has to be there: %s',
    (_, message) => {
      expect(codeOf(() => pbfCodec.decode(pbfCodec.encode({ ...message, channel: 0 } as Message)))).toBe(
        'invalid-frame',
      );
    },
  );

  it.each(
    Object.entries(sampleMessages).filter(([, message]) => !('channel' in message) || message.type === 'unsubscribe'),
  )('has no place beside: %s', (_, message) => {
    expect(codeOf(() => pbfCodec.decode(completeFrame(pbfCodec.encode(message), 1, 0)))).toBe('invalid-frame');
  });

  it('has to be there for every subscription', () => {
    const entry = { document: 'a', epoch: 1, position: 1, version: new Uint8Array(0), bridgeFrom: 0 };
    const subscriptions = [
      { channel: 1, ...entry },
      { channel: 0, ...entry },
    ];
    expect(codeOf(() => pbfCodec.decode(pbfCodec.encode({ type: 'subscribe', subscriptions })))).toBe('invalid-frame');
  });

  it('makes an error one of a subscription, which names no document beside', () => {
    const error = { type: 'error', code: 'gap', message: '', retryable: true, epoch: 0 } as const;
    for (const about of [
      { channel: 3, document: '' },
      { channel: 0, document: 'a' },
      { channel: 0, document: '' },
    ])
      expect(pbfCodec.decode(pbfCodec.encode({ ...error, ...about })).message).toEqual({ ...error, ...about });
    const both = { ...error, channel: 3, document: 'a' };
    expect(codeOf(() => pbfCodec.decode(pbfCodec.encode(both)))).toBe('invalid-frame');
  });

  it('is of a connection: a ping has none', () => {
    expect(pbfCodec.decode(pbfCodec.encode(ping, 3))).toEqual({ number: 3, message: ping });
  });
});

describe('the check of a frame', () => {
  it('knows exactly the fields of the .proto files', () => {
    const compare = (shape: typeof frameShape, type: protobuf.Type): void => {
      expect(shape.size).toBe(type.fieldsArray.length);
      for (const field of type.fieldsArray) {
        const rule = shape.get(field.id);
        expect(rule?.name.replaceAll('_', ''), `${type.name}.${field.name}`).toBe(field.name.toLowerCase());
        const resolved = field.resolve().resolvedType;
        const expected = resolved ? 'message' : { string: 'string', bytes: 'bytes' }[field.type];
        expect(rule?.type).toBe(expected ?? 'number');
        expect((rule?.count ?? 0) > 1).toBe(field.repeated);
        if (rule !== undefined && resolved instanceof protobuf.Type) compare(rule.fields, resolved);
      }
    };
    compare(frameShape, frameType);
  });

  it('passes over fields that it does not know', () => {
    const frame = pbfCodec.encode({ type: 'ping', nonce: 5 });
    // Field 15 of wire types 0, 1, 2 and 5 within the ping, whose length grows accordingly.
    const unknown = [0x78, 1, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7a, 2, 1, 2, 0x7d, 1, 2, 3, 4];
    const longer = Uint8Array.of(...frame.slice(0, 2), (frame[2] ?? 0) + unknown.length, ...frame.slice(3), ...unknown);
    expect(pbfCodec.decode(longer).message).toEqual({ type: 'ping', nonce: 5 });
  });

  it('refuses a frame of no message, of two, and of an unknown one', () => {
    const ping = pbfCodec.encode({ type: 'ping', nonce: 5 });
    for (const frame of [new Uint8Array(0), Uint8Array.of(...ping, ...ping), Uint8Array.of(0xf2, 0x7f, 1, 0)]) {
      expect(codeOf(() => pbfCodec.decode(frame).message)).toBe('invalid-frame');
    }
  });

  it.each([
    ['numbers above 2^53 - 1', [0xd2, 1, 9, 8, 255, 255, 255, 255, 255, 255, 255, 31]],
    ['a length beyond the message', [0xd2, 1, 9, 8, 1]],
    ['a length beyond the field', [0x1a, 3, 10, 5, 97]],
    ['a wire type that is none', [0xd2, 1, 2, 15, 1]],
    ['another wire type than the field has', [0xd2, 1, 2, 10, 0]],
    ['field number 0', [0xd2, 1, 2, 0, 1]],
    ['a field that comes twice', [0xd2, 1, 4, 8, 1, 8, 1]],
    ['an overlong character', [0x1a, 4, 10, 2, 0xc0, 0x80]],
    ['a surrogate', [0x1a, 5, 10, 3, 0xed, 0xa0, 0x80]],
    ['a cut character', [0x1a, 4, 10, 2, 97, 0xc3]],
    ['a character above U+10FFFF', [0x1a, 6, 10, 4, 0xf4, 0x90, 0x80, 0x80]],
    ['an agent of 7 bytes', [0x52, 11, 10, 9, 10, 7, 1, 2, 3, 4, 5, 6, 7, 0x70, 1]],
  ])('refuses %s', (_, frame) => {
    expect(codeOf(() => pbfCodec.decode(Uint8Array.from(frame)).message)).toBe('invalid-frame');
  });
});

describe('limits', () => {
  const deletion = (id: string): Message => ({ type: 'delete-document', document: id });

  it.each([
    ['the empty id', ''],
    ['a control character', 'a\u0007b'],
    ['a byte order mark', '\ufeffnotes'],
  ])('refuses %s as a document id', (_, id) => {
    expect(codeOf(() => pbfCodec.decode(pbfCodec.encode(deletion(id))).message)).toBe('invalid-document-id');
  });

  it('takes document ids of up to 256 bytes', () => {
    for (const id of ['x'.repeat(maxDocumentIdBytes), '€'.repeat(85), '..', '/', '__proto__']) {
      expect(pbfCodec.decode(pbfCodec.encode(deletion(id))).message).toEqual(deletion(id));
    }
    for (const id of ['x'.repeat(maxDocumentIdBytes + 1), '€'.repeat(86)]) {
      expect(codeOf(() => pbfCodec.encode(deletion(id)))).toBe('invalid-frame');
    }
  });

  it('bounds counts and lengths', () => {
    const presence = (size: number): Message => ({
      type: 'presence',
      channel: 1,
      client: '',
      state: new Uint8Array(size),
      gone: false,
    });
    expect(pbfCodec.decode(pbfCodec.encode(presence(maxPresenceBytes))).message).toEqual(presence(maxPresenceBytes));
    expect(codeOf(() => pbfCodec.encode(presence(maxPresenceBytes + 1)))).toBe('invalid-frame');
    const subscription = {
      channel: 1,
      document: 'a',
      epoch: 1,
      position: 1,
      version: new Uint8Array(0),
      bridgeFrom: 0,
    };
    const subscribe = (count: number): Message => ({
      type: 'subscribe',
      subscriptions: Array.from({ length: count }, () => subscription),
    });
    expect(pbfCodec.encode(subscribe(maxSubscriptionsPerFrame))).toBeInstanceOf(Uint8Array);
    expect(codeOf(() => pbfCodec.encode(subscribe(maxSubscriptionsPerFrame + 1)))).toBe('invalid-frame');
  });

  it('takes no page of a space that tells of other documents', () => {
    const page = (space: string, document: string): Message => {
      const entries = [{ document, epoch: 1, head: 1, deleted: true }];
      return { type: 'space-heads', space, token: 1, entries, more: false, restarted: false, code: '', message: '' };
    };
    for (const [space, id] of [
      ['notes', 'todo/a'],
      ['notes', 'notes'],
      ['', 'notes/a'],
      ['a', '/a'],
      ['notes', 'notes2/a'],
    ] as const) {
      expect(codeOf(() => pbfCodec.decode(pbfCodec.encode(page(space, id))).message)).toBe('invalid-space');
    }
    for (const [space, id] of [
      ['notes', 'notes/a/b'],
      ['notes', 'notes/'],
      ['', 'notes'],
      ['', '/a'],
    ] as const) {
      expect(pbfCodec.decode(pbfCodec.encode(page(space, id))).message).toEqual(page(space, id));
    }
  });

  it('refuses a frame that is too large before it reads anything', () => {
    expect(codeOf(() => pbfCodec.decode(new Uint8Array(maxFrameBytes + 1)).message)).toBe('frame-too-large');
    const half = new Uint8Array(1024 * 1024);
    const message: Message = {
      type: 'envelopes',
      channel: 1,
      firstPosition: 0,
      envelopes: [half, half, half],
    };
    expect(codeOf(() => pbfCodec.encode(message))).toBe('frame-too-large');
  });
});

/** How many times as much as usual is to be done. */
const rounds = Number(process.env.JOINERY_ROUNDS ?? 1);

describe('damaged frames', () => {
  // One seed for each, so that none hides behind the others.
  for (const [index, [name, sample]] of Object.entries(sampleMessages).entries()) {
    it(`${name}: gives a message or a typed error for 3,000 of them`, { timeout: 60_000 * rounds }, () => {
      const frame = pbfCodec.encode(sample);
      const others = Object.values(sampleMessages).map((message) => pbfCodec.encode(message));
      const codes = ['no error', 'invalid-frame', 'invalid-document-id', 'invalid-space'];
      let same = 0;
      // Spliced with itself, and now and then with another one.
      for (const samples of [[frame], [frame, ...others]]) {
        damage(samples, 1_500 * rounds, seededRandom(100 + index), (input) => {
          const code = codeOf(() => {
            const message = pbfCodec.decode(input).message;
            if (message.type === sample.type) same += 1;
            pbfCodec.encode(message);
          });
          if (!codes.includes(code)) throw new Error(`${code}: ${toHex(input)}`);
        });
      }
      expect(same).toBeGreaterThan(0);
    });
  }

  it('gives a message or a typed error for 100,000 of them', () => {
    const samples = Object.values(sampleMessages).map((message) => pbfCodec.encode(message));
    const codes = new Map<string, number>();
    damage(samples, 100_000, seededRandom(1), (input) => {
      const before = input.slice();
      const code = codeOf(() => {
        const message = pbfCodec.decode(input).message;
        // What was read can be written, and means the same.
        const frame = pbfCodec.encode(message);
        if (toHex(pbfCodec.encode(pbfCodec.decode(frame).message)) !== toHex(frame))
          throw new Error(`differs: ${toHex(before)}`);
      });
      if (toHex(input) !== toHex(before)) throw new Error(`changed: ${toHex(before)}`);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    });
    expect([...codes.keys()].sort()).toEqual(['invalid-document-id', 'invalid-frame', 'invalid-space', 'no error']);
  });
});
