// Editing traces: recorded keystrokes of a real text, checked and packed for replay. It reads sequential traces,
// `{startContent, endContent, txns: [{patches: [[position, deleted, inserted]]}]}`; it neither reads files (that is
// trace-file.ts) nor applies anything.

/** A trace with one entry per edit, packed in a few buffers so that a worker can hand it over without a copy. */
export interface Trace {
  readonly startContent: string;
  readonly endContent: string;
  /** Where each edit happens, in UTF-16 units. */
  readonly positions: Uint32Array;
  /** How many units each edit deletes there, before it inserts. */
  readonly deletions: Uint32Array;
  /** Edit i inserts `inserted.slice(insertEnds[i - 1] ?? 0, insertEnds[i])`. */
  readonly insertEnds: Uint32Array;
  readonly inserted: string;
}

export const TRACE_EDITS_MAX = 2_000_000;
/** The longest text a trace may have at its start, at its end, or in between; UTF-16 units. */
export const TRACE_TEXT_LENGTH_MAX = 8_000_000;

/** Says in one sentence what is wrong with a trace and what to do; shown to the user as it is. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

/** Checks a whole trace, so that its replay can't fail half way on what the file says. Throws {@link TraceError}. */
export function parseTrace(json: string): Trace {
  const file = asTraceFile(json);
  const edits = countEdits(file.txns);
  const positions = new Uint32Array(edits);
  const deletions = new Uint32Array(edits);
  const insertEnds = new Uint32Array(edits);
  const parts: string[] = [];
  let length = file.startContent.length;
  let insertEnd = 0;
  let edit = 0;
  for (const txn of file.txns) {
    for (const patch of (txn as { patches: unknown[] }).patches) {
      const [position, deleted, inserted] = asPatch(patch, edit);
      if (position + deleted > length) {
        throw new TraceError(
          `Edit ${edit + 1} reaches to ${position + deleted}, but the text is ${length} long there. The file isn't a whole trace.`,
        );
      }
      length += inserted.length - deleted;
      insertEnd += inserted.length;
      if (length > TRACE_TEXT_LENGTH_MAX || insertEnd > 2 * TRACE_TEXT_LENGTH_MAX) throw tooLong(length);
      positions[edit] = position;
      deletions[edit] = deleted;
      insertEnds[edit] = insertEnd;
      parts.push(inserted);
      edit++;
    }
  }
  const inserted = parts.join('');
  if (hasSurrogates(inserted) || hasSurrogates(file.startContent)) {
    throw new TraceError(
      'The trace has characters outside the Basic Multilingual Plane (emoji, say). Its positions count code points and would miss; choose another trace.',
    );
  }
  if (length !== file.endContent.length) {
    throw new TraceError(
      `The edits lead to a text of ${length} characters, but endContent has ${file.endContent.length}. The file isn't a whole trace.`,
    );
  }
  const { startContent, endContent } = file;
  return { startContent, endContent, positions, deletions, insertEnds, inserted };
}

interface TraceFile {
  readonly startContent: string;
  readonly endContent: string;
  readonly txns: readonly unknown[];
}

function asTraceFile(json: string): TraceFile {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new TraceError('This is not JSON. Choose an editing trace, .json or .json.gz.');
  }
  if (!isRecord(value)) throw new TraceError('This JSON is not an editing trace: expected an object with txns.');
  const { kind, startContent = '', endContent, txns } = value;
  if (kind === 'concurrent' || (Array.isArray(txns) && isRecord(txns[0]) && 'parents' in txns[0])) {
    throw new TraceError(
      'This trace is concurrent: several people at once, each with a history of their own. Only sequential traces can be typed into one text.',
    );
  }
  if (typeof startContent !== 'string' || typeof endContent !== 'string' || !Array.isArray(txns)) {
    throw new TraceError('This JSON is not an editing trace: expected startContent, endContent and txns.');
  }
  if (startContent.length > TRACE_TEXT_LENGTH_MAX) throw tooLong(startContent.length);
  return { startContent, endContent, txns };
}

function countEdits(txns: readonly unknown[]): number {
  let edits = 0;
  for (const [index, txn] of txns.entries()) {
    if (!isRecord(txn) || !Array.isArray(txn.patches)) {
      throw new TraceError(
        `Transaction ${index + 1} has no patches. Expected {"patches": [[position, deleted, inserted]]}.`,
      );
    }
    edits += txn.patches.length;
  }
  if (edits === 0) throw new TraceError('The trace has no edits.');
  if (edits > TRACE_EDITS_MAX) {
    throw new TraceError(`The trace has ${edits} edits; the playground replays at most ${TRACE_EDITS_MAX}.`);
  }
  return edits;
}

function asPatch(patch: unknown, edit: number): [position: number, deleted: number, inserted: string] {
  if (Array.isArray(patch) && patch.length === 3) {
    const [position, deleted, inserted] = patch as unknown[];
    if (isCount(position) && isCount(deleted) && typeof inserted === 'string') return [position, deleted, inserted];
  }
  throw new TraceError(`Edit ${edit + 1} is not [position, deleted, inserted].`);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasSurrogates(text: string): boolean {
  return /[\ud800-\udfff]/.test(text);
}

function tooLong(length: number): TraceError {
  return new TraceError(
    `The text grows to ${length} characters; the playground replays traces up to ${TRACE_TEXT_LENGTH_MAX}.`,
  );
}
