/**
 * The channels of one link, at one of its ends: numbers that stand for subscriptions, so that what is said of a document
 * names neither it nor its epoch. The client gives them, each above all before it. So none ever stands for two subscriptions,
 * and what is still on its way under one that has ended is known for that: it is nobody's. What it keeps are those that
 * are open, and the highest there ever was. It knows nothing of documents, and bounds nothing: who opens channels does.
 */

import { JoineryError } from '../error.ts';

export class Channels<T> {
  readonly #open = new Map<number, T>();
  #last = 0;

  /** The highest that was ever opened; 0 when there is none. */
  get last(): number {
    return this.#last;
  }

  /**
   * A subscription begins.
   *
   * @throws JoineryError `protocol-violation` when the channel is not above all before it; then it is as it was
   */
  open(channel: number, subscription: T): void {
    if (channel <= this.#last) throw violation(`a channel above ${this.#last}`, `${channel}`);
    this.#last = channel;
    this.#open.set(channel, subscription);
  }

  /**
   * What the channel stands for; undefined when that has ended.
   *
   * @throws JoineryError `protocol-violation` when it was never opened
   */
  find(channel: number): T | undefined {
    if (channel < 1 || channel > this.#last) throw violation(`a channel from 1 to ${this.#last}`, `${channel}`);
    return this.#open.get(channel);
  }

  end(channel: number): void {
    this.#open.delete(channel);
  }
}

function violation(expected: string, got: string): JoineryError {
  return new JoineryError('protocol-violation', {
    expected,
    got,
    remedy: 'The link is closed, and everything subscribed over the next one.',
  });
}
