// The network between tabs and server nodes. Links are as good as the weather of their device: slow, lossy, cut, blocked in
// one direction or both, clogged, or dead without anybody being told. In hostile weather frames are also lost on a link that
// stays, come twice and out of order, which no real transport does: safety must hold even so, and the ends find it out.

import { JoineryError } from '@joinery/protocol';
import type { Link, LinkEvents, Transport } from '../../../sdk/src/transport/transport.ts';
import type { Weather } from '../choices.ts';
import type { Log } from '../log.ts';
import { type Random, stream } from '../random.ts';
import type { Timeline } from '../timeline.ts';

export const calm: Weather = { delay_ms: [1, 20], loss: 0 };

/** What a device's links have to go through. */
export interface Conditions {
  weather: Weather;
  /** Nothing passes from the device, or to it. What is sent waits. */
  blocked: { up: boolean; down: boolean };
}

/** The server's end of a link. */
export interface AcceptedLink extends Link {
  /** Must be called once, before the next task: what happens on the link. */
  listen(events: LinkEvents): void;
  /** `sent` is called when the frame has gone out, if it ever does. */
  send(frame: Uint8Array, sent?: () => void): void;
}

/** Who connects. */
export interface Caller {
  readonly name: string;
  readonly device: string;
  /** See `TabEnvironment`. */
  effect(): boolean;
  enter(run: () => void): void;
}

/** Listens at the other end; `enter` is as with `Caller`. */
export interface Listener {
  accept(link: AcceptedLink, caller: Caller): void;
  enter(run: () => void): void;
}

type Way = 'up' | 'down';

/** A lost frame is sent again by a real network; after so many ms at most. */
const resend_ms = 2_500;
/** One lost frame in so many ends the link. */
const lossEndsLink = 0.15;
/** How long an attempt waits for an answer of nobody. */
const attemptTimeout_ms = 8_000;

export class Network {
  readonly timeline: Timeline;
  readonly log: Log;
  readonly #seed: number;
  readonly #conditions = new Map<string, Conditions>();
  readonly #links = new Set<Pair>();
  readonly #listeners = new Map<string, readonly Listener[]>();
  readonly #counts = new Map<string, number>();

  constructor(timeline: Timeline, log: Log, seed: number) {
    this.timeline = timeline;
    this.log = log;
    this.#seed = seed;
  }

  /** From now on these listen; whoever connects gets to one of them. */
  listen(url: string, listeners: readonly Listener[]): void {
    this.#listeners.set(url, listeners);
  }

  conditions(device: string): Conditions {
    let conditions = this.#conditions.get(device);
    if (conditions === undefined) {
      conditions = { weather: calm, blocked: { up: false, down: false } };
      this.#conditions.set(device, conditions);
    }
    return conditions;
  }

  block(device: string, up: boolean, down: boolean): void {
    this.conditions(device).blocked = { up, down };
    for (const pair of this.#of(device)) pair.flow();
  }

  /** Both ends of every link of the device hear that it is gone. */
  cut(device: string): void {
    for (const pair of this.#of(device)) pair.break();
  }

  /** Nobody hears of it. */
  kill(device: string): void {
    for (const pair of this.#of(device)) pair.dead = true;
  }

  clog(device: string): void {
    for (const pair of this.#of(device)) {
      pair.clogged = true;
    }
  }

  /** The tab is gone: its system closes what it had open, or (a power cut) nobody says anything. */
  abandonTab(name: string, silently: boolean): void {
    for (const pair of [...this.#links]) if (pair.caller.name === name) pair.abandon(silently);
  }

  /** The server's process is gone: its system tells the others, sooner or later. */
  abandonServer(listener: Listener): void {
    for (const pair of [...this.#links]) if (pair.listener === listener) pair.break();
  }

  heal(): void {
    for (const conditions of this.#conditions.values()) {
      conditions.weather = calm;
      conditions.blocked = { up: false, down: false };
    }
    for (const pair of [...this.#links]) {
      pair.clogged = false;
      pair.flow();
    }
  }

  transport(caller: Caller): Transport {
    return { connect: (url, events) => this.#connect(caller, url, events) };
  }

  ended(pair: Pair): void {
    this.#links.delete(pair);
  }

  #of(device: string): Pair[] {
    return [...this.#links].filter(({ caller }) => caller.device === device);
  }

  #connect(caller: Caller, url: string, events: LinkEvents): Link {
    const count = (this.#counts.get(caller.name) ?? 0) + 1;
    this.#counts.set(caller.name, count);
    const random = stream(this.#seed, 'link', caller.name, count);
    const pair = new Pair(this, caller, random);
    pair.client.listen(events);
    if (!caller.effect()) return pair.client;
    this.log.add({ type: 'connecting', tab: caller.name });
    this.#links.add(pair);
    const { blocked } = this.conditions(caller.device);
    if (blocked.up || blocked.down) {
      this.timeline.after(attemptTimeout_ms, () => pair.break());
      return pair.client;
    }
    pair.later(() => {
      const listeners = this.#listeners.get(url) ?? [];
      const listener = listeners[Math.floor(random() * listeners.length)];
      if (listener === undefined) {
        pair.break();
        return;
      }
      pair.listener = listener;
      listener.enter(() => listener.accept(pair.server, caller));
      pair.later(() => pair.client.open());
    });
    return pair.client;
  }
}

/** A frame on its way; without one: the end of what came this way. */
interface Parcel {
  readonly frame: Uint8Array | undefined;
  readonly sent?: (() => void) | undefined;
}

class Pair {
  readonly network: Network;
  readonly caller: Caller;
  readonly client: End;
  readonly server: End;
  readonly #random: Random;
  readonly #waiting: Record<Way, Parcel[]> = { up: [], down: [] };
  readonly #last_ms: Record<Way, number> = { up: 0, down: 0 };
  listener: Listener | undefined;
  dead = false;
  clogged = false;

  constructor(network: Network, caller: Caller, random: Random) {
    this.network = network;
    this.caller = caller;
    this.#random = random;
    this.client = new End(this, 'up');
    this.server = new End(this, 'down');
  }

  /** Runs on the way between the ends, when nothing is wrong with it. */
  later(run: () => void): void {
    this.network.timeline.after(this.#delay(), () => {
      if (!this.dead) run();
    });
  }

  send(way: Way, parcel: Parcel): void {
    const { frame } = parcel;
    const { timeline, log } = this.network;
    if (frame !== undefined) {
      log.add({ type: 'frame', tab: this.caller.name, way, bytes: frame.length });
      log.trace('frame', frame);
    }
    if (this.dead) return;
    const { weather } = this.network.conditions(this.caller.device);
    const { hostile } = weather;
    let delay = this.#delay();
    if (this.#random() < weather.loss) {
      if (hostile !== undefined && frame !== undefined) {
        this.#leave(way, parcel);
        return;
      }
      if (this.#random() < lossEndsLink) {
        this.break();
        return;
      }
      delay += this.#random() * resend_ms;
    }
    const isFree = hostile !== undefined && this.#random() < hostile.reorder;
    const at = isFree ? timeline.now_ms + delay : Math.max(timeline.now_ms + delay, this.#last_ms[way]);
    if (!isFree) this.#last_ms[way] = at;
    timeline.after(at - timeline.now_ms, () => this.#arrive(way, parcel, true));
    if (hostile !== undefined && frame !== undefined && this.#random() < hostile.duplicate) {
      // What was sent after the first one may come before the second.
      timeline.after(at - timeline.now_ms + this.#delay(), () => this.#arrive(way, parcel, false));
    }
  }

  /** What was held back goes on. */
  flow(): void {
    for (const way of ['up', 'down'] as const) {
      if (this.#blocked(way)) continue;
      for (const parcel of this.#waiting[way].splice(0)) {
        this.network.timeline.after(0, () => this.#arrive(way, parcel, true));
      }
    }
  }

  /** Both ends hear of it, each in its time. */
  break(): void {
    if (this.dead) return;
    this.dead = true;
    const { timeline } = this.network;
    timeline.after(this.#delay(), () => this.client.shut(connectionLost()));
    timeline.after(this.#delay(), () => this.server.shut(connectionLost()));
    this.network.ended(this);
  }

  abandon(silently: boolean): void {
    if (this.dead) return;
    if (silently) this.dead = true;
    else this.send('up', { frame: undefined });
  }

  #end(way: Way): End {
    return way === 'up' ? this.client : this.server;
  }

  #blocked(way: Way): boolean {
    return this.clogged || this.network.conditions(this.caller.device).blocked[way];
  }

  /** What it took of its sender's buffer is free again. */
  #leave(way: Way, { frame, sent }: Parcel): void {
    const end = this.#end(way);
    end.buffered_bytes -= frame?.length ?? 0;
    if (sent !== undefined) end.enter(sent);
  }

  #arrive(way: Way, parcel: Parcel, counted: boolean): void {
    if (this.dead) return;
    if (this.#blocked(way)) {
      this.#waiting[way].push(parcel);
      return;
    }
    const { frame } = parcel;
    const to = way === 'up' ? this.server : this.client;
    if (frame === undefined) {
      to.shut(connectionLost());
      this.dead = true;
      this.network.ended(this);
      return;
    }
    if (counted) this.#leave(way, parcel);
    to.deliver(frame);
  }

  #delay(): number {
    const [least, most] = this.network.conditions(this.caller.device).weather.delay_ms;
    return least + this.#random() * (most - least);
  }
}

/** One end: the tab's (`up` is its way out), or the server's. */
class End implements AcceptedLink {
  readonly #pair: Pair;
  readonly #way: Way;
  #events: LinkEvents | undefined;
  #state: 'new' | 'open' | 'closed' = 'new';
  buffered_bytes = 0;

  constructor(pair: Pair, way: Way) {
    this.#pair = pair;
    this.#way = way;
  }

  listen(events: LinkEvents): void {
    this.#events = events;
    if (this.#way === 'down') {
      this.#state = 'open';
      this.#pair.network.timeline.after(0, () => this.enter(() => this.#events?.opened()));
    }
  }

  open(): void {
    if (this.#state !== 'new') return;
    this.#state = 'open';
    this.enter(() => this.#events?.opened());
  }

  send(frame: Uint8Array, sent?: () => void): void {
    if (this.#state !== 'open' || !this.#effect()) return;
    this.buffered_bytes += frame.length;
    this.#pair.send(this.#way, { frame: frame.slice(), sent });
  }

  close(): void {
    if (this.#state === 'closed' || !this.#effect()) return;
    this.#state = 'closed';
    this.#pair.network.timeline.after(0, () => this.enter(() => this.#events?.closed(undefined)));
    this.#pair.send(this.#way, { frame: undefined });
  }

  deliver(frame: Uint8Array): void {
    this.enter(() => {
      if (this.#state === 'open') this.#events?.frame(frame.slice());
    });
  }

  shut(error: JoineryError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.enter(() => this.#events?.closed(error));
  }

  #effect(): boolean {
    return this.#way === 'down' || this.#pair.caller.effect();
  }

  enter(run: () => void): void {
    if (this.#way === 'up') this.#pair.caller.enter(run);
    else this.#pair.listener?.enter(run);
  }
}

function connectionLost(): JoineryError {
  return new JoineryError('connection-failed', {
    expected: 'the link to stay open',
    got: 'its end',
    remedy: 'It is tried again; what was written is kept.',
  });
}
