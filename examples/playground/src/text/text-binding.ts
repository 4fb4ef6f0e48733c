// Keeps a textarea and a shared text equal, in both directions, without React in between: a textarea that is written
// anew on each keystroke loses its caret, its undo history and, with 100,000 characters, its speed. What the user does
// becomes one small edit; what others do becomes one setRangeText. It draws nothing and knows no network.

import { type Edit, findEdit, mapSelection, rebaseEdit } from './edit.ts';

/** The shared text as the binding sees it. */
export interface TextSource {
  readonly value: string;
  /** Applies one edit to `value`, at once. When it throws, the textarea returns to what `value` is. */
  apply(edit: Edit): void;
  subscribe(listener: () => void): () => void;
}

/** What is used of a textarea. */
export type TextField = Pick<
  HTMLTextAreaElement,
  | 'value'
  | 'selectionStart'
  | 'selectionEnd'
  | 'selectionDirection'
  | 'scrollTop'
  | 'matches'
  | 'setRangeText'
  | 'setSelectionRange'
  | 'addEventListener'
  | 'removeEventListener'
>;

export interface TextBindingOptions {
  /** Called after the field showed another text, with its length in UTF-16 units. */
  readonly onShown?: (length: number) => void;
  readonly onError?: (error: unknown) => void;
}

export interface TextBinding {
  /** Shows the shared text now, however soon it is after the last time. */
  refresh(): void;
  /** The least time between two refreshes by others' edits: more while a trace is replayed. Milliseconds. */
  setPace(interval_ms: number): void;
  stop(): void;
}

const INTERVAL_MS = 16;
/** A refresh that took t may come again after this many times t, so that a big text leaves time for typing. */
const REST_FACTOR = 4;

/**
 * The field may lag behind the shared text: while an input method composes (writing into the field would end the
 * composition) and between two refreshes. So three texts are at hand: `shown`, which the field held when it was last
 * looked at; the field's value, `shown` plus the user's edit; and the source's value, `shown` plus the others' edits.
 * The user's edit is carried over the others' and then applied to the source.
 */
export function bindText(field: TextField, source: TextSource, options: TextBindingOptions = {}): TextBinding {
  let shown = field.value;
  let composing = false;
  let writing = false;
  let interval_ms = INTERVAL_MS;
  let restUntil_ms = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const takeInput = (): void => {
    const value = field.value;
    const mine = findEdit(shown, value, field.selectionEnd);
    if (mine === undefined) return;
    const theirs = findEdit(shown, source.value);
    const before = shown;
    shown = value;
    writing = true;
    try {
      for (const edit of theirs === undefined ? [mine] : rebaseEdit(before, mine, theirs)) source.apply(edit);
    } catch (error) {
      options.onError?.(error);
    } finally {
      writing = false;
    }
    options.onShown?.(value.length);
    // Usually they are equal now. They aren't when the field lagged, or the source changed or refused the edit.
    if (source.value !== value) schedule();
  };

  const refresh = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (composing) return;
    takeInput();
    const started_ms = performance.now();
    const next = source.value;
    const edit = findEdit(shown, next);
    if (edit === undefined) return;
    const { selectionDirection, scrollTop } = field;
    const selection = mapSelection(shown, { start: field.selectionStart, end: field.selectionEnd }, edit);
    field.setRangeText(edit.inserted, edit.index, edit.index + edit.deleted, 'preserve');
    // Without the focus no selection shows, and Safari would take the focus for setting one.
    if (field.matches(':focus')) field.setSelectionRange(selection.start, selection.end, selectionDirection);
    if (field.scrollTop !== scrollTop) field.scrollTop = scrollTop;
    shown = next;
    options.onShown?.(next.length);
    const finished_ms = performance.now();
    restUntil_ms = finished_ms + Math.max(interval_ms, REST_FACTOR * (finished_ms - started_ms));
  };

  const schedule = (): void => {
    if (writing || composing || timer !== undefined) return;
    timer = setTimeout(refresh, Math.max(0, restUntil_ms - performance.now()));
  };

  const onComposition = (event: Event): void => {
    composing = event.type === 'compositionstart';
    if (composing) return;
    takeInput();
    schedule();
  };

  // A field that loses the focus composes no more, whether or not the input method says so.
  const onBlur = (): void => {
    composing = false;
    schedule();
  };

  field.addEventListener('input', takeInput);
  field.addEventListener('compositionstart', onComposition);
  field.addEventListener('compositionend', onComposition);
  field.addEventListener('blur', onBlur);
  const unsubscribe = source.subscribe(schedule);
  refresh();

  return {
    refresh,
    setPace(next_ms) {
      interval_ms = Math.max(INTERVAL_MS, next_ms);
    },
    stop() {
      clearTimeout(timer);
      unsubscribe();
      field.removeEventListener('input', takeInput);
      field.removeEventListener('compositionstart', onComposition);
      field.removeEventListener('compositionend', onComposition);
      field.removeEventListener('blur', onBlur);
    },
  };
}
