import type { Draft } from 'joinery';
import { expect, test } from 'vitest';
import {
  addTodo,
  clearDone,
  removeTodo,
  renameTodo,
  setDone,
  TITLE_LENGTH_MAX,
  type Todos,
  tidyTitle,
} from './todos.ts';

const run = (...recipes: ((draft: Draft<Todos>) => void)[]): Todos => {
  const draft: Draft<Todos> = {};
  for (const recipe of recipes) recipe(draft);
  return draft;
};
const two = [addTodo('1', 'Saw'), addTodo('2', 'Glue')];

test('adds to a list that is not there yet, and to one that is', () => {
  expect(run(...two).list).toEqual([
    { id: '1', title: 'Saw', done: false },
    { id: '2', title: 'Glue', done: false },
  ]);
});

test('changes the item that it names, wherever it stands', () => {
  const { list } = run(
    ...two,
    (draft) => draft.list?.unshift({ id: '0', title: 'Plan', done: false }),
    setDone('2', true),
  );
  expect(list?.map((todo) => todo.done)).toEqual([false, false, true]);
  expect(run(...two, renameTodo('1', 'Plane')).list?.[0]?.title).toBe('Plane');
});

test('leaves the list alone when somebody else removed the item', () => {
  expect(run(...two, setDone('9', true), renameTodo('9', 'x'), removeTodo('9'))).toEqual(run(...two));
  expect(run(setDone('1', true), removeTodo('1'), clearDone())).toEqual({});
});

test('removes one, or all that are done', () => {
  expect(run(...two, removeTodo('1')).list?.map((todo) => todo.id)).toEqual(['2']);
  expect(run(...two, addTodo('3', 'Wax'), setDone('1', true), setDone('3', true), clearDone()).list).toHaveLength(1);
});

test('tidies titles', () => {
  expect(tidyTitle('  two\n words ')).toBe('two words');
  expect(tidyTitle('   ')).toBe('');
  expect(tidyTitle('x'.repeat(TITLE_LENGTH_MAX + 1))).toHaveLength(TITLE_LENGTH_MAX);
});
