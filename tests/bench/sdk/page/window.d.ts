// What the page of an SDK has for the cells: see main.mjs. Types alone.

import type * as subject from '../subjects/joinery.mjs';

type Cells = typeof import('./main.mjs').cells;

declare global {
  /** Put in by the build. */
  const IS_RELAXED: boolean;
  interface Window {
    cells: Cells;
    cold: Promise<{ cold_ms: number }>;
    arrivals: Promise<number[]>;
    edited(end_ms: number): void;
    large: Awaited<ReturnType<typeof subject.openLarge>>;
  }
}
