// Frames inside one process, with delays and cut links on demand: for tests and simulations, and for a client beside its
// server. Time and chance come in as arguments, so one seed gives one run.

import { JoineryError, maxFrameBytes } from '@joinery/protocol';
import type { Cancel, Environment } from '../environment.ts';
import type { Link, LinkEvents, Transport } from './transport.ts';

/** The other end of a link, as the server sees it. */
export interface AcceptedLink extends Link {
  /** Must be called once, before the next task: what happens on the link. */
  listen(events: LinkEvents): void;
}

export interface MemoryNetworkOptions {
  readonly environment: Pick<Environment, 'random' | 'timer' | 'monotonic' | 'microtask'>;
  /** Each frame takes a time between the two. Default 0, 0. Frames of a link never overtake each other. */
  readonly delay_ms?: readonly [least: number, most: number];
  /** The chance that a frame is lost, and its link with it: a transport delivers in order or closes. Default 0. */
  readonly loss?: number;
}

/** A network that can be cut; servers listen on it, transports connect through it. */
export class MemoryNetwork {
  readonly #options: MemoryNetworkOptions;
  readonly #listeners = new Map<string, (link: AcceptedLink) => void>();
  readonly #links = new Set<Pair>();
  /** While cut, attempts fail. Links that are open stay half-open until `cut` ends them. */
  reachable = true;

  constructor(options: MemoryNetworkOptions) {
    this.#options = options;
  }

  /** Accepts links to `url` until the returned function is called. */
  listen(url: string, accept: (link: AcceptedLink) => void): Cancel {
    this.#listeners.set(url, accept);
    return () => {
      if (this.#listeners.get(url) === accept) this.#listeners.delete(url);
    };
  }

  /** Ends every open link at both ends, as when a cable is pulled and both ends notice. */
  cut(): void {
    for (const pair of [...this.#links]) pair.end(connectionLost());
  }

  /** The number of links that are open at one end or both. */
  get openLinks(): number {
    return this.#links.size;
  }

  transport(): Transport {
    return { connect: (url, events) => this.#connect(url, events) };
  }

  #connect(url: string, events: LinkEvents): Link {
    const pair = new Pair(this.#options, events, () => this.#links.delete(pair));
    this.#links.add(pair);
    pair.schedule(() => {
      const accept = this.#listeners.get(url);
      if (!this.reachable || accept === undefined) {
        pair.end(
          new JoineryError('connection-failed', {
            expected: `a listener at ${url}`,
            got: this.reachable ? 'none' : 'no network',
            remedy: 'It is tried again; what was written is kept.',
          }),
        );
      } else if (pair.client.open()) accept(pair.server);
    });
    return pair.client;
  }
}

/** Both ends of a link, and the frames between them. */
class Pair {
  readonly client: End;
  readonly server: End;
  readonly #options: MemoryNetworkOptions;
  readonly #ended: () => void;
  readonly #queue: (() => void)[] = [];
  #lastAt_ms = 0;

  constructor(options: MemoryNetworkOptions, events: LinkEvents, ended: () => void) {
    this.#options = options;
    this.#ended = ended;
    this.client = new End(this, events);
    this.server = new End(this, undefined);
  }

  /** Runs after the link's delay, and after everything that was scheduled before. */
  schedule(run: () => void): void {
    const { environment, delay_ms = [0, 0] } = this.#options;
    const now = environment.monotonic();
    const delay = delay_ms[0] + environment.random() * (delay_ms[1] - delay_ms[0]);
    this.#lastAt_ms = Math.max(now + delay, this.#lastAt_ms);
    this.#queue.push(run);
    // Each timer runs whatever is first, so that timers of one moment can't change the order.
    environment.timer(() => this.#queue.shift()?.(), this.#lastAt_ms - now);
  }

  carry(from: End, frame: Uint8Array): void {
    if (frame.length > maxFrameBytes) {
      this.end(
        new JoineryError('frame-too-large', {
          expected: `a frame of at most ${maxFrameBytes} bytes`,
          got: `${frame.length} bytes`,
          remedy: 'The link was closed; nothing of the frame was sent.',
        }),
      );
      return;
    }
    if (this.#options.environment.random() < (this.#options.loss ?? 0)) {
      this.end(connectionLost());
      return;
    }
    const to = from === this.client ? this.server : this.client;
    const bytes = frame.slice();
    from.buffered_bytes += bytes.length;
    this.schedule(() => {
      from.buffered_bytes -= bytes.length;
      to.deliver(bytes);
    });
  }

  /** One side closes: it hears of it at once, the other side when the word arrives. */
  close(by: End): void {
    const other = by === this.client ? this.server : this.client;
    by.shut(undefined);
    this.schedule(() => {
      other.shut(connectionLost());
      this.#ended();
    });
  }

  end(error: JoineryError): void {
    this.client.shut(error);
    this.server.shut(error);
    this.#ended();
  }

  microtask(run: () => void): void {
    this.#options.environment.microtask(run);
  }
}

class End implements AcceptedLink {
  readonly #pair: Pair;
  #events: LinkEvents | undefined;
  #state: 'new' | 'open' | 'closed' = 'new';
  buffered_bytes = 0;

  constructor(pair: Pair, events: LinkEvents | undefined) {
    this.#pair = pair;
    this.#events = events;
  }

  listen(events: LinkEvents): void {
    this.#events = events;
    this.#pair.microtask(() => this.open());
  }

  /** False when it was closed before. */
  open(): boolean {
    if (this.#state !== 'new') return false;
    this.#state = 'open';
    this.#events?.opened();
    return true;
  }

  send(frame: Uint8Array): void {
    if (this.#state === 'open') this.#pair.carry(this, frame);
  }

  close(): void {
    if (this.#state !== 'closed') this.#pair.close(this);
  }

  deliver(frame: Uint8Array): void {
    if (this.#state === 'open') this.#events?.frame(frame);
  }

  shut(error: JoineryError | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#pair.microtask(() => this.#events?.closed(error));
  }
}

function connectionLost(): JoineryError {
  return new JoineryError('connection-failed', {
    expected: 'the link to stay open',
    got: 'its end',
    remedy: 'It is tried again; what was written is kept.',
  });
}
