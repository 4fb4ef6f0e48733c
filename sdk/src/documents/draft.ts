// The mutable view that a recipe edits. It reads from the containers as it goes and writes nothing: what the recipe does is
// kept in the drafts and carried out when it has ended, so that a recipe that throws has changed nothing. Objects and
// arrays read from a draft are drafts themselves, each of one container; what a recipe makes itself stays as it made it.

import type { MapHandle } from '../core/index.ts';
import { DraftScope } from './draft-node.ts';
import { ListDraft } from './list-draft.ts';
import { MapDraft } from './map-draft.ts';
import { invalid } from './plain.ts';

/** What the map shows now, and who may refuse what it would show after the recipe, by throwing. */
export interface RecipeCheck {
  readonly current: object;
  check(next: object): void;
}

/**
 * Runs a recipe on a draft of the map and writes what it did.
 *
 * @throws JoineryError `invalid-value` when something was assigned that is no plain data, and whatever the recipe or the check
 *   throws; then nothing was written.
 */
export function runRecipe(root: MapHandle, recipe: (draft: never) => unknown, check?: RecipeCheck): void {
  const scope = new DraftScope({
    map: (inner, handle) => new MapDraft(inner, handle),
    list: (inner, handle) => new ListDraft(inner, handle),
  });
  const draft = new MapDraft(scope, root);
  try {
    const result = recipe(draft.proxy as never);
    if (result instanceof Promise) {
      // Its outcome is nobody's any more; not passed on either, since it may be the draft.
      result.then(ignore, ignore);
      throw invalid([], 'a recipe that is done when it returns', 'an asynchronous one');
    }
  } finally {
    scope.end();
  }
  draft.planOwn([]);
  if (check !== undefined) check.check(draft.preview(check.current) as object);
  scope.commit();
}

function ignore(): void {}
