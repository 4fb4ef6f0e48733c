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

/** `model` knows every write that the log has told of. */
export type MakeChecker = (model: Model) => Checker;
