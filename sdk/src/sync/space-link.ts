// The main thread's side of spaces and deletions: what was asked of the engine and is not answered, so that another engine
// can be asked again. It has no lists.

import { checkDocumentId, checkSpace, JoineryError } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import type { Deletion, Space, SpacePage } from '../spaces/space.ts';
import { checkPageSize } from '../spaces/space-list.ts';
import { errorFrom, type FromEngine, type ToEngine } from './messages.ts';

const pageSize = 256;

export type FromSpaces = Extract<FromEngine, { readonly type: 'space' | 'space-failed' | 'space-page' | 'deletion' }>;

export interface SpaceLinkContext {
  readonly environment: Environment;
  post(message: ToEngine): void;
  /** Calls a listener of the app; what it throws hinders nothing. */
  tell(listener: () => void): void;
}

interface Settle<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: JoineryError): void;
}

interface WaitingDeletion {
  readonly durable: Settle<void>;
  readonly synced: Settle<void>;
}

export class SpaceLink {
  readonly #context: SpaceLinkContext;
  readonly #spaces = new Map<number, OpenSpace>();
  readonly #deletions = new Map<string, WaitingDeletion>();
  #handles = 0;

  constructor(context: SpaceLinkContext) {
    this.#context = context;
  }

  /** @throws JoineryError `invalid-space` */
  open(id: string): Space {
    checkSpace(id);
    this.#handles += 1;
    const handle = this.#handles;
    const space = new OpenSpace(id, handle, this.#context, () => this.#spaces.delete(handle));
    this.#spaces.set(handle, space);
    this.#context.post({ type: 'open-space', handle, space: id });
    return space;
  }

  /** @throws JoineryError `invalid-document-id` */
  delete(document: string): Deletion {
    checkDocumentId(document);
    let waiting = this.#deletions.get(document);
    if (waiting === undefined) {
      waiting = { durable: settle(), synced: settle() };
      this.#deletions.set(document, waiting);
    }
    this.#context.post({ type: 'delete', document });
    return { durable: waiting.durable.promise, synced: waiting.synced.promise };
  }

  /** Another engine runs. */
  started(post: (message: ToEngine) => void): void {
    for (const [handle, space] of this.#spaces) {
      post({ type: 'open-space', handle, space: space.id });
      for (const question of space.questions) post(question);
    }
    for (const document of this.#deletions.keys()) post({ type: 'delete', document });
  }

  receive(message: FromSpaces): void {
    if (message.type !== 'deletion') {
      this.#spaces.get(message.handle)?.receive(message);
      return;
    }
    const waiting = this.#deletions.get(message.document);
    if (waiting === undefined) return;
    if (message.state === 'refused') {
      const error = errorFrom(message.error ?? { code: 'forbidden', message: 'Refused.', retryable: false });
      waiting.durable.reject(error);
      waiting.synced.reject(error);
    } else {
      waiting.durable.resolve();
      if (message.state === 'done') waiting.synced.resolve();
    }
    if (message.state !== 'kept') this.#deletions.delete(message.document);
  }

  end(): void {
    for (const space of [...this.#spaces.values()]) space.close();
    for (const { durable, synced } of this.#deletions.values()) {
      durable.reject(closed());
      synced.reject(closed());
    }
    this.#deletions.clear();
  }
}

class OpenSpace implements Space {
  readonly id: string;
  readonly #handle: number;
  readonly #context: SpaceLinkContext;
  readonly #ended: () => void;
  readonly #loaded = settle<void>();
  readonly #listeners = new Set<(documents: readonly string[] | undefined) => void>();
  readonly #questions = new Map<number, Settle<SpacePage> & { readonly message: ToEngine }>();
  #requests = 0;
  #closed = false;
  size = 0;
  complete = false;
  lastError: JoineryError | undefined;

  constructor(id: string, handle: number, context: SpaceLinkContext, ended: () => void) {
    this.id = id;
    this.#handle = handle;
    this.#context = context;
    this.#ended = ended;
  }

  get loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  /** What is not answered. */
  get questions(): ToEngine[] {
    return Array.from(this.#questions.values(), ({ message }) => message);
  }

  async page({ after = '', limit = pageSize }: { after?: string; limit?: number } = {}): Promise<SpacePage> {
    checkPageSize(limit);
    if (this.#closed) throw closed();
    this.#requests += 1;
    const request = this.#requests;
    const message: ToEngine = { type: 'list-space', handle: this.#handle, request, after, limit };
    const question = { ...settle<SpacePage>(), message };
    this.#questions.set(request, question);
    this.#context.post(message);
    return await question.promise;
  }

  async *documents(): AsyncGenerator<string> {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const { documents, next }: SpacePage = await this.page({ after });
      yield* documents;
      after = next;
    }
  }

  subscribe(listener: (documents: readonly string[] | undefined) => void): () => void {
    const own = (documents: readonly string[] | undefined): void => listener(documents);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  receive(message: Exclude<FromSpaces, { readonly type: 'deletion' }>): void {
    switch (message.type) {
      case 'space':
        this.size = message.size;
        this.complete = message.complete;
        if (message.complete) this.lastError = undefined;
        this.#loaded.resolve();
        for (const listener of [...this.#listeners]) this.#context.tell(() => listener(message.documents));
        break;
      case 'space-failed':
        this.lastError = errorFrom(message.error);
        this.complete = false;
        for (const listener of [...this.#listeners]) this.#context.tell(() => listener([]));
        break;
      case 'space-page': {
        const question = this.#questions.get(message.request);
        this.#questions.delete(message.request);
        question?.resolve({ documents: message.documents, next: message.next });
      }
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.post({ type: 'close-space', handle: this.#handle });
    this.#listeners.clear();
    this.#loaded.reject(closed());
    for (const question of this.#questions.values()) question.reject(closed());
    this.#questions.clear();
    this.#ended();
  }
}

function settle<Value>(): Settle<Value> {
  let resolve = (_: Value): void => {};
  let reject = (_: JoineryError): void => {};
  const promise = new Promise<Value>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  // Whoever doesn't wait for it need not hear of it.
  promise.catch(() => {});
  return { promise, resolve: (value) => resolve(value), reject: (error) => reject(error) };
}

function closed(): JoineryError {
  return new JoineryError('closed', {
    expected: 'an open space of an open client',
    got: 'one that was closed',
    remedy: 'Open it again.',
  });
}
