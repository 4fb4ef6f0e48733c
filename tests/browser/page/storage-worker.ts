// A worker of the test page that runs the storage contract's suite on a storage of this browser's files, and that writes to it as
// a tab does. It answers each message with what came of it.

import { sqliteHarness } from '@joinery/storage-sqlite/testing';
import { assertEqual, indexedDbHarness, opfsHarness, type StorageHarness, storageSuite } from 'joinery/testing';

declare const self: DedicatedWorkerGlobalScope;

export interface StorageTask {
  readonly storage: 'indexeddb' | 'opfs' | 'sqlite';
  /** Counts a value up so many times; with nothing, the suite is run. */
  readonly countUp?: number;
  /** Counts up and reads at once, again and again. It answers after so many times, and goes on until the worker is ended. */
  readonly busy?: number;
  /** Does something to the files of SQLite's pool, as a crash, a disk or another tab may, and counts up after it. */
  readonly spoil?: 'damage heads' | 'add an empty file' | 'hold a file' | 'take everything away';
}

const harnesses: Readonly<Record<StorageTask['storage'], () => StorageHarness>> = {
  indexeddb: indexedDbHarness,
  opfs: opfsHarness,
  sqlite: sqliteHarness,
};

async function runSuite(harness: () => StorageHarness): Promise<{ failures: string[]; cases: number }> {
  const failures: string[] = [];
  for (const { name, run } of storageSuite) {
    await run(harness()).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
  }
  return { failures, cases: storageSuite.length };
}

/** Counts a value up, so many times, while others do so too; what it was after the last time. */
async function countUp(harness: () => StorageHarness, times: number): Promise<number> {
  const store = await harness().storage.open({ server: 'wss://example.org', user: 'ada', name: 'shared' });
  let last = 0;
  for (let time = 0; time < times; time += 1) {
    const counted = await store.changeValue('count', (known) => {
      last = (known === undefined ? 0 : new DataView(known.buffer, known.byteOffset).getUint32(0)) + 1;
      const next = new Uint8Array(4);
      new DataView(next.buffer).setUint32(0, last);
      return next;
    });
    assertEqual(counted.length, 4);
  }
  await store.close();
  return last;
}

/** See {@link StorageTask.busy}. */
async function stayBusy(harness: () => StorageHarness, times: number): Promise<void> {
  const store = await harness().storage.open({ server: 'wss://example.org', user: 'ada', name: 'shared' });
  const goOn = async (work: () => Promise<unknown>): Promise<never> => {
    for (;;) await work();
  };
  goOn(() => store.readValue('count'));
  goOn(() => store.load('a'));
  goOn(() => store.writeValue('other', new Uint8Array(4_000)));
  await countUp(harness, times);
  goOn(() => countUp(harness, 1));
}

/** The files of the only pool that there is. */
async function poolFiles(): Promise<{ folder: FileSystemDirectoryHandle; files: PoolFile[] }> {
  const root = await navigator.storage.getDirectory();
  const all = await root.getDirectoryHandle('joinery-sqlite');
  let hash = '';
  for await (const name of all.keys()) hash = name;
  const folder = await (await all.getDirectoryHandle(hash)).getDirectoryHandle('.opaque');
  const files: PoolFile[] = [];
  for await (const handle of folder.values()) if (handle.kind === 'file') files.push(handle as PoolFile);
  return { folder, files };
}

interface PoolFile extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<{
    getSize(): number;
    read(into: Uint8Array, options: { at: number }): number;
    write(bytes: Uint8Array, options: { at: number }): number;
    flush(): void;
    close(): void;
  }>;
}

/** What opening ended with while it was so, and what the value is afterwards. */
async function spoil(how: NonNullable<StorageTask['spoil']>): Promise<{ error: string; count: number }> {
  const { folder, files } = await poolFiles();
  let error = '';
  if (how === 'damage heads') {
    for (const file of files) {
      const handle = await file.createSyncAccessHandle();
      const first = new Uint8Array(1);
      handle.read(first, { at: 0 });
      handle.write(Uint8Array.of((first[0] ?? 0) ^ 1), { at: 0 });
      handle.flush();
      handle.close();
    }
  } else if (how === 'add an empty file') await folder.getFileHandle('empty', { create: true });
  else if (how === 'hold a file') {
    for (const file of files) {
      const handle = await file.createSyncAccessHandle();
      error = await countUp(harnesses.sqlite, 1).then(String, ({ code }) => code);
      handle.close();
    }
  } else {
    const root = await navigator.storage.getDirectory();
    const store = await sqliteHarness().storage.open({ server: 'wss://example.org', user: 'ada', name: 'shared' });
    // After so long a tab that does nothing has given its files back.
    for (;;) {
      error = await root.removeEntry('joinery-sqlite', { recursive: true }).then(
        () => 'removed',
        ({ name }) => name,
      );
      if (error === 'removed') break;
    }
    // It has seen something there: to it that is no empty storage.
    error = await store.readValue('count').then(String, ({ code }) => code);
    await store.close();
  }
  return { error, count: await countUp(harnesses.sqlite, 1) };
}

self.addEventListener('message', ({ data }: MessageEvent<StorageTask>) => {
  const harness = harnesses[data.storage];
  const run = (): Promise<unknown> => {
    if (data.spoil !== undefined) return spoil(data.spoil);
    if (data.busy !== undefined) return stayBusy(harness, data.busy);
    return data.countUp === undefined ? runSuite(harness) : countUp(harness, data.countUp);
  };
  run().then(
    (result) => self.postMessage({ result }),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
});
