// Deletions of documents on their way to the server: kept in storage by the tab that leads, asked for again by each leader
// until the server has answered, and told to every tab.

import { asJoineryError, JoineryError } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import type { DocumentStore } from '../storage/storage.ts';
import type { DeletionState, TabBody, TabError } from '../tabs/tab-message.ts';
import { type EnginePort, errorData, type FromEngine } from './messages.ts';
import type { SessionDriver } from './session-driver.ts';
import { pause, readRetry_ms } from './waiting.ts';

/** Deletions that the server doesn't have yet. */
const deletionsLimit_count = 1_024;
const deletionsKey = 'deletions';

export interface DeletionsContext {
  readonly environment: Environment;
  readonly store: DocumentStore;
  readonly session: SessionDriver;
  readonly leads: boolean;
  readonly port: EnginePort<FromEngine>;
  /** To the other tabs. */
  post(body: TabBody): void;
  /** The document is to be shown no more, or again; `isGone`: the server has deleted it. */
  changed(document: string, isGone: boolean): void;
  failed(error: unknown): void;
}

export class EngineDeletions {
  readonly #context: DeletionsContext;
  /** Asked for by this device, and not known to be at the server. */
  #deletions = new Set<string>();
  /** Asked for in this tab, of which the leader has not yet said that it keeps them. */
  readonly #unkept = new Set<string>();

  constructor(context: DeletionsContext) {
    this.#context = context;
  }

  has(document: string): boolean {
    return this.#deletions.has(document);
  }

  /** This tab's app wants it. */
  ask(document: string): void {
    this.#unkept.add(document);
    if (this.#context.leads) this.#delete(document).catch((error: unknown) => this.#context.failed(error));
    else this.#context.post({ type: 'delete', document });
  }

  /** A leader is there that doesn't know what this tab has asked for. */
  introduce(): void {
    for (const document of this.#unkept) this.#context.post({ type: 'delete', document });
  }

  /** This tab leads now. */
  lead(): void {
    this.#lead().catch((error: unknown) => this.#context.failed(error));
  }

  receive(message: Extract<TabBody, { readonly type: 'delete' | 'deletion' }>): void {
    if (message.type === 'deletion') this.#told(message.document, message.state, message.error);
    else if (this.#context.leads) {
      this.#delete(message.document).catch((error: unknown) => this.#context.failed(error));
    }
  }

  /** The server has answered. */
  settle(document: string, state: DeletionState, error: TabError | undefined): void {
    if (this.#deletions.delete(document)) {
      this.#forget(document).catch((failure: unknown) => this.#context.failed(failure));
    }
    this.#announce(document, state, error);
  }

  /**
   * Until storage has forgotten it, for the next leader would ask once more: done again it would take what a restored backup has
   * brought back since, and nobody wants that deleted.
   */
  async #forget(document: string): Promise<void> {
    const { environment, session } = this.#context;
    // Asked for anew it is to be kept, and another leader hears for itself what the server says.
    const isLeft = (): boolean =>
      this.#context.leads && this.#context.session === session && !this.#deletions.has(document);
    do {
      try {
        await this.#store((kept) => kept.filter((id) => id !== document));
        return;
      } catch (error) {
        this.#context.failed(error);
        await pause(environment, readRetry_ms);
      }
    } while (isLeft());
  }

  async #lead(): Promise<void> {
    const { session } = this.#context;
    const isLeading = (): boolean => this.#context.leads && this.#context.session === session;
    const kept = await this.#readKept(isLeading);
    if (!isLeading()) return;
    this.#deletions = new Set(kept);
    for (const document of this.#deletions) session.deleteDocument(document);
    for (const document of this.#unkept) this.ask(document);
  }

  /** They were promised: where storage can't be read now, it is read again. */
  async #readKept(isWanted: () => boolean): Promise<string[]> {
    const { environment, store } = this.#context;
    while (isWanted()) {
      try {
        const bytes = await store.readValue(deletionsKey);
        return bytes === undefined ? [] : readNames(bytes);
      } catch (error) {
        this.#context.failed(error);
        await pause(environment, readRetry_ms);
      }
    }
    return [];
  }

  /** Keeps it in storage, then asks the server. */
  async #delete(document: string): Promise<void> {
    if (!this.#deletions.has(document)) {
      if (this.#deletions.size >= deletionsLimit_count) {
        this.#announce(document, 'refused', errorData(tooMany()));
        return;
      }
      this.#deletions.add(document);
      try {
        await this.#store((kept) => (kept.includes(document) ? kept : [...kept, document]));
      } catch (error) {
        this.#deletions.delete(document);
        this.#announce(document, 'refused', errorData(asJoineryError(error, 'storage-failed')));
        return;
      }
    }
    this.#announce(document, 'kept', undefined);
  }

  #announce(document: string, state: DeletionState, error: TabError | undefined): void {
    this.#context.post({ type: 'deletion', document, state, error });
    this.#told(document, state, error);
  }

  #told(document: string, state: DeletionState, error: TabError | undefined): void {
    this.#unkept.delete(document);
    if (state === 'kept') this.#deletions.add(document);
    else this.#deletions.delete(document);
    // It was kept by one that takes itself for the leader: who brings it to the server is this one.
    if (state === 'kept' && this.#context.leads) this.#context.session.deleteDocument(document);
    // Whoever hears of it finds that the document takes no more.
    this.#context.changed(document, state === 'done');
    this.#context.port.post({ type: 'deletion', document, state, error });
  }

  /** Another tab may have changed what is stored. */
  async #store(change: (kept: readonly string[]) => readonly string[]): Promise<void> {
    await this.#context.store.changeValue(deletionsKey, (known) => {
      const kept = known === undefined ? [] : readNames(known);
      return new TextEncoder().encode(JSON.stringify(change(kept)));
    });
  }
}

function readNames(bytes: Uint8Array): string[] {
  try {
    const names: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}

function tooMany(): JoineryError {
  return new JoineryError('limit-exceeded', {
    expected: `at most ${deletionsLimit_count} deletions that the server doesn't have yet`,
    got: 'one more',
    remedy: 'Go online, or wait until some are done.',
  });
}
