// joinery/files as an app sees it, once with vector instructions and once without: the vectors that the Rust tests pass too,
// streams of every kind, bad input, and that linear memory stays as it is.

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

type Files = typeof import('./index.ts');

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}.json`, import.meta.url), 'utf8'));
const blake3: {
  key: string;
  context_string: string;
  cases: { input_len: number; hash: string; keyed_hash: string; derive_key: string }[];
} = read('blake3');
const chunking: {
  cases: {
    name: string;
    seed: number;
    period: number;
    length: number;
    sizes: [number, number, number];
    key: string | null;
    lengths: number[];
    hashes: string;
  }[];
} = read('chunking');

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const counted = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index % 251);

/** Xorshift32, as in the vectors. */
function randomBytes(seed: number, length: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  });
}

function* slices(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

/** A module of its own, not the one that other tests have loaded. */
async function loadFresh(vectors: boolean): Promise<{ files: Files; source: string; memoryBytes: () => number }> {
  vi.resetModules();
  const sources: string[] = [];
  vi.doMock('../core/compile.ts', async (original) => {
    const real = await original<typeof import('../core/compile.ts')>();
    return {
      compile(source: URL, base: string) {
        sources.push(source.pathname);
        return real.compile(source, base);
      },
    };
  });
  const validate = vi.spyOn(WebAssembly, 'validate');
  if (!vectors) validate.mockReturnValue(false);
  const files = await import('./index.ts');
  const { filesModule } = await import('./load.ts');
  await files.init();
  validate.mockRestore();
  return { files, source: sources.join(), memoryBytes: () => filesModule().exports.memory.buffer.byteLength };
}

describe.each([
  ['with vectors', true, 'joinery_files_simd.wasm'],
  ['without vectors', false, 'joinery_files.wasm'],
])('%s', (_, vectors, file) => {
  let files: Files;
  let source: string;
  let memoryBytes: () => number;

  beforeAll(async () => {
    ({ files, source, memoryBytes } = await loadFresh(vectors));
  });

  it('loads the module for it', () => {
    expect(source.split('/').at(-1)).toBe(file);
  });

  it('hashes as the official vectors of BLAKE3 say', () => {
    const key = encode(blake3.key);
    const context = blake3.context_string;
    expect(blake3.cases).toHaveLength(35);
    for (const { input_len, ...expected } of blake3.cases) {
      const input = counted(input_len);
      const modes = [
        [expected.hash, files.hash(input), files.hash(input, 131), new files.Hasher()],
        [expected.keyed_hash, files.keyedHash(key, input), files.keyedHash(key, input, 131), new files.Hasher({ key })],
        [
          expected.derive_key,
          files.deriveKey(context, input),
          files.deriveKey(context, input, 131),
          new files.Hasher({ context }),
        ],
      ] as const;
      for (const [vector, short, long, hasher] of modes) {
        expect(hex(short)).toBe(vector.slice(0, 64));
        expect(hex(long)).toBe(vector);
        for (const slice of slices(input, 1 + (input_len % 1500))) hasher.update(slice);
        expect(hex(hasher.digest(131))).toBe(vector);
        expect(hex(hasher.digest())).toBe(vector.slice(0, 64));
        expect(hex(hasher.reset().update(input).digest())).toBe(vector.slice(0, 64));
        hasher.free();
      }
    }
  });

  it('hashes what is larger than its buffer', () => {
    const input = randomBytes(1, 1_000_003);
    const hasher = new files.Hasher();
    for (const slice of slices(input, 77_777)) hasher.update(slice);
    expect(hex(files.hash(input))).toBe(hex(hasher.digest()));
    hasher.free();
  });

  it.each(chunking.cases)('cuts as the vectors say: $name', ({ seed, period, length, sizes, key, lengths, hashes }) => {
    const start = randomBytes(seed, period);
    const input = Uint8Array.from({ length }, (_, index) => start[index % period] ?? 0);
    const [min, average, max] = sizes;
    const options = { min, average, max, key: key === null ? undefined : new Uint8Array(Buffer.from(key, 'hex')) };

    const chunks = files.chunkBytes(input, options);
    expect(chunks.map((chunk) => chunk.length)).toEqual(lengths);
    expect(hex(files.hash(Buffer.concat(chunks.map(({ hash }) => hash))))).toBe(hashes);
    let end = 0;
    for (const { offset, length, hash } of chunks) {
      expect(offset).toBe(end);
      end += length;
      expect(hex(hash)).toBe(hex(files.hash(input.subarray(offset, end))));
    }
    expect(files.cutPoints(input, options)).toEqual(chunks.map(({ offset, length }) => offset + length));

    const chunker = new files.Chunker(options);
    for (const sliced of [4097, 65_536, 300_001]) {
      const pushed = [...slices(input, sliced)].flatMap((slice) => chunker.push(slice));
      expect([...pushed, ...chunker.finish()]).toEqual(chunks);
    }
    chunker.free();
  });

  it('cuts by the default sizes if none are given', () => {
    const input = randomBytes(3, 1_000_000);
    const sizes = { min: 16_384, average: 65_536, max: 262_144 };
    expect(files.chunkBytes(input)).toEqual(files.chunkBytes(input, sizes));
  });

  it('keeps its linear memory, whatever is hashed and cut', () => {
    const input = randomBytes(2, 3_000_000);
    const work = () => {
      files.chunkBytes(input);
      files.hash(input, 65_536);
      files.keyedHash(new Uint8Array(32), input);
    };
    work();
    const before = memoryBytes();
    for (let round = 0; round < 10; round += 1) work();
    for (let round = 0; round < 10_000; round += 1) new files.Hasher().free();
    expect(memoryBytes()).toBe(before);
    expect(before).toBeLessThan(2 * 1024 * 1024);
  });

  it('takes back what nobody has any more, and refuses more than 4,096 that somebody has', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    (() => {
      for (const hasher of Array.from({ length: 100 }, () => new files.Hasher())) hasher.free();
    })();
    // It has the number that the last one of those had.
    const first = new files.Hasher().update(encode('first'));
    const kept = [first, ...Array.from({ length: 2999 }, () => new files.Hasher())];
    (() => Array.from({ length: 1096 }, () => new files.Hasher()))();
    await vi.waitFor(
      () => {
        collect();
        kept.push(new files.Hasher());
      },
      { timeout: 20_000 },
    );
    expect(() => {
      for (let more = 0; more < 4097; more += 1) kept.push(new files.Hasher());
    }).toThrow(expect.objectContaining({ code: 'limit-exceeded', message: expect.stringContaining('4,096') }));
    expect(hex(first.digest())).toBe(hex(files.hash(encode('first'))));
    for (const hasher of kept) hasher.free();
    new files.Hasher().free();
  });
});

describe('a stream', () => {
  let files: Files;
  const input = randomBytes(5, 700_000);
  const pieces = () => [...slices(input, 50_021)];

  beforeAll(async () => {
    ({ files } = await loadFresh(true));
  });

  const collect = async (source: Parameters<Files['chunkStream']>[0]) => {
    const chunks = [];
    for await (const chunk of files.chunkStream(source)) chunks.push(chunk);
    return chunks;
  };

  const streamOf = (parts: readonly Uint8Array[]): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start(controller) {
        for (const part of parts) controller.enqueue(part);
        controller.close();
      },
    });

  it('gives the same chunks from every kind of source', async () => {
    const expected = files.chunkBytes(input);
    expect(expected.length).toBeGreaterThan(4);
    expect(await collect(input)).toEqual(expected);
    expect(await collect(pieces())).toEqual(expected);
    expect(await collect(new Blob(pieces() as BlobPart[]))).toEqual(expected);
    expect(await collect(streamOf(pieces()))).toEqual(expected);
    const iterable = (async function* () {
      yield* pieces();
    })();
    expect(await collect(iterable)).toEqual(expected);
    expect(await collect([])).toEqual([]);
  });

  it('is read by a reader where streams can not be iterated over', async () => {
    const stream = streamOf(pieces());
    Object.defineProperty(stream, Symbol.asyncIterator, { value: undefined });
    expect(await collect(stream)).toEqual(files.chunkBytes(input));
    expect(stream.locked).toBe(false);
  });

  it('is cancelled by who stops early', async () => {
    const cancel = vi.fn();
    const stream = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(input), cancel });
    for await (const chunk of files.chunkStream(stream)) {
      expect(chunk.offset).toBe(0);
      break;
    }
    expect(cancel).toHaveBeenCalledOnce();
    expect(stream.locked).toBe(false);
  });

  it('passes on what its source throws', async () => {
    const failing = (async function* () {
      yield input;
      throw new RangeError('the disk is gone');
    })();
    await expect(collect(failing)).rejects.toThrow(new RangeError('the disk is gone'));
  });

  it('of something else than bytes is refused, and cancelled', async () => {
    const cancel = vi.fn();
    const stream = new ReadableStream({ pull: (controller) => controller.enqueue('text'), cancel });
    await expect(collect(stream)).rejects.toMatchObject({ code: 'invalid-value' });
    expect(cancel).toHaveBeenCalledOnce();
    for (const source of [undefined, null, 7, {}, 'text']) {
      await expect(collect(source as unknown as Uint8Array)).rejects.toMatchObject({ code: 'invalid-value' });
    }
  });
});

describe('bad input', () => {
  let files: Files;
  const nothing = new Uint8Array();

  beforeAll(async () => {
    ({ files } = await loadFresh(true));
  });

  /** The code of what a call throws; it has to be one of Joinery's errors. */
  const refusal = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      expect(error).toBeInstanceOf(files.JoineryError);
      expect((error as Error).message).toMatch(/^Expected .+, got .+\. .+\.$/s);
      return (error as { code: string }).code;
    }
    return 'nothing was thrown';
  };

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'text'],
    ['a number', 7],
    ['an array', [1, 2]],
    ['an object without a prototype', Object.create(null)],
    ['an ArrayBuffer', new ArrayBuffer(8)],
    ['other numbers', new Uint16Array(4)],
  ])('in place of bytes: %s', (_, bad) => {
    const bytes = bad as Uint8Array;
    const hasher = new files.Hasher();
    const chunker = new files.Chunker();
    const calls = [
      () => files.hash(bytes),
      () => files.hash(bytes, 64),
      () => files.keyedHash(new Uint8Array(32), bytes),
      () => files.deriveKey('context', bytes),
      () => hasher.update(bytes),
      () => files.chunkBytes(bytes),
      () => files.cutPoints(bytes),
      () => chunker.push(bytes),
    ];
    expect(calls.map(refusal)).toEqual(calls.map(() => 'invalid-value'));
    // A refused call has changed nothing.
    expect(hex(hasher.digest())).toBe(hex(files.hash(nothing)));
    expect(chunker.finish()).toEqual([]);
    if (bytes !== undefined) expect(refusal(() => new files.Hasher({ key: bytes }))).toBe('invalid-value');
  });

  it.each([0, 31, 33, 64])('a key of %i bytes', (length) => {
    const key = new Uint8Array(length);
    expect(refusal(() => files.keyedHash(key, nothing))).toBe('invalid-option');
    expect(refusal(() => new files.Chunker({ key }))).toBe('invalid-option');
  });

  it.each([0, -1, 1.5, 65_537, Number.NaN, Number.POSITIVE_INFINITY, '32'])('a length of %s', (bad) => {
    const length = bad as number;
    expect(refusal(() => files.hash(nothing, length))).toBe('invalid-option');
    expect(refusal(() => new files.Hasher().digest(length))).toBe('invalid-option');
  });

  it.each([
    { min: 62 },
    { min: 65 },
    { min: 2 ** 20 + 2, average: 2 ** 22, max: 2 ** 24 },
    { min: 64, average: 254 },
    { average: 65_537 },
    { average: 2 ** 22 + 2, max: 2 ** 24 },
    { max: 65_537 },
    { max: 2 ** 24 + 2 },
    { min: 64, average: 256, max: 1022 },
    { min: 65_538 },
    { max: 65_534 },
    { min: -64 },
    { min: 2 ** 32 + 64 },
    { average: 65_536.5 },
    { max: Number.NaN },
    { max: '262144' as unknown as number },
  ])('sizes %o', (options) => {
    expect(refusal(() => new files.Chunker(options))).toBe('invalid-option');
    expect(refusal(() => files.cutPoints(nothing, options))).toBe('invalid-option');
  });

  it.each([7, 'x'.repeat(1025), 'é'.repeat(513), 'lone \ud800'])('a context %o', (bad) => {
    expect(refusal(() => files.deriveKey(bad as string, nothing))).toBe('invalid-option');
  });

  it('a key and a context at once', () => {
    expect(refusal(() => new files.Hasher({ key: new Uint8Array(32), context: 'c' }))).toBe('invalid-option');
  });

  it('what was freed', () => {
    const hasher = new files.Hasher();
    const chunker = new files.Chunker();
    for (const each of [hasher, chunker]) {
      each.free();
      each.free();
    }
    // Their numbers are given to others, which they must not reach.
    const other = new files.Hasher().update(encode('other'));
    const calls = [
      () => hasher.update(nothing),
      () => hasher.digest(),
      () => hasher.reset(),
      () => chunker.push(nothing),
      () => chunker.finish(),
    ];
    expect(calls.map(refusal)).toEqual(calls.map(() => 'freed'));
    expect(hex(other.digest())).toBe(hex(files.hash(encode('other'))));
  });
});

describe('loading', () => {
  afterEach(() => vi.doUnmock('../core/compile.ts'));

  it('has to come first', async () => {
    vi.resetModules();
    const { chunkBytes, Hasher, hash } = await import('./index.ts');
    const calls = [() => hash(new Uint8Array()), () => new Hasher(), () => chunkBytes(new Uint8Array())];
    for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: 'not-initialised' }));
  });

  it('that failed can be tried again, and is done once', async () => {
    vi.resetModules();
    vi.doUnmock('../core/compile.ts');
    const { hash, init } = await import('./index.ts');
    await expect(init(new URL('./pkg/absent.wasm', import.meta.url))).rejects.toMatchObject({
      code: 'core-unavailable',
      retryable: true,
    });
    await expect(init(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({ code: 'core-unavailable' });
    const module = await init(readFileSync(new URL('./pkg/joinery_files.wasm', import.meta.url)));
    expect(await init()).toBe(module);
    expect(hash(new Uint8Array())).toHaveLength(32);
  });
});
