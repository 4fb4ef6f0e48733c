/**
 * One replica behind the boundary: moves numbers, bytes and units in and out of linear memory and turns refusals into
 * errors. Handles and `Replica` are built on it; it keeps no data of its own.
 */

import { isTimeless, JoineryError } from '@joinery/protocol';
import type { ContainerHandle, Place } from './container-handle.ts';
import { type BasicCore, type CoreModule, type Kind, kinds } from './module.ts';
import type { Core } from './pkg/joinery_core.js';
import { copyPacked, type Plain, packLength, packValue, unpackValue, varintLength, writeVarint } from './value.ts';

/** The answers below zero that the core gives (see crates/wasm). */
export const absent = -1;
const failed = -2;
/** A packed value is in the output. */
export const plain = -3;
/** What the core adds to the answer of joining where containers may be seen otherwise than before. */
export const reshapes = 4;
/** It answers so where an update waits. */
const waits = 2;

/** What {@link Bridge} needs of the world: time for stamps, randomness for the agent. */
export interface BridgeOptions {
  /** The replica's identity: 64 bits that nobody has used. Taken at random at the first write if not given. */
  readonly agent?: bigint | undefined;
  /** Milliseconds since 1970; `Date.now` if not given. */
  readonly now?: (() => number) | undefined;
  /**
   * True where updates come from a side that has checked their stamps (own storage, the server). Otherwise one whose stamp
   * is more than five minutes ahead of `now` waits, so that a wrong clock elsewhere can't win for ever.
   */
  readonly trustStamps?: boolean | undefined;
  /** Fills bytes with randomness; `crypto.getRandomValues` if not given. */
  readonly random?: ((bytes: Uint8Array) => void) | undefined;
}

/** Of ASCII: several times as fast as the one of UTF-16. */
const ascii = new TextDecoder();
const utf16 = new TextDecoder('utf-16le', { ignoreBOM: true });
const encoder = new TextEncoder();
const maxKeyBytes = 1024;

// An app may have ten thousand documents open: a bridge has few fields, and no closures and views of its own.
export class Bridge<C extends BasicCore = Core> {
  /** Grows whenever a container may have come, gone or been replaced: handles then look their container up again. */
  structure = 0;
  readonly #module: CoreModule<C>;
  #core: C | undefined;
  #agent: bigint | undefined;
  /** False where no update waits, for its cause or for its time. */
  #mayWait = false;
  readonly #options: BridgeOptions;

  constructor(module: CoreModule<C>, options: BridgeOptions) {
    this.#module = module;
    this.#core = module.create();
    this.#options = options;
    if (options.agent !== undefined) this.#setAgent(options.agent);
  }

  now(): number {
    const { now } = this.#options;
    return now === undefined ? Date.now() : now();
  }

  /** The time against which foreign stamps are held. */
  arrival(): number {
    return this.#options.trustStamps ? Number.MAX_SAFE_INTEGER : this.now();
  }

  get agent(): bigint | undefined {
    return this.#agent;
  }

  /** The core, for reading. */
  get core(): C {
    if (this.#core === undefined) {
      throw new JoineryError('freed', { expected: 'a replica', got: 'a freed one', remedy: 'Load it again.' });
    }
    return this.#core;
  }

  /** The core, for writing: the replica takes its agent now if it has none. */
  get writer(): C {
    if (this.#agent === undefined) this.#takeAgent();
    return this.core;
  }

  /** So many random bytes. */
  draw(length: number): DataView {
    const drawn = new Uint8Array(length);
    const { random } = this.#options;
    if (random === undefined) crypto.getRandomValues(drawn);
    else random(drawn);
    return new DataView(drawn.buffer);
  }

  free(): void {
    this.#core?.free();
    this.#core = undefined;
  }

  #takeAgent(): void {
    this.#setAgent(this.draw(8).getBigUint64(0, true));
  }

  #setAgent(agent: bigint): void {
    checkAgent(agent);
    this.#agent = agent;
    this.core.set_agent(agent);
  }

  /** Puts bytes into the core's input. */
  input(first: Uint8Array, second?: Uint8Array): void {
    const address = this.core.input(first.length + (second?.length ?? 0)) >>> 0;
    const memory = this.#module.bytes();
    memory.set(first, address);
    if (second !== undefined) memory.set(second, address + first.length);
  }

  /** Puts a key, and a packed value behind it, into the core's input. Returns the key's length in bytes. */
  inputKey(key: string, value?: Plain): number {
    const packed = value === undefined ? 0 : packLength(value);
    // Who writes JavaScript may give something else, that the encoder makes a string of.
    if (typeof key !== 'string') return this.#inputEncoded(encoder.encode(key), packed);
    const { length } = key;
    const address = this.core.input(length + packed);
    const memory = this.#module.bytes();
    // A loop is many times faster than an encoder's call for what keys are: short, and ASCII.
    for (let index = 0; index < length; index += 1) {
      const unit = key.charCodeAt(index);
      if (unit >= 0x80) return this.#inputEncoded(encoder.encode(key), packed);
      memory[address + index] = unit;
    }
    if (packed > 0) copyPacked(memory, address + length);
    return length;
  }

  #inputEncoded(key: Uint8Array, packed: number): number {
    const address = this.core.input(key.length + packed);
    const memory = this.#module.bytes();
    memory.set(key, address);
    if (packed > 0) copyPacked(memory, address + key.length);
    return key.length;
  }

  /** Puts several updates into the core's input: of each its length and its bytes. */
  inputList(list: readonly Uint8Array[]): void {
    let size = 0;
    for (const { length } of list) size += varintLength(length) + length;
    let at = this.core.input(size);
    const memory = this.#module.bytes();
    for (const item of list) {
      at = writeVarint(memory, at, item.length);
      memory.set(item, at);
      at += item.length;
    }
  }

  /** Puts a packed value into the core's input. */
  inputValue(value: Plain): void {
    this.input(packValue(value));
  }

  /** Puts UTF-16 units where the core has made room for them. */
  inputUnits(text: string, room: number): void {
    const address = (room >>> 0) / 2;
    const target = this.#module.units();
    for (let index = 0; index < text.length; index += 1) target[address + index] = text.charCodeAt(index);
  }

  /** The next envelope of what was written here. */
  takeUpdate(): Uint8Array | undefined {
    const length = this.core.take_update();
    if (length < 0) return undefined;
    const { room } = this.#module;
    return this.#copy(length > room.bytes ? this.core.output_pointer() >>> 0 : room.address, length);
  }

  /** Joins an update; the core's answer. */
  apply(update: Uint8Array): number {
    // Asking for the time takes a tenth of what joining a keystroke does. What waits may be joined together with this one.
    const answer = this.#applyAt(update, isTimeless(update) && !this.#mayWait ? 0 : this.arrival());
    if (this.#mayWait || answer % reshapes === waits) this.noteWaiting();
    return this.check(answer);
  }

  #applyAt(update: Uint8Array, now_ms: number): number {
    const { length } = update;
    const { room } = this.#module;
    const { core } = this;
    if (length > room.bytes || core.apply_short === undefined) {
      this.input(update);
      return core.apply(now_ms);
    }
    this.#module.bytes().set(update, room.address);
    return core.apply_short(length, now_ms);
  }

  /** To be called after the core was given updates in another way. */
  noteWaiting(): void {
    this.#mayWait = this.core.pending_count() > 0;
  }

  /** A copy of the core's output. */
  output(): Uint8Array {
    return this.#copy(this.core.output_pointer() >>> 0, this.core.output_length());
  }

  /** The value in the core's output. */
  outputValue(): Plain {
    return unpackValue(this.#outputView());
  }

  /** The text in the core's output. */
  outputText(isAscii: boolean): string {
    return (isAscii ? ascii : utf16).decode(this.#outputView());
  }

  #outputView(): Uint8Array {
    const start = this.core.output_pointer() >>> 0;
    return this.#module.bytes().subarray(start, start + this.core.output_length());
  }

  #copy(address: number, length: number): Uint8Array {
    return this.#module.bytes().slice(address, address + length);
  }

  /** Passes an answer on, or throws what the core refused. */
  check(answer: number): number {
    if (answer === failed) throw this.refusal();
    return answer;
  }

  refusal(): JoineryError {
    return new JoineryError(this.core.error_code(), this.core.error_message());
  }

  kindNumber(kind: Kind): number {
    if (Object.hasOwn(this.#module.handles, kind)) return kinds.indexOf(kind);
    const expected = `one of ${Object.keys(this.#module.handles).join(', ')}`;
    throw new JoineryError('invalid-option', { expected, got: String(kind), remedy: 'Name a kind of container.' });
  }

  /** The kind of a container that is there. */
  kindOf(container: number): Kind {
    const kind = kinds[this.core.kind(container)];
    if (kind === undefined) {
      throw new JoineryError('container-gone', {
        expected: 'a container',
        got: 'one that was deleted or replaced',
        remedy: 'Get it again from its parent.',
      });
    }
    return kind;
  }

  /** A handle of a container of this kind. Which class that is, the module says; who asks knows it. */
  open<H extends ContainerHandle<BasicCore>>(kind: Kind, place: Place): H {
    const handle = this.#module.handles[kind];
    // The core has made none of a kind that it hasn't.
    if (handle === undefined) throw new Error(`no handle of a ${kind}`);
    return new handle(this as unknown as Bridge<never>, place) as unknown as H;
  }

  /** The handle of a container by its number. */
  handleOf<H extends ContainerHandle<BasicCore>>(container: number): H {
    return this.open(this.kindOf(container), container);
  }

  /** An empty replica of the same module. */
  apart(options: BridgeOptions): Bridge<C> {
    return new Bridge(this.#module, options);
  }
}

/** Indices and lengths are whole and not negative before they cross: the core takes 32 bits. */
export function checkIndex(index: number, length: number): number {
  if (Number.isInteger(index) && index >= 0 && index <= 0x7fffffff) return index;
  throw new JoineryError('index-out-of-range', {
    expected: `a whole number from 0 to ${length}`,
    got: String(index),
    remedy: 'Read the length again before you write.',
  });
}

/** A key is checked here too where something would be created before the core gets to see it. */
export function checkKey(key: string): void {
  // 3 bytes of UTF-8 are the most that a UTF-16 unit takes.
  if (key.length * 3 <= maxKeyBytes || encoder.encode(key).length <= maxKeyBytes) return;
  throw new JoineryError('limit-exceeded', {
    expected: `a key of at most ${maxKeyBytes} bytes of UTF-8`,
    got: 'a longer one',
    remedy: 'Put what is long into the value.',
  });
}

/** An agent is 64 bits. */
export function checkAgent(agent: bigint): void {
  if (agent >= 0n && agent < 1n << 64n) return;
  throw new JoineryError('invalid-option', {
    expected: 'an agent of 64 bits',
    got: `${agent}`,
    remedy: 'Take 64 random bits.',
  });
}
