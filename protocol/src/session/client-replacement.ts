/**
 * How far a client is with giving up one incarnation of a document: which agents are to be closed, and what the server
 * answered. It sends nothing and knows no link: a replacement that a lost link interrupts begins anew.
 */

import { maxAgentsPerClose } from '../limits.ts';
import type { Close, Closed } from '../messages.ts';

export class Replacement {
  readonly #epoch: number;
  readonly #agents: readonly bigint[];
  readonly #last = new Map<bigint, number>();
  #answered = false;

  constructor(agents: readonly bigint[], epoch: number | undefined) {
    this.#agents = [...new Set(agents)];
    this.#epoch = epoch ?? 0;
  }

  /**
   * The epoch from which on bridges are wanted; 0 for none. Who knows of no epoch, and of whom the server has something all
   * the same, wrote that in one of them.
   */
  get bridgeFrom(): number {
    if (this.#epoch !== 0) return this.#epoch;
    return [...this.#last.values()].some((last) => last > 0) ? 1 : 0;
  }

  /** Every agent is closed at the server. */
  get closed(): boolean {
    return this.#answered && this.#last.size === this.#agents.length;
  }

  /** Agent → its last seq at the server. */
  get last(): ReadonlyMap<bigint, number> {
    return new Map(this.#last);
  }

  /** A new link: what an earlier one brought may have been undone since (a restored backup). */
  begin(document: string): Close[] {
    this.restart();
    const messages: Close[] = [];
    // One at least: the answer to none tells that what was on its way before is settled.
    for (let start = 0; start === 0 || start < this.#agents.length; start += maxAgentsPerClose) {
      const agents = this.#agents.slice(start, start + maxAgentsPerClose);
      messages.push({ type: 'close', document, epoch: this.#epoch, agents });
    }
    return messages;
  }

  answer(message: Closed): void {
    this.#answered = true;
    const wanted = new Set(this.#agents);
    for (const { agent, last } of message.agents) if (wanted.has(agent)) this.#last.set(agent, last);
  }

  restart(): void {
    this.#last.clear();
    this.#answered = false;
  }
}
