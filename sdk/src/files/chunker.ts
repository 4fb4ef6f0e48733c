/**
 * Cuts bytes into chunks by their content and hashes each, in one pass. Where a byte is added to a file, the chunks around it
 * change and no others: what was stored or sent of it once needs not be again. It stores and sends nothing.
 */

import { JoineryError } from '@joinery/protocol';
import { filesModule } from './load.ts';
import { checkBytes, checkKey, checkSize, Slot } from './module.ts';

/** A piece of the input. */
export interface Chunk {
  /** In bytes from the start of the input. */
  readonly offset: number;
  /** In bytes, above 0. */
  readonly length: number;
  /** BLAKE3 of its bytes, 32 bytes. */
  readonly hash: Uint8Array;
}

/** How chunks are cut. The same input is cut at the same places only under the same options. */
export interface ChunkOptions {
  /** Bytes below which nothing is cut: even, 64 to 1 MiB, 16 KiB if not given. Only the last chunk can be smaller. */
  readonly min?: number | undefined;
  /** Bytes from which on a cut is more likely: even, 256 to 4 MiB, 64 KiB if not given. */
  readonly average?: number | undefined;
  /** Bytes at which there is a cut in any case: even, 1 KiB to 16 MiB, 256 KiB if not given. */
  readonly max?: number | undefined;
  /**
   * 32 bytes that decide, beside the content, where it is cut. Without a key everybody cuts alike, and who sees the lengths of the
   * chunks of an encrypted file can tell whether it is a file that he knows.
   */
  readonly key?: Uint8Array | undefined;
}

/** Where bytes can come from: a `File`, a response's body, Node's streams, arrays of pieces. */
export type ByteSource =
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>;

/**
 * Cuts what comes piece by piece. In whatever pieces it comes, the chunks are the same.
 *
 * @example
 * const chunker = new Chunker();
 * const chunks = chunker.push(first);
 * chunks.push(...chunker.push(second), ...chunker.finish());
 * chunker.free();
 */
export class Chunker {
  readonly #module = filesModule();
  readonly #slot: Slot;
  #offset = 0;

  /** @throws JoineryError `not-initialised`, `invalid-value`, `invalid-option`; `limit-exceeded` beyond 4,096 at a time. */
  constructor(options: ChunkOptions = {}) {
    this.#slot = createSlot(options, true);
  }

  /**
   * Adds bytes.
   *
   * @returns the chunks that ended in them.
   * @throws JoineryError `invalid-value`, `freed`.
   */
  push(bytes: Uint8Array): Chunk[] {
    const module = this.#module;
    const { handle } = this.#slot;
    checkBytes(bytes, 'what is cut');
    const chunks: Chunk[] = [];
    module.stageEach(bytes, (length) => {
      for (let at = 0; at < length; ) {
        at = module.check(module.exports.advance(handle, at, length));
        this.#take(chunks);
      }
    });
    return chunks;
  }

  /**
   * Ends the input. What is pushed then is another one, from offset 0.
   *
   * @returns its last chunk, or nothing where the input was empty.
   * @throws JoineryError `freed`.
   */
  finish(): Chunk[] {
    const chunks: Chunk[] = [];
    this.#module.check(this.#module.exports.finish(this.#slot.handle));
    this.#take(chunks);
    this.#offset = 0;
    return chunks;
  }

  /** Gives its memory back, at once. A chunker that nobody has any more is freed some time later. */
  free(): void {
    this.#slot.free();
  }

  #take(chunks: Chunk[]): void {
    const length = this.#module.chunkLength();
    if (length === 0) return;
    chunks.push({ offset: this.#offset, length, hash: this.#module.outputHash() });
    this.#offset += length;
  }
}

/**
 * Cuts bytes that are all there.
 *
 * @throws JoineryError `not-initialised`, `invalid-value`, `invalid-option`.
 * @example
 * for (const { offset, length, hash } of chunkBytes(bytes)) store(hash, bytes.subarray(offset, offset + length));
 */
export function chunkBytes(bytes: Uint8Array, options: ChunkOptions = {}): Chunk[] {
  const chunker = new Chunker(options);
  try {
    const chunks = chunker.push(bytes);
    chunks.push(...chunker.finish());
    return chunks;
  } finally {
    chunker.free();
  }
}

/**
 * Cuts what a source gives, without ever having more of it in memory than it gives at a time. Who stops early cancels the source.
 *
 * @throws JoineryError as {@link chunkBytes}; what the source throws passes through.
 * @example
 * for await (const { offset, length } of chunkStream(file)) console.log(offset, length);
 */
export async function* chunkStream(source: ByteSource, options: ChunkOptions = {}): AsyncGenerator<Chunk, void, void> {
  const chunker = new Chunker(options);
  try {
    for await (const bytes of readPieces(source)) yield* chunker.push(bytes);
    yield* chunker.finish();
  } finally {
    chunker.free();
  }
}

/**
 * Where bytes are cut, without their hashes: the ends of the chunks, the last of which is the end of the input.
 *
 * @throws JoineryError as {@link chunkBytes}.
 * @example
 * const ends = cutPoints(bytes, { min: 2048, average: 8192, max: 65_536 });
 */
export function cutPoints(bytes: Uint8Array, options: ChunkOptions = {}): number[] {
  const module = filesModule();
  checkBytes(bytes, 'what is cut');
  const slot = createSlot(options, false);
  try {
    const ends: number[] = [];
    let end = 0;
    const take = (): void => {
      const length = module.chunkLength();
      if (length === 0) return;
      end += length;
      ends.push(end);
    };
    module.stageEach(bytes, (length) => {
      for (let at = 0; at < length; take()) at = module.check(module.exports.advance(slot.handle, at, length));
    });
    module.check(module.exports.finish(slot.handle));
    take();
    return ends;
  } finally {
    slot.free();
  }
}

function createSlot(options: ChunkOptions, hashes: boolean): Slot {
  const module = filesModule();
  const { min = 16 * 1024, average = 64 * 1024, max = 256 * 1024, key } = options;
  // Which sizes go together is for the core to say.
  checkSize('min', min);
  checkSize('average', average);
  checkSize('max', max);
  if (key !== undefined) {
    checkKey(key);
    module.stage(key);
  }
  return new Slot(module, module.exports.create_chunker(min, average, max, Number(key !== undefined), Number(hashes)));
}

function readPieces(source: ByteSource): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (source instanceof Uint8Array) return [source];
  const stream = typeof Blob !== 'undefined' && source instanceof Blob ? source.stream() : source;
  if (typeof stream === 'object' && stream !== null) {
    if ('getReader' in stream) return readStream(stream);
    if (Symbol.asyncIterator in stream || Symbol.iterator in stream) return stream;
  }
  throw new JoineryError('invalid-value', {
    expected: 'bytes, a Blob, a ReadableStream or an iterable of Uint8Arrays',
    got: typeof source,
    remedy: 'Pass a file, a body or a list of pieces.',
  });
}

/** By a reader: not every browser can iterate over its streams. */
async function* readStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel();
    reader.releaseLock();
  }
}
