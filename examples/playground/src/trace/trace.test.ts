import { describe, expect, test } from 'vitest';
import { parseTrace, TRACE_TEXT_LENGTH_MAX, type Trace, TraceError } from './trace.ts';

const trace = (patches: unknown[], rest: Record<string, unknown> = {}): string =>
  JSON.stringify({ startContent: '', endContent: '', txns: [{ patches }], ...rest });

const messageOf = (json: string): string => {
  try {
    parseTrace(json);
  } catch (error) {
    expect(error).toBeInstanceOf(TraceError);
    return (error as TraceError).message;
  }
  throw new Error('expected the trace to be refused');
};

const play = (trace: Trace): string => {
  let text = trace.startContent;
  let from = 0;
  for (let i = 0; i < trace.positions.length; i++) {
    const [position, deleted, to] = [trace.positions[i] ?? 0, trace.deletions[i] ?? 0, trace.insertEnds[i] ?? 0];
    text = text.slice(0, position) + trace.inserted.slice(from, to) + text.slice(position + deleted);
    from = to;
  }
  return text;
};

describe('parseTrace', () => {
  test('packs every patch of every transaction, in order', () => {
    const parsed = parseTrace(
      JSON.stringify({
        startContent: 'joint',
        endContent: 'a join',
        txns: [
          { patches: [[5, 0, 's']] },
          { patches: [] },
          {
            patches: [
              [4, 2, ''],
              [0, 0, 'a '],
            ],
          },
        ],
      }),
    );
    expect(parsed.positions).toEqual(new Uint32Array([5, 4, 0]));
    expect(parsed.deletions).toEqual(new Uint32Array([0, 2, 0]));
    expect(play(parsed)).toBe('a join');
  });

  test('takes a trace without startContent to start empty', () => {
    expect(play(parseTrace('{"endContent":"ab","txns":[{"patches":[[0,0,"b"]]},{"patches":[[0,0,"a"]]}]}'))).toBe('ab');
  });

  test('says that concurrent traces are not for one text', () => {
    expect(messageOf('{"kind":"concurrent","endContent":"","txns":[]}')).toContain('concurrent');
    expect(messageOf('{"endContent":"","txns":[{"parents":[],"agent":0,"patches":[]}]}')).toContain('concurrent');
  });

  test.each([
    ['', 'not JSON'],
    ['{"endContent":', 'not JSON'],
    ['[]', 'expected an object'],
    ['null', 'expected an object'],
    ['{"txns":[]}', 'expected startContent, endContent and txns'],
    ['{"endContent":"","txns":{}}', 'expected startContent, endContent and txns'],
    ['{"endContent":"","txns":[]}', 'no edits'],
    ['{"endContent":"","txns":[null]}', 'Transaction 1'],
    ['{"endContent":"","txns":[{"patches":[]},{"patches":"x"}]}', 'Transaction 2'],
  ])('refuses %s', (json, message) => {
    expect(messageOf(json)).toContain(message);
  });

  test.each([[[0, 0]], [['0', 0, 'x']], [[-1, 0, 'x']], [[0.5, 0, 'x']], [[0, 0, 7]], [[0, 0, 'x', 1]], [null]])(
    'refuses the patch %j',
    (...patch) => {
      expect(messageOf(trace([[0, 0, 'ok'], patch[0]]))).toContain('Edit 2');
    },
  );

  test('refuses edits beyond the text, and an end that does not fit', () => {
    expect(messageOf(trace([[1, 0, 'x']]))).toContain('Edit 1 reaches to 1');
    expect(
      messageOf(
        trace([
          [0, 0, 'xyz'],
          [2, 2, ''],
        ]),
      ),
    ).toContain('Edit 2 reaches to 4');
    expect(messageOf(trace([[0, 0, 'xyz']], { endContent: 'xy' }))).toContain('endContent has 2');
  });

  test('refuses what positions in code points would miss', () => {
    expect(messageOf(trace([[0, 0, '😀']], { endContent: '😀' }))).toContain('code points');
  });

  test('refuses a text longer than its limit, at the limit and one beyond', () => {
    const half = 'x'.repeat(TRACE_TEXT_LENGTH_MAX / 2);
    const fits = trace(
      [
        [0, 0, half],
        [0, 0, half],
      ],
      { endContent: half + half },
    );
    expect(parseTrace(fits).inserted).toHaveLength(TRACE_TEXT_LENGTH_MAX);
    expect(
      messageOf(
        trace([
          [0, 0, half],
          [0, 0, half],
          [0, 0, 'x'],
        ]),
      ),
    ).toContain(`${TRACE_TEXT_LENGTH_MAX + 1}`);
  });
});
