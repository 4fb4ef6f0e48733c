/**
 * A loaded module of the core, which all its replicas share: its linear memory, what makes a core in it, and the handles of the kinds
 * of containers that it has. There is one per build that was loaded (`joinery/core`, `joinery/lite`), and nothing of any document.
 */

import type { Bridge } from './bridge.ts';
import type { ContainerHandle, Place } from './container-handle.ts';

/** What kind of container. */
export type Kind = 'map' | 'list' | 'text' | 'counter' | 'set' | 'tree' | 'graph';

export const kinds: readonly Kind[] = ['map', 'list', 'text', 'counter', 'set', 'tree', 'graph'];

/** What each build of the core can be asked for; see crates/wasm, where the same names say more. */
export interface BasicCore {
  input(length: number): number;
  output_pointer(): number;
  output_length(): number;
  error_code(): string;
  error_message(): string;
  free(): void;
  set_agent(agent: bigint): void;
  own_seq(): number;
  revision(): number;
  container_revision(container: number): number;
  kind(container: number): number;
  child(parent: number, kind: number): number;
  ensure_child(parent: number, kind: number, now_ms: number): number;
  create_child(parent: number, kind: number, now_ms: number): number;
  map_set(map: number, keyLength: number, now_ms: number): number;
  map_delete(map: number, now_ms: number): number;
  map_get(map: number): number;
  map_keys(map: number): number;
  list_insert(list: number, index: number): number;
  list_insert_child(list: number, index: number, kind: number): number;
  list_set(list: number, index: number, now_ms: number): number;
  list_set_child(list: number, index: number, kind: number, now_ms: number): number;
  list_move(list: number, from: number, to: number, now_ms: number): number;
  list_delete(list: number, index: number, length: number): number;
  list_length(list: number): number;
  list_get(list: number, index: number): number;
  counter_add(counter: number, amount: number): number;
  counter_value(counter: number): number;
  set_add(set: number): number;
  set_delete(set: number): number;
  set_has(set: number): number;
  to_plain(container: number): number;
  take_update(): number;
  apply(now_ms: number): number;
  /** Only where the module has a room. */
  apply_short?(length: number, now_ms: number): number;
  retry_pending(now_ms: number): void;
  pending_count(): number;
  export_update(): number;
  version(): void;
  covers(): number;
  encode_snapshot(): void;
}

/** The handle class of each kind that a build has. */
export type HandleClasses = Readonly<
  Partial<Record<Kind, new (bridge: Bridge<never>, place: Place) => ContainerHandle<BasicCore>>>
>;

/** Bytes at an address that never changes, through which short updates pass. */
export interface Room {
  readonly address: number;
  readonly bytes: number;
}

export class CoreModule<C extends BasicCore> {
  readonly create: () => C;
  readonly handles: HandleClasses;
  readonly room: Room;
  readonly #memory: WebAssembly.Memory;
  #bytes = new Uint8Array(0);
  #units = new Uint16Array(0);

  constructor(
    memory: WebAssembly.Memory,
    create: () => C,
    handles: HandleClasses,
    room: Room = { address: 0, bytes: -1 },
  ) {
    this.#memory = memory;
    this.create = create;
    this.handles = handles;
    this.room = room;
  }

  /** Linear memory moves when it grows, and views of where it was are empty then: so one is looked at before each use. */
  bytes(): Uint8Array {
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(this.#memory.buffer);
    return this.#bytes;
  }

  /** The same, by units of two bytes. */
  units(): Uint16Array {
    if (this.#units.length === 0) this.#units = new Uint16Array(this.#memory.buffer);
    return this.#units;
  }
}
