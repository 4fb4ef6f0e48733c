import { describe, expect, test } from 'vitest';
import { insertInPieces, type ReplayTarget, replayTrace, SLICE_MS } from './replay.ts';
import { parseTrace } from './trace.ts';

class Text implements ReplayTarget {
  writes = 0;
  constructor(public value = '') {}

  get length(): number {
    return this.value.length;
  }

  insert(index: number, text: string): number {
    this.value = this.value.slice(0, index) + text + this.value.slice(index);
    return ++this.writes;
  }

  delete(index: number, length: number): void {
    this.value = this.value.slice(0, index) + this.value.slice(index + length);
    this.writes++;
  }
}

/** A clock on which each reading takes a millisecond, so that slices end. */
const setUp = () => {
  let time_ms = 0;
  let tasks = 0;
  const between: (() => void)[] = [];
  const options = {
    now: () => time_ms++,
    nextTask: async () => {
      tasks++;
      between.shift()?.();
    },
  };
  return { options, between, tasks: () => tasks };
};

const letters = (count: number, endContent?: string) => {
  const end = Array.from({ length: count }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  const patches = Array.from(end, (letter, i) => [i, 0, letter]);
  const trace = parseTrace(JSON.stringify({ endContent: end, txns: patches.map((patch) => ({ patches: [patch] })) }));
  return { ...trace, endContent: endContent ?? end };
};

describe('replayTrace', () => {
  test('replaces the text and ends equal', async () => {
    const json = '{"startContent":"joint","endContent":"a join","txns":[{"patches":[[4,1,""],[0,0,"a "]]}]}';
    const target = new Text('something else');
    const result = await replayTrace(parseTrace(json), target);
    expect(target.value).toBe('a join');
    expect(result).toMatchObject({ outcome: 'equal', edits: 2, total: 2 });
  });

  test('gives the page a turn after each slice, and tells how far it is', async () => {
    const { options, tasks } = setUp();
    const seen: number[] = [];
    await replayTrace(letters(1000), new Text(), { ...options, onProgress: ({ edits }) => seen.push(edits) });
    expect(tasks()).toBeGreaterThanOrEqual(Math.floor(1000 / 16 / SLICE_MS));
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(1000);
  });

  test('ends when cancelled', async () => {
    const { options, between } = setUp();
    const cancel = new AbortController();
    between.push(() => cancel.abort());
    const target = new Text();
    const result = await replayTrace(letters(1000), target, { ...options, signal: cancel.signal });
    expect(result.outcome).toBe('cancelled');
    expect(target.length).toBe(result.edits);
    expect(result.edits).toBeLessThan(1000);
  });

  test('ends when somebody else edits the text', async () => {
    const { options, between } = setUp();
    const target = new Text();
    between.push(() => target.insert(0, 'me too'));
    expect((await replayTrace(letters(1000), target, options)).outcome).toBe('disturbed');
  });

  test('says when the end is not what the trace says', async () => {
    expect((await replayTrace(letters(3, 'abd'), new Text())).outcome).toBe('different');
  });
});

describe('insertInPieces', () => {
  test('inserts a long text in order, without cutting a surrogate pair', () => {
    const target = new Text('<>');
    const long = `x${'😀'.repeat(40_000)}`;
    expect(insertInPieces(target, 1, long)).toBe(3);
    expect(target.value).toBe(`<${long}>`);
  });

  test('writes nothing for nothing', () => {
    expect(insertInPieces(new Text(), 0, '')).toBeUndefined();
  });
});
