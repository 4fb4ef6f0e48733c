// What came from the server and must not be joined before storage was asked for a newer incarnation. Two engines on one
// storage may have nothing else in common: each has a session of its own. When one of them swaps, it sends what it has made
// of the unsynced writes, and the server brings that to the other one, which still shows the writes as they were: joined,
// they would be there twice. A swap is stored before anything of it is sent, so whoever asks storage then knows of it.

import { readEnvelope } from '@joinery/protocol';
import type { DocumentEffect, SessionDriver } from './session-driver.ts';

/** Whether it may bring writes that were made anew: those are the first ones of an agent. */
export function mayBeMadeAnew(effect: DocumentEffect): boolean {
  if (effect.type === 'envelopes') return effect.envelopes.some(beginsAgent);
  return effect.type === 'snapshot';
}

function beginsAgent(envelope: Uint8Array): boolean {
  try {
    return readEnvelope(envelope).from === 0;
  } catch {
    // What can't be read is not joined anyway.
    return false;
  }
}

export class HeldEffects {
  /** In the order in which they came. Bounded by the credit, which is not given back while they wait. */
  readonly effects: DocumentEffect[];
  readonly #session: Pick<SessionDriver, 'consumed'>;

  constructor(first: DocumentEffect, session: Pick<SessionDriver, 'consumed'>) {
    this.effects = [first];
    this.#session = session;
  }

  /** Nobody will take them. */
  drop(): void {
    let bytes = 0;
    for (const effect of this.effects) if ('credit_bytes' in effect) bytes += effect.credit_bytes;
    if (bytes > 0) this.#session.consumed(bytes);
  }
}
