// Writes that can't be synced as they are, through a real server process with a host's hook, real sockets and the built core:
// a forbidden field, a wrong clock. The same on virtual time is beside the code (sdk/src/client.refusal.test.ts).

import type { Receipt } from 'joinery';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ServerProcess } from '../harness/server-process.mjs';
import { atServer, closeAll, device, type Fields, open, until, untilSynced } from './real-devices.ts';

const day_ms = 24 * 60 * 60 * 1_000;
const knownTo_ms = 1_000;
const edits = 1_000;
const forbiddenEdit = 500;

const server = new ServerProcess({ hosted: true });
beforeAll(() => server.start());
afterEach(closeAll);
afterAll(() => server.dispose());

/** The field of each edit but the forbidden one. */
function allowedFields(): Fields {
  const all = Array.from({ length: edits }, (_, index) => [`field-${index}`, index] as const);
  return Object.fromEntries(all.filter(([, index]) => index !== forbiddenEdit));
}

for (const storage of ['memory', 'indexeddb'] as const) {
  test(`one forbidden field in 1,000 offline edits: 999 synced, one in rejected, three tabs agree (${storage})`, async () => {
    const document = `team/${storage}`;
    const shared = storage === 'memory' ? device() : { storage, name: document };
    const [writer, second, third] = [1, 2, 3].map(() => open(server, { ...shared, connect: false }));
    if (!writer || !second || !third) throw new Error('no clients');
    const tabs = [writer, second, third].map((client) => ({ client, notes: client.document<Fields>(document) }));
    await Promise.all(tabs.map(({ notes }) => notes.loaded));
    const receipts: Receipt[] = [];
    for (let index = 0; index < edits; index += 1) {
      const receipt = tabs[0]?.notes.update({ [index === forbiddenEdit ? 'forbidden' : `field-${index}`]: index });
      if (receipt === undefined) throw new Error('no receipt');
      receipts.push(receipt);
      // Each in an envelope of its own.
      await receipt.durable;
    }
    await until(
      () => tabs.every(({ notes }) => Object.keys(notes.value ?? {}).length === edits),
      ...tabs.map((tab) => tab.notes),
    );
    for (const { client } of tabs) client.connect();
    await Promise.all(tabs.map(({ client }) => untilSynced(client)));
    const outcomes = await Promise.allSettled(receipts.map((receipt) => receipt.synced));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(edits - 1);
    expect(outcomes[forbiddenEdit]).toMatchObject({ status: 'rejected', reason: { code: 'forbidden' } });
    expect(receipts.map(({ state }) => state).filter((state) => state === 'synced')).toHaveLength(edits - 1);
    expect(await atServer(server, document)).toEqual(allowedFields());
    for (const { client, notes } of tabs) {
      await until(
        () => notes.value?.forbidden === undefined && client.rejected.entries.length === 1,
        notes,
        client.rejected,
      );
      expect(notes.value).toEqual(allowedFields());
      expect(client.rejected.entries).toMatchObject([
        {
          document,
          error: { code: 'forbidden' },
          changes: [{ path: ['forbidden'], kind: 'set', value: forbiddenEdit }],
        },
      ]);
      expect(client.rejected.entries[0]?.id).toBe(writer.rejected.entries[0]?.id);
    }
    const late = open(server, { ...shared, connect: false });
    const lates = late.document<Fields>(document);
    await lates.loaded;
    await until(() => late.rejected.entries.length === 1, late.rejected);
    expect(lates.value).toEqual(allowedFields());
  });
}

test('a discarded entry leaves the rejected list of every tab', async () => {
  const shared = device();
  const tabs = [1, 2, 3].map(() => open(server, shared));
  const [first] = tabs;
  const notes = first?.document<Fields>('team/discard');
  const receipt = notes?.update({ forbidden: 1 });
  await expect(receipt?.synced).rejects.toMatchObject({ code: 'forbidden' });
  for (const tab of tabs) await until(() => tab.rejected.entries.length === 1, tab.rejected);
  first?.rejected.discard(first.rejected.entries[0]?.id ?? '');
  for (const tab of tabs) await until(() => tab.rejected.entries.length === 0, tab.rejected);
});

test('1,000 offline edits with a clock a day ahead: all are kept, and none wins over a later one of another device', async () => {
  const document = 'team/clock';
  const keys = Array.from({ length: edits }, (_, index) => `field-${index}`);
  const ahead = open(server, { ahead_ms: day_ms, connect: false });
  const other = open(server);
  const [aheads, others] = [ahead.document<Fields>(document), other.document<Fields>(document)];
  const counter = ahead.counter(document, 'count');
  await Promise.all([aheads.loaded, others.loaded]);
  const receipts: Receipt[] = [];
  for (const key of keys) {
    const receipt = aheads.update({ [key]: 'ahead', [`own-${key}`]: 'ahead' });
    counter.increment();
    receipts.push(receipt);
    await receipt.durable;
  }
  // Later, by any clock that is right: each knows the time to half a round trip, and at the connection that may be long here,
  // where all clients share one thread.
  await new Promise((resolve) => setTimeout(resolve, knownTo_ms));
  const later = keys.filter((_, index) => index % 2 === 0);
  const overwritten = Object.fromEntries(later.map((key) => [key, 'later']));
  await others.update(overwritten).synced;
  ahead.connect();
  await Promise.all(receipts.map((receipt) => receipt.synced));
  await untilSynced(ahead);
  const own = keys.flatMap((key) => [[key, 'ahead'] as const, [`own-${key}`, 'ahead'] as const]);
  const expected = { ...Object.fromEntries(own), ...overwritten, count: edits };
  await until(() => others.value?.count === edits, others);
  expect(await atServer(server, document)).toEqual(expected);
  expect(aheads.value).toEqual(expected);
  expect(others.value).toEqual(expected);
  expect(ahead.rejected.entries).toEqual([]);
  // What it writes from here on loses to nobody but those who write later.
  await others.update({ 'own-field-1': 'later' }).synced;
  await until(() => aheads.value?.['own-field-1'] === 'later', aheads);
  await aheads.update({ 'own-field-1': 'latest' }).synced;
  await until(() => others.value?.['own-field-1'] === 'latest', others);
});
