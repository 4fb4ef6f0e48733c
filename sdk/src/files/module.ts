/**
 * The instance behind `joinery/files`: moves bytes through its staging buffer and turns refusals into errors. What is hashed or
 * cut is decided by its callers and in Rust (core-rs/crates/files).
 */

import { JoineryError } from '@joinery/protocol';

/** Length of a hash and of a key, in bytes. */
export const hashBytes = 32;
/** As many bytes of extended output as one call gives. */
export const digestBytesMax = 65_536;

/** As `STAGING_BYTES` in door.rs. */
const stagingBytes = 256 * 1024;
const refused = -1;

/** What core-rs/crates/files exports; see exports.rs. */
interface FilesExports {
  readonly memory: WebAssembly.Memory;
  open(): number;
  output(): number;
  hash(length: number): number;
  create_hasher(): number;
  create_keyed_hasher(): number;
  create_deriving_hasher(length: number): number;
  update(handle: number, length: number): number;
  digest(handle: number, length: number): number;
  reset(handle: number): number;
  create_chunker(min: number, average: number, max: number, keyed: number, hashes: number): number;
  advance(handle: number, start: number, end: number): number;
  finish(handle: number): number;
  release(handle: number): number;
  explain(): number;
}

export class FilesModule {
  readonly exports: FilesExports;
  readonly #staging: number;
  readonly #output: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #output32 = new DataView(new ArrayBuffer(4));

  static async instantiate(module: WebAssembly.Module): Promise<FilesModule> {
    const { exports } = await WebAssembly.instantiate(module, {});
    return new FilesModule(exports as unknown as FilesExports);
  }

  private constructor(exports: FilesExports) {
    this.exports = exports;
    this.#staging = exports.open();
    this.#output = exports.output();
  }

  /** Puts bytes into the staging buffer. They fit. */
  stage(bytes: Uint8Array): void {
    this.#memory().set(bytes, this.#staging);
  }

  /** Puts bytes into the staging buffer piece by piece, and says each time how many are there. */
  stageEach(bytes: Uint8Array, take: (length: number) => void): void {
    for (let start = 0; start < bytes.length; start += stagingBytes) {
      const end = Math.min(start + stagingBytes, bytes.length);
      this.stage(end - start === bytes.length ? bytes : bytes.subarray(start, end));
      take(end - start);
    }
  }

  /** Whether bytes fit into the staging buffer at once. */
  fits(bytes: Uint8Array): boolean {
    return bytes.length <= stagingBytes;
  }

  /** A copy of the first bytes of the staging buffer. */
  staged(length: number): Uint8Array {
    return this.#memory().slice(this.#staging, this.#staging + length);
  }

  /** The length of the chunk in the output; 0 if there is none. */
  chunkLength(): number {
    this.#memory();
    return this.#output32.getUint32(0, true);
  }

  /** A copy of the hash in the output. */
  outputHash(): Uint8Array {
    return this.#memory().slice(this.#output + 4, this.#output + 4 + hashBytes);
  }

  /** Passes an answer on, or throws what was refused. */
  check(answer: number): number {
    if (answer !== refused) return answer;
    const [code = '', message = ''] = new TextDecoder().decode(this.staged(this.exports.explain())).split('\n');
    throw new JoineryError(code, message);
  }

  /** Linear memory moves when it grows, so a view is looked at before each use. */
  #memory(): Uint8Array {
    const { buffer } = this.exports.memory;
    if (this.#bytes.buffer !== buffer) {
      this.#bytes = new Uint8Array(buffer);
      this.#output32 = new DataView(buffer, this.#output, 4);
    }
    return this.#bytes;
  }
}

/** A hasher or chunker in the module. It is freed by {@link free}, or some time after nobody has it any more. */
export class Slot {
  readonly #module: FilesModule;
  #handle: number | undefined;

  /** @param created the module's answer to the call that made it. */
  constructor(module: FilesModule, created: number) {
    this.#module = module;
    this.#handle = module.check(created);
    forgotten.register(this, { module, handle: this.#handle }, this);
  }

  get handle(): number {
    if (this.#handle !== undefined) return this.#handle;
    throw new JoineryError('freed', {
      expected: 'a hasher or chunker',
      got: 'one that was freed',
      remedy: 'Make a new one.',
    });
  }

  /** Freeing again is free. */
  free(): void {
    if (this.#handle === undefined) return;
    forgotten.unregister(this);
    this.#module.exports.release(this.#handle);
    this.#handle = undefined;
  }
}

const forgotten = new FinalizationRegistry<{ module: FilesModule; handle: number }>(({ module, handle }) => {
  module.exports.release(handle);
});

/** Refuses what isn't bytes. */
export function checkBytes(bytes: Uint8Array, what: string): void {
  if (bytes instanceof Uint8Array) return;
  const remedy = 'Encode text with a TextEncoder, and wrap an ArrayBuffer in a Uint8Array.';
  throw new JoineryError('invalid-value', { expected: `${what} as a Uint8Array`, got: describe(bytes), remedy });
}

/** Refuses what isn't a key. */
export function checkKey(key: Uint8Array): void {
  checkBytes(key, 'a key');
  if (key.length === hashBytes) return;
  throw new JoineryError('invalid-option', {
    expected: `a key of ${hashBytes} bytes`,
    got: `${key.length}`,
    remedy: 'Draw it at random, or derive it with `deriveKey`.',
  });
}

/** Numbers are whole and have 32 bits before they cross. */
export function checkSize(name: string, size: number, least = 0, most = 0xffff_ffff): number {
  if (Number.isInteger(size) && size >= least && size <= most) return size;
  throw new JoineryError('invalid-option', {
    expected: `${name} to be a whole number of bytes from ${least} to ${most}`,
    got: describe(size),
    remedy: 'Choose one in that range.',
  });
}

function describe(value: unknown): string {
  if (typeof value === 'number') return String(value);
  return typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'an object') : typeof value;
}
