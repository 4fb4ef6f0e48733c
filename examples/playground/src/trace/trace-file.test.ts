import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { TraceError } from './trace.ts';
import { readTraceFile, TRACE_FILE_BYTES_MAX } from './trace-file.ts';

const zip = (text: string) => new Uint8Array(gzipSync(text));
const json = '{"startContent":"","endContent":"Füge","txns":[{"patches":[[0,0,"Füge"]]}]}';

const refusal = async (file: Blob, jsonBytesMax?: number): Promise<string> => {
  const error = await readTraceFile(file, jsonBytesMax).then(
    () => new Error('expected the file to be refused'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TraceError);
  return (error as TraceError).message;
};

describe('readTraceFile', () => {
  test('reads JSON and gzipped JSON, by content', async () => {
    expect((await readTraceFile(new Blob([json]))).endContent).toBe('Füge');
    expect((await readTraceFile(new Blob([zip(json)]))).endContent).toBe('Füge');
  });

  test('refuses an empty, a damaged and a foreign file', async () => {
    expect(await refusal(new Blob([]))).toContain('empty');
    expect(await refusal(new Blob([zip(json).subarray(0, 40)]))).toContain('damaged');
    expect(await refusal(new Blob([new Uint8Array([0xff, 0xd8, 0xff, 0xe0])]))).toContain('as text');
    expect(await refusal(new Blob(['# a text']))).toContain('not JSON');
  });

  test('refuses a file beyond its limits, packed and unpacked', async () => {
    expect(await refusal(new Blob([new Uint8Array(TRACE_FILE_BYTES_MAX + 1)]))).toContain('32 MB');
    const unpacked = new TextEncoder().encode(json).byteLength;
    await readTraceFile(new Blob([zip(json)]), unpacked);
    expect(await refusal(new Blob([zip(json)]), unpacked - 1)).toContain('unpacks');
  });
});
