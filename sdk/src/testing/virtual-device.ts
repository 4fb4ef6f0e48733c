// A device with several tabs on virtual time: locks and channels between them, and tabs that crash, freeze and thaw. What the
// tabs have in storage is not here: they are given one storage with `shared`.

import type { Cancel, Channel, Environment, LockEvents, Locks, TabMemory, TabsEnvironment } from '../environment.ts';

/** How long a message between tabs takes, in milliseconds. */
const delay_ms = 1;

interface Request {
  readonly tab: VirtualTab;
  readonly events: LockEvents;
}

interface Member {
  readonly tab: VirtualTab;
  readonly receive: (message: unknown) => void;
}

/**
 * @example
 * const device = new VirtualDevice(world.time);
 * const [left, right] = [device.tab(), device.tab()];
 * left.freeze();
 */
export class VirtualDevice {
  readonly #environment: Environment;
  /** The first one holds the lock, the others wait. */
  readonly #locks = new Map<string, Request[]>();
  readonly #channels = new Map<string, Set<Member>>();
  /** Messages that were posted, on all channels together. */
  posted = 0;
  /** Whether tabs have locks at all. */
  readonly #withLocks: boolean;

  constructor(environment: Environment, { locks = true }: { readonly locks?: boolean } = {}) {
    this.#environment = environment;
    this.#withLocks = locks;
  }

  /**
   * A new tab. Given another one, with what that one remembers of itself: once that has crashed it is the same tab after a reload,
   * else a copy of it.
   */
  tab(before?: VirtualTab): VirtualTab {
    const memory = new Map(before?.memory);
    const tab: VirtualTab = new VirtualTab(this.#environment, memory, {
      ...(this.#withLocks ? { locks: this.#locksOf(() => tab) } : {}),
      session: memoryOf(memory),
      channel: (name, receive) => this.#join(name, { tab, receive }),
    });
    tab.onCrash(() => {
      for (const [name, requests] of this.#locks) {
        for (const request of requests.filter((one) => one.tab === tab)) this.#leave(name, request);
      }
      for (const members of this.#channels.values()) {
        for (const member of members) if (member.tab === tab) members.delete(member);
      }
    });
    return tab;
  }

  /** The tab that holds a lock. */
  holder(lock: string): VirtualTab | undefined {
    return this.#locks.get(lock)?.[0]?.tab;
  }

  /** The names of the locks that are held. */
  get locks(): string[] {
    return Array.from(this.#locks, ([name, requests]) => (requests.length > 0 ? [name] : [])).flat();
  }

  #locksOf(tab: () => VirtualTab): Locks {
    return {
      request: (name, steal, events) => {
        const request = { tab: tab(), events };
        const requests = this.#locks.get(name) ?? [];
        this.#locks.set(name, requests);
        const holder = requests[0];
        if (steal) {
          if (holder !== undefined) {
            requests.shift();
            holder.tab.task(() => holder.events.lost());
          }
          requests.unshift(request);
        } else requests.push(request);
        if (requests[0] === request) this.#grant(name, request);
        return () => this.#leave(name, request);
      },
    };
  }

  #grant(name: string, request: Request): void {
    request.tab.task(() => {
      if (this.#locks.get(name)?.[0] === request) request.events.granted();
    });
  }

  #leave(name: string, request: Request): void {
    const requests = this.#locks.get(name) ?? [];
    const index = requests.indexOf(request);
    if (index < 0) return;
    requests.splice(index, 1);
    const next = requests[0];
    if (index === 0 && next !== undefined) this.#grant(name, next);
  }

  #join(name: string, member: Member): Channel {
    const members = this.#channels.get(name) ?? new Set();
    this.#channels.set(name, members.add(member));
    return {
      post: (message) => {
        if (!members.has(member)) return;
        this.posted += 1;
        const copy = structuredClone(message);
        for (const other of members) {
          if (other === member) continue;
          this.#environment.timer(() => {
            if (members.has(other) && !other.tab.deaf) other.tab.run(() => other.receive(structuredClone(copy)));
          }, delay_ms);
        }
      },
      close: () => {
        members.delete(member);
      },
    };
  }
}

function memoryOf(texts: Map<string, string>): TabMemory {
  return {
    read: (name) => texts.get(name),
    write: (name, text) => {
      texts.set(name, text);
      return true;
    },
  };
}

/** The environment of one tab. What happens to it while it is frozen happens when it thaws. */
export class VirtualTab implements Environment {
  readonly tabs: TabsEnvironment;
  readonly memory: ReadonlyMap<string, string>;
  /** Messages to it are lost, as a browser may lose those to a tab that it has put aside. */
  deaf = false;
  readonly #environment: Environment;
  readonly #crashed: (() => void)[] = [];
  readonly #leaving = new Set<(left: boolean) => void>();
  #state: 'running' | 'frozen' | 'crashed' = 'running';
  #held: (() => void)[] = [];

  constructor(environment: Environment, memory: ReadonlyMap<string, string>, tabs: TabsEnvironment) {
    this.#environment = environment;
    this.memory = memory;
    this.tabs = tabs;
  }

  /** It stands still until `thaw`, with everything that it holds. */
  freeze(): void {
    if (this.#state === 'running') this.#state = 'frozen';
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'running';
    const held = this.#held;
    this.#held = [];
    for (const run of held) this.task(run);
  }

  /** Its page is left (true), as a browser says before it ends it or puts it aside; or it comes back. */
  leave(left: boolean): void {
    for (const listener of [...this.#leaving]) this.run(() => listener(left));
  }

  /** It ends without a word. */
  crash(): void {
    this.#state = 'crashed';
    this.#held = [];
    for (const tell of this.#crashed) tell();
  }

  onCrash(tell: () => void): void {
    this.#crashed.push(tell);
  }

  /** Runs something in this tab, now if it runs. */
  run(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'frozen') this.#held.push(run);
  }

  now(): number {
    return this.#environment.now();
  }

  monotonic(): number {
    return this.#environment.monotonic();
  }

  random(): number {
    return this.#environment.random();
  }

  randomBytes(bytes: Uint8Array): void {
    this.#environment.randomBytes(bytes);
  }

  timer(run: () => void, delay_ms: number): Cancel {
    let cancelled = false;
    const cancel = this.#environment.timer(
      () =>
        this.run(() => {
          if (!cancelled) run();
        }),
      delay_ms,
    );
    return () => {
      cancelled = true;
      cancel();
    };
  }

  task(run: () => void): void {
    this.#environment.task(() => this.run(run));
  }

  microtask(run: () => void): void {
    this.#environment.microtask(() => this.run(run));
  }

  online(): boolean {
    return this.#environment.online();
  }

  subscribeOnline(listener: (online: boolean) => void): Cancel {
    return this.#environment.subscribeOnline((online) => this.run(() => listener(online)));
  }

  subscribeLeaving(listener: (left: boolean) => void): Cancel {
    this.#leaving.add(listener);
    return () => this.#leaving.delete(listener);
  }
}
