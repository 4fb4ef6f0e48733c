// The other tabs of a group as this one knows them: who is there, what each holds open, and whether it wants to be
// connected. All of it is hearsay with an end: a tab that is silent for too long holds nothing any more.

import type { Environment } from '../environment.ts';

/** A tab says so often that it is there. */
export const alive_ms = 5_000;
/** After so much silence a tab is taken for gone. It says what it holds anew when it comes back. */
const gone_ms = 15_000;
/** More tabs than this are not known: what only such a tab has open is not kept up. */
const peerLimit_count = 64;
/** Documents that one tab may hold. */
const holdLimit_count = 16_384;

interface Peer {
  readonly documents: Set<string>;
  spaces: readonly string[];
  connected: boolean;
  heardAt: number;
}

export class Peers {
  readonly #environment: Environment;
  readonly #peers = new Map<string, Peer>();
  /** Document → how many hold it. */
  readonly #held = new Map<string, number>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Whether any of them wants to be connected. */
  get wantConnection(): boolean {
    for (const { connected } of this.#peers.values()) if (connected) return true;
    return false;
  }

  isHeld(document: string): boolean {
    return this.#held.has(document);
  }

  /** A tab was heard of. True when it wasn't known. */
  heard(tab: string): boolean {
    const heardAt = this.#environment.monotonic();
    const known = this.#peers.get(tab);
    if (known !== undefined) {
      known.heardAt = heardAt;
      return false;
    }
    if (this.#peers.size >= peerLimit_count) return false;
    this.#peers.set(tab, { documents: new Set(), spaces: [], connected: false, heardAt });
    return true;
  }

  wishes(tab: string, connected: boolean): void {
    const peer = this.#peers.get(tab);
    if (peer !== undefined) peer.connected = connected;
  }

  /** The spaces that any of them has open; some may come twice. */
  *spaces(): Generator<string> {
    for (const { spaces } of this.#peers.values()) yield* spaces;
  }

  holdSpaces(tab: string, spaces: readonly string[]): void {
    const peer = this.#peers.get(tab);
    if (peer !== undefined) peer.spaces = spaces;
  }

  hold(tab: string, document: string): void {
    const peer = this.#peers.get(tab);
    if (peer === undefined || peer.documents.has(document) || peer.documents.size >= holdLimit_count) return;
    peer.documents.add(document);
    this.#held.set(document, (this.#held.get(document) ?? 0) + 1);
  }

  /** True when nobody holds it any more. */
  release(tab: string, document: string): boolean {
    if (!this.#peers.get(tab)?.documents.delete(document)) return false;
    const count = (this.#held.get(document) ?? 1) - 1;
    if (count > 0) this.#held.set(document, count);
    else this.#held.delete(document);
    return count === 0;
  }

  /** The tab has ended; returns the documents that nobody holds any more. */
  remove(tab: string): string[] {
    const documents = [...(this.#peers.get(tab)?.documents ?? [])];
    const released = documents.filter((document) => this.release(tab, document));
    this.#peers.delete(tab);
    return released;
  }

  clear(): void {
    this.#peers.clear();
    this.#held.clear();
  }

  /** Forgets those that were silent for too long; returns the documents that nobody holds any more. */
  expire(): string[] {
    const least = this.#environment.monotonic() - gone_ms;
    const gone = [...this.#peers].filter(([, { heardAt }]) => heardAt < least);
    return gone.flatMap(([tab]) => this.remove(tab));
  }
}
