// The rules for marks, trees and graphs on contents made by hand: what is right, and what must not pass.

import { expect, test } from 'vitest';
import type { Change } from '../changes.ts';
import type { Content, Operation } from '../log.ts';
import { Model } from '../model.ts';

const empty: Content = {
  text: '',
  counter: 0,
  fields: {},
  items: [],
  runs: [],
  tree: [],
  graph: { nodes: [], edges: [] },
};

/** One write each, by agents 1, 2 … in turn; `before` says which of the others its author had seen. */
function model(...writes: readonly { readonly change: Change; readonly before: readonly number[] }[]): Model {
  const made = new Model();
  for (const [index, { change, before }] of writes.entries()) {
    const operation: Operation = {
      id: index + 1,
      tab: 'a1',
      document: 'notes',
      agent: BigInt(index + 1),
      from: 0,
      to: 1,
      before: new Map(before.map((agent) => [BigInt(agent), 1])),
      changes: [change],
    };
    made.add(operation);
  }
  return made;
}

const of = (change: Change, ...before: number[]) => ({ change, before });
const all = new Map(Array.from({ length: 9 }, (_, index) => [BigInt(index + 1), 1] as const));
const found = (made: Model, content: Partial<Content>): string | undefined =>
  made.checkContent('notes', all, { ...empty, ...content })?.property;

const node = (label: string, ...children: Content['tree'][number][]): Content['tree'][number] => ({
  id: `id of ${label}`,
  data: { label },
  children,
});

test('a mark shows where it was put, until another one is put on it', () => {
  const word = of({ type: 'insert', token: '<1>' });
  const mark = of({ type: 'mark', key: 'bold', token: 'm1', over: ['<1>'] }, 1);
  const runs = (value?: string): Partial<Content> => ({
    text: '<1>',
    runs: [value === undefined ? { insert: '<1>' } : { insert: '<1>', attributes: { bold: value } }],
  });
  expect(found(model(word, mark), runs('m1'))).toBeUndefined();
  expect(found(model(word, mark), runs())).toBe('effectExactlyOnce');
  expect(found(model(word, mark), runs('m2'))).toBe('causeBeforeEffect');
  expect(found(model(word), runs('m1'))).toBe('causeBeforeEffect');
  const other = of({ type: 'mark', key: 'bold', token: 'm2', over: ['<1>'] }, 1, 2);
  expect(found(model(word, mark, other), runs('m2'))).toBeUndefined();
  expect(found(model(word, mark, other), runs('m1'))).toBe('effectExactlyOnce');
  const off = of({ type: 'mark', key: 'bold', token: undefined, over: ['<1>'] }, 1, 2);
  expect(found(model(word, mark, off), runs())).toBeUndefined();
  expect(found(model(word, mark, off), runs('m1'))).toBe('deletedStaysDeleted');
});

test('a mark shows on no word that its author left out, and may on one that it had not seen', () => {
  const first = of({ type: 'insert', token: '<1>' });
  const second = of({ type: 'insert', token: '<2>', left: '<1>' }, 1);
  const runs = [{ insert: '<1><2>', attributes: { bold: 'm1' } }];
  const marked = (...before: number[]) => of({ type: 'mark', key: 'bold', token: 'm1', over: ['<1>'] }, ...before);
  expect(found(model(first, second, marked(1, 2)), { text: '<1><2>', runs })).toBe('causeBeforeEffect');
  expect(found(model(first, second, marked(1)), { text: '<1><2>', runs })).toBeUndefined();
});

test('no mark ends within a word', () => {
  const word = of({ type: 'insert', token: '<1>' });
  const mark = of({ type: 'mark', key: 'bold', token: 'm1', over: ['<1>'] }, 1);
  const runs = [{ insert: '<1', attributes: { bold: 'm1' } }, { insert: '>' }];
  expect(found(model(word, mark), { text: '<1>', runs })).toBe('effectExactlyOnce');
});

test('a node of a tree is there once, where it was put last', () => {
  const [a, b] = [of({ type: 'plant', node: 'a' }), of({ type: 'plant', node: 'b' })];
  expect(found(model(a, b), { tree: [node('a'), node('b')] })).toBeUndefined();
  expect(found(model(a, b), { tree: [node('a')] })).toBe('effectExactlyOnce');
  expect(found(model(a, b), { tree: [node('a'), node('b'), { ...node('b'), id: 'another' }] })).toBe(
    'effectExactlyOnce',
  );
  expect(found(model(a, b), { tree: [node('a'), node('b'), node('c')] })).toBe('causeBeforeEffect');
  expect(found(model(a, b), { tree: [node('a', node('b'))] })).toBe('effectExactlyOnce');
  const moved = of({ type: 'hang', node: 'b', under: 'a' }, 1, 2);
  expect(found(model(a, b, moved), { tree: [node('a', node('b'))] })).toBeUndefined();
  expect(found(model(a, b, moved), { tree: [node('a'), node('b')] })).toBe('effectExactlyOnce');
  // Moved into each other at the same time: one of them is below the other.
  const back = of({ type: 'hang', node: 'a', under: 'b' }, 1, 2);
  for (const tree of [[node('a', node('b'))], [node('b', node('a'))]]) {
    expect(found(model(a, b, moved, back), { tree })).toBeUndefined();
  }
  expect(found(model(a, b, moved, back), { tree: [] })).toBe('effectExactlyOnce');
});

test('a node stands between the siblings between which it was put, unless those were moved since', () => {
  const a = of({ type: 'plant', node: 'a' });
  const b = of({ type: 'plant', node: 'b', left: 'a' }, 1);
  expect(found(model(a, b), { tree: [node('a'), node('b')] })).toBeUndefined();
  expect(found(model(a, b), { tree: [node('b'), node('a')] })).toBe('effectExactlyOnce');
  const first = of({ type: 'hang', node: 'b', right: 'a' }, 1, 2);
  expect(found(model(a, b, first), { tree: [node('b'), node('a')] })).toBeUndefined();
  expect(found(model(a, b, first), { tree: [node('a'), node('b')] })).toBe('effectExactlyOnce');
  // Its author had not seen where the neighbour was moved to at the same time.
  const c = of({ type: 'plant', node: 'c', left: 'b' }, 1, 2);
  const meanwhile = of({ type: 'hang', node: 'a', left: 'b' }, 1, 2);
  for (const tree of [
    [node('b'), node('a'), node('c')],
    [node('b'), node('c'), node('a')],
  ]) {
    expect(found(model(a, b, c, meanwhile), { tree })).toBeUndefined();
  }
  expect(found(model(a, b, c, meanwhile), { tree: [node('c'), node('b'), node('a')] })).toBe('effectExactlyOnce');
});

test('a deleted node stays deleted, and hides what hangs below it', () => {
  const [a, b] = [of({ type: 'plant', node: 'a' }), of({ type: 'plant', node: 'b', under: 'a' }, 1)];
  const gone = of({ type: 'fell', node: 'a' }, 1, 2);
  expect(found(model(a, b, gone), { tree: [] })).toBeUndefined();
  expect(found(model(a, b, gone), { tree: [node('a')] })).toBe('deletedStaysDeleted');
  expect(found(model(a, b), { tree: [node('a')] })).toBe('effectExactlyOnce');
  const out = of({ type: 'hang', node: 'b' }, 1, 2);
  expect(found(model(a, b, gone, out), { tree: [node('b')] })).toBeUndefined();
  expect(found(model(a, b, gone, out), { tree: [] })).toBe('effectExactlyOnce');
});

test("a node's data is there, and what was written to it last", () => {
  const a = of({ type: 'plant', node: 'a' });
  const tag = of({ type: 'tag', item: 'a', token: 'n1' }, 1);
  const tagged = (data: Readonly<Record<string, unknown>>): Partial<Content> => ({ tree: [{ ...node('a'), data }] });
  expect(found(model(a, tag), tagged({ label: 'a', tag: 'n1' }))).toBeUndefined();
  expect(found(model(a, tag), tagged({ label: 'a' }))).toBe('effectExactlyOnce');
  expect(found(model(a, tag), tagged({ label: 'a', tag: 'n2' }))).toBe('causeBeforeEffect');
  expect(found(model(a), tagged({}))).toBe('effectExactlyOnce');
});

test('an edge of a graph is there while its nodes are', () => {
  const [a, b] = [of({ type: 'join', item: 'a' }), of({ type: 'join', item: 'b' })];
  const line = of({ type: 'join', item: 'e', ends: ['a', 'b'] }, 1, 2);
  const nodes = [node('a'), node('b')];
  const edge = { id: 'id of e', from: 'id of a', to: 'id of b', data: { label: 'e' } };
  expect(found(model(a, b, line), { graph: { nodes, edges: [edge] } })).toBeUndefined();
  expect(found(model(a, b, line), { graph: { nodes, edges: [] } })).toBe('effectExactlyOnce');
  expect(found(model(a, b, line), { graph: { nodes, edges: [{ ...edge, to: 'id of a' }] } })).toBe('effectExactlyOnce');
  const gone = of({ type: 'cut', item: 'b' }, 2);
  expect(found(model(a, b, line, gone), { graph: { nodes: [node('a')], edges: [] } })).toBeUndefined();
  expect(found(model(a, b, line, gone), { graph: { nodes, edges: [edge] } })).toBe('deletedStaysDeleted');
  expect(found(model(a, b, line, gone), { graph: { nodes: [node('a')], edges: [edge] } })).toBe('deletedStaysDeleted');
});
