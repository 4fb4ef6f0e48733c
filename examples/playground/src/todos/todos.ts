// The shared to-do list: its shape in the document, and the recipes that change it. Each recipe finds its item by id when
// it runs, for others may have inserted or removed items since the list was drawn.

import type { Draft } from 'joinery';

export interface Todo {
  /** Made by who added it. The list's own element ids stay inside the SDK. */
  readonly id: string;
  readonly title: string;
  readonly done: boolean;
}

/** The document. `list` is absent until somebody adds an item. */
export interface Todos {
  readonly list?: readonly Todo[];
}

export const TITLE_LENGTH_MAX = 200;

type Recipe = (draft: Draft<Todos>) => void;

/** The title as it is kept: one line, no spaces around, at most {@link TITLE_LENGTH_MAX} units. */
export function tidyTitle(typed: string): string {
  const title = typed.replace(/\s+/g, ' ').trim();
  return title.slice(0, TITLE_LENGTH_MAX).trim();
}

export function addTodo(id: string, title: string): Recipe {
  return (draft) => {
    draft.list ??= [];
    draft.list.push({ id, title, done: false });
  };
}

export function setDone(id: string, done: boolean): Recipe {
  return (draft) => {
    const todo = find(draft, id);
    if (todo !== undefined) todo.done = done;
  };
}

export function renameTodo(id: string, title: string): Recipe {
  return (draft) => {
    const todo = find(draft, id);
    if (todo !== undefined) todo.title = title;
  };
}

export function removeTodo(id: string): Recipe {
  return (draft) => removeWhere(draft, (todo) => todo.id === id);
}

export function clearDone(): Recipe {
  return (draft) => removeWhere(draft, (todo) => todo.done);
}

function find(draft: Draft<Todos>, id: string): Draft<Todo> | undefined {
  return draft.list?.find((todo) => todo.id === id);
}

/** One by one from the end: replacing the list by a filtered one would throw away what others do to it meanwhile. */
function removeWhere(draft: Draft<Todos>, matches: (todo: Draft<Todo>) => boolean): void {
  const list = draft.list;
  if (list === undefined) return;
  for (let index = list.length - 1; index >= 0; index--) {
    const todo = list[index];
    if (todo !== undefined && matches(todo)) list.splice(index, 1);
  }
}
