// Runs the storage contract's suite on records in a file, cuts the power at every write of a workload, damages every part, and
// lets two tabs and too little room at it. Real files of the browser are in tests/browser.

import { isDeepStrictEqual } from 'node:util';
import { type JoineryError, writeEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { CrashDisk, PowerCut } from '../testing/crash-disk.ts';
import { operationsOf } from '../testing/log-operations.ts';
import { seededRandom } from '../testing/random.ts';
import { storageSuite } from '../testing/storage-suite.ts';
import { crc32 } from './checksum.ts';
import { LogFile } from './log-file.ts';
import { decodeHeader, encodeFrame, encodeHeader, header_bytes, type Upgrade } from './log-format.ts';
import { decodeValueRecord, encodeSnapshotRecord, encodeValueRecord } from './record.ts';
import { openRecordStore } from './record-store.ts';
import type { DocumentStore, DocumentWrite, Namespace, Storage, StoredEnvelope } from './storage.ts';

/** A folder for each namespace. */
class CrashStorage implements Storage {
  readonly mode = 'log';
  readonly disks = new Map<string, CrashDisk>();

  disk(namespace: Namespace): CrashDisk {
    const name = JSON.stringify(namespace);
    let disk = this.disks.get(name);
    if (disk === undefined) {
      disk = new CrashDisk({ random: seededRandom(1) });
      this.disks.set(name, disk);
    }
    return disk;
  }

  open(namespace: Namespace): Promise<DocumentStore> {
    return openOn(this.disk(namespace));
  }
}

function openOn(disk: CrashDisk, rewriteLeast_bytes?: number): Promise<DocumentStore> {
  const salt = (): number => Math.floor(disk.random() * 2 ** 32);
  return openRecordStore(new LogFile(disk.folder(), salt, rewriteLeast_bytes));
}

/** Where a sequence of bytes begins, the last time; -1: nowhere. */
function lastIndexOf(content: Uint8Array, bytes: Uint8Array): number {
  return Buffer.from(content).lastIndexOf(Buffer.from(bytes));
}

describe('records in a file', () => {
  for (const { name, run } of storageSuite) {
    test(name, async () => {
      const storage = new CrashStorage();
      await run({
        storage,
        async damage(namespace, document, area) {
          // A bit of the record, in every copy of it that the file has.
          const { content } = storage.disk(namespace).files[0];
          let found = 0;
          for (const { operation, at } of operationsOf(content)) {
            if (operation.kind !== 'put' || operation.document !== document || operation.area !== area) continue;
            if (found > 0 && area === 'log') continue;
            found += 1;
            const middle = at + (operation.record.length >> 1);
            content[middle] = (content[middle] ?? 0) ^ 4;
          }
          if (found === 0) throw new Error(`Expected a ${area} record of ${document}, found none.`);
        },
      });
    });
  }
});

function envelope(agent: number, seq: number, size: number): Uint8Array {
  return writeEnvelope({ agent: BigInt(agent), from: seq - 1, to: seq, payload: new Uint8Array(size).fill(seq) });
}

function local(document: string, agent: number, seq: number, size = 20): DocumentWrite {
  return { document, incarnation: 0, epoch: 0, at_ms: seq, local: [envelope(agent, seq, size)] };
}

const names = (log: readonly StoredEnvelope[]): string[] => log.map(({ agent, to }) => `${agent}:${to}`).sort();

/**
 * A workload that appends to several documents at once, compacts and writes values; `done` is called with what is durable after
 * each step. The same for the same seed.
 */
async function work(store: DocumentStore, seed: number, steps: number, done: (step: number) => void): Promise<void> {
  const random = seededRandom(seed);
  const tags = new Map<string, string | undefined>();
  for (let step = 1; step <= steps; step += 1) {
    const size = random() < 0.2 ? 3_000 : 30;
    if (random() < 0.15) {
      const document = `d${Math.floor(random() * 3)}`;
      const covers = new Map([1n, 2n, 3n].map((agent) => [agent, step] as const));
      const bytes = new Uint8Array(size).fill(step);
      const compaction = { incarnation: 0, replaces: tags.get(document), epoch: 0, bytes, covers };
      tags.set(document, await store.compact(document, compaction));
    } else if (random() < 0.5) {
      await store.writeValue('step', new Uint8Array(20_000).fill(step));
    } else {
      // Of all documents or of none.
      await store.append([0, 1, 2].map((number) => local(`d${number}`, number + 1, step, size)));
    }
    done(step);
  }
}

/** Everything of a store, to compare. */
async function everything(store: DocumentStore): Promise<unknown> {
  const documents = await Promise.all(
    (await store.documents()).map(async (id) => {
      const { log, snapshot, damaged, ...rest } = await store.load(id);
      expect(damaged).toEqual([]);
      const intact = log.every(({ bytes, to }) => bytes.subarray(-20).every((byte) => byte === (to & 0xff)));
      return { id, log: names(log), intact, snapshot: snapshot?.bytes.at(-1), rest };
    }),
  );
  return { documents, step: (await store.readValue('step'))?.at(-1), pending: await store.pending() };
}

describe('a power cut', () => {
  const steps = 60;
  const seed = 7;
  // So small that the file is written anew several times.
  const rewriteLeast_bytes = 2_000;

  /** What is durable after each step, and how often the disk was asked for something by then. */
  async function recorded() {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const store = await openOn(disk, rewriteLeast_bytes);
    const states: unknown[] = [await everything(store)];
    await work(store, seed, steps, () => {});
    const total = disk.steps;
    for (let until = 1; until <= steps; until += 1) {
      const fresh = await openOn(new CrashDisk({ random: seededRandom(1) }));
      await work(fresh, seed, until, () => {});
      states.push(await everything(fresh));
    }
    const generations = disk.files.map(({ content }) => decodeHeader(content)?.generation ?? 0);
    return { states, total, rewrites: Math.max(...generations) - 1 };
  }

  test('at every write of a workload leaves what was durable, and of what was under way all or nothing', async () => {
    const { states, total, rewrites } = await recorded();
    expect(total).toBeGreaterThan(100);
    expect(rewrites).toBeGreaterThan(3);
    let [whole, none] = [0, 0];
    for (let cutAfter = 0; cutAfter < total; cutAfter += 1) {
      for (const chance of [1, 2, 3]) {
        const disk = new CrashDisk({ random: seededRandom(cutAfter * 10 + chance), cutAfter });
        let durable = 0;
        try {
          await work(await openOn(disk, rewriteLeast_bytes), seed, steps, (step) => {
            durable = step;
          });
        } catch (error) {
          expect((error as { cause?: unknown }).cause ?? error).toBeInstanceOf(PowerCut);
        }
        const store = await openOn(disk.afterPowerCut());
        const left = await everything(store);
        const isWhole = isDeepStrictEqual(left, states[durable + 1]);
        if (!isWhole) expect(left, `cut after ${cutAfter}`).toEqual(states[durable]);
        if (isWhole) whole += 1;
        else none += 1;
        expect(await store.damaged()).toEqual([]);
        // And it goes on from there.
        await store.append([local('later', 9, 1)]);
        expect((await store.load('later')).log).toHaveLength(1);
      }
    }
    expect(Math.min(whole, none)).toBeGreaterThan(5);
  });
});

describe('a damaged file', () => {
  async function written(): Promise<CrashDisk> {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const store = await openOn(disk);
    for (let seq = 1; seq <= 20; seq += 1) {
      const resume = { epoch: 1, position: seq, repairs: 0 };
      const remote = { firstPosition: seq, envelopes: [envelope(8, seq, 30)] };
      await store.append([
        { ...local('a', 1, seq), epoch: 1 },
        { document: 'b', incarnation: 0, epoch: 1, at_ms: seq, remote, resume },
      ]);
    }
    // And two that are swapped for the server's state, with what was written here made again by another agent. To one of them more
    // is written afterwards.
    for (const document of ['c', 'e']) {
      await store.append([local(document, 1, 1), local(document, 1, 2)]);
      const local7 = [envelope(7, 1, 20), envelope(7, 2, 20)];
      const swap = {
        ...{
          incarnation: 0,
          expectAgents: new Map([[1n, 2]]),
          snapshot: Uint8Array.of(5),
          resume: { epoch: 1, position: 9 },
        },
        ...{ safe: undefined, at_ms: 1, local: local7, clockOffset_ms: 0, rejected: [], mapping: Uint8Array.of(1) },
        agents: [{ agent: 1n, covered: 2, last: 0 }],
      };
      expect(await store.swap(document, swap)).toBe(true);
    }
    await store.append([{ ...local('c', 7, 3), incarnation: 1, epoch: 1 }]);
    await store.compact('a', {
      incarnation: 0,
      replaces: undefined,
      epoch: 1,
      bytes: Uint8Array.of(4),
      covers: new Map(),
    });
    await store.append([local('d', 1, 1)]);
    return disk;
  }

  /** Of a document that was swapped: nothing of both incarnations. */
  async function checkSwapped(store: DocumentStore, document: string, at: number): Promise<void> {
    const { incarnation, log, snapshot } = await store.load(document);
    const found = names(log);
    const [old, made] = [found.filter((name) => name.startsWith('1:')), found.filter((name) => name.startsWith('7:'))];
    expect([old.length > 0 && made.length > 0, incarnation === 0 && made.length > 0], `byte ${at}`).toEqual([
      false,
      false,
    ]);
    if (incarnation === 1)
      expect([old, snapshot?.bytes ?? Uint8Array.of(5)], `byte ${at}`).toEqual([[], Uint8Array.of(5)]);
    else expect(snapshot, `byte ${at}`).toBeUndefined();
  }

  test('gives what is left, whichever byte is damaged, and asks the server for the rest', async () => {
    const disk = await written();
    const size = disk.files[0].size();
    const before = disk.files[0].content.slice();
    let kept = 0;
    for (let at = 0; at < size; at += 1) {
      const broken = new CrashDisk({ random: seededRandom(at) });
      const content = before.slice();
      content[at] = (content[at] ?? 0) ^ (1 << (at % 8));
      broken.files[0].put(content);
      const store = await openOn(broken);
      const [a, b] = [await store.load('a'), await store.load('b')];
      expect(a.log.length, `byte ${at}`).toBeGreaterThanOrEqual(at < header_bytes ? 20 : 18);
      const isWhole = names(b.log).length === 20;
      // What the server has is fetched again where any of it may be missing.
      if (!isWhole) expect(b.resume === undefined || b.resume.position < 20, `byte ${at}`).toBe(true);
      for (const { bytes, to } of [...a.log, ...b.log]) expect(bytes.at(-1)).toBe(to);
      for (const document of ['c', 'e']) await checkSwapped(store, document, at);
      if (a.log.length === 20 && isWhole) kept += 1;
      await store.append([local('later', 9, 1)]);
      const again = await openOn(broken);
      expect((await again.load('later')).log).toHaveLength(1);
    }
    expect(kept).toBeGreaterThanOrEqual(header_bytes);
  }, 60_000);

  test('of which a whole sector is lost mixes nothing either', async () => {
    const disk = await written();
    const before = disk.files[0].content.slice();
    for (let at = 0; at < before.length; at += 128) {
      const broken = new CrashDisk({ random: seededRandom(at) });
      const content = before.slice();
      content.fill(0, at, at + 512);
      broken.files[0].put(content);
      const store = await openOn(broken);
      for (const document of ['c', 'e']) await checkSwapped(store, document, at);
      // The header has a copy in another sector.
      if (at + 512 <= 4_096) expect(names((await store.load('a')).log)).toHaveLength(20);
      const { log, resume } = await store.load('b');
      if (log.length < 20) expect(resume === undefined || resume.position < 20, `byte ${at}`).toBe(true);
    }
  });

  test('full of what looks like the beginning of frames loses nothing but what is damaged', async () => {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const store = await openOn(disk);
    const payload = new TextEncoder().encode('JFabc\nJAabc\n'.repeat(20_000));
    await store.append([{ ...local('theirs', 5, 1), local: [writeEnvelope({ agent: 5n, from: 0, to: 1, payload })] }]);
    for (let seq = 1; seq <= 50; seq += 1) await store.append([local('mine', 1, seq)]);
    const { content } = disk.files[0];
    content[header_bytes + 20] = (content[header_bytes + 20] ?? 0) ^ 1;
    const again = await openOn(disk);
    expect(names((await again.load('mine')).log)).toHaveLength(50);
    expect(await again.damaged()).toHaveLength(1);
  });

  test('is read though there is no room to write down what follows from damage, and that is done later', async () => {
    const disk = await written();
    const { content } = disk.files[0];
    // The name of a record of a commit in the middle.
    const named = operationsOf(content).filter(
      ({ operation }) => operation.kind === 'put' && operation.document === 'b' && operation.area === 'log',
    );
    const at = (named[6]?.at ?? 0) - 3;
    content[at] = (content[at] ?? 0) ^ 1;
    disk.room_bytes = disk.used_bytes;
    const store = await openOn(disk);
    for (let time = 0; time < 2; time += 1) {
      const { log, resume, repairs } = await store.load('b');
      expect([log.length < 20, resume, repairs]).toEqual([true, undefined, 1]);
      expect(await store.damaged()).toHaveLength(1);
    }
    disk.room_bytes = Number.POSITIVE_INFINITY;
    await store.append([local('later', 9, 1)]);
    const again = await openOn(disk);
    expect((await again.load('b')).resume).toBeUndefined();
    expect((await again.load('later')).log).toHaveLength(1);
  });

  test('without a header is set aside, and a new one begins', async () => {
    const disk = await written();
    disk.files[0].content.fill(0xff, 0, header_bytes);
    const store = await openOn(disk);
    expect(await store.documents()).toEqual([]);
    expect(await store.damaged()).toMatchObject([{ reason: expect.stringContaining('header') }]);
    // What can't be read is still there.
    expect(disk.files[0].size()).toBeGreaterThan(1_000);
    await store.append([local('a', 1, 1)]);
    expect((await (await openOn(disk)).load('a')).log).toHaveLength(1);
  });

  test('of a later version is refused, and left as it is', async () => {
    const disk = await written();
    const header = decodeHeader(disk.files[0].content) ?? { version: 1, generation: 0, salt: 0 };
    const later = encodeHeader(header);
    for (const at of [0, 4096]) {
      later[at + 7] = 2;
      new DataView(later.buffer).setUint32(at + 20, crc32(later.subarray(at, at + 20)), true);
    }
    disk.files[0].content.set(later);
    const before = disk.files[0].content.slice();
    await expect(openOn(disk)).rejects.toMatchObject({ code: 'storage-too-new' });
    expect(disk.files[0].content).toEqual(before);
  });
});

describe('a later version', () => {
  /** Calls the value `old` by the name `new`. */
  const rename: Upgrade = (operation) => {
    if (operation.kind !== 'put' || operation.area !== 'value' || operation.name !== 'old') return [operation];
    const record = encodeValueRecord('new', decodeValueRecord('old', operation.record));
    return [{ ...operation, name: 'new', record }];
  };
  const openLater = (disk: CrashDisk): Promise<DocumentStore> =>
    openRecordStore(new LogFile(disk.folder(), () => 5, undefined, [rename]));

  async function filled(disk: CrashDisk): Promise<DocumentStore> {
    const store = await openOn(disk);
    for (let seq = 1; seq <= 5; seq += 1) await store.append([local('a', 1, seq, 700), local('b', 2, seq)]);
    await store.writeValue('old', Uint8Array.of(1, 2, 3));
    return store;
  }

  async function look(store: DocumentStore): Promise<unknown[]> {
    const logs = await Promise.all(['a', 'b'].map(async (id) => names((await store.load(id)).log)));
    return [logs, await store.readValue('old'), await store.readValue('new'), await store.damaged()];
  }

  test('upgrades a file whole, or leaves it as it was, wherever the power is cut', async () => {
    let isCut = true;
    let cuts = 0;
    for (let after = 0; isCut; after += 1) {
      for (let seed = 1; seed <= 20; seed += 1) {
        const disk = new CrashDisk({ random: seededRandom(seed) });
        const before = await look(await filled(disk));
        disk.cutAfter = disk.steps + after;
        await openLater(disk).catch(() => {});
        isCut = disk.steps >= disk.cutAfter;
        const left = disk.afterPowerCut();
        // This version goes on with it, or says that it is too new; never is anything missing.
        const now = await openOn(left.afterPowerCut()).then(look, (error) => error.code);
        if (now !== 'storage-too-new') expect(now).toEqual(before);
        const [logs, value] = before;
        const later = await openLater(left);
        expect(await look(later)).toEqual([logs, undefined, value, []]);
        await later.append([local('a', 1, 6)]);
        await expect(openOn(left)).rejects.toMatchObject({ code: 'storage-too-new' });
      }
      expect(after).toBeLessThan(40);
      cuts = after;
    }
    expect(cuts).toBeGreaterThan(5);
  });

  test('that upgrades under an open tab is told to that, which changes nothing any more', async () => {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const lost: string[] = [];
    await filled(disk);
    const old = await openRecordStore(new LogFile(disk.folder(), () => 9), {
      lost: (error) => lost.push((error as JoineryError).code),
    });
    const later = await openLater(disk);
    const content = disk.files.map((file) => file.content.slice());
    await expect(old.append([local('a', 1, 6)])).rejects.toMatchObject({ code: 'storage-too-new' });
    await expect(old.load('a')).rejects.toMatchObject({ code: 'storage-too-new' });
    expect(lost).toEqual(['storage-too-new']);
    expect(disk.files.map((file) => file.content)).toEqual(content);
    expect((await later.load('a')).log).toHaveLength(5);
  });

  test('that has no room for the upgrade leaves the file as it was', async () => {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const before = await look(await filled(disk));
    disk.room_bytes = disk.used_bytes + 100;
    await expect(openLater(disk)).rejects.toMatchObject({ code: 'storage-full' });
    expect(await look(await openOn(disk))).toEqual(before);
  });
});

describe('a file', () => {
  test('that was removed and made anew by another tab is not written to by who had the old one', async () => {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const [mine, theirs] = [await openOn(disk), await openOn(disk)];
    await mine.append([local('a', 1, 1)]);
    for (const file of disk.files) file.put(new Uint8Array(0));
    // As long as the old one, and of its generation.
    await theirs.append([local('a', 2, 1)]);
    await theirs.append([local('a', 2, 2)]);
    await expect(mine.append([local('a', 1, 2)])).rejects.toMatchObject({ code: 'storage-evicted' });
    await expect(mine.load('a')).rejects.toMatchObject({ code: 'storage-evicted' });
    for (const store of [theirs, await openOn(disk)]) {
      expect(names((await store.load('a')).log)).toEqual(['2:1', '2:2']);
      expect(await store.damaged()).toEqual([]);
    }
  });

  test('that was wiped has nothing of what was there, byte by byte', async () => {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const store = await openOn(disk);
    const payload = new TextEncoder().encode('a secret of somebody who has signed out');
    await store.append([{ ...local('a', 5, 1), local: [writeEnvelope({ agent: 5n, from: 0, to: 1, payload })] }]);
    const has = (): boolean => disk.files.some(({ content }) => lastIndexOf(content, payload) >= 0);
    expect(has()).toBe(true);
    await store.wipe();
    expect([has(), await store.documents()]).toEqual([false, []]);
  });

  test('whose successor’s header can be neither finished nor removed is not written to until it is', async () => {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const store = await openOn(disk, 2_000);
    await store.append([local('a', 1, 1)]);
    const flushes = [0, 0];
    for (const which of [0, 1] as const) {
      const flush = disk.files[which].flush.bind(disk.files[which]);
      disk.files[which].flush = () => {
        flushes[which] = (flushes[which] ?? 0) + 1;
        // The second file's first time is that of its content; then comes the header, then the header is removed.
        if (which === 1 && (flushes[1] === 2 || flushes[1] === 3)) throw new Error('The disk fails.');
        flush();
      };
    }
    for (let step = 1; (flushes[1] ?? 0) < 3; step += 1) await store.writeValue('v', new Uint8Array(3_000).fill(step));
    await store.append([local('a', 1, 2)]);
    // Before that one the header was removed for good.
    expect(flushes[1]).toBe(4);
    const left = await openOn(disk.afterPowerCut());
    expect(names((await left.load('a')).log)).toEqual(['1:1', '1:2']);
  });

  test('that two tabs write to shows each what the other has written, also when one of them writes it anew', async () => {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const tabs = [await openOn(disk), await openOn(disk)] as const;
    const random = seededRandom(5);
    const expected = new Set<string>();
    let tag: string | undefined;
    for (let step = 1; step <= 300; step += 1) {
      const tab = tabs[random() < 0.5 ? 0 : 1];
      if (step % 40 === 0) {
        const covers = new Map<bigint, number>();
        const bytes = new Uint8Array(400_000).fill(step);
        tag = await tab.compact('a', { incarnation: 0, replaces: tag, epoch: 0, bytes, covers });
        expect(tag).toBeDefined();
      }
      await tab.append([local('a', 1, step, 2_000)]);
      expected.add(`1:${step}`);
      if (step % 10 === 0) {
        for (const each of tabs) expect(names((await each.load('a')).log)).toEqual([...expected].sort());
      }
    }
    // Written anew at least once: the other file has the higher generation.
    expect(Math.min(disk.files[0].size(), disk.files[1].size())).toBe(0);
    expect(disk.used_bytes).toBeLessThan(4_000_000);
  });

  test('without room refuses a commit whole, and goes on when there is some', async () => {
    const disk = new CrashDisk({ random: seededRandom(1), room_bytes: 60_000 });
    const store = await openOn(disk);
    await store.append([local('a', 1, 1, 20_000)]);
    const more = [local('a', 1, 2, 30_000), local('b', 2, 1, 30_000)];
    await expect(store.append(more)).rejects.toMatchObject({ code: 'storage-full' });
    expect([names((await store.load('a')).log), await store.documents()]).toEqual([['1:1'], ['a']]);
    disk.room_bytes = 1_000_000;
    await store.append(more);
    expect([names((await (await openOn(disk)).load('a')).log), await store.documents()]).toEqual([
      ['1:1', '1:2'],
      ['a', 'b'],
    ]);
  });

  test('that can’t be flushed refuses a commit whole', async () => {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const store = await openOn(disk);
    await store.append([local('a', 1, 1)]);
    disk.failsFlush = true;
    await expect(store.append([local('a', 1, 2)])).rejects.toMatchObject({ code: 'storage-failed' });
    expect(names((await store.load('a')).log)).toEqual(['1:1']);
    expect(names((await (await openOn(disk)).load('a')).log)).toEqual(['1:1']);
    await store.append([local('a', 1, 2)]);
    expect(names((await (await openOn(disk)).load('a')).log)).toEqual(['1:1', '1:2']);
  });

  test('without room for a second one goes on as it is, and is written anew when there is room', async () => {
    const disk = new CrashDisk({ random: seededRandom(1), room_bytes: 3_000_000 });
    const store = await openOn(disk);
    for (let step = 1; step <= 40; step += 1) await store.writeValue('a', new Uint8Array(60_000).fill(step));
    // The first half of the room went to the one file.
    expect(await store.readValue('a')).toEqual(new Uint8Array(60_000).fill(40));
    disk.room_bytes = Number.POSITIVE_INFINITY;
    for (let step = 1; step <= 100; step += 1) await store.writeValue('a', new Uint8Array(60_000).fill(step));
    expect(disk.used_bytes).toBeLessThan(3_000_000);
    expect(await (await openOn(disk)).readValue('a')).toEqual(new Uint8Array(60_000).fill(100));
  });

  test('takes nothing for a frame that others have written, also behind damage', async () => {
    const disk = new CrashDisk({ random: seededRandom(1) });
    const store = await openOn(disk);
    // A remote envelope whose payload is a frame, by all that its author can know.
    const forged = encodeFrame(0, [
      {
        kind: 'put',
        area: 'snapshot',
        document: 'a',
        name: '',
        record: encodeSnapshotRecord('a', { epoch: 9, bytes: forgedBytes }),
      },
    ]);
    const bytes = writeEnvelope({ agent: 5n, from: 0, to: 1, payload: forged });
    await store.append([{ document: 'a', incarnation: 0, epoch: 0, at_ms: 1, local: [bytes] }]);
    await store.append([local('b', 1, 1)]);
    const { content } = disk.files[0];
    const at = lastIndexOf(content, forged);
    expect(at).toBeGreaterThan(header_bytes);
    // The head of the frame that it lies in.
    content[header_bytes + 3] = (content[header_bytes + 3] ?? 0) ^ 0xff;
    const again = await openOn(disk);
    expect((await again.load('a')).snapshot).toBeUndefined();
    expect((await again.load('b')).log).toHaveLength(1);
  });
});

const forgedBytes = Uint8Array.of(6, 6, 6);
