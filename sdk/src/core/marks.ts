/**
 * What is said of ranges of a text: attributes, deltas (the form of Quill), and whether a mark takes in what is typed at its end.
 * It packs deltas for the core; what merges is in `core-rs/crates/types/src/marks`.
 */

import { JoineryError } from '@joinery/protocol';
import { type Plain, packValue } from './value.ts';

/** Keys with values. In a change, null takes a key off. */
export type Attributes = Readonly<Record<string, Plain>>;

/** An object in a text: one character long, like `{ image: 'https://…' }`. */
export type Embed = Readonly<Record<string, Plain>>;

/** A stretch of text with one set of attributes, or an embedded object. */
export interface TextRun {
  readonly insert: string | Embed;
  readonly attributes?: Attributes;
}

/** One step of a change. Lengths are in UTF-16 units. What is inserted has the attributes that are given and no others. */
export type DeltaStep =
  | { readonly insert: string | Embed; readonly attributes?: Attributes | undefined }
  | { readonly retain: number; readonly attributes?: Attributes | undefined }
  | { readonly delete: number };

/** Whether a mark takes in what is typed right behind it (`after`), or not (`none`). */
export type Expand = 'after' | 'none';

/**
 * Which marks grow, by key; of keys that end with `*` the longest beginning counts. What is not in it grows. A mark is written
 * with what its writer's table says, and stays so.
 */
export type ExpandTable = Readonly<Record<string, Expand>>;

/** Links and comments don't grow, nor does what is said of a line, which stands on the line's end. */
export const defaultExpand: ExpandTable = {
  link: 'none',
  'comment:*': 'none',
  header: 'none',
  list: 'none',
  indent: 'none',
  align: 'none',
  direction: 'none',
  blockquote: 'none',
  'code-block': 'none',
};

/** What a table says of a key. */
export function expandOf(table: ExpandTable, key: string): Expand {
  if (Object.hasOwn(table, key)) return table[key] ?? 'after';
  let longest = '';
  let found: Expand = 'after';
  for (const [pattern, expand] of Object.entries(table)) {
    const fits = pattern.endsWith('*') && key.startsWith(pattern.slice(0, -1));
    if (fits && pattern.length > longest.length) [longest, found] = [pattern, expand];
  }
  return found;
}

/** A packed value has a bound, a text hasn't: what is inserted is packed in pieces. */
const maxUnits = 64 * 1024;

const encoder = new TextEncoder();

/** A delta as the core takes it: the keys (of those that it names, and of `present`) whose marks don't grow, and the steps. */
export function packDelta(
  delta: readonly DeltaStep[],
  present: readonly string[],
  table: ExpandTable,
): { readonly keys: Uint8Array; readonly steps: Uint8Array } {
  const keys = new Set(present);
  const packed: Uint8Array[] = [];
  for (const step of delta) {
    checkStep(step);
    if ('attributes' in step) for (const key of Object.keys(step.attributes ?? {})) keys.add(key);
    for (const piece of pieces(step)) packed.push(packValue(piece).slice());
  }
  const fixed = [...keys].filter((key) => expandOf(table, key) === 'none').map((key) => encoder.encode(key));
  return {
    keys: concatenate(fixed.flatMap((key) => [Uint8Array.from(varint(key.length)), key])),
    steps: concatenate([Uint8Array.from([arrayTag, ...varint(packed.length)]), ...packed]),
  };
}

const arrayTag = 7;

/** All else is for the core to check. */
function checkStep(step: unknown): void {
  if (typeof step === 'object' && step !== null) return;
  throw new JoineryError('invalid-value', {
    expected: 'steps that insert, retain or delete',
    got: step === null ? 'null' : `a ${typeof step}`,
    remedy: 'Hand in the operations of a delta.',
  });
}

function* pieces(step: DeltaStep): Generator<DeltaStep> {
  if (!('insert' in step) || typeof step.insert !== 'string' || step.insert.length <= maxUnits) {
    yield step;
    return;
  }
  const { insert } = step;
  let from = 0;
  while (from < insert.length) {
    const last = insert.charCodeAt(from + maxUnits - 1);
    const isHigh = last >= 0xd800 && last < 0xdc00;
    const to = from + maxUnits - (isHigh ? 1 : 0);
    yield { ...step, insert: insert.slice(from, to) };
    from = to;
  }
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return bytes;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
