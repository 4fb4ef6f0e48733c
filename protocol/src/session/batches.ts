/** Cuts a list of envelopes into frames' worth: by bytes and by count, a larger one alone. */

import { maxEnvelopesPerFrame } from '../limits.ts';

export function* batches(envelopes: readonly Uint8Array[], limit_bytes: number): Generator<Uint8Array[]> {
  let batch: Uint8Array[] = [];
  let bytes = 0;
  for (const envelope of envelopes) {
    const full = batch.length === maxEnvelopesPerFrame || bytes + envelope.length > limit_bytes;
    if (full && batch.length > 0) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(envelope);
    bytes += envelope.length;
  }
  if (batch.length > 0) yield batch;
}
