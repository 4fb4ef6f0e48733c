// What of one document is sent next, when the session asks: from memory or from storage, in order, and nothing behind what can't
// be read. It keeps no list of its own; what is unsynced is the outbox's to know.

import { asJoineryError, type JoineryError, type NeedEnvelopes } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import {
  type DocumentStore,
  type IncarnationMark,
  isSameIncarnation,
  type StoredDocument,
} from '../storage/storage.ts';
import type { Outbox, OutboxEntry } from './outbox.ts';
import type { SessionDriver } from './session-driver.ts';
import { readRetry_ms } from './waiting.ts';

export interface SendingContext {
  readonly document: string;
  readonly environment: Environment;
  readonly store: DocumentStore;
  readonly outbox: Outbox;
  readonly present: IncarnationMark;
  /** It is loaded, and not about to be replaced. */
  readonly takesMore: boolean;
  /** Takes over what other tabs have stored of this incarnation. */
  merge(stored: StoredDocument): void;
  /** Another incarnation is in storage. */
  reload(stored: StoredDocument): Promise<void>;
  /** Storage has lost an own envelope that the server hasn't got. */
  lost(entry: OutboxEntry): void;
  storageFailed(error: JoineryError): void;
}

export class Sending {
  readonly #context: SendingContext;
  /** Not in storage when they were to be sent: looked for once more when the server has said what it has. */
  readonly #doubted = new WeakSet<OutboxEntry>();

  constructor(context: SendingContext) {
    this.#context = context;
  }

  /** Answers the session; or makes it ask again. */
  async answer(request: NeedEnvelopes, session: SessionDriver): Promise<void> {
    const { document, outbox, store } = this.#context;
    const selected = outbox.select(request);
    const missing = selected.filter(({ bytes }) => bytes === undefined);
    let read: (Uint8Array | undefined)[] = [];
    if (missing.length > 0) {
      try {
        read = await store.read(document, missing);
      } catch (error) {
        this.#answerLater(request, session, error);
        return;
      }
    }
    const fromStorage = new Map(missing.map((entry, index) => [entry, read[index]]));
    const envelopes: Uint8Array[] = [];
    for (const entry of selected) {
      const bytes = entry.bytes ?? fromStorage.get(entry);
      if (bytes !== undefined) envelopes.push(bytes);
      // Else the server has it by now, or it can't be read and what follows it must not be sent.
      else if (outbox.has(entry)) {
        if (this.#doubted.has(entry)) this.#context.lost(entry);
        else await this.#askAnew(request, session, entry);
        return;
      }
    }
    for (const entry of selected) entry.sent = true;
    session.answer(document, request.request, envelopes);
  }

  /**
   * Another tab may have compacted away what this one has not yet heard to be at the server: a new subscription tells how
   * far each agent is there.
   */
  async #askAnew(request: NeedEnvelopes, session: SessionDriver, entry: OutboxEntry): Promise<void> {
    const { document, outbox, store } = this.#context;
    let stored: StoredDocument;
    try {
      stored = await store.load(document);
    } catch (error) {
      this.#answerLater(request, session, error);
      return;
    }
    if (!this.#context.takesMore) return;
    if (!outbox.has(entry)) {
      // The server turned out to have it meanwhile: what is left is to be sent.
      await this.answer(request, session);
      return;
    }
    if (!isSameIncarnation(stored, this.#context.present)) {
      await this.#context.reload(stored);
      return;
    }
    this.#doubted.add(entry);
    this.#context.merge(stored);
    session.subscribe(document, stored.resume);
  }

  /** Storage can't be read now: there is nothing to send, and it is tried again. */
  #answerLater({ request }: NeedEnvelopes, session: SessionDriver, error: unknown): void {
    const { document, environment } = this.#context;
    const failure = asJoineryError(error, 'storage-failed');
    if (failure.code === 'closed') return;
    this.#context.storageFailed(failure);
    session.answer(document, request, []);
    environment.timer(() => session.changed(document), readRetry_ms);
  }
}
