// What a published contract suite is made of: named cases and plain assertions, for any test runner or none.

import { JoineryError } from '@joinery/protocol';

/** One promise of a contract. `run` rejects when an implementation breaks it. */
export interface ContractCase<Harness> {
  readonly name: string;
  run(harness: Harness): Promise<void>;
}

/** Throws unless both are equal in depth; byte arrays by content, objects by their own enumerable keys. */
export function assertEqual(actual: unknown, expected: unknown, what = 'the value'): void {
  const [got, wanted] = [describe(actual), describe(expected)];
  if (got !== wanted) throw new Error(`Expected ${what} to be ${wanted}, got ${got}.`);
}

export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`Expected that ${what}.`);
}

/** Resolves when the promise rejects with a JoineryError of this code. */
export async function assertRejects(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof JoineryError && error.code === code) return;
  throw new Error(`Expected a rejection with the code ${code}, got ${error === undefined ? 'none' : String(error)}.`);
}

/** A text that is the same for equal values: keys sorted, bytes in hex, bigints and undefined spelled out. */
function describe(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes(${Array.from(value, (byte) => byte.toString(16)).join(' ')})`;
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return `[${value.map(describe).join(', ')}]`;
  if (value instanceof Map) return `map ${describe(Object.fromEntries(value))}`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return `{${entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => `${key}: ${describe(inner)}`)
      .join(', ')}}`;
  }
  return value === undefined ? 'undefined' : JSON.stringify(value);
}
