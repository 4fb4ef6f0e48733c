// One to-do: its checkbox, its title that turns into a field for renaming, its remove button.

import type { DocumentHandle } from 'joinery';
import { type KeyboardEvent, memo, useEffect, useRef, useState } from 'react';
import { usePane } from '../panes/pane-context.ts';
import { removeTodo, renameTodo, setDone, TITLE_LENGTH_MAX, type Todo, type Todos, tidyTitle } from './todos.ts';

interface TodoItemProps {
  readonly todo: Todo;
  readonly update: DocumentHandle<Todos>['update'];
  /** Called before the item goes by the user's hand, to move the focus. */
  readonly onRemove: (item: HTMLLIElement) => void;
}

export const TodoItem = memo(function TodoItem({ todo, update, onRemove }: TodoItemProps) {
  const pane = usePane();
  const { id, title, done } = todo;
  const item = useRef<HTMLLIElement>(null);

  const toggle = (): void => {
    const label = done ? `Unchecked “${title}”` : `Checked “${title}”`;
    pane.write({ kind: `todo-done ${id} ${!done}`, amount: 1, say: () => label }, () => update(setDone(id, !done)));
  };
  const rename = (next: string): void => {
    if (next === '' || next === title) return;
    const say = (): string => `Renamed to “${next}”`;
    pane.write({ kind: `todo-rename ${id} ${next}`, amount: 1, say }, () => update(renameTodo(id, next)));
  };
  const remove = (): void => {
    if (item.current !== null) onRemove(item.current);
    const say = (): string => `Removed “${title}”`;
    pane.write({ kind: `todo-remove ${id}`, amount: 1, say }, () => update(removeTodo(id)));
  };

  return (
    <li ref={item} className="todo-item" data-testid="todo-item" data-done={done}>
      <input
        type="checkbox"
        className="checkbox"
        data-testid="todo-toggle"
        aria-label={`Done: ${title}`}
        checked={done}
        onChange={toggle}
      />
      <TodoTitle title={title} onRename={rename} />
      <button
        type="button"
        className="icon-button todo-remove"
        data-testid="todo-remove"
        aria-label={`Remove ${title}`}
        onClick={remove}
      >
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <path d="M4 4l8 8M12 4l-8 8" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" />
        </svg>
      </button>
    </li>
  );
});

function TodoTitle({ title, onRename }: { readonly title: string; readonly onRename: (next: string) => void }) {
  const [draft, setDraft] = useState<string | undefined>(undefined);
  const button = useRef<HTMLButtonElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const editing = draft !== undefined;

  useEffect(() => {
    if (editing) field.current?.select();
  }, [editing]);

  if (draft === undefined) {
    return (
      <button
        ref={button}
        type="button"
        className="todo-title"
        data-testid="todo-title"
        title="Rename"
        onClick={() => setDraft(title)}
      >
        {title}
      </button>
    );
  }

  const finish = (keep: boolean, refocus: boolean): void => {
    setDraft(undefined);
    if (keep) onRename(tidyTitle(draft));
    // The button is back once React has drawn.
    if (refocus) requestAnimationFrame(() => button.current?.focus());
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // Enter and Escape belong to the input method while it composes.
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter') finish(true, true);
    if (event.key === 'Escape') finish(false, true);
  };
  return (
    <input
      ref={field}
      className="todo-rename"
      data-testid="todo-rename"
      aria-label={`Rename ${title}`}
      value={draft}
      maxLength={TITLE_LENGTH_MAX}
      autoComplete="off"
      enterKeyHint="done"
      // biome-ignore lint/a11y/noAutofocus: the user just asked for this field
      autoFocus
      onChange={(event) => setDraft(event.target.value)}
      onKeyDown={onKeyDown}
      onBlur={() => finish(true, false)}
    />
  );
}
