// The state of a replica that nobody uses, as it is kept until somebody does. It knows nothing of when that is.

import type { Replica } from '../core/index.ts';

/** What is larger is not sent to rest: waking would take too long. */
export const restLimit_bytes = 8 * 1024;

/** One character a byte: the smallest place that there is for a few hundred of them. Undefined for a state above the limit. */
export function packState(replica: Replica): string | undefined {
  const bytes = replica.encodeSnapshot();
  return bytes.length > restLimit_bytes ? undefined : String.fromCharCode(...bytes);
}

/** What `Replica.load` takes. */
export function unpackState(state: string): Uint8Array {
  return Uint8Array.from(state, (unit) => unit.charCodeAt(0));
}
