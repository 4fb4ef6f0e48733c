// Which tab of a group leads: the one that holds the group's lock. A leader that ends loses its lock at once, and the next
// in the queue has it. One that is silent for too long (frozen, or blocked) has it stolen. Each leader takes a term above
// all before it and writes it to storage before it leads, so that a leader that was replaced without noticing is told by
// the first message it gets, and steps down.
//
// Two leaders at once do no harm (the server knows every envelope's dots, and storage compares before it swaps): this is
// about doing work once, not about safety. It knows nothing of what a leader does.

import type { Cancel, Environment, Locks } from '../environment.ts';

/** A leader says so often that it is there, as long as anybody listens. */
export const beat_ms = 1_000;
/** After so much silence the lock is stolen. */
const silence_ms = 3_000;
/** Followers steal at different moments, so that the first one's beat holds back the others. */
const jitter_ms = 500;
/** A timer that comes later than this says that it was this tab that stood still. */
const late_ms = 1_000;
/** How long storage may take with the term: it must not keep everybody from leading. */
const termPatience_ms = 500;

/** Where the term lies: one number for the whole group. */
export interface TermStore {
  /** In one step, whoever else does so: makes it one more than it is, and than `known`. Gives it when it is durable. */
  raise(known: number): Promise<number>;
}

/** Who leads: of two the one with the higher term, then the higher name. */
export interface Leader {
  readonly term: number;
  readonly tab: string;
}

export interface LeadershipEvents {
  /** This tab has the lock, and will lead in a moment: others need not wait any more. */
  claiming(): void;
  lead(term: number): void;
  /** It leads no more. */
  follow(): void;
}

export interface LeadershipOptions {
  readonly environment: Environment;
  /** Undefined: this tab leads, as every other one does. */
  readonly locks: Locks | undefined;
  readonly lock: string;
  readonly tab: string;
  readonly terms: TermStore;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #events: LeadershipEvents;
  #state: 'stopped' | 'following' | 'claiming' | 'leading' = 'stopped';
  #leave: Cancel = () => {};
  #cancelWatch: Cancel = () => {};
  /** Counts claims: what an earlier one still waits for is of no use any more. */
  #claim = 0;
  /** The highest that was heard of or taken. */
  #highest: Leader = { term: 0, tab: '' };
  #heardAt = 0;
  /** There is no lock that could be held: every tab does everything. */
  #alone: boolean;

  constructor(options: LeadershipOptions, events: LeadershipEvents) {
    this.#options = options;
    this.#events = events;
    this.#alone = options.locks === undefined;
  }

  /** It holds the lock: others follow it. */
  get isElected(): boolean {
    return this.#state === 'leading' && !this.#alone;
  }

  get leads(): boolean {
    return this.#state === 'leading';
  }

  /** Of the leader that is known, be it this tab or another. */
  get term(): number {
    return this.#highest.term;
  }

  start(): void {
    this.#heardAt = this.#options.environment.monotonic();
    this.#queue();
  }

  /** A message came from one that leads, or is about to. False when there is a newer leader: it is not to be listened to. */
  heard(leader: Leader, claims: boolean): boolean {
    if (this.#alone) return false;
    // What claims has no term yet.
    if (!claims) {
      if (isAbove(this.#highest, leader)) return false;
      this.#highest = leader;
    }
    this.#heardAt = this.#options.environment.monotonic();
    if (this.#state === 'leading' && !claims) {
      this.#leave();
      this.#stepDown();
    }
    return true;
  }

  /** A newer leader is known than the one that says something. */
  isReplaced(leader: Leader): boolean {
    return isAbove(this.#highest, leader);
  }

  stop(): void {
    this.#state = 'stopped';
    this.#claim += 1;
    this.#cancelWatch();
    this.#leave();
  }

  /** Waits for the lock. */
  #queue(): void {
    this.#state = 'following';
    const { locks } = this.#options;
    if (locks === undefined || this.#alone) {
      this.#granted();
      return;
    }
    this.#request(locks, false);
    this.#watch(silence_ms);
  }

  #request(locks: Locks, steal: boolean): void {
    this.#leave = locks.request(this.#options.lock, steal, {
      granted: () => this.#granted(),
      lost: () => this.#stepDown(),
      failed: () => {
        this.#alone = true;
        this.#granted();
      },
    });
  }

  #granted(): void {
    if (this.#state !== 'following') return;
    this.#state = 'claiming';
    this.#claim += 1;
    this.#cancelWatch();
    if (this.#alone) {
      this.#state = 'leading';
      this.#events.lead(this.#highest.term);
      return;
    }
    this.#events.claiming();
    this.#takeTerm(this.#claim);
  }

  /** One above every term that was heard of or is stored, stored before it is used if storage works at all. */
  #takeTerm(claim: number): void {
    const { environment, tab, terms } = this.#options;
    const lead = (term: number): void => {
      if (claim !== this.#claim || this.#state !== 'claiming') return;
      cancel();
      this.#state = 'leading';
      this.#highest = { term, tab };
      this.#events.lead(term);
    };
    const cancel = environment.timer(() => lead(this.#highest.term + 1), termPatience_ms);
    const write = async (): Promise<void> => {
      let term = 0;
      try {
        // Whoever was heard of meanwhile may have a higher one.
        while (term <= this.#highest.term && claim === this.#claim) term = await terms.raise(this.#highest.term);
      } finally {
        lead(Math.max(term, this.#highest.term + 1));
      }
    };
    // A storage that fails makes itself heard elsewhere.
    write().catch(() => {});
  }

  #stepDown(): void {
    if (this.#state === 'stopped') return;
    const led = this.#state === 'leading';
    this.#claim += 1;
    this.#heardAt = this.#options.environment.monotonic();
    this.#queue();
    if (led) this.#events.follow();
  }

  /** Looks after so much time whether a leader was heard meanwhile. */
  #watch(delay_ms: number): void {
    const { environment, locks } = this.#options;
    const due = environment.monotonic() + delay_ms;
    this.#cancelWatch();
    this.#cancelWatch = environment.timer(() => {
      if (this.#state !== 'following' || locks === undefined) return;
      const now = environment.monotonic();
      // What was said while this tab stood still is yet to be heard.
      if (now - due > late_ms) this.#heardAt = now;
      const silent = now - this.#heardAt;
      if (silent < silence_ms) {
        this.#watch(silence_ms - silent + environment.random() * jitter_ms);
        return;
      }
      this.#leave();
      this.#request(locks, true);
    }, delay_ms);
  }
}

function isAbove(a: Leader, b: Leader): boolean {
  return a.term > b.term || (a.term === b.term && a.tab > b.tab);
}
