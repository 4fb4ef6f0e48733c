// The main thread's side of reading what is stored of documents that are not open: questions to the engine, each asked again
// of an engine that takes another's place.

import { JoineryError } from '@joinery/protocol';
import { errorFrom, type FromEngine, type ToEngine } from './messages.ts';

/** One document as `client.exportAll()` gives it. */
export interface ExportedDocument {
  readonly id: string;
  /**
   * All of it, with what is not synced yet: `Replica.load(state)` of `joinery/core` reads it. Undefined where it can't be read.
   */
  readonly state: Uint8Array | undefined;
  /** The same as plain data; undefined where it can't be read. */
  readonly value: unknown;
  /** Why it can't be read. */
  readonly error?: JoineryError;
}

type Stored = Extract<FromEngine, { readonly type: 'stored' }>;

interface Question {
  readonly message: ToEngine;
  answered(answer: Stored): void;
  failed(error: JoineryError): void;
}

export class ExportLink {
  readonly #post: (message: ToEngine) => void;
  readonly #questions = new Map<number, Question>();
  #requests = 0;
  #ended = false;

  constructor(post: (message: ToEngine) => void) {
    this.#post = post;
  }

  /** The ids of all documents in storage, sorted. */
  async documents(): Promise<readonly string[]> {
    return (await this.#ask(undefined)).documents ?? [];
  }

  /** @throws JoineryError why it can't be read */
  async state(document: string): Promise<Uint8Array | undefined> {
    return (await this.#ask(document)).state;
  }

  /** Another engine runs. */
  started(post: (message: ToEngine) => void): void {
    for (const { message } of this.#questions.values()) post(message);
  }

  receive(answer: Stored): void {
    const question = this.#questions.get(answer.request);
    this.#questions.delete(answer.request);
    if (answer.error === undefined) question?.answered(answer);
    else question?.failed(errorFrom(answer.error));
  }

  /** The client has ended. */
  end(): void {
    this.#ended = true;
    for (const { failed } of this.#questions.values()) failed(closed());
    this.#questions.clear();
  }

  #ask(document: string | undefined): Promise<Stored> {
    if (this.#ended) return Promise.reject(closed());
    this.#requests += 1;
    const request = this.#requests;
    const message: ToEngine = { type: 'read-stored', request, document };
    return new Promise((answered, failed) => {
      this.#questions.set(request, { message, answered, failed });
      this.#post(message);
    });
  }
}

function closed(): JoineryError {
  return new JoineryError('closed', 'The client was closed before all was read.');
}
