// Backups and trims with clients that are there, offline, reloaded or gone: through the built server as a process, its command
// line, SIGKILL and real sockets. What is counted is that each edit is there once.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServerProcess } from '../harness/server-process.mjs';
import {
  Board,
  boardOf,
  closeAll,
  closeTab,
  device,
  type Fields,
  open,
  reconnect,
  until,
  untilSynced,
} from './real-devices.ts';

let server: ServerProcess;
beforeEach(async () => {
  server = new ServerProcess({ hosted: true });
  await server.start();
});
afterEach(async () => {
  await closeAll();
  await server.dispose();
});

const names = (author: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${author}-${index}`);

/** Writes one after another, each in envelopes of its own; resolves when all are as far as `reached` says. */
async function writeAll(board: Board, given: readonly string[], reached: 'durable' | 'synced'): Promise<string[]> {
  for (const name of given) await Promise.all(board.write(name).map((receipt) => receipt[reached]));
  return [...given];
}

test('a backup is restored after a kill: clients bring back what they hold, nothing doubles, and spaces follow', async () => {
  const document = 'team/board';
  const devices = { ada: device(), ben: device(), cleo: device() };
  const [ada, ben] = [open(server, devices.ada), open(server, devices.ben)];
  let cleo = open(server, devices.cleo);
  const [adas, bens] = [new Board(ada, document), new Board(ben, document)];
  let cleos = new Board(cleo, document);
  await Promise.all([adas.loaded, bens.loaded, cleos.loaded]);
  const written: string[] = [];
  for (const [board, author] of [
    [adas, 'ada'],
    [bens, 'ben'],
    [cleos, 'cleo'],
  ] as const) {
    written.push(...(await writeAll(board, names(`${author}-first`, 5), 'synced')));
  }
  // Made before there was any backup, and not looked at since.
  await ada.document<Fields>('team/old').update({ by: 'ada' }).synced;

  expect(await server.backup('backup.db')).toContain('Backed up 2 documents');

  for (const [board, author] of [
    [adas, 'ada'],
    [bens, 'ben'],
    [cleos, 'cleo'],
  ] as const) {
    written.push(...(await writeAll(board, names(`${author}-second`, 5), 'synced')));
  }
  await ben.document<Fields>('team/new').update({ by: 'ben' }).synced;
  const everywhere = (): boolean => [adas, bens, cleos].every(({ counter }) => counter.value === written.length);
  await until(everywhere, adas, bens, cleos);
  // Offline with what nobody else has; one of them reloaded.
  ben.disconnect();
  cleo.disconnect();
  written.push(...(await writeAll(bens, names('ben-offline', 5), 'durable')));
  written.push(...(await writeAll(cleos, names('cleo-offline', 5), 'durable')));
  await closeTab(cleo);

  await server.kill();
  expect(await server.restore('backup.db')).toContain('Restored 2 documents');
  await server.start();
  cleo = open(server, { ...devices.cleo, connect: false });
  cleos = new Board(cleo, document);
  await cleos.loaded;
  written.push(...(await writeAll(cleos, names('cleo-reloaded', 5), 'durable')));
  for (const client of [ada, ben, cleo]) reconnect(client);
  await until(() => [adas, bens, cleos].every(({ counter }) => counter.value >= written.length), adas, bens, cleos);
  await Promise.all([ada, ben, cleo].map(untilSynced));
  const late = open(server);
  const lates = new Board(late, document);
  await until(() => lates.counter.value >= written.length, lates);
  for (const board of [adas, bens, cleos, lates]) expect(board.content).toEqual(boardOf(written));
  for (const client of [ada, ben, cleo]) expect(client.rejected.entries).toEqual([]);
  expect(adas.text.value).toBe(lates.text.value);
  expect(bens.items).toEqual(lates.items);

  const space = late.space('team');
  await until(() => space.size === 3, space);
  const listed = [];
  for await (const id of late.documents('team')) listed.push(id);
  expect(listed).toEqual(['team/board', 'team/new', 'team/old']);
});

test('a space that was open before a restore shows what was brought back, and loses nothing', async () => {
  const [writer, reader] = [open(server, device()), open(server, device())];
  const space = reader.space('team');
  await space.loaded;
  for (let index = 0; index < 5; index += 1) await writer.document<Fields>(`team/${index}`).update({ index }).synced;
  await until(() => space.size === 5, space);
  await server.backup('backup.db');
  for (let index = 5; index < 10; index += 1) await writer.document<Fields>(`team/${index}`).update({ index }).synced;
  await until(() => space.size === 10, space);
  await server.kill();
  await server.restore('backup.db');
  await server.start();
  for (const client of [writer, reader]) reconnect(client);
  await untilSynced(writer);
  const fresh = open(server);
  const seen = fresh.space('team');
  await until(() => seen.size === 10, seen);
  await writer.document<Fields>('team/10').update({ index: 10 }).synced;
  await until(() => space.size === 11 && seen.size === 11, space, seen);
});

test('a restore of a second backup, with what came between the two and after, is made good by the authors', async () => {
  const document = 'twice';
  const [ada, ben] = [open(server), open(server)];
  const [adas, bens] = [new Board(ada, document), new Board(ben, document)];
  await Promise.all([adas.loaded, bens.loaded]);
  const written: string[] = [];
  for (const [round, file] of ['one.db', 'two.db', 'three.db'].entries()) {
    written.push(...(await writeAll(adas, names(`ada-${round}`, 4), 'synced')));
    written.push(...(await writeAll(bens, names(`ben-${round}`, 4), 'synced')));
    await server.backup(file);
  }
  written.push(...(await writeAll(adas, names('ada-after', 4), 'synced')));
  for (const file of ['three.db', 'three.db']) {
    await server.kill();
    await server.restore(file);
    await server.start();
    for (const client of [ada, ben]) reconnect(client);
    await Promise.all([ada, ben].map(untilSynced));
    const lates = new Board(open(server), document);
    await until(() => lates.counter.value >= written.length && bens.counter.value >= written.length, lates, bens);
    for (const board of [adas, bens, lates]) expect(board.content).toEqual(boardOf(written));
  }
});

test('a trim between two backups: refused until one holds the document, and a restore after it loses nothing', async () => {
  const document = 'trimmed-and-restored';
  const [ada, ben] = [open(server, device()), open(server, device())];
  const [adas, bens] = [new Board(ada, document), new Board(ben, document)];
  await Promise.all([adas.loaded, bens.loaded]);
  const written = await writeAll(adas, names('ada-before', 3), 'synced');
  await server.backup('one.db');
  // At once: the server may not have heard of its first backup yet.
  written.push(...(await writeAll(bens, names('ben-after', 3), 'synced')));
  await expect(server.trim(document)).rejects.toMatchObject({ code: 'not-backed-up' });
  await server.backup('two.db');
  expect(await server.trim(document)).toBe(true);
  written.push(...(await writeAll(adas, names('ada-trimmed', 3), 'synced')));
  ben.disconnect();
  written.push(...(await writeAll(bens, names('ben-offline', 3), 'durable')));
  await server.kill();
  await server.restore('two.db');
  await server.start();
  for (const client of [ada, ben]) reconnect(client);
  await Promise.all([ada, ben].map(untilSynced));
  const lates = new Board(open(server), document);
  await until(() => [adas, bens, lates].every(({ counter }) => counter.value >= written.length), adas, bens, lates);
  for (const board of [adas, bens, lates]) expect(board.content).toEqual(boardOf(written));
  for (const client of [ada, ben]) expect(client.rejected.entries).toEqual([]);
});

test('a trim finds clients offline with unsynced text, list and counter edits: each is there once', async () => {
  const document = 'trimmed';
  const clients = Array.from({ length: 4 }, () => open(server, device()));
  const boards = clients.map((client) => new Board(client, document));
  const [first] = boards;
  if (first === undefined) throw new Error('no client');
  await Promise.all(boards.map((board) => board.loaded));
  const written = await writeAll(first, names('first', 5), 'synced');
  // Something to trim away.
  await first.text.insert(0, 'x'.repeat(10_000)).synced;
  await first.text.delete(0, 10_000).synced;
  await until(
    () => boards.every(({ counter, text }) => counter.value === 5 && text.length === boardOf(written).length),
    ...boards,
  );
  for (let round = 0; round < 3; round += 1) {
    // The last one stays away through all of them.
    const away = clients.slice(1);
    for (const client of away) client.disconnect();
    for (const [index, board] of boards.slice(1).entries()) {
      written.push(...(await writeAll(board, names(`offline-${round}-${index}`, 4), 'durable')));
    }
    expect(await server.trim(document)).toBe(true);
    written.push(...(await writeAll(first, names(`online-${round}`, 2), 'synced')));
    const back = round === 2 ? away : away.slice(0, -1);
    for (const client of back) client.connect();
    await Promise.all(back.map(untilSynced));
  }
  await until(() => boards.every(({ counter }) => counter.value >= written.length), ...boards);
  const lates = new Board(open(server), document);
  await until(() => lates.counter.value >= written.length, lates);
  for (const board of [...boards, lates]) {
    expect(board.content).toEqual(boardOf(written));
    expect(board.text.value).toBe(lates.text.value);
    expect(board.items).toEqual(lates.items);
  }
  for (const client of clients) expect(client.rejected.entries).toEqual([]);
});
