// The shared to-do list of a pane: add, clear done, and its items.

import { useSyncDocument } from 'joinery/react';
import { type FormEvent, useCallback, useEffect, useId, useRef, useState } from 'react';
import { usePane } from '../panes/pane-context.ts';
import { TodoItem } from './todo-item.tsx';
import { addTodo, clearDone, TITLE_LENGTH_MAX, type Todos, tidyTitle } from './todos.ts';

export function TodoList() {
  const pane = usePane();
  const [value, update] = useSyncDocument<Todos>(pane.documents.todos);
  const [title, setTitle] = useState('');
  const heading = useId();
  const input = useRef<HTMLInputElement>(null);
  const items = useRef<HTMLUListElement>(null);
  const added = useRef(false);
  const list = value?.list ?? [];
  const doneCount = list.filter((todo) => todo.done).length;
  const loaded = value !== undefined;

  // A long list scrolls within itself: what was added here comes into view. What others add doesn't move it.
  useEffect(() => {
    if (!added.current) return;
    added.current = false;
    items.current?.lastElementChild?.scrollIntoView({ block: 'nearest' });
  });

  const add = (event: FormEvent): void => {
    event.preventDefault();
    const tidy = tidyTitle(title);
    if (tidy === '') return;
    const receipt = pane.write({ kind: `todo-add ${tidy}`, amount: 1, say: () => `Added “${tidy}”` }, () =>
      update(addTodo(crypto.randomUUID(), tidy)),
    );
    if (receipt === undefined) return;
    setTitle('');
    added.current = true;
  };

  const clear = (): void => {
    const say = (count: number): string => `Cleared ${count} done`;
    pane.write({ kind: 'todo-clear', amount: doneCount, say }, () => update(clearDone()));
    input.current?.focus();
  };

  // Removing an item takes the focused button away; the focus goes on to the next item, or back to the input.
  const focusAfterRemoval = useCallback((item: Element): void => {
    const neighbour = item.nextElementSibling ?? item.previousElementSibling;
    const next = neighbour?.querySelector<HTMLElement>('[data-testid="todo-remove"]') ?? input.current;
    next?.focus();
  }, []);

  return (
    <section className="part todos" aria-labelledby={heading}>
      <header className="part-head">
        <h3 id={heading}>To do</h3>
        {list.length > 0 && (
          <p className="part-note" data-testid="todo-summary">
            {doneCount} of {list.length} done
          </p>
        )}
        {doneCount > 0 && (
          <button type="button" className="quiet-button" onClick={clear} data-testid="todo-clear">
            Clear done
          </button>
        )}
      </header>
      <form className="todo-form" onSubmit={add}>
        <input
          ref={input}
          className="field"
          data-testid="todo-input"
          aria-label="New to-do"
          placeholder="What needs doing?"
          autoComplete="off"
          enterKeyHint="done"
          maxLength={TITLE_LENGTH_MAX}
          value={title}
          disabled={!loaded}
          onChange={(event) => setTitle(event.target.value)}
        />
        <button type="submit" className="button" data-testid="todo-add" disabled={!loaded || tidyTitle(title) === ''}>
          Add
        </button>
      </form>
      {loaded && list.length === 0 ? (
        <p className="empty">Nothing to do yet. What you add here appears on the other side.</p>
      ) : (
        <ul className="todo-items" ref={items}>
          {list.map((todo) => (
            <TodoItem key={todo.id} todo={todo} update={update} onRemove={focusAfterRemoval} />
          ))}
        </ul>
      )}
    </section>
  );
}
