/** The environment of a server on Node: real clocks, real randomness, the real event loop. */

import { randomBytes } from 'node:crypto';
import type { ServerEnvironment } from './environment.ts';
import { newEpoch } from './storage/sqlite-schema.ts';

export const nodeEnvironment: ServerEnvironment = {
  time: () => Date.now(),
  monotonic: () => performance.now(),
  // 0 comes once in 2^64 times, and is nobody's.
  agent: () => randomBytes(8).readBigUInt64LE() || 1n,
  epoch: newEpoch,
  timer(run, delay_ms) {
    const timer = setTimeout(run, delay_ms);
    return () => clearTimeout(timer);
  },
  turn: () =>
    new Promise((resolve) => {
      setImmediate(resolve);
    }),
};
