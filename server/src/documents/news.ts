/**
 * Hears, again and again, what other servers and backups have done to the storage. It knows no documents: it says which have
 * changed, and what that means is its owner's to find out.
 */

import type { Cancel, ServerEnvironment } from '../environment.ts';
import type { DocumentChange, Pulse, Storage } from '../storage/storage.ts';

export interface NewsOptions {
  readonly storage: Storage;
  readonly environment: ServerEnvironment;
  readonly report: (error: unknown) => void;
  /** How often it is looked. */
  readonly interval_ms: number;
  /** A document has changed, here or at another server. */
  readonly changed: (change: DocumentChange) => Promise<void>;
  /** A backup was made. */
  readonly backedUp: () => Promise<void>;
  /** After each look. */
  readonly quiet: () => Promise<void>;
}

/** So many changes are read at a time. */
const page = 1_024;

export class News {
  readonly #options: NewsOptions;
  #seen: Pulse | undefined;
  #beginning: Promise<void> | undefined;
  #looking: Promise<void> | undefined;
  #cancel: Cancel = () => {};
  #ended = false;

  constructor(options: NewsOptions) {
    this.#options = options;
    this.#wait();
  }

  /** What happens from here on is news. To be called before anything is read that news will be about. */
  begin(): Promise<void> {
    if (this.#seen !== undefined) return Promise.resolve();
    // Once however many ask: what was read after an earlier pulse is not to be judged by a later one.
    this.#beginning ??= this.#begin().finally(() => {
      this.#beginning = undefined;
    });
    return this.#beginning;
  }

  async #begin(): Promise<void> {
    this.#seen = await this.#options.storage.pulse();
  }

  /** Looks now. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#cancel();
    await this.#looking?.catch(() => {});
  }

  #wait(): void {
    const { environment, interval_ms, quiet, report } = this.#options;
    this.#cancel = environment.timer(() => {
      this.look()
        .then(() => (this.#ended ? undefined : quiet()))
        .catch(report)
        .finally(() => {
          if (!this.#ended) this.#wait();
        });
    }, interval_ms);
  }

  async #look(): Promise<void> {
    const { storage, changed, backedUp } = this.#options;
    await this.begin();
    const pulse = await storage.pulse();
    const { backups, change } = this.#seen ?? pulse;
    let after = change;
    for (let more = pulse.change !== after; more && !this.#ended; ) {
      const changes = await storage.changes({ after, limit: page });
      for (const entry of changes.entries) await changed(entry);
      ({ token: after, more } = changes);
      this.#seen = { change: after, backups };
    }
    if (pulse.backups !== backups) await backedUp();
    this.#seen = { change: after, backups: pulse.backups };
  }
}
