/**
 * What every handle is built on: where its container is found, and made at the first write. What can be done with a container is
 * said by the handles of its kind.
 */

import { absent, type Bridge, checkKey } from './bridge.ts';
import type { BasicCore, Kind } from './module.ts';
import type { Core } from './pkg/joinery_core.js';
import type { Plain } from './value.ts';

/** Where a handle's container is found: by name in a map, or by its number for good. */
export type Place = { readonly parent: ContainerHandle<BasicCore>; readonly key: string } | number;

export abstract class ContainerHandle<C extends BasicCore = Core> {
  abstract readonly kind: Kind;
  protected readonly bridge: Bridge<C>;
  readonly #place: Place;
  #container = absent;
  #structure = -1;

  constructor(bridge: Bridge<C>, place: Place) {
    this.bridge = bridge;
    this.#place = place;
  }

  /** The container's number, or −1 where it hasn't been created. */
  resolve(): number {
    const place = this.#place;
    if (typeof place === 'number') return place;
    if (this.#structure === this.bridge.structure) return this.#container;
    const parent = place.parent.resolve();
    let container = absent;
    if (parent !== absent) {
      this.bridge.inputKey(place.key);
      container = this.bridge.core.child(parent, this.bridge.kindNumber(this.kind));
    }
    this.#container = container;
    this.#structure = this.bridge.structure;
    return container;
  }

  /** How it is found, whether it is there or not: a container's number, and keys from there on. */
  way(): { readonly container: number; readonly keys: readonly string[] } {
    const keys: string[] = [];
    let place = this.#place;
    for (; typeof place !== 'number'; place = place.parent.#place) keys.unshift(place.key);
    return { container: place, keys };
  }

  /** Is it a handle of this replica? */
  isOf(bridge: unknown): boolean {
    return this.bridge === bridge;
  }

  /** The container's number; it is created where there is none. */
  ensure(): number {
    const container = this.resolve();
    if (container !== absent) return container;
    const place = this.#place;
    if (typeof place === 'number') return place;
    // All the way up before anything is created.
    checkKey(place.key);
    const parent = place.parent.ensure();
    this.bridge.inputKey(place.key);
    const { bridge } = this;
    const created = bridge.check(bridge.writer.ensure_child(parent, bridge.kindNumber(this.kind), bridge.now()));
    bridge.structure += 1;
    this.#container = created;
    this.#structure = bridge.structure;
    return created;
  }

  /** The same for a write that might be refused: it must not leave behind what would be created for it. */
  protected ensureFor(check: () => void): number {
    const container = this.resolve();
    if (container !== absent) return container;
    check();
    return this.ensure();
  }

  /** Grows with each change of this container's own state (not of what is nested in it). */
  get revision(): number {
    const container = this.resolve();
    return container === absent ? 0 : this.bridge.core.container_revision(container);
  }

  protected content(empty: Plain): Plain {
    const container = this.resolve();
    if (container === absent) return empty;
    this.bridge.check(this.bridge.core.to_plain(container));
    return this.bridge.outputValue();
  }
}
