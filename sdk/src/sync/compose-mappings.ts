// Makes one mapping of several: what operations are called after some swaps, for who has slept through them. It reads and
// writes the core's bytes (`core-rs/crates/types/src/replay/mapping.rs`), which name at most 2^20 ranges, and replays nothing.
//
// What was in the document between two trims has here the name that it had there; the core takes it across the later ones.

import { JoineryError } from '@joinery/protocol';

/** Names `first` to `first + length - 1` of an agent, and what is said of them; it runs along with them, or stands still. */
interface NamedRange {
  readonly agent: bigint;
  readonly first: number;
  readonly length: number;
  readonly toAgent: bigint;
  readonly to: number;
}

/** In the core's order. Each in ascending order. */
interface Parts {
  readonly done: NamedRange[];
  /** These run along. */
  readonly made: NamedRange[];
  readonly lost: NamedRange[];
  readonly generations: NamedRange[];
  /** Nothing is said of these. */
  readonly away: NamedRange[];
}

const format = 2;
const fixed_bytes = 8;
/** Of one range. */
const least_bytes = 2 * fixed_bytes + 3;

/**
 * The mappings of successive swaps, oldest first, as one; undefined for none.
 *
 * @throws JoineryError `invalid-update` where there are several and one of them can't be read
 */
export function composeMappings(mappings: readonly Uint8Array[]): Uint8Array | undefined {
  // Nothing was replayed by a swap that gave everything up.
  const given = mappings.filter(({ length }) => length > 0);
  if (given.length <= 1) return given[0];
  return encode(given.map(decode).reduce(compose));
}

function compose(before: Parts, after: Parts): Parts {
  const made: NamedRange[] = [...after.made];
  const lost: NamedRange[] = [...before.lost, ...after.lost];
  for (const range of before.made) {
    for (const part of split(range, after.made)) {
      if (part.said !== undefined) made.push({ ...part.range, toAgent: part.said.agent, to: part.said.seq });
      else {
        for (const { range: rest, said, source } of split(part.range, after.lost)) {
          if (said === undefined) made.push(rest);
          else lost.push({ ...rest, toAgent: source?.toAgent ?? 0n, to: source?.to ?? 0 });
        }
      }
    }
  }
  const generations = [...after.generations];
  for (const one of before.generations) {
    const { toAgent, to } = one;
    const next = seek(after.made, toAgent, to) ?? still(after.generations, toAgent, to);
    generations.push(next === undefined ? one : { ...one, toAgent: next.agent, to: next.seq });
  }
  const away = [...before.away, ...after.away];
  for (const range of before.made) {
    for (const part of split(range, after.away)) {
      if (part.said !== undefined) away.push({ ...part.range, toAgent: 0n, to: 0 });
    }
  }
  return {
    done: sorted([...before.done, ...after.done]),
    made: sorted(made),
    lost: sorted(lost),
    generations: sorted(generations),
    away: united(away),
  };
}

interface Part {
  readonly range: NamedRange;
  readonly said: { readonly agent: bigint; readonly seq: number } | undefined;
  readonly source: NamedRange | undefined;
}

/** A range in parts, by what is said of what it leads to. */
function split(range: NamedRange, ranges: readonly NamedRange[]): Part[] {
  const parts: Part[] = [];
  const end = range.to + range.length;
  const piece = (from: number, to: number): NamedRange => {
    const skip = from - range.to;
    return { ...range, first: range.first + skip, length: to - from, to: from };
  };
  let at = range.to;
  for (let index = firstEndingAfter(ranges, range.toAgent, at); at < end; index += 1) {
    const next = ranges[index];
    const isNear = next !== undefined && next.agent === range.toAgent && next.first < end;
    const from = isNear ? Math.max(next.first, at) : end;
    if (from > at) parts.push({ range: piece(at, from), said: undefined, source: undefined });
    if (!isNear) break;
    const to = Math.min(end, next.first + next.length);
    const said = { agent: next.toAgent, seq: next.to + (from - next.first) };
    parts.push({ range: piece(from, to), said, source: next });
    at = to;
  }
  return parts;
}

/** The first range whose end is above this name. */
function firstEndingAfter(ranges: readonly NamedRange[], agent: bigint, seq: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const one = ranges[middle] as NamedRange;
    const isBefore = one.agent < agent || (one.agent === agent && one.first + one.length <= seq);
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  return low;
}

function find(ranges: readonly NamedRange[], agent: bigint, seq: number): NamedRange | undefined {
  const found = ranges[firstEndingAfter(ranges, agent, seq)];
  return found?.agent === agent && found.first <= seq ? found : undefined;
}

function seek(ranges: readonly NamedRange[], agent: bigint, seq: number) {
  const found = find(ranges, agent, seq);
  return found && { agent: found.toAgent, seq: found.to + (seq - found.first) };
}

function still(ranges: readonly NamedRange[], agent: bigint, seq: number) {
  const found = find(ranges, agent, seq);
  return found && { agent: found.toAgent, seq: found.to };
}

/** Ascending and without overlaps: of two that say something of one name, the first stays. */
function sorted(ranges: NamedRange[]): NamedRange[] {
  ranges.sort((a, b) => (a.agent === b.agent ? a.first - b.first : a.agent < b.agent ? -1 : 1));
  let last: NamedRange | undefined;
  return ranges.filter((range) => {
    const isFree = last === undefined || last.agent !== range.agent || last.first + last.length <= range.first;
    if (isFree) last = range;
    return isFree;
  });
}

/** Ascending and without overlaps, of ranges of which nothing is said. */
function united(ranges: NamedRange[]): NamedRange[] {
  ranges.sort((a, b) => (a.agent === b.agent ? a.first - b.first : a.agent < b.agent ? -1 : 1));
  const all: NamedRange[] = [];
  for (const range of ranges) {
    const last = all.at(-1);
    if (last === undefined || last.agent !== range.agent || last.first + last.length < range.first) all.push(range);
    else {
      const end = Math.max(last.first + last.length, range.first + range.length);
      all[all.length - 1] = { ...last, length: end - last.first };
    }
  }
  return all;
}

/** Total, like the core's reader: any bytes give a mapping, or a typed error. @throws JoineryError `invalid-update` */
function decode(bytes: Uint8Array): Parts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes[0] !== format) throw invalid(`a mapping of format ${format}`);
  let at = 1;
  const agent = (): bigint => {
    if (at + fixed_bytes > bytes.length) throw invalid('an agent');
    at += fixed_bytes;
    return view.getBigUint64(at - fixed_bytes, true);
  };
  const number = (): number => {
    let [value, scale] = [0, 1];
    for (;;) {
      if (at >= bytes.length || scale > 2 ** 28) throw invalid('a number of 32 bits');
      const byte = view.getUint8(at);
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  const ranges = (): NamedRange[] => {
    const list: NamedRange[] = [];
    let count = number();
    if (count > (bytes.length - at) / least_bytes) throw invalid('as many ranges as there is room for');
    let last: NamedRange | undefined;
    for (; count > 0; count -= 1) {
      const range = { agent: agent(), first: number(), length: number(), toAgent: agent(), to: number() };
      const isBehind =
        last === undefined ||
        last.agent < range.agent ||
        (last.agent === range.agent && last.first + last.length <= range.first);
      if (!isBehind || range.first === 0 || range.length === 0) throw invalid('ranges in ascending order');
      list.push(range);
      last = range;
    }
    return list;
  };
  const parts = { done: ranges(), made: ranges(), lost: ranges(), generations: ranges(), away: ranges() };
  if (at !== bytes.length) throw invalid('the end');
  return parts;
}

function invalid(expected: string): JoineryError {
  const got = 'other bytes';
  return new JoineryError('invalid-update', { expected, got, remedy: 'What was replayed is not known any more.' });
}

function encode({ done, made, lost, generations, away }: Parts): Uint8Array {
  const lists = [done, made, lost, generations, away];
  const most_bytes = lists.reduce((sum, { length }) => sum + 10 + length * 46, 1);
  const bytes = new Uint8Array(most_bytes);
  const view = new DataView(bytes.buffer);
  let at = 1;
  bytes[0] = format;
  const agent = (value: bigint): void => {
    view.setBigUint64(at, value, true);
    at += fixed_bytes;
  };
  const number = (value: number): void => {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) {
      bytes[at] = (rest % 128) | 128;
      at += 1;
    }
    bytes[at] = rest;
    at += 1;
  };
  for (const list of lists) {
    number(list.length);
    for (const range of list) {
      agent(range.agent);
      number(range.first);
      number(range.length);
      agent(range.toAgent);
      number(range.to);
    }
  }
  return bytes.slice(0, at);
}
