import type { Receipt, ReceiptState } from 'joinery';
import { describe, expect, test } from 'vitest';
import { WRITE_LINES_MAX, type WriteDescription, WriteLog } from './write-log.ts';

class FakeReceipt implements Receipt {
  readonly error = undefined;
  readonly durable = Promise.resolve();
  readonly synced = Promise.resolve();
  state: ReceiptState = 'local';
  readonly listeners = new Set<() => void>();

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  reach(state: ReceiptState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}

const setUp = () => {
  const clock = { now: 0 };
  const log = new WriteLog(() => clock.now);
  const write = (kind: string, amount = 1): FakeReceipt => {
    const receipt = new FakeReceipt();
    const description: WriteDescription = { kind, amount, say: (sum) => `${kind} ${sum}` };
    log.record(receipt, description);
    return receipt;
  };
  return { clock, log, write };
};

describe('WriteLog', () => {
  test('tells what a write has reached, and how long it took', () => {
    const { clock, log, write } = setUp();
    const receipt = write('add');
    expect(log.lines.get()).toEqual([{ id: 1, label: 'add 1', state: 'local' }]);
    clock.now = 5;
    receipt.reach('durable');
    clock.now = 20;
    receipt.reach('synced');
    expect(log.lines.get()).toEqual([{ id: 1, label: 'add 1', state: 'synced', reachedAfter_ms: 20 }]);
    expect(receipt.listeners.size).toBe(0);
  });

  test('lets writes of one kind share a line, which the newest receipt speaks for', () => {
    const { clock, log, write } = setUp();
    const first = write('type');
    clock.now = 1000;
    const second = write('type', 2);
    first.reach('synced');
    expect(log.lines.get()).toEqual([{ id: 1, label: 'type 3', state: 'local' }]);
    second.reach('durable');
    expect(log.lines.get()[0]?.state).toBe('durable');
  });

  test('begins a new line after a pause and for another kind, newest first', () => {
    const { clock, log, write } = setUp();
    write('type');
    write('count');
    write('type');
    clock.now = 1501;
    write('type');
    expect(log.lines.get().map((line) => line.id)).toEqual([4, 3, 2, 1]);
  });

  test('keeps a bounded number of lines, and lets go of the receipts of others', () => {
    const { log, write } = setUp();
    const receipts = Array.from({ length: WRITE_LINES_MAX + 1 }, (_, i) => write(`kind ${i}`));
    expect(log.lines.get()).toHaveLength(WRITE_LINES_MAX);
    expect(receipts.map((receipt) => receipt.listeners.size)).toEqual([0, ...Array(WRITE_LINES_MAX).fill(1)]);
    receipts[1]?.reach('durable');
    expect(log.lines.get().at(-1)?.state).toBe('durable');
  });
});
