/**
 * What the server's logic needs of the world it runs in: time, randomness and turns, passed in, so that a simulator can
 * give its own. Nothing that takes an environment may ask the process itself.
 */

/** Ends a timer; after it ran, or twice, it does nothing. */
export type Cancel = () => void;

export interface ServerEnvironment {
  /** The wall clock, in milliseconds since 1970. */
  time(): number;
  /** A clock that never goes back, in milliseconds. */
  monotonic(): number;
  /** 64 random bits, never 0: an agent for a trim. */
  agent(): bigint;
  /** A number that no earlier epoch of any storage of these clients had, below 2^53; higher every time. */
  epoch(): number;
  /** Runs something once, later. */
  timer(run: () => void, delay_ms: number): Cancel;
  /** Resolves when what has arrived by now is taken in: what follows is then done for all of it at once. */
  turn(): Promise<void>;
}
