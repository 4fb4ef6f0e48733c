// Writes an entry of the rejected list again, and takes it off the list, in one commit that only one of several can make. It
// works on a copy of the document: what could not be stored was never there. What becomes of the copy's envelopes is its
// caller's to see to, as of any that another tab has stored.

import { asJoineryError, JoineryError, readEnvelope } from '@joinery/protocol';
import { Replica } from '../core/replica.ts';
import type { Environment } from '../environment.ts';
import type { DocumentStore, DocumentWrite } from '../storage/storage.ts';
import { applyChanges } from './apply-changes.ts';
import type { AgentSeqs } from './messages.ts';
import { changesOf, notFound } from './rejected-list.ts';

export interface RetryInput {
  readonly id: string;
  readonly environment: Environment;
  readonly store: DocumentStore;
  /** The document as it is here. */
  readonly from: Replica;
  /** What every write of this document says. */
  readonly write: DocumentWrite;
  now(): number;
}

export interface Retried {
  readonly updates: readonly Uint8Array[];
  /** Undefined where the document was so already. */
  readonly written: AgentSeqs | undefined;
  readonly error: JoineryError | undefined;
}

/** @throws JoineryError what storage fails with: then nothing has happened, and it may be tried again */
export async function retryRejected({ id, environment, store, from, write, now }: RetryInput): Promise<Retried> {
  const entry = (await store.rejected(write.document)).find((one) => one.id === id);
  if (entry === undefined) return failed(notFound(id, false));
  let made: Uint8Array[] | undefined;
  try {
    made = makeAgain(from, changesOf(entry.changes), environment, now);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    return failed(asJoineryError(error));
  }
  if (made === undefined) return failed(notFound(id, true));
  try {
    await store.append([{ ...write, local: made, settled: [id] }]);
  } catch (error) {
    // Another tab was quicker.
    if (error instanceof JoineryError && error.code === 'not-found') return failed(error);
    throw error;
  }
  const [first, last] = [made[0], made.at(-1)];
  if (first === undefined || last === undefined) return { updates: made, written: undefined, error: undefined };
  const { agent, from: before } = readEnvelope(first);
  return { updates: made, written: [agent, before, readEnvelope(last).to], error: undefined };
}

/** The changes as envelopes; undefined where the document has no place for any of them. */
function makeAgain(
  from: Replica,
  changes: ReturnType<typeof changesOf>,
  environment: Environment,
  now: () => number,
): Uint8Array[] | undefined {
  const random = (bytes: Uint8Array): void => environment.randomBytes(bytes);
  const copy = Replica.load(from.encodeSnapshot(), { now, random, trustStamps: true });
  try {
    if (applyChanges(copy, changes) === 0) return undefined;
    const made: Uint8Array[] = [];
    for (let update = copy.takeUpdate(); update !== undefined; update = copy.takeUpdate()) made.push(update);
    return made;
  } finally {
    copy.free();
  }
}

function failed(error: JoineryError): Retried {
  return { updates: [], written: undefined, error };
}
