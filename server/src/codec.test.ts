/** The server's codec against the vectors that browsers' codec is held to, and against damaged bytes. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { completeFrame, type FrameCodec, JoineryError, pbfCodec } from '@joinery/protocol';
import { describe, expect, it } from 'vitest';
import { damage, seededRandom } from '../../protocol/src/testing/damage.ts';
import { createServerCodec } from './codec.ts';

interface Vector {
  readonly name: string;
  readonly frame: string;
}

const codec = createServerCodec();
const vectorsPath = fileURLToPath(new URL('../../protocol/vectors/frames.json', import.meta.url));
const vectors: readonly Vector[] = JSON.parse(readFileSync(vectorsPath, 'utf8'));
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

describe('vectors', () => {
  for (const { name, frame } of vectors) {
    it(`${name}: reads and writes what browsers do`, () => {
      const message = pbfCodec.decode(fromHex(frame)).message;
      expect(codec.decode(fromHex(frame)).message).toEqual(message);
      expect(pbfCodec.decode(codec.encode(message)).message).toEqual(message);
      expect(pbfCodec.decode(codec.encode(message, 300))).toEqual({ number: 300, message });
      expect(codec.decode(completeFrame(codec.encode(message), 0, 300))).toEqual({ number: 300, message });
    });
  }
});

describe('damaged frames', () => {
  it('gives the same message or the same error as browsers’ codec for 100,000 of them', () => {
    const outcome = (decode: FrameCodec['decode'], frame: Uint8Array): ReturnType<FrameCodec['decode']> | string => {
      try {
        return decode(frame);
      } catch (error) {
        if (error instanceof JoineryError) return error.code;
        throw error;
      }
    };
    const samples = vectors.map((vector, index) => completeFrame(fromHex(vector.frame), 0, index * index * 100));
    let read = 0;
    damage(samples, 100_000, seededRandom(2), (input) => {
      const ours = outcome(codec.decode, input);
      const theirs = outcome(pbfCodec.decode, input);
      if (typeof ours === 'string' || typeof theirs === 'string') {
        if (ours !== theirs) throw new Error(`${Buffer.from(input).toString('hex')}: ${ours} and ${theirs}`);
        return;
      }
      read += 1;
      const bytes = Buffer.from(pbfCodec.encode(ours.message, ours.number));
      if (!bytes.equals(pbfCodec.encode(theirs.message, theirs.number)))
        throw new Error(`differs: ${Buffer.from(input).toString('hex')}`);
    });
    expect(read).toBeGreaterThan(1_000);
  });
});
