/**
 * The way between a client and the server, with the faults of real ones: delay, links that break, links that are open but
 * dead (half-open), and, worse than any real transport, single frames that are lost, come twice or overtake others.
 */

import type { VirtualTime } from '../../testing/virtual-time.ts';
import type { ModelLink } from './model-client.ts';
import type { ModelServer } from './model-server.ts';

export interface Faults {
  /** The chance that a frame is lost though the link stays. */
  drop: number;
  /** The chance that a frame comes twice. */
  duplicate: number;
  /** The chance that a frame doesn't wait for those before it, and the second of two comes behind others. */
  overtake: number;
  /** The chance, per frame, that the link breaks. */
  cut: number;
  /** The chance, per frame, that the link goes dead without anyone being told. */
  halfOpen: number;
  /** No link can be opened. */
  down: boolean;
  /** So many frames, both ways together, until the link breaks once; infinite for never. */
  cutIn: number;
}

export const noFaults = (): Faults => ({
  drop: 0,
  duplicate: 0,
  overtake: 0,
  cut: 0,
  halfOpen: 0,
  down: false,
  cutIn: Number.POSITIVE_INFINITY,
});

export function openLink(
  time: VirtualTime,
  random: () => number,
  server: ModelServer,
  faults: Faults,
  events: { opened: () => void; frame: (frame: Uint8Array) => void; closed: () => void },
): ModelLink {
  let state: 'opening' | 'open' | 'dead' | 'closed' = 'opening';
  let peer: ReturnType<ModelServer['connect']> | undefined;
  const arrival = { up: 0, down: 0 };

  const close = (tellClient: boolean): void => {
    if (state === 'closed') return;
    state = 'closed';
    if (tellClient) time.after(1, events.closed);
    time.after(1, () => peer?.closed());
  };
  const carry = (way: 'up' | 'down', frame: Uint8Array): void => {
    if (state !== 'open') return;
    faults.cutIn -= 1;
    if (faults.cutIn < 0) {
      faults.cutIn = Number.POSITIVE_INFINITY;
      close(true);
      return;
    }
    if (random() < faults.cut) {
      close(true);
      return;
    }
    if (random() < faults.halfOpen) {
      state = 'dead';
      return;
    }
    if (random() < faults.drop) return;
    const times = random() < faults.duplicate ? 2 : 1;
    for (let count = 0; count < times; count += 1) {
      const delay = 1 + random() * 20;
      const overtakes = random() < faults.overtake;
      // In order: never before what was sent earlier.
      if (!overtakes) arrival[way] = Math.max(arrival[way], time.now + delay);
      const copy = frame.slice();
      time.after(overtakes ? delay * (count + 1) : arrival[way] - time.now, () => {
        if (state !== 'open') return;
        if (way === 'up') peer?.frame(copy);
        else events.frame(copy);
      });
    }
  };

  time.after(1 + random() * 20, () => {
    if (state !== 'opening') return;
    if (faults.down) {
      close(true);
      return;
    }
    state = 'open';
    peer = server.connect(
      (frame) => carry('down', frame),
      // What was sent before arrives first.
      () => time.after(Math.max(0, arrival.down - time.now) + 1, () => close(true)),
    );
    events.opened();
  });
  return { send: (frame) => carry('up', frame), close: () => close(false) };
}
