// A worker of the test page that runs the storage contract's suite on this browser's origin private file system, and that
// writes to it as a tab does. It answers each message with what came of it.

import { assertEqual, opfsHarness, storageSuite } from 'joinery/testing';

declare const self: DedicatedWorkerGlobalScope;

async function runSuite(): Promise<{ failures: string[]; cases: number }> {
  const failures: string[] = [];
  for (const { name, run } of storageSuite) {
    await run(opfsHarness()).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
  }
  return { failures, cases: storageSuite.length };
}

/** Counts a value up, so many times, while others do so too; what it was after the last time. */
async function countUp(times: number): Promise<number> {
  const store = await opfsHarness().storage.open({ server: 'wss://example.org', user: 'ada', name: 'shared' });
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

self.addEventListener('message', ({ data }: MessageEvent<{ countUp?: number }>) => {
  const done = data.countUp === undefined ? runSuite() : countUp(data.countUp);
  done.then(
    (result) => self.postMessage({ result }),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
});
