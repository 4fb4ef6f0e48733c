/**
 * Who follows which space. Changes are told a little later and together, for each telling costs a read of the database;
 * and reads for the same are shared, for the followers of a space mostly stand at the same token.
 */

import { maxEntriesPerSpaceHeads, type SpacePage } from '@joinery/protocol';
import type { Cancel, ServerEnvironment } from '../environment.ts';
import type { Storage } from '../storage/storage.ts';
import type { Follower } from './live-document.ts';

/** So long changes of a space are gathered before its followers are told. */
const gather_ms = 100;

export class SpaceFeeds {
  readonly #storage: Storage;
  readonly #environment: ServerEnvironment;
  /** To be called before anything is read: what other servers do from then on is news. */
  readonly #begin: () => Promise<void>;
  readonly #followers = new Map<string, Set<Follower>>();
  readonly #gathering = new Map<string, Cancel>();
  readonly #reading = new Map<string, Promise<SpacePage>>();

  constructor(storage: Storage, environment: ServerEnvironment, begin: () => Promise<void>) {
    this.#storage = storage;
    this.#environment = environment;
    this.#begin = begin;
  }

  follow(space: string, follower: Follower): void {
    const followers = this.#followers.get(space);
    if (followers === undefined) this.#followers.set(space, new Set([follower]));
    else followers.add(follower);
  }

  unfollow(space: string, follower: Follower): void {
    const followers = this.#followers.get(space);
    if (followers?.delete(follower) !== true || followers.size > 0) return;
    this.#followers.delete(space);
    this.#gathering.get(space)?.();
    this.#gathering.delete(space);
  }

  /** Something in the space has changed. */
  changed(space: string): void {
    if (!this.#followers.has(space) || this.#gathering.has(space)) return;
    const tell = (): void => {
      this.#gathering.delete(space);
      for (const follower of [...(this.#followers.get(space) ?? [])]) follower.spaceChanged(space);
    };
    this.#gathering.set(space, this.#environment.timer(tell, gather_ms));
  }

  /** @throws JoineryError a storage error */
  read(space: string, after: number, limit: number): Promise<SpacePage> {
    const key = `${after} ${limit} ${space}`;
    let reading = this.#reading.get(key);
    if (reading === undefined) {
      const query = { space, after, limit: Math.min(limit, maxEntriesPerSpaceHeads) };
      reading = this.#begin()
        .then(() => this.#storage.changes(query))
        .finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }

  end(): void {
    for (const cancel of this.#gathering.values()) cancel();
    this.#gathering.clear();
  }
}
