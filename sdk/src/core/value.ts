/**
 * Packs plain values into bytes and back, in the one form that `core-rs/crates/codec/src/value.rs` describes: equal values
 * have equal bytes. It is not JSON: bytes stay bytes, and nothing is stringified on the way into the core.
 */

import { JoineryError } from '@joinery/protocol';

/** What a map key, a list element or a set member can hold. Numbers are finite; at most 32 levels and 768 KiB packed. */
export type Plain = null | boolean | number | string | Uint8Array | Plain[] | { [key: string]: Plain };

const maxDepth = 32;
const maxBytes = 768 * 1024;
/** Up to so many bytes are copied one by one. */
const shortBytes = 48;
/** In characters: a longer one is the encoder's. */
const shortString = 32;
const tags = { null: 0, false: 1, true: 2, integer: 3, number: 4, string: 5, bytes: 6, array: 7, object: 8 } as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** A growing buffer that the next value is packed into; kept, so that small values allocate nothing. */
let buffer = new Uint8Array(4096);
let view = new DataView(buffer.buffer);
let length = 0;

/**
 * Packs a value. The result is a view that the next call overwrites.
 *
 * @throws JoineryError `invalid-value` for what is no {@link Plain} value, naming the path to it; `limit-exceeded`.
 */
export function packValue(value: unknown): Uint8Array {
  // It may be another buffer afterwards.
  packLength(value);
  return buffer.subarray(0, length);
}

/**
 * Packs a value, to be copied by {@link copyPacked}. Returns how many bytes it has.
 *
 * @throws JoineryError as {@link packValue}
 */
export function packLength(value: unknown): number {
  length = 0;
  write(value, '', 0);
  if (length > maxBytes) throw tooLong();
  return length;
}

/** Copies what was packed last. */
export function copyPacked(target: Uint8Array, at: number): void {
  // A view of what is short costs more than the copy.
  if (length > shortBytes) target.set(buffer.subarray(0, length), at);
  else for (let index = 0; index < length; index += 1) target[at + index] = buffer[index] as number;
}

/** How many bytes a varint has. */
export function varintLength(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

/** Writes a varint; returns where it ends. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  let end = at;
  for (; rest >= 0x80; end += 1) {
    target[end] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  target[end] = rest;
  return end + 1;
}

function write(value: unknown, path: string, depth: number): void {
  if (value === null) byte(tags.null);
  else if (typeof value === 'boolean') byte(value ? tags.true : tags.false);
  else if (typeof value === 'number') writeNumber(value, path);
  else if (typeof value === 'string') {
    byte(tags.string);
    writeString(value);
  } else if (value instanceof Uint8Array) writeBytes(value);
  else if (typeof value !== 'object') throw invalid(path, `a ${typeof value}`);
  else if (depth === maxDepth) throw invalid(path, `more than ${maxDepth} levels`);
  else if (Array.isArray(value)) {
    byte(tags.array);
    varint(value.length);
    for (let index = 0; index < value.length; index += 1) write(value[index], `${path}[${index}]`, depth + 1);
  } else {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype) throw invalid(path, 'an instance of a class');
    writeObject(value as Record<string, unknown>, path, depth);
  }
}

function writeBytes(value: Uint8Array): void {
  byte(tags.bytes);
  varint(value.length);
  reserve(value.length);
  buffer.set(value, length);
  length += value.length;
}

function writeObject(value: Record<string, unknown>, path: string, depth: number): void {
  // A member that is undefined is none, as in JSON.
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  byte(tags.object);
  varint(keys.length);
  for (const key of sortedByBytes(keys)) {
    writeString(key);
    write(value[key], `${path}.${key}`, depth + 1);
  }
}

/** UTF-8 order is the order of code points. It differs from that of UTF-16 only where surrogates meet U+E000 and above. */
function sortedByBytes(keys: string[]): string[] {
  const simple = keys.every((key) => !/[\ud800-\uffff]/.test(key));
  return simple ? keys.sort() : keys.sort((a, b) => compareBytes(encoder.encode(a), encoder.encode(b)));
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function writeNumber(value: number, path: string): void {
  if (Number.isSafeInteger(value)) {
    byte(tags.integer);
    // Zigzag in two steps: doubling the largest safe integers would lose their last bit.
    const half = value >= 0 ? value : -value - 1;
    const first = (half % 0x40) * 2 + (value < 0 ? 1 : 0);
    const rest = Math.floor(half / 0x40);
    if (rest === 0) byte(first);
    else {
      byte(first | 0x80);
      varint(rest);
    }
    return;
  }
  if (!Number.isFinite(value)) throw invalid(path, String(value));
  byte(tags.number);
  reserve(8);
  view.setFloat64(length, value, true);
  length += 8;
}

function writeString(value: string): void {
  reserve(value.length * 3 + 5);
  // The encoder turns lone surrogates into U+FFFD. The length stands before the bytes: it is written for the usual one-byte size and moved where it takes more.
  const start = length;
  if (value.length <= shortString && writeAscii(value)) return;
  const { written } = encoder.encodeInto(value, buffer.subarray(start + 1));
  if (written < 0x80) {
    buffer[start] = written;
    length = start + 1 + written;
    return;
  }
  const size = written < 0x4000 ? 2 : written < 0x200000 ? 3 : 5;
  buffer.copyWithin(start + size, start + 1, start + 1 + written);
  varint(written);
  length = start + size + written;
}

/** In browsers a call of the encoder costs as much as a loop over dozens of characters. False, and nothing is written, where it isn't ASCII. */
function writeAscii(value: string): boolean {
  const start = length + 1;
  for (let index = 0; index < value.length; index += 1) {
    const unit = value.charCodeAt(index);
    if (unit >= 0x80) return false;
    buffer[start + index] = unit;
  }
  buffer[length] = value.length;
  length = start + value.length;
  return true;
}

function byte(value: number): void {
  reserve(1);
  buffer[length] = value;
  length += 1;
}

function varint(value: number): void {
  reserve(10);
  length = writeVarint(buffer, length, value);
}

function reserve(bytes: number): void {
  if (length + bytes <= buffer.length) return;
  // Strings reserve three bytes a unit, so the limit is checked on what is really there.
  if (length > maxBytes || bytes > 4 * maxBytes) {
    throw tooLong();
  }
  const grown = new Uint8Array(Math.max(buffer.length * 2, length + bytes));
  grown.set(buffer.subarray(0, length));
  buffer = grown;
  view = new DataView(buffer.buffer);
}

function tooLong(): JoineryError {
  return new JoineryError('limit-exceeded', {
    expected: 'a value of at most 768 KiB',
    got: 'a longer one',
    remedy: 'Store long text as a text container and files outside the document.',
  });
}

function invalid(path: string, got: string): JoineryError {
  return new JoineryError('invalid-value', {
    expected: `null, a boolean, a finite number, a string, a Uint8Array, an array or a plain object${path === '' ? '' : ` at ${path}`}`,
    got,
    remedy: 'Convert it before you store it.',
  });
}

/**
 * Reads a packed value that came from the core (which has checked it). Bytes are copied; an object's `__proto__` key is a key
 * like any other.
 */
export function unpackValue(bytes: Uint8Array): Plain {
  return new Unpacker(bytes).read();
}

class Unpacker {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): Plain {
    const tag = this.#byte();
    switch (tag) {
      case tags.null:
        return null;
      case tags.false:
        return false;
      case tags.true:
        return true;
      case tags.integer: {
        const first = this.#byte();
        const half = ((first & 0x7f) >> 1) + (first < 0x80 ? 0 : this.#varint() * 0x40);
        return first & 1 ? -half - 1 : half;
      }
      case tags.number: {
        const value = this.#view.getFloat64(this.#offset, true);
        this.#offset += 8;
        return value;
      }
      case tags.string:
        return this.#string();
      case tags.bytes:
        return this.#slice().slice();
      case tags.array: {
        const count = this.#varint();
        const values: Plain[] = [];
        for (let index = 0; index < count; index += 1) values.push(this.read());
        return values;
      }
      default:
        return this.#object();
    }
  }

  #object(): Plain {
    const count = this.#varint();
    const object: { [key: string]: Plain } = {};
    for (let index = 0; index < count; index += 1) {
      const key = this.#string();
      const value = this.read();
      if (key === '__proto__') {
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      } else {
        object[key] = value;
      }
    }
    return object;
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset] ?? 0;
    this.#offset += 1;
    return byte;
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }

  #slice(): Uint8Array {
    const size = this.#varint();
    const slice = this.#bytes.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    return slice;
  }

  #string(): string {
    const slice = this.#slice();
    // Short ASCII, the usual case, is faster by hand than through the decoder's call.
    if (slice.length < 24) {
      let text = '';
      for (const unit of slice) {
        if (unit >= 0x80) return decoder.decode(slice);
        text += String.fromCharCode(unit);
      }
      return text;
    }
    return decoder.decode(slice);
  }
}
