/**
 * Fractional indices for an app that orders things by a field of its own: the TypeScript side of
 * `core-rs/crates/types/src/fractional_index.rs`. Lists and trees keep their order by themselves and don't need it.
 */

import { JoineryError } from '@joinery/protocol';
import { Bridge } from './bridge.ts';
import { coreModule } from './load.ts';

/** Options of {@link fractionalIndex}. */
export interface FractionalIndexOptions {
  /**
   * How many random bits pick the index within its gap, 0 to 32; 16 if not given. Two people who put something at one place at
   * once take equal indices once in 2^bits times, and nothing fits between equal ones. Six bits cost a character.
   */
  readonly jitter_bits?: number | undefined;
  /** Fills bytes with randomness; `crypto.getRandomValues` if not given. */
  readonly random?: ((bytes: Uint8Array) => void) | undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A string between two others in the order of `<`: digits of base 62, in the form of David Greenspan's "Implementing Fractional
 * Indexing" (2020), at most 1,024 characters.
 *
 * @param low the index before; undefined at the start
 * @param high the index behind; undefined at the end
 * @throws JoineryError `not-initialised` before `init()` has resolved; `invalid-option` where one isn't an index, or `low` isn't below
 *   `high`; `limit-exceeded` where the gap was halved too often
 * @example
 * await init();
 * fractionalIndex('a0', 'a1', { jitter_bits: 0 }); // 'a0V'
 * card.order = fractionalIndex(above?.order, below?.order);
 */
export function fractionalIndex(
  low: string | undefined,
  high: string | undefined,
  { jitter_bits = 16, random }: FractionalIndexOptions = {},
): string {
  if (!Number.isInteger(jitter_bits) || jitter_bits < 0 || jitter_bits > 32) {
    throw new JoineryError('invalid-option', {
      expected: 'jitter of 0 to 32 bits',
      got: String(jitter_bits),
      remedy: 'Leave it out for 16.',
    });
  }
  // The core takes an empty string for none.
  if (low === '' || high === '') throw notAnIndex();
  const bridge = new Bridge(coreModule(), { random });
  try {
    const first = encoder.encode(low ?? '');
    bridge.input(first, encoder.encode(high ?? ''));
    const jitter = jitter_bits === 0 ? 0 : bridge.draw(4).getUint32(0, true);
    bridge.check(bridge.core.fractional_index(first.length, jitter, jitter_bits));
    return decoder.decode(bridge.output());
  } finally {
    bridge.free();
  }
}

function notAnIndex(): JoineryError {
  return new JoineryError('invalid-option', {
    expected: 'fractional indices',
    got: 'an empty string',
    remedy: 'Leave out what there is none of.',
  });
}
