/**
 * The order of frames on one link, both ways: numbers those that are sent, and looks at the numbers of those that come. A link
 * is to carry frames whole, once and in order. Where it doesn't, nothing that follows means what it would have meant: an
 * acknowledgement that overtakes the news of a backup, a state that overtakes the bridges to it, a late second `Unsubscribe`.
 * So nothing behind a gap is looked at, and nothing twice. It puts nothing in order again: no real transport needs that.
 */

import { JoineryError } from '../error.ts';

export class FrameOrder {
  #sent = 0;
  #received = 0;

  /** The next frame to be sent, written with its number; when writing throws there is none. */
  next(write: (number: number) => Uint8Array): Uint8Array {
    const frame = write(this.#sent);
    this.#sent += 1;
    return frame;
  }

  /**
   * Whether a frame that came is the next one; else it came twice, and is to be passed over.
   *
   * @throws JoineryError `connection-failed` when one before it didn't come
   */
  accepts(number: number): boolean {
    if (number > this.#received) {
      throw new JoineryError('connection-failed', {
        expected: `frame ${this.#received} of the link`,
        got: `frame ${number}`,
        remedy: 'The link is closed, and everything resumed over the next one.',
      });
    }
    if (number < this.#received) return false;
    this.#received += 1;
    return true;
  }
}
