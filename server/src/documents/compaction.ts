/**
 * When a document's log is compacted, and what is made sure of before. The rule, `keep since the snapshot before the last`:
 * once a snapshot is stored, the log lets go of what the one before it stood for. So a log is at most about twice as long as
 * what makes a snapshot due, and whoever resumes from further back gets the snapshot, which costs less than the envelopes.
 * Whoever is being served from what is let go subscribes again (`slow-consumer`). It is no trim: ids and epoch stay.
 */

import { JoineryError } from '@joinery/protocol';
import { Replica } from 'joinery/core';
import type { Storage } from '../storage/storage.ts';
import type { LiveDocument } from './live-document.ts';

/**
 * Drops the log up to a position, if the stored snapshot stands for it: it is read back and loaded first, for without the log it
 * is all there is.
 *
 * @throws JoineryError `storage-corrupt` when the snapshot can't be read (nothing is dropped then), or another storage error
 */
export async function compactLog(storage: Storage, document: LiveDocument, upTo: number): Promise<void> {
  const { id, epoch } = document;
  if (upTo <= document.base) return;
  const snapshot = await storage.snapshot(id);
  // Another server may have trimmed it.
  if (snapshot?.epoch !== epoch || snapshot.position < upTo) return;
  try {
    Replica.load(snapshot.bytes, { now: () => 0, trustStamps: true }).free();
  } catch (cause) {
    const problem = `The stored state of the document ${JSON.stringify(id)} can't be read: its log is kept.`;
    throw new JoineryError('storage-corrupt', problem, { cause });
  }
  document.compacted(await storage.compact(id, epoch, upTo));
}
