// What the rules of all types share: what a version covers, what was deleted, and who had seen whose write.

import type { Operation } from './log.ts';

export type Property = 'effectExactlyOnce' | 'causeBeforeEffect' | 'deletedStaysDeleted';
export interface Violation {
  readonly property: Property;
  readonly message: string;
}

/** An operation that a version covers, under whatever name. */
export interface Covered {
  readonly operation: Operation;
  /** Under the name that its author gave it: then its place is the author's too. */
  readonly isOriginal: boolean;
  readonly isPart: boolean;
  /** See `Alias`. */
  readonly restoredBy?: string | undefined;
  readonly isAstray?: boolean;
  /** So many copies of a profile have made it anew, and are covered. */
  readonly copies: number;
}

/** Whether what it was done to may be something else than what is shown of that. */
export type Misses = (one: Covered, target: Covered | undefined) => boolean;

/** Whether the author of the one had seen the other. */
export type Follows = (other: Operation, write: Operation) => boolean;

export interface Write {
  readonly operation: Operation;
  /** A cloned profile has made it anew as well. */
  readonly isCopied?: boolean;
  readonly token: string | undefined;
  /** Of an element that a cloned profile has made anew as well: the value that it was written over, in one of the two. */
  readonly over?: string | undefined;
  /** It may not have come through. */
  readonly isPart: boolean;
  /** See `Alias`. */
  readonly restoredBy?: string | undefined;
}

/** What was deleted for sure, and what may have been. */
export class Removals {
  readonly sure = new Set<string>();
  readonly possible = new Set<string>();

  add(token: string, isPart: boolean): void {
    if (!isPart) this.sure.add(token);
    this.possible.add(token);
  }
}

/**
 * Whether one brought back what another one deletes, who brought that back as well: whichever came first met nothing of the
 * other's, so the deletion may have had nothing to delete.
 */
export const mayHaveMissed = (
  deletion: Pick<Covered, 'restoredBy'>,
  target: Pick<Covered, 'restoredBy'> | undefined,
): boolean =>
  deletion.restoredBy !== undefined && target?.restoredBy !== undefined && deletion.restoredBy !== target.restoredBy;

export function append<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** The value is that of a write that no other write was made on. */
export function checkRegister(
  what: string,
  value: unknown,
  writes: readonly Write[],
  follows: Follows,
): Violation | undefined {
  // Of those that may not have come through each may be there or not.
  if (value === undefined && writes.every(({ isPart }) => isPart)) return undefined;
  const last = writes.filter(
    (write) =>
      // What one copy has made anew was written on nothing of the other's.
      write.isCopied ||
      !writes.some(
        (other) =>
          !other.isPart &&
          !(other.token === undefined && mayHaveMissed(other, write)) &&
          (other.over === undefined || other.over === write.token) &&
          other !== write &&
          other.operation !== write.operation &&
          follows(other.operation, write.operation),
      ),
  );
  if (last.some(({ token }) => token === value)) return undefined;
  const isOld = writes.some(({ token }) => token === value);
  const wasDeleted = isOld && last.every(({ token }) => token === undefined);
  return {
    property: wasDeleted
      ? 'deletedStaysDeleted'
      : isOld || value === undefined
        ? 'effectExactlyOnce'
        : 'causeBeforeEffect',
    message: `${what} is ${String(value)}, expected one of ${last.map(({ token }) => String(token)).join(', ')}`,
  };
}

/** Characters of a text that hold tokens: `<1f>`. */
const tokenPattern = /<[0-9a-z]+>/y;

/** The tokens of a text, or undefined when it is not made of whole tokens. */
export function tokensOf(text: string): string[] | undefined {
  const tokens: string[] = [];
  let index = 0;
  while (index < text.length) {
    tokenPattern.lastIndex = index;
    const match = tokenPattern.exec(text);
    if (match === null) return undefined;
    tokens.push(match[0]);
    index += match[0].length;
  }
  return tokens;
}
