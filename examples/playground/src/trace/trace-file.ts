// Reads an editing trace from a file, plain or gzipped, within limits. Runs in the trace worker (and in tests).

import { parseTrace, type Trace, TraceError } from './trace.ts';

export const TRACE_FILE_BYTES_MAX = 32 * 1024 * 1024;
/** After unpacking: a small file can unpack to a very big one. */
export const TRACE_JSON_BYTES_MAX = 128 * 1024 * 1024;

/** Reads and checks the file. Throws {@link TraceError} for anything that is wrong with it. */
export async function readTraceFile(file: Blob, jsonBytesMax = TRACE_JSON_BYTES_MAX): Promise<Trace> {
  if (file.size === 0) throw new TraceError('The file is empty.');
  if (file.size > TRACE_FILE_BYTES_MAX) {
    throw new TraceError(`The file is bigger than ${megabytes(TRACE_FILE_BYTES_MAX)}, the most that is read.`);
  }
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  // By the first two bytes, not by the name: a server or a browser may have unpacked a .gz on its way here.
  const gzipped = start[0] === 0x1f && start[1] === 0x8b;
  const stream = gzipped ? file.stream().pipeThrough(new DecompressionStream('gzip')) : file.stream();
  return parseTrace(await readText(stream, gzipped, jsonBytesMax));
}

async function readText(stream: ReadableStream<Uint8Array>, gzipped: boolean, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const reader = stream.getReader();
  const parts: string[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.byteLength;
      if (bytes > bytesMax) {
        throw new TraceError(`The trace unpacks to more than ${megabytes(bytesMax)}, the most that is read.`);
      }
      parts.push(decoder.decode(value, { stream: true }));
    }
    parts.push(decoder.decode());
  } catch (error) {
    // What was read so far is useless, and the rest isn't wanted.
    reader.cancel().catch(() => {});
    if (error instanceof TraceError) throw error;
    throw new TraceError(
      gzipped
        ? 'The file is damaged: it can’t be unpacked.'
        : 'The file can’t be read as text. Choose an editing trace.',
    );
  }
  return parts.join('');
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MB`;
}
