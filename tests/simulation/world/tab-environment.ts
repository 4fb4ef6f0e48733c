// What a tab takes from where it runs, under the harness's control: its time, its chance, its timers. It can be frozen (what
// is due waits until it is thawed) and it can die between any two effects: then nothing leaves it any more and nothing
// reaches it, though its code may still run to the end of a turn.

import type { Cancel, Environment, TabsEnvironment } from '../../../sdk/src/environment.ts';
import type { Random } from '../random.ts';
import type { Timeline } from '../timeline.ts';

/** Virtual time begins here, in milliseconds since 1970. */
export const epoch_ms = 1_700_000_000_000;

export interface TabHost {
  readonly timeline: Timeline;
  readonly random: Random;
  /** How far the device's clock is off. */
  clockOffset_ms(): number;
  online(): boolean;
  /** What it shares with other tabs. */
  tabs?(tab: TabEnvironment): TabsEnvironment | undefined;
  /** The tab has died of its countdown. */
  died(): void;
}

export class TabEnvironment implements Environment {
  readonly tabs?: TabsEnvironment;
  readonly #host: TabHost;
  readonly #networkListeners = new Set<(online: boolean) => void>();
  #alive = true;
  #held: (() => void)[] | undefined;
  #countdown: number | undefined;

  constructor(host: TabHost) {
    this.#host = host;
    const tabs = host.tabs?.(this);
    if (tabs !== undefined) this.tabs = tabs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get frozen(): boolean {
    return this.#held !== undefined;
  }

  /** It dies after so many more effects; undefined: not so. */
  set countdown(effects: number | undefined) {
    this.#countdown = effects;
  }

  /** Nothing leaves it and nothing reaches it from now on. */
  die(): void {
    this.#alive = false;
    this.#held = undefined;
  }

  freeze(): void {
    if (this.#alive) this.#held ??= [];
  }

  thaw(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    // In tasks of their own, as a browser does it.
    for (const run of held) this.#host.timeline.after(0, () => this.enter(run));
  }

  /** Something is about to leave the tab. False when it doesn't: the tab is dead, perhaps since just now. */
  effect(): boolean {
    if (!this.#alive) return false;
    if (this.#countdown === undefined) return true;
    this.#countdown -= 1;
    if (this.#countdown > 0) return true;
    this.#alive = false;
    this.#host.died();
    return false;
  }

  /** Something reaches the tab: at once, when it is thawed, or never. */
  enter(run: () => void): void {
    if (!this.#alive) return;
    if (this.#held !== undefined) this.#held.push(run);
    else run();
  }

  now(): number {
    return Math.floor(epoch_ms + this.#host.timeline.now_ms + this.#host.clockOffset_ms());
  }

  monotonic(): number {
    return this.#host.timeline.now_ms;
  }

  random(): number {
    return this.#host.random();
  }

  randomBytes(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = Math.floor(this.#host.random() * 256);
  }

  timer(run: () => void, delay_ms: number): Cancel {
    if (!this.effect()) return () => {};
    let wanted = true;
    const cancel = this.#host.timeline.after(delay_ms, () =>
      this.enter(() => {
        if (wanted) run();
      }),
    );
    return () => {
      wanted = false;
      cancel();
    };
  }

  task(run: () => void): void {
    this.timer(run, 0);
  }

  microtask(run: () => void): void {
    if (!this.effect()) return;
    queueMicrotask(() => {
      if (this.#alive) run();
    });
  }

  online(): boolean {
    return this.#host.online();
  }

  subscribeOnline(listener: (online: boolean) => void): Cancel {
    this.#networkListeners.add(listener);
    return () => this.#networkListeners.delete(listener);
  }

  /** The device's network came or went. */
  tellNetwork(online: boolean): void {
    this.enter(() => {
      for (const listener of [...this.#networkListeners]) listener(online);
    });
  }
}
