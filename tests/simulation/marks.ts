// What a text's marks should be, from the list of all writes: words are marked whole, each mark has a value of its own, and of the
// marks with one key on one word the one shows that no other was made on.
//
// What a mark does to a word that its author hadn't seen is left open: it may have been put between marked words, or where a mark
// grows, or beside it. So is what shows on a word that a cloned profile has made twice.

import type { Change } from './changes.ts';
import type { Moment } from './history.ts';
import type { Content, Operation } from './log.ts';
import { type Covered, checkRegister, tokensOf, type Violation, type Write } from './rules.ts';

type Mark = Extract<Change, { readonly type: 'mark' }>;

const erasedBy = (change: Change): readonly string[] => (change.type === 'erase' ? [change.token] : []);

/** @param operations all that were ever made to the document */
export function checkMarks(
  { covered, follows, misses }: Moment,
  operations: readonly Operation[],
  runs: Content['runs'],
): Violation | undefined {
  const makers = new Map<string, Covered>();
  const marks: { readonly one: Covered; readonly mark: Mark }[] = [];
  for (const one of covered) {
    for (const change of one.operation.changes) {
      if (change.type === 'insert') makers.set(change.token, one);
      else if (change.type === 'mark') marks.push({ one, mark: change });
    }
  }
  // A restored backup may lack the deletion of a word that lies, deleted, within the range that was marked.
  const erased = new Set(operations.flatMap(({ changes }) => changes.flatMap(erasedBy)));
  const keys = new Set(marks.map(({ mark }) => mark.key));
  for (const { insert, attributes = {} } of runs) {
    const tokens = typeof insert === 'string' ? tokensOf(insert) : undefined;
    if (tokens === undefined) {
      return { property: 'effectExactlyOnce', message: `a mark begins or ends within a word: ${String(insert)}` };
    }
    const stranger = Object.keys(attributes).find((key) => !keys.has(key));
    if (stranger !== undefined) {
      return { property: 'causeBeforeEffect', message: `${insert} is ${stranger} and the mark's write isn't there` };
    }
    for (const token of tokens) {
      const maker = makers.get(token);
      if (maker === undefined || maker.copies > 1) continue;
      for (const key of keys) {
        const writes = marks.flatMap(({ one, mark }): Write[] => {
          if (mark.key !== key) return [];
          const { operation, restoredBy } = one;
          const isOn = mark.over.includes(token);
          const isCopied = one.copies > 1;
          // Brought back before the word was, it ends at the next one that was there: that may be behind the word, or before it.
          const hasMissed = one.isAstray === true || misses(one, maker);
          // Its author had the word before it, and left it out.
          const isOff = !isOn && !isCopied && !hasMissed && !erased.has(token);
          if (isOff && follows(operation, maker.operation)) return [];
          const isPart = one.isPart || !isOn || hasMissed;
          return [{ operation, token: mark.token, isPart, restoredBy, isCopied }];
        });
        const wrong = checkRegister(`${key} of ${token}`, attributes[key], writes, follows);
        if (wrong !== undefined) return wrong;
      }
    }
  }
  return undefined;
}
