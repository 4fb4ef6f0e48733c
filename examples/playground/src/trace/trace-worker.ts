// The worker that reads a trace file, so that unpacking and parsing many megabytes never stops the page: one file in,
// one answer out, then its owner ends it.

import { type Trace, TraceError } from './trace.ts';
import { readTraceFile } from './trace-file.ts';

export type TraceAnswer = { readonly trace: Trace } | { readonly problem: string };

self.onmessage = async (event: MessageEvent<File>) => {
  try {
    const trace = await readTraceFile(event.data);
    const { positions, deletions, insertEnds } = trace;
    const answer: TraceAnswer = { trace };
    self.postMessage(answer, { transfer: [positions.buffer, deletions.buffer, insertEnds.buffer] });
  } catch (error) {
    const problem = error instanceof TraceError ? error.message : `The file could not be read: ${String(error)}`;
    const answer: TraceAnswer = { problem };
    self.postMessage(answer);
  }
};
