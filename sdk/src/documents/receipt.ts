// What a write has reached. A receipt never says more than what is already so; it is not a way to wait for a write to
// become visible: that is so when the call returns.

import type { JoineryError } from '@joinery/protocol';

/**
 * - `local`: visible in this client's values.
 * - `durable`: in the storage in use (strictly committed where the storage is on disk).
 * - `synced`: committed in the server's database.
 * - `rejected`: it will never be synced; the `synced` promise rejects with the reason.
 */
export type ReceiptState = 'local' | 'durable' | 'synced' | 'rejected';

/**
 * Follows one write on its way. Ignoring it is fine: a rejection that nobody looks at is not an unhandled rejection.
 *
 * @example
 * const receipt = notes.update({ title: 'Trip' });
 * await receipt.durable; // survives a crash of this device's browser
 * await receipt.synced;  // in the server's database
 */
export interface Receipt {
  readonly state: ReceiptState;
  /** Why the write was rejected; absent otherwise. */
  readonly error: JoineryError | undefined;
  /** Resolves when the write is in storage. Rejects with a JoineryError when it never will be. */
  readonly durable: Promise<void>;
  /** Resolves when the server has committed the write. Rejects with a JoineryError when it was refused. */
  readonly synced: Promise<void>;
  /** Calls `listener` after each change of `state`. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
}

/** The receipt that the writes of one batch share, and what moves it on. Promises are made when they are asked for. */
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

  /** There is nothing that could be lost. */
  settle(): this {
    this.markDurable();
    this.markSynced();
    return this;
  }

  /** It will never be synced; what was not stored will never be durable. */
  markRejected(error: JoineryError): void {
    if (this.#state === 'synced' || this.#state === 'rejected') return;
    this.#error = error;
    this.#synced?.reject(error);
    if (!this.#stored) this.#durable?.reject(error);
    this.#become('rejected');
  }

  #become(state: ReceiptState): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of [...(this.#listeners ?? [])]) listener();
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
