// The handle of one counter in a document.

import { OpenPart } from './open-part.ts';
import { invalid } from './plain.ts';
import type { Receipt } from './receipt.ts';
import { checkKind } from './write-value.ts';

/** A number that several people change at once: every increment counts. */
export interface CounterDocument {
  readonly id: string;
  /** The key of the counter in its document's root map. */
  readonly key: string;
  /** The sum; 0 until what is stored was read. */
  readonly value: number;
  /** Whether what is stored was read. */
  readonly isLoaded: boolean;
  /** Resolves when what is stored was read. Increments are allowed before. */
  readonly loaded: Promise<void>;
  /** @param amount a whole number, 1 when left out. @throws JoineryError `invalid-value`, `wrong-type`, `closed` */
  increment(amount?: number): Receipt;
  /** @param amount a whole number, 1 when left out. @throws JoineryError `invalid-value`, `wrong-type`, `closed` */
  decrement(amount?: number): Receipt;
  /** Batches of the document that are not yet at the server, and since when; see `DocumentHandle.pending`. */
  readonly pending: number;
  readonly oldestPendingAt: number | undefined;
  subscribePending(listener: () => void): () => void;
  /** Writes of `run` are one step to undo; see `DocumentHandle.transact`. */
  transact(label: string, run: () => void): Receipt;
  /** Calls `listener` after each change of the document. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  close(): void;
}

/** The handle over an open document. */
export class OpenCounter extends OpenPart implements CounterDocument {
  get value(): number {
    return this.access.replica?.counter(this.key).value ?? 0;
  }

  increment(amount = 1): Receipt {
    this.lease.check();
    if (!Number.isSafeInteger(amount)) throw invalid([this.key], 'a whole number below 2^53', String(amount));
    return this.access.writeKeyed((replica) => {
      checkKind(replica.root, this.key, 'counter');
      replica.counter(this.key).increment(amount);
    }, this.key);
  }

  decrement(amount = 1): Receipt {
    return this.increment(-amount);
  }
}
