// How long to wait, and waiting, in an environment's time. It knows nothing of what is waited for.

import type { Environment } from '../environment.ts';

/** Storage that can't be read or written is tried again after so long. */
export const readRetry_ms = 1_000;

/** How long to wait after so many failures in a row, doubling from `base_ms` to `cap_ms`. */
export function backoff_ms(failures: number, base_ms: number, cap_ms: number): number {
  return Math.min(cap_ms, base_ms * 2 ** Math.min(failures, 10));
}

/** Resolves after so long. */
export function pause(environment: Environment, duration_ms: number): Promise<void> {
  return new Promise((resolve) => {
    environment.timer(resolve, duration_ms);
  });
}

/** Resolves when the promise has settled, whichever way, or after so long. */
export function settledWithin(environment: Environment, promise: Promise<unknown>, patience_ms: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = environment.timer(resolve, patience_ms);
    const done = (): void => {
      cancel();
      resolve();
    };
    promise.then(done, done);
  });
}
