// What a write does, as its author sees it: tokens that are used once in a run, and the neighbours that were seen.

import type { Operation } from './log.ts';
import type { Covered } from './rules.ts';

/** One effect of a write. Tokens are unique; `left` and `right` are the neighbours that the author saw. */
export type Change =
  | { readonly type: 'insert'; readonly token: string; readonly left?: string; readonly right?: string }
  | { readonly type: 'erase'; readonly token: string }
  | { readonly type: 'count'; readonly amount: number }
  | { readonly type: 'set'; readonly key: string; readonly token: string | undefined }
  /** `element` is the token that the list's element was made with. */
  | { readonly type: 'add'; readonly element: string; readonly left?: string; readonly right?: string }
  /** `over` is the value that the element showed: of an element that is there twice it tells which one is changed. */
  | { readonly type: 'change'; readonly element: string; readonly token: string; readonly over: string }
  | { readonly type: 'move'; readonly element: string; readonly left?: string; readonly right?: string }
  | { readonly type: 'remove'; readonly element: string }
  /** `over` are the tokens of the text that it is put on; no token takes the key off. */
  | {
      readonly type: 'mark';
      readonly key: string;
      readonly token: string | undefined;
      readonly over: readonly string[];
    }
  /** Nodes of a tree are known by a token in their data; one without `under` is at the top. */
  | {
      readonly type: 'plant';
      readonly node: string;
      readonly under?: string;
      readonly left?: string;
      readonly right?: string;
    }
  | {
      readonly type: 'hang';
      readonly node: string;
      readonly under?: string;
      readonly left?: string;
      readonly right?: string;
    }
  | { readonly type: 'fell'; readonly node: string }
  /** So are nodes and edges of a graph. */
  | { readonly type: 'join'; readonly item: string; readonly ends?: readonly [from: string, to: string] }
  | { readonly type: 'cut'; readonly item: string }
  /** Something else in the data of a node or an edge. */
  | { readonly type: 'tag'; readonly item: string; readonly token: string };

/** The characters, elements, nodes and edges that an operation has made. */
export function made({ changes }: Operation): string[] {
  return changes.flatMap((change) =>
    change.type === 'insert'
      ? change.token
      : change.type === 'add'
        ? change.element
        : change.type === 'plant'
          ? change.node
          : change.type === 'join'
            ? change.item
            : [],
  );
}

/** Which of the operations has put each character and element somewhere. */
export function makersOf(covered: readonly Covered[]): ReadonlyMap<string, Covered> {
  return new Map(covered.flatMap((one) => made(one.operation).map((token) => [token, one] as const)));
}

/** Those that it has deleted. */
export function deleted(operation: Operation): string[] {
  const units = operation.changes.flatMap((change) =>
    change.type === 'erase' ? change.token : change.type === 'remove' ? change.element : [],
  );
  return [...units, ...deletedNodes(operation)];
}

export function deletedNodes({ changes }: Operation): string[] {
  return changes.flatMap((change) => (change.type === 'fell' ? change.node : change.type === 'cut' ? change.item : []));
}
