/**
 * BLAKE3: of bytes at once or bit by bit, under a key, or to derive keys. It hashes no passwords: for those, take a function
 * that is slow on purpose.
 */

import { JoineryError } from '@joinery/protocol';
import { filesModule } from './load.ts';
import { checkBytes, checkKey, checkSize, digestBytesMax, hashBytes, Slot } from './module.ts';

/**
 * The hash of bytes.
 *
 * @param bytes any number of them.
 * @param length how many bytes of BLAKE3's extended output; the first 32, which are the hash, if not given; at most 65,536.
 * @throws JoineryError `not-initialised`, `invalid-value`, `invalid-option`.
 * @example
 * const id = hash(new Uint8Array([1, 2, 3])); // 32 bytes
 */
export function hash(bytes: Uint8Array, length: number = hashBytes): Uint8Array {
  const module = filesModule();
  checkBytes(bytes, 'what is hashed');
  if (length !== hashBytes || !module.fits(bytes)) return digestOnce(new Hasher(), bytes, length);
  module.stage(bytes);
  module.check(module.exports.hash(bytes.length));
  return module.outputHash();
}

/**
 * The hash of bytes under a key: nobody without the key can make it, so it authenticates.
 *
 * @param key 32 bytes.
 * @example
 * const tag = keyedHash(key, message);
 */
export function keyedHash(key: Uint8Array, bytes: Uint8Array, length: number = hashBytes): Uint8Array {
  return digestOnce(new Hasher({ key }), bytes, length);
}

/**
 * A key for one purpose from key material that has enough randomness in it.
 *
 * @param context says what the key is for, and is the same for ever: application, date, purpose.
 * @param material another key, say; no password.
 * @example
 * const key = deriveKey('example.com 2026-11-21 chunking', masterKey);
 */
export function deriveKey(context: string, material: Uint8Array, length: number = hashBytes): Uint8Array {
  return digestOnce(new Hasher({ context }), material, length);
}

/** What a {@link Hasher} computes: `hash` if nothing is given, else `keyedHash` or `deriveKey`. */
export interface HasherOptions {
  /** 32 bytes. */
  readonly key?: Uint8Array | undefined;
  /** What derived keys are for. Not together with a key. */
  readonly context?: string | undefined;
}

/**
 * Hashes what comes bit by bit.
 *
 * @example
 * const hasher = new Hasher();
 * for await (const bytes of file.stream()) hasher.update(bytes);
 * const id = hasher.digest();
 * hasher.free();
 */
export class Hasher {
  readonly #module = filesModule();
  readonly #slot: Slot;

  /** @throws JoineryError `not-initialised`, `invalid-value`, `invalid-option`; `limit-exceeded` beyond 4,096 at a time. */
  constructor(options: HasherOptions = {}) {
    this.#slot = new Slot(this.#module, this.#create(options));
  }

  /**
   * Adds bytes.
   *
   * @throws JoineryError `invalid-value`, `freed`.
   */
  update(bytes: Uint8Array): this {
    const module = this.#module;
    const { handle } = this.#slot;
    checkBytes(bytes, 'what is hashed');
    module.stageEach(bytes, (length) => module.check(module.exports.update(handle, length)));
    return this;
  }

  /**
   * The hash of all that was added so far. More can be added, and asked for again.
   *
   * @param length how many bytes of the extended output, up to 65,536.
   * @throws JoineryError `invalid-option`, `freed`.
   */
  digest(length: number = hashBytes): Uint8Array {
    const { handle } = this.#slot;
    checkSize('the length', length, 1, digestBytesMax);
    this.#module.check(this.#module.exports.digest(handle, length));
    return this.#module.staged(length);
  }

  /** As if nothing had been added; key and context stay. */
  reset(): this {
    this.#module.check(this.#module.exports.reset(this.#slot.handle));
    return this;
  }

  /** Gives its memory back, at once. A hasher that nobody has any more is freed some time later. */
  free(): void {
    this.#slot.free();
  }

  #create({ key, context }: HasherOptions): number {
    const { exports } = this.#module;
    if (key !== undefined) {
      checkKey(key);
      if (context !== undefined) throw refuseContext('a key or a context', 'both');
      this.#module.stage(key);
      return exports.create_keyed_hasher();
    }
    if (context === undefined) return exports.create_hasher();
    if (typeof context !== 'string') throw refuseContext('a context as a string', typeof context);
    // An encoder would make one character of all lone surrogates, and one key for two contexts.
    if (!context.isWellFormed()) throw refuseContext('a context of well-formed text', 'a lone surrogate');
    const encoded = new TextEncoder().encode(context);
    if (encoded.length > contextBytesMax) {
      throw refuseContext(`a context of at most ${contextBytesMax} bytes of UTF-8`, `${encoded.length}`);
    }
    this.#module.stage(encoded);
    return exports.create_deriving_hasher(encoded.length);
  }
}

const contextBytesMax = 1024;

function refuseContext(expected: string, got: string): JoineryError {
  const remedy = 'Use a constant text that says what the key is for.';
  return new JoineryError('invalid-option', { expected, got, remedy });
}

function digestOnce(hasher: Hasher, bytes: Uint8Array, length: number): Uint8Array {
  try {
    return hasher.update(bytes).digest(length);
  } finally {
    hasher.free();
  }
}
