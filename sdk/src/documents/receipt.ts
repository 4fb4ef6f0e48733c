// What a write has reached. A receipt never says more than what is already so; it is not a way to wait for a write to
// become visible: that is so when the call returns.

import type { JoineryError } from '@joinery/protocol';

/**
 * - `local`: visible in this client's values.
 * - `durable`: in the storage in use (strictly committed where the storage is on disk).
 * - `synced`: committed in the server's database. While local storage fails this may come without `durable` before it.
 * - `rejected`: it will never be synced; the `synced` promise rejects with the reason. Of a write that was made before its
 *   document was loaded the reason may be what it would have thrown then: what it had written until there stays written.
 */
export type ReceiptState = 'local' | 'durable' | 'synced' | 'rejected';

/**
 * Follows one write on its way. Ignoring it is fine: a rejection that nobody looks at is not an unhandled rejection.
 *
 * The receipt of a write that changed nothing stands for what it wanted: it is durable when everything is that was written
 * to the document before, and synced when the server has all of the document that it lacked at that moment.
 *
 * @example
 * const receipt = notes.update({ title: 'Trip' });
 * await receipt.durable; // survives a crash of this device's browser
 * await receipt.synced;  // in the server's database
 */
export interface Receipt {
  readonly state: ReceiptState;
  /** What `synced` rejects with; absent otherwise. */
  readonly error: JoineryError | undefined;
  /**
   * Resolves when losing this device's memory can't lose the write any more: it is in storage, or, where storage fails,
   * committed in the server's database, which is no less safe. Rejects with a JoineryError when it is in neither and never
   * will be.
   */
  readonly durable: Promise<void>;
  /**
   * Resolves when the server has committed the write. Rejects with a JoineryError when it was refused, and with `closed`
   * when the client was closed before: if `state` is `durable` then, the write is in storage, and sent by the next client.
   */
  readonly synced: Promise<void>;
  /** Calls `listener` after each change of `state`. What it throws hinders nothing. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
}

/** One write’s receipt, and what moves it on. Promises are made when they are asked for. */
export class WriteReceipt implements Receipt {
  #state: ReceiptState = 'local';
  #stored = false;
  #error: JoineryError | undefined;
  #durable: Deferred | undefined;
  #synced: Deferred | undefined;
  #listeners: Set<() => void> | undefined;

  get state(): ReceiptState {
    return this.#state;
  }

  get error(): JoineryError | undefined {
    return this.#error;
  }

  get durable(): Promise<void> {
    this.#durable ??= deferred(this.#stored || this.#state === 'synced', this.#error);
    return this.#durable.promise;
  }

  get synced(): Promise<void> {
    this.#synced ??= deferred(this.#state === 'synced', this.#error);
    return this.#synced.promise;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => this.#listeners?.delete(listener);
  }

  /** It is in storage. */
  markDurable(): void {
    this.#stored = true;
    this.#durable?.resolve();
    if (this.#state === 'local') this.#become('durable');
  }

  /** The server has it. Where storage failed that may come first; there is nothing left to be lost then. */
  markSynced(): void {
    if (this.#state === 'rejected') return;
    this.#synced?.resolve();
    this.#durable?.resolve();
    this.#become('synced');
  }

  /** It will never be synced; what was not stored will never be durable. */
  markRejected(error: JoineryError): void {
    if (this.#state === 'synced' || this.#state === 'rejected') return;
    this.#error = error;
    this.#synced?.reject(error);
    if (!this.#stored) this.#durable?.reject(error);
    this.#become('rejected');
  }

  /** Nobody follows it any more. What is in storage stays `durable`: another client will send it. */
  markClosed(error: JoineryError): void {
    if (!this.#stored) this.markRejected(error);
    else if (this.#state === 'durable') {
      this.#error = error;
      this.#synced?.reject(error);
    }
  }

  #become(state: ReceiptState): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of [...(this.#listeners ?? [])]) {
      try {
        listener();
      } catch (error) {
        // The app is to hear of it, but what goes on here must not end with it.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: JoineryError): void;
}

function deferred(done: boolean, error: JoineryError | undefined): Deferred {
  let resolve = (): void => {};
  let reject = (_: JoineryError): void => {};
  const promise = new Promise<void>((onDone, onError) => {
    resolve = onDone;
    reject = onError;
  });
  // Whoever looks at the promise gets the error; that nobody looks is no error of its own.
  promise.catch(() => {});
  if (done) resolve();
  else if (error !== undefined) reject(error);
  return { promise, resolve, reject };
}
