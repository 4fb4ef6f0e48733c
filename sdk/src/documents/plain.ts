// Checks and copies what an app gives as a value. Everything that reaches the core has been through here, so that a write
// of many parts can't fail half-way for a bad one.

import { JoineryError } from '@joinery/protocol';
import type { Plain } from '../core/index.ts';

/** How deep objects and arrays of one value may nest. */
export const maxDepth = 32;
/** The longest string or byte array: the core takes 768 KiB, what stands around it included. */
const maxScalar_bytes = 768 * 1024 - 64;
const maxKey_bytes = 1024;

/** What a path leads through: keys and indices. */
export type Path = readonly (string | number)[];

/**
 * A copy of `value` that belongs to nobody else. In objects, keys with `undefined` are left out.
 *
 * @throws JoineryError `invalid-value`, naming the path, for what is no plain data.
 */
export function copyPlain(value: unknown, path: Path = []): Plain {
  if (isScalar(value, path)) return value instanceof Uint8Array ? value.slice() : value;
  if (path.length > maxDepth) throw invalid(path, `at most ${maxDepth} levels`, 'more (or a circle)');
  if (Array.isArray(value)) return Array.from(value, (element: unknown, index) => copyPlain(element, [...path, index]));
  if (!isPlainObject(value)) throw invalid(path, 'plain data', nameOf(value));
  const copy: { [key: string]: Plain } = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    checkKey(key, path);
    setOwn(copy, key, copyPlain(inner, [...path, key]));
  }
  return copy;
}

/** Whether a value is no object and no array, after a check that it may be stored. */
export function isScalar(value: unknown, path: Path): value is null | boolean | number | string | Uint8Array {
  switch (typeof value) {
    case 'boolean':
      return true;
    case 'number':
      if (!Number.isFinite(value)) throw invalid(path, 'a finite number', String(value));
      return true;
    case 'string':
      checkSize(value.length * 3 <= maxScalar_bytes ? 0 : new TextEncoder().encode(value).length, path);
      return true;
    case 'object':
      if (value instanceof Uint8Array) checkSize(value.length, path);
      return value === null || value instanceof Uint8Array;
    default:
      throw invalid(path, 'plain data', nameOf(value));
  }
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

/** Sets a key as data, whatever it is called: `__proto__` is a key like any other. */
export function setOwn<Value>(target: Record<string, Value>, key: string, value: Value): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

export function checkKey(key: string, path: Path): void {
  if (key.length * 3 <= maxKey_bytes || new TextEncoder().encode(key).length <= maxKey_bytes) return;
  throw invalid(path, `keys of at most ${maxKey_bytes} bytes`, 'a longer one');
}

export function invalid(path: Path, expected: string, got: string): JoineryError {
  return new JoineryError('invalid-value', {
    expected: `${expected} at ${pathText(path)}`,
    got,
    remedy: 'Nothing was written. Values are null, booleans, finite numbers, strings, Uint8Arrays, arrays and objects.',
  });
}

function checkSize(bytes: number, path: Path): void {
  if (bytes <= maxScalar_bytes) return;
  throw new JoineryError('limit-exceeded', {
    expected: `a value of at most ${maxScalar_bytes} bytes at ${pathText(path)}`,
    got: `${bytes}`,
    remedy: 'Nothing was written. Keep long texts in a text, and files outside the document.',
  });
}

function pathText(path: Path): string {
  return path.length === 0 ? 'the top' : path.map((part) => `[${JSON.stringify(part)}]`).join('');
}

function nameOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value;
  const made: unknown = value.constructor;
  return typeof made === 'function' && made.name !== '' ? `a ${made.name}` : 'an object of a class';
}
