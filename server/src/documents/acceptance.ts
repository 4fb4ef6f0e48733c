/**
 * Asks the host's hook whether an envelope may be taken, and turns its answer into a decision. It knows nothing of logs and
 * commits; whoever asks sees to the order.
 */

import { asJoineryError, type BroughtEnvelope, isSendableCode, JoineryError } from '@joinery/protocol';
import type { Change, Replica } from 'joinery/core';
import type { ServerEnvironment } from '../environment.ts';

/** What a client brings to a document, before it is taken. */
export interface ProposedChange {
  readonly document: string;
  /** Who brings it; empty for nobody in particular. */
  readonly user: string;
  /** The envelope's bytes. */
  readonly envelope: Uint8Array;
  /**
   * What it changes, each with its path in the document. It is worked out when it is first asked for, which has to be
   * before the hook's answer: later it throws.
   */
  readonly changes: readonly Change[];
}

/**
 * Throws a JoineryError to refuse a change, with a code of the host's choice (`forbidden`, `validation`, any other that means
 * nothing to the protocol). Its changes then go to the author's `client.rejected`. An error that is retryable, or no
 * JoineryError, refuses nothing for good: the client tries again later.
 */
export type Accept = (change: ProposedChange) => void | Promise<void>;

/** A refusal as it goes to the client. */
export interface Refused {
  readonly type: 'refuse';
  readonly code: string;
  readonly message: string;
  readonly missing: undefined;
}

export interface AcceptanceOptions {
  readonly accept: Accept;
  readonly environment: ServerEnvironment;
  readonly report: (error: unknown) => void;
}

/** A hook that has not answered by then is asked again later. */
const acceptTimeout_ms = 5_000;
/** Codes by which the protocol itself speaks. */
const reserved = new Set(['gap', 'clock', 'closed-agent', 'epoch-changed', 'document-deleted']);

/** Undefined: it may be taken. The replica has what the envelope was written on. */
export async function askAcceptance(
  { accept, environment, report }: AcceptanceOptions,
  document: string,
  user: string,
  { bytes }: BroughtEnvelope,
  replica: Replica,
): Promise<Refused | undefined> {
  let open = true;
  let changes: readonly Change[] | undefined;
  const change: ProposedChange = {
    document,
    user,
    envelope: bytes.slice(),
    get changes() {
      if (changes === undefined && !open) throw new JoineryError('closed', 'The change was decided on already.');
      changes ??= replica.describe(bytes);
      return changes;
    },
  };
  try {
    await inTime(environment, () => accept(change));
    return undefined;
  } catch (error) {
    const { code, message } = refusalOf(error, report);
    return { type: 'refuse', code, message, missing: undefined };
  } finally {
    open = false;
  }
}

/** What a hook has thrown as it can be told: by mistake, to be tried again; with a code that means something else, a refusal. */
export function refusalOf(error: unknown, report: (error: unknown) => void): JoineryError {
  const typed = asJoineryError(error);
  if (typed !== error) report(error);
  if (isSendableCode(typed.code) && !reserved.has(typed.code)) return typed;
  report(error);
  return new JoineryError('validation', typed.message, { cause: error });
}

function inTime(environment: ServerEnvironment, run: () => void | Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = environment.timer(() => {
      reject(
        new JoineryError('timeout', {
          expected: `an answer of the accept hook within ${acceptTimeout_ms} ms`,
          got: 'none',
          remedy: 'The client tries again.',
        }),
      );
    }, acceptTimeout_ms);
    // A hook that throws is one that rejects.
    new Promise<void>((done) => done(run())).then(resolve, reject).finally(cancel);
  });
}
