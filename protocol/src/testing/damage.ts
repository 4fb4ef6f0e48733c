/** Seeded randomness, by which a run is decided by its seed alone, and damaged inputs made with it. For tests. */

/** mulberry32: uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Varints at which a count or a length could overflow. */
const edges: readonly (readonly number[])[] = [
  [0],
  [1],
  [0x7f],
  [0x80, 1],
  [0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
  // In a longer form than it needs.
  [0x80, 0],
];

/**
 * Calls `use` with so many damaged inputs: the samples truncated, with flipped bits, with bytes put in or cut out, with
 * numbers at some edge in the place of what was there, two of them spliced, and random bytes.
 */
export function damage(
  samples: readonly Uint8Array[],
  count: number,
  random: () => number,
  use: (input: Uint8Array) => void,
): void {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = (): Uint8Array => samples[below(samples.length)] ?? new Uint8Array(0);
  for (let index = 0; index < count; index += 1) {
    const sample = pick();
    switch (index % 6) {
      case 0:
        use(sample.slice(0, below(sample.length + 1)));
        break;
      case 1: {
        const flipped = sample.slice();
        for (let flips = 1 + below(4); flips > 0; flips -= 1) {
          const at = below(flipped.length);
          flipped[at] = (flipped[at] ?? 0) ^ (1 << below(8));
        }
        use(flipped);
        break;
      }
      case 2: {
        const at = below(sample.length + 1);
        const extra = Uint8Array.from({ length: below(6) }, () => below(256));
        use(Uint8Array.of(...sample.slice(0, at), ...extra, ...sample.slice(at + below(4))));
        break;
      }
      case 3: {
        const other = pick();
        use(Uint8Array.of(...sample.slice(0, below(sample.length + 1)), ...other.slice(below(other.length + 1))));
        break;
      }
      case 4: {
        const at = below(sample.length + 1);
        const edge = edges[below(edges.length)] ?? [];
        use(Uint8Array.of(...sample.slice(0, at), ...edge, ...sample.slice(at + 1 + below(3))));
        break;
      }
      default:
        use(Uint8Array.from({ length: below(64) }, () => below(256)));
    }
  }
}
