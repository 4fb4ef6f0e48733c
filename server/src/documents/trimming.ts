/**
 * When a document is worth a new epoch, and what that takes. A trim is rare: every replica of the document has to be
 * replaced by its client, so it waits until much is removed and nobody is connected.
 */

import { JoineryError } from '@joinery/protocol';
import { decodeVersion, Replica } from 'joinery/core';
import type { Trim } from '../storage/storage.ts';
import type { LiveDocument } from './live-document.ts';

/** Nobody has followed the document for so long. */
export const trimIdle_ms = 10 * 60 * 1_000;
/** A state below this has nothing worth trimming away. */
const trimMin_bytes = 64 * 1024;
/** The trimmed state is to be smaller by this factor. */
const trimFactor = 4;
/** A version vector beyond this (of so many agents that wrote to it) is reason enough. */
const trimVersion_bytes = 256 * 1024;

/** A trim ends what authors hold to bring back: it waits until a backup holds the whole log, where backups are made at all. */
export function notBackedUp(document: string, head: number, safe: number): JoineryError {
  return new JoineryError('not-backed-up', {
    expected: `the last backup to hold all ${head} positions of the document ${JSON.stringify(document)}`,
    got: `one that holds ${safe}`,
    remedy: 'Make a backup (`joinery-server backup`) while nobody writes to it, and trim again.',
  });
}

/** The trim that enters epoch `next`; undefined when the document isn't worth one and `always` isn't said. */
export function prepareTrim(document: LiveDocument, agent: bigint, next: number, always: boolean): Trim | undefined {
  const { id, epoch, head, replica } = document;
  if (replica === undefined) throw new JoineryError('internal', `The document ${id} has no replica.`);
  const manyAgents = document.version.length > trimVersion_bytes;
  const bridge = replica.encodeSnapshot();
  if (!always && bridge.length < trimMin_bytes && !manyAgents) return undefined;
  const state = replica.trim(agent);
  if (!always && state.length * trimFactor > bridge.length && !manyAgents) return undefined;
  return { document: id, epoch, head, next, agent, seq: lastSeq(state, agent), bridge, state };
}

/** Also holds that the state can be read: the log that it stands for will be gone. */
function lastSeq(state: Uint8Array, agent: bigint): number {
  const replica = Replica.load(state, { now: () => 0, trustStamps: true });
  const seq = decodeVersion(replica.version()).get(agent) ?? 0;
  replica.free();
  return seq;
}
