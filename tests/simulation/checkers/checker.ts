// What a checker is: it is told of the harness's log, entry by entry, and says what broke its property. It sees nothing else:
// no object of the code under test, and no other checker.

import type { LogEntry } from '../log.ts';
import type { Model } from '../model.ts';

export interface Checker {
  /** Says what is wrong with this entry after all before it, or undefined. */
  look(entry: LogEntry): string | undefined;
  /** Says what is wrong with a log that ends here, or undefined. */
  end?(): string | undefined;
}

/** Each of them for one property. */
export function all(...parts: readonly MakeChecker[]): MakeChecker {
  return (model) => {
    const checkers = parts.map((make) => make(model));
    const first = (ask: (checker: Checker) => string | undefined): string | undefined => {
      // Each is told of everything, also where another one has something to say.
      const said = checkers.map(ask);
      return said.find((message) => message !== undefined);
    };
    return { look: (entry) => first((checker) => checker.look(entry)), end: () => first((checker) => checker.end?.()) };
  };
}

/** `model` knows every write that the log has told of. */
export type MakeChecker = (model: Model) => Checker;
