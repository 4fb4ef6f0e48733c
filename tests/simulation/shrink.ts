// Makes a failing run small: takes choices out as long as the same property fails; first all of one kind, then ever smaller
// pieces of the list. This is delta debugging (Zeller and Hildebrandt, 2002), of complements only. It tries no other seeds.

import type { CheckerName } from './checkers/all.ts';
import { type Choice, documentsOf, type Run } from './choices.ts';
import { carryOut } from './run.ts';

/** So many tries at most. */
const triesMost = 1_500;

export async function shrink(run: Run, property: CheckerName): Promise<Run> {
  const { seed } = run;
  let features = run.features ?? [];
  let { choices } = run;
  let tries = 0;
  const attempt = async (fewer: readonly Choice[]): Promise<boolean> => {
    if (fewer.length === choices.length || tries >= triesMost) return false;
    tries += 1;
    const { failure } = await carryOut({ seed, features, choices: fewer });
    if (failure?.property !== property) return false;
    choices = fewer;
    return true;
  };
  const without = async (name: (choice: Choice) => string): Promise<void> => {
    for (const gone of new Set(choices.map(name))) await attempt(choices.filter((choice) => name(choice) !== gone));
  };
  for (const gone of features) {
    const fewer = features.filter((feature) => feature !== gone);
    // At the end nobody looks at a space's documents in a run without spaces: to be written to there looks like a loss.
    const isFit = (choice: Choice): boolean => !('document' in choice) || documentsOf(fewer).includes(choice.document);
    const left = choices.filter(isFit);
    const { failure } = await carryOut({ seed, features: fewer, choices: left });
    if (failure?.property === property) [features, choices] = [fewer, left];
  }
  await without((choice) => choice.do);
  await without((choice) => ('document' in choice ? choice.document : ''));
  await without((choice) => ('tab' in choice ? choice.tab : 'device' in choice ? choice.device : ''));
  let size = Math.ceil(choices.length / 2);
  while (tries < triesMost) {
    const before = choices.length;
    for (let start = 0; start < choices.length; ) {
      const isSmaller = await attempt([...choices.slice(0, start), ...choices.slice(start + size)]);
      if (!isSmaller) start += size;
    }
    if (size > 1) size = Math.ceil(size / 2);
    else if (choices.length === before) break;
  }
  return { seed, features, choices };
}
