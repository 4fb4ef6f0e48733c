// Puts envelopes of a log in an order in which each comes after those it was written on. It decides nothing about
// envelopes whose causes are not in the log: they come as early as the others allow.

import { readEnvelope } from '@joinery/protocol';

/** What is needed of an envelope to place it. */
export interface Orderable {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

/**
 * Agent by agent in the order of seqs, each agent as far as its causes allow, until nothing is left. Linear in the
 * envelopes and their deps: an agent that has to wait is woken by the one it waits for.
 */
export function causalOrder<Envelope extends Orderable>(envelopes: readonly Envelope[]): Envelope[] {
  const queues = new Map<bigint, Envelope[]>();
  for (const envelope of envelopes) {
    const queue = queues.get(envelope.agent);
    if (queue === undefined) queues.set(envelope.agent, [envelope]);
    else queue.push(envelope);
  }
  for (const queue of queues.values()) queue.sort((a, b) => a.from - b.from);

  const ordered: Envelope[] = [];
  /** Per agent how many of its queue are placed. */
  const placed = new Map<bigint, number>();
  /** Agents that wait for an envelope of the key's agent. */
  const waiting = new Map<bigint, bigint[]>();

  /** The agent of a dep that is in the log and not yet placed. */
  const missing = (envelope: Envelope): bigint | undefined => {
    for (const dep of readEnvelope(envelope.bytes).deps) {
      const next = queues.get(dep.agent)?.[placed.get(dep.agent) ?? 0];
      if (next !== undefined && next.from < dep.seq) return dep.agent;
    }
    return undefined;
  };

  const advance = (start: bigint): void => {
    const ready = [start];
    for (let agent = ready.pop(); agent !== undefined; agent = ready.pop()) {
      const queue = queues.get(agent) ?? [];
      const before = placed.get(agent) ?? 0;
      let index = before;
      for (let next = queue[index]; next !== undefined; next = queue[index]) {
        const cause = missing(next);
        if (cause !== undefined) {
          const others = waiting.get(cause);
          if (others === undefined) waiting.set(cause, [agent]);
          else others.push(agent);
          break;
        }
        ordered.push(next);
        index += 1;
        placed.set(agent, index);
      }
      // Whoever waits for this agent tries again, if it got any further.
      if (index === before) continue;
      ready.push(...(waiting.get(agent) ?? []));
      waiting.delete(agent);
    }
  };

  for (const agent of queues.keys()) advance(agent);
  // Only a circle of causes is left, which no replica writes: still, nothing is dropped.
  const circles = Array.from(queues, ([agent, queue]) => queue.slice(placed.get(agent) ?? 0));
  return [ordered, ...circles].flat();
}
