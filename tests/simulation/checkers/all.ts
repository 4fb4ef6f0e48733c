// The checkers by their names, which the specifications use as well (docs/spec/).

import type { Log, LogEntry } from '../log.ts';
import type { Model } from '../model.ts';
import { all, type MakeChecker } from './checker.ts';
import { deletedDocumentsStay, deletionsKept, deletionsNeverEarly } from './deletions.ts';
import { nothingPromisedLost, noWriteWithoutRight, receiptsNeverEarly, refusalSurfaces } from './promises.ts';
import { boundsHold, quietAfterHealing } from './quiet.ts';
import { listsAreInOrder, listsWhatIsThere } from './spaces.ts';
import { causeBeforeEffect, deletedStaysDeleted, effectExactlyOnce, sameVersionSameState } from './state.ts';

export const checkers = {
  sameVersionSameState,
  quietAfterHealing: all(quietAfterHealing, listsWhatIsThere),
  nothingPromisedLost: all(nothingPromisedLost, deletionsKept),
  effectExactlyOnce,
  causeBeforeEffect,
  noWriteWithoutRight,
  deletedStaysDeleted: all(deletedStaysDeleted, deletedDocumentsStay, listsAreInOrder),
  boundsHold,
  receiptsNeverEarly: all(receiptsNeverEarly, deletionsNeverEarly),
  refusalSurfaces,
} as const satisfies Record<string, MakeChecker>;

export type CheckerName = keyof typeof checkers;

export interface Failure {
  readonly property: CheckerName;
  readonly message: string;
  readonly at_ms: number;
  readonly event: number;
}

/** All checkers on one log. The first failure counts. */
export class Watch {
  readonly #checkers: readonly (readonly [CheckerName, ReturnType<MakeChecker>])[];
  #last: LogEntry | undefined;
  failure: Failure | undefined;

  constructor(log: Log, model: Model) {
    const names = Object.keys(checkers) as CheckerName[];
    this.#checkers = names.map((name) => [name, checkers[name](model)] as const);
    log.listen((entry) => {
      this.#last = entry;
      const { record } = entry;
      if (record.type === 'write') model.add(record.operation);
      else if (record.type === 'replayed') model.replay(record);
      else if (record.type === 'trimmed') model.trim(record);
      else if (record.type === 'restored') model.restore(record);
      else if (record.type === 'cloned') model.clone(record);
      else if (record.type === 'stored') model.store(record);
      else if (record.type === 'committed') model.commit(record);
      for (const [name, checker] of this.#checkers) this.#note(name, checker.look(entry));
    });
  }

  end(): void {
    for (const [name, checker] of this.#checkers) this.#note(name, checker.end?.());
  }

  #note(property: CheckerName, message: string | undefined): void {
    if (message === undefined || this.failure !== undefined) return;
    const { at_ms, event } = this.#last ?? { at_ms: 0, event: 0 };
    this.failure = { property, message, at_ms, event };
  }
}
