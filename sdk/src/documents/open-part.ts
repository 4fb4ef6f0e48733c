// What the handles of a document's parts (a text, a counter, a tree, a graph) have in common: the open document that they are
// of, the key that they stand at, and their lease. How they read and write is each one's own.

import type { DocumentAccess } from './access.ts';
import { Lease, type Leased } from './lease.ts';
import type { Receipt } from './receipt.ts';

/** The handle of one part over an open document. */
export abstract class OpenPart {
  readonly key: string;
  protected readonly access: DocumentAccess;
  protected readonly lease: Lease;

  constructor(access: DocumentAccess, key: string, leased: Leased) {
    this.key = key;
    this.access = access;
    this.lease = new Lease(leased);
  }

  get id(): string {
    return this.access.id;
  }

  get isLoaded(): boolean {
    return this.access.isLoaded;
  }

  get loaded(): Promise<void> {
    return this.access.loaded;
  }

  transact(label: string, run: () => void): Receipt {
    this.lease.check();
    return this.access.transact(label, run);
  }

  get pending(): number {
    return this.access.unsynced.count;
  }

  get oldestPendingAt(): number | undefined {
    return this.access.unsynced.oldestAt_ms;
  }

  subscribePending(listener: () => void): () => void {
    this.lease.check();
    return this.access.subscribePending(listener);
  }

  subscribe(listener: () => void): () => void {
    this.lease.check();
    return this.access.subscribe(listener);
  }

  close(): void {
    this.lease.end();
  }
}
