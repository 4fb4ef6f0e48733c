// What tabs and devices say to each other about presence, as bytes: opaque to the server, to the session and to whoever passes
// it on. One message is a peer's whole state, its leaving, or a question to all who are there. It has no clock in it: a
// peer counts its own messages, and nobody compares times between devices.

import { JoineryError, maxPresenceBytes } from '@joinery/protocol';
import { isPlainObject, maxDepth, type Path, setOwn } from '../documents/plain.ts';

/** Raised when older code could misunderstand; what is of another format is not heard. */
const format = 1;
/** Format, kind, the peer's name (8 bytes), its turn (4 bytes). */
const header_bytes = 14;
const askKind = 0;
const stateKind = 1;
const goneKind = 2;

/** The largest state, as JSON in UTF-8. */
export const maxState_bytes = maxPresenceBytes - header_bytes;
/** A peer's name, in bytes. */
export const peerName_bytes = 8;
/** The last turn that a peer can have under one name. */
export const maxTurn = 2 ** 32 - 1;

export type PresenceMessage =
  /** Whoever has a state is to tell it again. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'state'; readonly peer: string; readonly turn: number; readonly json: Uint8Array }
  /** The peer is there no more, or shows nothing. */
  | { readonly kind: 'gone'; readonly peer: string; readonly turn: number };

/** A question to all who are there. */
export function writeAsk(): Uint8Array {
  return Uint8Array.of(format, askKind);
}

/** A peer's state (as {@link encodeState} gives it), or without one that it is gone. */
export function writeState(name: Uint8Array, turn: number, json: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array(header_bytes + (json?.length ?? 0));
  bytes[0] = format;
  bytes[1] = json === undefined ? goneKind : stateKind;
  bytes.set(name, 2);
  new DataView(bytes.buffer).setUint32(2 + peerName_bytes, turn);
  if (json !== undefined) bytes.set(json, header_bytes);
  return bytes;
}

/** The message; undefined when it isn't one of this format. A state in it may still be none: see {@link decodeState}. */
export function readPresenceMessage(bytes: Uint8Array): PresenceMessage | undefined {
  if (bytes.length > maxPresenceBytes || bytes[0] !== format) return undefined;
  const kind = bytes[1];
  if (kind === askKind) return bytes.length === 2 ? { kind: 'ask' } : undefined;
  if ((kind !== stateKind && kind !== goneKind) || bytes.length < header_bytes) return undefined;
  const peer = peerId(bytes.subarray(2, 2 + peerName_bytes));
  const turn = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(2 + peerName_bytes);
  if (kind === stateKind) return { kind: 'state', peer, turn, json: bytes.subarray(header_bytes) };
  return bytes.length === header_bytes ? { kind: 'gone', peer, turn } : undefined;
}

/** A name as text, in hex. */
export function peerId(name: Uint8Array): string {
  return Array.from(name, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * A checked and frozen copy of a state, and its bytes.
 *
 * @throws JoineryError `invalid-value`, naming the path, for what is no plain data; `limit-exceeded` for what is too large
 */
export function encodeState(state: unknown): { readonly state: object; readonly json: Uint8Array } {
  if (!isPlainObject(state)) throw invalid([], 'an object', state);
  const copy = copyState(state, []) as object;
  const json = new TextEncoder().encode(JSON.stringify(copy));
  if (json.length > maxState_bytes) {
    throw new JoineryError('limit-exceeded', {
      expected: `a presence of at most ${maxState_bytes} bytes as JSON`,
      got: `${json.length}`,
      remedy: 'Nothing was changed. Put what is large into a document, and its name into the presence.',
    });
  }
  return { state: copy, json };
}

/** The state, frozen; undefined when the bytes are none. */
export function decodeState(json: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return freeze(value, 0);
  } catch {
    // It is another peer's: whatever it is, it is not to hurt this one.
    return undefined;
  }
}

function copyState(value: unknown, path: Path): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw invalid(path, 'a finite number', value);
    return value;
  }
  if (path.length > maxDepth) throw invalid(path, `at most ${maxDepth} levels`, 'more (or a circle)');
  if (Array.isArray(value)) {
    return Object.freeze(Array.from(value, (element: unknown, index) => copyState(element, [...path, index])));
  }
  if (!isPlainObject(value)) throw invalid(path, 'plain data', value);
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner !== undefined) setOwn(copy, key, copyState(inner, [...path, key]));
  }
  return Object.freeze(copy);
}

/** @throws RangeError for what is nested deeper than anybody may tell */
function freeze<Value extends object>(value: Value, depth: number): Value {
  if (depth > maxDepth) throw new RangeError('nested too deep');
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner, depth + 1);
  return Object.freeze(value);
}

function invalid(path: Path, expected: string, got: unknown): JoineryError {
  const at = path.length === 0 ? 'the top' : path.map((part) => `[${JSON.stringify(part)}]`).join('');
  return new JoineryError('invalid-value', {
    expected: `${expected} at ${at} of a presence`,
    got: typeof got === 'string' || typeof got === 'number' ? String(got) : kindOf(got),
    remedy: 'Nothing was changed. A presence is null, booleans, finite numbers, strings, arrays and objects.',
  });
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object') return typeof value;
  const made: unknown = value.constructor;
  return typeof made === 'function' && made.name !== '' ? `a ${made.name}` : 'an object of a class';
}
