// Opens a trace file on behalf of the page: starts the worker that reads it and ends that worker, whatever happens.

import { type Trace, TraceError } from './trace.ts';
import type { TraceAnswer } from './trace-worker.ts';

/** Throws {@link TraceError} for a bad file, and the signal's reason when aborted. */
export function openTrace(file: File, signal: AbortSignal): Promise<Trace> {
  const worker = new Worker(new URL('./trace-worker.ts', import.meta.url), { type: 'module' });
  return new Promise<Trace>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<TraceAnswer>) => {
      if ('trace' in data) resolve(data.trace);
      else reject(new TraceError(data.problem));
    };
    worker.onerror = () =>
      reject(new TraceError('The file could not be read: this page’s trace reader did not start.'));
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    worker.postMessage(file);
  }).finally(() => worker.terminate());
}
