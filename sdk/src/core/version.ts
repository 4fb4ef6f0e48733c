/**
 * Versions as maps: the TypeScript side of `core-rs/crates/history/src/version.rs`. For display, tests and the sync session,
 * which compares what two sides have; merging itself never leaves the core.
 */

import { JoineryError } from '@joinery/protocol';

const maxSeq = 2 ** 32 - 2;

/**
 * Reads a version's bytes: agent → how many of its operations are in.
 *
 * @throws JoineryError `invalid-version`
 * @example decodeVersion(replica.version()).get(agent)
 */
export function decodeVersion(bytes: Uint8Array): Map<bigint, number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = new Map<bigint, number>();
  let offset = 0;
  let last = -1n;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (let index = 0; index < 5; index += 1) {
      const byte = bytes[offset];
      if (byte === undefined) throw invalid('more bytes', 'the end');
      offset += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && index > 0) throw invalid('the shortest form of a number', 'a longer one');
        return value;
      }
      scale *= 128;
    }
    throw invalid('a number below 2^35', 'a longer one');
  };
  const count = varint();
  for (let index = 0; index < count; index += 1) {
    if (bytes.length - offset < 9) throw invalid('an agent and a seq', 'the end');
    const agent = view.getBigUint64(offset, true);
    offset += 8;
    const seq = varint();
    if (agent <= last || seq < 1 || seq > maxSeq) throw invalid('ascending agents and seqs from 1', 'others');
    last = agent;
    version.set(agent, seq);
  }
  if (offset !== bytes.length) throw invalid('the end', 'more bytes');
  return version;
}

/** Writes a version's bytes; the inverse of {@link decodeVersion}. Agents with seq 0 are left out. */
export function encodeVersion(version: ReadonlyMap<bigint, number>): Uint8Array {
  const entries = [...version].filter(([, seq]) => seq > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  const bytes = new Uint8Array(5 + entries.length * 13);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  const varint = (value: number): void => {
    let rest = value;
    while (rest >= 0x80) {
      bytes[offset] = (rest % 0x80) | 0x80;
      offset += 1;
      rest = Math.floor(rest / 0x80);
    }
    bytes[offset] = rest;
    offset += 1;
  };
  varint(entries.length);
  for (const [agent, seq] of entries) {
    view.setBigUint64(offset, agent, true);
    offset += 8;
    varint(seq);
  }
  return bytes.slice(0, offset);
}

/** How a version stands to another one. */
export type VersionOrder = 'before' | 'after' | 'equal' | 'concurrent';

/**
 * How version `a` stands to version `b`: it lies before it, after it, is equal, or each has seen what the other one hasn't.
 *
 * @param a bytes of `Replica.version()`
 * @param b the same
 * @throws JoineryError `invalid-version`
 * @example compareVersions(mine.version(), theirs.version()) // 'concurrent'
 */
export function compareVersions(a: Uint8Array, b: Uint8Array): VersionOrder {
  const [first, second] = [decodeVersion(a), decodeVersion(b)];
  const [isBefore, isAfter] = [isCovered(first, second), isCovered(second, first)];
  if (isBefore && isAfter) return 'equal';
  if (isBefore) return 'before';
  return isAfter ? 'after' : 'concurrent';
}

function isCovered(version: ReadonlyMap<bigint, number>, by: ReadonlyMap<bigint, number>): boolean {
  for (const [agent, seq] of version) if ((by.get(agent) ?? 0) < seq) return false;
  return true;
}

function invalid(expected: string, got: string): JoineryError {
  return new JoineryError('invalid-version', { expected, got, remedy: 'Ask for the version again.' });
}
