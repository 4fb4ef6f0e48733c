// One replay from the chosen file to its result: reads the trace, types it into a pane's text, tells how far it is.

import type { Receipt } from 'joinery';
import type { Pane } from '../panes/open-pane.ts';
import { openTrace } from './open-trace.ts';
import { type ReplayOutcome, type ReplayProgress, replayTrace } from './replay.ts';

export type TraceState =
  | { readonly phase: 'idle' }
  | { readonly phase: 'reading'; readonly name: string }
  | { readonly phase: 'replaying'; readonly name: string; readonly progress: ReplayProgress }
  | {
      readonly phase: 'done';
      readonly name: string;
      readonly progress: ReplayProgress;
      readonly outcome: ReplayOutcome;
      /** Follows the last edit, and with it all of them. */
      readonly receipt: Receipt | undefined;
    }
  | { readonly phase: 'failed'; readonly message: string };

/** How often the page is told of progress. */
const SHOW_MS = 100;

/** Never rejects: what goes wrong is told as the state `failed`. */
export async function runTrace(
  pane: Pane,
  file: File,
  signal: AbortSignal,
  show: (state: TraceState) => void,
): Promise<void> {
  const { name } = file;
  show({ phase: 'reading', name });
  const text = pane.client.text(pane.documents.text);
  let receipt: Receipt | undefined;
  const target = {
    get value() {
      return text.value;
    },
    get length() {
      return text.length;
    },
    insert: (index: number, inserted: string) => {
      receipt = text.insert(index, inserted);
    },
    delete: (index: number, length: number) => {
      receipt = text.delete(index, length);
    },
  };
  let shown_ms = 0;
  const onProgress = (progress: ReplayProgress): void => {
    if (progress.elapsed_ms - shown_ms < SHOW_MS) return;
    shown_ms = progress.elapsed_ms;
    show({ phase: 'replaying', name, progress });
  };
  try {
    const trace = await openTrace(file, signal);
    await text.loaded;
    signal.throwIfAborted();
    pane.replaying.set(true);
    show({ phase: 'replaying', name, progress: { edits: 0, total: trace.positions.length, elapsed_ms: 0 } });
    const { outcome, ...progress } = await replayTrace(trace, target, { signal, onProgress });
    show({ phase: 'done', name, progress, outcome, receipt });
  } catch (error) {
    if (signal.aborted) show({ phase: 'idle' });
    else show({ phase: 'failed', message: error instanceof Error ? error.message : String(error) });
  } finally {
    pane.replaying.set(false);
    if (receipt !== undefined)
      pane.writes.record(receipt, { kind: `trace ${name}`, amount: 1, say: () => `Replayed ${name}` });
    text.close();
  }
}
