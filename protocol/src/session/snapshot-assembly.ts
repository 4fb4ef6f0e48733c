/**
 * Puts the parts of one snapshot or bridge together again. It holds no more than the stated bound and checks that parts fit.
 * What is beyond the bound is said at its first part: that is no fault of the link, and another one would bring the same.
 */

import { JoineryError } from '../error.ts';

/** What the parts of snapshots and bridges have in common; `position` is the same in all parts of one. */
export interface Part {
  readonly position?: number;
  readonly total_bytes: number;
  readonly offset: number;
  readonly part: Uint8Array;
}

export class SnapshotAssembly {
  readonly #limit_bytes: number;
  #parts: Uint8Array[] = [];
  #received = 0;
  #total = 0;
  #position: number | undefined;

  constructor(limit_bytes: number) {
    this.#limit_bytes = limit_bytes;
  }

  /**
   * Adds a part; returns the whole once it is complete.
   *
   * @throws JoineryError `limit-exceeded`, or `protocol-violation` when the part doesn't follow the one before.
   */
  add(part: Part): Uint8Array | undefined {
    if (part.total_bytes > this.#limit_bytes) throw snapshotTooLarge(this.#limit_bytes, part.total_bytes);
    if (part.offset === 0) {
      this.#parts = [];
      this.#received = 0;
      this.#total = part.total_bytes;
      this.#position = part.position;
    }
    const fits =
      part.offset === this.#received &&
      part.total_bytes === this.#total &&
      part.position === this.#position &&
      part.part.length > 0 &&
      this.#received + part.part.length <= this.#total;
    if (!fits) {
      throw new JoineryError('protocol-violation', {
        expected: `the part of the snapshot at byte ${this.#received} of ${this.#total}`,
        got: `${part.part.length} bytes at ${part.offset} of ${part.total_bytes}`,
        remedy: 'The link is closed and the snapshot asked for again.',
      });
    }
    // A copy: the part is a view into its frame.
    this.#parts.push(part.part.slice());
    this.#received += part.part.length;
    if (this.#received < this.#total) return undefined;
    const whole = new Uint8Array(this.#total);
    let offset = 0;
    for (const bytes of this.#parts) {
      whole.set(bytes, offset);
      offset += bytes.length;
    }
    this.#parts = [];
    return whole;
  }
}

/** @param limit_bytes the client's bound */
export function snapshotTooLarge(limit_bytes: number, total_bytes: number): JoineryError {
  return new JoineryError('limit-exceeded', {
    expected: `a snapshot of at most ${limit_bytes} bytes`,
    got: `one of ${total_bytes}`,
    remedy: 'Raise the limit `snapshot_bytes`, or split the document.',
  });
}
