// Types a trace into a text, in slices short enough that the page stays usable. It knows neither the page nor the file.

import type { Trace } from './trace.ts';

/** The text that is typed into: a TextDocument of the SDK is one. */
export interface ReplayTarget {
  readonly value: string;
  readonly length: number;
  insert(index: number, text: string): unknown;
  delete(index: number, length: number): unknown;
}

export interface ReplayProgress {
  readonly edits: number;
  readonly total: number;
  /** Since the first edit, pauses for the page included. */
  readonly elapsed_ms: number;
}

/**
 * - `equal`: the text is the trace's endContent.
 * - `different`: it isn't, though every edit was made.
 * - `disturbed`: somebody else edited the text meanwhile, so the trace's positions no longer mean what they say.
 * - `cancelled`: by the signal.
 */
export type ReplayOutcome = 'equal' | 'different' | 'disturbed' | 'cancelled';

export interface ReplayOptions {
  readonly signal?: AbortSignal;
  /** Called after each slice. */
  readonly onProgress?: (progress: ReplayProgress) => void;
  /** Milliseconds. */
  readonly now?: () => number;
  /** Resolves in a later task, after the page had its turn. */
  readonly nextTask?: () => Promise<void>;
}

export const SLICE_MS = 8;
/** The clock is read once for this many edits. */
const EDITS_PER_CLOCK = 16;
/** What is written at once when a text is long; a whole file in one write would be refused as too big. UTF-16 units. */
const PIECE_LENGTH = 32_768;

/** Replaces the text by the trace's startContent and makes all its edits, one by one. Throws what the target throws. */
export async function replayTrace(
  trace: Trace,
  target: ReplayTarget,
  options: ReplayOptions = {},
): Promise<ReplayProgress & { readonly outcome: ReplayOutcome }> {
  const { signal, onProgress, now = () => performance.now(), nextTask = nextMacrotask } = options;
  const { positions, deletions, insertEnds, inserted } = trace;
  const total = positions.length;
  if (target.length > 0) target.delete(0, target.length);
  insertInPieces(target, 0, trace.startContent);
  let length = trace.startContent.length;
  let insertStart = 0;
  let edit = 0;
  const started_ms = now();
  const progress = (): ReplayProgress => ({ edits: edit, total, elapsed_ms: now() - started_ms });
  while (edit < total) {
    const sliceEnd_ms = now() + SLICE_MS;
    while (edit < total && (edit % EDITS_PER_CLOCK !== 0 || now() < sliceEnd_ms)) {
      const position = positions[edit] ?? 0;
      const deleted = deletions[edit] ?? 0;
      const insertEnd = insertEnds[edit] ?? insertStart;
      if (deleted > 0) target.delete(position, deleted);
      if (insertEnd > insertStart) insertInPieces(target, position, inserted.slice(insertStart, insertEnd));
      length += insertEnd - insertStart - deleted;
      insertStart = insertEnd;
      edit++;
    }
    onProgress?.(progress());
    if (edit === total) break;
    await nextTask();
    if (signal?.aborted) return { ...progress(), outcome: 'cancelled' };
    if (target.length !== length) return { ...progress(), outcome: 'disturbed' };
  }
  const last = progress();
  return { ...last, outcome: target.value === trace.endContent ? 'equal' : 'different' };
}

/** Inserts a text of any length, cutting no surrogate pair. Returns what the last write returned. */
export function insertInPieces<T>(
  target: { insert(index: number, text: string): T },
  index: number,
  text: string,
): T | undefined {
  let result: T | undefined;
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + PIECE_LENGTH);
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
    result = target.insert(index + start, text.slice(start, end));
    start = end;
  }
  return result;
}

function nextMacrotask(): Promise<void> {
  // A timer would be held back to 4 ms after a few turns; a message isn't.
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(undefined);
  });
}
