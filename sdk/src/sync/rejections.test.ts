// The engine's part of the rejected list on a storage that answers when, and in the order that, a test says.

import { describe, expect, test } from 'vitest';
import type { DocumentStore, StoredRejection } from '../storage/storage.ts';
import { VirtualEnvironment } from '../testing/virtual-environment.ts';
import { type RejectedList, Rejections } from './rejections.ts';

function entry(id: string): StoredRejection {
  const parts = [{ from: 0, to: 1, code: 'forbidden', message: 'no', reason: 'refused' }];
  return { document: 'a', id, agent: 1n, parts, at_ms: 0, changes: new Uint8Array(), envelope: new Uint8Array() };
}

function setUp() {
  const environment = new VirtualEnvironment();
  const told: string[][] = [];
  const answers: ((entries: readonly StoredRejection[]) => void)[] = [];
  const rejected = () => new Promise<readonly StoredRejection[]>((resolve) => answers.push(resolve));
  const rejections = new Rejections({
    environment,
    store: { rejected } as unknown as DocumentStore,
    tell: (entries) => told.push(entries.map(({ id }) => id)),
    roomMade: () => {},
    failed: (error) => {
      throw error;
    },
  });
  /** Lets the n-th reading end with these entries. */
  const answer = async (index: number, ...ids: string[]): Promise<void> => {
    answers[index]?.(ids.map(entry));
    await environment.advance(0);
  };
  const change = async (): Promise<void> => {
    rejections.changed();
    await environment.advance(0);
  };
  return { rejections, told, answers, answer, change };
}

describe('the rejected list', () => {
  test('is told as it was read last, in whichever order two readings end', async () => {
    const { told, answer, change } = setUp();
    await change();
    await change();
    await answer(1, 'newer');
    await answer(0, 'older', 'gone');
    expect(told).toEqual([['newer']]);
  });

  test('is told again where an older one was told in another message', async () => {
    const { rejections, told, answers, answer, change } = setUp();
    const reading = rejections.read();
    await change();
    await answer(1, 'newer');
    await answer(0, 'older', 'gone');
    expect(rejections.told((await reading) as RejectedList)).toBe(false);
    await answer(answers.length, 'none');
    expect(answers.length).toBe(3);
    await answer(2, 'newer');
    expect(told).toEqual([['newer'], ['newer']]);
  });
});
