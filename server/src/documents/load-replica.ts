/**
 * Brings up a document's replica from storage: the snapshot, if it is good, and the log behind it. A snapshot that can't
 * be read costs only time where the log is complete; else, and where the log can't be read, it is an error.
 */

import { JoineryError } from '@joinery/protocol';
import { Replica } from 'joinery/core';
import type { ServerEnvironment } from '../environment.ts';
import type { Storage } from '../storage/storage.ts';

/** So much is read and joined at a time, and others get their turn between. */
const page = { bytes: 1024 * 1024, count: 4_096 };

/** @throws JoineryError `storage-corrupt` when the log can't be joined, or another storage error. */
export async function loadReplica(
  storage: Storage,
  document: { readonly id: string; readonly epoch: number; readonly head: number; readonly base: number },
  environment: ServerEnvironment,
  report: (error: unknown) => void,
): Promise<Replica> {
  const { id, epoch, head, base } = document;
  // Stamps were checked when the log took them; the clock may have gone back since.
  const options = { now: () => environment.time(), trustStamps: true };
  let replica: Replica | undefined;
  let position = 0;
  const snapshot = await storage.snapshot(id);
  if (snapshot?.epoch === epoch && snapshot.position <= head && snapshot.position >= base) {
    try {
      replica = Replica.load(snapshot.bytes, options);
      position = snapshot.position;
    } catch (error) {
      report(error);
    }
  }
  replica ??= new Replica(options);
  try {
    if (position < base) throw new Error(`The log begins behind ${base}, and there is no good snapshot.`);
    while (position < head) {
      const envelopes = await storage.read(id, epoch, position, page);
      if (envelopes.length === 0) throw new Error(`The log ends at ${position}, not at ${head}.`);
      const wanted = envelopes.slice(0, head - position);
      replica.applyUpdates(wanted);
      position += wanted.length;
      if (position < head) await environment.turn();
    }
    if (replica.pendingCount > 0) throw new Error('The log lacks what some of its envelopes rest on.');
    return replica;
  } catch (error) {
    release(replica);
    if (error instanceof JoineryError && error.code.startsWith('storage-')) throw error;
    throw new JoineryError('storage-corrupt', `The log of the document ${id} can't be joined. Restore a backup.`, {
      cause: error,
    });
  }
}

/** A replica in which the core fell over can't be freed; the error that is on its way says more. */
function release(replica: Replica): void {
  try {
    replica.free();
  } catch {
    // Its memory is lost until the next start.
  }
}
