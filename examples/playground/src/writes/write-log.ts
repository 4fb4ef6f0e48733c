// The last writes of one client and how far each has come, for display. Writes of one kind that follow each other closely
// (the letters of a word) share a line. It keeps a bounded number of lines, and no receipt longer than its line.

import type { Receipt, ReceiptState } from 'joinery';
import { Observable } from '../observable.ts';

/** One line of the log. Immutable: a new object after each change. */
export interface WriteLine {
  readonly id: number;
  readonly label: string;
  readonly state: ReceiptState;
  /** Why it was rejected. */
  readonly reason?: string;
  /** From the write to the state that it has reached, once that is more than `local`. Milliseconds. */
  readonly reachedAfter_ms?: number;
}

/** What is written, in words: told again with the sum of the amounts when writes share a line. */
export interface WriteDescription {
  /** Writes of the same kind may share a line; they must be of the same document. */
  readonly kind: string;
  readonly amount: number;
  readonly say: (amount: number) => string;
}

export const WRITE_LINES_MAX = 8;
/** Writes of one kind share a line while no pause between them is longer. */
const PAUSE_MS = 1500;

interface Line {
  readonly id: number;
  readonly description: WriteDescription;
  readonly amount: number;
  readonly written_ms: number;
  readonly receipt: Receipt;
  readonly unsubscribe: () => void;
}

export class WriteLog {
  /** Newest first. */
  readonly lines = new Observable<readonly WriteLine[]>([]);
  private kept: readonly Line[] = [];
  private count = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /**
   * Adds a write. The newest receipt of a line speaks for the whole line: a client's writes to a document are stored,
   * sent and committed in the order in which they were made.
   */
  record(receipt: Receipt, description: WriteDescription): void {
    const written_ms = this.now();
    const last = this.kept[0];
    const joins =
      last !== undefined && last.description.kind === description.kind && written_ms - last.written_ms <= PAUSE_MS;
    if (joins) last.unsubscribe();
    const id = joins ? last.id : ++this.count;
    const line: Line = {
      id,
      description,
      amount: description.amount + (joins ? last.amount : 0),
      written_ms,
      receipt,
      unsubscribe: receipt.subscribe(() => this.update(id)),
    };
    const kept = [line, ...this.kept.slice(joins ? 1 : 0)];
    for (const dropped of kept.slice(WRITE_LINES_MAX)) dropped.unsubscribe();
    this.kept = kept.slice(0, WRITE_LINES_MAX);
    const shown = [show(line, undefined), ...this.lines.get().slice(joins ? 1 : 0)];
    this.lines.set(shown.slice(0, WRITE_LINES_MAX));
  }

  private update(id: number): void {
    const line = this.kept.find((candidate) => candidate.id === id);
    if (line === undefined) return;
    const shown = show(line, this.now() - line.written_ms);
    this.lines.set(this.lines.get().map((other) => (other.id === id ? shown : other)));
    if (shown.state === 'synced' || shown.state === 'rejected') line.unsubscribe();
  }
}

function show(line: Line, reachedAfter_ms: number | undefined): WriteLine {
  const { id, receipt, description, amount } = line;
  return {
    id,
    label: description.say(amount),
    state: receipt.state,
    ...(receipt.error === undefined ? {} : { reason: receipt.error.message }),
    ...(reachedAfter_ms === undefined || receipt.state === 'local' ? {} : { reachedAfter_ms }),
  };
}
