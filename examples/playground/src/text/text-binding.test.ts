import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { applyEdit, type Edit } from './edit.ts';
import { bindText, type TextField, type TextSource } from './text-binding.ts';

/** As much of a textarea as the binding uses, with a user that types into it. */
class Field extends EventTarget {
  value = '';
  selectionStart = 0;
  selectionEnd = 0;
  selectionDirection: 'forward' | 'backward' | 'none' = 'none';
  scrollTop = 0;
  writes = 0;

  matches(): boolean {
    return true;
  }

  setRangeText(replacement: string, start = 0, end = 0): void {
    this.writes++;
    this.value = this.value.slice(0, start) + replacement + this.value.slice(end);
  }

  setSelectionRange(
    start: number | null,
    end: number | null,
    direction: 'forward' | 'backward' | 'none' = 'none',
  ): void {
    this.selectionStart = start ?? 0;
    this.selectionEnd = end ?? 0;
    this.selectionDirection = direction;
  }

  select(start: number, end = start): void {
    this.setSelectionRange(start, end);
  }

  type(text: string): void {
    this.value = this.value.slice(0, this.selectionStart) + text + this.value.slice(this.selectionEnd);
    this.select(this.selectionStart + text.length);
    this.dispatchEvent(new Event('input'));
  }
}

class Source implements TextSource {
  readonly edits: Edit[] = [];
  private readonly listeners = new Set<() => void>();

  constructor(public value: string) {}

  apply(edit: Edit): void {
    this.edits.push(edit);
    this.value = applyEdit(this.value, edit);
    for (const listener of this.listeners) listener();
  }

  remote(value: string): void {
    this.value = value;
    for (const listener of this.listeners) listener();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

const setUp = (value: string) => {
  const field = new Field();
  const source = new Source(value);
  const errors: unknown[] = [];
  const lengths: number[] = [];
  const binding = bindText(field as TextField, source, {
    onShown: (length) => lengths.push(length),
    onError: (error) => errors.push(error),
  });
  return { field, source, binding, errors, lengths };
};

describe('bindText', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('shows the text at once, and what comes later after at most the interval', () => {
    const { field, source, lengths } = setUp('oak');
    expect(field.value).toBe('oak');
    source.remote('oak tree');
    vi.advanceTimersByTime(16);
    expect(field.value).toBe('oak tree');
    expect(lengths).toEqual([3, 8]);
  });

  test('tells typing as one edit and never writes the field for it', () => {
    const { field, source } = setUp('oak');
    const writes = field.writes;
    field.select(3);
    field.type('s');
    vi.runAllTimers();
    expect(source.edits).toEqual([{ index: 3, deleted: 0, inserted: 's' }]);
    expect(field.writes).toBe(writes);
  });

  test('keeps the caret and the selection with its direction at the same words', () => {
    const { field, source } = setUp('oak ash elm');
    field.setSelectionRange(4, 7, 'backward');
    source.remote('an oak ash elm');
    vi.runAllTimers();
    expect(field.value.slice(field.selectionStart, field.selectionEnd)).toBe('ash');
    expect(field.selectionDirection).toBe('backward');
  });

  test('carries typing over edits that the field does not show yet', () => {
    const { field, source } = setUp('oak');
    source.remote('an oak');
    field.select(3);
    field.type('s');
    expect(source.value).toBe('an oaks');
    vi.runAllTimers();
    expect(field.value).toBe('an oaks');
    expect(field.selectionStart).toBe(7);
  });

  test('does not touch the field while an input method composes, and shares what it types', () => {
    const { field, source } = setUp('木');
    const writes = field.writes;
    field.select(1);
    field.dispatchEvent(new Event('compositionstart'));
    field.type('k');
    source.remote(`>${source.value}`);
    field.type('i');
    vi.runAllTimers();
    expect(field.writes).toBe(writes);
    expect(field.value).toBe('木ki');
    expect(source.value).toBe('>木ki');
    field.value = '木材';
    field.select(2);
    field.dispatchEvent(new Event('compositionend'));
    vi.runAllTimers();
    expect(source.value).toBe('>木材');
    expect(field.value).toBe('>木材');
    expect(field.selectionStart).toBe(3);
  });

  test('shows what was held back when the field is left in the middle of a composition', () => {
    const { field, source } = setUp('');
    field.dispatchEvent(new Event('compositionstart'));
    source.remote('others');
    field.dispatchEvent(new Event('blur'));
    vi.runAllTimers();
    expect(field.value).toBe('others');
  });

  test('returns to the shared text when it refuses an edit', () => {
    const { field, source, errors } = setUp('oak');
    source.apply = () => {
      throw new Error('refused');
    };
    field.select(0, 1);
    field.type('O');
    vi.runAllTimers();
    expect(errors).toHaveLength(1);
    expect(field.value).toBe('oak');
  });

  test('shows a stream of edits at the pace set, and its end at once when asked', () => {
    const { field, source, binding } = setUp('');
    binding.setPace(200);
    source.remote('1');
    vi.advanceTimersByTime(16);
    const writes = field.writes;
    for (let i = 2; i <= 100; i++) {
      source.remote(field.value + i);
      vi.advanceTimersByTime(10);
    }
    expect(field.writes - writes).toBeLessThanOrEqual(5);
    source.remote('end');
    binding.refresh();
    expect(field.value).toBe('end');
  });

  test('ends', () => {
    const { field, source, binding } = setUp('oak');
    source.remote('ash');
    binding.stop();
    vi.runAllTimers();
    expect(field.value).toBe('oak');
    field.type('x');
    expect(source.edits).toEqual([]);
  });
});
